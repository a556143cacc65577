"""Buffers that one run of a program leaves for the next: those of results that have been dropped since.

A gradient lives from one step to the next, where it is dropped before the new one is computed. Handing its buffer back
to the program as a donated input saves the allocation, which costs a small model on a GPU more than its kernels do.
"""

import sys
from typing import Any

import jax
import numpy as np

from jtorch.engine.aval import Aval
from jtorch.engine.devices import jax_device

LIMIT = 64 << 20  # bytes that are kept at the most, and by one program at a time

_owner: "Spares | None" = None


def fits(avals: list[Aval]) -> bool:
    """Whether results of these avals are to be kept."""
    return 0 < sum(a.size * a.dtype.itemsize for a in avals) <= LIMIT


def holders(arrays: list[Any]) -> list[int]:
    """How often each array is referred to, for comparison with :data:`UNHELD`."""
    return list(map(sys.getrefcount, arrays))


UNHELD = holders([object()])[0]  # of an array that nothing but the list holds: Python versions differ


class Spares:
    """The spare buffers of one program, for results of ``avals``."""

    __slots__ = ("avals", "device", "arrays")

    def __init__(self, avals: list[Aval], device: str) -> None:
        self.avals = avals
        self.device = device
        self.arrays: list[Any] = []

    def take(self) -> list[Any]:
        """Arrays to donate: the last run's results, and new ones in the place of those that somebody still holds."""
        arrays, self.arrays = self.arrays, []
        if not arrays:
            return [self._new(a) for a in self.avals]
        for i, n in enumerate(holders(arrays)):
            if n > UNHELD or arrays[i] is None or arrays[i].is_deleted():
                arrays[i] = self._new(self.avals[i])
        return arrays

    def keep(self, arrays: list[Any]) -> None:
        """Hold on to the results of a run, and let go of another program's."""
        global _owner
        if _owner is not self:
            if _owner is not None:
                _owner.arrays = []
            _owner = self
        self.arrays = arrays

    def _new(self, aval: Aval) -> Any:
        return jax.device_put(np.zeros(aval.shape, aval.dtype), jax_device(self.device))


def release(leaves: list[Any]) -> None:
    """Let go of arrays that a program is to take as inputs: it may want to donate them itself."""
    if _owner is None or not _owner.arrays or max(holders(_owner.arrays)) <= UNHELD:
        return
    ids = set(map(id, leaves))
    _owner.arrays = [None if id(a) in ids else a for a in _owner.arrays]


def drop() -> None:
    """Let go of all that is kept (``torch.cuda.empty_cache()``)."""
    if _owner is not None:
        _owner.arrays = []
