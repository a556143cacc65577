"""Sliding windows along spatial axes, and the arguments that describe them; for convolution, pooling and unfolding."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax

Ints = Sequence[int]


def ntuple(value: int | Ints, n: int) -> tuple[int, ...]:
    """``value`` once an axis: a single number, or a list of one, stands for all of them."""
    if isinstance(value, int):
        return (value,) * n
    return tuple(value) * n if len(value) == 1 else tuple(value)


def span(kernel: int, dilation: int) -> int:
    """How far a dilated kernel reaches."""
    return dilation * (kernel - 1) + 1


def windows(x: Any, axis: int, kernel: int, stride: int, dilation: int = 1) -> Any:
    """``axis`` (from 0) split in two: place in the window (``kernel``), and window. What does not fill one is left
    out.
    """
    count = (x.shape[axis] - span(kernel, dilation)) // stride + 1
    if kernel == stride and dilation == 1:
        x = lax.slice_in_dim(x, 0, count * kernel, axis=axis)
        x = x.reshape(*x.shape[:axis], count, kernel, *x.shape[axis + 1 :])
        return jnp.swapaxes(x, axis, axis + 1)
    return jnp.stack(list(window_slices(x, axis, kernel, stride, dilation, count)), axis)


def window_slices(x: Any, axis: int, kernel: int, stride: int, dilation: int, count: int) -> Any:
    """For each place in the window, the elements of ``x`` that stand there in each of ``count`` windows."""
    for j in range(kernel):
        start = j * dilation
        yield lax.slice_in_dim(x, start, start + (count - 1) * stride + 1, stride, axis)


def pad_spatial(x: Any, before: Ints, after: Ints, value: Any = 0) -> Any:
    """The last ``len(before)`` axes padded with ``value``."""
    if not any(before) and not any(after):
        return x
    lead = [(0, 0, 0)] * (x.ndim - len(before))
    edges = [(b, a, 0) for b, a in zip(before, after, strict=True)]
    return lax.pad(x, jnp.asarray(value, x.dtype), lead + edges)


def times(sizes: Ints) -> str:
    """Sizes as torch's messages write them: ``3 x 3``."""
    return " x ".join(map(str, sizes))


AXES = {1: ("width",), 2: ("height", "width"), 3: ("depth", "height", "width")}


def by_axis(name: str, values: Ints) -> str:
    """Values an axis as torch's messages write them: ``kernel_height: 3 kernel_width: 3``."""
    return " ".join(f"{name}_{a}: {v}" for a, v in zip(AXES[len(values)], values, strict=True))
