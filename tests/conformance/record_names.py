"""Writes jtorch/coverage/names.json from the installed torch: ``python -m tests.conformance.record_names``."""

import importlib
import inspect
import json
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

NAMES = Path(__file__).parents[2] / "jtorch" / "coverage" / "names.json"
NAMESPACES = (
    "torch", "torch.Tensor", "torch.nn", "torch.nn.functional", "torch.nn.init", "torch.nn.modules",
    "torch.nn.parameter", "torch.nn.parallel", "torch.nn.attention", "torch.nn.attention.bias",
    "torch.nn.attention.flex_attention", "torch.nn.utils", "torch.nn.utils.rnn", "torch.nn.utils.parametrize",
    "torch.nn.utils.parametrizations", "torch.nn.utils.prune", "torch.nn.utils.stateless", "torch.optim",
    "torch.optim.lr_scheduler", "torch.optim.swa_utils", "torch.utils", "torch.utils.data", "torch.utils.checkpoint",
    "torch.utils.dlpack", "torch.utils.hooks", "torch.utils.tensorboard", "torch.utils.benchmark", "torch.linalg",
    "torch.fft", "torch.special", "torch.signal.windows", "torch.masked", "torch.autograd",
    "torch.autograd.functional", "torch.autograd.forward_ad", "torch.autograd.graph", "torch.autograd.profiler",
    "torch.func", "torch.distributions", "torch.distributions.constraints", "torch.distributions.transforms",
    "torch.amp", "torch.random", "torch.serialization", "torch.storage", "torch.types", "torch.return_types",
    "torch.testing", "torch.overrides", "torch.compiler", "torch.jit", "torch.hub", "torch.library", "torch.export",
    "torch.profiler", "torch.futures", "torch.accelerator", "torch.cpu", "torch.cuda", "torch.cuda.amp",
    "torch.cuda.random", "torch.cuda.memory", "torch.cuda.nvtx", "torch.mps", "torch.xpu", "torch.distributed",
    "torch.backends.cpu", "torch.backends.cuda", "torch.backends.cudnn", "torch.backends.mkl",
    "torch.backends.mkldnn", "torch.backends.mps", "torch.backends.openmp", "torch.backends.opt_einsum",
    "torch.version", "torch.__config__", "torch.__future__",
)  # fmt: skip
# A module that imports a package which need not be installed: its names stand here.
ELSEWHERE = {"torch.utils.tensorboard": ["FileWriter", "SummaryWriter"]}
# What a module without ``__all__`` imports from torch._C for its users.
IMPORTED = {"torch.linalg": {"LinAlgError"}, "torch.testing": {"FileCheck"}}


def names(namespace: str) -> list[str]:
    """A namespace's public names: what ``__all__`` says, else the functions and classes that belong to it."""
    if namespace in ELSEWHERE:
        return ELSEWHERE[namespace]
    if namespace == "torch.Tensor":
        return [name for name in dir(torch.Tensor) if not name.startswith("_")]
    module: Any = importlib.import_module(namespace)
    found = set(getattr(module, "__all__", ())) or _own(module, namespace) | IMPORTED.get(namespace, set())
    if namespace == "torch":
        found |= {name for name, value in vars(module).items() if isinstance(value, torch.dtype | torch.layout)}
    return sorted(name for name in found if name == "__version__" or not name.startswith("_"))


def _own(module: ModuleType, namespace: str) -> set[str]:
    """The functions and classes of a module that are not imported from elsewhere; those of torch.backends lie in an
    inner module, with properties beside them.
    """
    inner = getattr(module, "m", None)
    if isinstance(inner, ModuleType):
        return _own(inner, namespace) | {n for n, v in vars(type(module)).items() if hasattr(v, "__set__")} - {
            "__dict__"
        }
    return {name for name, value in vars(module).items() if _belongs(value, namespace)}


def _belongs(value: Any, namespace: str) -> bool:
    if not callable(value) or (isinstance(value, type) and issubclass(value, ModuleType)):
        return False
    home = getattr(value, "__module__", None) or namespace
    inside = home == namespace or home.startswith(namespace + ".")
    return inside or (inspect.isbuiltin(value) and (home == "torch" or home.startswith("torch._C._")))


def record() -> dict[str, Any]:
    """What the file holds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "torch": torch.__version__.partition("+")[0],
            "names": {namespace: names(namespace) for namespace in NAMESPACES},
        }


if __name__ == "__main__":
    NAMES.write_text(json.dumps(record(), indent=1) + "\n")
