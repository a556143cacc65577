"""Operators written in Tensor terms: several recorded ops, or a result whose shape depends on the data."""

from importlib import import_module
from pkgutil import iter_modules


def load() -> None:
    """Import every family, which registers its functions."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
