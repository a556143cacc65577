"""The format of torch before 1.6: five pickles one after another, then the numbers of each storage."""

import pickle
import struct
from pickle import UnpicklingError
from typing import Any

import numpy as np

from jtorch.serialization.archive import NativeOrder
from jtorch.serialization.pickler import Storages, dump
from jtorch.serialization.storage import STORAGE_TYPES
from jtorch.serialization.unpickler import Inert, Survey, Unpickler
from jtorch.storage import TypedStorage

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001


class LegacyStorages(Storages):
    """Storages as this format refers to them: with a place for views of storages, which are no longer made."""

    def persistent_id(self, obj: Any) -> tuple | None:
        """The persistent id of a storage, None for anything else."""
        pid = super().persistent_id(obj)
        return None if pid is None else (*pid, None)


def write(obj: Any, file: Any, protocol: int, pickle_module: Any = pickle) -> None:
    """Save ``obj`` in this format."""
    sizes = {"short": 2, "int": 4, "long": 4}
    for head in (MAGIC, PROTOCOL, {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": sizes}):
        pickle.dump(head, file, protocol)
    storages = LegacyStorages()
    dump(obj, file, storages, protocol, pickle_module)
    pickle.dump([key for key, _ in storages.found.values()], file, protocol)
    for _, storage in storages.found.values():
        raw = NativeOrder(b"little").apply(storage.untyped().array, _word(storage))
        file.write(struct.pack("<q", storage.size()))
        file.write(np.ascontiguousarray(raw).data)


def _word(storage: TypedStorage) -> int:
    return storage.dtype.itemsize // (2 if storage.dtype.is_complex else 1)


class LegacyReader:
    """A legacy file in ``data``: where its pickle starts and ends, and the bytes of each storage.

    Raises UnpicklingError for what is no pickle, RuntimeError for other pickles and for a file that is cut short.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        magic, at = self._plain(0, int)
        if magic != MAGIC:
            raise RuntimeError(_NOT_ONE)
        version, at = self._plain(at, int)
        if version != PROTOCOL:
            raise RuntimeError(f"Invalid protocol version: {version}")
        system, self.start = self._plain(at, dict)
        self.order = NativeOrder(b"little" if system.get("little_endian", True) else b"big")
        self.survey = Survey()
        machine = Unpickler(data, self.survey, position=self.start)
        machine.load()
        keys, at = self._plain(machine.position, list)
        self._places, self.end = self._lay_out(keys, at)

    def _plain(self, start: int, kind: type) -> tuple[Any, int]:
        machine = Unpickler(self._data, Survey(), position=start)
        value = machine.load()
        if type(value) is not kind:
            raise RuntimeError(_NOT_ONE)
        return value, machine.position

    def _lay_out(self, keys: list, at: int) -> tuple[dict[str, tuple[int, int]], int]:
        types = {}
        for what, kind, key, *_ in map(check_pid, self.survey.pids):
            if what == "storage" and isinstance(kind, Inert) and type(key) is str:
                types[key] = kind.name
        places = {}
        for key in keys:
            kind = STORAGE_TYPES.get(types[key]) if type(key) is str and key in types else None
            if kind is None:
                raise RuntimeError("the list of storages is damaged; corrupt file?")
            self._need(at + 8)
            (count,) = struct.unpack_from("<q", self._data, at)
            if count < 0:
                raise RuntimeError(f"storage {key!r} has a negative size; corrupt file?")
            size = count * (kind.dtype.itemsize if kind.dtype else 1)
            places[key] = at + 8, size
            at += 8 + size
            self._need(at)
        return places, at

    def read(self, key: str, size: int) -> np.ndarray:
        """The bytes of a storage."""
        if key not in self._places:
            raise RuntimeError(f"storage {key!r} is not in the file; corrupt file?")
        start, actual = self._places[key]
        if actual != size:
            raise RuntimeError(f"storage {key!r} has {actual} bytes where its tensors say {size}; corrupt file?")
        return np.frombuffer(self._data, np.uint8, size, start)

    def _need(self, end: int) -> None:
        if end > len(self._data):
            missing = end - len(self._data)
            raise RuntimeError(f"unexpected EOF, expected {missing} more bytes. The file might be corrupted.")


_NOT_ONE = "Invalid magic number; corrupt file?"


def check_pid(pid: Any) -> tuple:
    """A persistent id of a storage or a class, taken apart no further; raises UnpicklingError for anything else."""
    if type(pid) is not tuple or len(pid) < 4:
        raise UnpicklingError(f"persistent_load id must be tuple or int, but got {type(pid)}")
    return pid
