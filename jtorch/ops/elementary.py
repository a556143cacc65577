"""Functions of one tensor, element by element: signs, rounding, roots, exponentials, logarithms, trigonometry.

Almost all of them are rows of one table. Where torch's derivative is not the one JAX would take, the function carries
its own rule.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jtorch.ops.derivatives import with_partials
from jtorch.ops.errors import FLOATS, NUMBERS, NUMERIC, REAL, only, unsupported
from jtorch.ops.precision import wide, widened
from jtorch.ops.promotion import BOOL, COMPLEX, FLOAT, INT, category
from jtorch.ops.table import OpDef, op


def unary(name: str, impl: Callable, host: Callable | None, doc: str, **fields: Any) -> OpDef:
    """Declare ``name(Tensor self) -> Tensor``; without ``promote`` it computes in the float dtype of ``self``."""
    declared: dict[str, Any] = {"promote": "float", "inplace": True} | fields
    definition = op(f"{name}(Tensor self) -> Tensor", host=host, **declared)(impl)
    definition.__doc__ = doc
    return definition


# --- signs: the dtype stays -----------------------------------------------------------------------------------------


@jax.custom_jvp
def _complex_sgn(z: Any) -> Any:
    size = lax.abs(z)
    return z / jnp.where(size == 0, jnp.ones_like(size), size).astype(z.dtype)


@_complex_sgn.defjvp
def _complex_sgn_jvp(primals: tuple, tangents: tuple) -> tuple:
    """Only the part of a step that is orthogonal to z turns it; at 0 the derivative is taken as 0."""
    (z,), (dz,) = primals, tangents
    size = lax.abs(z)
    unit = _complex_sgn(z)
    turn = lax.imag(lax.conj(unit) * dz) / jnp.where(size == 0, jnp.ones_like(size), size)
    return unit, jnp.where(size == 0, 0, unit * lax.complex(jnp.zeros_like(turn), turn))


def _sign(x: Any) -> Any:
    """Of NaN it is 0."""
    return x if category(x.dtype) == BOOL else (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)


def _sgn(x: Any) -> Any:
    return _complex_sgn(x) if category(x.dtype) == COMPLEX else _sign(x)


def _host_sgn(x: Any) -> Any:
    return np.sign(x) if category(x.dtype) == COMPLEX else _sign(x)


@with_partials(lambda size, x: _sign(x))
def _float_abs(x: Any) -> Any:
    return lax.abs(x)


def _abs(x: Any) -> Any:
    return _float_abs(x) if category(x.dtype) == FLOAT else jnp.abs(x)


def _square(x: Any) -> Any:
    if category(x.dtype) == BOOL:
        x = x.astype(np.int64)
    return x * x


def _positive(x: Any) -> Any:
    """``self`` itself; bools raise."""
    if category(x.dtype) == BOOL:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return x


_number = only(
    NUMBERS,
    RuntimeError(
        "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the "
        "`~` or `logical_not()` operator instead."
    ),
)
_sized = only(NUMBERS, "abs_cpu")
_ordered = only(
    REAL,
    NotImplementedError(
        "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn instead."
    ),
)
_SAME: dict[str, Any] = {"promote": None}

unary("neg", _number(lax.neg), _number(np.negative), "``-self``.", aliases="negative", **_SAME)
unary("abs", _sized(_abs), _sized(np.abs), "Absolute value.", aliases="absolute", saves="self", **_SAME)
unary("sign", _ordered(_sign), _ordered(_sign), "-1, 0 or 1, as the sign of each element.", **_SAME)
unary("sgn", _sgn, _host_sgn, "``sign``, and ``z / |z|`` for complex z.", saves="self", **_SAME)
unary("square", _square, _square, "``self * self``.", saves="self", grad_name="PowBackward0", **_SAME)
op("positive(Tensor(a) self) -> Tensor(a)", out=False, write=lambda base, new: new)(_positive)

# --- rounding: the dtype stays --------------------------------------------------------------------------------------


def _half_even(x: Any) -> Any:
    return lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN)


def _trunc(x: Any) -> Any:
    return lax.sign(x) * lax.floor(lax.abs(x))


def _whole(name: str, fn: Callable, complex_problem: str | Exception) -> Callable:
    """``fn`` on floats; integers are whole already; others raise."""

    def rounded(x: Any) -> Any:
        return x if category(x.dtype) == INT else fn(x)

    return only(REAL, complex_problem)(only(NUMERIC, f"{name}_vml_cpu")(rounded))


for _name, _fn, _host, _doc, _aliases in (
    ("floor", lax.floor, np.floor, "The largest whole number that is not above each element.", ""),
    ("ceil", lax.ceil, np.ceil, "The smallest whole number that is not below each element.", ""),
    ("trunc", _trunc, np.trunc, "Each element without its fraction.", "fix"),
):
    _problem = NotImplementedError(f"{_name} is not supported for complex inputs")
    unary(_name, _whole(_name, _fn, _problem), _whole(_name, _host, _problem), _doc, aliases=_aliases, **_SAME)

_round = _whole("round", _half_even, "round_vml_cpu")
_host_round = _whole("round", np.rint, "round_vml_cpu")
unary("round", _round, _host_round, "Each element rounded to a whole number, halves to the even one.", **_SAME)


def _round_decimals(x: Any, *, decimals: int = 0, nearest: Callable = _half_even) -> Any:
    """Each element rounded to ``decimals`` digits behind the point (before it, where negative)."""
    if decimals == 0:
        return _whole("round", nearest, "round_vml_cpu")(x)
    if category(x.dtype) != FLOAT:
        raise unsupported("round_cpu", x.dtype)
    scale = np.asarray(10.0 ** abs(decimals), x.dtype)
    return nearest(x * scale) / scale if decimals > 0 else nearest(x / scale) * scale


op(
    "round.decimals(Tensor self, *, int decimals=0) -> Tensor",
    expose="torch Tensor special",
    inplace=True,
    host=lambda x, *, decimals=0: _round_decimals(x, decimals=decimals, nearest=np.rint),
    grad_name="RoundBackward1",
)(_round_decimals)

_fraction = only(FLOATS, "frac_cpu")
unary(
    "frac",
    _fraction(lambda x: x - lax.stop_gradient(_trunc(x))),
    _fraction(lambda x: x - np.trunc(x)),
    "The fraction of each element, with its sign.",
    **_SAME,
)

# --- functions that compute in floats -------------------------------------------------------------------------------


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + lax.exp(-x)) if category(x.dtype) == COMPLEX else lax.logistic(x)


def _host_sigmoid(x: Any) -> Any:
    if category(x.dtype) == COMPLEX:
        return 1 / (1 + np.exp(-x))
    z = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, z) / (1 + z)


def _inverse(x: Any) -> Any:
    return 1 / x


@with_partials(lambda result, x: jnp.where(x == 0, 0, (lax.cos(math.pi * x) - result) / jnp.where(x == 0, 1, x)))
@widened
def _sinc(x: Any) -> Any:
    return jnp.sinc(x)


def _exp2(x: Any) -> Any:
    """As a power of 2, which XLA computes exactly for whole exponents (its own exp2 is a scaled exp)."""
    if category(x.dtype) == COMPLEX:
        return lax.exp2(x)
    single = wide(x)
    return lax.pow(jnp.full_like(single, 2), single).astype(x.dtype)


def _log_base(base: int) -> Callable:
    return lambda x: lax.log(x) / np.asarray(math.log(base), x.dtype)


def _times(factor: float, name: str) -> Callable:
    scaled = only(REAL, RuntimeError(f"{name} is not supported for complex tensors."))
    return scaled(lambda x: x * np.asarray(factor, x.dtype))


_deg2rad, _rad2deg = _times(math.pi / 180, "deg2rad"), _times(180 / math.pi, "rad2deg")
_X: dict[str, Any] = {"saves": "self"}
_Y: dict[str, Any] = {"saves": "result"}
_SPECIAL: dict[str, Any] = {"expose": "torch Tensor special"}

unary("reciprocal", _inverse, _inverse, "``1 / self``.", **_Y)
unary("sqrt", lax.sqrt, np.sqrt, "Square root.", **_Y)
unary("rsqrt", lax.rsqrt, lambda x: 1 / np.sqrt(x), "``1 / sqrt(self)``.", **_Y)
unary("exp", lax.exp, np.exp, "e to the power of each element.", **_Y)
unary("exp2", _exp2, np.exp2, "2 to the power of each element.", **_Y, **_SPECIAL)
unary("expm1", lax.expm1, np.expm1, "``exp(self) - 1``, exact near 0.", **_Y, **_SPECIAL)
unary("log", lax.log, np.log, "Natural logarithm.", **_X)
unary("log10", _log_base(10), np.log10, "Logarithm to the base 10.", **_X)
unary("log2", _log_base(2), np.log2, "Logarithm to the base 2.", **_X)
unary("log1p", lax.log1p, np.log1p, "``log(1 + self)``, exact near 0.", **_X, **_SPECIAL)
unary("sin", lax.sin, np.sin, "Sine.", **_X)
unary("cos", lax.cos, np.cos, "Cosine.", **_X)
unary("tan", lax.tan, np.tan, "Tangent.", **_Y)
unary("asin", lax.asin, np.arcsin, "Inverse sine.", aliases="arcsin", **_X)
unary("acos", lax.acos, np.arccos, "Inverse cosine.", aliases="arccos", **_X)
unary("atan", lax.atan, np.arctan, "Inverse tangent.", aliases="arctan", **_X)
unary("sinh", lax.sinh, np.sinh, "Hyperbolic sine.", **_X)
unary("cosh", lax.cosh, np.cosh, "Hyperbolic cosine.", **_X)
unary("tanh", lax.tanh, np.tanh, "Hyperbolic tangent.", **_Y)
unary("asinh", lax.asinh, np.arcsinh, "Inverse hyperbolic sine.", aliases="arcsinh", **_X)
unary("acosh", lax.acosh, np.arccosh, "Inverse hyperbolic cosine.", aliases="arccosh", **_X)
unary("atanh", lax.atanh, np.arctanh, "Inverse hyperbolic tangent.", aliases="arctanh", **_X)
unary("sigmoid", _sigmoid, _host_sigmoid, "``1 / (1 + exp(-self))``.", expose="torch Tensor special:expit", **_Y)
unary("sinc", _sinc, None, "``sin(pi x) / (pi x)``, and 1 at 0.", **_X, **_SPECIAL)
unary("erf", only(REAL, "erf_vml_cpu")(lax.erf), None, "The error function.", **_X, **_SPECIAL)
unary("erfc", only(REAL, "erfc_vml_cpu")(lax.erfc), None, "``1 - erf(self)``.", **_X, **_SPECIAL)
unary("erfinv", only(REAL, "erfinv_vml_cpu")(lax.erf_inv), None, "The inverse of ``erf``.", **_X, **_SPECIAL)
unary("deg2rad", _deg2rad, _deg2rad, "Degrees as radians.")
unary("rad2deg", _rad2deg, _rad2deg, "Radians as degrees.")


def _logit_slope(result: Any, x: Any) -> Any:
    return jnp.where((x >= 0) & (x <= 1), 1 / (x * (1 - x)), np.nan)


@with_partials(_logit_slope)
def _log_odds(x: Any) -> Any:
    return lax.log(x / (1 - x))


@op(
    "logit(Tensor self, float? eps=None) -> Tensor",
    promote="float",
    expose="torch Tensor special",
    inplace=True,
    saves="self",
)
def logit(self, eps=None):
    """``log(x / (1 - x))`` with x clamped to ``[eps, 1 - eps]`` where ``eps`` is given."""
    if category(self.dtype) == COMPLEX:
        raise unsupported("logit_cpu", self.dtype)
    if eps is not None:
        low, high = jnp.asarray(eps, self.dtype), jnp.asarray(1 - eps, self.dtype)
        self = jnp.where(self < low, low, jnp.where(self > high, high, self))
    return _log_odds(self)


@with_partials(lambda result, x, n: jnp.ldexp(jnp.ones_like(result), n), None)
def scaled_by_two(x: Any, n: Any) -> Any:
    """``x * 2**n``, exactly, for integers n (``jnp.ldexp``, whose own derivative leaves the power out where x is 0)."""
    return jnp.ldexp(x, n)


@op("frexp(Tensor self) -> (Tensor mantissa, Tensor exponent)")
def frexp(self):
    """``mantissa`` (0.5 <= |m| < 1) and int32 ``exponent`` with ``self == mantissa * 2**exponent``."""
    if category(self.dtype) != FLOAT:
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    x = wide(self)
    exponent = jnp.where(jnp.isfinite(x), jnp.frexp(lax.stop_gradient(x))[1], 0).astype(np.int32)
    return scaled_by_two(x, -exponent).astype(self.dtype), exponent


@op(
    "nan_to_num(Tensor self, float? nan=None, float? posinf=None, float? neginf=None) -> Tensor",
    inplace=True,
    saves="self",
)
def nan_to_num(self, nan=None, posinf=None, neginf=None):
    """NaN replaced by ``nan`` (0), infinities by ``posinf`` and ``neginf`` (the dtype's largest and lowest numbers)."""
    if category(self.dtype) == COMPLEX:
        return lax.complex(*(nan_to_num.impl(part, nan, posinf, neginf) for part in (lax.real(self), lax.imag(self))))
    if category(self.dtype) != FLOAT:
        return self
    limits = jnp.finfo(self.dtype)
    for where, value in (
        (jnp.isnan(self), 0.0 if nan is None else nan),
        (self == np.inf, limits.max if posinf is None else posinf),
        (self == -np.inf, limits.min if neginf is None else neginf),
    ):
        self = jnp.where(where, jnp.asarray(value, self.dtype), self)
    return self
