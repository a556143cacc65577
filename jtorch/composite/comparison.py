"""Comparisons of whole tensors, whose answer is a Python bool: they wait for the data."""

from typing import Any

import jtorch
from jtorch.composite.table import composite


@composite()
def equal(input: Any, other: Any) -> bool:
    """Whether two tensors have the same shape and elements; NaN equals nothing."""
    if not isinstance(other, jtorch.Tensor):
        raise TypeError(f"equal(): argument 'other' (position 2) must be Tensor, not {type(other).__name__}")
    return input.shape == other.shape and bool((input == other).all())


@composite()
def allclose(input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether every element satisfies :func:`isclose`; tensors of different dtypes raise RuntimeError."""
    return bool(jtorch.isclose(input, other, rtol=rtol, atol=atol, equal_nan=equal_nan).all())
