"""The context in which torch's vmap may index by a batched number."""

from contextlib import AbstractContextManager, nullcontext

__all__ = ["TransformGetItemToIndex"]


def TransformGetItemToIndex() -> AbstractContextManager[None]:
    """Nothing to turn on: under jtorch's vmap ``x[i]`` with a batched ``i`` is always an index, and reads no value."""
    return nullcontext()
