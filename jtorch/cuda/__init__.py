"""torch.cuda over JAX's GPU devices (https://docs.pytorch.org/docs/stable/cuda.html)."""

from importlib import import_module
from typing import Any

import jax

from jtorch.cuda import amp, nvtx
from jtorch.cuda._utils import gpu as _gpu
from jtorch.cuda._utils import index_of as _index
from jtorch.cuda.graphs import CUDAGraph, graph
from jtorch.cuda.memory import (
    empty_cache,
    max_memory_allocated,
    max_memory_reserved,
    mem_get_info,
    memory_allocated,
    memory_reserved,
    memory_stats,
    memory_stats_as_nested_dict,
    memory_summary,
    reset_accumulated_memory_stats,
    reset_max_memory_allocated,
    reset_peak_memory_stats,
)
from jtorch.cuda.random import (
    get_rng_state,
    get_rng_state_all,
    initial_seed,
    manual_seed,
    manual_seed_all,
    seed,
    seed_all,
    set_rng_state,
    set_rng_state_all,
)
from jtorch.cuda.streams import (
    Event,
    Stream,
    StreamContext,
    _wait,
    current_stream,
    default_stream,
    set_stream,
    stream,
)
from jtorch.engine.devices import devices
from jtorch.engine.flush import OutOfMemoryError
from jtorch.tensor import device as _device
from jtorch.tensor.generator import generator_of
from jtorch.tensor.legacy import CUDA_TYPES as _TYPES
from jtorch.tensor.tensor import Tensor

__all__ = [
    "CUDAGraph", "Event", "OutOfMemoryError", "Stream", "StreamContext", "amp", "current_device", "current_stream",
    "default_generators", "default_stream", "device", "device_count", "device_of", "empty_cache", "get_arch_list",
    "get_device_capability", "get_device_name", "get_device_properties", "get_rng_state", "get_rng_state_all", "graph",
    "has_half", "has_magma", "init", "initial_seed", "ipc_collect", "is_available", "is_bf16_supported",
    "is_current_stream_capturing", "is_initialized", "is_tf32_supported", "manual_seed", "manual_seed_all",
    "max_memory_allocated", "max_memory_reserved", "mem_get_info", "memory", "memory_allocated", "memory_reserved",
    "memory_stats", "memory_stats_as_nested_dict", "memory_summary", "nvtx", "reset_accumulated_memory_stats",
    "reset_max_memory_allocated", "reset_peak_memory_stats", "seed", "seed_all", "set_device", "set_rng_state",
    "set_rng_state_all", "set_stream", "stream", "streams", "synchronize",
]  # fmt: skip
globals().update(_TYPES)

memory, streams = import_module("jtorch.cuda.memory"), import_module("jtorch.cuda.streams")
has_half, has_magma = True, False


def __getattr__(name: str) -> Any:
    if name == "default_generators":
        return tuple(generator_of(f"cuda:{i}") for i in range(device_count()))
    raise AttributeError(f"module 'torch.cuda' has no attribute '{name}' (jtorch has none)")


def is_available() -> bool:
    """Whether JAX has a GPU."""
    return bool(devices("cuda"))


def device_count() -> int:
    """How many GPUs JAX has."""
    return len(devices("cuda"))


def is_initialized() -> bool:
    """Whether a GPU is in use."""
    return is_available()


def init() -> None:
    """Nothing to do: JAX starts a device when it is first used."""


def current_device() -> int:
    """The index of the GPU that plain ``cuda`` means."""
    _gpu(None)
    return _device.current_cuda()


def set_device(device: Any) -> None:
    """Make a GPU the one that plain ``cuda`` means."""
    _gpu(device)
    _device.set_current_cuda(_index(device))


class device:
    """Within the block plain ``cuda`` means this GPU."""

    def __init__(self, device: Any) -> None:
        self.idx = _index(device)
        self.prev_idx = -1

    def __enter__(self) -> None:
        self.prev_idx = _device.set_current_cuda(self.idx)

    def __exit__(self, *exc: object) -> None:
        _device.set_current_cuda(self.prev_idx)


class device_of(device):
    """Within the block plain ``cuda`` means the GPU of a tensor; one on the CPU changes nothing."""

    def __init__(self, obj: Tensor) -> None:
        super().__init__(obj.get_device() if obj.is_cuda else None)


def synchronize(device: Any = None) -> None:
    """Wait until everything recorded so far has run."""
    _gpu(device)
    _wait()


def get_device_name(device: Any = None) -> str:
    """The GPU's name."""
    return _gpu(device).device_kind


def _capability(d: jax.Device) -> tuple[int, int]:
    major, _, minor = str(d.compute_capability).partition(".")
    return int(major), int(minor or 0)


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """The compute capability, such as (9, 0)."""
    return _capability(_gpu(device))


class _Properties:
    def __init__(self, d: jax.Device) -> None:
        self.name = d.device_kind
        self.total_memory = (d.memory_stats() or {}).get("bytes_limit", 0)
        self.multi_processor_count = getattr(d, "core_count", 0)
        self.major, self.minor = _capability(d)

    def __repr__(self) -> str:
        return (
            f"_CudaDeviceProperties(name='{self.name}', major={self.major}, minor={self.minor}, "
            f"total_memory={self.total_memory // 2**20}MB, multi_processor_count={self.multi_processor_count})"
        )


def get_device_properties(device: Any = None) -> Any:
    """Name, memory and capability of a GPU."""
    return _Properties(_gpu(device))


def get_arch_list() -> list[str]:
    """The architectures of the GPUs: XLA compiles for what is there."""
    return sorted({"sm_{}{}".format(*_capability(d)) for d in devices("cuda")})


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether the GPU computes in bfloat16."""
    return is_available() and (including_emulation or get_device_capability()[0] >= 8)


def is_tf32_supported() -> bool:
    """Whether the GPU computes in TF32."""
    return is_available() and get_device_capability()[0] >= 8


def is_current_stream_capturing() -> bool:
    """False: there are no CUDA graphs to capture."""
    return False


def ipc_collect() -> None:
    """Nothing to do: no memory of a GPU is shared between processes."""
