"""Process-wide settings that change what a recorded program means.

Whoever changes one of them must call the registered ``on_change`` hooks (the trace forgets its cached paths), because
the settings are read while an operator is lowered and are no part of a cache key.
"""

import numpy as np

default_dtype: np.dtype = np.dtype(np.float32)
matmul_precision: str = "highest"

on_change: list = []


def set_default_dtype(dtype: np.dtype) -> None:
    """Make ``dtype`` the dtype of floats that come from nowhere (``torch.set_default_dtype``)."""
    global default_dtype
    if dtype != default_dtype:
        default_dtype = dtype
        _changed()


def set_matmul_precision(precision: str) -> None:
    """Set the JAX matmul precision (``"highest"``, ``"high"`` or ``"default"``) of float32 products."""
    global matmul_precision
    if precision != matmul_precision:
        matmul_precision = precision
        _changed()


def default_complex() -> np.dtype:
    """The complex dtype whose parts have the default dtype."""
    return np.dtype(np.complex128 if default_dtype == np.float64 else np.complex64)


def _changed() -> None:
    for hook in on_change:
        hook()
