"""Sampling at points of a grid, and the grids of affine maps (torch.nn.functional.grid_sample, affine_grid).

Coordinates run from -1 to 1, x first: over the whole axis, or with ``align_corners`` over the elements' centres.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jtorch.engine import config
from jtorch.ops.errors import scalar_type, unsupported
from jtorch.ops.interpolate import cubic_weights
from jtorch.ops.precision import wide
from jtorch.ops.promotion import FLOAT, category
from jtorch.ops.table import op

BILINEAR, NEAREST, BICUBIC = range(3)
ZEROS, BORDER, REFLECTION = range(3)


def _clipped(at: Any, size: int) -> Any:
    """``at`` in [0, size - 1], with no gradient from the ends on; NaN becomes 0."""
    return jnp.where(at > 0, jnp.where(at < size - 1, at, size - 1), 0)


def _reflected(at: Any, size: int, align: bool) -> Any:
    """``at`` folded back at the ends: the centres of the outer elements with ``align``, else their outer edges."""
    low, span = (0.0, size - 1) if align else (-0.5, size)
    if not span:
        return jnp.zeros_like(at)
    at = at - low
    at = jnp.where(at < 0, -at, at)
    folds, rest = jnp.floor(lax.stop_gradient(at) / span), lax.rem(at, jnp.full_like(at, span))
    return jnp.where(folds % 2 == 0, rest, span - rest) + low


def _inside(at: Any, size: int, padding: int, align: bool) -> Any:
    if padding == ZEROS:
        return at
    return _clipped(_reflected(at, size, align) if padding == REFLECTION else at, size)


def _taps(at: Any, size: int, mode: int, padding: int, align: bool) -> list[tuple[Any, Any, Any]]:
    """(index, weight, whether it lies inside) of each element along an axis that has a part in the points ``at``."""
    if mode != BICUBIC:
        at = _inside(at, size, padding, align)
    if mode == NEAREST:
        places: list = [jnp.round(lax.stop_gradient(at))]
        weights: list = [None]
    else:
        first = jnp.floor(lax.stop_gradient(at))
        part = at - first
        offsets = (-1, 0, 1, 2) if mode == BICUBIC else (0, 1)
        weights = cubic_weights(part) if mode == BICUBIC else [1 - part, part]
        places = [first + o for o in offsets]
        if mode == BICUBIC:
            places = [_inside(p, size, padding, align) for p in places]
    out = []
    for place, weight in zip(places, weights, strict=True):
        inside = (place >= 0) & (place <= size - 1)
        out.append((jnp.where(inside, place, 0).astype(np.int32), weight, inside))
    return out


def _sample(x: Any, grid: Any, mode: int, padding: int, align: bool) -> Any:
    sizes = x.shape[2:]
    n = len(sizes)
    axes = []
    for i, size in enumerate(sizes):
        c = grid[..., n - 1 - i]
        at = (c + 1) / 2 * (size - 1) if align else ((c + 1) * size - 1) / 2
        axes.append(_taps(at.reshape(len(at), 1, -1), size, mode, padding, align))
    flat = x.reshape(*x.shape[:2], -1)
    total: Any = 0
    for taps in itertools.product(*axes):
        place = sum(index * math.prod(sizes[i + 1 :]) for i, (index, _, _) in enumerate(taps))
        value = jnp.take_along_axis(flat, place, -1, mode="promise_in_bounds")
        inside = taps[0][2]
        for _, _, more in taps[1:]:
            inside = inside & more
        value = jnp.where(inside, value, 0)
        for _, weight, _ in taps:
            value = value if weight is None else value * weight
        total = total + value
    return total.reshape(*x.shape[:2], *grid.shape[1:-1])


def _check(x: Any, grid: Any, mode: int, n: int | None) -> None:
    shapes = f"input with sizes {list(x.shape)} and grid with sizes {list(grid.shape)}"
    if x.shape[:1] != grid.shape[:1]:
        raise RuntimeError(f"grid_sampler(): expected grid and input to have same batch size, but got {shapes}")
    if grid.shape[-1] != x.ndim - 2:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {x.ndim - 2} in last dimension, but got grid with sizes "
            f"{list(grid.shape)}"
        )
    if x.ndim not in ((4, 5) if n is None else (n + 2,)) or x.ndim != grid.ndim:
        want = "4D or 5D" if n is None else f"{n + 2}D"
        raise RuntimeError(
            f"grid_sampler(): expected {want} input and grid with same number of dimensions, but got {shapes}"
        )
    for d in range(2, x.ndim):
        if x.shape[d] == 0:
            raise RuntimeError(
                f"grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes "
                f"{list(x.shape)} with dimension {d} being empty"
            )
    if mode == BICUBIC and x.ndim == 5:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    if x.dtype != grid.dtype:
        raise RuntimeError(f"expected scalar type {scalar_type(x.dtype)} but found {scalar_type(grid.dtype)}")
    if category(x.dtype) != FLOAT:
        raise unsupported(f"grid_sampler_{x.ndim - 2}d_cpu_kernel_impl", x.dtype)


def _declare(name: str, n: int | None, backward: int) -> None:
    def sampler(input: Any, grid: Any, interpolation_mode: int, padding_mode: int, align_corners: bool) -> Any:
        _check(input, grid, interpolation_mode, n)
        out_shape = (*input.shape[:2], *grid.shape[1:-1])
        if 0 in out_shape:
            return jnp.zeros(out_shape, input.dtype)
        made = _sample(wide(input), wide(grid), interpolation_mode, padding_mode, align_corners)
        return made.astype(input.dtype)

    sampler.__doc__ = (
        "The elements of ``input`` (N, C, ...) at the points of ``grid`` (N, ..., axes), interpolated.\n\n"
        "``interpolation_mode`` is 0 (bilinear), 1 (nearest) or 2 (bicubic); ``padding_mode`` says what lies outside: "
        "0 (zeros), 1 (the border) or 2 (the reflection). RuntimeError where shapes or dtypes do not fit together."
    )
    args = "Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners"
    op(f"{name}({args}) -> Tensor", expose="torch", out=False, saves="input grid",
       grad_name=f"GridSampler{backward}DBackward0")(sampler)  # fmt: skip


_declare("grid_sampler", None, 2)
_declare("grid_sampler_2d", 2, 2)
_declare("grid_sampler_3d", 3, 3)


def _coordinates(size: int, align: bool, dtype: Any) -> np.ndarray:
    if size <= 1:
        return np.zeros(size, dtype)
    at = np.linspace(-1, 1, size).astype(dtype)
    return at if align else at * dtype(size - 1) / dtype(size)


@op("affine_grid_generator(Tensor theta, SymInt[] size, bool align_corners) -> Tensor", expose="torch", out=False)
def affine_grid_generator(theta, size, align_corners):
    """The grid for ``grid_sampler`` of ``theta``, (N, 2, 3) or (N, 3, 4), and a result (N, C, ...) of ``size``."""
    batch, _, *space = size
    if theta.shape[0] != batch:
        want, have = [batch, len(space) + 1], [theta.shape[0], len(space) + 1]
        raise RuntimeError(f"Expected size for first two dimensions of batch2 tensor to be: {want} but got: {have}.")
    return _affine(theta, tuple(space), align_corners)


def _affine(theta: Any, space: Sequence[int], align: bool) -> Any:
    dtype: Any = np.float64 if theta.dtype == np.float64 else np.float32
    axes = np.meshgrid(*(_coordinates(s, align, dtype) for s in space), indexing="ij")
    base = np.stack([*axes[::-1], np.ones(space, dtype)], -1)
    made = jnp.einsum("...j,nij->n...i", base, wide(theta), precision=config.matmul_precision)
    return made.astype(theta.dtype)
