"""jtorch: the PyTorch API over JAX arrays. This module is what ``import torch`` gives under the alias."""

# ruff: noqa: E402, F401, F403  (the namespace; JAX is set up, and the table declared, before they are used)
from importlib import import_module as _import_module
from typing import Any

from jtorch.engine.setup import setup as _setup

_setup()

import jtorch as torch  # programs know torch.torch too
from jtorch import composite as _composite
from jtorch import ops as _ops
from jtorch.autograd.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from jtorch.engine.report import report
from jtorch.settings import *
from jtorch.tensor import bind as _bind
from jtorch.tensor import factories as _factories
from jtorch.tensor import install as _install
from jtorch.tensor import legacy as _legacy
from jtorch.tensor import random as _random
from jtorch.tensor.device import (
    channels_last,
    channels_last_3d,
    contiguous_format,
    device,
    get_default_device,
    layout,
    memory_format,
    preserve_format,
    qscheme,
    set_default_device,
    sparse_coo,
    strided,
)
from jtorch.tensor.dtype import BY_NAME as _DTYPES
from jtorch.tensor.dtype import (
    can_cast,
    dtype,
    finfo,
    get_default_dtype,
    iinfo,
    promote_types,
    set_default_dtype,
    set_default_tensor_type,
)
from jtorch.tensor.size import Size
from jtorch.tensor.tensor import Tensor
from jtorch.torch_version import __version__

inf, nan, e, pi = float("inf"), float("nan"), 2.718281828459045, 3.141592653589793
newaxis = None

globals().update({**_bind.namespace("torch"), **_factories.FUNCTIONS, **_random.FUNCTIONS, **_legacy.TYPES, **_DTYPES})
_composite.load()
_install.install()
globals().update(_bind.composites("torch"))

_SUBMODULES = frozenset(
    {
        "_C", "__config__", "_dynamo", "accelerator", "amp", "autograd", "backends", "compiler", "cpu", "cuda",
        "distributed", "distributions", "fft", "func", "hub", "interop", "jit", "library", "linalg", "masked", "mps",
        "multiprocessing", "nn", "optim", "overrides", "profiler", "random", "return_types", "serialization", "signal",
        "special", "storage", "testing", "torch_version", "types", "utils", "version", "xpu",
    }
)  # fmt: skip
_ELSEWHERE = {  # what is found in a submodule only when it is asked for
    "Generator": "tensor.generator",
    "TypedStorage": "storage",
    "UntypedStorage": "storage",
    "DisableTorchFunctionSubclass": "tensor.overriding",
    "GradScaler": "amp",
    "OutOfMemoryError": "engine.flush",
    "Event": "cuda.streams",
    "Stream": "cuda.streams",
    "autocast": "amp",
    "compile": "compiler",
    "disable": "alias",
    "enable": "alias",
    "export": "interop",
    "from_jax": "interop",
    "load": "serialization",
    "save": "serialization",
    "set_printoptions": "tensor.printing",
    "to_jax": "interop",
    "vmap": "func",
    **dict.fromkeys(
        (
            "autocast_decrement_nesting",
            "autocast_increment_nesting",
            "clear_autocast_cache",
            "get_autocast_cpu_dtype",
            "get_autocast_dtype",
            "get_autocast_gpu_dtype",
            "is_autocast_cache_enabled",
            "is_autocast_cpu_enabled",
            "is_autocast_enabled",
            "set_autocast_cache_enabled",
            "set_autocast_cpu_dtype",
            "set_autocast_cpu_enabled",
            "set_autocast_dtype",
            "set_autocast_enabled",
            "set_autocast_gpu_dtype",
        ),
        "amp.autocast_mode",
    ),
    **dict.fromkeys(
        ("is_anomaly_check_nan_enabled", "is_anomaly_enabled", "set_anomaly_enabled"), "autograd.anomaly_mode"
    ),
    "thread_safe_generator": "random",
}


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        try:
            return _import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    elif name in _ELSEWHERE:
        found = getattr(_import_module(f"{__name__}.{_ELSEWHERE[name]}"), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module 'torch' has no attribute '{name}' (jtorch has none)")


def __dir__() -> list[str]:
    return sorted({*globals(), *_SUBMODULES, *_ELSEWHERE})
