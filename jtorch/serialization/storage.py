"""Storages as files know them: bytes on a device, and bytes seen as numbers of one dtype.

In torch every tensor stands on such an object. In jtorch they exist only on the way to and from a file: in what
``map_location`` functions are given, and in what a pickled tensor refers to.
"""

from typing import Any

import numpy as np

from jtorch.engine.devices import devices
from jtorch.tensor.device import device as Device
from jtorch.tensor.dtype import BY_NAME
from jtorch.tensor.dtype import dtype as DType


class UntypedStorage:
    """The bytes behind tensors, and the device they belong on (torch.UntypedStorage)."""

    __slots__ = ("array", "location", "_shared", "live")

    def __init__(self, array: np.ndarray, location: str = "cpu") -> None:
        self.array = array
        self.location = location
        self._shared: dict[str, Any] = {}
        self.live: Any = None

    def nbytes(self) -> int:
        """How many bytes there are."""
        return self.array.nbytes

    size = __len__ = nbytes

    @property
    def device(self) -> Device:
        """The device that tensors over it are made on."""
        return Device(self.location)

    @property
    def is_cuda(self) -> bool:
        """Whether tensors over it are made on a GPU."""
        return self.device.type == "cuda"

    def to(self, *, device: Any) -> "UntypedStorage":
        """The same bytes for another device; raises RuntimeError where it is not there."""
        return UntypedStorage(self.array, available(str(device)))

    def cpu(self) -> "UntypedStorage":
        """The same bytes for the CPU."""
        return self.to(device="cpu")

    def cuda(self, device: Any = None, non_blocking: bool = False) -> "UntypedStorage":
        """The same bytes for a GPU: the current one, a number, or a device."""
        return self.to(device=Device("cuda" if device is None else device))

    def __getitem__(self, index: int) -> int:
        return int(self.array[index])

    def shared(self, dtype: DType) -> Any:
        """What tensors over these bytes, read as ``dtype``, share."""
        from jtorch.tensor import storage_io

        made = self._shared.get(dtype.name)
        if made is None:
            made = self._shared[dtype.name] = storage_io.storage_from(self.array.view(dtype.np), self.location)
        return made

    def __repr__(self) -> str:
        return f"[torch.storage.UntypedStorage(device={self.location}) of size {self.nbytes()}]"


class TypedStorage:
    """A storage seen as numbers of one dtype: what ``torch._utils._rebuild_tensor_v2`` is given."""

    __slots__ = ("untyped", "dtype", "numel", "key", "__weakref__")

    def __init__(self, untyped: UntypedStorage, dtype: DType, numel: int | None = None, key: Any = None) -> None:
        self.untyped = untyped
        self.dtype = dtype
        self.numel = untyped.nbytes() // dtype.itemsize if numel is None else numel
        self.key = key

    @property
    def location(self) -> str:
        """The device's name, as files give it."""
        return self.untyped.location

    def shared(self, dtype: DType | None = None) -> Any:
        """What tensors over this storage share."""
        return self.untyped.shared(dtype or self.dtype)

    def __reduce__(self) -> tuple:
        return from_bytes, (self.untyped.array.tobytes(), self.dtype, self.location)


def from_bytes(data: bytes, dtype: DType, location: str) -> TypedStorage:
    """A storage out of a pickle that is no torch file: the bytes travel inside it."""
    return TypedStorage(UntypedStorage(np.frombuffer(data, np.uint8), available(location)), dtype)


class StorageType:
    """A name such as ``torch.FloatStorage``, and the dtype it stands for (None: bytes of any)."""

    __slots__ = ("module", "name", "dtype")

    def __init__(self, module: str, name: str, dtype: DType | None) -> None:
        self.module = module
        self.name = name
        self.dtype = dtype

    def __repr__(self) -> str:
        return f"{self.module}.{self.name}"


_TYPED = {
    "Float": "float32", "Double": "float64", "Half": "float16", "BFloat16": "bfloat16", "Long": "int64", "Int": "int32",
    "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool", "ComplexFloat": "complex64",
    "ComplexDouble": "complex128",
}  # fmt: skip

UNTYPED = StorageType("torch.storage", "UntypedStorage", None)
OF_DTYPE: dict[str, StorageType] = {d: StorageType("torch", f"{n}Storage", BY_NAME[d]) for n, d in _TYPED.items()}
STORAGE_TYPES: dict[str, StorageType] = {
    "torch.storage.UntypedStorage": UNTYPED,
    "torch.storage._UntypedStorage": UNTYPED,
    **{repr(t): t for t in OF_DTYPE.values()},
    **{f"torch.cuda.{t.name}": t for t in OF_DTYPE.values()},
}


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
            f"Attempting to deserialize object on a {kind} device but torch.{wanted.type}.is_available() is False. If you "
            "are running on a CPU-only machine, please use torch.load with map_location=torch.device('cpu') to map your "
            "storages to the CPU."
        )
    index = wanted.index or 0
    if index >= count:
        raise RuntimeError(
            f"Attempting to deserialize object on {kind} device {index} but torch.{wanted.type}.device_count() is {count}. "
            "Please use torch.load with map_location to map your storages to an existing device."
        )
    return f"{wanted.type}:{index}"


def target(location: str, map_location: Any) -> str | None:
    """Where ``map_location`` (None, a device in any form, a dict) sends what lay at ``location``; None for a function."""
    if map_location is None:
        return location
    if isinstance(map_location, dict):
        return str(map_location.get(location, location))
    return str(map_location) if isinstance(map_location, (str, Device)) else None


def place(untyped: UntypedStorage, location: str, map_location: Any) -> UntypedStorage:
    """A storage, just read onto the CPU, where ``map_location`` wants what lay at ``location``."""
    to = target(location, map_location)
    if to is None:
        made = map_location(untyped, location)
        if isinstance(made, TypedStorage):
            made = made.untyped
        if isinstance(made, UntypedStorage):
            return made
        if made is not None:
            raise TypeError(f"map_location returned {type(made).__name__}, not the storage it was given or None")
        to = location
    untyped.location = available(to)
    return untyped
