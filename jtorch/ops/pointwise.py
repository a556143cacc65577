"""Arithmetic of two or more tensors, element by element.

Functions here are written so that NumPy arrays and JAX arrays both go through, wherever that can be: the same code then
serves as ``host``.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jtorch.ops import promotion
from jtorch.ops.derivatives import with_partials, without_derivative
from jtorch.ops.elementary import scaled_by_two
from jtorch.ops.errors import FLOATS, INEXACT, INTS, NUMBERS, NUMERIC, REAL, c_type, only, unsupported
from jtorch.ops.matmul import broadcast_batch
from jtorch.ops.precision import wide, widened
from jtorch.ops.promotion import BOOL, COMPLEX, FLOAT, INT, category
from jtorch.ops.scalars import checked, is_number, wrapped
from jtorch.ops.table import OpDef, op

_fn: Any  # what the rows of the tables below hold
_host: Any
_fields: Any


def binary(name: str, impl: Callable, host: Callable | None, doc: str, **fields: Any) -> OpDef:
    """Declare ``name(Tensor self, Tensor other) -> Tensor``; without ``promote`` both come in their common dtype."""
    declared: dict[str, Any] = {"promote": "common", "inplace": True} | fields
    definition = op(f"{name}(Tensor self, Tensor other) -> Tensor", host=host, **declared)(impl)
    definition.__doc__ = doc
    return definition


def module_of(*arrays: Any) -> Any:
    """``jax.numpy`` where an array is JAX's, else ``numpy``."""
    return jnp if any(isinstance(a, jax.Array) for a in arrays) else np


def together(*operands: Any) -> list:
    """Arrays and Python numbers in their common dtype, for operators that have to look at them before promotion."""
    dtype = promotion.result_type(*operands)
    xp = module_of(*operands)
    return [xp.asarray(wrapped(x, dtype)) if is_number(x) else promotion.cast(x, dtype) for x in operands]


def _fitting(x: Any, dtype: np.dtype) -> Any:
    """A number that becomes an operand of ``dtype``, as an array; what is no Python number is returned as it is."""
    return checked(x, dtype) if is_number(x) else x


def _kind(x: Any) -> int:
    """The category of an array or number."""
    return category(promotion.result_type(x))


# --- addition and multiplication ------------------------------------------------------------------------------------


def _check_factor(dtype: np.dtype, factor: Any, name: str = "alpha") -> None:
    if type(factor) is int:  # fits everywhere
        return
    have, kind = category(dtype), _kind(factor)
    if kind == BOOL and have != BOOL:
        raise RuntimeError(f"Boolean {name} only supported for Boolean results.")
    if kind >= FLOAT and have <= INT:
        raise RuntimeError(f"For integral input tensors, argument {name} must not be a floating point number.")
    if kind == COMPLEX and have != COMPLEX:
        raise RuntimeError(f"For non-complex input tensors, argument {name} must not be a complex number.")


def _scaled(x: Any, factor: Any) -> Any:
    """``factor * x`` in the dtype of x."""
    if isinstance(factor, int) and factor == 1:
        return x
    factor = _fitting(factor, x.dtype)
    return x & factor if category(x.dtype) == BOOL else x * factor


def _add(self: Any, other: Any, *, alpha: Any = 1) -> Any:
    """``self + alpha * other``; of bools, their disjunction."""
    _check_factor(self.dtype, alpha)
    return self | _scaled(other, alpha) if category(self.dtype) == BOOL else self + _scaled(other, alpha)


