"""Norms of vectors, distances, renormalisation, and sums of exponentials in the logarithm."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jtorch.ops import promotion
from jtorch.ops.derivatives import with_partials
from jtorch.ops.dims import reduce_dims, wrap_dim
from jtorch.ops.errors import scalar_type
from jtorch.ops.pointwise import together
from jtorch.ops.promotion import COMPLEX, FLOAT, category
from jtorch.ops.reduction import Dims, flat_sqrt, squared_size, wide
from jtorch.ops.table import op


@with_partials(lambda size, x: jnp.sign(x))
def _size(x: Any) -> Any:
    return lax.abs(x)


def _sizes(x: Any) -> Any:
    """Absolute values, which are taken not to move at 0."""
    return jnp.abs(x) if category(x.dtype) == COMPLEX else _size(x)


@with_partials(None, None)
def _count(x: Any, kept: Any) -> Any:
    return x


def _power_norm(x: Any, axes: tuple[int, ...], p: float) -> Any:
    """``sum(|x|**p) ** (1/p)``. Elements at 0, and a norm at 0, are taken not to move: no infinite derivative leaks."""
    size = _sizes(x)
    still = size == 0
    if p > 0:
        powers = jnp.where(still, 0, jnp.where(still, 1, size) ** p)
    else:
        powers = size**p
    total = jnp.sum(powers, axes, keepdims=True)
    flat = total == 0
    return jnp.where(flat, 0 if p > 0 else total ** (1 / p), jnp.where(flat, 1, total) ** (1 / p))


def vector_norm(x: Any, p: Any, axes: tuple[int, ...], keepdim: bool) -> Any:
    """The p-norm of a float or complex array along ``axes``; half precisions are added up in float32."""
    real = np.dtype(x.real.dtype)
    x = promotion.cast(x, wide(np.dtype(x.dtype)))
    p = float(p)
    if p == 0:
        norm = jnp.sum(x != 0, axes, keepdims=True).astype(real)
    elif p == math.inf:
        norm = jnp.max(_sizes(x), axes, keepdims=True)
    elif p == -math.inf:
        norm = jnp.min(_sizes(x), axes, keepdims=True)
    elif p == 1:
        norm = jnp.sum(_sizes(x), axes, keepdims=True)
    elif p == 2:
        norm = flat_sqrt(jnp.sum(squared_size(x), axes, keepdims=True))
    else:
        norm = _power_norm(x, axes, p)
    return (norm if keepdim else jnp.squeeze(norm, axes)).astype(real)
