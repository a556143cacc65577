"""torch.cuda over JAX's GPU devices (https://docs.pytorch.org/docs/stable/cuda.html)."""

from typing import Any

import jax

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
from jtorch.engine import flush
from jtorch.engine.devices import devices
from jtorch.tensor import device as _device
from jtorch.tensor.device import device as _device_class
from jtorch.tensor.legacy import CUDA_TYPES as _TYPES

__all__ = [
    "current_device", "device", "device_count", "empty_cache", "get_device_capability", "get_device_name",
    "get_device_properties", "get_rng_state", "get_rng_state_all", "initial_seed", "is_available", "is_bf16_supported",
    "is_initialized", "manual_seed", "manual_seed_all", "max_memory_allocated", "memory_allocated",
    "reset_peak_memory_stats", "seed", "seed_all", "set_device", "set_rng_state", "set_rng_state_all", "synchronize",
]  # fmt: skip
globals().update(_TYPES)


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


def _index(d: Any) -> int:
    if d is None:
        return _device.current_cuda()
    if isinstance(d, int):
        return d
    return _device_class(d).index or 0


def _jax(d: Any) -> jax.Device:
    found = devices("cuda")
    i = _index(d)
    if not found:
        raise RuntimeError("No CUDA GPUs are available")
    if i >= len(found):
        raise RuntimeError("CUDA error: invalid device ordinal")
    return found[i]


def current_device() -> int:
    """The index of the GPU that plain ``cuda`` means."""
    _jax(None)
    return _device.current_cuda()


def set_device(d: Any) -> None:
    """Make a GPU the one that plain ``cuda`` means."""
    _jax(d)
    _device.set_current_cuda(_index(d))


class device:
    """Within the block plain ``cuda`` means this GPU."""

    def __init__(self, d: Any) -> None:
        self._index = _index(d)
        self._before = 0

    def __enter__(self) -> None:
        self._before = _device.set_current_cuda(self._index)

    def __exit__(self, *exc: object) -> None:
        _device.set_current_cuda(self._before)


def synchronize(d: Any = None) -> None:
    """Wait until everything recorded so far has run."""
    flush.flush_all("cuda.synchronize()")
    jax.block_until_ready(jax.device_put(0, _jax(d)))
    for array in jax.live_arrays():
        if not array.is_deleted():
            array.block_until_ready()


def get_device_name(d: Any = None) -> str:
    """The GPU's name."""
    return _jax(d).device_kind


def get_device_capability(d: Any = None) -> tuple[int, int]:
    """The compute capability, such as (9, 0)."""
    major, _, minor = str(_jax(d).compute_capability).partition(".")
    return int(major), int(minor or 0)


class _Properties:
    def __init__(self, d: jax.Device) -> None:
        self.name = d.device_kind
        self.total_memory = (d.memory_stats() or {}).get("bytes_limit", 0)
        self.multi_processor_count = getattr(d, "core_count", 0)
        major, _, minor = str(d.compute_capability).partition(".")
        self.major, self.minor = int(major), int(minor or 0)


def get_device_properties(d: Any = None) -> Any:
    """Name, memory and capability of a GPU."""
    return _Properties(_jax(d))


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether the GPU computes in bfloat16."""
    return is_available() and get_device_capability()[0] >= 8


def memory_allocated(d: Any = None) -> int:
    """Bytes of the GPU's memory in use by arrays."""
    return int((_jax(d).memory_stats() or {}).get("bytes_in_use", 0))


def max_memory_allocated(d: Any = None) -> int:
    """The most bytes that were in use since the process began."""
    return int((_jax(d).memory_stats() or {}).get("peak_bytes_in_use", 0))


memory_reserved, max_memory_reserved = memory_allocated, max_memory_allocated


def mem_get_info(d: Any = None) -> tuple[int, int]:
    """Free and total bytes."""
    stats = _jax(d).memory_stats() or {}
    total = int(stats.get("bytes_limit", 0))
    return total - int(stats.get("bytes_in_use", 0)), total


def reset_peak_memory_stats(d: Any = None) -> None:
    """Raises: XLA keeps one peak for the life of the process."""
    raise NotImplementedError("jtorch: cuda.reset_peak_memory_stats(); XLA keeps one peak for the life of the process")


def empty_cache() -> None:
    """Nothing to do: XLA's allocator hands memory out again by itself."""
