"""Copies: to another dtype, and of one tensor's elements into the shape and dtype of another."""

import jax.numpy as jnp
import numpy as np

from jtorch.ops import promotion
from jtorch.ops.matmul import broadcast_batch
from jtorch.ops.table import op


def _cast_host(self, dtype):
    return promotion.cast(self, dtype)


@op("_to_copy(Tensor self, ScalarType dtype) -> Tensor", expose="", host=_cast_host, grad_name="ToCopyBackward0")
def to_copy(self, dtype):
    """The elements in another dtype."""
    return promotion.cast(self, dtype)


def _copy_host(self, src):
    return np.broadcast_to(promotion.cast(src, self.dtype), self.shape).copy()


@op("_copy_into(Tensor self, Tensor src) -> Tensor", expose="", host=_copy_host, grad_name="CopyBackwards")
def copy_into(self, src):
    """``src`` in ``self``'s shape and dtype; raises RuntimeError where it does not broadcast."""
    shape = broadcast_batch(self.shape, src.shape)
    if shape != self.shape:
        raise RuntimeError(f"output with shape {list(self.shape)} doesn't match the broadcast shape {list(shape)}")
    return jnp.broadcast_to(promotion.cast(src, self.dtype), shape)


@op("_filled_like(Tensor self, Scalar value) -> Tensor", expose="", differentiable=False)
def filled_like(self, value):
    """A number in ``self``'s shape and dtype."""
    return jnp.full(self.shape, value, self.dtype)
