"""Gamma and Dirichlet numbers: how they are drawn in a program, and how they change with their parameters.

A draw x of the distribution function F(x; a) moves with ``a`` so that F stays as it is: dx/da = -(dF/da) / (dF/dx).
Torch computes these by rational approximations, good to three or four digits; here they are exact to the dtype's
precision.
"""

from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
from jax import lax, random

from jtorch.ops.derivatives import with_partials
from jtorch.ops.precision import widened
from jtorch.ops.random import _draw
from jtorch.ops.table import op


def smallest(dtype: np.dtype) -> Any:
    """The least positive normal number of a dtype."""
    return ml_dtypes.finfo(dtype).smallest_normal.astype(dtype)


def before_one(dtype: np.dtype) -> Any:
    """The largest number of a dtype below 1."""
    return np.asarray(1 - float(ml_dtypes.finfo(dtype).epsneg)).astype(dtype)


# -- drawing in a program


@_draw("Tensor shape")
def gamma(key, shape):
    """Gamma of rate 1 with a shape an element."""
    return jnp.maximum(widened(lambda a: random.gamma(key, a, dtype=a.dtype))(shape), smallest(shape.dtype))


@_draw("Tensor concentration")
def dirichlet(key, concentration):
    """Dirichlet over the last dim."""
    logs = widened(lambda a: jax.nn.softmax(random.loggamma(key, a, dtype=a.dtype), axis=-1))(concentration)
    return jnp.clip(logs, smallest(concentration.dtype), before_one(concentration.dtype))


# -- derivatives


def _gamma_grad(a: Any, x: Any) -> Any:
    """dx/da of a gamma number x of shape a."""
    return lax.random_gamma_grad(a.astype(np.float64), x.astype(np.float64)).astype(x.dtype)


@op(
    "_standard_gamma_of(Tensor draw, Tensor self) -> Tensor", expose="", out=False, saves="self",
    grad_name="StandardGammaBackward0", host=lambda draw, a: draw,
)  # fmt: skip
@with_partials(None, lambda result, draw, a: _gamma_grad(a, draw))
def standard_gamma_of(draw, self):
    """A gamma number that was drawn for the shape ``self``, with its gradient."""
    return draw


@op("_standard_gamma_grad(Tensor self, Tensor output) -> Tensor", expose="torch", out=False, differentiable=False)
def standard_gamma_grad(self, output):
    """The derivative by the shape ``self`` of a gamma number ``output``."""
    return _gamma_grad(self, output)


_STEPS = np.linspace(-4.0, 4.0, 161)  # of the exp-sinh rule: points exp(pi/2 sinh t) in (0, inf)
_POINTS = np.exp(np.pi / 2 * np.sinh(_STEPS))
_WEIGHTS = _POINTS * np.pi / 2 * np.cosh(_STEPS) * (_STEPS[1] - _STEPS[0])


def _below(x: Any, a: Any, b: Any) -> Any:
    """The integral from 0 to x of density(t) (log t - its mean) / density(x), for a beta distribution.

    In t = x exp(-w / a), where the density's singularity at 0 is gone.
    """
    mean = lax.digamma(a) - lax.digamma(a + b)
    log_x, log_rest = jnp.log(x), jnp.log1p(-x)

    def add(i: Any, total: Any) -> Any:
        log_t = log_x - jnp.asarray(_POINTS)[i] / a
        log_ratio = (b - 1) * (jnp.log1p(-jnp.exp(log_t)) - log_rest) - jnp.asarray(_POINTS)[i]
        return total + jnp.asarray(_WEIGHTS)[i] * jnp.exp(log_ratio) * (log_t - mean)

    return lax.fori_loop(0, len(_POINTS), add, jnp.zeros_like(x)) * x / a


def _above(x: Any, a: Any, b: Any) -> Any:
    """The same integral from x to 1, in 1 - t = (1 - x) exp(-w / b)."""
    mean = lax.digamma(a) - lax.digamma(a + b)
    log_x, rest = jnp.log(x), 1 - x

    def add(i: Any, total: Any) -> Any:
        log_t = jnp.log1p(-rest * jnp.exp(-jnp.asarray(_POINTS)[i] / b))
        log_ratio = (a - 1) * (log_t - log_x) - jnp.asarray(_POINTS)[i]
        return total + jnp.asarray(_WEIGHTS)[i] * jnp.exp(log_ratio) * (log_t - mean)

    return lax.fori_loop(0, len(_POINTS), add, jnp.zeros_like(x)) * rest / b


@op(
    "_dirichlet_grad(Tensor x, Tensor alpha, Tensor total) -> Tensor", expose="torch", out=False, differentiable=False,
)  # fmt: skip
def dirichlet_grad(x, alpha, total):
    """dx/d(alpha) / (1 - x) of x, a beta number of concentrations ``alpha`` and ``total - alpha``."""
    wide = [v.astype(np.float64) for v in (x, alpha, total)]
    at, a, b = wide[0], wide[1], wide[2] - wide[1]
    low = at < a / (a + b)
    moved = jnp.where(low, -_below(at, a, b), _above(at, a, b))
    return (moved / (1 - at)).astype(x.dtype)
