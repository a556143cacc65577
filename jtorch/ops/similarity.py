"""Distances and similarities of vectors that stand in the same places of two tensors."""

from typing import Any

import jax.numpy as jnp
from jax import lax

from jtorch.ops import promotion
from jtorch.ops.dims import wrap_dim
from jtorch.ops.errors import scalar_type
from jtorch.ops.matmul import broadcast_batch
from jtorch.ops.norms import vector_norm
from jtorch.ops.precision import wide
from jtorch.ops.promotion import FLOAT, category
from jtorch.ops.table import op


@op("pairwise_distance(Tensor x1, Tensor x2, float p=2.0, float eps=1e-06, bool keepdim=False) -> Tensor",
    promote="float", expose="torch nn.functional", out=False, saves="x1 x2",
    grad_name="NormBackward1")  # fmt: skip
def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """The ``p``-norm of ``x1 - x2 + eps`` along the last dimension.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.pairwise_distance.html
    """
    broadcast_batch(x1.shape, x2.shape)
    return vector_norm(x1 - x2 + jnp.asarray(eps, x1.dtype), p, (wrap_dim(-1, max(x1.ndim, x2.ndim)),), keepdim)


@op("cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-08) -> Tensor", expose="torch nn.functional",
    out=False, saves="x1 x2", grad_name="SumBackward1")  # fmt: skip
def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """The product of ``x1`` and ``x2`` along ``dim``, each over its norm there, which counts as at least ``eps``.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cosine_similarity.html
    """
    dtype = promotion.result_type(x1, x2)
    if category(dtype) < FLOAT:
        raise RuntimeError(f"expected common dtype to be floating point, yet common dtype is {scalar_type(dtype)}")
    shape = broadcast_batch(x1.shape, x2.shape)
    axis = wrap_dim(dim, len(shape))
    unit = [_unit(jnp.broadcast_to(wide(promotion.cast(x, dtype)), shape), axis, eps) for x in (x1, x2)]
    return (unit[0] * unit[1]).sum(axis if shape else None).astype(dtype)


def _unit(x: Any, axis: int, eps: float) -> Any:
    """``x`` over its norm. The floor under the norm does not stop its gradient."""
    norm = vector_norm(x, 2, (axis,), True)
    return x / (norm + lax.stop_gradient(jnp.maximum(norm, eps) - norm)).reshape(norm.shape if x.ndim else ())
