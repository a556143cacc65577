"""Discrete Fourier transforms (https://docs.pytorch.org/docs/stable/fft.html), their frequencies and shifts.

There are six kinds. ``fft`` and ``ifft`` transform complex numbers; ``rfft`` and ``ihfft`` take a real signal and keep
the half of a spectrum that says all; ``irfft`` and ``hfft`` come back from such a half. Each is there for one
dimension, for two and for any number. ``n`` and ``s`` are lengths to which a signal is cut or filled up with zeros
first; of a half spectrum they tell the length of the result.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jtorch.engine import config
from jtorch.ops.dims import wrap_dim
from jtorch.ops.errors import scalar_type, unsupported
from jtorch.ops.promotion import COMPLEX, FLOAT, cast, category, to_float
from jtorch.ops.shape import roll, shape_op
from jtorch.ops.table import OpDef, op
from jtorch.ops.views import on_host

Ints = tuple[int, ...]

_MOST = 3  # dimensions that XLA transforms at once
_BACK = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


def _xp(x: Any) -> Any:
    return np if on_host(x) else jnp


# -- the kinds, over arrays of a computable dtype


def _each(name: str, x: Any, sizes: Ints, axes: Ints, norm: str) -> Any:
    """``fftn`` or ``ifftn`` along any number of axes."""
    x = cast(x, np.result_type(x.dtype, np.complex64))
    for i in range(0, len(axes), _MOST):
        x = getattr(_xp(x).fft, name)(x, sizes[i : i + _MOST], axes[i : i + _MOST], norm)
    return x


def _fft(x: Any, sizes: Ints, axes: Ints, norm: str) -> Any:
    return _each("fftn", x, sizes, axes, norm)


def _ifft(x: Any, sizes: Ints, axes: Ints, norm: str) -> Any:
    return _each("ifftn", x, sizes, axes, norm)


def _rfft(x: Any, sizes: Ints, axes: Ints, norm: str) -> Any:
    half = _xp(x).fft.rfft(x, sizes[-1], axes[-1], norm)
    return _each("fftn", half, sizes[:-1], axes[:-1], norm)


def _irfft(x: Any, sizes: Ints, axes: Ints, norm: str) -> Any:
    half = _each("ifftn", x, sizes[:-1], axes[:-1], norm)
    return _xp(x).fft.irfft(half, sizes[-1], axes[-1], norm)


def _hfft(x: Any, sizes: Ints, axes: Ints, norm: str) -> Any:
    return _irfft(_xp(x).conj(x), sizes, axes, _BACK[norm])


def _ihfft(x: Any, sizes: Ints, axes: Ints, norm: str) -> Any:
    return _xp(x).conj(_rfft(x, sizes, axes, _BACK[norm]))


# -- arguments


def _axis(dim: int, ndim: int) -> int:
    if not ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return wrap_dim(dim, ndim)


def _axes(ndim: int, s: Ints | None, dim: Ints | None) -> Ints:
    if dim is not None:
        axes = tuple(_axis(d, ndim) for d in dim)
        if len(set(axes)) < len(axes):
            raise RuntimeError("FFT dims must be unique")
        if s is not None and len(s) != len(axes):
            raise RuntimeError("When given, dim and shape arguments must have the same length")
        return axes
    if s is not None and len(s) > ndim:
        raise RuntimeError(f"Got shape with {len(s)} values but input tensor only has {ndim} dimensions.")
    return tuple(range(ndim - len(s) if s is not None else 0, ndim))


def _lengths(shape: Sequence[int], axes: Ints, s: Sequence[int | None] | None, halved: bool) -> Ints:
    """The length of the signal along each axis; a half spectrum of m numbers stands for 2 (m - 1)."""
    sizes = []
    for i, axis in enumerate(axes):
        size = None if s is None else s[i]
        if size is None:
            size = 2 * (shape[axis] - 1) if halved and i == len(axes) - 1 else shape[axis]
        if size < 1:
            raise RuntimeError(f"Invalid number of data points ({size}) specified")
        sizes.append(size)
    return tuple(sizes)


def _norm(norm: str | None) -> str:
    if norm is None:
        return "backward"
    if norm not in _BACK:
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    return norm


def _computable(x: Any) -> Any:
    """``x`` with integers and bools in the default dtype; RuntimeError for the floats that there is no transform of."""
    dtype = to_float(x.dtype)
    if category(dtype) == FLOAT and dtype not in (np.float32, np.float64):
        raise RuntimeError(f"Unsupported dtype {scalar_type(dtype)}")
    return cast(x, dtype)


# -- the operators


def _only_real(x: Any, kind: str, suffix: str) -> None:
    if category(x.dtype) != COMPLEX:
        return
    found = scalar_type(x.dtype)
    if kind == "ihfft" and suffix:
        raise RuntimeError(f"Only supports floating-point dtypes, but found: {found}")
    many, valued = ("n", "-valued") if suffix else ("", "")
    raise RuntimeError(f"{kind}{many} expects a real{valued} input tensor, but got {found}")


def _along_one(kind: str, transform: Callable, real: bool, halved: bool) -> Callable:
    def along_one(self: Any, n: int | None, dim: int, norm: str | None) -> Any:
        if real:
            _only_real(self, kind, "")
        x = _computable(self)
        axes = (_axis(dim, x.ndim),)
        return transform(x, _lengths(x.shape, axes, (n,), halved), axes, _norm(norm))

    return along_one


def _along_several(kind: str, suffix: str, transform: Callable, real: bool, halved: bool) -> Callable:
    def along_several(self: Any, s: Ints | None, dim: Ints | None, norm: str | None) -> Any:
        if real:
            _only_real(self, kind, suffix)
        x = _computable(self)
        axes = _axes(x.ndim, s, dim)
        if not axes and (real or halved):
            raise RuntimeError(f"{kind}n must transform at least one axis")
        given = None if s is None else [None if n == -1 else n for n in s]
        sizes = _lengths(x.shape, axes, given, False)
        return transform(x, _lengths(x.shape, axes, given, True) if halved else sizes, axes, _norm(norm))

    return along_several


# kind: transform, whether it takes real signals only, whether it takes a half spectrum, grad_fn, what it gives
_KINDS: dict[str, tuple[Callable, bool, bool, str, str]] = {
    "fft": (_fft, False, False, "FftC2CBackward0", "The spectrum of a signal"),
    "ifft": (_ifft, False, False, "FftC2CBackward0", "The signal of a spectrum"),
    "rfft": (_rfft, True, False, "FftR2CBackward0", "Half the spectrum of a real signal; the rest mirrors it"),
    "irfft": (_irfft, False, True, "FftC2RBackward0", "The real signal of half a spectrum"),
    "hfft": (_hfft, False, True, "FftC2RBackward0", "The real spectrum of half a signal that mirrors itself"),
    "ihfft": (_ihfft, True, False, "ConjBackward0", "Half the signal of a real spectrum; the rest mirrors it"),
}
_DIMS = {
    "": ("int? n=None, int dim=-1", "along one dimension"),
    "2": ("int[1]? s=None, int[1] dim=[-2,-1]", "along two dimensions, by default the last ones"),
    "n": ("int[1]? s=None, int[1]? dim=None", "along several dimensions, by default all or the last ``len(s)``"),
}


def _declare(kind: str, suffix: str) -> OpDef:
    transform, real, halved, grad_name, gives = _KINDS[kind]
    arguments, where = _DIMS[suffix]
    name = kind + suffix
    impl = (
        _along_several(kind, suffix, transform, real, halved) if suffix else _along_one(kind, transform, real, halved)
    )
    impl.__doc__ = f"{gives}, {where} (torch.fft.{name}). ``norm`` is ``backward``, ``forward`` or ``ortho``."
    schema = f"fft_{name}(Tensor self, {arguments}, str? norm=None) -> Tensor"
    return op(schema, expose=f"fft:{name}", host=impl, grad_name=grad_name)(impl)


TRANSFORMS = {kind + suffix: _declare(kind, suffix) for kind in _KINDS for suffix in _DIMS}


# -- shifts and frequencies


def _shifted(x: Any, dim: Ints | None, amount: Callable[[int], int]) -> Any:
    axes = tuple(range(x.ndim)) if dim is None else tuple(_axis(d, x.ndim) for d in dim)
    return roll.impl(x, tuple(amount(x.shape[axis]) for axis in axes), axes)


@shape_op(
    "fft_fftshift(Tensor self, int[1]? dim=None) -> Tensor", expose="fft:fftshift", out=False, grad_name="RollBackward0"
)
def fftshift(self, dim):
    """A spectrum with the frequency zero moved to the middle (torch.fft.fftshift)."""
    return _shifted(self, dim, lambda n: n // 2)


@shape_op(
    "fft_ifftshift(Tensor self, int[1]? dim=None) -> Tensor",
    expose="fft:ifftshift",
    out=False,
    grad_name="RollBackward0",
)
def ifftshift(self, dim):
    """A spectrum with the frequency zero moved from the middle to the start (torch.fft.ifftshift)."""
    return _shifted(self, dim, lambda n: (n + 1) // 2)


def _frequencies(name: str, numbers: Callable[[int], np.ndarray], gives: str) -> OpDef:
    def host(n: int, d: float, *, dtype: np.dtype | None) -> np.ndarray:
        dtype = config.default_dtype if dtype is None else np.dtype(dtype)
        if category(dtype) < FLOAT:
            raise RuntimeError(f"{name} requires a floating point or complex dtype")
        if category(dtype) == COMPLEX:
            raise unsupported("arange_cpu", dtype)
        span = n * d
        step = 1 / span if span else math.copysign(math.inf, span)
        wide = np.float32 if dtype.itemsize == 2 else dtype.type  # in which torch multiplies halves by a number
        with np.errstate(all="ignore"):
            return (numbers(n).astype(dtype).astype(wide) * wide(step)).astype(dtype)

    def traced(n: int, d: float, *, dtype: np.dtype | None) -> Any:
        return jnp.asarray(host(n, d, dtype=dtype))

    traced.__doc__ = f"{gives} of a signal of ``n`` samples that stand ``d`` apart (torch.fft.{name})."
    schema = f"fft_{name}(int n, float d=1.0, *, ScalarType? dtype=None) -> Tensor"
    return op(schema, expose="", host=host, out=False)(traced)


def _from_zero_both_ways(n: int) -> np.ndarray:
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    return np.concatenate([np.arange((n + 1) // 2), np.arange(-(n // 2), 0)])


fftfreq = _frequencies("fftfreq", _from_zero_both_ways, "The frequencies in the spectrum")
rfftfreq = _frequencies("rfftfreq", lambda n: np.arange(int(n / 2) + 1), "The frequencies in half the spectrum")
