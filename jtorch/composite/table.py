"""The table of composite operators: Python functions over Tensors, with the namespaces that get them."""

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, TypeVar

from jtorch.engine import trace
from jtorch.ops.autocast import CLASSES

F = TypeVar("F", bound=Callable)
_local = trace._local


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
        own = name or function.__name__
        if own in CLASSES:
            function = _autocasting(function, CLASSES[own])
        for each in (own, *aliases.split()):
            COMPOSITES.append(Composite(each, function, tuple(expose.split())))
        return function

    return register


def _autocasting(function: Any, classes: dict[str, str]) -> Any:
    """Where autocast is on, it casts what the function is given, and is off for what the function is made of."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        state = _local.state.autocast
        return function(*args, **kwargs) if state is None else state.run(function, classes, args, kwargs)

    return run
