"""What optimizers share: checks of their options, and states to start from."""

from collections.abc import Callable
from typing import Any

import numpy as np

from jtorch.tensor.tensor import Tensor


def check_lr(lr: Any, text: str = "Invalid learning rate: {}") -> None:
    """ValueError for a negative learning rate, and for a tensor of more than one element."""
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    if not lr >= 0.0:
        raise ValueError(text.format(lr))


def nonnegative(name: str, value: Any) -> None:
    """ValueError for what is below zero."""
    if not value >= 0.0:
        raise ValueError(f"Invalid {name}: {value}")


def check_betas(betas: Any) -> None:
    """ValueError unless both are in [0, 1)."""
    for i in range(2):
        if not 0.0 <= betas[i] < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]}")


def as_scalar(x: Any) -> Any:
    """A one-element tensor as a 0-d one; anything else as it is."""
    return x.squeeze() if isinstance(x, Tensor) and x.dim() else x  # type: ignore[attr-defined]


def zeros(p: Any) -> np.ndarray:
    """Zeros like a parameter, for its state."""
    return np.zeros(p.shape, p._aval().dtype)


def full(value: Any) -> Callable[[Any], np.ndarray]:
    """Makes a number like a parameter, for its state; of a complex one both parts have it."""
    value = float(value)
    return lambda p: np.full(p.shape, complex(value, value) if p.is_complex() else value, p._aval().dtype)
