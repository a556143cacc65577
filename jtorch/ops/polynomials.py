"""Orthogonal polynomials of ``torch.special``: Chebyshev, Hermite, Laguerre and Legendre, by their recurrences.

Each has ``p[0] = 1``, a first polynomial, and a step from two neighbours to the next. Degrees are data, so that the
recurrence runs as far as the highest degree asks. Negative degrees give 0. As in torch there is no gradient.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jtorch.ops.errors import REAL, only
from jtorch.ops.table import op

_SHORT = 6  # up to this degree the recurrence of Chebyshev's polynomials is run inside (-1, 1) too


def _recur(x: Any, n: Any, first: Any, step: Callable, known: Any = None) -> Any:
    """p[n](x), from p[1] and ``step(k, x, p[k], p[k - 1]) = p[k + 1]``. Where ``known`` holds no degree is awaited."""
    awaited = n if known is None else jnp.where(known, 0, n)
    last = jnp.max(awaited, initial=0)

    def body(state: tuple) -> tuple:
        k, before, now, found = state
        after = step(k.astype(x.dtype), x, now, before)
        return k + 1, now, after, jnp.where(n == k + 1, after, found)

    start = jnp.where(n == 1, first, jnp.where(n == 0, 1, 0)).astype(x.dtype)
    return lax.while_loop(
        lambda state: state[0] < last, body, (jnp.asarray(1, n.dtype), jnp.ones_like(x), first, start)
    )[3]


def _chebyshev(first: Callable, angular: Callable) -> Callable:
    """One of the four kinds. Inside (-1, 1) a high degree is a quotient of waves in the angle ``arccos(x)``."""

    def polynomial(x: Any, n: Any) -> Any:
        inside = (lax.abs(x) < 1) & (n > _SHORT)
        waves = angular(lax.acos(jnp.where(inside, x, 0)), n.astype(x.dtype))
        return jnp.where(inside, waves, _recur(x, n, first(x), lambda k, x, now, before: 2 * x * now - before, inside))

    return polynomial


def _shifted(polynomial: Callable) -> Callable:
    return lambda x, n: polynomial(2 * x - 1, n)


def _by(first: Callable, step: Callable) -> Callable:
    return lambda x, n: _recur(x, n, first(x), step)


_T = _chebyshev(lambda x: x, lambda t, n: lax.cos(n * t))
_U = _chebyshev(lambda x: 2 * x, lambda t, n: lax.sin((n + 1) * t) / lax.sin(t))
_V = _chebyshev(lambda x: 2 * x - 1, lambda t, n: lax.cos((n + 0.5) * t) / lax.cos(t / 2))
_W = _chebyshev(lambda x: 2 * x + 1, lambda t, n: lax.sin((n + 0.5) * t) / lax.sin(t / 2))

_POLYNOMIALS: dict[str, tuple[Callable, str]] = {
    "chebyshev_polynomial_t": (_T, "Chebyshev's polynomial of the first kind"),
    "chebyshev_polynomial_u": (_U, "Chebyshev's polynomial of the second kind"),
    "chebyshev_polynomial_v": (_V, "Chebyshev's polynomial of the third kind"),
    "chebyshev_polynomial_w": (_W, "Chebyshev's polynomial of the fourth kind"),
    "shifted_chebyshev_polynomial_t": (_shifted(_T), "Chebyshev's polynomial of the first kind at ``2x - 1``"),
    "shifted_chebyshev_polynomial_u": (_shifted(_U), "Chebyshev's polynomial of the second kind at ``2x - 1``"),
    "shifted_chebyshev_polynomial_v": (_shifted(_V), "Chebyshev's polynomial of the third kind at ``2x - 1``"),
    "shifted_chebyshev_polynomial_w": (_shifted(_W), "Chebyshev's polynomial of the fourth kind at ``2x - 1``"),
    "hermite_polynomial_h": (
        _by(lambda x: 2 * x, lambda k, x, now, before: 2 * (x * now - k * before)),
        "Hermite's polynomial, as physicists have it",
    ),
    "hermite_polynomial_he": (
        _by(lambda x: x, lambda k, x, now, before: x * now - k * before),
        "Hermite's polynomial, as statisticians have it",
    ),
    "laguerre_polynomial_l": (
        _by(lambda x: 1 - x, lambda k, x, now, before: ((2 * k + 1 - x) * now - k * before) / (k + 1)),
        "Laguerre's polynomial",
    ),
    "legendre_polynomial_p": (
        _by(lambda x: x, lambda k, x, now, before: ((2 * k + 1) * x * now - k * before) / (k + 1)),
        "Legendre's polynomial",
    ),
}


def _declare(name: str, polynomial: Callable, doc: str) -> None:
    @only(REAL, f"{name}_cpu")
    def impl(x: Any, n: Any) -> Any:
        x, n = jnp.broadcast_arrays(x, n)
        return polynomial(x, n.astype(np.int64))

    op(
        f"special_{name}(Tensor x, Tensor n) -> Tensor",
        promote="float",
        numbers="x n",
        expose=f"special:{name}",
        differentiable=False,
    )(impl).__doc__ = f"{doc} of degree ``n``, at ``x``."


for _name, (_polynomial, _doc) in _POLYNOMIALS.items():
    _declare(_name, _polynomial, _doc)
