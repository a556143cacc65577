"""Normalization: batch, layer, group and RMS norms (https://docs.pytorch.org/docs/stable/nn.functional.html).

All but RMS norm stand on one function, which takes mean and variance in two passes, in float32 for halves. Its
derivative is written down: what JAX makes of the two passes reads the input more often than needed.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jtorch.ops.errors import scalar_type, unsupported
from jtorch.ops.precision import is_half, wide
from jtorch.ops.promotion import FLOAT, category, promote_types
from jtorch.ops.table import op

Axes = tuple[int, ...]


@partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def _standardized(x: Any, axes: Axes, eps: float) -> tuple[Any, Any, Any]:
    """(x less its mean over its deviation, mean, biased variance) along ``axes``, which stay with size 1."""
    mean = jnp.mean(x, axes, keepdims=True)
    away = x - mean
    var = jnp.mean(away * away, axes, keepdims=True)
    return away * lax.rsqrt(var + eps), mean, var


@_standardized.defjvp
def _(axes: Axes, eps: float, primals: tuple, tangents: tuple) -> tuple:
    (x,), (step,) = primals, tangents
    out, mean, var = _standardized(x, axes, eps)
    scale = lax.rsqrt(var + eps)
    step_mean = jnp.mean(step, axes, keepdims=True)
    along = jnp.mean(step * out, axes, keepdims=True)
    return (out, mean, var), (scale * (step - step_mean - out * along), step_mean, 2 * along / scale)


def _affine(x: Any, weight: Any, bias: Any, shape: Sequence[int]) -> Any:
    """``x * weight + bias``, both reshaped to ``shape``, in the dtype of ``x``."""
    if weight is not None:
        x = x * weight.astype(x.dtype).reshape(shape)
    return x if bias is None else x + bias.astype(x.dtype).reshape(shape)


def _check_dtypes(kernel: str, x: Any, *params: Any) -> None:
    """Only floats; the parameters of the input's dtype, or of float32 for a half."""
    for p in params:
        if p is None or p.dtype == x.dtype:
            continue
        if p.dtype != np.float32:
            raise RuntimeError("mixed dtype (CPU): expect parameter to have scalar type of Float")
        if category(x.dtype) == FLOAT and not is_half(x.dtype):
            raise RuntimeError("mixed dtype (CPU): all inputs must share same datatype.")
    if category(x.dtype) != FLOAT:
        raise unsupported(kernel, x.dtype)


# --- batch norm -----------------------------------------------------------------------------------------------------


def _channels(x: Any) -> tuple[int, Axes, list[int]]:
    """The number of channels (dim 1), the other axes, and the shape that spreads a vector over channels."""
    count = x.shape[1] if x.ndim > 1 else 0
    return count, tuple(a for a in range(x.ndim) if a != 1), [-1 if a == 1 else 1 for a in range(x.ndim)]


def _check_batch_norm(x: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool) -> None:
    stats = {"running_mean": running_mean, "running_var": running_var}
    if not training:
        for name, given in stats.items():
            if given is None:
                raise RuntimeError(f"{name} must be defined in evaluation mode")
    count = _channels(x)[0]
    for name, given in {**stats, "weight": weight, "bias": bias}.items():
        if given is not None and given.size != count:
            raise RuntimeError(f"{name} should contain {count} elements not {given.size}")
    _check_dtypes("batch_norm", x, weight, bias)
    for given in stats.values():
        allowed = (np.float32, x.dtype) if is_half(x.dtype) else (x.dtype,)
        if given is not None and given.dtype not in allowed:
            raise RuntimeError(f"expected scalar type {scalar_type(x.dtype)} but found {scalar_type(given.dtype)}")


def _batch_norm(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool, eps: float
) -> tuple[Any, Any, Any]:
    """(N, C, *) normalized over all but C; also the mean and the biased variance of the batch, empty in evaluation."""
    _check_batch_norm(input, weight, bias, running_mean, running_var, training)
    _, axes, shape = _channels(input)
    x = wide(input)
    if training:
        out, mean, var = _standardized(x, axes, eps)
        out = _affine(out, weight, bias, shape)
        mean, var = (lax.stop_gradient(a).reshape(-1) for a in (mean, var))
    else:
        scale = lax.rsqrt(wide(running_var) + eps)
        scale = scale if weight is None else scale * wide(weight)
        shift = -wide(running_mean) * scale
        out = _affine(x, scale, shift if bias is None else shift + wide(bias), shape)
        mean = var = jnp.zeros(0, x.dtype)
    return out.astype(input.dtype), mean, var


