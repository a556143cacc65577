"""Finding: searchsorted, isin, and what has as many elements as the data says (nonzero, unique)."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jtorch.ops.dims import wrap_dim
from jtorch.ops.errors import scalar_type
from jtorch.ops.indices import Check, fetch, grid, space
from jtorch.ops.promotion import BFLOAT16
from jtorch.ops.shape import shape_op
from jtorch.ops.table import op
from jtorch.ops.views import on_host

# -- binary search


def _bisected(sequence: Any, values: Any, right: bool) -> Any:
    """Where ``values`` belong in sorted ``sequence`` (1-d, or with the same leading dimensions), NaN as in torch."""
    size = sequence.shape[-1]
    xp = space(values)

    def step(_: Any, state: tuple[Any, Any]) -> tuple[Any, Any]:
        low, high = state
        middle = (low + high) // 2
        at = xp.minimum(middle, size - 1)
        seen = fetch(sequence, (at,) if sequence.ndim == 1 else grid(at, at.ndim - 1))
        up = ~(seen > values if right else seen >= values) & (low < high)
        return xp.where(up, middle + 1, low), xp.where(up | (low >= high), high, middle)

    state = xp.zeros(values.shape, np.int64), xp.full(values.shape, size, np.int64)
    rounds = size.bit_length()
    if not on_host(values):
        return lax.fori_loop(0, rounds, step, state)[0]
    for i in range(rounds):
        state = step(i, state)
    return state[0]


def _found(sequence: Any, values: Any, right: bool, out_int32: bool) -> Any:
    where = _bisected(sequence, values, right)
    return where.astype(np.int32) if out_int32 else where


def _sorter_check(sorted_sequence: Any, self: Any, *, sorter: Any, **_: Any) -> Check:
    if sorter is None:
        return []
    bad = ((sorter < 0) | (sorter >= sorted_sequence.shape[-1])).any()
    return [(bad, RuntimeError, "torch.searchsorted(): sorter index out of range")]


@shape_op(
    "searchsorted(Tensor sorted_sequence, Tensor self, *, bool out_int32=False, bool right=False, str? side=None, "
    "Tensor? sorter=None) -> Tensor",
    promote="common",
    promote_args=("sorted_sequence", "self"),
    numbers="self",
    differentiable=False,
    expose="torch",
    check=_sorter_check,
)
def searchsorted(sorted_sequence, self, *, out_int32, right, side, sorter):
    """Where elements would go in sorted rows to keep them sorted (torch.searchsorted)."""
    name, rows = "torch.searchsorted()", sorted_sequence.shape
    if side is not None and side not in ("left", "right"):
        raise RuntimeError(f"{name}: side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError(f"{name}: side and right can't be set to opposites, got side of left while right was True")
    if not rows:
        raise RuntimeError(f"{name}: boundaries tensor should have positive dimension, but got 0 dimension")
    if len(rows) > 1 and not self.ndim:
        raise RuntimeError(
            f"{name}: input value can be a scalar only when boundaries tensor dimension is 1, but we got boundaries "
            f"tensor dim({len(rows)}) and input value's dim(0) numel(1)"
        )
    if len(rows) > 1 and rows[:-1] != self.shape[:-1]:
        raise RuntimeError(
            f"{name}: boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and "
            f"input value tensor must match, but we got boundaries tensor {list(rows)} and input value tensor "
            f"{list(self.shape)}"
        )
    if sorter is not None:
        if sorter.shape != rows:
            raise RuntimeError(
                f"{name}: boundary and sorter must have the same size, but got boundary tensor {list(rows)}and got "
                f"sorter tensor {list(sorter.shape)}"
            )
        if sorter.dtype != np.int64:
            raise RuntimeError(
                f"{name}: sorter must be a tensor of long dtype but got dtype {scalar_type(sorter.dtype)}"
            )
        kept = space(sorter).clip(sorter, 0, rows[-1] - 1)
        sorted_sequence = fetch(sorted_sequence, grid(kept, sorter.ndim - 1))
    return _found(sorted_sequence, self, right or side == "right", out_int32)


@shape_op(
    "bucketize(Tensor self, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor",
    promote="common",
    promote_args=("self", "boundaries"),
    numbers="self",
    differentiable=False,
    expose="torch",
)
def bucketize(self, boundaries, *, out_int32, right):
    """The bucket, between sorted boundaries, of each element (torch.bucketize)."""
    if boundaries.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return _found(boundaries, self, right, out_int32)


@shape_op(
    "isin(Tensor elements, Tensor test_elements, *, bool assume_unique=False, bool invert=False) -> Tensor",
    promote="common",
    promote_args=("elements", "test_elements"),
    numbers="elements test_elements",
    differentiable=False,
    expose="torch",
)
def isin(elements, test_elements, *, assume_unique, invert):
    """Whether each element is among the test elements (torch.isin)."""
    return space(elements).isin(elements, test_elements, invert=invert)


# -- as many results as the data says


@op("nonzero(Tensor self) -> Tensor", dynamic=True, differentiable=False, expose="", out=False)
def nonzero(self):
    """The indices of the elements that are not zero, a row each (torch.nonzero)."""
    return np.argwhere(self.astype(np.bool_))


@op("argwhere(Tensor self) -> Tensor", dynamic=True, differentiable=False, out=False)
def argwhere(self):
    """The indices of the elements that are not zero, a row each (torch.argwhere)."""
    return np.argwhere(self.astype(np.bool_))


@op("nonzero_static(Tensor self, *, int size, int fill_value=-1) -> Tensor", differentiable=False)
def nonzero_static(self, *, size, fill_value):
    """The first ``size`` indices of nonzero elements, filled up with ``fill_value`` (torch.nonzero_static)."""
    if size < 0:
        raise RuntimeError("nonzero_static: 'size' must be an non-negative integer")
    if not self.size or not self.ndim:
        return jnp.full((size, self.ndim), fill_value, np.int64)
    found = jnp.nonzero(self.astype(np.bool_), size=size, fill_value=fill_value)
    return jnp.stack(found, 1).astype(np.int64)


def _comparable(x: Any) -> Any:
    return x.astype(np.float32) if x.dtype == BFLOAT16 else x


@op(
    "_unique2(Tensor self, bool sorted=True, bool return_inverse=False, bool return_counts=False) "
    "-> (Tensor, Tensor, Tensor)",
    dynamic=True,
    expose="torch",
    out=False,
)
def unique2(self, sorted, return_inverse, return_counts):
    """The different elements in order, the place of each element among them, and how often each occurs."""
    _, first, inverse, counts = np.unique(
        _comparable(self).reshape(-1), return_index=True, return_inverse=True, return_counts=True, equal_nan=False
    )
    return _results(
        self.reshape(-1)[first], inverse.reshape(self.shape), counts, return_inverse or return_counts, return_counts
    )


def _results(values: Any, inverse: Any, counts: Any, with_inverse: bool, with_counts: bool) -> tuple[Any, Any, Any]:
    nothing = np.zeros(0, np.int64)
    return values, inverse if with_inverse else nothing, counts if with_counts else nothing


@op(
    "unique_dim(Tensor self, int dim, bool sorted=True, bool return_inverse=False, bool return_counts=False) "
    "-> (Tensor, Tensor, Tensor)",
    dynamic=True,
    expose="torch",
    out=False,
)
def unique_dim(self, dim, sorted, return_inverse, return_counts):
    """The different slices of a dimension in order, the place of each slice among them, and how often each occurs."""
    d, rows = _slices(self, dim)
    if rows is None:
        nothing = np.zeros(0, np.int64)
        return self, nothing, nothing
    order = np.lexsort(_comparable(rows).T[::-1]) if rows.shape[1] else np.arange(len(rows))
    new = _changes(rows[order])
    inverse = np.empty(len(rows), np.int64)
    inverse[order] = np.cumsum(new) - 1
    counts = np.bincount(inverse)
    return _results(np.take(self, order[new], d), inverse, counts, True, True)


def _slices(x: Any, dim: int) -> tuple[int, Any]:
    """The slices of a dimension as rows; None where there are none. RuntimeError where they have no elements."""
    d = wrap_dim(dim, x.ndim)
    if 0 in (x.shape[:d] + x.shape[d + 1 :]) and x.shape[d]:
        raise RuntimeError("There are 0 sized dimensions, and they aren't selected, so unique cannot be applied")
    if not x.size:
        return d, None
    return d, np.moveaxis(np.atleast_1d(x), d, 0).reshape(np.atleast_1d(x).shape[d], -1)


def _changes(rows: Any) -> Any:
    """Where a row differs from the one before it; true for the first."""
    new = np.ones(len(rows), np.bool_)
    new[1:] = (rows[1:] != rows[:-1]).any(1)
    return new


@op(
    "_unique_consecutive(Tensor self, bool return_inverse=False, bool return_counts=False, int? dim=None) "
    "-> (Tensor, Tensor, Tensor)",
    dynamic=True,
    expose="torch",
    out=False,
)
def unique_consecutive(self, return_inverse, return_counts, dim):
    """The first of each run of equal elements (or slices), each element's run, and the lengths of the runs."""
    d, rows = (0, self.reshape(-1, 1)) if dim is None else _slices(self, dim)
    if rows is None or not len(rows):
        nothing = np.zeros(0, np.int64)
        return self.reshape(-1) if dim is None else self, nothing.reshape(self.shape if dim is None else 0), nothing
    new = _changes(rows)
    inverse = (np.cumsum(new) - 1).astype(np.int64)
    values = self.reshape(-1)[new] if dim is None else np.compress(new, np.atleast_1d(self), d)
    return _results(
        values,
        inverse.reshape(self.shape) if dim is None else inverse,
        np.bincount(inverse),
        return_inverse,
        return_counts,
    )
