"""torch.cpu: what programs for any device ask of its module, for the CPU, which is one device and has no streams."""

from contextlib import nullcontext
from typing import Any

import jax

from jtorch.engine import flush

__all__ = [
    "Event", "Stream", "StreamContext", "current_device", "current_stream", "device_count", "is_available",
    "is_initialized", "set_device", "stream", "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """True."""
    return True


def is_initialized() -> bool:
    """True."""
    return True


def device_count() -> int:
    """One."""
    return 1


def current_device() -> str:
    """``"cpu"``."""
    return "cpu"


def set_device(device: Any) -> None:
    """Nothing to choose: there is one CPU."""


def synchronize(device: Any = None) -> None:
    """Wait until everything recorded so far has run."""
    flush.flush_all("cpu.synchronize()")
    for array in jax.live_arrays():
        if not array.is_deleted():
            array.block_until_ready()


class Stream:
    """Names the CPU's work, which runs in order; nothing waits for it."""

    def __init__(self, priority: int = -1) -> None:
        self.priority = priority

    def wait_stream(self, stream: "Stream") -> None:
        """Nothing to do: work runs in order."""

    def record_event(self) -> None:
        """Nothing to do: work runs in order."""

    def wait_event(self, event: "Event") -> None:
        """Nothing to do: work runs in order."""


class Event:
    """A moment in the CPU's work."""

    def query(self) -> bool:
        """True: work runs in order."""
        return True

    def record(self, stream: Stream | None = None) -> None:
        """Nothing to do: work runs in order."""

    def synchronize(self) -> None:
        """Wait until everything recorded so far has run."""
        synchronize()

    def wait(self, stream: Stream | None = None) -> None:
        """Nothing to do: work runs in order."""


_stream = Stream()


def current_stream(device: Any = None) -> Stream:
    """The CPU's one stream."""
    return _stream


class StreamContext(nullcontext):
    """A block under a stream; there is one."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self.stream = stream


def stream(stream: Stream) -> StreamContext:
    """A block under a stream; there is one."""
    return StreamContext(stream)
