"""PyTorch's zip files: uncompressed records under one folder, each starting at a multiple of 64 bytes.

Facts from the files torch 2.13 writes and from https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT. Nothing is
ever extracted to disk: names in the archive are only keys.
"""

import hashlib
import mmap
import struct
import sys
import zipfile
import zlib
from enum import Enum
from typing import IO, Any

import numpy as np

ALIGNMENT = 64
_UTF8_AND_DESCRIPTOR = 0x0808
_U32 = 0xFFFFFFFF
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
# A compressed record larger than this must not be smaller than a hundredth of it: torch never compresses, zip bombs do.
_FREE_SIZE, _MAX_RATIO = 64 << 20, 100
# What zipfile raises where there is no archive.
_NO_ARCHIVE = (
    zipfile.BadZipFile,
    struct.error,
    ValueError,
    ArithmeticError,
    NotImplementedError,
    EOFError,
    LookupError,
)


class ArchiveWriter:
    """Writes records to ``file`` (anything with ``write``) under the folder ``name``."""

    def __init__(self, file: Any, name: str = "archive", *, crc32: bool = True) -> None:
        self._file = file
        self._prefix = name
        self._at = 0
        self._central: list[bytes] = []
        self._ids: list[tuple[str, int]] = []
        self._crc32 = crc32

    def add(self, record: str, data: Any) -> None:
        """Write one record; ``data`` is bytes or a contiguous array."""
        view = np.ascontiguousarray(data).reshape(-1).view(np.uint8).data if isinstance(data, np.ndarray) else data
        size = len(view)
        name = f"{self._prefix}/{record}".encode()
        crc = zlib.crc32(view) if self._crc32 else 0
        start = self._at
        big = size >= _U32
        extra = struct.pack("<HHQQ", 1, 16, size, size) if big else b""
        pad = -(start + _LOCAL.size + len(name) + len(extra) + 4) % ALIGNMENT
        extra += struct.pack("<2sH", b"FB", pad) + b"Z" * pad
        sizes = (_U32, _U32) if big else (0, 0)
        self._write(_LOCAL.pack(b"PK\3\4", 0, _UTF8_AND_DESCRIPTOR, 0, 0, 0, 0, *sizes, len(name), len(extra)))
        self._write(name + extra)
        self._write(view)
        self._write(struct.pack("<4sIQQ" if big else "<4sIII", b"PK\7\x08", crc, size, size))

        wide = b"".join(struct.pack("<Q", x) for x in (size, size) if big) + (
            struct.pack("<Q", start) if start >= _U32 else b""
        )
        tail = struct.pack("<HH", 1, len(wide)) + wide if wide else b""
        self._central.append(
            _CENTRAL.pack(
                b"PK\1\2", 0, 0, _UTF8_AND_DESCRIPTOR, 0, 0, 0, crc, min(size, _U32), min(size, _U32),
                len(name), len(tail), 0, 0, 0, 0, min(start, _U32),
            ) + name + tail
        )  # fmt: skip
        self._ids.append((record, crc))

    def close(self) -> None:
        """Write what stands at the end: the format's version, an identity of the contents, the directory."""
        self.add("version", b"3\n")
        self.add(".data/serialization_id", self._identity())
        directory = b"".join(self._central)
        count, start = len(self._central), self._at
        self._write(directory)
        end = self._at
        self._write(struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 0x031E, 45, 0, 0, count, count, len(directory), start))
        self._write(struct.pack("<4sIQI", b"PK\6\7", 0, end, 1))
        counted = min(count, 0xFFFF)
        self._write(
            struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, counted, counted, min(len(directory), _U32), min(start, _U32), 0)
        )

    def _identity(self) -> bytes:
        """Two numbers of twenty digits: one of the names, one of the contents."""
        digests = (hashlib.sha256(repr([x[i] for x in self._ids]).encode()).digest() for i in (0, 1))
        return b"".join(b"%020d" % int.from_bytes(d[:8], "little") for d in digests)

    def _write(self, data: Any) -> None:
        self._file.write(data)
        self._at += len(data)


