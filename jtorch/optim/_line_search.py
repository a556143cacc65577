"""A line search for the strong Wolfe conditions, with cubic interpolation."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass
class _Point:
    """A step length, the loss and gradient there, and the slope along the direction."""

    t: float
    loss: float
    grad: Any
    slope: float


def _interpolate(a: _Point, b: _Point, bounds: tuple[float, float] | None = None) -> float:
    """Where the cubic through two points is least, within bounds (the points, by default)."""
    low, high = bounds or (min(a.t, b.t), max(a.t, b.t))
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1**2 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2.0
    d2 = math.sqrt(square)
    left, right = (a, b) if a.t <= b.t else (b, a)
    best = right.t - (right.t - left.t) * ((right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2))
    return min(max(best, low), high)


def strong_wolfe(
    evaluate: Callable[[float], tuple[float, Any]],
    t: float,
    d: Any,
    loss: float,
    grad: Any,
    slope: float,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance_change: float = 1e-9,
    max_ls: int = 25,
) -> tuple[float, Any, float, int]:
    """A step length along ``d`` that lowers the loss enough and flattens the slope enough.

    ``evaluate(t)`` gives loss and gradient; ``loss``, ``grad`` and ``slope`` are those at 0. Returns loss, gradient,
    length, and how often ``evaluate`` was called.
    """

    def at(t: float) -> _Point:
        loss, grad = evaluate(t)
        return _Point(t, loss, grad, float(grad.dot(d)))

    def falls_short(p: _Point) -> bool:
        return p.loss > loss + c1 * p.t * slope

    def is_flat(p: _Point) -> bool:
        return abs(p.slope) <= -c2 * slope

    start = previous = _Point(0, loss, grad, slope)
    now = at(t)
    calls, tries, done = 1, 0, False
    bracket = [start, now]
    # First go outwards until a minimum lies between two points.
    while tries < max_ls:
        bracket = [previous, now]
        if falls_short(now) or (tries > 1 and now.loss >= previous.loss):
            break
        if is_flat(now):
            bracket, done = [now], True
            break
        if now.slope >= 0:
            break
        bounds = (now.t + 0.01 * (now.t - previous.t), now.t * 10)
        previous, now = now, at(_interpolate(previous, now, bounds))
        calls += 1
        tries += 1
    else:
        bracket = [start, now]

    # Then close in on it.
    stuck = False
    low, high = (0, 1) if bracket[0].loss <= bracket[-1].loss else (1, 0)
    size = float(d.abs().max())
    while not done and tries < max_ls:
        if abs(bracket[1].t - bracket[0].t) * size < tolerance_change:
            break
        t = _interpolate(bracket[0], bracket[1])
        least, most = sorted(p.t for p in bracket)
        margin = 0.1 * (most - least)
        if min(most - t, t - least) < margin:
            if stuck or t >= most or t <= least:
                t = most - margin if abs(t - most) < abs(t - least) else least + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        now = at(t)
        calls += 1
        tries += 1
        if falls_short(now) or now.loss >= bracket[low].loss:
            bracket[high] = now
            low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
            continue
        if is_flat(now):
            done = True
        elif now.slope * (bracket[high].t - bracket[low].t) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = now
    best = bracket[low if len(bracket) > 1 else 0]
    return best.loss, best.grad, best.t, calls