batch_norm = op(
    "_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, "
    "float eps) -> (Tensor, Tensor, Tensor)",
    expose="",
    saves="input weight",
    grad_name="NativeBatchNormBackward0",
)(_batch_norm)


@op("_instance_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, "
    "bool use_input_stats, float eps) -> (Tensor, Tensor, Tensor)", expose="",
    saves="input weight", grad_name="ViewBackward0")  # fmt: skip
def instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, eps):
    """(N, C, *) normalized over *; also mean and biased variance, each averaged over the batch, as (C,)."""
    batch, channels = input.shape[:2]
    params: list[Any] = [None if p is None else jnp.tile(p, batch) for p in (weight, bias, running_mean, running_var)]
    joined = input.reshape(1, batch * channels, *input.shape[2:])
    out, mean, var = batch_norm.impl(joined, *params, use_input_stats, eps)
    if use_input_stats:
        mean, var = (a.reshape(batch, channels).mean(0) for a in (mean, var))
    return out.reshape(input.shape), mean, var


@op("_running_stats(Tensor running, Tensor batch, float momentum, float factor) -> Tensor", expose="",
    differentiable=False)  # fmt: skip
def running_stats(running, batch, momentum, factor):
    """``(1 - momentum) * running + momentum * factor * batch`` in the dtype of ``running``."""
    mixed = wide(running) * (1 - momentum) + batch.astype(wide(running).dtype) * (momentum * factor)
    return mixed.astype(running.dtype)


# --- layer norm and RMS norm ----------------------------------------------------------------------------------------


def _check_shape(x: Any, shape: Sequence[int], comma: str = ", ", **params: Any) -> None:
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
            "normalized_shape = []"
        )
    for name, p in params.items():
        if p is not None and tuple(p.shape) != tuple(shape):
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape {list(p.shape)} and "
                f"normalized_shape = {list(shape)}"
            )
    if tuple(x.shape[-len(shape) :]) != tuple(shape):
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape "
            f"[*{comma}{', '.join(map(str, shape))}], but got input of size{list(x.shape)}"
        )


_LAYER_NORM = "(Tensor input, int[] normalized_shape, Tensor? weight, Tensor? bias, float eps)"


@op(f"_native_layer_norm{_LAYER_NORM} -> (Tensor, Tensor, Tensor)", expose="",
    saves="input weight bias")  # fmt: skip
def native_layer_norm(input, normalized_shape, weight, bias, eps):
    """``input`` normalized over its last dimensions; also their means and 1 / deviations (with size 1 left there)."""
    _check_shape(input, normalized_shape, weight=weight, bias=bias)
    _check_dtypes("LayerNormKernelImpl", input, weight, bias)
    x = wide(input)
    axes = tuple(range(x.ndim - len(normalized_shape), x.ndim))
    out, mean, var = _standardized(x, axes, eps)
    out = _affine(out, weight, bias, normalized_shape)
    kept = np.float32 if weight is not None and weight.dtype != input.dtype else input.dtype
    mean, rstd = (lax.stop_gradient(a).astype(kept) for a in (mean, lax.rsqrt(var + eps)))
    return out.astype(input.dtype), mean, rstd


@op(f"_layer_norm{_LAYER_NORM} -> Tensor", expose="", saves="input weight bias",
    grad_name="NativeLayerNormBackward0")  # fmt: skip
def layer_norm(input, normalized_shape, weight, bias, eps):
    """The first result of ``_native_layer_norm``."""
    return native_layer_norm.impl(input, normalized_shape, weight, bias, eps)[0]


def _rms_norm(input: Any, normalized_shape: Sequence[int], weight: Any, eps: float | None) -> tuple[Any, Any]:
    _check_shape(input, normalized_shape, "", weight=weight)
    if category(input.dtype) < FLOAT:
        raise unsupported("rms_norm", input.dtype)
    x = wide(input)
    if eps is None:
        eps = float(jnp.finfo(x.dtype).eps)
    axes = tuple(range(x.ndim - len(normalized_shape), x.ndim))
    scale = lax.rsqrt(jnp.mean(x * x, axes, keepdims=True) + eps)
    out = x * scale
    if weight is not None:
        out = out * weight.astype(promote_types(out.dtype, weight.dtype))
    return out.astype(input.dtype), scale


