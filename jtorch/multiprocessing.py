"""``torch.multiprocessing``: Python's multiprocessing, and processes started together.

Tensors travel by value, pickled: jtorch shares no memory between processes.
"""

import multiprocessing
import multiprocessing.connection
import signal
import traceback
import warnings
from collections.abc import Callable
from multiprocessing import *  # noqa: F403
from typing import Any

__all__ = [
    *multiprocessing.__all__,  # type: ignore[attr-defined]
    "ProcessContext", "ProcessException", "ProcessExitedException", "ProcessRaisedException", "SpawnContext", "spawn",
    "start_processes",
]  # fmt: skip


class ProcessException(Exception):
    """A process that was started together with others has failed."""

    def __init__(self, msg: str, error_index: int, pid: int) -> None:
        super().__init__(msg)
        self.msg = msg
        self.error_index = error_index
        self.pid = pid


class ProcessRaisedException(ProcessException):
    """It raised an exception; the message holds its traceback."""


class ProcessExitedException(ProcessException):
    """It was ended by a signal or left with an exit code."""

    def __init__(
        self, msg: str, error_index: int, error_pid: int, exit_code: int, signal_name: str | None = None
    ) -> None:
        super().__init__(msg, error_index, error_pid)
        self.exit_code = exit_code
        self.signal_name = signal_name


def _run(fn: Callable, index: int, args: tuple, failures: Any) -> None:
    try:
        fn(index, *args)
    except KeyboardInterrupt:
        pass  # the parent was interrupted too, and ends its processes itself
    except Exception:
        failures.put(traceback.format_exc())
        raise SystemExit(1) from None


class ProcessContext:
    """Processes that stand and fall together."""

    def __init__(self, processes: list, failures: list) -> None:
        self.processes = processes
        self._failures = failures

    def pids(self) -> list[int]:
        """The processes' numbers."""
        return [int(p.pid) for p in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Wait until one fails or all have ended; whether all have.

        On a failure the others are ended, after ``grace_period`` seconds killed, and it raises what happened.
        """
        running = {p.sentinel: i for i, p in enumerate(self.processes) if p.exitcode is None}
        for sentinel in multiprocessing.connection.wait(running, timeout):
            self.processes[running[sentinel]].join()
        failed = next((i for i, p in enumerate(self.processes) if p.exitcode not in (None, 0)), None)
        if failed is None:
            return all(p.exitcode == 0 for p in self.processes)
        for p in self.processes:
            p.terminate()
        for p in self.processes:
            p.join(grace_period)
            if p.is_alive():
                p.kill()
                p.join()
        raise self._error(failed)

    def _error(self, index: int) -> ProcessException:
        process = self.processes[index]
        if not self._failures[index].empty():
            text = f"\n\n-- Process {index} terminated with the following error:\n{self._failures[index].get()}"
            return ProcessRaisedException(text, index, process.pid)
        code = process.exitcode
        if code < 0:
            name = signal.Signals(-code).name
            return ProcessExitedException(
                f"process {index} terminated with signal {name}", index, process.pid, code, name
            )
        return ProcessExitedException(f"process {index} terminated with exit code {code}", index, process.pid, code)


SpawnContext = ProcessContext


def start_processes(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Run ``fn(i, *args)`` in ``nprocs`` processes; with ``join`` wait for them all, otherwise return their context."""
    how: Any = multiprocessing.get_context(start_method)
    processes, failures = [], []
    for index in range(nprocs):
        failures.append(how.SimpleQueue())
        process = how.Process(target=_run, args=(fn, index, args, failures[-1]), daemon=daemon)
        process.start()
        processes.append(process)
    context = ProcessContext(processes, failures)
    if not join:
        return context
    while not context.join():
        pass
    return None


def spawn(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """:func:`start_processes` by the method "spawn"; another one is warned of and not taken."""
    if start_method != "spawn":
        warnings.warn(
            f"spawn() starts processes by 'spawn' only (got: {start_method}); start_processes() takes others.",
            FutureWarning,
            stacklevel=2,
        )
    return start_processes(fn, args, nprocs, join, daemon, start_method="spawn")
