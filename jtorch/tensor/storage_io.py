"""Tensors as layouts over bytes, and back: what files and storage objects need to know of a tensor."""

from math import prod
from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np

from jtorch.engine.op import T
from jtorch.engine.value import DIRECT, Value, from_array
from jtorch.ops import views
from jtorch.tensor.history import DETACH
from jtorch.tensor.storage import Alias, Step, Storage
from jtorch.tensor.strides import Layout, by_rule, contiguous_strides, dense
from jtorch.tensor.tensor import Tensor, wrap

_ALIGNMENT = 64
_addresses: "WeakKeyDictionary[Storage, int]" = WeakKeyDictionary()
_top = 1 << 26
_images: "WeakKeyDictionary[Storage, tuple[ref[Value], np.ndarray]]" = WeakKeyDictionary()


def describe(t: Tensor) -> tuple:
    """A tensor as ``(key, flat, offset, size, stride, requires_grad, device)``: a layout over a 1-d array of its dtype.

    Tensors with the same ``key`` look at the same ``flat``. One whose numbers do not lie in its storage as they are (a
    conjugate, the bytes in another dtype) stands on its own.
    """
    size, device = tuple(t.shape), str(t.device)
    value = t._value
    alias = t._alias
    if alias is not None and value.aval.size:
        base = contiguous(wrap(alias.storage.value)._host("saved"))
        flat = base.reshape(-1)
        lay: Layout | None = (base.shape, contiguous_strides(base.shape), 0)
        for step in alias.steps:
            if step.op is not DETACH and lay is not None:
                lay = by_rule(lay, step) or _as_numpy_lays(flat, lay, step)
        if lay is not None:
            return alias.storage, flat, lay[2], size, tuple(lay[1]), value.requires_grad, device
    flat = contiguous(t._host("saved")).reshape(-1)
    return object(), flat, 0, size, contiguous_strides(size), value.requires_grad, device


def _as_numpy_lays(flat: np.ndarray, lay: Layout, step: Step) -> Layout | None:
    """The layout of the view that NumPy makes for a step; None where it makes none."""
    shape, strides, offset = lay
    look = step.op.bind(step.spec, "host")(_strided(flat, offset, shape, strides))
    if look.dtype != flat.dtype or not np.may_share_memory(look, flat):
        return None
    start = (look.ctypes.data - flat.ctypes.data) // flat.itemsize
    return look.shape, tuple(s // flat.itemsize for s in look.strides), start


def _strided(flat: np.ndarray, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> np.ndarray:
    width = flat.itemsize
    return np.ndarray(size, flat.dtype, flat.view(np.uint8), offset * width, [s * width for s in stride])


def contiguous(array: np.ndarray) -> np.ndarray:
    """The array with its elements in order, of the same shape (NumPy's own function makes a 0-d array 1-d)."""
    return np.ascontiguousarray(array).reshape(array.shape)


class Shared:
    """Numbers of one dtype on a device, and what the tensors over them share: made by the first of them."""

    __slots__ = ("_numbers", "device", "storage")

    def __init__(self, numbers: np.ndarray | None, device: str, storage: Storage | None = None) -> None:
        self._numbers = numbers
        self.device = device
        self.storage = storage

    @property
    def flat(self) -> np.ndarray:
        """The numbers as they are now, in one dimension."""
        if self.storage is None:
            return self._numbers  # type: ignore[return-value]
        return contiguous(wrap(self.storage.value)._host("storage")).reshape(-1)

    def begin(self, shape: tuple[int, ...]) -> Storage:
        """What tensors share from now on, the first of which may have ``shape``."""
        if self.storage is None:
            numbers: Any = self._numbers
            aligned = numbers if numbers.flags.aligned else numbers.copy()
            self.storage = Storage(from_array(aligned.reshape(shape), self.device), 0)
            self._numbers = None
        return self.storage

    def look(self, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
        """A tensor over these numbers."""
        flat, count = self.flat, prod(size)
        in_order = dense(size, stride)
        whole = in_order and not offset and count == flat.size
        storage = self.begin(size if whole else (-1,))
        base = storage.value
        if whole and base.aval.shape == size:
            out = wrap(base)
            out._alias = Alias(storage, ())
            return out
        steps: list[Step] = []
        if in_order:
            if base.aval.ndim != 1:
                steps.append(Step(views.reshaped, (T, (-1,)), True))
            steps.append(Step(views.slice_, (T, 0, offset, offset + count, 1), True))
            steps.append(Step(views.reshaped, (T, size), True))
            seen = flat[offset : offset + count].reshape(size)
        else:
            steps.append(Step(views.as_strided, (T, size, stride, offset), True))
            seen = contiguous(_strided(flat, offset, size, stride))
        out = wrap(from_array(seen, self.device))
        out._v.source = base
        out._alias = Alias(storage, tuple(steps))
        return out


def storage_from(flat: np.ndarray, device: str) -> Shared:
    """What tensors over a 1-d array share."""
    return Shared(flat, device)


def rebuild(shared: Shared, offset: int, size: tuple[int, ...], stride: tuple[int, ...], requires_grad: bool) -> Tensor:
    """The tensor that looks at ``shared`` in this way; the layout has been checked."""
    return shared.look(offset, size, stride).requires_grad_(requires_grad)


def address(storage: Storage) -> int:
    """Where a storage is said to begin: a number that stays as long as it lives, with as much room as its bytes
    need.
    """
    global _top
    found = _addresses.get(storage)
    if found is None:
        found = _addresses[storage] = _top
        aval = storage.value.aval
        _top += (aval.size * aval.dtype.itemsize // _ALIGNMENT + 1) * _ALIGNMENT
    return found


def memory(storage: Storage) -> int:
    """The address, in this process, of a copy of a CPU storage's bytes as they are now.

    It stays while the storage lives. What is written there is not seen, as the arrays that values are made of cannot be
    changed.
    """
    value = storage.value
    if value.trace is DIRECT:
        return address(storage)
    seen, image = _images.get(storage, (None, None))
    if image is None or seen is None or seen() is not value:
        data = contiguous(wrap(value)._host("data_ptr()")).reshape(-1).view(np.uint8)
        if image is not None and image.size == data.size:
            np.copyto(image, data)
        else:
            image = data.copy()
        _images[storage] = ref(value), image
    return int(image.ctypes.data)
