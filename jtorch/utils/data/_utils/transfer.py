"""Batches on their way from a worker: a pickle, and the numbers of its tensors and arrays beside it in shared memory.

A forked worker shares some anonymous memory with the program. Batches that do not fit there, and those of workers
started in other ways, travel inside the pickle.
"""

import io
import mmap
import pickle
from typing import Any

import numpy as np

from jtorch._utils import ExceptionWrapper
from jtorch.engine.remote import found_at, place_of
from jtorch.tensor.dtype import BY_NAME
from jtorch.tensor.tensor import Tensor, tensor_from

AREA_SIZE = 1 << 28  # of address space: only what is written to takes memory
_ALIGNMENT = 64

Packed = tuple[bytes, list[int] | None]


class _Pickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, type) and issubclass(obj, Exception) and obj.__module__.partition(".")[0] == "torch":
            return found_at, place_of(obj)  # errors of jtorch's that say they are torch's
        if type(obj) is not Tensor or obj.is_meta:
            return NotImplemented
        if not obj.is_leaf:
            raise RuntimeError(
                "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does not support "
                "crossing process boundaries. If you just want to transfer the data, call detach() on the "
                "tensor before serializing (e.g., putting it on the queue)."
            )
        array = obj._host("sent to another process")
        raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        return _restore, (raw, obj.dtype.name, array.shape, obj.requires_grad)


def _restore(raw: np.ndarray, dtype: str, shape: tuple[int, ...], requires_grad: bool) -> Tensor:
    made = tensor_from(raw.view(BY_NAME[dtype].np).reshape(shape), "cpu")
    return made.requires_grad_(True) if requires_grad else made


def pack(data: Any, area: mmap.mmap | None) -> Packed:
    """A batch as a pickle; with an area, the larger of its buffers lie there, with these sizes."""
    buffers: list[memoryview] = []
    out = io.BytesIO()
    if area is None:
        _Pickler(out, 5).dump(data)
        return out.getvalue(), None
    free = len(area)

    def keep_inside(buffer: pickle.PickleBuffer) -> bool:
        nonlocal free
        raw = buffer.raw()
        room = _rounded(raw.nbytes)
        if room > free:
            return True
        free -= room
        buffers.append(raw)
        return False

    _Pickler(out, 5, buffer_callback=keep_inside).dump(data)
    at = 0
    view = memoryview(area)
    for raw in buffers:
        view[at : at + raw.nbytes] = raw
        at += _rounded(raw.nbytes)
    return out.getvalue(), [raw.nbytes for raw in buffers]


def pack_error(error: ExceptionWrapper) -> Packed:
    """The same for an exception; where its class cannot travel the nearest one above it that can stands for it."""
    for kind in error.exc_type.__mro__:
        try:
            error.exc_type = kind
            return pack(error, None)
        except Exception:
            continue
    raise AssertionError("object can be pickled")


def unpack(packed: Packed, area: mmap.mmap | None) -> Any:
    """The batch; its numbers are copied out of the area, which is free again."""
    pickled, sizes = packed
    if sizes is None:
        return pickle.loads(pickled)
    buffers, at = [], 0
    for size in sizes:
        buffers.append(np.frombuffer(area, np.uint8, size, at).copy())  # type: ignore[arg-type]
        at += _rounded(size)
    return pickle.loads(pickled, buffers=buffers)


def _rounded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
