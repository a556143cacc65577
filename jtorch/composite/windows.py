"""The window functions of the torch namespace, and what ``torch.signal.windows`` makes its own of.

A ``periodic`` window is one period, to be laid side by side; another is symmetric.
"""

from typing import Any

import jtorch
from jtorch.composite.creation import create
from jtorch.composite.table import composite
from jtorch.ops.errors import c_type, unsupported
from jtorch.ops.promotion import COMPLEX, FLOAT, category
from jtorch.ops.window_functions import window
from jtorch.tensor import bind
from jtorch.tensor.dtype import to_numpy_dtype

BLACKMAN = (0.42, 0.5, 0.08)
HANN = (0.5, 0.5)


def made(kind: str, length: int, periodic: bool, *parameters: float, **options: Any) -> Any:
    """A window of one of the kinds in ``ops/window_functions.py``, with the options of torch's factory functions."""
    return create(window, kind, length, periodic, tuple(float(p) for p in parameters), **options)


def _checked(name: str, kind: str, window_length: Any, periodic: bool, *parameters: Any, **options: Any) -> Any:
    length = bind.int_arg(window_length, "window_length", name)
    if options.get("layout") not in (None, jtorch.strided):
        raise RuntimeError(f"{name} is not implemented for sparse types, got: {options['layout']}")
    if options.get("dtype") is not None:
        dtype = to_numpy_dtype(options["dtype"])
        if category(dtype) < FLOAT:
            raise RuntimeError(f"{name} expects floating point dtypes, got: TensorOptions(dtype={c_type(dtype)})")
        if category(dtype) == COMPLEX:
            raise unsupported("arange_cpu", dtype)
    if length < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={length}")
    return made(kind, length, bool(periodic), *parameters, **options)


@composite("torch")
def bartlett_window(window_length: Any, periodic: bool = True, **options: Any) -> Any:
    """``bartlett_window(window_length, periodic=True, *, dtype, layout, device, requires_grad)``: a triangle.

    https://docs.pytorch.org/docs/stable/generated/torch.bartlett_window.html
    """
    return _checked("bartlett_window", "bartlett", window_length, periodic, **options)


@composite("torch")
def blackman_window(window_length: Any, periodic: bool = True, **options: Any) -> Any:
    """``blackman_window(window_length, periodic=True, *, dtype, layout, device, requires_grad)``: two cosines.

    https://docs.pytorch.org/docs/stable/generated/torch.blackman_window.html
    """
    return _checked("blackman_window", "cosines", window_length, periodic, *BLACKMAN, **options)


@composite("torch")
def hamming_window(
    window_length: Any, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, **options: Any
) -> Any:
    """``hamming_window(window_length, periodic=True, alpha=0.54, beta=0.46, *, dtype, layout, device, requires_grad)``:
    ``alpha`` less ``beta`` times a cosine.

    https://docs.pytorch.org/docs/stable/generated/torch.hamming_window.html
    """
    return _checked("hamming_window", "cosines", window_length, periodic, alpha, beta, **options)


@composite("torch")
def hann_window(window_length: Any, periodic: bool = True, **options: Any) -> Any:
    """``hann_window(window_length, periodic=True, *, dtype, layout, device, requires_grad)``: a cosine, raised to 0.

    https://docs.pytorch.org/docs/stable/generated/torch.hann_window.html
    """
    return _checked("hann_window", "cosines", window_length, periodic, *HANN, **options)


@composite("torch")
def kaiser_window(window_length: Any, periodic: bool = True, beta: float = 12.0, **options: Any) -> Any:
    """``kaiser_window(window_length, periodic=True, beta=12.0, *, dtype, layout, device, requires_grad)``: Kaiser's, of
    Bessel functions.

    https://docs.pytorch.org/docs/stable/generated/torch.kaiser_window.html
    """
    return _checked("kaiser_window", "kaiser", window_length, periodic, beta, **options)
