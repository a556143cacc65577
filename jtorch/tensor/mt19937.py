"""Torch's CPU random numbers, bit for bit: the mt19937 engine and torch's own transforms of its draws, in NumPy.

Facts about torch's transforms were checked by running it; the engine is M. Matsumoto and T. Nishimura's (ACM TOMACS 8, 1998).
"""

import struct
from math import prod
from typing import Any

import ml_dtypes
import numpy as np

DEFAULT_SEED = 67280421310721
STATE_BYTES = 5056
_U32, _U64 = np.uint32, np.uint64
_MASK24, _MASK53 = _U64((1 << 24) - 1), _U64((1 << 53) - 1)


class Mt19937:
    """The engine, with the cached second normal of the small-size algorithm."""

    def __init__(self, seed: int = DEFAULT_SEED) -> None:
        self.cached: float | None = None
        self.seed(seed)

    def seed(self, seed: int) -> None:
        """Start again from a 64-bit seed, of which the engine uses the low 32 bits."""
        self.initial = seed
        self.cached = None
        key = np.random.RandomState(seed & 0xFFFFFFFF).get_state(legacy=True)[1]
        self._engine = np.random.MT19937()
        self._set(key, 624)

    def _set(self, key: Any, pos: int) -> None:
        self._engine.state = {"bit_generator": "MT19937", "state": {"key": np.asarray(key, _U32), "pos": pos}}

    def raw(self, n: int) -> np.ndarray:
        """The next n 32-bit numbers, as uint64."""
        return self._engine.random_raw(n)

    def raw64(self, n: int) -> np.ndarray:
        """The next n 64-bit numbers, each of two draws, the first one high."""
        pairs = self._engine.random_raw(2 * n)
        return (pairs[0::2] << _U64(32)) | pairs[1::2]

    def state(self) -> np.ndarray:
        """The state as torch's 5056 bytes."""
        inner = self._engine.state["state"]
        pos = int(inner["pos"])
        left, following = (1, 0) if pos == 624 else (624 - pos + 1, pos)
        valid = self.cached is not None
        return np.frombuffer(
            struct.pack("<QiiQ", self.initial, left, 1, following)
            + np.asarray(inner["key"]).astype("<u8").tobytes()
            + struct.pack("<dddii", 0.0, self.cached or 0.0, 0.0, int(valid), 0)
            + struct.pack("<fi", 0.0, 0),
            np.uint8,
        ).copy()

    def set_state(self, data: np.ndarray) -> None:
        """Take over 5056 bytes; raises RuntimeError for another size or an impossible state."""
        raw = np.ascontiguousarray(data, np.uint8).tobytes()
        if len(raw) != STATE_BYTES:
            raise RuntimeError(f"Expected a CPUGeneratorImplState of size {STATE_BYTES} but found the input RNG state size to be {len(raw)}")
        initial, left, seeded, following = struct.unpack("<QiiQ", raw[:24])
        if not seeded or following > 624 or not 0 < left <= 624:
            raise RuntimeError("Invalid mt19937 state")
        key = np.frombuffer(raw[24 : 24 + 624 * 8], "<u8").astype(_U32)
        self.initial = initial
        self._set(key, 624 if left == 1 else following)
        _, second, _, valid, _ = struct.unpack("<dddii", raw[5016:5048])
        self.cached = second if valid else None


# -- transforms; each returns a flat array of n numbers


def _unit24(m: Mt19937, n: int) -> np.ndarray:
    return (m.raw(n) & _MASK24).astype(np.float32) * np.float32(2.0**-24)


def _unit53(m: Mt19937, n: int) -> np.ndarray:
    return (m.raw64(n) & _MASK53).astype(np.float64) * 2.0**-53


_NARROW = {np.dtype(np.float16): 11, np.dtype(ml_dtypes.bfloat16): 8}


