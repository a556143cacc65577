"""Comparisons, logic on bools and on bits, and questions about numbers. Nothing here has a gradient."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jtorch.ops import promotion
from jtorch.ops.elementary import unary
from jtorch.ops.errors import INTEGRAL, INTS, REAL, only, scalar_type
from jtorch.ops.pointwise import binary, module_of
from jtorch.ops.promotion import BOOL, COMPLEX, FLOAT, INT, category
from jtorch.ops.table import op

_EITHER: dict[str, Any] = {"numbers": "self other", "differentiable": False}
_ALONE: dict[str, Any] = {"promote": None, "differentiable": False}


def _any_dtype(fn: Callable) -> Callable:
    return fn


# --- order ----------------------------------------------------------------------------------------------------------

for _name, _alias, _sign in (
    ("eq", "", "=="),
    ("ne", "not_equal", "!="),
    ("lt", "less", "<"),
    ("le", "less_equal", "<="),
    ("gt", "greater", ">"),
    ("ge", "greater_equal", ">="),
):
    _fn, _host = getattr(jnp, _alias or "equal"), getattr(np, _alias or "equal")
    _guard = only(REAL, f"{_name}_cpu") if _name not in ("eq", "ne") else _any_dtype
    binary(
        _name,
        _guard(_fn),
        _guard(_host),
        f"``self {_sign} other``, as bools.",
        aliases=_alias,
        numbers="other",
        differentiable=False,
    )

# --- logic ----------------------------------------------------------------------------------------------------------


def _truth(x: Any) -> Any:
    return x if category(x.dtype) == BOOL else x != 0


for _name, _fn, _doc in (
    ("logical_and", lambda x, y: _truth(x) & _truth(y), "Whether both elements are other than 0."),
    ("logical_or", lambda x, y: _truth(x) | _truth(y), "Whether one of the elements is other than 0."),
    ("logical_xor", lambda x, y: _truth(x) ^ _truth(y), "Whether just one of the elements is other than 0."),
):
    binary(_name, _fn, _fn, _doc, **_ALONE)
unary("logical_not", lambda x: ~_truth(x), lambda x: ~_truth(x), "Whether the element is 0.", **_ALONE)

for _name, _method, _doc in (
    ("bitwise_and", "__and__", "The bits that both elements have."),
    ("bitwise_or", "__or__", "The bits that one of the elements has."),
    ("bitwise_xor", "__xor__", "The bits that just one of the elements has."),
):
    _guard = only(INTEGRAL, f"{_name}_cpu")
    binary(_name, _guard(getattr(jnp, _name)), _guard(getattr(np, _name)), _doc, **_EITHER)
_bits = only(INTEGRAL, "bitwise_not_cpu")
unary("bitwise_not", _bits(jnp.bitwise_not), _bits(np.bitwise_not), "The bits that the element lacks.", **_ALONE)


def _left(x: Any, y: Any) -> Any:
    return lax.shift_left(*jnp.broadcast_arrays(x, y))


def _right(x: Any, y: Any) -> Any:
    shift = lax.shift_right_arithmetic if x.dtype.kind == "i" else lax.shift_right_logical
    return shift(*jnp.broadcast_arrays(x, y))


for _name, _kernel, _fn, _doc in (
    ("bitwise_left_shift", "lshift_cpu", _left, "``self << other``; 0 where all bits leave."),
    ("bitwise_right_shift", "rshift_cpu", _right, "``self >> other``; the sign's bit fills up."),
):
    binary(_name, only(INTS, _kernel)(_fn), None, _doc, **_EITHER)

# --- questions about a number ---------------------------------------------------------------------------------------


def _of_parts(name: str, combine: str = "logical_or") -> tuple[Callable, Callable]:
    """``name`` of JAX and of NumPy, where whole numbers are answered without looking."""

    def ask(xp: Any) -> Callable:
        def answer(x: Any) -> Any:
            kind = category(x.dtype)
            if kind <= INT:
                return xp.full(x.shape, name == "isfinite")
            return getattr(xp, name)(x)

        return answer

    return ask(jnp), ask(np)


for _name, _doc in (
    ("isnan", "Whether the element (or a part of it) is NaN."),
    ("isinf", "Whether the element (or a part of it) is infinite."),
    ("isfinite", "Whether the element is neither infinite nor NaN."),
):
    unary(_name, *_of_parts(_name), _doc, inplace=False, out=False, **_ALONE)

for _name, _value, _doc in (
    ("isposinf", np.inf, "Whether the element is positive infinity."),
    ("isneginf", -np.inf, "Whether the element is negative infinity."),
):
    _guard = only(REAL, RuntimeError(f"{_name} does not support complex inputs."))

    def _equals(x: Any, value: float = _value) -> Any:
        return x == value if category(x.dtype) == FLOAT else module_of(x).zeros(x.shape, np.bool_)

    unary(_name, _guard(_equals), _guard(_equals), _doc, inplace=False, **_ALONE)


def _isreal(x: Any) -> Any:
    xp = module_of(x)
    return x.imag == 0 if category(x.dtype) == COMPLEX else xp.ones(x.shape, np.bool_)


def _signbit(x: Any) -> Any:
    xp = module_of(x)
    return (
        xp.signbit(x) if category(x.dtype) == FLOAT else x < 0 if x.dtype.kind == "i" else xp.zeros(x.shape, np.bool_)
    )


_no_sign = only(REAL, NotImplementedError("signbit is not implemented for complex tensors."))
unary("isreal", _isreal, _isreal, "Whether the imaginary part is 0.", inplace=False, out=False, **_ALONE)
unary("signbit", _no_sign(_signbit), _no_sign(_signbit), "Whether the sign's bit is set.", inplace=False, **_ALONE)


def _isclose(self: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Any:
    """Whether ``|self - other| <= atol + rtol * |other|``; equal infinities are close, NaNs are with ``equal_nan``."""
    if self.dtype != other.dtype:
        raise RuntimeError(f"{scalar_type(self.dtype)} did not match {scalar_type(other.dtype)}")
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        if tolerance < 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {tolerance:g}")
    xp = module_of(self, other)
    close = self == other
    if equal_nan and category(self.dtype) >= FLOAT:
        close |= xp.isnan(self) & xp.isnan(other)
    if rtol == 0 and atol == 0:
        return close
    wide = promotion.to_float(self.dtype)
    x, y = promotion.cast(self, wide), promotion.cast(other, wide)
    error = xp.abs(x - y)
    return close | (xp.isfinite(error) & (error <= atol + xp.abs(rtol * y)))


op(
    "isclose(Tensor self, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> Tensor",
    out=False,
    host=_isclose,
    differentiable=False,
)(_isclose)
