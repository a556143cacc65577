"""How files name the storages in them, and where torch.load puts them."""

from typing import Any

from jtorch.serialization.packages import default_restore_location
from jtorch.storage import TypedStorage, UntypedStorage
from jtorch.tensor.device import device as Device
from jtorch.tensor.dtype import BY_NAME
from jtorch.tensor.dtype import dtype as DType


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


def target(location: str, map_location: Any) -> str | None:
    """Where ``map_location`` (None, a device in any form, a dict) sends what lay at ``location``; None: a function."""
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
            made = made.untyped()
        if isinstance(made, UntypedStorage):
            return made
        if made is not None:
            raise TypeError(f"map_location returned {type(made).__name__}, not the storage it was given or None")
        to = location
    return default_restore_location(untyped, to)
