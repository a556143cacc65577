"""torch.autograd (https://docs.pytorch.org/docs/stable/autograd.html)."""

from jtorch.autograd import anomaly_mode, forward_ad, function, functional, grad_mode, graph, profiler
from jtorch.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
from jtorch.autograd.backward import backward, grad
from jtorch.autograd.function import Function, NestedIOFunction
from jtorch.autograd.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_multithreading_enabled,
    no_grad,
    set_grad_enabled,
    set_multithreading_enabled,
)
from jtorch.autograd.gradcheck import gradcheck, gradgradcheck
from jtorch.tensor.tensor import Tensor as Variable

__all__ = [
    "Function", "NestedIOFunction", "Variable", "anomaly_mode", "backward", "detect_anomaly", "enable_grad",
    "forward_ad", "function", "functional", "grad", "grad_mode", "gradcheck", "gradgradcheck", "graph",
    "inference_mode", "is_grad_enabled", "is_multithreading_enabled", "no_grad", "profiler", "set_detect_anomaly",
    "set_grad_enabled", "set_multithreading_enabled",
]  # fmt: skip
