"""Pairwise p-norm distances. Their gradient at a zero distance is 0, as torch has it."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jtorch.ops.errors import scalar_type, unsupported
from jtorch.ops.matmul import broadcast_batch, product
from jtorch.ops.promotion import FLOAT, category
from jtorch.ops.table import op

_MODES = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")


def _root(total: Any, p: float) -> Any:
    """``total ** (1 / p)`` with gradient 0 at 0."""
    zero = total == 0
    safe = jnp.where(zero, 1, total)
    return jnp.where(zero, 0, jnp.sqrt(safe) if p == 2 else safe ** (1 / p))


def _norm_of(diff: Any, p: float) -> Any:
    """The p-norm along the last dimension of ``diff``."""
    if diff.shape[-1] == 0:
        return jnp.zeros(diff.shape[:-1], diff.dtype)
    if p == 0:
        return (diff != 0).sum(-1).astype(diff.dtype)
    size = jnp.abs(diff)
    if p == 1:
        return size.sum(-1)
    if math.isinf(p):
        return _largest(diff, size)
    if p == 2:
        return _root((diff * diff).sum(-1), 2)
    # |x|**p has no usable derivative at 0 below p = 1: torch counts it as 0.
    power = jnp.where(size == 0, 0, jnp.where(size == 0, 1, size) ** p)
    return _root(power.sum(-1), p)


def _largest(diff: Any, size: Any) -> Any:
    """The largest size. Its gradient is the sign of every entry that reaches it, not a share of it."""
    top = size.max(-1)
    reached = lax.stop_gradient(jnp.sign(diff) * (size == top[..., None]))
    linear = (diff * reached).sum(-1)
    return lax.stop_gradient(top) + (linear - lax.stop_gradient(linear))


def _by_product(x1: Any, x2: Any) -> Any:
    """Euclidean distances through ``|a|^2 + |b|^2 - 2 a.b``: one matrix product, at the price of some digits."""
    a, b = (x1 * x1).sum(-1, keepdims=True), (x2 * x2).sum(-1, keepdims=True)
    squares = a + jnp.swapaxes(b, -1, -2) - 2 * product(x1, jnp.swapaxes(x2, -1, -2))
    return _root(jnp.where(squares > 0, squares, 0), 2)


@op("cdist(Tensor x1, Tensor x2, float p=2.0, str? compute_mode=use_mm_for_euclid_dist_if_necessary) -> Tensor",
    expose="torch", out=False)  # fmt: skip
def cdist(x1: Any, x2: Any, p: float, compute_mode: str | None) -> Any:
    """``(..., P, M), (..., R, M) -> (..., P, R)``: the p-norm of every difference of rows (``torch.cdist``)."""
    mode = compute_mode or _MODES[0]
    if mode not in _MODES:
        raise ValueError(f"{mode} is not a valid value for compute_mode")
    for x, name in ((x1, "X1"), (x2, "X2")):
        if category(x.dtype) != FLOAT:
            raise RuntimeError(f"cdist only supports floating-point dtypes, {name} got: {scalar_type(x.dtype)}")
        if x.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {x.ndim}D")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}")
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    if x1.dtype != x2.dtype:
        raise RuntimeError(f"expected scalar type {scalar_type(x1.dtype)} but found {scalar_type(x2.dtype)}")
    _no_half("cdist", x1.dtype)
    broadcast_batch(x1.shape[:-2], x2.shape[:-2])
    large = x1.shape[-2] > 25 or x2.shape[-2] > 25
    if p == 2 and (mode == _MODES[1] or (mode == _MODES[0] and large)):
        return _by_product(x1, x2)
    return _norm_of(x1[..., :, None, :] - x2[..., None, :, :], p)


@op("pdist(Tensor self, float p=2.0) -> Tensor", expose="torch nn.functional", out=False)
def pdist(self: Any, p: float) -> Any:
    """The p-norms of ``self[i] - self[j]`` for ``i < j``, row after row, in one vector."""
    if self.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {self.ndim}D")
    if category(self.dtype) != FLOAT:
        raise RuntimeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    _no_half("pdist", self.dtype)
    i, j = np.triu_indices(self.shape[0], 1)
    return _norm_of(self[i] - self[j], p)


def _no_half(kernel: str, dtype: Any) -> None:
    if dtype.itemsize < 4:
        raise unsupported(kernel, dtype)
