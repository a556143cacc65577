"""Saving and loading among jtorch's own programs, copies and pickles of tensors, and storages."""

import copy
import io
import mmap
import os
import pickle
import signal
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import jtorch
from jtorch.serialization import safetensors


def through_file(obj, **load):
    file = io.BytesIO()
    jtorch.save(obj, file)
    file.seek(0)
    return jtorch.load(file, **load)


class Net(jtorch.nn.Module):
    """A model of the running program."""

    def __init__(self):
        super().__init__()
        self.first = jtorch.nn.Linear(2, 3)
        self.act = jtorch.nn.functional.relu
        self.sizes = [2, 3]
        self.register_buffer("count", jtorch.tensor(3))

    def forward(self, x):
        return self.act(self.first(x))


def test_a_whole_model_of_this_program_loads_by_default():
    net = Net()
    made = through_file(net)
    assert type(made) is Net
    x = jtorch.ones(1, 2)
    assert made(x).tolist() == net(x).tolist()
    assert made.first.weight.is_leaf and made.first.weight.requires_grad
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        through_file(net, weights_only=True)


def test_a_class_that_is_not_defined_is_refused(tmp_path):
    program = f"import jtorch\nclass Other(jtorch.nn.Module): pass\njtorch.save(Other(), {str(tmp_path / 'x.pt')!r})\n"
    subprocess.run([sys.executable, "-c", program], check=True)
    with pytest.raises(pickle.UnpicklingError, match="__main__.Other.*not defined in this program"):
        jtorch.load(tmp_path / "x.pt")


def test_files_are_zip_archives_of_torchs_layout(tmp_path):
    path = tmp_path / "model.pt"
    jtorch.save({"w": jtorch.arange(4.0)}, path)
    with zipfile.ZipFile(path) as archive:
        assert {"model/data.pkl", "model/data/0", "model/version", "model/byteorder"} <= set(archive.namelist())
        assert archive.testzip() is None
        assert b"torch._utils" in archive.read("model/data.pkl")
        assert b"jtorch" not in archive.read("model/data.pkl")
        assert np.frombuffer(archive.read("model/data/0"), "<f4").tolist() == [0.0, 1.0, 2.0, 3.0]


def test_a_failed_save_keeps_the_old_file(tmp_path):
    path = tmp_path / "x.pt"
    jtorch.save(1, path)
    with pytest.raises((AttributeError, pickle.PicklingError)):
        jtorch.save(lambda: 0, path)
    assert jtorch.load(path) == 1
    assert os.listdir(tmp_path) == ["x.pt"]


MIDWAY = """
import os, signal, sys
import jtorch
from jtorch.serialization import archive, legacy

path, how, zipped = sys.argv[1], sys.argv[2], sys.argv[3] == "zip"

def stop(*args):
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    raise OSError(28, "No space left on device")

class File:
    def __init__(self, file):
        self.file = file
        self.left = 100_000

    def write(self, data):
        self.file.write(data)
        self.file.flush()
        self.left -= len(data)
        if self.left < 0:
            print(sorted(os.listdir(os.path.dirname(path))), flush=True)
            stop()

if zipped:
    write = archive.ArchiveWriter._write
    def slowly(self, data):
        self._file = self._file if isinstance(self._file, File) else File(self._file)
        write(self, data)
    archive.ArchiveWriter._write = slowly
else:
    write = legacy.write
    legacy.write = lambda obj, file, *args: write(obj, File(file), *args)
jtorch.save({"a": jtorch.ones(50_000), "b": jtorch.ones(50_000)}, path, _use_new_zipfile_serialization=zipped)
"""


@pytest.mark.parametrize("how", ["killed", "failed"])
@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_a_save_that_stops_midway_leaves_the_old_file(how, form, tmp_path):
    path = tmp_path / "x.pt"
    jtorch.save(jtorch.arange(3), path)
    before = path.read_bytes()
    done = subprocess.run([sys.executable, "-c", MIDWAY, path, how, form], capture_output=True, text=True)
    if how == "killed":
        assert done.returncode == -signal.SIGKILL
    else:
        assert done.returncode == 1 and done.stderr.endswith("OSError: [Errno 28] No space left on device\n")
        assert os.listdir(tmp_path) == ["x.pt"]
    assert "tmp" in done.stdout  # it had begun
    assert path.read_bytes() == before
    assert jtorch.load(path).tolist() == [0, 1, 2]


