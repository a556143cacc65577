"""Activation functions, softmax and its kin (https://docs.pytorch.org/docs/stable/nn.functional.html).

The derivative at a kink is torch's: the branch taken there decides. NaN goes through every one of them.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jtorch.ops.dims import wrap_dim
from jtorch.ops.errors import FLOATS, only, scalar_type, unsupported
from jtorch.ops.precision import wide, widened
from jtorch.ops.promotion import BOOL, COMPLEX, FLOAT, category
from jtorch.ops.table import OpDef, op


def _const(value: Any, x: Any) -> Any:
    """A Python number or weakly typed scalar in the dtype of ``x``."""
    return jnp.asarray(value, x.dtype)


def _below(value: Any, limit: Any, x: Any) -> Any:
    """``value`` where ``x <= limit``, else ``x``."""
    return jnp.where(x <= limit, _const(value, x), x)


def _ordered(name: str) -> Callable:
    """Decorate an activation that takes integers and floats: torch's errors for bools and complex numbers."""

    def decorate(fn: Callable) -> Callable:
        def guarded(self: Any, *args: Any) -> Any:
            if category(self.dtype) == BOOL:
                raise RuntimeError(f"Boolean inputs not supported for {name}")
            if category(self.dtype) == COMPLEX:
                raise NotImplementedError("clamp is not supported for complex types")
            return fn(self, *args)

        guarded.__doc__ = fn.__doc__
        return guarded

    return decorate


# --- piecewise linear -----------------------------------------------------------------------------------------------


def _relu_host(self: Any) -> Any:
    return np.maximum(self, self.dtype.type(0))


@op("relu(Tensor self) -> Tensor", inplace=True, host=_ordered("relu")(_relu_host), saves="result", out=False)
@_ordered("relu")
def relu(self):
    """``max(self, 0)``; the derivative at 0 is 0."""
    return _below(0, 0, self)


@op("hardtanh(Tensor self, Scalar min_val=-1, Scalar max_val=1) -> Tensor", expose="_nn", inplace=True, saves="self")
@_ordered("hardtanh")
def hardtanh(self, min_val=-1, max_val=1):
    """``self`` clamped to ``[min_val, max_val]``; the derivative at both ends is 0."""
    if self.dtype.kind == "u" and min_val < 0:
        raise RuntimeError("cannot do hardtanh on an unsigned type with negative limits")
    return jnp.where(self >= max_val, _const(max_val, self), _below(min_val, min_val, self))


@op("relu6(Tensor self) -> Tensor", expose="_nn", inplace=True, saves="self", grad_name="HardtanhBackward0")
def relu6(self):
    """``min(max(self, 0), 6)``."""
    return hardtanh.impl(self, 0, 6)


@op("threshold(Tensor self, Scalar threshold, Scalar value) -> Tensor", expose="torch", inplace=True, saves="self")
def threshold(self, threshold, value):
    """``self`` where it is above ``threshold``, else ``value``."""
    if category(self.dtype) in (BOOL, COMPLEX):
        raise unsupported("threshold_cpu", self.dtype)
    return _below(value, threshold, self)


def _leaky_relu(self: Any, negative_slope: Any = 0.01) -> Any:
    return jnp.where(self > 0, self, self * _const(negative_slope, self))


def _hardsigmoid(self: Any) -> Any:
    return hardtanh.impl(self + 3, 0, 6) / 6


def _hardswish(self: Any) -> Any:
    return jnp.where(self <= -3, self * 0, jnp.where(self < 3, self * (self + 3) / 6, self))


def _hardshrink(self: Any, lambd: Any = 0.5) -> Any:
    return jnp.where(jnp.abs(self) <= lambd, self * 0, self)


def _softshrink(self: Any, lambd: Any = 0.5) -> Any:
    if isinstance(lambd, (int, float)) and not lambd >= 0:
        limit = f"{float(jnp.finfo(self.dtype).max):g}"
        name = scalar_type(self.dtype)
        raise RuntimeError(f"lambda must be in range [0, {limit}] for input dtype {name}, but found {lambd:g}")
    return jnp.where(jnp.abs(self) <= lambd, self * 0, self - jnp.sign(self) * _const(lambd, self))


# --- smooth ---------------------------------------------------------------------------------------------------------


