"""Files that torch and jtorch write for each other, and what both make of damaged and hostile ones."""

import collections
import io
import os
import pickle
import re
import warnings
import zipfile
from typing import Any

import numpy as np
import pytest
import torch

import jtorch

DTYPES = [
    "float32",
    "float64",
    "float16",
    "bfloat16",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint8",
    "bool",
    "complex64",
    "complex128",
    "uint16",
    "uint32",
    "uint64",
    "float8_e4m3fn",
    "float8_e5m2",
]
VIEWS = {
    "whole": lambda t: t,
    "transposed": lambda t: t.t(),
    "rows": lambda t: t[1:],
    "column": lambda t: t[:, 1],
    "element": lambda t: t[1, 2],
    "empty": lambda t: t[:0],
    "expanded": lambda t: t[:1].expand(4, 3),
    "diagonal": lambda t: t[:, :2].diagonal(),
    "stepped": lambda t: t.reshape(-1)[1::2],
    "unsqueezed": lambda t: t.unsqueeze(1),
}
SAVERS = {
    "zip": {},
    "legacy": {"_use_new_zipfile_serialization": False},
    "protocol 3": {"pickle_protocol": 3},
    "protocol 4": {"pickle_protocol": 4},
}


def sent(obj: Any, source: Any, target: Any, save: dict | None = None, **load: Any) -> Any:
    """``obj`` saved by one library and loaded by the other."""
    file = io.BytesIO()
    source.save(obj, file, **(save or {}))
    file.seek(0)
    return target.load(file, **load)


def numbers(t: Any) -> bytes:
    """The elements of a tensor of either library, in order."""
    if isinstance(t, torch.Tensor):
        flat = t.detach().clone(memory_format=torch.contiguous_format).reshape(-1)
        return flat.view(torch.uint8).numpy().tobytes()
    return t._host("test").tobytes()


def assert_same(ours: Any, theirs: Any) -> None:
    """The two are equal, containers and types and all."""
    if isinstance(theirs, torch.Tensor):
        assert type(ours).__name__ == type(theirs).__name__
        assert tuple(ours.shape) == tuple(theirs.shape)
        assert str(ours.dtype) == str(theirs.dtype)
        assert ours.requires_grad == theirs.requires_grad
        if theirs.numel():
            assert ours.stride() == theirs.stride()
            assert ours.storage_offset() == theirs.storage_offset()
        assert numbers(ours) == numbers(theirs)
        return
    if isinstance(theirs, dict):
        assert type(ours) is type(theirs)
        assert list(ours) == list(theirs)
        for key in theirs:
            assert_same(ours[key], theirs[key])
        return
    if isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            assert_same(a, b)
        return
    assert str(ours) == str(theirs)


def example(lib: Any, dtype: str) -> Any:
    return lib.arange(12).reshape(4, 3).to(getattr(lib, dtype))


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_and_layout_goes_both_ways(dtype, view):
    theirs, ours = VIEWS[view](example(torch, dtype)), VIEWS[view](example(jtorch, dtype))
    assert_same(sent(theirs, torch, jtorch, weights_only=True), theirs)
    assert_same(ours, sent(ours, jtorch, torch, weights_only=True))
    again = sent(sent(theirs, torch, jtorch), jtorch, torch, weights_only=True)
    assert_same(ours, again)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("how", SAVERS)
def test_formats_and_protocols(how):
    theirs = {"a": example(torch, "float32"), "b": [example(torch, "bool"), (1, 2.5, None, "x", b"y", 10**30)]}
    ours = {"a": example(jtorch, "float32"), "b": [example(jtorch, "bool"), (1, 2.5, None, "x", b"y", 10**30)]}
    assert_same(sent(theirs, torch, jtorch, SAVERS[how]), theirs)
    # torch's own restricted unpickler knows protocol 2 only
    assert_same(ours, sent(ours, jtorch, torch, SAVERS[how], weights_only="pickle_protocol" not in SAVERS[how]))


def shared(lib: Any) -> dict:
    x = lib.zeros(4, 3)
    return {"x": x, "row": x[1], "turned": x.t(), "part": x[1:3], "again": x}


@pytest.mark.parametrize("source, target", [(torch, jtorch), (jtorch, torch)])
@pytest.mark.parametrize("how", ["zip", "legacy"])
def test_views_go_on_sharing(source, target, how):
    made = sent(shared(source), source, target, SAVERS[how])
    made["row"].fill_(7)
    assert made["x"][1].tolist() == made["turned"][:, 1].tolist() == made["part"][0].tolist() == [7.0, 7.0, 7.0]
    assert made["again"] is made["x"]
    assert made["x"].untyped_storage().data_ptr() == made["part"].untyped_storage().data_ptr()
    assert made["part"].data_ptr() - made["x"].data_ptr() == 12