def test_saving_keeps_links_and_permissions(tmp_path):
    real, link = tmp_path / "real.pt", tmp_path / "link.pt"
    jtorch.save(1, real)
    real.chmod(0o640)
    link.symlink_to(real)
    jtorch.save(2, link)
    assert link.is_symlink() and jtorch.load(real) == 2
    assert real.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("at", [100, 1000, 4200, -100, -20])
def test_files_that_are_cut_short(at):
    file = io.BytesIO()
    jtorch.save({"w": jtorch.arange(1000.0)}, file)
    with pytest.raises(RuntimeError, match="PytorchStreamReader failed reading zip archive"):
        jtorch.load(io.BytesIO(file.getvalue()[:at]))


def test_a_damaged_record_is_noticed():
    file = io.BytesIO()
    jtorch.save({"w": jtorch.arange(1000.0)}, file)
    raw = bytearray(file.getvalue())
    raw[raw.index(np.float32(77).tobytes())] ^= 1
    with pytest.raises(RuntimeError, match="wrong checksum"):
        jtorch.load(io.BytesIO(bytes(raw)))


def test_nothing_in_a_file_is_called():
    class Evil:
        def __reduce__(self):
            return os.mkdir, ("/nonexistent-of-jtorch",)

    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        through_file([Evil()])


def test_numpy_data_loads_by_default():
    made = through_file({"a": np.arange(6, dtype=np.int16).reshape(2, 3), "s": np.float64(2), "d": np.dtype("f4")})
    assert made["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert made["s"] == 2.0


def test_rng_state_and_optimizer():
    x = jtorch.ones(3, requires_grad=True)
    opt = jtorch.optim.SGD([x], lr=0.1, momentum=0.9)
    x.sum().backward()
    opt.step()
    made = through_file({"opt": opt.state_dict(), "rng": jtorch.get_rng_state()}, weights_only=True)
    expected = jtorch.rand(2).tolist()
    jtorch.set_rng_state(made["rng"])
    assert jtorch.rand(2).tolist() == expected
    opt.load_state_dict(made["opt"])


# -- options


def test_data_may_be_left_out(tmp_path):
    path = tmp_path / "x.pt"
    with jtorch.serialization.skip_data():
        jtorch.save({"w": jtorch.ones(3)}, path)
    assert jtorch.load(path)["w"].tolist() == [0.0, 0.0, 0.0]
    jtorch.save({"w": jtorch.ones(3)}, path)
    with jtorch.serialization.skip_data():
        assert jtorch.load(path)["w"].tolist() == [0.0, 0.0, 0.0]
    assert jtorch.load(path)["w"].tolist() == [1.0, 1.0, 1.0]


def test_packages_name_places_of_their_own(monkeypatch):
    monkeypatch.setattr("jtorch.serialization.packages._packages", list(jtorch.serialization.packages._packages))
    jtorch.serialization.register_package(
        5, lambda storage: "attic" if storage.nbytes() == 12 else None, lambda s, name: s if name == "attic" else None
    )
    file = io.BytesIO()
    jtorch.save([jtorch.arange(3.0), jtorch.arange(4.0)], file)
    assert file.getvalue().count(b"attic") == 1
    file.seek(0)
    assert [t.tolist() for t in jtorch.load(file)] == [[0.0, 1.0, 2.0], [0.0, 1.0, 2.0, 3.0]]
    assert jtorch.serialization.location_tag(jtorch.ones(4).untyped_storage()) == "cpu"


def test_files_are_mapped_privately():
    assert jtorch.serialization.get_default_mmap_options() == mmap.MAP_PRIVATE
    with pytest.raises(NotImplementedError, match="MAP_SHARED"):
        jtorch.serialization.set_default_mmap_options(mmap.MAP_SHARED)


# -- copies and pickles


def example():
    t = jtorch.arange(6.0).reshape(2, 3).t()
    t.note = ["mine"]
    return t


@pytest.mark.parametrize("make", [copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t)), through_file])
def test_copies_are_tensors_of_their_own(make):
    t = example()
    made = make(t)
    assert made.tolist() == t.tolist()
    assert made.stride() == t.stride()
    assert made.note == ["mine"] and made.note is not t.note
    made[0, 0] = 9
    assert t[0, 0].item() == 0.0