def _declare_rms(name: str, grad_name: str) -> Any:
    def rms_norm(input, normalized_shape, weight=None, eps=None):
        """``input`` over the root of its mean square along the last dimensions, times ``weight``.

        ``eps``, added to the mean, is by default the dtype's (float32's for halves).
        """
        return _rms_norm(input, normalized_shape, weight, eps)[0]

    return op(
        f"{name}(Tensor input, int[] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor",
        expose="",
        saves="input weight",
        grad_name=grad_name,
    )(rms_norm)


RMS_NORM = {
    converts: _declare_rms(f"_rms_norm.{name}", f"{name}Backward0")
    for converts, name in ((False, "Mul"), (True, "ToCopy"))
}


@op("_fused_rms_norm(Tensor input, int[] normalized_shape, Tensor? weight, float? eps) -> (Tensor, Tensor)",
    expose="torch", out=False, saves="input weight", grad_name="MulBackward0")  # fmt: skip
def fused_rms_norm(input, normalized_shape, weight, eps):
    """RMS norm, and the factors that the input was multiplied with."""
    return _rms_norm(input, normalized_shape, weight, eps)


# --- group norm -----------------------------------------------------------------------------------------------------


def _group_norm(x: Any, groups: int, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """(N, C, *) normalized over each group of channels and *; means and 1 / deviations as (N, groups)."""
    shape = x.shape
    each = math.prod(shape[1:]) // groups
    if each == 0:
        nothing = jnp.zeros((shape[0], groups), x.dtype)
        return x, nothing, nothing * np.nan
    out, mean, var = _standardized(wide(x).reshape(shape[0], groups, each), (2,), eps)
    out = _affine(out.reshape(shape), weight, bias, [-1 if a == 1 else 1 for a in range(len(shape))])
    return out.astype(x.dtype), *(a[..., 0].astype(x.dtype) for a in (mean, lax.rsqrt(var + eps)))


def _check_group_norm(x: Any, groups: int, weight: Any, bias: Any) -> None:
    if x.ndim < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {x.ndim}")
    if groups <= 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {groups}")
    channels = x.shape[1]
    if channels % groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(x.shape)} and num_groups={groups}"
        )
    for name, p in (("weight", weight), ("bias", bias)):
        if p is not None and (p.ndim != 1 or p.size != channels):
            shown = list((p if name == "weight" or weight is None else weight).shape)
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, but got {name} of "
                f"shape {shown} and input of shape {list(x.shape)}"
            )
    _check_dtypes("GroupNormKernelImpl", x, weight, bias)


@op("_group_norm(Tensor input, int num_groups, Tensor? weight, Tensor? bias, float eps) -> Tensor", expose="",
    saves="input weight", grad_name="NativeGroupNormBackward0")  # fmt: skip
def group_norm(input, num_groups, weight, bias, eps):
    """(N, C, *) normalized over each of ``num_groups`` groups of channels and *."""
    _check_group_norm(input, num_groups, weight, bias)
    return _group_norm(input, num_groups, weight, bias, eps)[0]


@op("native_group_norm(Tensor input, Tensor? weight, Tensor? bias, SymInt N, SymInt C, SymInt HxW, int group, "
    "float eps) -> (Tensor, Tensor, Tensor)", expose="torch", out=False, saves="input weight")  # fmt: skip
def native_group_norm(input, weight, bias, N, C, HxW, group, eps):  # noqa: N803 (torch's names)
    """``group_norm`` of N samples of C channels of HxW elements; also means and 1 / deviations as (N, group)."""
    if input.size != N * C * HxW or C % max(group, 1):
        raise RuntimeError(f"native_group_norm: input of shape {list(input.shape)} is not {N} x {C} x {HxW}")
    out, mean, rstd = _group_norm(input.reshape(N, C, HxW), group, weight, bias, eps)
    return out.reshape(input.shape), mean, rstd
