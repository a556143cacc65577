"""The alias: ``torch`` names jtorch's own objects, here and in child processes, and can be given back."""

import importlib
import importlib.metadata
import importlib.util
import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import jtorch
from jtorch import alias

ROOT = Path(__file__).parent.parent


@pytest.fixture
def enabled():
    already = alias.is_enabled()
    alias.enable()
    yield
    if not already:
        alias.disable()


def run(tmp_path: Path, source: str) -> subprocess.CompletedProcess:
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(source))
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-m", "jtorch", str(script)], capture_output=True, text=True, env=env)


def test_torch_is_jtorch(enabled):
    import torch

    assert torch is jtorch
    assert torch.__name__ == "jtorch"
    assert sys.modules["torch"] is jtorch


def test_a_submodule_is_the_same_object_under_both_names(enabled):
    import torch.version as under_torch

    import jtorch.version as under_jtorch

    assert under_torch is under_jtorch
    assert under_torch.__name__ == "jtorch.version"
    assert under_torch.__spec__.name == "jtorch.version"
    assert sys.modules["torch.version"] is under_jtorch


def test_a_module_survives_reload_under_its_own_name(enabled):
    module = importlib.import_module("torch.version")
    assert importlib.reload(module) is module
    assert module.__spec__.name == "jtorch.version"


def test_from_imports(enabled):
    from torch import version
    from torch.version import __version__

    assert __version__ is version.__version__


@pytest.mark.parametrize("name", ["torch.no_such_module", "torch.version.inner", "torch.engine", "torch.cli"])
def test_a_missing_submodule_names_torch(enabled, name):
    with pytest.raises(ModuleNotFoundError, match=f"No module named '{name}'") as caught:
        importlib.import_module(name)
    assert caught.value.name == name


def test_find_spec_answers(enabled):
    assert importlib.util.find_spec("torch") is not None
    assert importlib.util.find_spec("torch.version").name == "torch.version"
    assert importlib.util.find_spec("torch.no_such_module") is None


def test_metadata_answers(enabled):
    assert importlib.metadata.version("torch") == jtorch.version.__version__
    assert importlib.metadata.metadata("torch")["Name"] == "torch"
    assert "torch" in {d.metadata["Name"] for d in importlib.metadata.distributions()}
    assert importlib.metadata.version("numpy")  # others are found as before


def test_other_names_are_left_alone(enabled):
    assert importlib.util.find_spec("torchlike_name") is None
    assert alias._FINDER.find_spec("json") is None


def test_classes_pickle_by_their_own_module(enabled):
    cls = importlib.import_module("torch.torch_version").TorchVersion
    assert pickle.loads(pickle.dumps(cls("1.0"))) == cls("1.0")
    assert cls.__module__ == "jtorch.torch_version"


def test_enabling_twice_is_one_and_disabling_gives_the_name_back():
    was = sys.modules.pop("torch", None)
    assert was is None, "the real torch is not imported in jtorch's own tests"
    alias.enable()
    alias.enable()
    importlib.import_module("torch.version")
    assert sys.meta_path.count(alias._FINDER) == 1
    alias.disable()
    assert not alias.is_enabled()
    assert not [name for name in sys.modules if name.split(".")[0] == "torch"]
    alias.disable()
    assert not any(isinstance(d, alias._AliasDistribution) for d in importlib.metadata.distributions(name="torch"))


def test_enable_refuses_beside_an_imported_torch(monkeypatch):
    alias.disable()
    monkeypatch.setitem(sys.modules, "torch", type(sys)("torch"))
    with pytest.raises(ImportError, match=r"torch is already imported.*before anything imports torch"):
        alias.enable()
    assert not alias.is_enabled()


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_child_processes_see_the_alias(tmp_path, method):
    done = run(
        tmp_path,
        f"""
        import multiprocessing as mp
        import torch
        import torch.version

        class Here:
            pass

        def work(thing):
            assert type(thing) is Here
            return torch.__name__, torch.version.__name__

        if __name__ == "__main__":
            with mp.get_context({method!r}).Pool(1) as pool:
                print(pool.apply(work, (Here(),)))
        """,
    )
    assert done.stdout == "('jtorch', 'jtorch.version')\n", done.stderr


def test_children_of_a_process_without_the_alias_do_not_see_it():
    alias.disable()
    from multiprocessing import spawn

    assert "jtorch" not in spawn.get_preparation_data("child")
