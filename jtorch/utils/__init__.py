"""torch.utils: data loading, checkpointing, hooks, DLPack, trees."""

from importlib import import_module
from typing import Any

_SUBMODULES = frozenset({"_pytree", "checkpoint", "data", "dlpack", "hooks", "tensorboard"})


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'torch.utils' has no attribute '{name}' (jtorch has none)")


def __dir__() -> list[str]:
    return sorted({*globals(), *_SUBMODULES})
