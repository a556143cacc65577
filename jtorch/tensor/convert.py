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
    """``data`` (numbers, nested sequences, tensors in them, NumPy) as a new NumPy array of ``dtype`` or the inferred
    one.

    Raises ValueError for ragged sequences and TypeError for what is no number, as torch.tensor does.
    """
    if isinstance(data, np.ndarray):
        of_numpy(data.dtype)
        return np.array(data, dtype=dtype, order="C") if dtype is None else promotion.cast(np.array(data), dtype)
    if isinstance(data, np.generic):
        return np.array(data, dtype=dtype or data.dtype)
    if isinstance(data, str):
        raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
    if isinstance(data, (bool, int, float, complex)):
        return _numbers([data], dtype or _inferred([data])).reshape(())
    if not isinstance(data, Sequence) and not hasattr(data, "__array__"):
        if hasattr(data, "__len__") and hasattr(data, "__getitem__"):
            data = list(data)
        else:
            raise RuntimeError(f"Could not infer dtype of {type(data).__name__}")
    if hasattr(data, "__array__") and not isinstance(data, (list, tuple)):
        made = np.array(data)
        return made if dtype is None else promotion.cast(made, dtype)
    shape = _shape(data)
    flat: list[Any] = []
    _flatten(data, shape, 0, flat)
    if dtype is None:
        dtype = _inferred(flat)
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


def _shape(data: Any) -> tuple[int, ...]:
    shape: list[int] = []
    while True:
        if isinstance(data, (Tensor, np.ndarray)):
            return (*shape, *data.shape)
        if isinstance(data, str) or not isinstance(data, Sequence):
            return tuple(shape)
        shape.append(len(data))
        if not len(data):
            return tuple(shape)
        data = data[0]


def _flatten(data: Any, shape: tuple[int, ...], depth: int, flat: list) -> None:
    if isinstance(data, (Tensor, np.ndarray)):
        if tuple(data.shape) != tuple(shape[depth:]):
            raise ValueError(f"expected sequence of length {shape[depth] if depth < len(shape) else 0} at dim {depth}")
        array = data._host("torch.tensor") if isinstance(data, Tensor) else data
        flat.extend(array.reshape(-1).tolist() if array.dtype.kind in "biufc" else array.reshape(-1))
        if isinstance(data, Tensor) and not data.ndim:
            flat[-1] = _Typed(flat[-1], data.dtype.np) if not isinstance(flat[-1], (bool,)) else flat[-1]
        return
    if depth == len(shape):
        if isinstance(data, np.generic):
            data = data.item()
        if not isinstance(data, (bool, int, float, complex)):
            if isinstance(data, Sequence):
                raise ValueError(f"expected a single number at dim {depth}")
            if hasattr(data, "__float__") and not isinstance(data, str):
                data = float(data)
            else:
                kind = f"'{type(data).__name__}'"
                raise TypeError(
                    f"not a sequence: {kind}"
                    if depth == 0
                    else f"new(): invalid data type {kind}"
                    if isinstance(data, str)
                    else f"must be real number, not {type(data).__name__}"
                )
        flat.append(data)
        return
    if isinstance(data, str) or not isinstance(data, Sequence):
        raise TypeError(f"not a sequence: {type(data).__name__}")
    if len(data) != shape[depth]:
        raise ValueError(f"expected sequence of length {shape[depth]} at dim {depth} (got {len(data)})")
    if depth == len(shape) - 1 and all(type(x) in (int, float, bool) for x in data):
        flat.extend(data)
        return
    for each in data:
        _flatten(each, shape, depth + 1, flat)


class _Typed(float):
    """A number out of a 0-d tensor, which brings its dtype."""

    dtype: np.dtype

    def __new__(cls, value: Any, dtype: np.dtype) -> Any:
        if isinstance(value, complex):
            return value
        made = float.__new__(cls, value)
        made.dtype = dtype
        return made


def _inferred(flat: list) -> np.dtype:
    """The dtype of Python numbers: bool, int64, the default float or complex dtype."""
    kinds = set(map(type, flat))
    if _Typed in kinds:
        dtypes = {x.dtype for x in flat if type(x) is _Typed}
        if len(dtypes) == 1 and len(kinds) == 1:
            return dtypes.pop()
        return config.default_dtype
    if any(issubclass(k, complex) for k in kinds):
        return config.default_complex()
    if any(issubclass(k, float) for k in kinds) or not kinds:
        return config.default_dtype
    return np.dtype(np.bool_) if kinds == {bool} else np.dtype(np.int64)


def device_of(array: Any) -> str:
    """The engine's name of the device of a NumPy or JAX array."""
    return name_of(next(iter(array.devices()))) if isinstance(array, jax.Array) else "cpu"
