"""Dimension arguments, checked and made non-negative the way torch does it."""

from collections.abc import Iterable, Sequence


def wrap_dim(dim: int, ndim: int) -> int:
    """``dim`` as an index from 0; a 0-d tensor counts as having one dimension.

    Raises IndexError where it is out of range.
    """
    size = ndim or 1
    if not -size <= dim < size:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-size}, {size - 1}], but got {dim})")
    return dim + size if dim < 0 else dim


def wrap_dims(dims: int | Iterable[int], ndim: int) -> tuple[int, ...]:
    """Every dim of ``dims`` as an index from 0. Raises RuntimeError where one appears twice."""
    wrapped: list[int] = []
    for dim in (dims,) if isinstance(dims, int) else dims:
        d = wrap_dim(dim, ndim)
        if d in wrapped:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
        wrapped.append(d)
    return tuple(wrapped)


def reduce_dims(dims: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """The axes a reduction runs over: all of them for None or an empty list, none for a 0-d tensor."""
    if dims is None or (not isinstance(dims, int) and not len(dims)):
        return tuple(range(ndim))
    wrapped = wrap_dims(dims, ndim)
    return wrapped if ndim else ()