def _elu(self: Any, alpha: Any = 1, scale: Any = 1, input_scale: Any = 1) -> Any:
    below = jnp.expm1(jnp.where(self <= 0, self, 0) * _const(input_scale, self))
    return jnp.where(self <= 0, below * _const(alpha * scale, self), self * _const(scale, self))


def _selu(self: Any) -> Any:
    return _elu(self, 1.6732632423543772, 1.0507009873554805)


def _celu(self: Any, alpha: Any = 1.0) -> Any:
    if isinstance(alpha, (int, float)) and alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _elu(self, alpha, 1, 1.0 / alpha)


def _gelu(self: Any, *, approximate: str = "none") -> Any:
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    return jax.nn.gelu(self, approximate=approximate == "tanh")


def _mish(self: Any) -> Any:
    return self * jnp.tanh(jax.nn.softplus(self))


def _softplus(self: Any, beta: Any = 1, threshold: Any = 20) -> Any:
    beta = _const(beta, self)
    return jnp.where(self * beta > threshold, self, jax.nn.softplus(self * beta) / beta)


def _log_sigmoid(self: Any) -> Any:
    return -jax.nn.softplus(-self)


def _activation(schema: str, kernel: str, impl: Callable, doc: str, **fields: Any) -> OpDef:
    """Declare an activation that takes floats alone and computes halves in float32."""
    name = schema.split("(")[0]
    definition = op(schema, **{"saves": "self", "expose": "_nn", **fields})(only(FLOATS, kernel)(widened(impl)))
    definition.__doc__ = doc
    globals()[name] = definition
    return definition


_IN = {"inplace": True}
_BOTH = {"expose": "_nn nn.functional"}
_activation(
    "leaky_relu(Tensor self, Scalar negative_slope=0.01) -> Tensor",
    "leaky_relu_cpu",
    _leaky_relu,
    "``self`` where it is above 0, else ``negative_slope * self``.",
    **_IN,
)
_activation("hardsigmoid(Tensor self) -> Tensor", "hardsigmoid_cpu", _hardsigmoid, "``relu6(self + 3) / 6``.", **_IN)
_activation("hardswish(Tensor self) -> Tensor", "hardswish_cpu", _hardswish, "``self * relu6(self + 3) / 6``.", **_IN)
_activation(
    "hardshrink(Tensor self, Scalar lambd=0.5) -> Tensor",
    "hardshrink_cpu",
    _hardshrink,
    "``self`` where its size is above ``lambd``, else 0.",
    expose="torch Tensor nn.functional",
)
_activation(
    "softshrink(Tensor self, Scalar lambd=0.5) -> Tensor",
    "softshrink_check",
    _softshrink,
    "``self`` brought ``lambd`` nearer to 0, and no further than 0. RuntimeError for a negative ``lambd``.",
    static=("lambd",),
    **_BOTH,
)
_activation(
    "elu(Tensor self, Scalar alpha=1, Scalar scale=1, Scalar input_scale=1) -> Tensor",
    "elu_cpu",
    _elu,
    "``scale * self`` above 0, else ``scale * alpha * (exp(input_scale * self) - 1)``.",
    **_IN,
)
_activation("selu(Tensor self) -> Tensor", "elu_cpu", _selu, "Scaled ELU (arXiv:1706.02515).", expose="torch", **_IN)
_activation(
    "celu(Tensor self, Scalar alpha=1.0) -> Tensor",
    "elu_cpu",
    _celu,
    "ELU with ``exp(self / alpha)`` (arXiv:1704.07483).",
    static=("alpha",),
    expose="torch",
    **_IN,
)
_activation(
    'gelu(Tensor self, *, str approximate="none") -> Tensor',
    "GeluKernelImpl",
    _gelu,
    "``self`` times the normal distribution function of it; ``approximate`` is ``none`` or ``tanh``.",
    **_BOTH,
)
_activation("mish(Tensor self) -> Tensor", "mish_cpu", _mish, "``self * tanh(softplus(self))``.", **_IN)
_activation(
    "softplus(Tensor self, Scalar beta=1, Scalar threshold=20) -> Tensor",
    "softplus_cpu",
    _softplus,
    "``log(1 + exp(beta * self)) / beta``; ``self`` where ``beta * self`` is above ``threshold``.",
    **_BOTH,
)
_activation(
    "log_sigmoid(Tensor self) -> Tensor",
    "log_sigmoid_cpu",
    _log_sigmoid,
    "``log(sigmoid(self))``.",
    expose="_nn nn.functional:logsigmoid",
)


