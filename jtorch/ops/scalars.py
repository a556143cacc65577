"""Python numbers that become elements: with torch's check that they fit, or wrapping around as operands do."""

from typing import Any

import ml_dtypes
import numpy as np

from jtorch.ops.promotion import COMPLEX, FLOAT, category

_NUMBERS = (bool, int, float, complex)
_NAMES = {
    "int32": "int", "float32": "float", "float64": "double", "bool": "bool", "float16": "c10::Half",
    "bfloat16": "c10::BFloat16", "complex64": "c10::complex<float>", "complex128": "c10::complex<double>",
}  # fmt: skip


def type_name(dtype: np.dtype) -> str:
    """What those errors call a dtype."""
    return _NAMES.get(dtype.name, f"{dtype.name}_t")


def is_number(x: Any) -> bool:
    """Whether ``x`` is a Python number."""
    return isinstance(x, _NUMBERS)


def wrapped(x: Any, dtype: np.dtype) -> np.ndarray:
    """A number as an operand of ``dtype``: what an integer dtype cannot hold wraps around."""
    with np.errstate(invalid="ignore", over="ignore"):
        if dtype.kind not in "iu":
            return np.asarray(x, dtype)
        made = np.asarray(x)
        if made.dtype == object:
            raise OverflowError("int too big to convert")
        return made.astype(dtype)


def fits(x: Any, dtype: np.dtype) -> bool:
    """Whether torch takes a number for an element of ``dtype``: negative ones may wrap around in unsigned dtypes."""
    kind = category(dtype)
    if dtype.kind == "b":
        return True
    if isinstance(x, complex):
        if kind == COMPLEX:
            part = np.dtype(f"float{4 * dtype.itemsize}")
            return fits(x.real, part) and fits(x.imag, part)
        return x.imag == 0 and fits(x.real, dtype)
    if kind >= FLOAT:
        if x != x or x in (np.inf, -np.inf) or kind == COMPLEX:
            return True
        top = float(ml_dtypes.finfo(dtype).max)
        return -top <= x <= top
    limits = np.iinfo(dtype)
    low = -int(limits.max) if dtype.kind == "u" and isinstance(x, int) else int(limits.min)
    return low <= x <= int(limits.max)


def checked(x: Any, dtype: np.dtype, name: str | None = None) -> np.ndarray:
    """A number as an element of ``dtype``; RuntimeError, with the type's ``name``, where it does not fit."""
    if isinstance(x, int) and not -(2**63) <= x < 2**64:
        raise OverflowError("int too big to convert")
    if not fits(x, dtype):
        raise RuntimeError(f"value cannot be converted to type {name or type_name(dtype)} without overflow")
    if isinstance(x, complex) and category(dtype) != COMPLEX:
        x = bool(x) if dtype.kind == "b" else x.real
    return wrapped(x, dtype)
