"""``torch._dynamo``: what programs ask of the compiler under its private name."""

from typing import TypeVar

from jtorch.compiler import OptimizedModule, disable, list_backends, reset

__all__ = ["OptimizedModule", "allow_in_graph", "assume_constant_result", "disable", "list_backends", "reset"]

Fn = TypeVar("Fn")


def allow_in_graph(fn: Fn) -> Fn:
    """``fn`` itself: jtorch compiles what a function recorded, and needs no leave to look into it."""
    return fn


def assume_constant_result(fn: Fn) -> Fn:
    """``fn`` itself: what it returns is looked at, not assumed."""
    return fn
