"""Putting samples together into batches (torch.utils.data._utils.collate)."""

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

import jtorch
from jtorch.tensor.dtype import OF_NUMPY
from jtorch.tensor.factories import tensor
from jtorch.tensor.tensor import Tensor, tensor_from

__all__ = ["collate", "default_collate", "default_collate_fn_map", "default_convert"]

default_collate_err_msg_format = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)
_NO_NUMBERS = "SUOMm"


def host(t: Tensor) -> np.ndarray | None:
    """A tensor's elements as an array not to be written to, where that costs nothing: a CPU tensor without history."""
    v = t._value
    if v.requires_grad or v.aval.device != "cpu" or v.array is None or not isinstance(t, Tensor):
        return None
    return t._host("collate")


def default_convert(data: Any) -> Any:
    """``data`` with its NumPy arrays and scalars as tensors, its tuples as lists, everything else as it is."""
    if isinstance(data, Tensor):
        return data
    if isinstance(data, (np.ndarray, np.generic)):
        return data if data.dtype.kind in _NO_NUMBERS else jtorch.as_tensor(data)
    if isinstance(data, Mapping):
        return _mapping(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(default_convert, data))
    if isinstance(data, tuple):
        return [default_convert(x) for x in data]
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _sequence(data, [default_convert(x) for x in data])
    return data


def _mapping(like: Mapping, items: dict) -> Any:
    """A mapping of ``like``'s kind with other values; a dict where that kind cannot be made."""
    try:
        if isinstance(like, MutableMapping):
            clone = copy.copy(like)
            clone.update(items)
            return clone
        return type(like)(items)  # type: ignore[call-arg]
    except TypeError:
        return items


def _sequence(like: Sequence, items: list) -> Any:
    """A sequence of ``like``'s kind with other entries; a list where that kind cannot be made."""
    try:
        if isinstance(like, MutableSequence):
            clone = copy.copy(like)
            for i, item in enumerate(items):
                clone[i] = item
            return clone
        return type(like)(items)  # type: ignore[call-arg]
    except TypeError:
        return items


def collate(batch: Any, *, collate_fn_map: dict[Any, Callable] | None = None) -> Any:
    """Samples put together: what the map has for their type, and mappings and sequences entry by entry.

    ``collate_fn_map`` gives functions ``(batch, *, collate_fn_map)`` by type or tuple of types. Raises RuntimeError for
    sequences of unequal lengths and TypeError for types that nothing is known about.
    """
    elem = batch[0]
    kind = type(elem)
    if collate_fn_map is not None:
        found = collate_fn_map.get(kind) or next(
            (fn for types, fn in collate_fn_map.items() if isinstance(elem, types)), None
        )
        if found is not None:
            return found(batch, collate_fn_map=collate_fn_map)
    if isinstance(elem, Mapping):
        items = {key: collate([d[key] for d in batch], collate_fn_map=collate_fn_map) for key in elem}
        return _mapping(elem, items)
    if isinstance(elem, tuple) and hasattr(elem, "_fields"):
        columns = zip(*batch, strict=True)
        return kind(*(collate(column, collate_fn_map=collate_fn_map) for column in columns))
    if isinstance(elem, Sequence):
        size = len(elem)
        if {*map(len, batch)} != {size}:
            raise RuntimeError("each element in list of batch should be of equal size")
        made = [collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch, strict=True)]
        return made if isinstance(elem, tuple) else _sequence(elem, made)
    raise TypeError(default_collate_err_msg_format.format(kind))


def collate_tensor_fn(batch: Sequence[Tensor], *, collate_fn_map: dict | None = None) -> Tensor:
    """Tensors stacked along a new first dimension."""
    arrays = _alike(batch)
    if arrays is None:
        return jtorch.stack(list(batch), 0)
    return tensor_from(np.array(arrays), "cpu")


def _alike(batch: Sequence[Tensor]) -> list[np.ndarray] | None:
    """The tensors' elements as arrays, if all are plain CPU tensors of one shape and dtype, there and without history.

    This is done with every sample of a data set, so the usual case asks for no more than it must.
    """
    known = batch[0]._v.aval
    arrays = [
        v.array
        for t in batch
        if type(t) is Tensor
        and (v := t._v).aval is known
        and type(v.array) is np.ndarray
        and not v.requires_grad
        and ((alias := t._alias) is None or alias.seen == alias.storage.version)
    ]
    if len(arrays) == len(batch) and known.device == "cpu":
        return arrays
    if any(type(t) is not Tensor or t._v.aval is not known or host(t) is None for t in batch):
        return None
    return [t._host("collate") for t in batch]


def collate_numpy_array_fn(batch: Sequence[np.ndarray], *, collate_fn_map: dict | None = None) -> Any:
    """NumPy arrays stacked into a tensor; TypeError for arrays of text or objects."""
    if batch[0].dtype.kind in _NO_NUMBERS:
        raise TypeError(default_collate_err_msg_format.format(batch[0].dtype))
    if all(isinstance(x, np.ndarray) and x.dtype in OF_NUMPY for x in batch):
        shape, dtype = batch[0].shape, batch[0].dtype
        if all(x.shape == shape and x.dtype == dtype for x in batch):
            return tensor_from(np.stack(batch), "cpu")
    return collate([jtorch.as_tensor(x) for x in batch], collate_fn_map=collate_fn_map)


def collate_numpy_scalar_fn(batch: Sequence[Any], *, collate_fn_map: dict | None = None) -> Tensor:
    """NumPy scalars as a tensor of their dtype."""
    return jtorch.as_tensor(np.array(batch))


def collate_float_fn(batch: Sequence[float], *, collate_fn_map: dict | None = None) -> Tensor:
    """Floats as a float64 tensor."""
    if set(map(type, batch)) == {float}:
        return tensor_from(np.array(batch), "cpu")
    return tensor(list(batch), dtype=jtorch.float64)


def collate_int_fn(batch: Sequence[int], *, collate_fn_map: dict | None = None) -> Tensor:
    """Integers, or bools, as a tensor."""
    if set(map(type, batch)) == {int}:
        with suppress(OverflowError):  # tensor() has torch's words for it
            return tensor_from(np.array(batch, np.int64), "cpu")
    return tensor(list(batch))


def collate_str_fn(batch: Sequence[Any], *, collate_fn_map: dict | None = None) -> Sequence[Any]:
    """Text stays as it is."""
    return batch


default_collate_fn_map: dict[Any, Callable] = {
    Tensor: collate_tensor_fn,
    np.ndarray: collate_numpy_array_fn,
    (np.bool_, np.number, np.object_): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}


def default_collate(batch: Any) -> Any:
    """Samples put together: tensors, arrays and numbers into tensors with a new first dimension, text into lists.

    Mappings and sequences are collated entry by entry; tuples become lists, named tuples stay. Raises TypeError for
    other types, RuntimeError for sequences of unequal lengths and for tensors of unequal shapes.
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)
