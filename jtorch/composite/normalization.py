"""Norms as torch has them at top level; batch and instance norm write their running statistics in place."""

from typing import Any

import jtorch
from jtorch.composite.table import composite
from jtorch.ops.normalization import RMS_NORM
from jtorch.ops.table import TABLE
from jtorch.tensor.bind import generate
from jtorch.tensor.call import write_out

_batch_norm, _instance_norm, _running_stats, _layer_norm, _native_layer_norm, _group_norm = (
    generate(TABLE[f"_{name}"], function=True)
    for name in ("batch_norm", "instance_norm", "running_stats", "layer_norm", "native_layer_norm", "group_norm")
)
_rms_norm = {converts: generate(op, function=True) for converts, op in RMS_NORM.items()}


def _update(running_mean: Any, running_var: Any, mean: Any, var: Any, momentum: float, count: int) -> None:
    """Blend a batch's mean and variance into the running ones, the variance of ``count`` elements made unbiased."""
    with jtorch.no_grad():
        for running, batch, factor in ((running_mean, mean, 1.0), (running_var, var, count / max(count - 1, 1))):
            if running is not None:
                running._write(_running_stats(running, batch, momentum, factor)._value)


def _per_channel(input: Any) -> int:
    return input.numel() // max(input.shape[1], 1)


@composite("torch")
def batch_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Any:
    """(N, C, *) normalized over all but C by its own statistics in training, else by the running ones.

    Training writes the running statistics in place: ``(1 - momentum)`` of the old and ``momentum`` of the batch's.
    """
    if input.numel() == 0 and input.ndim:
        return _of_nothing(input, weight, bias)
    out, mean, var = _batch_norm(input, weight, bias, running_mean, running_var, training, eps)
    if training and not (running_mean is None and running_var is None):
        _update(running_mean, running_var, mean, var, momentum, _per_channel(input))
    return out


def _of_nothing(input: Any, weight: Any, bias: Any) -> Any:
    """The batch norm of an empty batch: empty, with gradients of zero."""
    out = input.clone()
    for p, join in ((weight, jtorch.mul), (bias, jtorch.add)):
        out = out if p is None else join(out, p[0])
    return out


@composite("torch")
def native_batch_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
    *,
    out: Any = None,
) -> Any:
    """:func:`batch_norm`, and the mean and 1 / deviation of the batch, which are empty in evaluation."""
    made, mean, var = _batch_norm(input, weight, bias, running_mean, running_var, training, eps)
    with jtorch.no_grad():
        mean, rstd = mean.detach(), (var + eps).rsqrt()
        if training:
            _update(running_mean, running_var, mean, var, momentum, _per_channel(input))
    dtype = next((p.dtype for p in (weight, bias, running_mean, running_var) if p is not None), input.dtype)
    results = (made, mean.to(dtype), rstd.to(dtype))
    return results if out is None else write_out(out, results, "native_batch_norm")


@composite("torch")
def batch_norm_update_stats(input: Any, running_mean: Any, running_var: Any, momentum: float) -> tuple[Any, Any]:
    """The mean and biased variance of each channel, which are also blended into the running ones in place."""
    with jtorch.no_grad():
        _, mean, var = _batch_norm(input, None, None, running_mean, running_var, True, 0.0)
        _update(running_mean, running_var, mean, var, momentum, _per_channel(input))
    return mean, var


@composite("torch")
def instance_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Any:
    """(N, C, *) normalized over *, or with ``use_input_stats`` false by the running statistics."""
    if not use_input_stats and (running_mean is None or running_var is None):
        raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats is false")
    out, mean, var = _instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, eps)
    if use_input_stats and not (running_mean is None and running_var is None):
        count = input.numel() // max(input.shape[0] * input.shape[1], 1)
        _update(running_mean, running_var, mean, var, momentum, count)
    return out


def _shape(name: str, normalized_shape: Any) -> Any:
    if isinstance(normalized_shape, int):
        raise TypeError(f"{name}(): argument 'normalized_shape' (position 2) must be tuple of ints, not int")
    return normalized_shape


@composite("torch")
def layer_norm(
    input: Any,
    normalized_shape: Any,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Any:
    """``input`` normalized over its last dimensions, those of ``normalized_shape``, then ``* weight + bias``."""
    return _layer_norm(input, _shape("layer_norm", normalized_shape), weight, bias, eps)


@composite("torch")
def native_layer_norm(input: Any, normalized_shape: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """:func:`layer_norm`, and the means and 1 / deviations, which have no gradient."""
    out, mean, rstd = _native_layer_norm(input, _shape("native_layer_norm", normalized_shape), weight, bias, eps)
    return out, mean.detach(), rstd.detach()


@composite("torch")
def rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Any:
    """``input`` over the root of its mean square along its last dimensions, times ``weight``."""
    converts = input.dtype.itemsize == 2 or (weight is not None and weight.dtype is not input.dtype)
    return _rms_norm[converts](input, _shape("rms_norm", normalized_shape), weight, eps)


@composite("torch")
def group_norm(
    input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, cudnn_enabled: bool = True
) -> Any:
    """(N, C, *) normalized over each of ``num_groups`` groups of channels and *, then ``* weight + bias``."""
    return _group_norm(input, num_groups, weight, bias, eps)
