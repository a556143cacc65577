"""Writing by index with a reduction: scatter, scatter_reduce, index_add and the like."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jtorch.ops.dims import wrap_dim
from jtorch.ops.errors import scalar_type
from jtorch.ops.indices import (
    Check,
    bounds,
    combine,
    fetch,
    fill_value,
    grid,
    require,
    require_index,
    rows,
    space,
    store,
)
from jtorch.ops.shape import shape_op
from jtorch.ops.views import on_host

_LAYOUTS = {"grid": grid, "rows": rows}


# -- reductions into a tensor


def _extreme(dtype: Any, kind: str) -> Any:
    """What changes no maximum (or minimum) of a dtype."""
    low = kind == "amax"
    if dtype == np.bool_:
        return not low
    if np.dtype(dtype).kind in "iu":
        return np.iinfo(dtype).min if low else np.iinfo(dtype).max
    return -np.inf if low else np.inf


def _start(x: Any, where: tuple, kind: str, include_self: bool) -> Any:
    """``x``, with what changes nothing in the places written to unless ``x`` itself takes part."""
    if include_self:
        return x
    neutral = {"sum": 0, "mean": 0, "prod": 1}.get(kind)
    value = np.asarray(_extreme(x.dtype, kind) if neutral is None else neutral).astype(x.dtype)
    return store(x, where, value)


def _reduced(layout: tuple[str, int], kind: str, include_self: bool, x: Any, src: Any, index: Any) -> Any:
    where = _LAYOUTS[layout[0]](index, layout[1])
    start = _start(x, where, kind, include_self)
    if kind != "mean":
        return combine(start, where, src, kind)
    xp = space(x)
    count = _start(xp.ones_like(x), where, kind, include_self)
    count = xp.maximum(combine(count, where, xp.ones_like(src), "sum"), xp.ones((), x.dtype))
    total = combine(start, where, src, "sum")
    return total // count if x.dtype.kind in "iu" else total / count


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
def _selected(layout: tuple[str, int], kind: str, include_self: bool, x: Any, src: Any, index: Any) -> Any:
    """:func:`_reduced` for products and extremes, with torch's derivative.

    An extreme's is shared out evenly among the elements that equal it; a product's is that of the other factors.
    """
    return _reduced(layout, kind, include_self, x, src, index)


@_selected.defjvp
def _selected_jvp(layout: Any, kind: str, include_self: bool, primals: Any, tangents: Any) -> Any:
    x, src, index = primals
    dx, dsrc, _ = tangents
    where = _LAYOUTS[layout[0]](index, layout[1])
    out = _selected(layout, kind, include_self, x, src, index)
    if not include_self:
        dx = store(dx, where, jnp.zeros((), dx.dtype))
    if kind == "prod":
        per_x, per_src = _product_derivatives(layout, include_self, where, out, x, src, index)
        return out, combine(per_x * dx, where, per_src * dsrc, "sum")
    hit_x, hit_src = (x == out).astype(x.dtype), (src == fetch(out, where)).astype(x.dtype)
    share = combine(hit_x, where, hit_src, "sum")
    return out, combine(hit_x * dx, where, hit_src * dsrc, "sum") / share


def _product_derivatives(
    layout: tuple[str, int], include_self: bool, where: tuple, out: Any, x: Any, src: Any, index: Any
) -> tuple[Any, Any]:
    """The product of the other factors, for each element of ``x`` and of ``src``."""
    one = jnp.ones((), x.dtype)
    nonzero = jnp.where(x == 0, one, x)
    per_x = _selected(layout, "prod", include_self, nonzero, src, index) / nonzero
    zero = src == 0
    zeros = fetch(combine(jnp.zeros_like(x), where, zero.astype(x.dtype), "sum"), where)
    alone = zero & (zeros == 1)  # the one zero in its place: the others' product is not zero
    without = _selected(layout, "prod", include_self, x, jnp.where(alone, one, src), index)
    divided = fetch(out, where) / jnp.where(zero, one, src)
    return per_x, jnp.where(alone, fetch(without, where), divided)


def _reduce(layout: tuple[str, int], kind: str, include_self: bool, x: Any, src: Any, index: Any) -> Any:
    plain = on_host(x) or kind in ("sum", "mean") or x.dtype.kind in "biu"
    return (_reduced if plain else _selected)(layout, kind, include_self, x, src, index)


# -- scatter: an index for each element


def _scatter_check(self: Any, dim: int, index: Any, *_: Any, **__: Any) -> Check:
    d = wrap_dim(dim, self.ndim)
    return bounds("scatter", index, self.shape[d] if self.ndim else 1, d)


def _scattered(self: Any, dim: int, index: Any, src: Any, kind: str | None, include_self: bool = True) -> Any:
    """Check and run a scatter; ``src`` is an array, or a number for all places; ``kind`` None overwrites."""
    d = wrap_dim(dim, self.ndim)
    require_index("scatter", index)
    if not index.size:
        return self
    if not hasattr(src, "ndim") or getattr(src, "weak_type", False):
        src = space(self).broadcast_to(fill_value(src, self), index.shape)
        against = None
    else:
        against = list(src.shape)
        if self.dtype != src.dtype:
            raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    if max(self.ndim, 1) != max(index.ndim, 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as self tensor")
    if max(src.ndim, 1) != max(index.ndim, 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
    shape = self.shape
    self, src, index = (a if a.ndim else a.reshape(1) for a in (self, src, index))
    if any(index.shape[k] > src.shape[k] or (k != d and index.shape[k] > self.shape[k]) for k in range(index.ndim)):
        raise RuntimeError(
            f"Expected index {list(index.shape)} to be no larger than self {list(self.shape)} apart from dimension {d}"
            + ("" if against is None else f" and to be no larger size than src {against}")
        )
    require(index, self.shape[d], d)
    src = src[tuple(slice(n) for n in index.shape)]
    if kind is None:
        return store(self, grid(index, d), src).reshape(shape)
    return _reduce(("grid", d), kind, include_self, self, src, index).reshape(shape)


_SCATTER = {"add": "sum", "multiply": "prod"}


def _scatter(self: Any, dim: int, index: Any, src: Any, *, reduce: str | None) -> Any:
    if reduce is not None and reduce not in _SCATTER:
        raise RuntimeError("reduce argument must be either add or multiply.")
    return _scattered(self, dim, index, src, None if reduce is None else _SCATTER[reduce])


@shape_op(
    "scatter.src(Tensor self, int dim, Tensor index, Tensor src, *, str? reduce=None) -> Tensor",
    check=_scatter_check,
    inplace=True,
    saves="index",
    grad_name="ScatterBackward0",
)
def scatter(self, dim, index, src, *, reduce):
    """``self`` with ``src`` written at ``index`` in dimension ``dim`` (torch.scatter)."""
    return _scatter(self, dim, index, src, reduce=reduce)


@shape_op(
    "scatter.value(Tensor self, int dim, Tensor index, Scalar value, *, str? reduce=None) -> Tensor",
    check=_scatter_check,
    inplace=True,
    saves="index",
    grad_name="ScatterBackward1",
)
def scatter_value(self, dim, index, value, *, reduce):
    """``self`` with one value written at ``index`` in dimension ``dim`` (torch.scatter)."""
    return _scatter(self, dim, index, value, reduce=reduce)


@shape_op(
    "scatter_add(Tensor self, int dim, Tensor index, Tensor src) -> Tensor",
    check=_scatter_check,
    inplace=True,
    saves="index",
)
def scatter_add(self, dim, index, src):
    """``self`` with ``src`` added at ``index`` in dimension ``dim`` (torch.scatter_add)."""
    return _scattered(self, dim, index, src, "sum")


@shape_op(
    "scatter_reduce(Tensor self, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True) -> Tensor",
    check=_scatter_check,
    inplace=True,
    saves="self index src result",
)
def scatter_reduce(self, dim, index, src, reduce, *, include_self):
    """``self`` with ``src`` reduced into it at ``index``: sum, prod, mean, amax or amin (torch.scatter_reduce)."""
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    return _scattered(self, dim, index, src, reduce, include_self)


# -- index_*: an index for each slice


def _rows_check(name: str, error: type[Exception], message: str = "") -> Any:
    def check(self: Any, dim: int, index: Any, *_: Any, **__: Any) -> Check:
        d = wrap_dim(dim, self.ndim)
        found = bounds(name, index, self.shape[d] if self.ndim else 1, d, error=error)
        return [(bad, kind, message + text) for bad, kind, text in found]

    return check


def _sliced(name: str, self: Any, dim: int, index: Any, source: Any) -> int:
    """Check the arguments of ``index_add`` and ``index_reduce``."""
    d = wrap_dim(dim, self.ndim)
    if index.dtype not in (np.int32, np.int64):
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index but got: {scalar_type(index.dtype)}")
    if self.dtype != source.dtype:
        raise RuntimeError(
            f"{name}(): self ({scalar_type(self.dtype)}) and source ({scalar_type(source.dtype)}) must have the same "
            "scalar type"
        )
    if index.ndim > 1:
        raise IndexError(
            f"{name}(): Index is supposed to be a vector, but got dim: {index.ndim} with type: "
            f"{scalar_type(index.dtype)} and size: {list(index.shape)}"
        )
    count = source.shape[d] if d < source.ndim else 1
    if index.size != count:
        raise RuntimeError(
            f"{name}(): Number of indices ({index.size}) should be equal to source.size(dim): ({count}), for dim: {d}"
        )
    if self.ndim != source.ndim or any(
        a != b for k, (a, b) in enumerate(zip(self.shape, source.shape, strict=True)) if k != d
    ):
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = "
            f"{list(self.shape)} source.shape = {list(source.shape)}"
        )
    return d


def _by_rows(kind: str, include_self: bool, self: Any, d: int, index: Any, source: Any) -> Any:
    shape = self.shape
    if not index.size or not self.size:
        return self
    self, source, index = (a if a.ndim else a.reshape(1) for a in (self, source, index))
    return _reduce(("rows", d), kind, include_self, self, source, index).reshape(shape)


@shape_op(
    "index_add(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor",
    check=_rows_check("index_add", RuntimeError),
    inplace=True,
    saves="index",
)
def index_add(self, dim, index, source, *, alpha):
    """``self`` with ``alpha`` times the slices of ``source`` added at ``index`` (torch.index_add)."""
    d = _sliced("index_add_", self, dim, index, source)
    require(index, self.shape[d] if self.ndim else 1, d)
    return _by_rows("sum", True, self, d, index, source * fill_value(alpha, self))


@shape_op(
    "index_reduce(Tensor self, int dim, Tensor index, Tensor source, str reduce, *, bool include_self=True) -> Tensor",
    check=_rows_check("index_reduce", IndexError, "index out of range in self: "),
    inplace=True,
    saves="self index source result",
)
def index_reduce(self, dim, index, source, reduce, *, include_self):
    """``self`` with the slices of ``source`` reduced into it at ``index``: prod, mean, amax or amin."""
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    d = _sliced("index_reduce_", self, dim, index, source)
    size = self.shape[d] if self.ndim else 1
    require(index, size, d, error=IndexError, message="index out of range in self")
    return _by_rows(reduce, include_self, self, d, index, source)


@shape_op(
    "index_copy(Tensor self, int dim, Tensor index, Tensor source) -> Tensor",
    check=_rows_check("index_copy_", IndexError),
    inplace=True,
    saves="index",
)
def index_copy(self, dim, index, source):
    """``self`` with the slices of ``source`` written at ``index`` (torch.index_copy)."""
    name, d = "index_copy_()", wrap_dim(dim, self.ndim)
    if index.ndim > 1:
        raise IndexError(f"{name}: Index should have dimension 1 or 0 (got {index.ndim})")
    if self.ndim and source.ndim and self.ndim != source.ndim:
        raise IndexError(
            f"{name}: When source and destination are not scalars, their dimensionality must match. Source "
            f"dimensionality ({source.ndim}), destination dimensionality ({self.ndim})"
        )
    if index.dtype != np.int64:
        raise RuntimeError(f"{name}: Expected a long tensor for index, but got {scalar_type(index.dtype)}")
    if self.dtype != source.dtype:
        raise RuntimeError(
            f"{name}: self and source expected to have the same dtype, but got (self) {scalar_type(self.dtype)} and "
            f"(source) {scalar_type(source.dtype)}"
        )
    mine = self.shape[:d] + self.shape[d + 1 :]
    theirs = source.shape[:d] + source.shape[d + 1 :]
    if mine != theirs:
        raise RuntimeError(
            f"{name}: Source/destination tensor must have same slice shapes. Destination slice shape: "
            f"{' '.join(map(str, mine))} at dimension {d} and source slice shape: {' '.join(map(str, theirs))} at "
            f"dimension {d if source.ndim else 0}."
        )
    count = source.shape[d] if source.ndim else 1
    if index.size != count:
        raise IndexError(f"{name}: Number of indices ({index.size}) should be equal to source.size(dim) ({count})")
    size = self.shape[d] if self.ndim else 1
    message = f"{name}: index {{}} is out of bounds for dimension {d} with size {size}"
    require(index, size, d, error=IndexError, message=message)
    if not index.size or not self.size:
        return self
    if not self.ndim:
        return source.reshape(())
    if not source.ndim:
        source = source.reshape(1)
    return store(self, rows(index.reshape(-1), d), source)
