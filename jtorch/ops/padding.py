"""Padding: with a constant, by reflection, by the nearest element, or around (``torch.nn.functional.pad``).

Pads come as torch has them, (before, after) of the last dimension first. A negative pad takes elements away.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax

from jtorch.ops.errors import unsupported
from jtorch.ops.promotion import BOOL, category
from jtorch.ops.table import op

Edges = list[tuple[int, int]]
_AXES = "DHW"


def _edges(pad: Sequence[int], ndim: int) -> Edges:
    """(before, after) of each dimension."""
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
    return [(0, 0)] * (ndim - len(pairs)) + pairs[::-1]


@op("constant_pad_nd(Tensor self, int[] pad, Scalar value=0) -> Tensor", expose="torch", out=False)
def constant_pad_nd(self, pad, value=0):
    """``self`` with ``value`` around it. RuntimeError where ``pad`` is odd, too long, or leaves less than nothing."""
    if len(pad) % 2:
        raise RuntimeError(f"Length of pad must be even but instead it equals {len(pad)}")
    if len(pad) > 2 * self.ndim:
        raise RuntimeError(
            f"Length of pad should be no more than twice the number of dimensions of the input. Pad length is "
            f"{len(pad)}while the input has {self.ndim} dimensions."
        )
    edges = _edges(pad, self.ndim)
    for size, (before, after) in zip(self.shape, edges, strict=True):
        if size + min(before, 0) + min(after, 0) < 0 or size + before + after < 0:
            raise RuntimeError("narrow(): length must be non-negative.")
    return lax.pad(self, jnp.asarray(value).astype(self.dtype), [(b, a, 0) for b, a in edges])


def _check_border(name: str, x: Any, edges: Edges, n: int) -> None:
    """What torch says of pads of the last ``n`` dimensions by elements of the input; ``name`` is the kernel's."""
    sizes, reflects = x.shape[x.ndim - n :], name.startswith("reflection")
    if 0 in x.shape[x.ndim - n - 1 :]:
        raise RuntimeError(
            f"Expected {n + 1}D or {n + 2}D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {list(x.shape)}"
        )
    for i in reversed(range(n)):
        before, after = edges[i]
        if reflects and max(before, after) >= sizes[i]:
            raise RuntimeError(
                f"Argument #{2 * (n - i) + 2}: Padding size should be less than the corresponding input dimension, but "
                f"got: padding ({before}, {after}) at dimension {x.ndim - n + i} of input {list(x.shape)}"
            )
    made = [s + b + a for s, (b, a) in zip(sizes, edges, strict=True)]
    if max(made) < 1:
        shown = [" ".join(f"{a}: {v}" for a, v in zip(_AXES[-n:], values, strict=True)) for values in (sizes, made)]
        raise RuntimeError(f"input ({shown[0]}) is too small. Calculated output {shown[1]}")
    if min(made) < 0:
        whole = [*x.shape[: x.ndim - n], *made]
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(made)}: {whole}")
    if category(x.dtype) == BOOL:
        raise unsupported(name, x.dtype)


def _part(x: Any, axis: int, start: int, count: int, step: int = 1) -> Any:
    """``count`` elements along ``axis`` from ``start``, backwards for ``step`` -1."""
    if step > 0:
        return lax.slice_in_dim(x, start, start + count, axis=axis)
    return jnp.flip(lax.slice_in_dim(x, start - count + 1, start + 1, axis=axis), axis)


def _extend(mode: str, x: Any, axis: int, before: int, after: int) -> Any:
    """``x`` with elements of its own on both sides of ``axis``: slices put together (no scatter in the gradient)."""
    size = x.shape[axis]
    front, back = max(before, 0), max(after, 0)
    if mode == "reflect":
        parts = [_part(x, axis, front, front, -1), x, _part(x, axis, size - 2, back, -1)]
    elif mode == "circular":
        parts = [_part(x, axis, size - front, front), x, _part(x, axis, 0, back)]
    else:
        ends = ((0, front), (size - 1, back))
        first, last = (jnp.repeat(_part(x, axis, at, 1), count, axis) for at, count in ends)
        parts = [first, x, last]
    made = jnp.concatenate([p for p in parts if p.shape[axis]], axis) if size else x
    start = max(-before, 0)
    return lax.slice_in_dim(made, start, max(made.shape[axis] - max(-after, 0), start), axis=axis)


def _extended(mode: str, x: Any, edges: Edges) -> Any:
    for axis, (before, after) in enumerate(edges, x.ndim - len(edges)):
        if before or after:
            x = _extend(mode, x, axis, before, after)
    return x


def _declare(mode: str, noun: str, n: int) -> None:
    """Declare the pad of the last ``n`` dimensions by reflected or repeated elements."""

    def pad(self: Any, padding: Sequence[int]) -> Any:
        edges = _edges(padding, n)
        _check_border(f"{noun}_pad{n}d", self, edges, n)
        return _extended(mode, self, edges)

    pad.__doc__ = f"The last {n} dimensions of ``self`` padded by ``{mode}``. RuntimeError for pads that do not fit."
    op(f"{noun}_pad{n}d(Tensor self, int[{2 * n}] padding) -> Tensor", expose="_nn",
       saves="self", grad_name=f"{noun.capitalize()}Pad{n}DBackward0")(pad)  # fmt: skip


for _n in (1, 2, 3):
    _declare("reflect", "reflection", _n)
    _declare("replicate", "replication", _n)


@op("_pad_circular(Tensor self, int[] pad) -> Tensor", expose="_nn", out=False, grad_name="CopySlices")
def _pad_circular(self, pad):
    """``self`` padded with what stands at its other end. RuntimeError for more than one time around."""
    edges = _edges(pad, self.ndim)
    kept = []
    for size, (before, after) in zip(self.shape, edges, strict=True):
        if size + before + after < 0:
            raise RuntimeError("Negative padding value is resulting in an empty dimension")
        kept.append(slice(max(-before, 0), max(size - max(-after, 0), 0)))
        if max(before, after) > max(kept[-1].stop - kept[-1].start, 0):
            raise RuntimeError("Padding value causes wrapping around more than once.")
    return _extended("circular", self[tuple(kept)], [(max(b, 0), max(a, 0)) for b, a in edges])


_KERNELS = {"reflect": "reflection", "replicate": "replication"}


def border_kernel(mode: str, ndim: int, length: int) -> str | None:
    """The operator that pads ``ndim`` dimensions by ``mode`` with ``length`` numbers; None where there is none."""
    n = length // 2
    if length % 2 or n not in (1, 2, 3) or ndim not in (n + 1, n + 2):
        return None
    return "_pad_circular" if mode == "circular" else f"{_KERNELS[mode]}_pad{n}d"
