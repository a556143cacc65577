"""Bessel functions and Airy's function (``torch.special``), from their integrals.

The integrand of a Bessel integral is periodic or decays doubly exponentially, and there the trapezoid rule converges
geometrically (L. N. Trefethen, J. A. C. Weideman, "The exponentially convergent trapezoidal rule", SIAM Review 56,
2014): a few dozen nodes give full double precision. The logarithmic kinds Y and K near 0 follow from Neumann's series,
whose terms are the same integrals with other weights. Far out the asymptotic series hold (NIST DLMF 10.17, 9.7).
Everything is computed in float64 and rounded to the input's dtype. As in torch, only i0, i0e, i1 and i1e have
gradients.
"""

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jtorch.ops.derivatives import with_partials
from jtorch.ops.special import real_unary

_GAMMA = 0.57721566490153286  # Euler's constant


def _circle(count: int, orders: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes on a quarter of the circle, the weights of a mean over all of it, and of ``sum(2/k mean(cos 2kt))``."""
    index = np.arange(count // 4 + 1)
    angle = 2 * np.pi * index / count
    mean = np.where((index == 0) | (index == count // 4), 2, 4) / count
    series = sum(2 / k * np.cos(2 * k * angle) for k in range(1, orders + 1)) * mean
    return angle, mean, series


def _sum(weights: np.ndarray, values: Any) -> Any:
    return jnp.sum(weights * values, axis=-1)


# --- J and Y: waves -------------------------------------------------------------------------------------------------

_FAR = 20.0  # from here on the asymptotic series is exact to double precision
_ANGLE, _MEAN, _ = _circle(104, 26)
_SINE = np.sin(_ANGLE)
_NEUMANN_Y = -2 / np.pi * sum((-1) ** k * 2 / k * np.cos(2 * k * _ANGLE) for k in range(1, 27)) * _MEAN


def _near_waves(x: Any, order: int, second: bool) -> Any:
    """J0, J1, Y0 or Y1 for 0 < x <= 20."""
    turn = x[..., None] * _SINE
    j0, j1 = _sum(_MEAN, lax.cos(turn)), _sum(_MEAN * _SINE, lax.sin(turn))
    if not second:
        return j1 if order else j0
    log = lax.log(x / 2) + _GAMMA
    if order:
        return 2 / np.pi * (log * j1 - j0 / x) + _sum(_NEUMANN_Y * _SINE, lax.sin(turn))
    return 2 / np.pi * log * j0 + _sum(_NEUMANN_Y, lax.cos(turn))


def _modulus(x: Any, ratios: Callable, count: int = 20) -> tuple[Any, Any]:
    """The even and the odd terms, of alternating signs, of the asymptotic series in 1/x with these ratios."""
    term = jnp.ones_like(x)
    even, odd = jnp.zeros_like(x), jnp.zeros_like(x)
    for k in range(count):
        sign = 1 if k % 4 < 2 else -1
        even, odd = (even + sign * term, odd) if k % 2 == 0 else (even, odd + sign * term)
        term = term * ratios(k) / x
    return even, odd


def _far_waves(x: Any, order: int, second: bool) -> Any:
    even, odd = _modulus(x, lambda k: (4 * order - (2 * k + 1) ** 2) / (8 * (k + 1)))
    sin, cos = lax.sin(x), lax.cos(x)
    cosine, sine = (sin - cos, -sin - cos) if order else (cos + sin, sin - cos)  # of the phase, times sqrt(2)
    wave = even * sine + odd * cosine if second else even * cosine - odd * sine
    return wave / lax.sqrt(np.pi * x)


def _waves(order: int, second: bool) -> Callable:
    def bessel(x: Any) -> Any:
        wide = x.astype(np.float64)
        size = lax.abs(wide)
        near = (size > 0) & (size <= _FAR)
        value = jnp.where(
            near,
            _near_waves(jnp.where(near, size, 1), order, second),
            _far_waves(jnp.where(near, _FAR, size), order, second),
        )
        if second:
            value = jnp.where(wide > 0, value, jnp.where(wide == 0, -np.inf, np.nan))
        else:
            value = jnp.where(wide == 0, 0 if order else 1, jnp.where((wide < 0) & (order == 1), -value, value))
        return value.astype(x.dtype)

    return bessel


# --- K: decay -------------------------------------------------------------------------------------------------------

_SMALL = 2.0  # up to here by the series
_TURN, _TURN_MEAN, _NEUMANN_K = _circle(40, 10)
_COSINE = np.cos(_TURN)
_STEPS = 18


def _near_decay(x: Any, order: int) -> Any:
    """K0 or K1 for 0 < x <= 2."""
    swing = x[..., None] * _COSINE
    log = lax.log(x / 2) + _GAMMA
    even, odd = lax.cosh(swing), lax.sinh(swing)
    if order:
        return log * _sum(_TURN_MEAN * _COSINE, odd) + _sum(_TURN_MEAN, even) / x - _sum(_NEUMANN_K * _COSINE, odd)
    return _sum(_NEUMANN_K, even) - log * _sum(_TURN_MEAN, even)


def _scaled_decay(x: Any, order: float) -> Any:
    """``exp(x) K(x)`` for x >= 2: the integral of ``exp(x - x cosh t) cosh(order t)``, down to exp(-40)."""
    end = 2 * lax.asinh(lax.sqrt(20 / x))
    t = end[..., None] * np.linspace(0, 1, _STEPS + 1)
    weights = np.where(np.arange(_STEPS + 1) == 0, 0.5, 1) / _STEPS
    half = lax.sinh(t / 2)
    return end * _sum(weights, lax.exp(-2 * x[..., None] * half * half) * lax.cosh(order * t))


def _decay(order: int, scaled: bool) -> Callable:
    def bessel(x: Any) -> Any:
        wide = x.astype(np.float64)
        near = (wide > 0) & (wide <= _SMALL)
        far = (wide > _SMALL) & (wide < np.inf)
        small = _near_decay(jnp.where(near, wide, 1), order)
        large = _scaled_decay(jnp.where(far, wide, _SMALL), order)
        value = jnp.where(near, small * (lax.exp(wide) if scaled else 1), large * (1 if scaled else lax.exp(-wide)))
        edge = jnp.where(wide == 0, np.inf, jnp.where(wide == np.inf, 0, np.nan))
        return jnp.where(near | far, value, edge).astype(x.dtype)

    return bessel


# --- Airy's function ------------------------------------------------------------------------------------------------

# The contour of Airy's integral: sqrt(a**2 + s**2 / 3) + i s, which passes both saddles and ends in their valleys.
_WAY = np.arange(0, 5.5, 0.15)
_RIGHT = np.sqrt(0.25 + _WAY**2 / 3)
_AIRY = (
    np.exp((_RIGHT + 1j * _WAY) ** 3 / 3) * (1 - 1j * _WAY / (3 * _RIGHT)) * np.where(_WAY == 0, 0.5, 1) * 0.15 / np.pi
)
_AIRY_LOW, _AIRY_HIGH = -9.0, 2.1


def _airy_near(x: Any) -> Any:
    turn = x[..., None] * _WAY
    return _sum(_AIRY.real, lax.exp(-x[..., None] * _RIGHT) * lax.cos(turn)) + _sum(
        _AIRY.imag, lax.exp(-x[..., None] * _RIGHT) * lax.sin(turn)
    )


def _airy_waves(z: Any) -> Any:
    """Of ``-z``, for z >= 9."""
    zeta = 2 / 3 * z * lax.sqrt(z)
    even, odd = _modulus(zeta, lambda k: (6 * k + 5) * (6 * k + 3) * (6 * k + 1) / (216 * (k + 1) * (2 * k + 1)))
    phase = zeta - np.pi / 4
    return (even * lax.cos(phase) + odd * lax.sin(phase)) / (math.sqrt(np.pi) * lax.sqrt(lax.sqrt(z)))


def _airy_decay(x: Any) -> Any:
    zeta = 2 / 3 * x * lax.sqrt(x)
    return lax.sqrt(x / 3) / np.pi * lax.exp(-zeta) * _scaled_decay(zeta, 1 / 3)


def _airy(x: Any) -> Any:
    wide = x.astype(np.float64)
    low, high = wide < _AIRY_LOW, wide > _AIRY_HIGH
    near = _airy_near(jnp.where(low | high, 0, wide))
    waves = _airy_waves(jnp.where(low, -wide, -_AIRY_LOW))
    value = jnp.where(low, waves, jnp.where(high, _airy_decay(jnp.where(high, wide, _AIRY_HIGH)), near))
    return jnp.where(jnp.isfinite(wide), value, np.nan).astype(x.dtype)


# --- I ------------------------------------------------------------------------------------------------------------


def _ratio(y: Any, x: Any) -> Any:
    """``y / x`` of a function with slope 1/2 at 0."""
    return jnp.where(x == 0, 0.5, y / jnp.where(x == 0, 1, x))


@with_partials(lambda y, x: _i1e(x) - jnp.sign(x) * y)
def _i0e(x: Any) -> Any:
    return lax.bessel_i0e(x)


@with_partials(lambda y, x: _i0e(x) - jnp.sign(x) * y - _ratio(y, x))
def _i1e(x: Any) -> Any:
    return lax.bessel_i1e(x)


@with_partials(lambda y, x: _i1(x))
def _i0(x: Any) -> Any:
    return lax.exp(lax.abs(x)) * lax.bessel_i0e(x)


@with_partials(lambda y, x: _i0(x) - _ratio(y, x))
def _i1(x: Any) -> Any:
    return lax.exp(lax.abs(x)) * lax.bessel_i1e(x)


def _sinc(x: Any) -> Any:
    """``sin(x) / x``, 1 at 0 and 0 at infinity."""
    inside = (x != 0) & ~jnp.isinf(x)
    return jnp.where(inside, lax.sin(jnp.where(inside, x, 1)) / jnp.where(inside, x, 1), jnp.where(x == 0, 1, 0))


_BESSEL = "The Bessel function of the {} kind of order {}."
real_unary(
    "i0",
    _i0,
    "The modified Bessel function of the first kind of order 0.",
    expose="torch Tensor special",
    kernel="i0_vml_cpu",
)
real_unary("i0e", _i0e, "``exp(-|x|) i0(x)``.", saves="self result")
real_unary("i1", _i1, "The modified Bessel function of the first kind of order 1.", saves="self result")
real_unary("i1e", _i1e, "``exp(-|x|) i1(x)``.", saves="self result")
for _name, _fn, _doc in (
    ("bessel_j0", _waves(0, False), _BESSEL.format("first", 0)),
    ("bessel_j1", _waves(1, False), _BESSEL.format("first", 1)),
    ("bessel_y0", _waves(0, True), _BESSEL.format("second", 0)),
    ("bessel_y1", _waves(1, True), _BESSEL.format("second", 1)),
    ("modified_bessel_i0", _i0, "The modified Bessel function of the first kind of order 0."),
    ("modified_bessel_i1", _i1, "The modified Bessel function of the first kind of order 1."),
    ("modified_bessel_k0", _decay(0, False), "The modified Bessel function of the second kind of order 0."),
    ("modified_bessel_k1", _decay(1, False), "The modified Bessel function of the second kind of order 1."),
    ("scaled_modified_bessel_k0", _decay(0, True), "``exp(x)`` times the modified Bessel function K0."),
    ("scaled_modified_bessel_k1", _decay(1, True), "``exp(x)`` times the modified Bessel function K1."),
    ("spherical_bessel_j0", _sinc, "The spherical Bessel function of the first kind of order 0: ``sin(x) / x``."),
    ("airy_ai", _airy, "Airy's function Ai."),
):
    real_unary(_name, _fn, _doc, saves="", differentiable=False)
