"""Norms of vectors, distances, renormalisation, and sums of exponentials in the logarithm."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jtorch.ops import promotion
from jtorch.ops.derivatives import with_partials
from jtorch.ops.dims import reduce_dims, wrap_dim
from jtorch.ops.errors import scalar_type
from jtorch.ops.pointwise import together
from jtorch.ops.promotion import COMPLEX, FLOAT, category
from jtorch.ops.reduction import computed_in, flat_sqrt, squared_size
from jtorch.ops.table import op


@with_partials(lambda size, x: jnp.sign(x))
def _real_sizes(x: Any) -> Any:
    return lax.abs(x)


def _sizes(x: Any) -> Any:
    """Absolute values, which are taken not to move at 0."""
    return lax.abs(x) if category(x.dtype) == COMPLEX else _real_sizes(x)


def _power_norm(x: Any, axes: tuple[int, ...], p: float) -> Any:
    """``sum(|x|**p) ** (1/p)``. An element at 0, and a norm at 0, are taken not to move."""
    sizes = _sizes(x)
    still = sizes == 0
    total = jnp.sum(jnp.where(still, 0 if p > 0 else np.inf, jnp.where(still, 1, sizes) ** p), axes, keepdims=True)
    flat = total == (0 if p > 0 else np.inf)
    return jnp.where(flat, 0, jnp.where(flat, 1, total) ** (1 / p))


def _norm(x: Any, p: Any, axes: tuple[int, ...], keepdim: bool) -> Any:
    """The p-norm of floats or complex numbers along ``axes``; half precisions are added up in float32."""
    real = np.finfo(x.dtype).dtype if category(x.dtype) == COMPLEX else np.dtype(x.dtype)
    x = promotion.cast(x, computed_in(x.dtype))
    p = float(p)
    if p == 0:
        norm = jnp.sum(x != 0, axes, keepdims=True)
    elif math.isinf(p):
        norm = (jnp.max if p > 0 else jnp.min)(_sizes(x), axes, keepdims=True)
    elif p == 1:
        norm = jnp.sum(_sizes(x), axes, keepdims=True)
    elif p == 2:
        norm = flat_sqrt(jnp.sum(squared_size(x), axes, keepdims=True))
    else:
        norm = _power_norm(x, axes, p)
    return (norm if keepdim else jnp.squeeze(norm, axes)).astype(real)


def _check_norm_dtype(x: Any, dtype: Any) -> np.dtype:
    """The dtype that a norm is computed in, which may only be a wider one of the same category."""
    have = np.dtype(x.dtype)
    if category(have) < FLOAT:
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got " + scalar_type(have)
        )
    if dtype is None:
        return have
    names = (
        f"the dtype of the input ({scalar_type(have)}) should be convertible without narrowing to the specified dtype"
    )
    if category(dtype) != category(have):
        kind = "complex" if category(have) == COMPLEX else "real"
        raise RuntimeError(
            f"linalg.vector_norm: dtype should be {kind} for {kind} inputs, but got {scalar_type(dtype)}"
        )
    if promotion.promote_types(have, dtype) != dtype:
        raise RuntimeError(f"linalg.vector_norm: {names} ({scalar_type(dtype)})")
    return np.dtype(dtype)


def _check_identity(x: Any, p: float, dim: Any, axes: tuple[int, ...]) -> None:
    """A norm of nothing is 0, but the extremes of nothing are not defined."""
    if not (p < 0 or p == math.inf):
        return
    problem = f"linalg.vector_norm cannot compute the {p:g} norm on "
    if dim is None and x.size == 0:
        raise RuntimeError(f"{problem}an empty tensor because the operation does not have an identity")
    for axis in axes:
        if x.shape[axis] == 0:
            raise RuntimeError(
                f"{problem}the dimension {axis} because this dimension is empty and the operation does not have an "
                "identity"
            )


@op(
    "linalg_vector_norm(Tensor self, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None)"
    " -> Tensor",
    expose="linalg:vector_norm",
    static=("ord",),
    saves="self result",
)
def vector_norm(self, ord=2, dim=None, keepdim=False, *, dtype=None):
    """The ``ord``-norm of vectors along ``dim``, or of all elements as one vector. Where a norm is 0 its gradient is 0.

    https://docs.pytorch.org/docs/stable/generated/torch.linalg.vector_norm.html
    """
    x = promotion.cast(self, _check_norm_dtype(self, dtype))
    axes = reduce_dims(dim, x.ndim)
    _check_identity(x, float(ord), dim, axes)
    return _norm(x, ord, axes, keepdim)


@op(
    "dist(Tensor self, Tensor other, Scalar p=2) -> Tensor",
    out=False,
    static=("p",),
    saves="self other",
)
def dist(self, other, p=2):
    """The ``p``-norm of ``self - other``, of all elements as one vector."""
    self, other = together(self, other)
    if category(self.dtype) < FLOAT:
        raise RuntimeError(
            f"norm(): input dtype should be either floating point or complex. Got {scalar_type(self.dtype)} instead."
        )
    away = self - other
    return _norm(away, p, tuple(range(away.ndim)), False) if away.size else jnp.zeros((), away.real.dtype)


@op(
    "renorm(Tensor self, Scalar p, int dim, Scalar maxnorm) -> Tensor",
    inplace=True,
    static=("p", "maxnorm"),
    saves="self",
)
def renorm(self, p, dim, maxnorm):
    """Every slice along ``dim`` whose ``p``-norm passes ``maxnorm`` scaled down to it."""
    if isinstance(p, complex) or p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm:g}")
    if self.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {self.ndim} dimensions")
    _check_norm_dtype(self, None)
    axes = tuple(a for a in range(self.ndim) if a != wrap_dim(dim, self.ndim))
    single = promotion.cast(self, computed_in(self.dtype))
    norm = _norm(single, p, axes, True)
    over = norm > maxnorm
    factor = jnp.where(over, maxnorm / (jnp.where(over, norm, 1) + 1e-7), 1)
    return (single * factor.astype(single.dtype)).astype(self.dtype)


@op(
    "logsumexp(Tensor self, int[1] dim, bool keepdim=False) -> Tensor",
    promote="float",
    expose="torch Tensor special",
    saves="self result",
)
def logsumexp(self, dim, keepdim=False):
    """``log(sum(exp(self)))`` along ``dim``, counted from the largest element so that nothing overflows."""
    axes = reduce_dims(dim, self.ndim)
    x = promotion.cast(self, computed_in(self.dtype))
    top = lax.stop_gradient(
        jnp.max(lax.real(x) if category(x.dtype) == COMPLEX else x, axes, keepdims=True, initial=-np.inf)
    )
    top = jnp.where(jnp.isfinite(top), top, 0).astype(x.dtype)
    total = lax.log(jnp.sum(lax.exp(x - top), axes, keepdims=True)) + top
    return (total if keepdim else jnp.squeeze(total, axes)).astype(self.dtype)
