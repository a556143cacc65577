"""``torch._dynamo``: what programs ask of the compiler under its private name."""

from jtorch._dynamo import eval_frame
from jtorch.compiler import (
    OptimizedModule,
    allow_in_graph,
    assume_constant_result,
    disable,
    list_backends,
    reset,
)

__all__ = [
    "OptimizedModule",
    "allow_in_graph",
    "assume_constant_result",
    "disable",
    "eval_frame",
    "list_backends",
    "reset",
]
