"""Torch's CPU random engine: mt19937, bit for bit, with torch's layout of the saved state.

The engine is M. Matsumoto and T. Nishimura's (ACM TOMACS 8, 1998); NumPy has it. What torch makes of its draws is in
:mod:`jtorch.tensor.draws`.
"""

import struct
from typing import Any

import numpy as np

DEFAULT_SEED = 67280421310721
STATE_BYTES = 5056

_WORDS = 624
_HEAD = "<QiiQ"  # seed, draws left before the next refill (1: none), whether seeded, index of the next word
_TAIL = "<dddiifi"  # three unused, ..., the cached double normal and its flag, the cached float normal and its flag
_HIGH = np.uint64(32)


class Mt19937:
    """The engine, with the second number of the last pair of normals drawn one by one (``cached``)."""

    def __init__(self, seed: int = DEFAULT_SEED) -> None:
        self._engine = np.random.MT19937()
        self.seed(seed)

    def seed(self, seed: int) -> None:
        """Start again from a seed of 64 bits, of which the engine uses the low 32."""
        self.initial_seed = seed
        self.cached: float | None = None
        self._fresh = True
        legacy: Any = np.random.RandomState(seed & 0xFFFFFFFF).get_state(legacy=True)
        self._restore(legacy[1], _WORDS)

    def raw(self, n: int) -> np.ndarray:
        """The next n numbers of 32 bits, as uint64."""
        self._fresh = self._fresh and n == 0
        return self._engine.random_raw(n)

    def raw64(self, n: int) -> np.ndarray:
        """The next n numbers of 64 bits, each of two draws, the first one high."""
        pairs = self.raw(2 * n)
        return (pairs[0::2] << _HIGH) | pairs[1::2]

    def clone(self) -> "Mt19937":
        """An engine that will draw the same numbers."""
        other = Mt19937.__new__(Mt19937)
        other._engine = np.random.MT19937()
        other._engine.state = self._engine.state
        other.initial_seed, other.cached, other._fresh = self.initial_seed, self.cached, self._fresh
        return other

    def state(self) -> np.ndarray:
        """The state as torch's 5056 bytes."""
        inner: Any = self._engine.state["state"]
        pos = int(inner["pos"])
        left, following = (1, 0 if self._fresh else _WORDS) if pos == _WORDS else (_WORDS - pos + 1, pos)
        head = struct.pack(_HEAD, self.initial_seed, left, 1, following)
        words = np.asarray(inner["key"]).astype("<u8").tobytes()
        tail = struct.pack(_TAIL, 0.0, self.cached or 0.0, 0.0, self.cached is not None, 0, 0.0, 0)
        return np.frombuffer(head + words + tail, np.uint8).copy()

    def set_state(self, data: np.ndarray) -> None:
        """Take over 5056 bytes; raises RuntimeError for another size or an impossible state."""
        raw = np.ascontiguousarray(data, np.uint8).tobytes()
        if len(raw) != STATE_BYTES:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size {STATE_BYTES} but found the input RNG state size to be "
                f"{len(raw)}"
            )
        split = struct.calcsize(_HEAD)
        seed, left, seeded, following = struct.unpack(_HEAD, raw[:split])
        _, cached, _, valid, *_ = struct.unpack(_TAIL, raw[split + 8 * _WORDS :])
        if not seeded or following > _WORDS or not 0 < left <= _WORDS:
            raise RuntimeError("Invalid mt19937 state")
        self.initial_seed = seed
        self.cached = cached if valid else None
        self._fresh = left == 1 and following == 0
        words = np.frombuffer(raw[split : split + 8 * _WORDS], "<u8")
        self._restore(words, _WORDS if left == 1 else following)

    def _restore(self, words: Any, pos: int) -> None:
        key = np.asarray(words).astype(np.uint32)
        self._engine.state = {"bit_generator": "MT19937", "state": {"key": key, "pos": pos}}