@op("silu(Tensor self) -> Tensor", expose="_nn", inplace=True, saves="self")
@widened
def silu(self):
    """``self * sigmoid(self)``; takes complex numbers too."""
    if category(self.dtype) == COMPLEX:
        return self / (1 + jnp.exp(-self))
    if category(self.dtype) != FLOAT:
        raise unsupported("silu_cpu", self.dtype)
    return self * jax.nn.sigmoid(self)


@op("prelu(Tensor self, Tensor weight) -> Tensor", expose="torch Tensor nn.functional", saves="self weight",
    grad_name="PreluKernelBackward0", out=False)  # fmt: skip
def prelu(self, weight):
    """``self`` above 0, else ``weight * self``, with one weight or one a channel (dim 1).

    Raises RuntimeError where the number of weights is neither, or the dtypes differ.
    """
    if self.dtype != weight.dtype:
        have, want = scalar_type(self.dtype), scalar_type(weight.dtype)
        raise RuntimeError(f"prelu: Type promoting not supported. Got {have} and {want}")
    if category(self.dtype) != FLOAT:
        raise unsupported("prelu_cpu", self.dtype)
    if weight.size != 1:
        if self.ndim == 0:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = self.shape[1] if self.ndim > 1 else 1
        if weight.ndim != 1 or weight.size != channels:
            raise RuntimeError(
                "Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{weight.size} and channel size = {channels}."
            )
    shape = [-1 if i == 1 and weight.size > 1 else 1 for i in range(self.ndim)]
    return jnp.where(self > 0, self, weight.reshape(shape) * self)


@op("glu(Tensor self, int dim=-1) -> Tensor", expose="_nn", saves="self")
@widened
def glu(self, dim=-1):
    """``a * sigmoid(b)`` with a and b the halves of ``self`` along ``dim``. RuntimeError where the size is odd."""
    if self.ndim == 0:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    dim = wrap_dim(dim, self.ndim)
    if self.shape[dim] % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim} is size {self.shape[dim]}")
    if category(self.dtype) != FLOAT:
        raise unsupported("glu_cpu", self.dtype)
    a, b = jnp.split(self, 2, dim)
    return a * jax.nn.sigmoid(b)


# --- softmax --------------------------------------------------------------------------------------------------------


def _over_dim(kernel: str, fn: Callable) -> Callable:
    """``fn(x, axis)`` with torch's dim and dtype arguments; a 0-d tensor counts as one element."""

    def run(self: Any, dim: int, dtype: Any = None) -> Any:
        out_dtype = np.dtype(dtype if dtype is not None else self.dtype)
        axis = wrap_dim(dim, self.ndim)
        if category(out_dtype) != FLOAT:
            raise unsupported(kernel, out_dtype)
        x = wide(self.astype(out_dtype))
        if x.size == 0:
            return x.astype(out_dtype)
        return (fn(x, axis) if x.ndim else fn(x.reshape(1), 0).reshape(())).astype(out_dtype)

    return run


def _softmax_host(x: Any, axis: int) -> Any:
    with np.errstate(invalid="ignore"):
        e = np.exp(x - x.max(axis, keepdims=True))
        return e / e.sum(axis, keepdims=True)


def _log_softmax_host(x: Any, axis: int) -> Any:
    with np.errstate(invalid="ignore"):
        z = x - x.max(axis, keepdims=True)
        return z - np.log(np.exp(z).sum(axis, keepdims=True))


for _name, _fn, _host, _special, _doc in (
    ("softmax", jax.nn.softmax, _softmax_host, "special", "``exp(self)``, made to sum to 1 along ``dim``."),
    ("log_softmax", jax.nn.log_softmax, _log_softmax_host, "special", "The logarithm of ``softmax``."),
):
    globals()[_name] = _definition = op(
        f"{_name}(Tensor self, int dim, ScalarType? dtype=None) -> Tensor",
        expose=f"torch Tensor {_special}",
        host=_over_dim(f"{_name}_lastdim_kernel_impl", _host),
        saves="result",
    )(_over_dim(f"{_name}_lastdim_kernel_impl", _fn))
    _definition.__doc__ = _doc