def test_a_shallow_copy_shares_its_storage():
    t = example()
    made = copy.copy(t)
    made[0, 0] = 9
    assert t[0, 0].item() == 9.0
    assert made.note is t.note


def test_views_copied_together_go_on_sharing():
    x = jtorch.zeros(3)
    made = copy.deepcopy({"x": x, "tail": x[1:]})
    made["tail"].fill_(1)
    assert made["x"].tolist() == [0.0, 1.0, 1.0]
    assert x.tolist() == [0.0, 0.0, 0.0]


def test_leaves_keep_their_gradients_when_copied():
    x = jtorch.ones(2, requires_grad=True)
    (x * 3).sum().backward()
    made = copy.deepcopy(x)
    assert made.requires_grad and made.grad.tolist() == [3.0, 3.0]
    with pytest.raises(RuntimeError, match="graph leaves"):
        copy.deepcopy(x * 2)


def test_parameters_stay_parameters():
    p = jtorch.nn.Parameter(jtorch.ones(2), requires_grad=False)
    for made in (copy.copy(p), copy.deepcopy(p), pickle.loads(pickle.dumps(p)), through_file(p)):
        assert type(made) is jtorch.nn.Parameter
        assert not made.requires_grad


# -- storages


def test_a_storage_is_what_views_have_in_common():
    x = jtorch.arange(6.0).reshape(2, 3)
    storage = x[1].untyped_storage()
    assert storage.nbytes() == 24 and len(storage) == 24
    assert storage.data_ptr() == x.data_ptr()
    assert x[1].data_ptr() - x.data_ptr() == 12
    assert x.clone().untyped_storage().data_ptr() != storage.data_ptr()
    assert storage == x.untyped_storage()
    assert x.storage().tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert x.storage()[4] == 4.0
    assert x.storage().size() == 6 and x.storage().dtype is jtorch.float32


def test_writes_to_a_storage_show_in_its_tensors():
    x = jtorch.zeros(2, 2)
    x.storage()[3] = 5
    assert x.tolist() == [[0.0, 0.0], [0.0, 5.0]]
    x.untyped_storage().fill_(0)
    assert x.sum().item() == 0.0
    x.untyped_storage().copy_(jtorch.ones(4).untyped_storage())
    assert x.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_a_tensor_without_elements_lies_nowhere():
    assert jtorch.empty(0).data_ptr() == 0
    assert jtorch.empty(0).untyped_storage().nbytes() == 0


def test_storages_of_their_own():
    storage = jtorch.UntypedStorage(4)
    assert storage.tolist() == [0, 0, 0, 0]
    storage[1] = 7
    assert storage.resize_(6).tolist() == [0, 7, 0, 0, 0, 0]
    assert storage.clone().tolist() == storage.tolist()
    assert pickle.loads(pickle.dumps(storage)).tolist() == storage.tolist()


# -- safetensors


def test_safetensors_there_and_back(tmp_path):
    tensors = {"a": jtorch.arange(6).reshape(2, 3), "b": jtorch.ones(2).bfloat16(), "c": jtorch.tensor(True)}
    safetensors.save_file(tensors, tmp_path / "x.safetensors", {"format": "pt"})
    made = safetensors.load_file(tmp_path / "x.safetensors")
    assert {k: (v.dtype, v.tolist()) for k, v in made.items()} == {k: (v.dtype, v.tolist()) for k, v in tensors.items()}


def test_safetensors_refuses():
    x = jtorch.ones(2, 3)
    with pytest.raises(ValueError, match="non contiguous"):
        safetensors.save({"x": x.t()})
    with pytest.raises(RuntimeError, match="share memory"):
        safetensors.save({"x": x, "y": x[1]})
    with pytest.raises(TypeError, match="does not have"):
        safetensors.save({"x": x.to(jtorch.complex128)})