def _sub(self: Any, other: Any, *, alpha: Any = 1) -> Any:
    """``self - alpha * other``; bools raise RuntimeError."""
    bools = [_kind(x) == BOOL for x in (self, other)]
    if all(bools):
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` "
            "operator instead."
        )
    if any(bools):
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, "
            "use the `~` or `logical_not()` operator instead."
        )
    self, other = together(self, other)
    _check_factor(self.dtype, alpha)
    return self - _scaled(other, alpha)


def _rsub(self: Any, other: Any, *, alpha: Any = 1) -> Any:
    """``other - alpha * self``; bools raise RuntimeError."""
    return _sub(other, self, alpha=alpha)


def _mul(self: Any, other: Any) -> Any:
    """``self * other``; of bools, their conjunction."""
    return self & other if category(self.dtype) == BOOL else self * other


_ALPHA = "(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor"
_ANY = "self other alone"
op(f"add{_ALPHA}", promote="common", numbers=_ANY, inplace=True, host=_add)(_add)
op(f"sub{_ALPHA}", numbers=_ANY, inplace=True, host=_sub, aliases="subtract")(_sub)
op(f"rsub{_ALPHA}", numbers="other", expose="torch", out=False, host=_rsub, grad_name="RsubBackward1")(_rsub)
op(
    "mul(Tensor self, Tensor other) -> Tensor",
    promote="common",
    numbers=_ANY,
    inplace=True,
    host=_mul,
    saves="self other",
    aliases="multiply",
)(_mul)


@op(
    "addcmul(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
    promote="common",
    inplace=True,
    saves="tensor1 tensor2",
)
@only(NUMBERS, "addcmul_cpu_out")
@widened
def addcmul(self, tensor1, tensor2, *, value=1):
    """``self + value * tensor1 * tensor2``."""
    _check_factor(self.dtype, value, "value")
    return self + _scaled(wide(tensor1) * wide(tensor2), value)


_INTEGER_ADDCDIV = RuntimeError(
    "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a true "
    "division of tensor1 and tensor2. Its former result is (input + value * torch.trunc(tensor1 / tensor2))."
)


@op(
    "addcdiv(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
    promote="common",
    inplace=True,
    saves="tensor1 tensor2",
)
@only(INEXACT, _INTEGER_ADDCDIV)
@widened
def addcdiv(self, tensor1, tensor2, *, value=1):
    """``self + value * tensor1 / tensor2``, of floats."""
    _check_factor(self.dtype, value, "value")
    return self + _scaled(wide(tensor1) / wide(tensor2), value)


def _lerp(self: Any, end: Any, weight: Any) -> Any:
    """``self + weight * (end - self)``, for operands of one dtype."""
    for name, x in (("end", end), ("weight", weight)):
        if hasattr(x, "dtype") and x.dtype != self.dtype and (name == "end" or x.ndim):
            raise RuntimeError(f"expected dtype {c_type(self.dtype)} for `{name}` but got dtype {c_type(x.dtype)}")
    broadcast_batch(self.shape, end.shape)
    if category(self.dtype) not in INEXACT:
        raise unsupported("lerp_kernel_scalar", self.dtype)
    weight = jnp.asarray(weight, self.dtype)
    near = lax.abs(weight) if category(self.dtype) == COMPLEX else weight
    # Counted from the nearer end, so that weight 1 gives the end itself.
    return jnp.where(near < 0.5, self + weight * (end - self), end - (end - self) * (1 - weight))


op("lerp.Scalar(Tensor self, Tensor end, Scalar weight) -> Tensor", inplace=True)(_lerp)
op(
    "lerp.Tensor(Tensor self, Tensor end, Tensor weight) -> Tensor",
    inplace=True,
    saves="self end weight",
    grad_name="LerpBackward1",
)(_lerp)

# --- division -------------------------------------------------------------------------------------------------------


def _true_divide(self: Any, other: Any) -> Any:
    """``self / other``, in floats."""
    return self / other


def _divided_by_zero(self: Any, other: Any) -> list:
    """Dividing integers by 0 is an error; floats give inf and NaN."""
    return [((other == 0).any(), RuntimeError, "ZeroDivisionError")] if category(other.dtype) == INT else []


def _floor_quotient(x: Any, y: Any) -> Any:
    """The whole number below x/y. For floats: x less its remainder is a multiple of y, up to one rounding."""
    if category(x.dtype) == INT:
        return jnp.floor_divide(x, y)
    rest = _fmod(x, y)
    quotient = (x - rest) / y
    quotient = jnp.where((rest != 0) & ((y < 0) != (rest < 0)), quotient - 1, quotient)
    below = lax.floor(quotient)
    whole = jnp.where(quotient - below > 0.5, below + 1, below)
    ratio = x / y
    return jnp.where(y == 0, ratio, jnp.where(quotient == 0, jnp.copysign(0 * whole, ratio), whole))


def _trunc_quotient(x: Any, y: Any) -> Any:
    return lax.div(*jnp.broadcast_arrays(x, y)) if category(x.dtype) == INT else jnp.trunc(x / y)


def _quotient(mode: str, x: Any, y: Any) -> Any:
    if category(x.dtype) not in NUMERIC:
        raise unsupported(f"div_{mode}_cpu", x.dtype)
    return {"floor": _floor_quotient, "trunc": _trunc_quotient}[mode](lax.stop_gradient(x), lax.stop_gradient(y))


op(
    "div(Tensor self, Tensor other) -> Tensor",
    promote="float",
    numbers=_ANY,
    inplace=True,
    host=_true_divide,
    saves="self other",
    aliases="divide true_divide",
)(_true_divide)


@op(
    "div.Tensor_mode(Tensor self, Tensor other, *, str? rounding_mode) -> Tensor",
    promote="common",
    numbers=_ANY,
    inplace=True,
    check=lambda self, other, *, rounding_mode: _divided_by_zero(self, other) if rounding_mode else [],
    saves="self other",
    grad_name="DivBackward2",
    aliases="divide",
)
def div_mode(self, other, *, rounding_mode):
    """``self / other``, rounded down (``"floor"``) or towards 0 (``"trunc"``) in the operands' dtype."""
    if rounding_mode is None:
        dtype = promotion.to_float(self.dtype)
        return promotion.cast(self, dtype) / promotion.cast(other, dtype)
    if rounding_mode not in ("floor", "trunc"):
        raise RuntimeError(
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'"
        )
    return _quotient(rounding_mode, self, other)


@op(
    "floor_divide(Tensor self, Tensor other) -> Tensor",
    promote="common",
    numbers=_ANY,
    inplace=True,
    host=only(NUMERIC, "div_floor_cpu")(np.floor_divide),
    check=_divided_by_zero,
    grad_name="NotImplemented",
)
@without_derivative(RuntimeError("derivative for aten::floor_divide is not implemented"))
def floor_divide(self, other):
    """``self / other`` rounded down, in the operands' dtype; its backward raises RuntimeError."""
    return _quotient("floor", self, other)


def _fmod(x: Any, y: Any) -> Any:
    return lax.rem(*jnp.broadcast_arrays(x, y))


_DIVIDED: dict[str, Any] = {"check": _divided_by_zero, "saves": "self other"}
for _name, _numbers, _fn, _host, _doc in (
    (
        "remainder",
        "self other",
        jnp.remainder,
        np.remainder,
        "What division rounded down leaves: the sign is that of ``other``.",
    ),
    ("fmod", "other", _fmod, np.fmod, "What division rounded towards 0 leaves: the sign is that of ``self``."),
):
    _guard = only(NUMERIC, f"{_name}_cpu")
    _grad = f"{_name.capitalize()}Backward1"
    binary(_name, _guard(_fn), _guard(_host), _doc, numbers=_numbers, grad_name=_grad, **_DIVIDED)

# --- powers ---------------------------------------------------------------------------------------------------------


def _pow_by_base(result: Any, x: Any, y: Any) -> Any:
    return jnp.where(y == 0, 0, y * _float_pow(x, jnp.where(y == 0, 1, y) - 1))


def _pow_by_exponent(result: Any, x: Any, y: Any) -> Any:
    still = (x == 0) & (jnp.real(y) >= 0)
    return jnp.where(still, 0, result * lax.log(jnp.where(still, 1, x)))


@with_partials(_pow_by_base, _pow_by_exponent)
def _float_pow(x: Any, y: Any) -> Any:
    """Torch's conventions: x**0 does not move with x, and 0**y does not move with y >= 0."""
    return lax.pow(*jnp.broadcast_arrays(x, y))


def _int_pow(x: Any, y: Any) -> Any:
    """Integer powers; a negative exponent leaves 1 and -1, and makes 0 of the rest."""
    if y.dtype.kind == "u":
        return jnp.power(x, y)
    inverse = jnp.where(x == 1, 1, jnp.where(x == -1, jnp.where(y % 2 == 0, 1, -1), 0)).astype(x.dtype)
    return jnp.where(y < 0, inverse, jnp.power(x, jnp.maximum(y, 0)))


def _pow(x: Any, y: Any) -> Any:
    """x to the power of y, both of one dtype."""
    kind = category(x.dtype)
    if kind == BOOL:
        raise unsupported("pow", x.dtype)
    if module_of(x, y) is np:
        return np.power(x, y) if kind >= FLOAT else np.asarray(_int_pow(jnp.asarray(x), jnp.asarray(y)))
    return _int_pow(x, y) if kind == INT else _float_pow(x, y)


_UNROLLED = 8  # whole exponents up to this size are products


def _pow_number(self: Any, exponent: Any) -> Any:
    """``self ** exponent``. Integers to a negative integer power raise RuntimeError."""
    dtype = promotion.result_type(self, exponent)
    x, y = together(self, _fitting(exponent, dtype)) if is_number(exponent) else together(self, exponent)
    kind = category(x.dtype)
    if kind == BOOL and is_number(exponent):
        return x if exponent else module_of(x).ones_like(x)
    if not is_number(exponent) or kind == BOOL or isinstance(exponent, complex):
        return _pow(x, y)
    if kind == INT and exponent < 0:
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    if module_of(x) is np:
        return np.power(x, y)
    if kind == INT or (float(exponent).is_integer() and -_UNROLLED <= exponent <= _UNROLLED):
        return lax.integer_pow(x, int(exponent))
    if exponent in (0.5, -0.5):
        return lax.sqrt(x) if exponent > 0 else lax.rsqrt(x)
    return _pow(x, y)


def _pow_base(self: Any, exponent: Any) -> Any:
    """``self ** exponent`` with a number for the base."""
    return _pow(*together(self, exponent))


op(
    "pow.Tensor_Scalar(Tensor self, Scalar exponent) -> Tensor",
    inplace=True,
    host=_pow_number,
    saves="self",
)(_pow_number)


@op(
    "pow.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor",
    promote="common",
    inplace=True,
    host=_pow,
    saves="self exponent",
    grad_name="PowBackward1",
)
def pow_tensor(self, exponent):
    """``self ** exponent``. Of integers, a negative power of anything but 1 and -1 is 0."""
    return _pow(self, exponent)


op(
    "pow.Scalar(Scalar self, Tensor exponent) -> Tensor",
    expose="torch",
    host=_pow_base,
    saves="result",
    grad_name="PowBackward2",
)(_pow_base)


@op(
    "float_power(Tensor self, Tensor exponent) -> Tensor",
    numbers="self exponent",
    saves="self exponent",
    grad_name="PowBackward1",
)
def float_power(self, exponent):
    """``self ** exponent`` in float64, or in complex128 where an operand is complex."""
    double = np.dtype(np.complex128 if category(promotion.result_type(self, exponent)) == COMPLEX else np.float64)
    x = promotion.cast(self, double)
    return _pow_number(x, exponent) if is_number(exponent) else _pow(x, promotion.cast(exponent, double))


# --- the larger and the smaller -------------------------------------------------------------------------------------


def _fmax(x: Any, y: Any) -> Any:
    xp = module_of(x, y)
    return xp.where((x >= y) | xp.isnan(y), x, y)


def _fmin(x: Any, y: Any) -> Any:
    xp = module_of(x, y)
    return xp.where((x <= y) | xp.isnan(y), x, y)


for _name, _fn, _host, _doc in (
    ("maximum", jnp.maximum, np.maximum, "The larger of two elements, or NaN. Equal ones share the gradient."),
    ("minimum", jnp.minimum, np.minimum, "The smaller of two elements, or NaN. Equal ones share the gradient."),
    ("fmax", _fmax, _fmax, "The larger of two elements, or the one that is a number."),
    ("fmin", _fmin, _fmin, "The smaller of two elements, or the one that is a number."),
):
    _guard = only(REAL, RuntimeError(f"{_name} not implemented for complex tensors."))
    binary(_name, _guard(_fn), _guard(_host), _doc, inplace=False, saves="self other always")


def _bounded(self: Any, min: Any = None, max: Any = None) -> Any:
    """Each element, or the bound that it passes; NaN where one of them is. At a bound the element has the gradient."""
    dtype = promotion.result_type(self, min, max)
    if category(dtype) == COMPLEX:
        raise NotImplementedError("clamp is not supported for complex types")
    x, *bounds = together(self, *(_fitting(a, dtype) for a in (min, max) if a is not None))
    xp = module_of(x, *bounds)
    sides = [side for side, given in ((xp.less, min), (xp.greater, max)) if given is not None]
    for beyond, bound in zip(sides, bounds, strict=True):
        past = beyond(x, bound)
        x = xp.where(past if category(x.dtype) <= INT else past | xp.isnan(bound), bound, x)
    return x


def _clamp(self: Any, min: Any = None, max: Any = None) -> Any:
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if category(promotion.result_type(self, min, max)) == BOOL and (is_number(min) or is_number(max)):
        raise unsupported("clamp_cpu", np.bool_)
    return _bounded(self, min, max)


def _clamp_max(self: Any, max: Any) -> Any:
    return _bounded(self, None, max)


for _schema, _fn, _fields in (
    (
        "clamp(Tensor self, Scalar? min=None, Scalar? max=None)",
        _clamp,
        {"aliases": "clip", "grad_name": "ClampBackward1"},
    ),
    ("clamp.Tensor(Tensor self, Tensor? min=None, Tensor? max=None)", _clamp, {"aliases": "clip"}),
    ("clamp_min(Tensor self, Scalar min)", _bounded, {}),
    ("clamp_min.Tensor(Tensor self, Tensor min)", _bounded, {"grad_name": "ClampMinBackward1"}),
    ("clamp_max(Tensor self, Scalar max)", _clamp_max, {}),
    ("clamp_max.Tensor(Tensor self, Tensor max)", _clamp_max, {"grad_name": "ClampMaxBackward1"}),
):
    op(f"{_schema} -> Tensor", inplace=True, host=_fn, saves="self min max", **_fields)(_fn).__doc__ = _bounded.__doc__

# --- pairs of floats ------------------------------------------------------------------------------------------------


@with_partials(lambda result, x, y: jnp.where(x == 0, 0, result / jnp.where(x == 0, 1, x)), None)
def _copysign(x: Any, y: Any) -> Any:
    return jnp.copysign(x, y)


@with_partials(lambda result, x, y: (x != y).astype(result.dtype), None)
def _nextafter(x: Any, y: Any) -> Any:
    return jnp.nextafter(x, y)


def _over_square(a: Any, x: Any, y: Any) -> Any:
    """a over the squared distance from the origin; 0 at the origin, whose angle is taken not to move."""
    size = x * x + y * y
    return jnp.where(size == 0, 0, a / jnp.where(size == 0, 1, size))


@with_partials(lambda angle, y, x: _over_square(x, x, y), lambda angle, y, x: _over_square(-y, x, y))
def _atan2(y: Any, x: Any) -> Any:
    return lax.atan2(*jnp.broadcast_arrays(y, x))


@with_partials(lambda size, x, y: x / size, lambda size, x, y: y / size)
def _hypot(x: Any, y: Any) -> Any:
    return jnp.hypot(x, y)


@with_partials(lambda result, x, y: 1 / (1 + lax.exp(y - x)), lambda result, x, y: 1 / (1 + lax.exp(x - y)))
def complex_logaddexp(x: Any, y: Any) -> Any:
    """Counted from the larger one, whose imaginary part is not wrapped."""
    more = lax.real(x) >= lax.real(y)
    return jnp.where(more, x, y) + lax.log(1 + lax.exp(jnp.where(more, y - x, x - y)))


def _logaddexp(x: Any, y: Any) -> Any:
    return complex_logaddexp(x, y) if category(x.dtype) == COMPLEX else jnp.logaddexp(x, y)


def _logaddexp2(x: Any, y: Any) -> Any:
    return jnp.logaddexp2(x, y)


for _name, _kinds, _fn, _host, _doc, _fields in (
    (
        "copysign",
        REAL,
        _copysign,
        np.copysign,
        "The size of ``self`` with the sign of ``other``.",
        {"promote": "float", "numbers": "other"},
    ),
    ("nextafter", FLOATS, _nextafter, np.nextafter, "The float next to ``self`` on the way to ``other``.", {}),
    (
        "atan2",
        REAL,
        _atan2,
        np.arctan2,
        "The angle of the point (other, self).",
        {"promote": "float", "aliases": "arctan2"},
    ),
    ("hypot", FLOATS, _hypot, np.hypot, "``sqrt(self**2 + other**2)`` without overflow.", {}),
    ("logaddexp", INEXACT, _logaddexp, None, "``log(exp(self) + exp(other))``.", {"inplace": False}),
    ("logaddexp2", FLOATS, _logaddexp2, None, "``log2(2**self + 2**other)``.", {"inplace": False}),
):
    _guard = only(_kinds, f"{_name}_cpu")
    binary(_name, _guard(_fn), _host and _guard(_host), _doc, **({"saves": "self other always"} | _fields))


@op("ldexp.Tensor(Tensor self, Tensor other) -> Tensor", inplace=True, saves="other result")
def ldexp(self, other):
    """``self * 2**other``, in floats; exact where ``other`` is whole numbers."""
    dtype = promotion.to_float(promotion.result_type(self, other))
    x = promotion.cast(self, dtype)
    if _kind(other) <= INT and category(dtype) == FLOAT:
        return scaled_by_two(x, promotion.cast(other, np.dtype(np.int32)))
    return x * _float_pow(jnp.asarray(2, dtype), promotion.cast(other, dtype))


# --- whole numbers --------------------------------------------------------------------------------------------------

for _name, _fn, _host, _doc in (
    ("gcd", jnp.gcd, np.gcd, "The greatest common divisor, not negative."),
    ("lcm", jnp.lcm, np.lcm, "The least common multiple, not negative."),
):
    _guard = only(INTS, f"{_name}_cpu")
    binary(_name, _guard(_fn), _guard(_host), _doc, differentiable=False)


@op("heaviside(Tensor self, Tensor values) -> Tensor", inplace=True, differentiable=False)
def heaviside(self, values):
    """0 where ``self`` is negative, 1 where it is positive, and ``values`` at 0."""
    if COMPLEX in (category(self.dtype), category(values.dtype)):
        raise RuntimeError("heaviside is not yet implemented for complex tensors.")
    if self.dtype != values.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    return jnp.where(self == 0, values, (self > 0).astype(self.dtype))