class ArchiveReader:
    """Reads the records of a torch zip file from a seekable ``file``.

    Raises RuntimeError for what is no such file, is cut short or damaged, or tries to be more than it is: compressed
    bombs, overlapping or repeated records, names that leave the archive's folder.
    """

    def __init__(self, file: IO[bytes], *, crc32: bool = True) -> None:
        self._file = file
        self._map: mmap.mmap | None = None
        self._crc32 = crc32
        try:
            with zipfile.ZipFile(file) as directory:
                entries = directory.infolist()
        except _NO_ARCHIVE as error:
            raise _damaged(f"failed finding central directory ({error})") from error
        self._length = file.seek(0, 2)
        self._entries: dict[str, zipfile.ZipInfo] = {}
        self.name = entries[0].filename.partition("/")[0] if entries else ""
        for entry in entries:
            self._admit(entry)
        end = 0
        for entry in sorted(entries, key=lambda e: e.header_offset):
            if entry.header_offset < end:
                raise _damaged(f"record {entry.filename!r} overlaps another")
            end = entry.header_offset + _LOCAL.size + len(entry.filename) + entry.compress_size
        if end > self._length:
            raise _damaged("a record is longer than the file")

    def _admit(self, entry: zipfile.ZipInfo) -> None:
        name = entry.filename
        folder, _, rest = name.partition("/")
        parts = name.split("/")
        if name.endswith("/"):
            return
        if folder != self.name or not rest or "\\" in name or ".." in parts or "" in parts or "\0" in name:
            raise _damaged(f"unexpected file name {name!r}")
        if rest in self._entries:
            raise _damaged(f"file {rest!r} is there twice")
        if entry.flag_bits & 1:
            raise _damaged(f"file {rest!r} is encrypted")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _damaged(f"file {rest!r} uses an unsupported compression method")
        if entry.compress_type == zipfile.ZIP_STORED and entry.file_size != entry.compress_size:
            raise _damaged(f"file {rest!r} has two different sizes")
        if entry.file_size > max(_FREE_SIZE, _MAX_RATIO * entry.compress_size):
            raise _damaged(f"file {rest!r} claims {entry.file_size} bytes compressed to {entry.compress_size}")
        self._entries[rest] = entry

    def __contains__(self, record: str) -> bool:
        return record in self._entries

    def records(self) -> list[str]:
        """The names of all records, without the folder."""
        return list(self._entries)

    def size(self, record: str) -> int:
        """The bytes of a record."""
        return self._entry(record).file_size

    def read(self, record: str) -> np.ndarray:
        """A record as a new array of bytes; raises RuntimeError where it is not there or its checksum is wrong."""
        entry = self._entry(record)
        start = self._data_offset(entry)
        packed = np.empty(entry.compress_size, np.uint8)
        self._file.seek(start)
        view, at = packed.data, 0
        while at < len(packed):
            chunk = self._file.read(min(len(packed) - at, 1 << 24))
            if not chunk:
                raise _damaged(f"file {record!r} is cut short")
            view[at : at + len(chunk)] = chunk
            at += len(chunk)
        data = packed if entry.compress_type == zipfile.ZIP_STORED else _inflate(packed, entry)
        if self._crc32 and entry.CRC and zlib.crc32(data.data) != entry.CRC:  # 0: written with set_crc32_options(False)
            raise _damaged(f"file {record!r} has a wrong checksum")
        return data

    def map(self, record: str) -> np.ndarray:
        """A record as an array over the file itself, read when used; writes to it stay private."""
        entry = self._entry(record)
        if entry.compress_type != zipfile.ZIP_STORED:
            raise RuntimeError(f"mmap needs uncompressed records, but file {record!r} is compressed")
        start = self._data_offset(entry)
        if start + entry.file_size > self._length:
            raise _damaged(f"file {record!r} is cut short")
        if self._map is None:
            self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_COPY)
        return np.frombuffer(self._map, np.uint8, entry.file_size, start)

    def _entry(self, record: str) -> zipfile.ZipInfo:
        entry = self._entries.get(record)
        if entry is None:
            raise RuntimeError(f"PytorchStreamReader failed locating file {record}: file not found")
        return entry

    def _data_offset(self, entry: zipfile.ZipInfo) -> int:
        self._file.seek(entry.header_offset)
        head = self._file.read(_LOCAL.size)
        if len(head) < _LOCAL.size or head[:4] != b"PK\3\4":
            raise _damaged(f"file {entry.filename!r} has no header")
        name_length, extra_length = _LOCAL.unpack(head)[-2:]
        name = self._file.read(name_length)
        if name != entry.orig_filename.encode() and name != entry.orig_filename.encode("cp437", "replace"):
            raise _damaged(f"file {entry.filename!r} has another name in its header")
        start = entry.header_offset + _LOCAL.size + name_length + extra_length
        if start + entry.compress_size > self._length:
            raise _damaged(f"file {entry.filename!r} is cut short")
        return start


class LoadEndianness(Enum):
    """The byte order of files that do not say theirs."""

    NATIVE = 1
    LITTLE = 2
    BIG = 3


_default_order: list[LoadEndianness | None] = [None]


def get_default_load_endianness() -> LoadEndianness | None:
    """The byte order that files are taken to have that do not say theirs; None means the usual one, little."""
    return _default_order[0]


def set_default_load_endianness(endianness: LoadEndianness | None) -> None:
    """Choose it. Raises TypeError for what is neither None nor a :class:`LoadEndianness`."""
    if endianness is not None and not isinstance(endianness, LoadEndianness):
        raise TypeError("Invalid argument type in function set_default_load_endianness")
    _default_order[0] = endianness


class NativeOrder:
    """Whether numbers in an archive need their bytes swapped here."""

    def __init__(self, order: bytes | None) -> None:
        if order not in (None, b"little", b"big"):
            raise ValueError(f"Unknown endianness type: {order.decode(errors='replace')}")  # type: ignore[union-attr]
        given = order.decode() if order else (_default_order[0] or LoadEndianness.LITTLE).name.lower()
        self.swap = given not in ("native", sys.byteorder)

    def apply(self, data: np.ndarray, itemsize: int) -> np.ndarray:
        """Bytes of numbers of ``itemsize`` bytes in this machine's order."""
        if not self.swap or itemsize == 1:
            return data
        return data.reshape(-1, itemsize)[:, ::-1].reshape(-1)


def _inflate(packed: np.ndarray, entry: zipfile.ZipInfo) -> np.ndarray:
    engine = zlib.decompressobj(-15)
    try:
        data = engine.decompress(packed.data, entry.file_size + 1)
    except zlib.error as error:
        raise _damaged(f"file {entry.filename!r}: {error}") from error
    if len(data) != entry.file_size or not engine.eof:
        raise _damaged(f"file {entry.filename!r} is not as long as it says")
    return np.frombuffer(data, np.uint8)


def _damaged(what: str) -> RuntimeError:
    return RuntimeError(
        f"PytorchStreamReader failed reading zip archive: {what}. The file is corrupted, or was made to look like a "
        "checkpoint: save it again, or fetch it again."
    )


def is_zip(file: IO[bytes]) -> bool:
    """Whether a torch zip file starts at the current position of ``file``, which stays there."""
    start = file.tell()
    head = file.read(4)
    file.seek(start)
    return head == b"PK\3\4"


__all__ = ["ALIGNMENT", "ArchiveReader", "ArchiveWriter", "NativeOrder", "is_zip"]
