"""Process-wide settings that change what a recorded program means.

They are read while an operator is lowered and are no part of a cache key: before one changes, the ``before_change``
hooks run (what is pending is computed under the old setting, and the trace forgets its cached paths).
"""

import numpy as np

default_dtype: np.dtype = np.dtype(np.float32)
matmul_precision: str = "highest"
conv_tf32: bool = True  # convolutions on a GPU may use TF32, as torch's cuDNN ones do

before_change: list = []


def set_default_dtype(dtype: np.dtype) -> None:
    """Make ``dtype`` the dtype of floats that come from nowhere (``torch.set_default_dtype``)."""
    global default_dtype
    if dtype != default_dtype:
        _changing()
        default_dtype = dtype


def set_matmul_precision(precision: str) -> None:
    """Set the JAX matmul precision (``"highest"``, ``"high"`` or ``"default"``) of float32 products."""
    global matmul_precision
    if precision != matmul_precision:
        _changing()
        matmul_precision = precision


def set_conv_tf32(on: bool) -> None:
    """Let convolutions on a GPU use TF32, or not (``torch.backends.cudnn.allow_tf32``)."""
    global conv_tf32
    if on != conv_tf32:
        _changing()
        conv_tf32 = bool(on)


def default_complex() -> np.dtype:
    """The complex dtype whose parts have the default dtype."""
    return np.dtype(np.complex128 if default_dtype == np.float64 else np.complex64)


def _changing() -> None:
    for hook in before_change:
        hook()