def uniform(m: Mt19937, n: int, dtype: np.dtype, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Uniform in [low, high): 24 bits a float32, 53 a float64, 11 a half, 8 a bfloat16."""
    dtype = np.dtype(dtype)
    if dtype == np.float64:
        u = _unit53(m, n)
        return u if (low, high) == (0.0, 1.0) else u * (high - low) + low
    if dtype in _NARROW:
        bits = _NARROW[dtype]
        u = ((m.raw(n) & _U64((1 << bits) - 1)).astype(np.float32) * np.float32(2.0**-bits)).astype(dtype)
        if (low, high) == (0.0, 1.0):
            return u
        lo, hi = (np.asarray(x, dtype).astype(np.float32) for x in (low, high))
        return (u.astype(np.float32) * (hi - lo) + lo).astype(dtype)
    u32 = _unit24(m, n)
    if (low, high) == (0.0, 1.0):
        return u32
    lo, hi = np.float32(low), np.float32(high)
    return u32 * (hi - lo) + lo


def normal(m: Mt19937, n: int, dtype: np.dtype, mean: float = 0.0, std: float = 1.0) -> np.ndarray:
    """Normal by Box and Muller: in blocks of 16 for 16 or more, else pair by pair in double precision."""
    dtype = np.dtype(dtype)
    if n < 16:
        return (_normal_few(m, n) * std + mean).astype(dtype)
    work = np.dtype(np.float64) if dtype == np.float64 else np.dtype(np.float32)
    if dtype in _NARROW:
        draw = uniform(m, n, dtype).astype(np.float32)
    else:
        draw = _unit53(m, n) if work == np.float64 else _unit24(m, n)
    out = _normal_blocks(draw[: n - n % 16], work, mean, std)
    if n % 16:
        last = uniform(m, 16, dtype).astype(work) if dtype in _NARROW else (
            _unit53(m, 16) if work == np.float64 else _unit24(m, 16)
        )  # fmt: skip
        out = np.concatenate([out, np.empty(n % 16, work)])
        out[n - 16 :] = _normal_blocks(last, work, mean, std)
    return out.astype(dtype)


def _normal_blocks(u: np.ndarray, work: np.dtype, mean: float, std: float) -> np.ndarray:
    blocks = u.reshape(-1, 2, 8)
    one, two = work.type(1), work.type(2)
    radius = np.sqrt(-two * np.log(one - blocks[:, 0]))
    theta = work.type(2 * np.pi) * blocks[:, 1]
    made = np.empty_like(blocks)
    made[:, 0] = radius * np.cos(theta)
    made[:, 1] = radius * np.sin(theta)
    return made.reshape(-1) * work.type(std) + work.type(mean)


def _normal_few(m: Mt19937, n: int) -> np.ndarray:
    out = np.empty(n)
    for i in range(n):
        if m.cached is not None:
            out[i], m.cached = m.cached, None
            continue
        first, second = _unit53(m, 2)
        radius = np.sqrt(-2.0 * np.log1p(-second))
        theta = 2.0 * np.pi * first
        out[i] = radius * np.cos(theta)
        m.cached = float(radius * np.sin(theta))
    return out


def integers(m: Mt19937, n: int, low: int, high: int, dtype: np.dtype) -> np.ndarray:
    """Uniform integers in [low, high): a 32-bit draw modulo the range, a 64-bit one for ranges of 2^32 and more."""
    span = high - low
    draw = m.raw64(n) if span >= 1 << 32 else m.raw(n)
    picked = draw % _U64(span) if span < 1 << 64 else draw
    return (picked.astype(np.int64) + np.int64(low)).astype(dtype)


# the largest integer that random_() without bounds gives, a dtype
_RANDOM_MASKS = {"float32": 1 << 24, "float64": 1 << 53, "float16": 1 << 11, "bfloat16": 1 << 8}


def random_full(m: Mt19937, n: int, dtype: np.dtype) -> np.ndarray:
    """``random_()`` without bounds: all values of an integer dtype, the exactly represented ones of a floating dtype."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return (m.raw(n) & _U64(1)).astype(dtype)
    if dtype.kind in "iu":
        if dtype.itemsize == 8:
            return (m.raw64(n) % _U64(1 << 63)).astype(dtype)
        return (m.raw(n) % _U64(np.iinfo(dtype).max + 1)).astype(dtype)
    wide = dtype == np.float64
    top = _RANDOM_MASKS[dtype.name]
    return ((m.raw64(n) if wide else m.raw(n)) % _U64(top + 1)).astype(np.float64).astype(dtype)


def permutation(m: Mt19937, n: int) -> np.ndarray:
    """A random permutation of 0..n-1 (Fisher and Yates, front to back)."""
    order = list(range(n))
    if n > 1:
        left = np.arange(n, 1, -1, dtype=_U64)
        draw = (m.raw(n - 1) if n < (1 << 32) // 20 else m.raw64(n - 1)) % left
        for i, step in enumerate(draw.tolist()):
            if step:
                j = i + step
                order[i], order[j] = order[j], order[i]
    return np.array(order, np.int64)


def bernoulli(m: Mt19937, n: int, p: Any) -> np.ndarray:
    """Bools that are true with probability p (a number, or an array of n)."""
    return _unit53(m, n) < p


def exponential(m: Mt19937, n: int, rate: float) -> np.ndarray:
    """Exponential with the given rate, in double precision."""
    return -1.0 / rate * np.log1p(-_unit53(m, n))


def geometric(m: Mt19937, n: int, p: float) -> np.ndarray:
    """Trials up to the first success."""
    return np.ceil(np.log(_unit53(m, n)) / np.log1p(-p))


def cauchy(m: Mt19937, n: int, median: float, sigma: float) -> np.ndarray:
    """Cauchy."""
    return median + sigma * np.tan(np.pi * (_unit53(m, n) - 0.5))


def log_normal(m: Mt19937, n: int, mean: float, std: float) -> np.ndarray:
    """The exponential of normals drawn one by one."""
    return np.exp(_normal_few(m, n) * std + mean)


def count(shape: tuple[int, ...]) -> int:
    """The number of elements."""
    return prod(shape)
