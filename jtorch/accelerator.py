"""torch.accelerator: the GPU or TPU there is, whatever its kind."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax

from jtorch.engine import flush
from jtorch.engine.devices import devices
from jtorch.tensor import device as _device
from jtorch.tensor.device import device as device_class

__all__ = [
    "current_accelerator", "current_device_idx", "current_device_index", "device_count", "device_index", "empty_cache",
    "get_memory_info", "is_available", "max_memory_allocated", "memory_allocated", "set_device_idx",
    "set_device_index", "synchronize",
]  # fmt: skip


def _kind() -> str | None:
    return next((kind for kind in ("cuda", "tpu") if devices(kind)), None)


def is_available() -> bool:
    """Whether JAX has a GPU or a TPU."""
    return _kind() is not None


def device_count() -> int:
    """How many accelerators there are, of one kind."""
    kind = _kind()
    return 0 if kind is None else len(devices(kind))


def current_accelerator(check_available: bool = False) -> device_class | None:
    """The device type of the accelerator, as a device without an index; None where there is none."""
    kind = _kind()
    return None if kind is None else device_class(kind)


def current_device_index() -> int:
    """The index of the accelerator in use; raises RuntimeError where there is none."""
    return _device.current_cuda() if _there() == "cuda" else 0


current_device_idx = current_device_index


def _there() -> str:
    kind = _kind()
    if kind is None:
        raise RuntimeError("Cannot access accelerator device when none is available.")
    return kind


def set_device_index(device: Any, /) -> None:
    """Make an accelerator the one in use."""
    kind, index = _there(), device if isinstance(device, int) else device_class(device).index or 0
    if not 0 <= index < len(devices(kind)) or (kind != "cuda" and index):
        raise RuntimeError(f"invalid device index {index} of {len(devices(kind))} {kind} devices")
    _device.set_current_cuda(index)


set_device_idx = set_device_index


@contextmanager
def device_index(device: int | None, /) -> Iterator[None]:
    """Within the block this accelerator is the one in use; None changes nothing."""
    before = current_device_index()
    if device is not None:
        set_device_index(device)
    try:
        yield
    finally:
        set_device_index(before)


def synchronize(device: Any = None, /) -> None:
    """Wait until everything recorded so far has run."""
    _there()
    flush.flush_all("accelerator.synchronize()")
    for array in jax.live_arrays():
        if not array.is_deleted():
            array.block_until_ready()


def _stats(d: Any) -> dict[str, int]:
    kind = _there()
    index = d if isinstance(d, int) else current_device_index() if d is None else device_class(d).index or 0
    return devices(kind)[index].memory_stats() or {}


def memory_allocated(device_index: Any = None, /) -> int:
    """Bytes of its memory in use by arrays."""
    return int(_stats(device_index).get("bytes_in_use", 0))


def max_memory_allocated(device_index: Any = None, /) -> int:
    """The most bytes that were in use since the process began."""
    return int(_stats(device_index).get("peak_bytes_in_use", 0))


def get_memory_info(device_index: Any = None, /) -> tuple[int, int]:
    """Free and total bytes of what XLA may use of its memory."""
    found = _stats(device_index)
    total = int(found.get("bytes_limit", 0))
    return total - int(found.get("bytes_in_use", 0)), total


def empty_cache() -> None:
    """Nothing to do: XLA's allocator hands memory out again by itself."""