@pytest.mark.parametrize("seen", ["tail", "turned"])
def test_a_view_alone_brings_its_storage(seen):
    def make(lib):
        return lib.arange(12.0)[4:10] if seen == "tail" else lib.arange(12.0).view(3, 4).t()

    ours = sent(make(torch), torch, jtorch)
    assert ours.untyped_storage().nbytes() == make(torch).untyped_storage().nbytes()
    assert_same(ours, make(torch))
    assert_same(make(jtorch), sent(make(jtorch), jtorch, torch))


# -- modules and optimizers


def model(lib: Any) -> Any:
    lib.manual_seed(0)
    return lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.BatchNorm1d(4), lib.nn.ReLU(), lib.nn.Linear(4, 2))


def trained(lib: Any) -> tuple[Any, Any]:
    lib.manual_seed(0)
    net = lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.ReLU(), lib.nn.Linear(4, 2))
    opt = lib.optim.Adam(net.parameters(), lr=0.1)
    lib.manual_seed(1)
    x = lib.randn(8, 3)
    for _ in range(3):
        opt.zero_grad()
        net(x).square().mean().backward()
        opt.step()
    return net, opt


def test_state_dicts_go_both_ways():
    theirs, ours = model(torch), model(jtorch)
    state = sent(theirs.state_dict(), torch, jtorch, weights_only=True)
    assert type(state) is collections.OrderedDict
    assert state._metadata == theirs.state_dict()._metadata
    assert ours.load_state_dict(state).missing_keys == []
    state = sent(ours.state_dict(), jtorch, torch, weights_only=True)
    assert state._metadata == ours.state_dict()._metadata
    theirs.load_state_dict(state)
    assert_same(ours.state_dict(), theirs.state_dict())


def test_a_checkpoint_goes_on_in_the_other_library():
    net, opt = trained(torch)
    checkpoint = {"model": net.state_dict(), "optim": opt.state_dict(), "epoch": 3, "best": torch.tensor(0.5)}
    made = sent(checkpoint, torch, jtorch, weights_only=True)
    assert_same(made, checkpoint)
    mine, my_opt = trained(jtorch)
    mine.load_state_dict(made["model"])
    my_opt.load_state_dict(made["optim"])
    back = sent({"model": mine.state_dict(), "optim": my_opt.state_dict()}, jtorch, torch, weights_only=True)
    opt.load_state_dict(back["optim"])
    net.load_state_dict(back["model"])
    for lib, m, o in ((torch, net, opt), (jtorch, mine, my_opt)):
        o.zero_grad()
        m(lib.ones(2, 3)).square().mean().backward()
        o.step()
    for a, b in zip(mine.parameters(), net.parameters(), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-5, atol=1e-6)


def tied(lib: Any) -> Any:
    net = lib.nn.Sequential(lib.nn.Embedding(5, 3), lib.nn.Linear(3, 5, bias=False))
    net[1].weight = net[0].weight
    return net


@pytest.mark.parametrize("how", ["zip", "legacy"])
def test_tied_parameters_stay_tied(how):
    for source, target in ((torch, jtorch), (jtorch, torch)):
        state = sent(tied(source).state_dict(), source, target, SAVERS[how], weights_only=True)
        state["0.weight"].fill_(7)
        assert state["1.weight"][0].tolist() == [7.0, 7.0, 7.0]
        parameters = sent(dict(tied(source).named_parameters(remove_duplicate=False)), source, target, SAVERS[how])
        assert parameters["0.weight"] is parameters["1.weight"]
        assert type(parameters["0.weight"]) is target.nn.Parameter


