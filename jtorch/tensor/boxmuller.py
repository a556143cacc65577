"""Torch's float32 normals to the last bit.

For blocks of 16 torch uses the polynomials of S. Moshier's Cephes library (logf, sinf, cosf) in fused multiply-adds, as
its build for x86-64 with AVX2 does. Every step below computes in float64, where a product of two float32 is exact, and
rounds to float32, which gives the same bits on any machine.
"""

from typing import Any

import numpy as np

_f32 = np.float32


def _exact(*values: float) -> tuple[float, ...]:
    """The float32 numbers nearest to ``values``."""
    return tuple(float(_f32(v)) for v in values)


_LOG = _exact(
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
    -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip
_LN2_LOW, _LN2_HIGH, _SQRT_HALF = _exact(-2.12194440e-4, 0.693359375, 0.70710678118654752)
_QUARTER_PI = _exact(-0.78515625, -2.4187564849853515625e-4, -3.77489497744594108e-8)  # their sum is -pi/4
_COS = _exact(2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
_SIN = _exact(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
_FOUR_OVER_PI, _TWO_PI = _exact(1.27323954473516, 2 * np.pi)

_CHUNK = 512  # blocks of 16 at a time, so that the temporaries stay in the cache


class _Rounder:
    """In-place steps on float64 arrays of ``n`` numbers that hold float32 values."""

    def __init__(self, n: int) -> None:
        self.narrow = np.empty(n, _f32)

    def round(self, x: np.ndarray) -> np.ndarray:
        self.narrow[...] = x
        x[...] = self.narrow
        return x

    def fma(self, x: np.ndarray, factor: Any, term: Any) -> np.ndarray:
        np.multiply(x, factor, out=x)
        np.add(x, term, out=x)
        return self.round(x)

    def mul(self, x: np.ndarray, factor: Any) -> np.ndarray:
        np.multiply(x, factor, out=x)
        return self.round(x)

    def polynomial(self, coefficients: tuple[float, ...], x: np.ndarray) -> np.ndarray:
        y = x * coefficients[0]
        y += coefficients[1]
        self.round(y)
        for c in coefficients[2:]:
            self.fma(y, x, c)
        return y


def _log(x: np.ndarray, r: _Rounder) -> np.ndarray:
    """Natural logarithm of float64 numbers in (0, 1] that hold float32 values."""
    x, exponent = np.frexp(x)
    power = exponent.astype(np.float64)
    low = x < _SQRT_HALF
    power -= low
    x = np.where(low, x + x, x)
    x -= 1.0
    square = r.round(x * x)
    y = r.mul(r.polynomial(_LOG, x), x)
    r.fma(y, square, r.round(power * _LN2_LOW))
    r.fma(square, -0.5, y)
    return r.fma(power, _LN2_HIGH, r.round(x + square))


def _sincos(x: np.ndarray, r: _Rounder) -> tuple[np.ndarray, np.ndarray]:
    """Sine and cosine of float64 numbers in [0, 2 pi] that hold float32 values."""
    octant = (r.round(x * _FOUR_OVER_PI).astype(np.int32) + 1) & ~1
    steps = octant.astype(np.float64)
    for part in _QUARTER_PI:
        x = r.round(steps * part + x)
    square = r.round(x * x)
    cos = r.mul(r.polynomial(_COS, square), square)
    r.fma(cos, square, -r.round(square * 0.5))
    cos += 1.0
    r.round(cos)
    sin = r.mul(r.polynomial(_SIN, square), square)
    r.fma(sin, x, x)
    straight = (octant & 2) == 0
    s, c = np.where(straight, sin, cos), np.where(straight, cos, sin)
    np.negative(s, where=(octant & 4) != 0, out=s)
    np.negative(c, where=((octant - 2) & 4) == 0, out=c)
    return s, c


def normal_blocks(u: np.ndarray, mean: float, std: float) -> np.ndarray:
    """Normals from float32 uniforms in blocks of 16: eight for the radii, then eight for the angles.

    ``u``: float32, [16 k]. Returns float32, [16 k].
    """
    blocks = u.reshape(-1, 2, 8)
    out = np.empty_like(blocks)
    mean, std = _exact(mean, std)
    for start in range(0, len(blocks), _CHUNK):
        part = blocks[start : start + _CHUNK].astype(np.float64)
        r = _Rounder(part.size // 2)
        radius = r.round(np.sqrt(-2.0 * _log(1.0 - part[:, 0].reshape(-1), r)))
        sin, cos = _sincos(r.round(part[:, 1].reshape(-1) * _TWO_PI), r)
        out[start : start + _CHUNK, 0] = r.fma(r.mul(cos, radius), std, mean).reshape(-1, 8)
        out[start : start + _CHUNK, 1] = r.fma(r.mul(sin, radius), std, mean).reshape(-1, 8)
    return out.reshape(-1)
