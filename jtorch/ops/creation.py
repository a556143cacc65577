"""Tensors from numbers alone: arange, linspace, logspace, eye, triangle indices.

On the host they follow torch's CPU kernels bit for bit: the order of the roundings decides the last bit.
"""

from math import ceil
from typing import Any

import jax.numpy as jnp
import numpy as np

from jtorch.engine import config
from jtorch.ops.errors import unsupported
from jtorch.ops.promotion import BOOL, COMPLEX, INT, category
from jtorch.ops.table import op
from jtorch.ops.views import on_host

_VECTOR = 32  # bytes of an AVX2 register, by which torch's arange proceeds


def _inferred(*numbers: Any) -> np.dtype:
    """int64 for integers, the default dtypes for others."""
    if any(isinstance(x, complex) for x in numbers):
        return config.default_complex()
    return config.default_dtype if any(isinstance(x, float) for x in numbers) else np.dtype(np.int64)


# -- arange


def _arange_size(start: Any, end: Any, step: Any, dtype: np.dtype) -> int:
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not all(np.isfinite([float(start), float(end)])):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    if dtype == np.int64 and category(dtype) == INT:
        start, end, step = int(start), int(end), int(step)
        if step == 0:
            raise ValueError("step must be nonzero")
        return -(-(end - start) // step)
    return ceil((end - start) / step)


def _arange_host(start: Any, end: Any, step: Any, *, dtype: np.dtype | None) -> np.ndarray:
    dtype = _inferred(start, end, step) if dtype is None else np.dtype(dtype)
    _no_bools("arange", dtype)
    size = _arange_size(start, end, step, dtype)
    at: Any = np.arange(size)
    if category(dtype) == INT:
        return (int(start) + int(step) * at).astype(dtype)
    # A vector register holds the rounded first element plus multiples of the step; the rest is computed one by one.
    single = np.float32 if dtype.itemsize == 2 else np.float64
    wide = np.longdouble if single is np.float64 else np.float64  # room for an exact fused multiply-add
    first, delta = wide(single(start)), wide(single(step))
    lanes = _VECTOR // dtype.itemsize
    lane = np.where(at < size // (2 * lanes) * (2 * lanes), at % lanes, 0)
    base: Any = (first + delta * (at - lane)).astype(single).astype(dtype)
    return (base.astype(wide) + lane * delta).astype(single).astype(dtype)


def _no_bools(name: str, dtype: np.dtype) -> None:
    if category(dtype) in (BOOL, COMPLEX):
        raise unsupported(f"{name}_cpu", dtype)


@op(
    "arange(Scalar start, Scalar end, Scalar step=1, *, ScalarType? dtype=None) -> Tensor",
    expose="",
    host=_arange_host,
    static=("start", "end", "step"),
    out=False,
)
def arange(start, end, step, *, dtype):
    """Numbers from ``start`` up to but not including ``end``, ``step`` apart (torch.arange)."""
    dtype = _inferred(start, end, step) if dtype is None else np.dtype(dtype)
    _no_bools("arange", dtype)
    size = _arange_size(start, end, step, dtype)
    if category(dtype) == INT:
        return (int(start) + int(step) * jnp.arange(size, dtype=np.int64)).astype(dtype)
    return (float(start) + float(step) * jnp.arange(size, dtype=np.float64)).astype(dtype)


def _range(xp: Any) -> Any:
    def range(start: Any, end: Any, step: Any, *, dtype: Any) -> Any:
        """Numbers from ``start`` to ``end``, which counts, ``step`` apart (torch.range)."""
        dtype = config.default_dtype if dtype is None else np.dtype(dtype)
        _no_bools("range", dtype)
        _arange_size(start, end, step, dtype)
        at = xp.arange(int((end - start) / step) + 1)
        if category(dtype) == INT:
            return (int(start) + int(step) * at).astype(dtype)
        return (float(start) + float(step) * at.astype(np.float64)).astype(dtype)

    return range


range_ = op(
    "range(Scalar start, Scalar end, Scalar step=1, *, ScalarType? dtype=None) -> Tensor",
    expose="",
    host=_range(np),
    static=("start", "end", "step"),
    out=False,
)(_range(jnp))


# -- linspace and logspace


def spaced(start: Any, end: Any, steps: int) -> Any:
    """``steps`` numbers from ``start`` to ``end`` (0-d arrays of one dtype), computed inwards from both ends."""
    dtype = np.dtype(start.dtype)
    host = on_host(start)
    xp = np if host else jnp
    if steps == 1:
        return start.reshape(1)
    at = xp.arange(steps)
    left = at < steps // 2
    count = xp.where(left, at, steps - 1 - at)
    origin, sign = xp.where(left, start, end), xp.where(left, 1, -1)
    kind = category(dtype)
    if kind == INT:
        step = (end.astype(np.float64) - start.astype(np.float64)) / max(steps - 1, 1)
        return (origin + sign * (step * count)).astype(dtype)
    if dtype.itemsize == 2:  # halves round after every operation
        step = (
            (end.astype(np.float32) - start.astype(np.float32)).astype(dtype).astype(np.float32) / (steps - 1)
        ).astype(dtype)
        offset = (step.astype(np.float32) * count.astype(dtype).astype(np.float32)).astype(dtype).astype(np.float32)
        return (origin.astype(np.float32) + sign.astype(np.float32) * offset).astype(dtype)
    step = (end - start) / xp.asarray(steps - 1, dtype)
    wide: Any = np.complex128 if kind == COMPLEX else np.float64
    if host and dtype in (np.float64, np.complex128):
        wide = np.clongdouble if kind == COMPLEX else np.longdouble
    return (origin.astype(wide) + sign * (step.astype(wide) * count)).astype(dtype)


def _spacing(name: str, start: Any, end: Any, steps: int, dtype: Any, xp: Any) -> Any:
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    wanted = _inferred(1.0, start, end) if dtype is None else np.dtype(dtype)
    if category(wanted) == BOOL:
        raise unsupported(f"{name}_cpu", wanted)
    if category(wanted) != COMPLEX and (isinstance(start, complex) or isinstance(end, complex)):
        raise RuntimeError(
            f"torch.{name}(): inferred dtype {_inferred(1j)} can't be safely cast to passed dtype {wanted}"
        )
    return wanted


def _linspace(xp: Any) -> Any:
    def linspace(start: Any, end: Any, steps: int, *, dtype: Any) -> Any:
        """``steps`` numbers from ``start`` to ``end``, evenly spaced (torch.linspace)."""
        wanted = _spacing("linspace", start, end, steps, dtype, xp)
        ends = xp.asarray(np.asarray(start).astype(wanted)), xp.asarray(np.asarray(end).astype(wanted))
        return spaced(*ends, steps) if steps else xp.zeros(0, wanted)

    return linspace


linspace = op(
    "linspace(Scalar start, Scalar end, int steps, *, ScalarType? dtype=None) -> Tensor",
    expose="",
    host=_linspace(np),
    static=("start", "end"),
    out=False,
)(_linspace(jnp))


def _logspace(xp: Any) -> Any:
    def logspace(start: Any, end: Any, steps: int, base: float, *, dtype: Any) -> Any:
        """``steps`` powers of ``base``, their exponents evenly spaced (torch.logspace)."""
        wanted = _spacing("logspace", start, end, steps, dtype, xp)
        if not steps:
            return xp.zeros(0, wanted)
        wide: Any = np.complex128 if category(wanted) == COMPLEX else np.float64
        if category(wanted) == INT:
            exponents = spaced(xp.asarray(float(int(start))), xp.asarray(float(int(end))), steps)
            return xp.power(float(int(base)) if base == int(base) else base, exponents).astype(wanted)
        at = xp.arange(steps)
        step = (wide(end) - wide(start)) / max(steps - 1, 1)
        exponents = xp.where(at < max(steps // 2, 1), start + step * at, end - step * (steps - 1 - at))
        return xp.power(wide(base), exponents.astype(wide)).astype(wanted)

    return logspace


logspace = op(
    "logspace(Scalar start, Scalar end, int steps, float base=10.0, *, ScalarType? dtype=None) -> Tensor",
    expose="",
    host=_logspace(np),
    static=("start", "end"),
    out=False,
)(_logspace(jnp))


# -- matrices


def _eye(xp: Any) -> Any:
    def eye(n: int, m: int | None, *, dtype: Any) -> Any:
        """Ones on the diagonal, zeros elsewhere (torch.eye)."""
        m = n if m is None else m
        for name, size in (("n", n), ("m", m)):
            if size < 0:
                raise RuntimeError(f"{name} must be greater or equal to 0, got {size}")
        return xp.eye(n, m, dtype=config.default_dtype if dtype is None else dtype)

    return eye


eye = op("eye(int n, int? m=None, *, ScalarType? dtype=None) -> Tensor", expose="", host=_eye(np), out=False)(_eye(jnp))


def _triangle_indices(name: str, upper: bool) -> Any:
    def indices(row: int, col: int, offset: int, *, dtype: Any) -> np.ndarray:
        for label, size in (("row", row), ("col", col)):
            if size < 0:
                raise RuntimeError(f"{label} must be non-negative, got{size}")
        wanted = np.dtype(np.int64 if dtype is None else dtype)
        if wanted not in (np.int32, np.int64):
            raise unsupported(name, wanted)
        apart = np.arange(col) - np.arange(row)[:, None]
        return np.stack(np.nonzero(apart >= offset if upper else apart <= offset)).astype(wanted)

    doc = f"The indices of the {'upper' if upper else 'lower'} triangle of a matrix, as two rows (torch.{name})."

    def traced(row: int, col: int, offset: int, *, dtype: Any) -> Any:
        return jnp.asarray(indices(row, col, offset, dtype=dtype))

    traced.__doc__ = doc
    schema = f"{name}(int row, int col, int offset=0, *, ScalarType? dtype=None) -> Tensor"
    return op(schema, expose="", host=indices, out=False)(traced)


tril_indices = _triangle_indices("tril_indices", False)
triu_indices = _triangle_indices("triu_indices", True)
