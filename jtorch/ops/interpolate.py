"""Resampling along the last 1, 2 or 3 axes (torch.nn.functional.interpolate).

Every mode is a linear map along one axis after another, with a matrix (new size, old size) that only the sizes decide.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jtorch.engine import config
from jtorch.ops.errors import unsupported
from jtorch.ops.precision import wide
from jtorch.ops.promotion import FLOAT, category
from jtorch.ops.table import op

_AXES = "DHW"


# --- a matrix along an axis -----------------------------------------------------------------------------------------


def _gathered(matrix: np.ndarray, x: Any, axis: int) -> Any:
    """The product by as many gathers as a row has entries: an infinity or NaN goes only where it has a part."""
    count = int((matrix != 0).sum(1).max(initial=1))
    places = np.argsort(matrix == 0, 1, kind="stable")[:, :count]
    weights = np.take_along_axis(matrix, places, 1)
    places = np.where(weights == 0, places[:, :1], places)
    along = [-1 if a == axis else 1 for a in range(x.ndim)]
    total: Any = 0
    for i in range(count):
        value = jnp.take(x, places[:, i], axis, mode="clip")
        total = total + (value if (weights[:, i] == 1).all() else value * weights[:, i].reshape(along))
    return total


def _resampled(matrix: np.ndarray, x: Any, axis: int) -> Any:
    """``matrix`` times ``x`` along ``axis``. The gradient is a product too and not the scatter of a gather."""
    new, size = matrix.shape
    if new % size == 0 and np.array_equal(matrix, np.repeat(np.eye(size), new // size, 0)):
        return jnp.repeat(x, new // size, axis)
    if category(x.dtype) != FLOAT:
        return _gathered(matrix, x, axis)

    @jax.custom_jvp
    def resample(x: Any) -> Any:
        return _gathered(matrix, x, axis)

    @resample.defjvp
    def _(primals: tuple, tangents: tuple) -> tuple:
        made = jnp.tensordot(matrix, tangents[0], ((1,), (axis,)), precision=config.matmul_precision)
        return resample(primals[0]), jnp.moveaxis(made, 0, axis)

    return resample(x)


def _matrix(places: np.ndarray, weights: np.ndarray, size: int) -> np.ndarray:
    """Rows with ``weights`` (new size, taps) at ``places``; what lies outside counts for the elements at the ends."""
    out = np.zeros((len(places), size), weights.dtype)
    np.add.at(out, (np.arange(len(places))[:, None], np.clip(places, 0, size - 1)), weights)
    return out


# --- the matrices of the modes --------------------------------------------------------------------------------------


def _step(size: int, new: int, scale: float | None, align: bool, dtype: Any) -> Any:
    """How far apart in the old axis neighbours in the new one are."""
    if align:
        return dtype(size - 1) / dtype(new - 1) if new > 1 else dtype(0)
    return dtype(1.0 / scale) if scale is not None and scale > 0 else dtype(size) / dtype(new)


def _nearest(offset: float) -> Callable:
    def matrix(size: int, new: int, scale: float | None, align: bool, dtype: Any) -> np.ndarray:
        at = np.arange(new, dtype=np.float32) + np.float32(offset)
        places = np.floor(at * _step(size, new, scale, False, np.float32)).astype(np.int64)
        return _matrix(places[:, None], np.ones((new, 1), dtype), size)

    return matrix


def _source(size: int, new: int, scale: float | None, align: bool, dtype: Any) -> np.ndarray:
    """Where in the old axis the elements of the new one stand."""
    i, step = np.arange(new).astype(dtype), _step(size, new, scale, align, dtype)
    return step * i if align else step * (i + dtype(0.5)) - dtype(0.5)


def _linear(size: int, new: int, scale: float | None, align: bool, dtype: Any) -> np.ndarray:
    at = np.maximum(_source(size, new, scale, align, dtype), 0)
    first = np.minimum(at.astype(np.int64), size - 1)
    part = np.clip(at - first.astype(dtype), 0, 1).astype(dtype)
    return _matrix(np.stack([first, first + 1], 1), np.stack([1 - part, part], 1), size)


def cubic_weights(t: Any, a: float = -0.75) -> list:
    """The weights of the elements at -1, 0, 1 and 2 for a point ``t`` in [0, 1): cubic convolution (Keys 1981)."""

    def far(x: Any) -> Any:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    def near(x: Any) -> Any:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


def _cubic(size: int, new: int, scale: float | None, align: bool, dtype: Any) -> np.ndarray:
    at = _source(size, new, scale, align, dtype)
    first = np.minimum(np.floor(at).astype(np.int64), size - 1)
    part = np.clip(at - first.astype(dtype), 0, 1).astype(dtype)
    return _matrix(first[:, None] + np.arange(-1, 3), np.stack(cubic_weights(part), 1).astype(dtype), size)


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(x), 0)


def _keys(x: np.ndarray) -> np.ndarray:
    x, a = np.abs(x), -0.5
    near, far = ((a + 2) * x - (a + 3)) * x * x + 1, (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _lanczos(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)


def _smooth(kernel: Callable, reach: int) -> Callable:
    """Antialiasing: where the axis shrinks, ``kernel`` (0 from ``reach`` on) is widened to cover all old elements."""

    def matrix(size: int, new: int, scale: float | None, align: bool, dtype: Any) -> np.ndarray:
        step = _step(size, new, scale, align, dtype)
        spread = max(step, dtype(1))
        center = (step * (np.arange(new).astype(dtype) + dtype(0.5)))[:, None]
        start = np.maximum((center - reach * spread + dtype(0.5)).astype(np.int64), 0)
        stop = np.minimum((center + reach * spread + dtype(0.5)).astype(np.int64), size)
        j = np.arange(size)
        weights = np.where((j >= start) & (j < stop), kernel((j - center + dtype(0.5)) / spread), 0)
        return (weights / weights.sum(1, keepdims=True)).astype(dtype)

    return matrix


# --- operators ------------------------------------------------------------------------------------------------------


def _check_sizes(x: Any, n: int, new: Sequence[int]) -> None:
    if len(new) != n:
        raise RuntimeError(f"It is expected output_size equals to {n}, but got size {len(new)}")
    if x.ndim != n + 2:
        raise RuntimeError(f"It is expected input_size equals to {n + 2}, but got size {x.ndim}")
    if min(*x.shape[2:], *new) <= 0:
        old, made = (", ".join(f"{a}: {s}" for a, s in zip(_AXES[-n:], v, strict=True)) for v in (x.shape[2:], new))
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input ({old}) {'and ' * (n == 1)}output ({made})"
        )
    if x.shape[1] == 0:
        raise RuntimeError(f"Non-empty {n + 2}D data tensor expected but got a tensor with sizes {list(x.shape)}")


def _fixed_point(matrix: np.ndarray) -> tuple[np.ndarray, int]:
    """``matrix`` times a power of two, rounded, and the power: the largest that keeps the entries in 16 bits."""
    top, power = float(matrix.max()), 0
    while power < 22 and int(0.5 + top * 2 ** (power + 1)) < 2**15:
        power += 1
    return (np.trunc(matrix * 2.0**power + np.copysign(0.5, matrix))).astype(np.int32), power


def _resampled_bytes(matrix: np.ndarray, x: Any, axis: int) -> Any:
    """Bytes, by products in fixed point and rounded after each axis, as torch does."""
    weights, power = _fixed_point(matrix)
    total = _gathered(weights, x.astype(np.int32), axis) + (1 << power >> 1)
    return jnp.clip(total >> power, 0, 255).astype(np.uint8)


def _declare(name: str, n: int, matrix: Callable, kernel: str, bytes_too: bool, aligns: bool) -> None:
    def upsample(input: Any, output_size: Sequence[int], align_corners: Any, scales: Any = None) -> Any:
        _check_sizes(input, n, output_size)
        integer = category(input.dtype) != FLOAT
        if integer and not (bytes_too and input.dtype == np.uint8):
            raise unsupported(kernel, input.dtype)
        smooth_bytes = integer and aligns
        dtype: Any = np.float64 if smooth_bytes or input.dtype == np.float64 else np.float32
        x = wide(input)
        resampled = _resampled_bytes if smooth_bytes else _resampled
        for i in reversed(range(n)):
            size, scale = input.shape[2 + i], scales[i] if scales is not None else None
            if align_corners is None and size == output_size[i] and scale in (None, 1):
                continue
            x = resampled(matrix(size, output_size[i], scale, bool(align_corners), dtype), x, 2 + i)
        return x.astype(input.dtype)

    def exact(input: Any, output_size: Any, scales: Any = None) -> Any:
        return upsample(input, output_size, None, scales)

    run: Callable = upsample if aligns else exact
    run.__doc__ = (
        f"(N, C, ...) resampled to ``output_size`` in its last {n} axes; ``scales`` say more exactly by how much."
    )
    flag = "bool align_corners, " if aligns else ""
    grad_name = "".join(p.capitalize() for p in name.strip("_").split("_")).replace(f"{n}d", f"{n}D") + "Backward0"
    op(f"{name}(Tensor input, int[{n}] output_size, {flag}float[]? scales=None) -> Tensor", expose="_nn", out=False,
       grad_name=grad_name)(run)  # fmt: skip


_NAMES: dict[tuple[str, int, bool], str] = {}  # (mode, axes, antialias) -> operator


def _declare_mode(mode: str, n: int, matrix: Callable, antialias: bool = False) -> None:
    aligns = not mode.startswith("nearest")
    plain = f"{mode.replace('-', '_')}{n}d"
    name = f"upsample_{plain}{'_aa' * antialias}"
    if antialias or mode == "nearest-exact":
        name = "_" + name
    _NAMES[mode, n, antialias] = name
    family = "nearest" if not aligns else "cubic" if mode == "bicubic" else "linear"
    kernel = f"upsample_{plain}_channels_last" if n == 2 else f"compute_indices_weights_{family}"
    _declare(name, n, matrix, kernel, n == 2 or not aligns, aligns)


for _n in (1, 2, 3):
    _declare_mode("nearest", _n, _nearest(0.0))
    _declare_mode("nearest-exact", _n, _nearest(0.5))
    _declare_mode({1: "linear", 2: "bilinear", 3: "trilinear"}[_n], _n, _linear)
_declare_mode("bicubic", 2, _cubic)
_declare_mode("bilinear", 2, _smooth(_triangle, 1), antialias=True)
_declare_mode("bicubic", 2, _smooth(_keys, 2), antialias=True)
_declare_mode("lanczos", 2, _smooth(_lanczos, 3), antialias=True)


def upsampler(mode: str, n: int, antialias: bool = False) -> str | None:
    """The operator that resamples ``n`` axes by ``mode``; None where there is none."""
    return _NAMES.get((mode, n, antialias))


def scaled_size(size: int, scale: float) -> int:
    """The size of an axis after scaling: rounded towards 0."""
    return math.trunc(size * scale)
