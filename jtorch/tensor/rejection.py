"""Poisson, binomial and gamma numbers as torch's CPU kernels draw them: each takes as many random numbers as it needs.

Large counts go by W. Hörmann's transformed rejection (PTRS, Insurance: Mathematics and Economics 12, 1993; BTRS, J.
Stat. Comput. Simul. 46, 1993), small ones by multiplying or adding up waiting times; gamma numbers go by G. Marsaglia
and W. Tsang's squeeze (ACM TOMS 26, 2000).
"""

from collections.abc import Iterator
from math import ceil, cos, exp, floor, inf, isinf, isnan, lgamma, log, log1p, pi, sin, sqrt

import numpy as np

from jtorch.tensor.mt19937 import Mt19937

_AHEAD = 256  # uniforms made at a time


class _Uniforms:
    """Uniform numbers one by one; the engine is moved on by as many as were taken."""

    def __init__(self, m: Mt19937) -> None:
        self._engine = m
        self._ahead = m.clone()
        self._taken = 0
        self._numbers: Iterator[float] = iter(())

    def __call__(self) -> float:
        self._taken += 1
        for u in self._numbers:
            return u
        draw = self._ahead.raw64(_AHEAD) & np.uint64((1 << 53) - 1)
        self._numbers = iter((draw * 2.0**-53).tolist())
        return next(self._numbers)

    def close(self) -> None:
        self._engine.raw64(self._taken)


def poisson(m: Mt19937, rates: np.ndarray) -> np.ndarray:
    """A Poisson number a rate (float64 [n]); raises RuntimeError for a negative one."""
    if not (rates >= 0).all():
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    uniform = _Uniforms(m)
    out = [_poisson(rate, uniform) for rate in rates.tolist()]
    uniform.close()
    return np.array(out, np.float64)


def _poisson(rate: float, uniform: _Uniforms) -> float:
    if rate == 0:
        return 0.0
    if rate < 10:
        limit, product, k = exp(-rate), uniform(), 0
        while product > limit:
            product *= uniform()
            k += 1
        return float(k)
    root, log_rate = sqrt(rate), log(rate)
    b = 0.931 + 2.53 * root
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    edge = 0.9277 - 3.6224 / (b - 2)
    while True:
        u, v = uniform() - 0.5, uniform()
        us = 0.5 - abs(u)
        k = floor((2 * a / us + b) * u + rate + 0.43)
        if us >= 0.07 and v <= edge:
            return float(k)
        if k < 0 or (us < 0.013 and v > us):
            continue
        if _log(v) + log(inverse_alpha) - log(a / (us * us) + b) <= -rate + k * log_rate - lgamma(k + 1):
            return float(k)


def _log(x: float) -> float:
    return log(x) if x else -inf


def binomial(m: Mt19937, counts: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """A binomial number for each pair (float64 [n] both)."""
    uniform = _Uniforms(m)
    out = [_binomial(n, p, uniform) for n, p in zip(counts.tolist(), probs.tolist(), strict=True)]
    uniform.close()
    return np.array(out, np.float64)


def _binomial(count: float, prob: float, uniform: _Uniforms) -> float:
    if count <= 0 or prob <= 0:
        return 0.0
    if prob >= 1:
        return count
    if isnan(prob) or isnan(count):
        return prob
    if prob > 0.5:
        return count - _binomial_low(count, 1 - prob, uniform)
    return _binomial_low(count, prob, uniform)


def _binomial_low(count: float, prob: float, uniform: _Uniforms) -> float:
    """For probabilities up to a half."""
    if count * prob >= 10:
        return _transformed(count, prob, uniform)
    scale, steps, k = log1p(-prob), 0.0, 0
    while True:
        u = uniform()
        steps += ceil(log(u) / scale) if u else inf
        if steps > count:
            return float(k)
        k += 1


_STIRLING = (
    0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509, 0.0166446911898211,
    0.0138761288230707, 0.0118967099458917, 0.0104112652619720, 0.00925546218271273, 0.00833056343336287,
)  # fmt: skip


def _stirling(k: float) -> float:
    """What Stirling's formula leaves out of log k!."""
    if k <= 9:
        return _STIRLING[int(k)]
    square = (k + 1) * (k + 1)
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1)


def _transformed(count: float, prob: float, uniform: _Uniforms) -> float:
    deviation = sqrt(count * prob * (1 - prob))
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * prob
    center = count * prob + 0.5
    edge = 0.92 - 4.2 / b
    odds = prob / (1 - prob)
    alpha = (2.83 + 5.1 / b) * deviation
    mode = floor((count + 1) * prob)
    while True:
        u, v = uniform() - 0.5, uniform()
        us = 0.5 - abs(u)
        k = floor((2 * a / us + b) * u + center)
        if us >= 0.07 and v <= edge:
            return float(k)
        if k < 0 or k > count:
            continue
        bound = (
            (mode + 0.5) * log((mode + 1) / (odds * (count - mode + 1)))
            + (count + 1) * log((count - mode + 1) / (count - k + 1))
            + (k + 0.5) * log(odds * (count - k + 1) / (k + 1))
            + _stirling(mode)
            + _stirling(count - mode)
            - _stirling(k)
            - _stirling(count - k)
        )
        if _log(v * alpha / (a / (us * us) + b)) <= bound:
            return float(k)


_SQUEEZE = float(np.float32(0.0331))


def gamma(m: Mt19937, shapes: np.ndarray) -> np.ndarray:
    """A gamma number of rate 1 a shape (floating [n]), as float64; what is made of a shape alone has its dtype."""
    raised = shapes < 1
    with np.errstate(divide="ignore"):
        powers = np.where(raised, 1 / shapes, 0)
    d = np.where(raised, shapes + 1, shapes) - shapes.dtype.type(np.float32(1 / 3))
    uniform = _Uniforms(m)
    out = [_gamma(*one, uniform, m) for one in zip(d.tolist(), powers.tolist(), strict=True)]
    uniform.close()
    return np.array(out, np.float64)


def _normal(uniform: _Uniforms, m: Mt19937) -> float:
    """A standard normal; of each pair the second waits in the engine."""
    if m.cached is not None:
        x, m.cached = m.cached, None
        return x
    angle, radius = 2.0 * pi * uniform(), sqrt(-2.0 * log1p(-uniform()))
    m.cached = radius * sin(angle)
    return radius * cos(angle)


def _gamma(d: float, power: float, uniform: _Uniforms, m: Mt19937) -> float:
    if isnan(d) or isinf(power):
        return d if isnan(d) else 0.0
    scale = (1 - uniform()) ** power if power else 1.0
    c = 1 / sqrt(9 * d)
    while True:
        x = _normal(uniform, m)
        y = 1 + c * x
        if y <= 0:
            continue
        v = y * y * y
        u = 1 - uniform()
        square = x * x
        if u < 1 - _SQUEEZE * square * square or log(u) < 0.5 * square + d * (1 - v + log(v)):
            return scale * d * v
