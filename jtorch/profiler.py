"""torch.profiler over ``jax.profiler``: what ran, on the host and on devices, as XLA names it.

A program's operators are compiled together, so that rows are XLA's fusions and the user's own
:class:`record_function` names, not single torch operators. The trace is a file for Perfetto or ``chrome://tracing``.
"""

import glob
import gzip
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import jax

from jtorch.autograd.profiler import record_function
from jtorch.engine import flush
from jtorch.engine.devices import devices

__all__ = [
    "ProfilerAction", "ProfilerActivity", "profile", "record_function", "schedule", "supported_activities",
    "tensorboard_trace_handler",
]  # fmt: skip


class ProfilerActivity(Enum):
    """What is looked at: always all that JAX sees."""

    CPU = 0
    XPU = 1
    CUDA = 2
    HPU = 3
    MTIA = 4
    PrivateUse1 = 5


class ProfilerAction(Enum):
    """What a profiler does in a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3
    DEVICE_STOPPED = 4


_TRACING = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)


def supported_activities() -> set[ProfilerActivity]:
    """The activities there are devices for."""
    return {ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if devices("cuda") else [])}


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, skip_first_wait: int = 0
) -> Callable[[int], ProfilerAction]:
    """What to do in each step: ``wait``, warm up, be ``active``, and again, ``repeat`` times (0 for ever).

    Raises AssertionError for numbers that make no schedule.
    """
    if min(wait, warmup, repeat, skip_first) < 0 or active <= 0:
        raise AssertionError(
            f"Invalid profiler schedule arguments. Got wait={wait} (need >= 0), warmup={warmup} (need >= 0), "
            f"active={active} (need > 0), repeat={repeat} (need >= 0), skip_first={skip_first} (need >= 0)."
        )

    def action(step: int) -> ProfilerAction:
        step -= skip_first
        cycle = wait + warmup + active
        if skip_first_wait and step >= 0:
            step += wait
        if step < 0 or (repeat and step >= repeat * cycle):
            return ProfilerAction.NONE
        at = step % cycle
        if at < wait:
            return ProfilerAction.NONE
        if at < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if at < cycle - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


@dataclass
class EventAverage:
    """All events of one name; times are in microseconds."""

    key: str
    count: int = 0
    cpu_time_total: float = 0.0
    device_time_total: float = 0.0

    @property
    def cpu_time(self) -> float:
        """The mean time on the host."""
        return self.cpu_time_total / self.count

    @property
    def device_time(self) -> float:
        """The mean time on a device."""
        return self.device_time_total / self.count

    cuda_time_total = property(lambda self: self.device_time_total)


class EventList(list):
    """The averages of a trace."""

    def table(self, sort_by: str | None = None, row_limit: int = 100, **_: Any) -> str:
        """The rows as text, the largest of ``sort_by`` first; raises AttributeError for what is not kept."""
        rows = list(self)
        if sort_by is not None:
            rows.sort(key=lambda row: getattr(row, sort_by), reverse=True)
        width = max([4, *(min(len(row.key), 55) for row in rows[:row_limit])])
        line = "  ".join("-" * n for n in (width, 12, 12, 10))
        text = [line, f"{'Name':>{width}}  {'CPU total':>12}  {'Device total':>12}  {'# of Calls':>10}", line]
        text += [
            f"{row.key[:width]:>{width}}  {_shown(row.cpu_time_total):>12}  {_shown(row.device_time_total):>12}  "
            f"{row.count:>10}"
            for row in rows[:row_limit]
        ]
        return "\n".join([*text, line, ""])


def _shown(us: float) -> str:
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if us >= size:
            return f"{us / size:.3f}{unit}"
    return f"{us:.3f}us"


class profile:
    """Within the context (or from ``start`` to ``stop``) a trace is taken, in the steps that ``schedule`` chooses.

    ``on_trace_ready(profiler)`` is called at the end of each active stretch. The other arguments ask for what JAX
    records anyway or not at all.
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[..., Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        experimental_config: Any = None,
        execution_trace_observer: Any = None,
        acc_events: bool = False,
        use_cuda: bool | None = None,
        custom_trace_id_callback: Callable[[], str] | None = None,
        post_processing_timeout_s: float | None = None,
    ) -> None:
        self.activities = set(activities or supported_activities())
        self.schedule = schedule or (lambda step: ProfilerAction.RECORD)
        self.on_trace_ready = on_trace_ready
        self.step_num = 0
        self.current_action = ProfilerAction.NONE
        self._folder: str | None = None  # where JAX is writing
        self._trace: bytes | None = None  # the last trace, compressed JSON

    def __enter__(self) -> "profile":
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin with the first step."""
        self._go_on(self.schedule(self.step_num))

    def step(self) -> None:
        """Say that a step is over and the next begins."""
        if self.current_action is ProfilerAction.RECORD_AND_SAVE:
            self._finish()
        self.step_num += 1
        self._go_on(self.schedule(self.step_num))

    def stop(self) -> None:
        """End, with the trace of what is active."""
        if self._folder is not None:
            self._finish()
        self.current_action = ProfilerAction.NONE

    def _go_on(self, action: ProfilerAction) -> None:
        self.current_action = action
        if action in _TRACING and self._folder is None:
            flush.flush_all("profiler")
            self._folder = tempfile.mkdtemp(prefix="jtorch-profile-")
            jax.profiler.start_trace(self._folder)

    def _finish(self) -> None:
        flush.flush_all("profiler")
        for array in jax.live_arrays():
            if not array.is_deleted():
                array.block_until_ready()
        jax.profiler.stop_trace()
        (written,) = glob.glob(f"{self._folder}/**/*.trace.json.gz", recursive=True)
        self._trace = Path(written).read_bytes()
        shutil.rmtree(self._folder)  # type: ignore[arg-type]
        self._folder = None
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def _json(self) -> bytes:
        if self._trace is None:
            raise AssertionError("Profiler must be stopped after an active step before its trace is asked for")
        return gzip.decompress(self._trace)

    def export_chrome_trace(self, path: str) -> None:
        """Write the last trace as JSON, compressed where ``path`` ends in ``.gz``."""
        text = self._json()
        Path(path).write_bytes(gzip.compress(text) if str(path).endswith(".gz") else text)

    def events(self) -> list[dict[str, Any]]:
        """The events of the last trace: dictionaries with ``name``, ``ts`` and ``dur`` (microseconds)."""
        found = json.loads(self._json())["traceEvents"]
        names = {e["pid"]: e["args"]["name"] for e in found if e.get("name") == "process_name"}
        spans = [e for e in found if e.get("ph") == "X" and not e["name"].startswith("$")]  # $: lines of Python
        return [{**e, "process": names.get(e["pid"], "")} for e in spans]

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0) -> EventList:
        """The events of the last trace, summed up by name."""
        rows: dict[str, EventAverage] = {}
        for event in self.events():
            row = rows.setdefault(event["name"], EventAverage(event["name"]))
            row.count += 1
            if event["process"].startswith("/device:"):
                row.device_time_total += event.get("dur", 0.0)
            else:
                row.cpu_time_total += event.get("dur", 0.0)
        return EventList(rows.values())


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False, use_python_export: bool = False
) -> Callable[[profile], None]:
    """An ``on_trace_ready`` that writes each trace to a file of its own in ``dir_name``."""

    def write(profiler: profile) -> None:
        os.makedirs(dir_name, exist_ok=True)
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        name = f"{worker}.{time.time_ns()}.pt.trace.json{'.gz' if use_gzip else ''}"
        profiler.export_chrome_trace(os.path.join(dir_name, name))

    return write
