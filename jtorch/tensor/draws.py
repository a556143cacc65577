"""What torch makes of the Mersenne Twister's numbers, in NumPy: each function returns ``n`` draws as a flat array.

They take from the engine what torch's CPU kernels take and do the same arithmetic, so that one seed gives one stream in
both, to the last bit.
"""

import math
from typing import Any

import numpy as np

from jtorch.ops.random import DIGITS, largest
from jtorch.tensor.boxmuller import normal_blocks
from jtorch.tensor.mt19937 import Mt19937

_U64 = np.uint64
_f32, _f64 = np.dtype(np.float32), np.dtype(np.float64)


def unit(m: Mt19937, n: int, dtype: np.dtype) -> np.ndarray:
    """Uniform in [0, 1): float64 for float64, float32 with 24 bits for anything else."""
    if dtype == _f64:
        draw = m.raw64(n)
        draw &= _U64((1 << 53) - 1)
        return draw * 2.0**-53
    draw = m.raw(n)
    draw &= _U64((1 << 24) - 1)
    return draw.astype(_f32) * np.float32(2.0**-24)


def _part(dtype: np.dtype) -> np.dtype:
    return np.dtype(f"f{dtype.itemsize // 2}")


def _fma(x: np.ndarray, factor: float, term: float) -> np.ndarray:
    """x * factor + term, rounded once, as the compiler of torch's kernels has it."""
    if x.dtype == _f32:  # exact in float64
        return (x.astype(_f64) * float(np.float32(factor)) + float(np.float32(term))).astype(_f32)
    product = x * factor
    total = product + term
    return total + (_lost_product(x, factor, product) + _lost_sum(product, term, total))


def _halves(x: Any) -> tuple[Any, Any]:
    big = x * 134217729.0
    high = big - (big - x)
    return high, x - high


def _lost_product(a: Any, b: Any, product: Any) -> Any:
    (a1, a2), (b1, b2) = _halves(a), _halves(b)
    return ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2


def _lost_sum(a: Any, b: Any, total: Any) -> Any:
    back = total - a
    return (a - (total - back)) + (b - back)


