"""``torch.hash_tensor``: all elements, widened to 64 bits, joined by exclusive or."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jtorch.ops.dims import reduce_dims
from jtorch.ops.errors import unsupported
from jtorch.ops.promotion import COMPLEX, FLOAT, category
from jtorch.ops.table import op


@op("hash_tensor(Tensor self, int[1] dim=[], *, bool keepdim=False, int mode=0) -> Tensor", differentiable=False)
def hash_tensor(self: Any, dim: tuple[int, ...], *, keepdim: bool, mode: int) -> Any:
    """The exclusive or of the elements' bits as float64 or int64, along dims or of all (torch.hash_tensor): uint64."""
    if mode != 0:
        raise RuntimeError(f"Unknown hash_tensor mode: {mode}")
    kind = category(self.dtype)
    if kind == COMPLEX:
        raise unsupported("xor_sum_cpu", self.dtype)
    if not dim and not self.size:
        raise RuntimeError(
            "hash_tensor: Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim "
            "with the 'dim' argument."
        )
    axes = reduce_dims(dim, self.ndim)
    for axis in axes:
        if not self.shape[axis]:
            raise IndexError(f"hash_tensor: Expected reduction dim {axis} to have non-zero size.")
    bits = lax.bitcast_convert_type(self.astype(np.float64 if kind == FLOAT else np.int64), np.uint64)
    where: Any = axes or None
    return jnp.bitwise_xor.reduce(bits, axis=where, keepdims=keepdim) if self.ndim else bits
