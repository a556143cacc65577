"""Storages: the bytes that tensors stand on, and those bytes seen as numbers of one dtype (torch.storage).

In jtorch arrays need no such objects. They are made for programs that ask a tensor for its storage, for the functions
given as ``map_location``, and on the way to and from files.
"""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from jtorch.engine.devices import devices
from jtorch.engine.value import from_array
from jtorch.tensor import storage_io
from jtorch.tensor.device import device as Device
from jtorch.tensor.device import engine_name, of_engine
from jtorch.tensor.dtype import BY_NAME, OF_NUMPY
from jtorch.tensor.dtype import dtype as DType
from jtorch.tensor.storage import Storage
from jtorch.tensor.tensor import Tensor, wrap


def available(location: str) -> str:
    """The name of a device where a file's bytes can go; raises torch's RuntimeError where they cannot."""
    try:
        wanted = Device(location)
    except RuntimeError:
        raise RuntimeError(
            "don't know how to restore data location of torch.storage.UntypedStorage (tagged with " + location + ")"
        ) from None
    if wanted.type in ("cpu", "meta"):
        return wanted.type
    count = len(devices(wanted.type))
    kind = wanted.type.upper()
    if not count:
        raise RuntimeError(
            f"Attempting to deserialize object on a {kind} device but torch.{wanted.type}.is_available() is "
            "False. If you "
            "are running on a CPU-only machine, please use torch.load with map_location=torch.device('cpu') to "
            "map your storages to the CPU."
        )
    index = wanted.index or 0
    if index >= count:
        raise RuntimeError(
            f"Attempting to deserialize object on {kind} device {index} but torch.{wanted.type}.device_count() "
            f"is {count}. Please use torch.load with map_location to map your storages to an existing device."
        )
    return f"{wanted.type}:{index}"


