"""torch.autograd (https://docs.pytorch.org/docs/stable/autograd.html)."""

from jtorch.autograd.backward import backward, grad
from jtorch.autograd.function import Function
from jtorch.autograd.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from jtorch.tensor.tensor import Tensor as Variable

__all__ = [
    "Function", "Variable", "backward", "enable_grad", "grad", "inference_mode", "is_grad_enabled", "no_grad",
    "set_grad_enabled",
]  # fmt: skip
