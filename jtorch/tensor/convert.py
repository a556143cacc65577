"""Python numbers, lists, NumPy and JAX arrays into values (the data side of torch.tensor and torch.as_tensor)."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jtorch.engine import config
from jtorch.engine.devices import name_of
from jtorch.engine.value import Value, from_array
from jtorch.ops import promotion
from jtorch.ops.scalars import checked
from jtorch.tensor.dtype import of_numpy
from jtorch.tensor.tensor import Tensor


def value_of(x: Any) -> Value | None:
    """The value of an array-like argument of an operator (a JAX array or tracer, a NumPy array); None for anything
    else.
    """
    if isinstance(x, (jax.Array, jax.core.Tracer)):
        return from_array(x)
    if isinstance(x, np.ndarray):
        return from_array(np.array(x))
    return None


def host_array(data: Any, dtype: np.dtype | None) -> np.ndarray:
    """``data`` (numbers, nested sequences, NumPy) as a new NumPy array of ``dtype`` or the inferred one.

    Raises ValueError for ragged sequences, TypeError for text, and RuntimeError for what else is no number, as
    torch.tensor does.
    """
    if isinstance(data, np.ndarray):
        if not data.dtype.isnative:
            raise ValueError(
                "given numpy array has byte order different from the native byte order. Conversion between byte orders "
                "is currently not supported."
            )
        of_numpy(data.dtype)
        return np.array(data, dtype=dtype, order="C") if dtype is None else promotion.cast(np.array(data), dtype)
    if isinstance(data, np.generic):
        return np.array(data, dtype=dtype or data.dtype)
    if isinstance(data, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
    if not isinstance(data, (list, tuple)) and hasattr(data, "__array__"):
        made = np.array(data)
        return made if dtype is None else promotion.cast(made, dtype)
    shape = _shape(data)
    if dtype is None:
        dtype = _inferred(data)
    if 0 in shape:
        return np.zeros(shape, dtype)
    flat: list[Any] = []
    _flatten(data, shape, 0, flat, dtype)
    return _numbers(flat, dtype).reshape(shape)


def _numbers(flat: list, dtype: np.dtype) -> np.ndarray:
    """Python numbers as an array; errors where one is no element of ``dtype``."""
    if dtype.kind == "b":
        return np.array([bool(x) for x in flat], dtype)
    if dtype.kind != "c" and any(isinstance(x, complex) for x in flat):
        what = "'complex' object cannot be interpreted as an integer"
        raise TypeError(what if dtype.kind in "iu" else "must be real number, not complex")
    if dtype.kind not in "iu":
        with np.errstate(over="ignore"):
            return np.array(flat, dtype)
    if flat and all(type(x) is int for x in flat) and _within(min(flat), max(flat), np.iinfo(dtype)):
        return np.array(flat, dtype)
    return np.array([_integer(x, dtype) for x in flat], dtype)


def _within(low: int, high: int, limits: Any) -> bool:
    return limits.min <= low and high <= limits.max


def _integer(x: Any, dtype: np.dtype) -> np.ndarray:
    if isinstance(x, int):
        if dtype == np.uint64:
            if not 0 <= x < 2**64:
                raise OverflowError("int too big to convert" if x > 0 else "can't convert negative int to unsigned")
        elif not -(2**63) <= x < 2**63:
            raise ValueError("Overflow when unpacking long long")
    return checked(x, dtype, dtype.name)


def _is_sequence(x: Any) -> bool:
    """Whether ``x`` is a dimension; a Tensor among the data stands for its one element."""
    if isinstance(x, (Tensor, dict, np.generic)):
        return False
    return isinstance(x, (Sequence, np.ndarray)) or (hasattr(x, "__getitem__") and hasattr(x, "__len__"))


def _shape(data: Any) -> tuple[int, ...]:
    shape: list[int] = []
    while _is_sequence(data):
        if isinstance(data, str):
            raise ValueError("too many dimensions 'str'")
        shape.append(len(data))
        if not shape[-1]:
            break
        data = data[0]
    return tuple(shape)


def _flatten(data: Any, shape: tuple[int, ...], depth: int, flat: list, dtype: np.dtype) -> None:
    """Append the numbers of ``data``, in order."""
    if depth == len(shape):
        flat.append(_number(data, dtype))
        return
    if not _is_sequence(data):
        raise TypeError("not a sequence")
    if len(data) != shape[depth]:
        raise ValueError(f"expected sequence of length {shape[depth]} at dim {depth} (got {len(data)})")
    if depth == len(shape) - 1 and all(type(x) in (int, float, bool) for x in data):
        flat.extend(data)
        return
    for each in data:
        _flatten(each, shape, depth + 1, flat, dtype)


def _number(x: Any, dtype: np.dtype) -> bool | int | float | complex:
    """One element as a Python number."""
    if isinstance(x, Tensor):
        if x.numel() != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return x.item()
    if isinstance(x, np.generic):
        return x.item() if x.dtype.kind in "biufc" else float(x)  # type: ignore[arg-type]
    if isinstance(x, (bool, int, float, complex)):
        return x
    if dtype.kind in "iu":
        if hasattr(x, "__index__"):
            return x.__index__()
        raise TypeError(f"'{type(x).__name__}' object cannot be interpreted as an integer")
    if hasattr(x, "__float__") and not isinstance(x, str):
        return float(x)
    raise TypeError(f"must be real number, not {type(x).__name__}")


_PYTHON = {bool: np.dtype(np.bool_), int: np.dtype(np.int64)}


def _inferred(data: Any) -> np.dtype:
    """The dtype of data: of numbers bool, int64, the default float or complex dtype; of arrays their own."""
    kind = type(data)
    if kind in _PYTHON:
        return _PYTHON[kind]
    if isinstance(data, Tensor):
        return data._aval().dtype
    if isinstance(data, (np.generic, np.ndarray)):
        return data.dtype
    if isinstance(data, float):
        return config.default_dtype
    if isinstance(data, complex):
        return config.default_complex()
    if isinstance(data, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{kind.__name__}'")
    if isinstance(data, int):
        return _PYTHON[bool if isinstance(data, bool) else int]
    if not _is_sequence(data):
        raise RuntimeError(f"Could not infer dtype of {kind.__name__}")
    kinds = set(map(type, data))
    found = None
    plain = kinds <= _PLAIN
    for each in [k() for k in kinds] if plain else data:  # of Python's own numbers one of a kind says it all
        dtype = _inferred(each)
        found = dtype if found is None else promotion.promote_types(found, dtype)
    return config.default_dtype if found is None else found


_PLAIN = {bool, int, float, complex}


def device_of(array: Any) -> str:
    """The engine's name of the device of a NumPy or JAX array."""
    return name_of(next(iter(array.devices()))) if isinstance(array, jax.Array) else "cpu"
