"""NumPy dtypes, scalars and arrays out of pickles: numbers and text only, never Python objects."""

from math import prod
from pickle import UnpicklingError
from typing import Any

import numpy as np

_KINDS = "biufcSU"


def make_dtype(args: tuple) -> np.dtype:
    """``numpy.dtype("f4", False, True)`` of a pickle: a dtype of its own, for :func:`build_dtype` to finish."""
    if not args or type(args[0]) is not str or any(type(x) not in (bool, int) for x in args[1:]) or len(args) > 3:
        raise UnpicklingError("numpy.dtype with arguments that are not a name and two flags")
    made = np.dtype(args[0], copy=True)
    if made.kind not in _KINDS or made.fields is not None or made.subdtype is not None:
        raise UnpicklingError(f"a numpy dtype of kind {made.kind!r} cannot be loaded")
    return made


def build_dtype(made: np.dtype, state: Any) -> None:
    """Set the byte order, which is all the state that these dtypes have."""
    plain = type(state) is tuple and len(state) >= 8 and state[0] in (3, 4) and state[2:5] == (None, None, None)
    if not plain or state[1] not in ("<", ">", "|", "=") or state[5] not in (-1, made.itemsize):
        raise UnpicklingError("unexpected state of a numpy dtype")
    if state[1] == ">":
        if made.kind in "SU":
            raise UnpicklingError("big-endian text arrays cannot be loaded")
        made.__setstate__((3, ">", None, None, None, -1, -1, 0))  # type: ignore[attr-defined]


def make_scalar(args: tuple) -> Any:
    """``numpy.core.multiarray.scalar(dtype, bytes)``."""
    dtype, raw = args
    _check(dtype, (), raw)
    return np.frombuffer(raw, dtype)[0]


def make_array(args: tuple) -> np.ndarray:
    """``numpy.core.multiarray._reconstruct(ndarray, (0,), b"b")``: empty, for :func:`build_array` to fill."""
    if len(args) != 3 or args[0] is not np.ndarray or args[1] != (0,):
        raise UnpicklingError("only plain numpy arrays can be loaded")
    return np.ndarray(0, np.int8)


def build_array(made: np.ndarray, state: Any) -> None:
    """Give an array its shape, dtype, order and numbers."""
    if type(state) is not tuple or len(state) != 5 or state[0] != 1:
        raise UnpicklingError("unexpected state of a numpy array")
    _, shape, dtype, fortran, raw = state
    _check(dtype, shape, raw)
    made.__setstate__((1, shape, dtype, bool(fortran), bytes(raw)))  # type: ignore[arg-type]


def make_from_buffer(args: tuple) -> np.ndarray:
    """``numpy._core.numeric._frombuffer(bytes, dtype, shape, order)``."""
    raw, dtype, shape, order = args
    _check(dtype, shape, raw)
    return np.frombuffer(raw, dtype).reshape(shape, order="F" if order == "F" else "C").copy(order="K")


def _check(dtype: Any, shape: Any, raw: Any) -> None:
    if not isinstance(dtype, np.dtype) or dtype.kind not in _KINDS or dtype.hasobject:
        raise UnpicklingError("numpy data of a dtype that cannot be loaded")
    if type(shape) is not tuple or len(shape) > 64 or any(type(n) is not int or n < 0 for n in shape):
        raise UnpicklingError("numpy data with a shape that is no tuple of sizes")
    if type(raw) not in (bytes, bytearray) or prod(shape) * dtype.itemsize != len(raw):
        raise UnpicklingError("numpy data whose bytes do not match its shape")