class UntypedStorage:
    """The bytes behind tensors, and the device they belong on (torch.UntypedStorage).

    Made of a number of bytes, a sequence of them, or an array of bytes.
    """

    __slots__ = ("_array", "location", "_shared", "__weakref__")

    def __init__(self, data: Any = 0, location: str = "cpu", *, device: Any = None) -> None:
        if isinstance(data, int):
            data = np.zeros(data, np.uint8)
        elif not isinstance(data, np.ndarray):
            data = np.array(data, np.uint8)
        self._array: Any = data
        self.location = location if device is None else available(str(device))
        self._shared: dict[str, storage_io.Shared] = {}

    @classmethod
    def from_file(cls, filename: Any, shared: bool = False, nbytes: int = 0) -> "UntypedStorage":
        """The first ``nbytes`` of a file, read from the disk as they are needed; what is written stays in memory.

        Raises NotImplementedError for ``shared``, and RuntimeError for a file that is too short.
        """
        if shared:
            raise NotImplementedError("jtorch: UntypedStorage.from_file(shared=True); arrays do not write to files")
        have = os.stat(filename).st_size
        if have < nbytes:
            raise RuntimeError(f"{filename} holds {have} bytes, fewer than the {nbytes} asked for")
        return cls(np.memmap(filename, np.uint8, "c", shape=nbytes) if nbytes else 0)

    def _live(self) -> storage_io.Shared | None:
        """What the tensors over it share; None before there are any."""
        return next((s for s in self._shared.values() if s.storage is not None), None)

    @property
    def array(self) -> np.ndarray:
        """The bytes, not to be written to."""
        live = self._live()
        return self._array if live is None else live.flat.view(np.uint8)

    def nbytes(self) -> int:
        """How many bytes there are."""
        live = self._live()
        if live is None:
            return self._array.nbytes
        aval = live.storage.value.aval  # type: ignore[union-attr]
        return aval.size * aval.dtype.itemsize

    size = __len__ = nbytes

    def element_size(self) -> int:
        """One byte."""
        return 1

    def data_ptr(self) -> int:
        """Where the bytes lie, on the CPU as a copy that is renewed by each call; on other devices a number that tells
        storages apart, as an address does. 0 where there are no bytes.
        """
        if not self.nbytes() or self.location == "meta":
            return 0
        where = storage_io.memory if self.location == "cpu" else storage_io.address
        return where(self._alive())

    @property
    def _cdata(self) -> int:
        return storage_io.address(self._alive())

    def _alive(self) -> Storage:
        return (self._live() or self.shared(BY_NAME["uint8"])).begin((-1,))

    @property
    def device(self) -> Device:
        """The device that tensors over it are made on."""
        return Device(self.location)

    @property
    def is_cuda(self) -> bool:
        """Whether tensors over it are made on a GPU."""
        return self.device.type == "cuda"

    def to(self, *, device: Any, non_blocking: bool = False) -> "UntypedStorage":
        """The same bytes for another device; raises RuntimeError where it is not there."""
        return UntypedStorage(self.array, available(str(device)))

    def cpu(self) -> "UntypedStorage":
        """The same bytes for the CPU."""
        return self.to(device="cpu")

    def cuda(self, device: Any = None, non_blocking: bool = False) -> "UntypedStorage":
        """The same bytes for a GPU: the current one, a number, or a device."""
        return self.to(device=Device("cuda" if device is None else device))

    def clone(self) -> "UntypedStorage":
        """A copy."""
        return UntypedStorage(self.array.copy(), self.location)

    def untyped(self) -> "UntypedStorage":
        """Itself."""
        return self

    def tolist(self) -> list[int]:
        """The bytes as numbers."""
        return self.array.tolist()

    def __iter__(self) -> Iterator[int]:
        return iter(self.tolist())

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return UntypedStorage(self.array[index], self.location)
        return int(self.array[index])

    def __setitem__(self, index: Any, value: Any) -> None:
        made = self.array.copy()
        made[index] = value
        self._put(made)

    def fill_(self, value: int) -> "UntypedStorage":
        """Make every byte ``value``."""
        self[:] = value
        return self

    def copy_(self, source: Any, non_blocking: bool = False) -> "UntypedStorage":
        """Take over another storage's bytes."""
        self._put(source.untyped().array.copy())
        return self

    def resize_(self, size: int) -> "UntypedStorage":
        """Have ``size`` bytes from now on; new ones are zero. Tensors over it keep their shapes."""
        made = np.zeros(size, np.uint8)
        kept = min(size, self.nbytes())
        made[:kept] = self.array[:kept]
        self._put(made)
        return self

    def _put(self, array: np.ndarray) -> None:
        live = self._live()
        if live is None:
            self._array = array
            self._shared.clear()
            return
        storage: Any = live.storage
        aval = storage.value.aval
        typed = array[: array.size // aval.dtype.itemsize * aval.dtype.itemsize].view(aval.dtype)
        storage.value = from_array(typed.reshape(aval.shape) if typed.size == aval.size else typed, aval.device)
        storage.version += 1

    def shared(self, dtype: DType) -> storage_io.Shared:
        """What tensors over these bytes, read as ``dtype``, share."""
        made = self._shared.get(dtype.name)
        if made is None:
            numbers = self.array.view(dtype.np)
            made = self._shared[dtype.name] = storage_io.Shared(numbers, engine_name(self.location))
        return made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and self._alive() is other._alive()

    def __hash__(self) -> int:
        return hash(self._alive())

    def __reduce__(self) -> tuple:
        return UntypedStorage, (self.array, self.location)

    def __repr__(self) -> str:
        lines = "".join(f" {x}\n" for x in self.tolist())
        return f"{lines}[torch.storage.UntypedStorage(device={self.location}) of size {self.nbytes()}]"


class TypedStorage:
    """A storage seen as numbers of one dtype (torch.TypedStorage)."""

    __slots__ = ("_untyped_storage", "dtype", "key", "__weakref__")

    def __init__(self, untyped: UntypedStorage, dtype: DType, key: Any = None) -> None:
        self._untyped_storage = untyped
        self.dtype = dtype
        self.key = key

    def untyped(self) -> UntypedStorage:
        """The bytes."""
        return self._untyped_storage

    @property
    def location(self) -> str:
        """The device's name, as files give it."""
        return self._untyped_storage.location

    @property
    def device(self) -> Device:
        """The device that tensors over it are made on."""
        return self._untyped_storage.device

    @property
    def is_cuda(self) -> bool:
        """Whether tensors over it are made on a GPU."""
        return self._untyped_storage.is_cuda

    def size(self) -> int:
        """How many numbers there are."""
        return self._untyped_storage.nbytes() // self.dtype.itemsize

    __len__ = size

    def nbytes(self) -> int:
        """How many bytes they have."""
        return self._untyped_storage.nbytes()

    def element_size(self) -> int:
        """Bytes a number."""
        return self.dtype.itemsize

    def data_ptr(self) -> int:
        """:meth:`UntypedStorage.data_ptr`."""
        return self._untyped_storage.data_ptr()

    @property
    def _cdata(self) -> int:
        return self._untyped_storage._cdata

    def _numbers(self) -> np.ndarray:
        return self._untyped_storage.array.view(self.dtype.np)

    def tolist(self) -> list[Any]:
        """The numbers."""
        return wrap(from_array(self._numbers(), "cpu")).tolist()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            raise RuntimeError("slices are only supported in UntypedStorage.__getitem__")
        return wrap(from_array(self._numbers()[index], "cpu")).item()

    def __setitem__(self, index: Any, value: Any) -> None:
        made = self._numbers().copy()
        made[index] = value
        self._untyped_storage._put(made.view(np.uint8))

    def fill_(self, value: Any) -> "TypedStorage":
        """Make every number ``value``."""
        self[:] = value
        return self

    def copy_(self, source: Any, non_blocking: bool = False) -> "TypedStorage":
        """Take over another storage's bytes."""
        self._untyped_storage.copy_(source)
        return self

    def resize_(self, size: int) -> "TypedStorage":
        """Have ``size`` numbers from now on; new ones are zero."""
        self._untyped_storage.resize_(size * self.dtype.itemsize)
        return self

    def clone(self) -> "TypedStorage":
        """A copy."""
        return TypedStorage(self._untyped_storage.clone(), self.dtype)

    def cpu(self) -> "TypedStorage":
        """The same numbers for the CPU."""
        return TypedStorage(self._untyped_storage.cpu(), self.dtype)

    def cuda(self, device: Any = None, non_blocking: bool = False) -> "TypedStorage":
        """The same numbers for a GPU."""
        return TypedStorage(self._untyped_storage.cuda(device), self.dtype)

    def shared(self, dtype: DType | None = None) -> Any:
        """What tensors over this storage share."""
        return self._untyped_storage.shared(dtype or self.dtype)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypedStorage) and self._untyped_storage == other._untyped_storage

    def __hash__(self) -> int:
        return hash(self._untyped_storage)

    def __reduce__(self) -> tuple:
        return from_bytes, (self._untyped_storage.array.tobytes(), self.dtype, self.location)

    def __repr__(self) -> str:
        lines = "".join(f" {x}\n" for x in self.tolist())
        kind = f"[torch.storage.TypedStorage(dtype={self.dtype}, device={self.location}) of size {len(self)}]"
        return f"{lines}{kind}"


def of_tensor(t: Tensor) -> UntypedStorage:
    """The storage that a tensor looks at (``Tensor.untyped_storage``)."""
    storage = t._shared().storage
    aval = storage.value.aval
    made = UntypedStorage(location=str(of_engine(aval.device)))
    made._shared[OF_NUMPY[aval.dtype].name] = storage_io.Shared(None, aval.device, storage)
    return made


def typed_of_tensor(t: Tensor) -> TypedStorage:
    """The same seen as numbers of its dtype (``Tensor.storage``)."""
    return TypedStorage(of_tensor(t), t.dtype)


def from_bytes(data: bytes, dtype: DType, location: str) -> TypedStorage:
    """A storage out of a pickle that is no torch file: the bytes travel inside it."""
    return TypedStorage(UntypedStorage(np.frombuffer(data, np.uint8), available(location)), dtype)
