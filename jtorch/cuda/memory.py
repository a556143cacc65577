"""torch.cuda.memory: what XLA's allocator tells of a GPU's memory; without a GPU nothing is in use.

XLA keeps a single peak for the life of the process, which cannot be set back.
"""

from collections import OrderedDict
from typing import Any

from jtorch.absent import Absent
from jtorch.cuda._utils import gpu
from jtorch.engine import spares
from jtorch.engine.devices import devices

__all__ = [
    "empty_cache", "max_memory_allocated", "max_memory_reserved", "mem_get_info", "memory_allocated",
    "memory_reserved", "memory_stats", "memory_stats_as_nested_dict", "memory_summary",
    "reset_accumulated_memory_stats", "reset_max_memory_allocated", "reset_peak_memory_stats",
]  # fmt: skip

# torch's name of a number -> XLA's
_STATS = {
    "allocated_bytes.all.current": "bytes_in_use",
    "allocated_bytes.all.peak": "peak_bytes_in_use",
    "allocation.all.allocated": "num_allocs",
    "reserved_bytes.all.current": "pool_bytes",
    "reserved_bytes.all.peak": "peak_pool_bytes",
}


def _stats(d: Any) -> dict[str, int]:
    return dict(gpu(d).memory_stats() or {}) if devices("cuda") else {}


def memory_stats(device: Any = None) -> "OrderedDict[str, int]":
    """Those of torch's numbers that XLA keeps too; empty without a GPU."""
    found = _stats(device)
    return OrderedDict((name, int(found[xla])) for name, xla in _STATS.items() if xla in found)


def memory_stats_as_nested_dict(device: Any = None) -> dict[str, Any]:
    """The same, a dictionary for each part of the names."""
    nested: dict[str, Any] = {}
    for name, value in memory_stats(device).items():
        *parts, last = name.split(".")
        inner = nested
        for part in parts:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return nested


def memory_allocated(device: Any = None) -> int:
    """Bytes of the GPU's memory in use by arrays."""
    return int(_stats(device).get("bytes_in_use", 0))


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes that were in use since the process began."""
    return int(_stats(device).get("peak_bytes_in_use", 0))


def memory_reserved(device: Any = None) -> int:
    """Bytes that XLA's allocator has taken from the GPU."""
    found = _stats(device)
    return int(found.get("pool_bytes", found.get("bytes_in_use", 0)))


def max_memory_reserved(device: Any = None) -> int:
    """The most bytes that XLA's allocator had taken from the GPU."""
    found = _stats(device)
    return int(found.get("peak_pool_bytes", found.get("peak_bytes_in_use", 0)))


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Free and total bytes of what XLA may use of the GPU; raises RuntimeError without one."""
    found = gpu(device).memory_stats() or {}
    total = int(found.get("bytes_limit", 0))
    return total - int(found.get("bytes_in_use", 0)), total


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """XLA's numbers as a table to read; raises RuntimeError without a GPU."""
    found = gpu(device).memory_stats() or {}
    rows = [f"| {name:<32} | {value:>20,} |" for name, value in sorted(found.items())]
    line = "|" + "-" * 57 + "|"
    return "\n".join([line, f"| {f'Memory of {gpu(device).device_kind}, as XLA tells':<55} |", line, *rows, line, ""])


def empty_cache() -> None:
    """Let go of buffers that wait for their next use; XLA's allocator keeps the memory, and hands it out again."""
    spares.drop()


_ONE_PEAK = "XLA keeps one peak for the life of the process"
reset_peak_memory_stats = Absent("cuda.reset_peak_memory_stats()", _ONE_PEAK)
reset_max_memory_allocated = Absent("cuda.reset_max_memory_allocated()", _ONE_PEAK)
reset_accumulated_memory_stats = Absent("cuda.reset_accumulated_memory_stats()", "XLA does not set its counts back")
