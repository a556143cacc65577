"""torch.save and torch.load (https://docs.pytorch.org/docs/stable/notes/serialization.html)."""

import io
import os
import pickle
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pickle import UnpicklingError
from typing import IO, Any

import numpy as np

from jtorch.serialization import legacy
from jtorch.serialization.archive import ALIGNMENT, ArchiveReader, ArchiveWriter, NativeOrder, is_zip
from jtorch.serialization.names import find_defined, own_modules
from jtorch.serialization.options import get_crc32_options, skipping
from jtorch.serialization.pickler import Storages, dump
from jtorch.serialization.policy import Restricted, allowed_names
from jtorch.serialization.storage import STORAGE_TYPES, StorageType, place, target
from jtorch.serialization.unpickler import Survey, Unpickler
from jtorch.storage import TypedStorage, UntypedStorage
from jtorch.tensor.dtype import BY_NAME

# -- saving


def save(
    obj: Any,
    f: Any,
    pickle_module: Any = pickle,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Write ``obj`` to a path or a file object, in PyTorch's own format.

    A file at a path is replaced as a whole once everything is written: whoever reads it finds the old one or the new
    one. Raises RuntimeError where the folder does not exist, AttributeError for an ``f`` that cannot be written to,
    and what pickling raises (nothing is written then).
    """
    path = os.fspath(f) if _is_path(f) else None
    if path is None and not hasattr(f, "write"):
        raise AttributeError("expected 'f' to be string, path, or a file-like object with a 'write' attribute")
    if not _use_new_zipfile_serialization:
        with _writing(path, f) as file:
            legacy.write(obj, file, pickle_protocol, pickle_module)
        return
    storages = Storages()
    pickled = io.BytesIO()
    dump(obj, pickled, storages, pickle_protocol, pickle_module)
    with _writing(path, f) as file:
        archive = ArchiveWriter(file, _folder(path), crc32=get_crc32_options())
        archive.add("data.pkl", pickled.getbuffer())
        archive.add(".format_version", b"1")
        archive.add(".storage_alignment", str(ALIGNMENT).encode())
        if not _disable_byteorder_record:
            archive.add("byteorder", sys.byteorder.encode())
        for number, storage in storages.found.values():
            array = storage.untyped().array
            archive.add(f"data/{number}", np.zeros_like(array) if skipping() else array)
        archive.close()


def _is_path(f: Any) -> bool:
    return isinstance(f, (str, os.PathLike))


def _folder(path: Any) -> str:
    """The folder inside the archive: the file's name without its ending, as torch has it."""
    stem = os.path.splitext(os.path.basename(path))[0] if isinstance(path, str) else ""
    return stem if stem.isascii() and stem.strip(".") and "\\" not in stem else "archive"


@contextmanager
def _writing(path: Any, f: Any) -> Iterator[Any]:
    if path is None:
        yield f
        return
    final = os.path.realpath(path)
    parent, base = os.path.split(final)
    if not os.path.isdir(parent):
        raise RuntimeError(f"Parent directory {os.path.dirname(path)} does not exist.")
    exists = os.path.exists(final)
    temporary = os.path.join(parent, f".{base[:100]}.{secrets.token_hex(6)}.tmp")
    try:
        if exists and not os.path.isfile(final):
            raise PermissionError  # a device or a pipe is written to, not replaced
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    except PermissionError:
        with open(final, "wb") as file:
            yield file
        return
    try:
        with open(handle, "wb") as file:
            yield file
        if exists:
            os.chmod(temporary, os.stat(final).st_mode & 0o7777)
        os.replace(temporary, final)
    except BaseException:
        os.unlink(temporary)
        raise


# -- loading


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Read what torch.save wrote, by jtorch or by PyTorch, from a path or a seekable file object.

    Arguments:
        map_location: where storages go: a device in any form, a dict of device names, or a function of (storage, name).
        weights_only: None (the default) loads tensors, containers, and objects of nn.Module classes that this program
            has already defined; nothing in the file is called. True allows no such classes, as PyTorch does. False is
            Python's own unpickling, which runs whatever the file says.
        mmap: leave the numbers in the file until they are used; needs a path.

    Raises pickle.UnpicklingError for what is not allowed or no pickle, RuntimeError for damaged files and for devices
    that are not there.
    """
    weights_only = _mode(weights_only, pickle_module)
    if mmap and not _is_path(f):
        raise ValueError("f must be a file path in order to use the mmap argument")
    encoding = pickle_load_args.pop("encoding", "utf-8")
    if pickle_load_args and weights_only is not False:
        raise TypeError(f"load() got an unexpected keyword argument '{next(iter(pickle_load_args))}'")
    run = _Run(map_location, weights_only, pickle_module or pickle, {"encoding": encoding, **pickle_load_args})
    with open(f, "rb") if _is_path(f) else nullcontext(_seekable(f)) as file:
        if is_zip(file):
            return run.zip(file, bool(mmap))
        if mmap:
            raise RuntimeError(
                f"mmap can only be used with files saved with `torch.save({f}, _use_new_zipfile_serialization=True), "
                "please torch.save your checkpoint with this option in order to use mmap."
            )
        return run.legacy(file)


def _mode(weights_only: bool | None, pickle_module: Any) -> bool | None:
    if weights_only is None and _flag("TORCH_FORCE_WEIGHTS_ONLY_LOAD"):
        weights_only = True
    elif weights_only is None and (pickle_module is not None or _flag("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")):
        weights_only = False
    if weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    return weights_only


def _flag(name: str) -> bool:
    return os.environ.get(name, "0").lower() in ("1", "y", "yes", "true")


def _seekable(f: Any) -> Any:
    for method in ("seek", "tell", "read"):
        if not hasattr(f, method):
            raise AttributeError(
                f"'{type(f).__name__}' object has no attribute '{method}'. You can only torch.load from a file that is "
                "seekable. Please pre-load the data into a buffer like io.BytesIO and try to load from it instead."
            )
    return f


class _Run:
    """One call of torch.load."""

    def __init__(self, map_location: Any, weights_only: bool | None, pickle_module: Any, args: dict[str, Any]) -> None:
        self.map_location = map_location
        self.weights_only = weights_only
        self.pickle_module = pickle_module
        self.args = args
        self.loaded: dict[str, UntypedStorage] = {}

    def zip(self, file: IO[bytes], mmap: bool) -> Any:
        """The object in a zip file."""
        archive = ArchiveReader(file, crc32=get_crc32_options())
        if "constants.pkl" in archive:
            raise RuntimeError("this file is a TorchScript archive (torch.jit.save), which jtorch cannot run")
        order = NativeOrder(archive.read("byteorder").tobytes() if "byteorder" in archive else None)

        def read(key: str, size: int, word: int) -> np.ndarray:
            record = f"data/{key}"
            if archive.size(record) != size:
                raise RuntimeError(f"storage {key} has {archive.size(record)} bytes where its tensors say {size}")
            if skipping():
                return np.zeros(size, np.uint8)
            return order.apply(archive.map(record) if mmap else archive.read(record), word)

        return self.unpickle(archive.read("data.pkl").tobytes(), 0, read)

    def legacy(self, file: IO[bytes]) -> Any:
        """The object in a file of the format before 1.6."""
        start = file.tell()
        data = file.read()
        if not isinstance(data, bytes):
            raise TypeError(f"torch.load reads bytes, but the file gave {type(data).__name__}")
        if not data:
            raise EOFError("Ran out of input")
        if b"ustar" in data[257:265]:
            raise RuntimeError("this file is a tar archive of torch before 0.1.10: save it again with a newer torch")
        try:
            parts = legacy.LegacyReader(data)
        except UnpicklingError as error:
            raise UnpicklingError(self.explain(str(error))) from error
        made = self.unpickle(data, parts.start, lambda key, size, word: parts.order.apply(parts.read(key, size), word))
        file.seek(start + parts.end)
        return made

    def unpickle(self, data: bytes, start: int, read: Callable) -> Any:
        """The object of one pickle, with storages from ``read(key, bytes, bytes a number)``."""

        def persistent(pid: Any) -> Any:
            return self.storage_or_class(pid, policy, read)

        policy = Restricted(persistent, weights_only=bool(self.weights_only))
        if self.weights_only is False:
            return self.run_pickle(data, start, persistent)
        try:
            return Unpickler(data, policy, position=start, encoding=self.args["encoding"]).load()
        except UnpicklingError as error:
            raise UnpicklingError(self.explain(str(error))) from error

    def explain(self, what: str) -> str:
        """A refusal, with what to do about it."""
        if self.weights_only:
            advice = (
                "With `weights_only=False` it may load, and can then run any code in the file: only if you trust it."
            )
        else:
            advice = (
                "torch.load makes tensors, containers and nn.Module classes that this program has defined, and calls "
                "nothing in the file. With `weights_only=False` it may load, and can then run any code in it: "
                "only if you trust it."
            )
        return f"Weights only load failed. {what}\n{advice}"

    def run_pickle(self, data: bytes, start: int, persistent: Callable) -> Any:
        """The object by Python's own unpickling."""

        class Full(self.pickle_module.Unpickler):  # type: ignore[name-defined]
            def find_class(self, module: str, name: str) -> Any:
                return _find_class(super().find_class, module, name)

            def persistent_load(self, pid: Any) -> Any:
                return persistent(pid)

        stream = io.BytesIO(data)
        stream.seek(start)
        return Full(stream, **self.args).load()

    def storage_or_class(self, pid: Any, policy: Restricted, read: Callable) -> Any:
        """What a persistent id stands for."""
        if type(pid) is not tuple or not pid:
            raise UnpicklingError(f"persistent_load id must be tuple or int, but got {type(pid)}")
        if pid[0] == "module" and len(pid) == 4 and not self.weights_only:
            return pid[1]  # a class that torch before 1.6 stored with its source
        if pid[0] != "storage" or len(pid) not in (5, 6):
            raise UnpicklingError(f"Only persistent_load of storage is allowed, but got {type(pid[0])}")
        _, kind, key, location, numel, *view = pid
        if not isinstance(kind, StorageType) or type(key) is not str or type(location) is not str:
            raise UnpicklingError("a persistent id that does not name a storage")
        if type(numel) is not int or not 0 <= numel < 1 << 60:
            raise UnpicklingError("a persistent id with an impossible number of elements")
        if view and view[0] is not None:
            raise NotImplementedError("a view of a storage, as torch before 0.4 saved them")
        dtype = kind.dtype
        itemsize = dtype.itemsize if dtype else 1
        untyped = self.loaded.get(key)
        if untyped is None:
            untyped = self.loaded[key] = self.placed(key, location, numel * itemsize, dtype, read)
        if untyped.location != "meta" and untyped.nbytes() != numel * itemsize:
            raise UnpicklingError(f"storage {key!r} is said to have two different sizes")
        return TypedStorage(untyped, dtype or BY_NAME["uint8"])

    def placed(self, key: str, location: str, size: int, dtype: Any, read: Callable) -> UntypedStorage:
        """A storage read, and sent where ``map_location`` wants it; for the meta device it is not read."""
        if target(location, self.map_location) == "meta":
            return UntypedStorage(np.empty(0, np.uint8), "meta")
        word = 1 if dtype is None else dtype.itemsize // (2 if dtype.is_complex else 1)
        return place(UntypedStorage(read(key, size, word), "cpu"), location, self.map_location)


def _find_class(find: Callable, module: str, name: str) -> Any:
    """A global for Python's own unpickling: jtorch's for torch's names."""
    if (kind := STORAGE_TYPES.get(f"{module}.{name}")) is not None:
        return kind
    if module == "torch._C" and name == "_VariableFunctionsClass":
        module, name = "jtorch", "Tensor"
    for place_ in own_modules(module):
        if place_ != module and (found := find_defined(place_, name)) is not None:
            return found
    return find(next(iter(own_modules(module))), name)


def get_unsafe_globals_in_checkpoint(f: Any) -> list[str]:
    """The names in a file that ``torch.load(f, weights_only=True)`` would refuse; nothing is made or run."""
    with open(f, "rb") if _is_path(f) else nullcontext(_seekable(f)) as file:
        if not is_zip(file):
            raise ValueError("Expected input to be a checkpoint returned by torch.save")
        survey = Survey()
        Unpickler(ArchiveReader(file).read("data.pkl").tobytes(), survey).load()
    allowed = allowed_names()
    return sorted({name for name in survey.globals if name not in allowed})
