"""Processes that serve a program, and forked ones above all: XLA's threads are not in them, so they do without XLA.

What NumPy can do they do themselves; other programs they send to a process of their own (see remote.py).
"""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import jax

from jtorch.engine import checks, devices, flush, trace


@contextmanager
def quietly() -> Iterator[None]:
    """Fork in here: what is under way is waited for, and the warnings that XLA's threads get lost are left out."""
    flush.flush_all("a process is forked")
    jax.block_until_ready(jax.live_arrays())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*fork\(\)", RuntimeWarning)
        warnings.filterwarnings("ignore", r".*fork\(\)", DeprecationWarning)
        yield


def in_worker(forked: bool) -> None:
    """Set up a new process: it leaves accelerators alone, and XLA too where it was forked."""
    if not forked:
        jax.config.update("jax_platforms", "cpu")
        return
    devices.forked = True
    devices.devices.cache_clear()
    devices.jax_device.cache_clear()
    flush.compiling = threading.RLock()  # another thread may have held it at the fork
    trace._roots_lock = threading.Lock()
    trace.state().traces.clear()
    trace.state().trace = None
    checks._codes.clear()
