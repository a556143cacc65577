"""The parts of masked_select and repeat_interleave that have a gradient, and the indices that only the data tells."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from jtorch.ops.errors import unsupported
from jtorch.ops.indices import Check, space
from jtorch.ops.shape import shape_op
from jtorch.ops.table import op
from jtorch.ops.views import looked_up


@shape_op("_picked(Tensor self, Tensor places) -> Tensor", expose="", grad_name="MaskedSelectBackward0")
def picked(self, places):
    """The elements at places of the flattened tensor, known to be in bounds."""
    return looked_up(self.reshape(-1), (places,))


@shape_op("_each_repeated(Tensor self, int repeats, int dim) -> Tensor", expose="", grad_name="ViewBackward0")
def each_repeated(self, repeats, dim):
    """Every slice of a dimension ``repeats`` times."""
    return space(self).repeat(self, repeats, dim)


def _repeats_check(self: Any, repeats: Any, dim: int, output_size: int) -> Check:
    return [
        ((repeats < 0).any(), RuntimeError, "repeats can not be negative"),
        (repeats.sum() != output_size, RuntimeError, "allocated size does not match required size"),
    ]


@op(
    "_slices_repeated(Tensor self, Tensor repeats, int dim, int output_size) -> Tensor",
    expose="",
    grad_name="IndexSelectBackward0",
    check=_repeats_check,
)
def slices_repeated(self, repeats, dim, output_size):
    """Each slice of a dimension as often as ``repeats`` says, ``output_size`` in all: the shape needs no data."""
    return jnp.repeat(self, repeats, dim, total_repeat_length=output_size)


@op("_repeated_places(Tensor repeats) -> Tensor", dynamic=True, differentiable=False, expose="", out=False)
def repeated_places(repeats):
    """Each index of ``repeats`` as often as its element says."""
    if repeats.dtype not in (np.int32, np.int64):
        raise unsupported("repeat_interleave_cpu", repeats.dtype)
    if (repeats < 0).any():
        raise RuntimeError("repeats can not be negative")
    return np.repeat(np.arange(repeats.size, dtype=repeats.dtype), repeats)
