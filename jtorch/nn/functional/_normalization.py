"""Norms (``torch.nn.functional``): checks around those of ``composite/normalization.py``, and two made of operators."""

import math
from typing import Any

import jtorch

__all__ = [
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "normalize",
    "rms_norm",
]


def _several(size: Any, per_channel: int) -> None:
    if per_channel == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {size}")


def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Any:
    """Normalize each channel of (N, C, *) over the batch, or in evaluation by the running statistics.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.batch_norm.html
    """
    if training:
        size = input.size()
        _several(size, math.prod(size[:1] + size[2:]))
    if eps < 0.0 or (training and eps == 0.0):
        kind, when = ("positive", " during training") if training else ("non-negative", "")
        raise ValueError(f"batch_norm eps must be {kind}{when}, but got {eps}")
    return jtorch.batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, True)


def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Any:
    """Normalize each channel of each sample of (N, C, *).

    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.instance_norm.html
    """
    if use_input_stats and math.prod(input.size()[2:]) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.size()}")
    args = (running_mean, running_var, use_input_stats, momentum, eps, True)
    return jtorch.instance_norm(input, weight, bias, *args)


def layer_norm(input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-05) -> Any:
    """Normalize over the last dimensions, those of ``normalized_shape``.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.layer_norm.html
    """
    return jtorch.layer_norm(input, normalized_shape, weight, bias, eps, True)


def rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Any:
    """Divide by the root of the mean square over the last dimensions, those of ``normalized_shape``.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.rms_norm.html
    """
    return jtorch.rms_norm(input, normalized_shape, weight, eps)


def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-05) -> Any:
    """Normalize each group of channels of each sample of (N, C, *).

    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.group_norm.html
    """
    if input.dim() < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.dim()}")
    size = input.size()
    seen = [size[0] * size[1] // num_groups, num_groups, *size[2:]]
    _several(seen, math.prod(seen) // num_groups)
    return jtorch.group_norm(input, num_groups, weight, bias, eps, True)


def local_response_norm(input: Any, size: int, alpha: float = 0.0001, beta: float = 0.75, k: float = 1.0) -> Any:
    """Divide each element by ``(k + alpha * m) ** beta``, m the mean of the squares of ``size`` channels around it.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.local_response_norm.html
    """
    if input.dim() < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {input.dim()} dimensions)")
    if input.numel() == 0:
        return input
    squares = input.mul(input).reshape(input.shape[0], 1, input.shape[1], -1)
    around = jtorch.nn.functional.pad(squares, (0, 0, size // 2, (size - 1) // 2))
    means = jtorch.nn.functional.avg_pool2d(around, (size, 1), stride=1).reshape(input.shape)
    return input / means.mul(alpha).add(k).pow(beta)


def normalize(input: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Any = None) -> Any:
    """Divide by the ``p``-norm along ``dim``, which counts as at least ``eps``.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.normalize.html
    """
    norm = input.norm(p, dim, keepdim=True).clamp_min(eps).expand_as(input)
    return input / norm if out is None else jtorch.div(input, norm, out=out)
