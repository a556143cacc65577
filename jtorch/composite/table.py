"""The table of composite operators: Python functions over Tensors, with the namespaces that get them."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

F = TypeVar("F", bound=Callable)


class Composite(NamedTuple):
    """One entry: the function, its name, and the namespaces (``torch``, ``Tensor``, ``linalg`` ...) it appears in."""

    name: str
    function: Callable
    expose: tuple[str, ...]


COMPOSITES: list[Composite] = []


def composite(expose: str = "torch Tensor", *, name: str | None = None, aliases: str = "") -> Callable[[F], F]:
    """Register a function of Tensors under its own name (or ``name``) and ``aliases`` in the given namespaces.

    ``expose`` lists namespaces as :func:`jtorch.ops.table.op` does, each optionally ``namespace:other_name``.
    """

    def register(function: F) -> F:
        for each in (name or function.__name__, *aliases.split()):
            COMPOSITES.append(Composite(each, function, tuple(expose.split())))
        return function

    return register
