"""Forked processes: XLA's threads are not in them, so nothing of XLA may be used there."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import jax


@contextmanager
def quietly() -> Iterator[None]:
    """Fork without the warnings of JAX and Python that XLA's threads are lost: :func:`in_worker` sees to that."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*fork\(\)", RuntimeWarning)
        warnings.filterwarnings("ignore", r".*fork\(\)", DeprecationWarning)
        yield


def in_worker(forked: bool) -> None:
    """Set up a worker process: it leaves accelerators alone."""
    if not forked:
        jax.config.update("jax_platforms", "cpu")