def uniform(m: Mt19937, n: int, dtype: np.dtype, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Uniform in [low, high), complex numbers in both parts; what is rounded up to ``high`` becomes ``low``."""
    if dtype.kind == "c":
        return uniform(m, 2 * n, _part(dtype), low, high).view(dtype)
    u = unit(m, n, dtype)
    start, end = u.dtype.type(low), u.dtype.type(high)
    if (low, high) != (0.0, 1.0):
        u = _fma(u, float(end - start), float(start))
    elif dtype == u.dtype:
        return u
    out = u.astype(dtype, copy=False)
    out[out == np.asarray(end, dtype)] = start
    return out


def normal(m: Mt19937, n: int, dtype: np.dtype, mean: float = 0.0, std: float = 1.0) -> np.ndarray:
    """Normal, by Box and Muller; the parts of a complex number share the variance, and each has the mean.

    What is left after blocks of 16 is the end of one more block, drawn anew.
    """
    if dtype.kind == "c":
        return normal(m, 2 * n, _part(dtype), mean, std / math.sqrt(2)).view(dtype)
    if n < 16:
        return normal_scattered(m, n, dtype, mean, std)
    blocks = _wide_blocks if dtype == _f64 else normal_blocks
    whole = n - n % 16
    u = unit(m, n if dtype in (_f32, _f64) else whole, dtype)
    out = np.empty(n, dtype)
    out[:whole] = blocks(u[:whole], mean, std)
    if whole < n:
        out[n - 16 :] = blocks(unit(m, 16, dtype), mean, std)
    return out


def normal_scattered(m: Mt19937, n: int, dtype: np.dtype, mean: float = 0.0, std: float = 1.0) -> np.ndarray:
    """Normal, one by one: what torch does where memory is not contiguous."""
    if dtype.kind == "c":
        return normal(m, n, dtype, mean, std)
    return narrowed(_fma(_singles(m, n, dtype), std, mean), dtype)


def _wide_blocks(u: np.ndarray, mean: float, std: float) -> np.ndarray:
    pairs = u.reshape(-1, 2, 8)
    radius = np.sqrt(-2.0 * _libm("log", 1.0 - pairs[:, 0]))
    theta = 2.0 * np.pi * pairs[:, 1]
    out = np.empty_like(pairs)
    out[:, 0] = _fma(radius * _libm("cos", theta), std, mean)
    out[:, 1] = _fma(radius * _libm("sin", theta), std, mean)
    return out.reshape(-1)


def _libm(name: str, x: np.ndarray) -> np.ndarray:
    """A function of the C library, whose last bit NumPy's own may not share."""
    return np.fromiter(map(getattr(math, name), x.reshape(-1).tolist()), _f64, x.size).reshape(x.shape)


def _exact(name: str, x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """A function in float64, by the C library where the result is to keep its last bit, or is quickly had."""
    return _libm(name, x) if dtype == _f64 or x.size < 64 else getattr(np, name)(x)


def _singles(m: Mt19937, n: int, dtype: np.dtype) -> np.ndarray:
    """Standard normals drawn one by one, float64; of each pair the second waits in the engine for the next call."""
    out = np.empty(n)
    first = 0
    if n and m.cached is not None:
        out[0], m.cached = m.cached, None
        first = 1
    u = unit(m, n - first + (n - first) % 2, _f64).reshape(-1, 2)
    radius = np.sqrt(-2.0 * _exact("log1p", -u[:, 1], dtype))
    theta = 2.0 * np.pi * u[:, 0]
    pairs = np.stack([radius * _exact("cos", theta, dtype), radius * _exact("sin", theta, dtype)], 1)
    out[first:] = pairs.reshape(-1)[: n - first]
    if pairs.size > n - first:
        m.cached = math.sqrt(-2.0 * math.log1p(-u[-1, 1])) * math.sin(theta[-1])
    return out


def integers(m: Mt19937, n: int, dtype: np.dtype, low: int, last: int) -> np.ndarray:
    """Uniform integers from ``low`` to ``last``, both of which lie within 64 bits."""
    if last - low == (1 << 64) - 1:
        return m.raw64(n).astype(np.int64).astype(dtype)
    if dtype in DIGITS:
        low, last = _representable(low, last, DIGITS[dtype], dtype)
    span = last - low + 1
    draw = m.raw64(n) if span >= 1 << 28 else m.raw(n)
    draw %= _U64(span)
    draw += _U64(low % (1 << 64))
    return draw.astype(np.int64).astype(dtype)


def _representable(low: int, last: int, digits: int, dtype: np.dtype) -> tuple[int, int]:
    """Bounds moved inwards where the dtype would round the first or the last number out of them."""
    first, end = (int(np.asarray(float(x)).astype(dtype)) for x in (low + 1, last))
    if first < low:
        low = first + (1 << (abs(low + 1).bit_length() - digits))
    if last < end < 1 << 63:
        last = end - (1 << (abs(last).bit_length() - digits)) - 1
    return low, last


def random(m: Mt19937, n: int, dtype: np.dtype) -> np.ndarray:
    """``random_()`` without bounds."""
    draw = m.raw64(n) if dtype.itemsize == 8 else m.raw(n)
    top = largest(dtype)
    if top < (1 << 64) - 1:
        draw %= _U64(top + 1)
    return draw.astype(dtype)


def permutation(m: Mt19937, n: int, dtype: np.dtype) -> np.ndarray:
    """A random order of 0 to n - 1 (Fisher and Yates, from the front)."""
    order = list(range(n))
    if n > 1:
        left = np.arange(n, 1, -1, dtype=_U64)
        draw = (m.raw(n - 1) if n < (1 << 32) // 20 else m.raw64(n - 1)) % left
        for i, j in enumerate((draw + np.arange(n - 1, dtype=_U64)).tolist()):
            order[i], order[j] = order[j], order[i]
    return np.array(order, dtype)


def bernoulli(m: Mt19937, n: int, dtype: np.dtype, p: float) -> np.ndarray:
    """Ones with probability ``p``."""
    return (unit(m, n, _f64) < p).astype(dtype)


def exponential(m: Mt19937, n: int, dtype: np.dtype, rate: float = 1.0) -> np.ndarray:
    """Exponential with the given rate."""
    return narrowed(-1.0 / rate * _exact("log1p", -unit(m, n, _f64), dtype), dtype)


def geometric(m: Mt19937, n: int, dtype: np.dtype, p: float) -> np.ndarray:
    """Trials up to the first success."""
    u = unit(m, n, _f64)
    with np.errstate(divide="ignore"):
        return np.ceil(np.log(u) / math.log1p(-p)).astype(dtype)


def cauchy(m: Mt19937, n: int, dtype: np.dtype, median: float = 0.0, sigma: float = 1.0) -> np.ndarray:
    """Cauchy."""
    tangent = _exact("tan", np.pi * (unit(m, n, _f64) - 0.5), dtype)
    return narrowed(_fma(tangent, sigma, median), dtype)


def log_normal(m: Mt19937, n: int, dtype: np.dtype, mean: float = 1.0, std: float = 2.0) -> np.ndarray:
    """The exponential of normals drawn one by one."""
    return narrowed(_exact("exp", _fma(_singles(m, n, dtype), std, mean), dtype), dtype)


def narrowed(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """float64 in another dtype, by way of float32."""
    return x if dtype == _f64 else x.astype(_f32).astype(dtype, copy=False)
