"""Files made to run something, or to exhaust the machine: each is refused, and nothing of it runs.

Every payload of the first part would leave a mark (a file); Python's own pickle is shown to leave it.
"""

import codecs
import contextlib
import copyreg
import io
import marshal
import os
import pickle
import random
import struct
import subprocess
import sys
import time
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jtorch
from jtorch.serialization.legacy import MAGIC, PROTOCOL

CLEAR = (pickle.UnpicklingError, RuntimeError, EOFError, NotImplementedError)


# -- pickles by hand


def text(x: str) -> bytes:
    return b"X" + struct.pack("<I", len(x.encode())) + x.encode()


def name(module: str, attribute: str) -> bytes:
    return b"c" + module.encode() + b"\n" + attribute.encode() + b"\n"


def call(function: bytes, *args: bytes) -> bytes:
    return function + b"(" + b"".join(args) + b"tR"


def number(x: int) -> bytes:
    raw = x.to_bytes(x.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


class Reduced:
    """Pickles as a call of a function."""

    def __init__(self, function: Any, *args: Any, state: Any = None) -> None:
        self.made = (function, args) if state is None else (function, args, state)

    def __reduce__(self) -> Any:
        return self.made


def of(function: Any, *args: Any, protocol: int = 2) -> bytes:
    return pickle.dumps(Reduced(function, *args), protocol)


def raw(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


def writes(mark: str) -> str:
    return f"open({mark!r}, 'w').close()"


def module_with_effect(mark: str, attribute: str = "thing") -> bytes:
    """The import of a module, which lies on the path, is what leaves the mark."""
    (Path(mark).parent / "jtorch_hostile.py").write_text(f"{writes(mark)}\nthing = int\n")
    return raw(name("jtorch_hostile", attribute))


def extension(mark: str) -> bytes:
    if ("os", "mkdir") not in copyreg._extension_registry:
        copyreg.add_extension("os", "mkdir", 0xF1)
    return raw(b"\x82\xf1(" + text(mark) + b"tR")


def code_object(mark: str) -> bytes:
    code = marshal.dumps(compile(writes(mark), "x", "exec"))
    function = call(name("types", "FunctionType"), of_bytes_call("marshal", "loads", code), b"}")
    return raw(call(function))


def of_bytes_call(module: str, attribute: str, data: bytes) -> bytes:
    return call(name(module, attribute), call(name("_codecs", "encode"), text(data.decode("latin-1")), text("latin1")))


MKDIR = name("os", "mkdir")
TENSOR = call(
    name("torch._utils", "_rebuild_tensor_v2"),
    b"(" + text("storage") + name("torch", "FloatStorage") + text("0") + text("cpu") + number(2) + b"tQ",
    number(0), b"(" + number(2) + b"t", b"(" + number(1) + b"t", b"\x89", call(name("collections", "OrderedDict")),
)  # fmt: skip

RUNS: dict[str, Any] = {
    "os.system": lambda m: of(os.system, f"touch '{m}'"),
    "os.system, protocol 0": lambda m: of(os.system, f"touch '{m}'", protocol=0),
    "os.system, protocol 4": lambda m: of(os.system, f"touch '{m}'", protocol=4),
    "os.system, protocol 5": lambda m: of(os.system, f"touch '{m}'", protocol=5),
    "posix.system": lambda m: raw(call(name("posix", "system"), text(f"touch '{m}'"))),
    "os.mkdir": lambda m: of(os.mkdir, m),
    "os.popen": lambda m: raw(call(call(name("builtins", "getattr"), call(name("os", "popen"), text(f"touch '{m}'")),
                                        text("read")))),
    "os.open": lambda m: of(os.open, m, os.O_CREAT),
    "os.makedirs": lambda m: of(os.makedirs, m),
    "os.symlink": lambda m: of(os.symlink, "/", m),
    "eval": lambda m: of(eval, writes(m)),
    "exec": lambda m: of(exec, writes(m)),
    "open": lambda m: raw(call(name("builtins", "open"), text(m), text("w"))),
    "io.open": lambda m: raw(call(name("io", "open"), text(m), text("w"))),
    "python 2's eval": lambda m: raw(call(name("__builtin__", "eval"), text(writes(m)))),
    "python 2's execfile": lambda m: raw(call(name("runpy", "run_path"), text(script(m)))),
    "subprocess.call": lambda m: of(subprocess.call, ["touch", m]),
    "subprocess.check_output": lambda m: of(subprocess.check_output, ["touch", m]),
    "shutil.copyfile": lambda m: raw(call(name("shutil", "copyfile"), text(__file__), text(m))),
    "codecs.open": lambda m: of(codecs.open, m, "w"),
    "zipfile": lambda m: of(zipfile.ZipFile, m, "w"),
    "logging": lambda m: raw(call(name("logging", "FileHandler"), text(m))),
    "sqlite3": lambda m: raw(call(call(name("builtins", "getattr"), call(name("sqlite3", "connect"), text(m)),
                                       text("execute")), text("create table x (y)"))),
    "timeit": lambda m: raw(call(name("timeit", "timeit"), text(writes(m)), text("pass"), name("time", "time"),
                                 number(1))),
    "cProfile": lambda m: raw(call(name("cProfile", "run"), text(f"import os; os.mkdir({m!r}); os.devnull"),
                                   text(m + ".stats"))),
    "a method by getattr": lambda m: raw(call(call(name("builtins", "getattr"), call(name("pathlib", "Path"), text(m)),
                                                   text("touch")))),
    "partial": lambda m: raw(call(call(name("functools", "partial"), MKDIR, text(m)))),
    "reduce": lambda m: raw(call(name("functools", "reduce"), MKDIR, b"(" + text(m) + number(511) + b"l")),
    "map": lambda m: raw(call(name("builtins", "list"), call(name("builtins", "map"), MKDIR, b"(" + text(m) + b"l"))),
    "methodcaller": lambda m: raw(call(call(name("operator", "methodcaller"), text("touch")),
                                       call(name("pathlib", "Path"), text(m)))),
    "attrgetter": lambda m: raw(call(call(call(name("operator", "attrgetter"), text("mkdir")),
                                          call(name("importlib", "import_module"), text("os"))), text(m))),
    "import_module": lambda m: raw(call(call(name("builtins", "getattr"), call(name("builtins", "__import__"),
                                                                               text("os")), text("mkdir")), text(m))),
    "a nested pickle": lambda m: raw(of_bytes_call("pickle", "loads", of(os.mkdir, m))),
    "a function from its code": code_object,
    "an import alone": module_with_effect,
    "dotted name": lambda m: b"\x80\x04" + call(text("pathlib") + text("os.mkdir") + b"\x93", text(m)) + b".",
    "dotted name of torch": lambda m: b"\x80\x04" + call(
        text("jtorch.serialization.io") + text("os.mkdir") + b"\x93", text(m)
    ) + b".",
    "INST": lambda m: b"(S'" + m.encode() + b"'\nios\nmkdir\n.",
    "OBJ": lambda m: raw(b"(" + name("pathlib", "Path") + text(m) + b"o0(" + name("zipfile", "ZipFile") + text(m)
                         + text("w") + b"o"),
    "EXT1": extension,
    "NEWOBJ and BUILD": lambda m: raw(name("collections", "OrderedDict") + b")\x81}" + text("__setstate__") + MKDIR
                                      + b"sb" + text(m) + b"b"),
    "BUILD of an allowed object": lambda m: raw(call(name("collections", "OrderedDict")) + b"}" + text("__setstate__")
                                                + MKDIR + b"sb" + text(m) + b"b"),
    "a default factory": lambda m: raw(call(name("operator", "getitem"), call(
        name("collections", "defaultdict"), call(name("functools", "partial"), MKDIR, text(m))), number(1))),
    "setitem": lambda m: raw(call(name("operator", "setitem"), name("os", "environ"), text(MARK_VARIABLE), text("1"))),
    "numpy.save": lambda m: of(np.save, m + ".npy", 1),
    "numpy.memmap": lambda m: raw(call(name("numpy", "memmap"), text(m), text("u1"), text("w+"), number(0),
                                       b"(" + number(4) + b"t")),
    "numpy's tofile": lambda m: raw(call(call(name("builtins", "getattr"), call(name("numpy", "arange"), number(3)),
                                              text("tofile")), text(m))),
    "jtorch.save": lambda m: raw(call(name("jtorch", "save"), number(1), text(m))),
    "jtorch.serialization.save": lambda m: raw(call(name("jtorch.serialization.io", "save"), number(1), text(m))),
    "in a list": lambda m: raw(b"(" + number(1) + call(MKDIR, text(m)) + b"l"),
    "in a dict": lambda m: raw(b"}" + text("a") + b"}" + text("b") + call(MKDIR, text(m)) + b"ss"),
    "as a key": lambda m: raw(b"}" + call(MKDIR, text(m)) + number(1) + b"s"),
    "thrown away": lambda m: raw(call(MKDIR, text(m)) + b"0N"),
    "in a set": lambda m: pickle.dumps({Reduced(os.mkdir, m)}, 4),
    "deep": lambda m: raw(b"]" * 300 + call(MKDIR, text(m)) + b"a" * 300),
    "as a state": lambda m: raw(call(name("collections", "OrderedDict")) + b"}" + text("x") + call(MKDIR, text(m))
                                + b"sb"),
    "in a Counter": lambda m: raw(call(name("collections", "Counter"), b"}" + text("x") + call(MKDIR, text(m)) + b"s")),
    "as an argument": lambda m: raw(call(name("builtins", "bytearray"), call(name("os", "open"), text(m),
                                                                             number(os.O_CREAT)))),
}  # fmt: skip
MARK_VARIABLE = "JTORCH_HOSTILE"


def script(mark: str) -> str:
    path = Path(mark).parent / "script.py"
    path.write_text(writes(mark))
    return str(path)


def in_zip(pickled: bytes, compression: int = zipfile.ZIP_STORED, **more: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", b"little")
        for record, data in {"data/0": b"\0" * 8, "version": b"3\n", **more}.items():
            archive.writestr(f"archive/{record}", data)
    return file.getvalue()


def in_legacy(pickled: bytes, keys: bytes | None = None) -> bytes:
    head = {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    parts = [pickle.dumps(x, 2) for x in (MAGIC, PROTOCOL, head)]
    return b"".join(parts) + pickled + (keys or pickle.dumps([], 2))


FORMATS = {
    "zip": in_zip,
    "deflated": lambda p: in_zip(p, zipfile.ZIP_DEFLATED),
    "legacy": in_legacy,
    "bare": lambda p: p,
    "magic": lambda p: p + pickle.dumps(PROTOCOL, 2),
    "keys": lambda p: in_legacy(pickle.dumps(1, 2), p),
}


def marked(mark: Path) -> bool:
    parts = mark.parent.iterdir()
    found = [p for p in parts if p.name.startswith("mark")]
    return bool(found) or MARK_VARIABLE in os.environ


@pytest.fixture
def mark(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(MARK_VARIABLE, "")
    monkeypatch.delenv(MARK_VARIABLE)
    yield tmp_path / "mark"
    sys.modules.pop("jtorch_hostile", None)


@pytest.mark.parametrize("payload", RUNS)
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_pickles_that_run_something(payload, mark, capfd):
    pickled = RUNS[payload](str(mark))
    assert not marked(mark)
    for wrap in FORMATS.values():
        for weights_only in (None, True):
            with pytest.raises(CLEAR):
                jtorch.load(io.BytesIO(wrap(pickled)), weights_only=weights_only)
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        jtorch.load(io.BytesIO(in_zip(pickled)))
    found = jtorch.serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(in_zip(pickled))) if _looks(pickled) else 1
    assert found
    assert not marked(mark)
    try:  # what the real pickle would have done
        made = pickle.loads(pickled)
    except Exception:
        made = None
    assert marked(mark), "the payload is no danger, so the test shows nothing"
    del made


def _looks(pickled: bytes) -> bool:
    """Whether a pickle has opcodes only that files of torch have: others are refused before names are seen."""
    return pickled[:2] == b"\x80\x02" and b"\x82\xf1" not in pickled and b"0(czipfile" not in pickled


def test_a_payload_beside_a_tensor(mark):
    for body in (
        b"(" + TENSOR + call(MKDIR, text(str(mark))) + b"l",
        TENSOR.replace(call(name("collections", "OrderedDict")), call(MKDIR, text(str(mark)))),
        b"(" + text("storage") + name("torch", "FloatStorage") + call(MKDIR, text(str(mark))) + b"tQ",
        b"(" + text("module") + call(MKDIR, text(str(mark))) + text("x") + text("y") + b"tQ",
    ):
        for weights_only in (None, True):
            with pytest.raises(pickle.UnpicklingError):
                jtorch.load(io.BytesIO(in_zip(raw(body))), weights_only=weights_only)
    assert not marked(mark)
    assert jtorch.load(io.BytesIO(in_zip(raw(TENSOR)))).tolist() == [0.0, 0.0]  # the rest of those files is in order


# -- classes that the default allows


class Wired(jtorch.nn.Module):
    """A model of the program whose methods a file might want called."""

    ran: list[str] = []

    def __init__(self, *args: Any) -> None:
        super().__init__()
        self.ran.append("__init__")

    def __new__(cls, *args: Any) -> "Wired":
        cls.ran.append("__new__")
        return super().__new__(cls)

    def __call__(self, *args: Any) -> None:
        self.ran.append("__call__")

    def __eq__(self, other: object) -> bool:
        self.ran.append("__eq__")
        return True

    def __hash__(self) -> int:
        self.ran.append("__hash__")
        return 0

    def __reduce_ex__(self, protocol: Any) -> Any:
        self.ran.append("__reduce_ex__")
        return int, ()


WIRED = name(__name__, "Wired")
GADGETS = {
    "called": call(WIRED),
    "an object called": call(WIRED + b")\x81"),
    "made with arguments": WIRED + b"(" + number(1) + b"t\x81",
    "a key": b"}" + WIRED + b")\x81" + number(1) + b"s",
    "in a set": call(name("builtins", "set"), b"(" + WIRED + b")\x81" + b"l"),
    "a method": name(__name__, "Wired.__call__"),
    "appended to": WIRED + b")\x81" + number(1) + b"a",
    "given items": WIRED + b")\x81" + number(1) + number(1) + b"s",
    "the class's attribute": WIRED + b"}" + text("forward") + number(1) + b"sb",
    "a private name": WIRED + b")\x81}" + text("__class__") + name("builtins", "int") + b"sb",
    "a factory": call(name("collections", "defaultdict"), WIRED),
}


@pytest.mark.parametrize("gadget", GADGETS)
def test_classes_of_the_program_are_not_run(gadget):
    Wired.ran.clear()
    with pytest.raises(pickle.UnpicklingError):
        jtorch.load(io.BytesIO(in_zip(raw(GADGETS[gadget]))))
    assert Wired.ran == []


def test_an_allowed_object_runs_nothing_while_it_is_made():
    Wired.ran.clear()
    made = jtorch.load(io.BytesIO(in_zip(raw(WIRED + b")\x81}" + text("x") + number(1) + b"sb"))))
    assert type(made) is Wired and made.__dict__["x"] == 1
    assert Wired.ran == []


# -- numbers that are not what they say


def tensor_of(count: int, offset: int, size: tuple, stride: tuple, key: str = "0", kind: str = "FloatStorage") -> bytes:
    def numbers(xs: tuple) -> bytes:
        return b"(" + b"".join(map(number, xs)) + b"t"

    storage = b"(" + text("storage") + name("torch", kind) + text(key) + text("cpu") + number(count) + b"tQ"
    hooks = call(name("collections", "OrderedDict"))
    return raw(
        call(
            name("torch._utils", "_rebuild_tensor_v2"), storage, number(offset), numbers(size), numbers(stride),
            b"\x89", hooks,
        )
    )  # fmt: skip


SIZES = {
    "more than there is": tensor_of(2, 0, (3,), (1,)),
    "storage larger than its record": tensor_of(1 << 40, 0, (2,), (1,)),
    "storage smaller than its record": tensor_of(1, 0, (1,), (1,)),
    "impossible storage": tensor_of(1 << 62, 0, (2,), (1,)),
    "negative storage": tensor_of(-2, 0, (2,), (1,)),
    "beyond the end": tensor_of(2, 5, (1,), (1,)),
    "before the start": tensor_of(2, -1, (1,), (1,)),
    "negative size": tensor_of(2, 0, (-1,), (1,)),
    "negative stride": tensor_of(2, 1, (2,), (-1,)),
    "stride past the end": tensor_of(2, 0, (2, 2), (1 << 40, 1)),
    "sizes that overflow": tensor_of(2, 0, (1 << 40, 1 << 40), (1, 1)),
    "dimensions and strides": tensor_of(2, 0, (2,), (1, 1)),
    "no such record": tensor_of(2, 0, (2,), (1,), "7"),
    "a path as a record": tensor_of(2, 0, (2,), (1,), "../../../etc/passwd"),
    "no such storage": tensor_of(2, 0, (2,), (1,), "0", "EvilStorage"),
    "broadcast to terabytes": tensor_of(2, 0, (1 << 50, 2), (0, 1)),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("weights_only", [None, True])
def test_sizes_that_do_not_fit(size, weights_only):
    with pytest.raises(CLEAR):
        made = jtorch.load(io.BytesIO(in_zip(SIZES[size])), weights_only=weights_only)
        made.tolist()


BOMBS = {
    "a long string": raw(b"X\xff\xff\xff\x7fx"),
    "a longer string": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b"x.",
    "a long number": raw(b"\x8b\xff\xff\xff\x7fx"),
    "a negative length": raw(b"\x8b\xff\xff\xff\xffx"),
    "a long byte string": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"x.",
    "a frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"N",
    "a memo place": raw(b"j\xff\xff\xff\xff"),
    "a bytearray of a number": raw(call(name("builtins", "bytearray"), number(1 << 40))),
    "a list of a range": raw(call(name("builtins", "list"), call(name("builtins", "range"), number(0),
                                                                 number(1 << 40), number(1)))),
    "repeated text": raw(call(name("operator", "mul"), text("x"), number(1 << 40))),
    "a power": raw(call(name("operator", "pow"), number(9), number(1 << 40))),
    "zeros": raw(call(name("torch", "zeros"), number(1 << 40))),
    "a numpy array": raw(call(name("numpy", "zeros"), number(1 << 40))),
    "a wide numpy dtype": raw(call(name("numpy.core.multiarray", "scalar"), call(name("numpy", "dtype"),
                              text("S2000000000"), b"\x89", b"\x88"), text("x"))),
    "keys of keys": raw(b")" + b"".join(b"q\x00h\x00h\x00\x86" for _ in range(60)) + b"q\x01}h\x01" + number(1) + b"s"),
    "an empty stack": raw(b"a"),
    "no end": b"\x80\x02" + b"]" * 100000,
    "no start": b"." * 10,
    "protocol 255": b"\x80\xff.",
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("weights_only", [None, True])
def test_pickles_that_ask_for_too_much(bomb, weights_only):
    start = time.monotonic()
    for wrap in (in_zip, in_legacy):
        with pytest.raises(CLEAR):
            jtorch.load(io.BytesIO(wrap(BOMBS[bomb])), weights_only=weights_only)
    assert time.monotonic() - start < 20


# -- archives


def deflated_zeros() -> bytes:
    """A record of 256 MiB that takes 256 KiB."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("archive/data.pkl", tensor_of(1 << 26, 0, (1 << 26,), (1,)))
        archive.writestr("archive/data/0", bytes(1 << 28))
    return file.getvalue()


def claiming(size: int) -> bytes:
    """A record that says it has ``size`` bytes."""
    whole = bytearray(in_zip(tensor_of(2, 0, (2,), (1,))))
    at = whole.rindex(b"archive/data/0") - 46
    whole[at + 20 : at + 28] = struct.pack("<II", size, size)
    return bytes(whole)


def overlapping() -> bytes:
    """Two names for one place."""
    whole = bytearray(in_zip(tensor_of(2, 0, (2,), (1,)), more=b"\0" * 8))
    at = whole.rindex(b"archive/more") - 46
    whole[at + 42 : at + 46] = struct.pack("<I", whole.index(b"archive/data/0") - 30)
    return bytes(whole)


def named(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", tensor_of(2, 0, (2,), (1,)))
        for each in names:
            archive.writestr(zipfile.ZipInfo(each), b"\0" * 8)
    return file.getvalue()


ARCHIVES = {
    "a zip bomb": deflated_zeros,
    "a size of gigabytes": lambda: claiming(0xFFFFFFF0),
    "a size of one byte more": lambda: claiming(9),
    "overlapping records": overlapping,
    "a path upwards": lambda: named("archive/data/0", "archive/../../mark"),
    "a path upwards at once": lambda: named("../mark"),
    "an absolute path": lambda: named("/tmp/mark"),
    "a backslash": lambda: named("archive\\..\\mark", "archive/data/0"),
    "another folder": lambda: named("archive/data/0", "other/data.pkl"),
    "no pickle": lambda: in_zip(b"").replace(b"data.pkl", b"data.pkx"),
    "an empty archive": lambda: b"PK\5\6" + bytes(18),
    "only a header": lambda: b"PK\3\4" + bytes(26),
    "an encrypted record": lambda: in_zip(tensor_of(2, 0, (2,), (1,))).replace(b"PK\1\2\x14\3\x14\0\0\0",
                                                                               b"PK\1\2\x14\3\x14\0\1\0"),
    "a byte order": lambda: in_zip(tensor_of(2, 0, (2,), (1,))).replace(b"little", b"middle"),
    "torchscript": lambda: in_zip(tensor_of(2, 0, (2,), (1,)), **{"constants.pkl": b"\x80\x02]."}),
}  # fmt: skip


@pytest.mark.parametrize("archive", ARCHIVES)
@pytest.mark.parametrize("mmap", [False, True])
def test_archives_that_are_not_what_they_say(archive, mmap, mark, monkeypatch):
    monkeypatch.chdir(mark.parent)
    path = mark.parent / "x.pt"
    path.write_bytes(ARCHIVES[archive]())
    with pytest.raises((*CLEAR, ValueError)):
        jtorch.load(path, mmap=mmap)
    assert sorted(os.listdir(mark.parent)) == ["x.pt"]


def example() -> dict[str, Any]:
    x = jtorch.arange(6.0).reshape(2, 3)
    return {"x": x, "view": x[1], "more": [OrderedDict(a=(1, "b", None)), jtorch.ones(2).bool()], "lr": 0.1}


@pytest.mark.parametrize("zipped", [True, False])
def test_every_file_that_is_cut_short_is_refused(zipped):
    file = io.BytesIO()
    jtorch.save(example(), file, _use_new_zipfile_serialization=zipped)
    whole = file.getvalue()
    for at in range(0, len(whole), 7):
        with pytest.raises(CLEAR):
            jtorch.load(io.BytesIO(whole[:at]))


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("weights_only", [None, True])
def test_files_with_flipped_bits_raise_clear_errors_or_load(zipped, weights_only):
    file = io.BytesIO()
    jtorch.save(example(), file, _use_new_zipfile_serialization=zipped)
    rng = random.Random(5)
    refused = 0
    for _ in range(400):
        whole = bytearray(file.getvalue())
        for _ in range(rng.choice((1, 1, 3))):
            whole[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        try:
            jtorch.load(io.BytesIO(bytes(whole)), weights_only=weights_only)
        except (*CLEAR, ValueError):
            refused += 1
    assert refused > 50


@pytest.mark.parametrize("weights_only", [None, True])
def test_random_pickles_raise_clear_errors_or_load(weights_only):
    rng = random.Random(6)
    codes = b"]}()NKXcqhRbstuaeMJ.0Q\x85\x86\x87\x88\x89\x8a\x81\x93\x94"
    for _ in range(2000):
        body = bytes(rng.choice(codes) for _ in range(rng.randrange(1, 40)))
        with contextlib.suppress(CLEAR):
            jtorch.load(io.BytesIO(in_zip(raw(body))), weights_only=weights_only)


def test_there_are_enough_of_them():
    assert len(RUNS) >= 40