SCHEDULERS = {
    "step": lambda lib, o: lib.optim.lr_scheduler.StepLR(o, 2),
    "cosine": lambda lib, o: lib.optim.lr_scheduler.CosineAnnealingLR(o, 10),
    "one cycle": lambda lib, o: lib.optim.lr_scheduler.OneCycleLR(o, 1.0, total_steps=10),
    "plateau": lambda lib, o: lib.optim.lr_scheduler.ReduceLROnPlateau(o, patience=1),
}
OPTIMIZERS = {
    "sgd": lambda lib, p: lib.optim.SGD(p, lr=0.1, momentum=0.9),
    "adamw": lambda lib, p: lib.optim.AdamW(p, lr=0.1, amsgrad=True),
    "rmsprop": lambda lib, p: lib.optim.RMSprop(p, lr=0.1, centered=True),
}


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers_and_schedulers_go_on_in_the_other_library(optimizer, scheduler):
    def begin(lib):
        x = lib.nn.Parameter(lib.arange(3.0) + 1)
        opt = OPTIMIZERS[optimizer](lib, [x])
        return x, opt, SCHEDULERS[scheduler](lib, opt)

    def go_on(x, opt, plan, steps):
        rates = []
        for _ in range(steps):
            opt.zero_grad()
            x.square().sum().backward()
            opt.step()
            plan.step(*([1.0] if scheduler == "plateau" else []))
            rates.append(opt.param_groups[0]["lr"])
        return rates, x.tolist()

    for source, target in ((torch, jtorch), (jtorch, torch)):
        x, opt, plan = begin(source)
        go_on(x, opt, plan, 3)
        state = sent({"x": x.data, "opt": opt.state_dict(), "plan": plan.state_dict()}, source, target)
        y, other, plan2 = begin(target)
        y.data.copy_(state["x"])
        other.load_state_dict(state["opt"])
        plan2.load_state_dict(state["plan"])
        (rates, values), (rates2, values2) = go_on(x, opt, plan, 4), go_on(y, other, plan2, 4)
        np.testing.assert_allclose(rates2, rates, rtol=1e-6)
        np.testing.assert_allclose(values2, values, rtol=2e-5, atol=1e-6)


def test_parameters_keep_what_they_are():
    for grad in (True, False):
        theirs = torch.nn.Parameter(torch.arange(3.0), requires_grad=grad)
        ours = jtorch.nn.Parameter(jtorch.arange(3.0), requires_grad=grad)
        assert_same(sent(theirs, torch, jtorch), theirs)
        assert_same(ours, sent(ours, jtorch, torch, weights_only=True))


def test_attributes_travel_with_a_tensor():
    theirs, ours = torch.ones(2), jtorch.ones(2)
    theirs.note = ours.note = "kept"
    assert sent(theirs, torch, jtorch).note == "kept"
    assert sent(ours, jtorch, torch, weights_only=False).note == "kept"


def test_a_whole_module_goes_both_ways():
    with torch.serialization.safe_globals([torch.nn.Linear]):
        ours = sent(torch.nn.Linear(2, 3), torch, jtorch)
    assert type(ours) is jtorch.nn.Linear
    mine = model(jtorch)
    theirs = sent(mine, jtorch, torch, weights_only=False)
    assert type(theirs) is torch.nn.Sequential
    assert_same(mine.state_dict(), theirs.state_dict())
    x = np.ones((2, 3), np.float32)
    mine.eval(), theirs.eval()
    np.testing.assert_allclose(
        mine(jtorch.from_numpy(x)).detach().numpy(), theirs(torch.from_numpy(x)).detach().numpy(), rtol=1e-5
    )


# -- other objects

