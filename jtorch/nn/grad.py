"""Gradients of convolutions with respect to their input and their weight (``torch.nn.grad``)."""

from collections.abc import Callable
from typing import Any

import jtorch
import jtorch.nn.functional as F


def _gradient(conv: Callable, shapes_of: Any, grad_output: Any) -> Any:
    """The gradient with respect to the one argument of ``conv``, a linear function, whose shape is ``shapes_of``."""
    with jtorch.enable_grad():
        # A convolution is linear in either argument: where it is taken does not matter.
        at = jtorch.zeros(shapes_of, dtype=grad_output.dtype, device=grad_output.device, requires_grad=True)
        return jtorch.autograd.grad(conv(at), at, grad_output)[0]


def conv1d_input(
    input_size: Any,
    weight: Any,
    grad_output: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The gradient of ``conv1d`` with respect to its input, of shape ``input_size``."""
    return _gradient(lambda x: F.conv1d(x, weight, None, stride, padding, dilation, groups), input_size, grad_output)


def conv1d_weight(
    input: Any,
    weight_size: Any,
    grad_output: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The gradient of ``conv1d`` with respect to its weight, of shape ``weight_size``."""
    return _gradient(lambda w: F.conv1d(input, w, None, stride, padding, dilation, groups), weight_size, grad_output)


def conv2d_input(
    input_size: Any,
    weight: Any,
    grad_output: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The gradient of ``conv2d`` with respect to its input, of shape ``input_size``."""
    return _gradient(lambda x: F.conv2d(x, weight, None, stride, padding, dilation, groups), input_size, grad_output)


def conv2d_weight(
    input: Any,
    weight_size: Any,
    grad_output: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The gradient of ``conv2d`` with respect to its weight, of shape ``weight_size``."""
    return _gradient(lambda w: F.conv2d(input, w, None, stride, padding, dilation, groups), weight_size, grad_output)


def conv3d_input(
    input_size: Any,
    weight: Any,
    grad_output: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The gradient of ``conv3d`` with respect to its input, of shape ``input_size``."""
    return _gradient(lambda x: F.conv3d(x, weight, None, stride, padding, dilation, groups), input_size, grad_output)


def conv3d_weight(
    input: Any,
    weight_size: Any,
    grad_output: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The gradient of ``conv3d`` with respect to its weight, of shape ``weight_size``."""
    return _gradient(lambda w: F.conv3d(input, w, None, stride, padding, dilation, groups), weight_size, grad_output)
