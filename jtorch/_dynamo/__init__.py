"""``torch._dynamo``: what programs ask of the compiler under its private name."""

from jtorch.compiler import OptimizedModule, disable, list_backends, reset

__all__ = ["OptimizedModule", "disable", "list_backends", "reset"]
