"""torch.cuda.streams: streams and events, as far as they mean something where XLA orders a GPU's work by itself.

All of a device's work runs in the order in which it was asked for. So a stream has nothing to wait for, and what it
names is all of the device's work; an event that is to tell the time waits for that work, and looks at the clock.
"""

import time
from typing import Any

import jax

from jtorch.cuda._utils import gpu, index_of
from jtorch.engine import flush
from jtorch.tensor.device import device as device_class

__all__ = ["Event", "Stream", "StreamContext", "current_stream", "default_stream", "set_stream", "stream"]


def _wait(device: int | None = None) -> None:
    """Until everything asked for so far has run, on one GPU or on all."""
    flush.flush_all("cuda.synchronize()")
    on = None if device is None else gpu(device)
    for array in jax.live_arrays():
        if not array.is_deleted() and (on is None or on in array.devices()):
            array.block_until_ready()


def _done(device: int) -> bool:
    flush.flush_all("cuda.Stream.query()")
    on = gpu(device)
    return all(a.is_deleted() or on not in a.devices() or a.is_ready() for a in jax.live_arrays())


class Stream:
    """All the work of one GPU. Raises RuntimeError without a GPU; ``priority`` has nothing to choose among."""

    def __init__(self, device: Any = None, priority: int = 0, **kwargs: Any) -> None:
        gpu(device)
        self.device = device_class("cuda", index_of(device))
        self.device_index = index_of(device)
        self.priority = priority

    def synchronize(self) -> None:
        """Wait until the GPU's work is done."""
        _wait(self.device_index)

    def query(self) -> bool:
        """Whether the GPU's work is done."""
        return _done(self.device_index)

    def wait_stream(self, stream: "Stream") -> None:
        """Nothing to do: work runs in the order in which it was asked for."""

    def wait_event(self, event: "Event") -> None:
        """Nothing to do: work runs in the order in which it was asked for."""

    def record_event(self, event: "Event | None" = None) -> "Event":
        """An event after the work so far."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self.device == other.device

    def __hash__(self) -> int:
        return hash(self.device)

    def __repr__(self) -> str:
        return f"<torch.cuda.Stream device={self.device}>"

    def __enter__(self) -> "Stream":
        self._within = StreamContext(self)
        self._within.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._within.__exit__(*exc)


class Event:
    """A moment in a GPU's work. With ``enable_timing``, recording it waits for the work before it, to know the time."""

    def __init__(
        self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False, external: bool = False
    ) -> None:
        gpu(None)
        if interprocess or external:
            raise NotImplementedError(
                "jtorch: cuda.Event(interprocess=True) or external; XLA keeps its events to itself"
            )
        self.enable_timing = enable_timing
        self._at: float | None = None
        self._device: int | None = None

    def record(self, stream: Stream | None = None) -> None:
        """The moment is now: after all that was asked for."""
        self._device = index_of(None if stream is None else stream.device)
        if self.enable_timing:
            _wait(self._device)
            self._at = time.perf_counter()
        else:
            flush.flush_all("cuda.Event.record()")

    def wait(self, stream: Stream | None = None) -> None:
        """Nothing to do: work runs in the order in which it was asked for."""

    def query(self) -> bool:
        """Whether the work before it is done."""
        return self._device is None or self._at is not None or _done(self._device)

    def synchronize(self) -> None:
        """Wait until the work before it is done."""
        if self._device is not None and self._at is None:
            _wait(self._device)

    def elapsed_time(self, end_event: "Event") -> float:
        """Milliseconds until ``end_event``. Raises ValueError where one was made without timing or not recorded."""
        if not (self.enable_timing and end_event.enable_timing):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if self._at is None or end_event._at is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        return (end_event._at - self._at) * 1000

    def __repr__(self) -> str:
        return f"<torch.cuda.Event {'uninitialized' if self._device is None else f'device=cuda:{self._device}'}>"


_current: dict[int, Stream] = {}


def default_stream(device: Any = None) -> Stream:
    """The stream of a GPU."""
    return Stream(device)


def current_stream(device: Any = None) -> Stream:
    """The stream that was set for a GPU, else its default one."""
    return _current.get(index_of(device)) or Stream(device)


def set_stream(stream: Stream | None) -> None:
    """Make it the current stream of its GPU."""
    if stream is not None:
        _current[stream.device_index] = stream


class StreamContext:
    """Within the block the stream is the current one; None changes nothing."""

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream
        self._before: Stream | None = None

    def __enter__(self) -> None:
        if self.stream is not None:
            self._before = current_stream(self.stream.device)
            set_stream(self.stream)

    def __exit__(self, *exc: object) -> None:
        set_stream(self._before)


def stream(stream: Stream | None) -> StreamContext:
    """Within the block the stream is the current one."""
    return StreamContext(stream)
