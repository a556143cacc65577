"""torch.cuda.nvtx: names for stretches of a program, in the traces of ``jax.profiler``."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import jax

__all__ = ["mark", "range", "range_end", "range_pop", "range_push", "range_start"]

_stack: list[Any] = []
_open: dict[int, Any] = {}
_ids = count()


def range_push(msg: str) -> int:
    """Begin a stretch within the present one; its depth, from 0 on."""
    named = jax.profiler.TraceAnnotation(msg)
    named.__enter__()
    _stack.append(named)
    return len(_stack) - 1


def range_pop() -> int:
    """End the innermost stretch; the depth it had, or -1 where there was none."""
    if _stack:
        _stack.pop().__exit__(None, None, None)
        return len(_stack)
    return -1


def range_start(msg: str) -> int:
    """Begin a stretch that range_end ends; its handle."""
    named = jax.profiler.TraceAnnotation(msg)
    named.__enter__()
    handle = next(_ids)
    _open[handle] = named
    return handle


def range_end(range_id: int) -> None:
    """End the stretch of a handle."""
    _open.pop(range_id).__exit__(None, None, None)


def mark(msg: str) -> None:
    """Name a moment."""
    with jax.profiler.TraceAnnotation(msg):
        pass


@contextmanager
def range(msg: str, *args: Any, **kwargs: Any) -> Iterator[None]:
    """Names the block; ``msg`` is formatted with the arguments."""
    range_push(msg.format(*args, **kwargs))
    try:
        yield
    finally:
        range_pop()