OBJECTS = {
    "set": lambda lib: {1, 2},
    "complex": lambda lib: 1 + 2j,
    "Counter": lambda lib: collections.Counter("aab"),
    "bytearray": lambda lib: bytearray(b"x"),
    "dtype": lambda lib: lib.bfloat16,
    "device": lambda lib: lib.device("cpu"),
    "cuda": lambda lib: lib.device("cuda", 1),
    "Size": lambda lib: lib.Size([1, 2]),
    "layout": lambda lib: lib.strided,
    "nested": lambda lib: {"a": [({"b": lib.ones(2)}, [lib.zeros(1)])], 3: None, (1, "x"): True},
    "rng state": lambda lib: lib.manual_seed(3).get_state(),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_objects(name):
    make = OBJECTS[name]
    assert_same(sent(make(torch), torch, jtorch, weights_only=True), make(torch))
    assert_same(make(jtorch), sent(make(jtorch), jtorch, torch, weights_only=True))


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


REFUSED = {
    "os.system": lambda lib: Evil(os.system, "exit 1"),
    "eval": lambda lib: Evil(eval, "1"),
    "exec": lambda lib: Evil(exec, "x = 1"),
    "getattr": lambda lib: Evil(getattr, "x", "upper"),
    "numpy": lambda lib: np.arange(3),
    "numpy scalar": lambda lib: np.float32(1),
    "range": lambda lib: range(3),
    "slice": lambda lib: slice(1, 2),
    "frozenset": lambda lib: frozenset([1]),
    "class": lambda lib: Evil,
}


@pytest.mark.parametrize("name", REFUSED)
def test_weights_only_refuses_the_same(name):
    file = io.BytesIO()
    torch.save({"x": REFUSED[name](torch)}, file)
    for lib in (torch, jtorch):
        file.seek(0)
        with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
            lib.load(file, weights_only=True)


def test_registered_classes_are_allowed():
    for source, target in ((torch, jtorch), (jtorch, torch)):
        before = target.serialization.get_safe_globals()
        with target.serialization.safe_globals([np.dtype, (Evil, f"{__name__}.Evil")]):
            assert sent(Evil, source, target, weights_only=True) is Evil
            assert np.dtype in target.serialization.get_safe_globals()
        assert set(target.serialization.get_safe_globals()) == set(before)


def test_unsafe_names_are_told():
    file = io.BytesIO()
    torch.save({"x": np.arange(3), "y": torch.ones(1), "z": Evil}, file)
    found = []
    for lib in (torch, jtorch):
        file.seek(0)
        found.append(set(lib.serialization.get_unsafe_globals_in_checkpoint(file)))
    assert found[0] == found[1]


# -- errors


def file_of(lib: Any, **save: Any) -> bytes:
    file = io.BytesIO()
    lib.save({"a": lib.arange(1000.0), "b": lib.ones(3)}, file, **save)
    return file.getvalue()


DAMAGED = {
    "nothing": lambda raw, old: b"",
    "short magic": lambda raw, old: raw[:4],
    "half": lambda raw, old: raw[:2000],
    "legacy cut": lambda raw, old: old[:-5],
    "json": lambda raw, old: b'{"a": 1}',
    "old pickle": lambda raw, old: pickle.dumps({"a": 1}, 2),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_raise_the_same(name, tmp_path):
    path = tmp_path / "x.pt"
    path.write_bytes(DAMAGED[name](file_of(torch), file_of(torch, _use_new_zipfile_serialization=False)))
    with pytest.raises(Exception) as theirs:
        torch.load(path)
    with pytest.raises(type(theirs.value)) as ours:
        jtorch.load(path)
    head = re.match(r"[^.(]*", str(theirs.value)).group()
    if "not a ZIP" not in head:
        assert head in str(ours.value)


CALLS = {
    "no such file": lambda lib, raw: lib.load("/nonexistent/x.pt"),
    "a folder": lambda lib, raw: lib.load("/tmp"),
    "a number": lambda lib, raw: lib.load(5),
    "no folder": lambda lib, raw: lib.save({}, "/nonexistent/dir/x.pt"),
    "not writable": lambda lib, raw: lib.save({}, 5),
    "no device": lambda lib, raw: lib.load(io.BytesIO(raw), map_location="cuda"),
    "bad device": lambda lib, raw: lib.load(io.BytesIO(raw), map_location="foo"),
    "mmap": lambda lib, raw: lib.load(io.BytesIO(raw), mmap=True),
    "pickle module": lambda lib, raw: lib.load(io.BytesIO(raw), pickle_module=pickle, weights_only=True),
}


@pytest.mark.parametrize("name", CALLS)
def test_wrong_calls_raise_the_same(name):
    raw = file_of(torch)
    with pytest.raises(Exception) as theirs:
        CALLS[name](torch, raw)
    with pytest.raises(type(theirs.value)) as ours:
        CALLS[name](jtorch, raw)
    assert str(ours.value).split(" at ")[0] == str(theirs.value).split(" at ")[0]


def test_what_cannot_be_pickled_leaves_no_file(tmp_path):
    for lib in (torch, jtorch):
        with pytest.raises((AttributeError, pickle.PicklingError), match="Can't pickle"):
            lib.save(lambda: 1, tmp_path / f"{lib.__name__}.pt")
    assert not (tmp_path / "jtorch.pt").exists()


MAPS = {
    "none": None,
    "string": "cpu",
    "device": lambda lib: lib.device("cpu"),
    "meta": "meta",
    "dict": {"cpu": "cpu"},
    "same": lambda lib: lambda storage, location: storage,
    "nothing": lambda lib: lambda storage, location: None,
    "cpu": lambda lib: lambda storage, location: storage.cpu(),
}


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("legacy", [False, True])
def test_map_location(name, legacy):
    raw = file_of(torch, _use_new_zipfile_serialization=not legacy)
    for lib in (torch, jtorch):
        how = MAPS[name](lib) if callable(MAPS[name]) else MAPS[name]
        made = lib.load(io.BytesIO(raw), map_location=how)
        assert made["a"].device.type == ("meta" if name == "meta" else "cpu")
        assert made["a"].shape == (1000,)
        if name != "meta":
            assert made["a"][-1].item() == 999.0


def test_mmap_and_paths(tmp_path):
    path = tmp_path / "x.pt"
    path.write_bytes(file_of(torch))
    for f in (path, str(path)):
        made = jtorch.load(f, mmap=True)
        made["a"] += 1
        assert made["a"][-1].item() == 1000.0
        assert jtorch.load(f)["a"][-1].item() == 999.0
    jtorch.save(made, path)
    assert torch.load(path, mmap=True)["a"][-1].item() == 1000.0


def test_several_objects_in_one_file():
    file = io.BytesIO()
    for n in (1.0, 2.0):
        torch.save(torch.full((2,), n), file, _use_new_zipfile_serialization=False)
    file.seek(0)
    assert [jtorch.load(file).tolist() for _ in range(2)] == [[1.0, 1.0], [2.0, 2.0]]


def without(record: str, file: io.BytesIO) -> io.BytesIO:
    made = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            if not name.endswith(record):
                new.writestr(name, old.read(name))
    made.seek(0)
    return made


@pytest.mark.parametrize("order", [None, "NATIVE", "LITTLE", "BIG"])
def test_files_that_do_not_say_their_byte_order(order):
    for lib in (torch, jtorch):
        file = io.BytesIO()
        lib.save(lib.tensor([1, 256], dtype=lib.int16), file)
        lib.serialization.set_default_load_endianness(order and lib.serialization.LoadEndianness[order])
        try:
            assert lib.load(without("byteorder", file)).tolist() == ([256, 1] if order == "BIG" else [1, 256])
        finally:
            lib.serialization.set_default_load_endianness(None)
        with pytest.raises(TypeError, match="Invalid argument type"):
            lib.serialization.set_default_load_endianness("little")


PLACES = {
    "tag": lambda s, lib: s.location_tag(lib.ones(2).untyped_storage()),
    "meta": lambda s, lib: s.location_tag(lib.ones(2, device="meta").untyped_storage()),
    "typed": lambda s, lib: s.location_tag(lib.ones(2).storage()),
    "restored": lambda s, lib: s.default_restore_location(lib.ones(2).untyped_storage(), "cpu").tolist(),
    "nowhere": lambda s, lib: s.default_restore_location(lib.ones(2).untyped_storage(), "foo"),
    "no gpu": lambda s, lib: s.default_restore_location(lib.ones(2).untyped_storage(), "cuda:0"),
    "validate": lambda s, lib: s.validate_cuda_device("cuda:1"),
    "mmap": lambda s, lib: s.get_default_mmap_options(),
    "mmap flags": lambda s, lib: s.set_default_mmap_options(77),
    "crc": lambda s, lib: s.get_crc32_options(),
    "warning": lambda s, lib: s.SourceChangeWarning.__mro__[1:],
}


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_places_and_options(name):
    made = []
    for lib in (torch, jtorch):
        try:
            made.append(PLACES[name](lib.serialization, lib))
        except Exception as error:
            made.append((type(error), str(error)))
    assert made[1] == made[0]


def test_data_left_out_by_the_other_library(tmp_path):
    for source, target in ((torch, jtorch), (jtorch, torch)):
        path = tmp_path / "x.pt"
        with source.serialization.skip_data():
            source.save({"w": source.ones(1000), "n": 3}, path)
        made = target.load(path)
        assert made["n"] == 3 and made["w"].shape == (1000,)


def test_dtype_clash_raises_the_same():
    def clash(lib):
        x = lib.arange(4.0)
        lib.save({"a": x.untyped_storage(), "b": x}, io.BytesIO())

    for lib in (torch, jtorch):
        with pytest.raises(RuntimeError, match="view the same data as different types"):
            clash(lib)


def test_the_default_trusts_the_running_programs_classes():
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(torch.nn.Linear(2, 2), file)
    file.seek(0)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(file)
    file.seek(0)
    assert type(jtorch.load(file)) is jtorch.nn.Linear


def test_safetensors(tmp_path):
    from safetensors.torch import load_file, save_file

    from jtorch.serialization import safetensors

    path = tmp_path / "x.safetensors"
    theirs = {d: example(torch, d) for d in ("float32", "bfloat16", "int64", "bool", "float16")}
    save_file(theirs, path, {"format": "pt"})
    ours = safetensors.load_file(path)
    assert_same(dict(sorted(ours.items())), dict(sorted(theirs.items())))
    safetensors.save_file(ours, path)
    for name, t in load_file(path).items():
        assert_same(ours[name], t)
