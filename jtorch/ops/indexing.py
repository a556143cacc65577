"""Reading and writing elements by index or mask: gather, index_select, where, and what stands behind ``x[...]``."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from jtorch.ops import views
from jtorch.ops.dims import wrap_dim
from jtorch.ops.errors import c_type, scalar_type
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
    wrapped,
)
from jtorch.ops.matmul import broadcast_batch
from jtorch.ops.shape import shape_op
from jtorch.ops.table import op

# -- x[...] with index tensors


def _laid_out(self: Any, indices: list) -> tuple[tuple, tuple[int, ...], int, bool]:
    """Check index arrays against ``self``: the tuple to index with, the broadcast shape, its place, and if it is apart.

    The indexed dimensions give way to the broadcast shape of the indices: at the first one's place, or in front where
    they do not stand side by side.
    """
    if len(indices) > self.ndim:
        raise IndexError(f"too many indices for tensor of dimension {self.ndim} (got {len(indices)})")
    given = [i for i, x in enumerate(indices) if x is not None]
    for d in given:
        if indices[d].dtype not in (np.int32, np.int64):
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    shapes = [tuple(indices[d].shape) for d in given]
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        shown = ", ".join(str(list(s)) for s in shapes)
        raise IndexError(
            f"shape mismatch: indexing tensors could not be broadcast together with shapes {shown}"
        ) from None
    for d in given:
        if not self.shape[d] and 0 not in shape:
            raise IndexError("index is out of bounds for dimension with size 0")
        if self.size:
            require(indices[d], self.shape[d], d, wraps=True, error=IndexError)
    where = tuple(slice(None) if x is None else wrapped(x, self.shape[d]) for d, x in enumerate(indices))
    apart = bool(given) and given[-1] - given[0] + 1 != len(given)
    return where, shape, given[0] if given and not apart else 0, apart


def _index_check(self: Any, indices: list, *_: Any) -> Check:
    checks: Check = []
    for d, x in enumerate(indices):
        if x is not None and self.size:
            checks += bounds("index", x, self.shape[d], d, wraps=True, error=IndexError)
    return checks


@shape_op("index(Tensor self, Tensor?[] indices) -> Tensor", expose="", check=_index_check, saves="indices")
def index(self, indices):
    """``self[indices]`` with an integer index tensor, or None for all, a dimension. Raises IndexError out of bounds."""
    where, _, _, _ = _laid_out(self, indices)
    return fetch(self, where)


@shape_op(
    "index_put(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor",
    expose="",
    check=_index_check,
    saves="indices",
)
def index_put(self, indices, values, accumulate):
    """``self`` with ``values`` written (or added) where ``indices`` point (torch.index_put)."""
    if self.dtype != values.dtype:
        raise RuntimeError(
            f"Index put requires the source and destination dtypes match, got {scalar_type(self.dtype)} for the "
            f"destination and {scalar_type(values.dtype)} for the source."
        )
    where, shape, place, _ = _laid_out(self, indices)
    kept = [n for n, w in zip(self.shape, where, strict=False) if isinstance(w, slice)] + list(self.shape[len(where) :])
    result = (*kept[:place], *shape, *kept[place:])
    extra = len(result) - values.ndim
    if extra < 0 or any(n not in (1, result[extra + i]) for i, n in enumerate(values.shape)):
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(values.shape)} cannot be broadcast to indexing result of "
            f"shape {list(result)}"
        )
    if 0 in result:
        return self
    if all(isinstance(w, slice) for w in where):
        new = space(self).broadcast_to(values, result)
        return self + new if accumulate else new
    return combine(self, where, values, "sum") if accumulate else store(self, where, values)


# -- whole slices


def _row_index(name: str, self: Any, dim: int, index: Any) -> int:
    if index.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector")
    require_index(name, index, "int32 or int64")
    if not self.ndim and index.size != 1:
        raise RuntimeError(f"{name}(): Index to scalar can have only 1 value, got {index.size} value(s)")
    return wrap_dim(dim, self.ndim)


@shape_op(
    "index_select(Tensor self, int dim, Tensor index) -> Tensor",
    check=lambda self, dim, index: [
        (bad, error, "index out of range in self: " + text)
        for bad, error, text in bounds(
            "index_select", index, self.shape[dim] if self.ndim else 1, wrap_dim(dim, self.ndim), error=IndexError
        )
    ],
    saves="index",
)
def index_select(self, dim, index):
    """The slices of dimension ``dim`` at ``index`` (torch.index_select). Raises IndexError out of bounds."""
    d = _row_index("index_select", self, dim, index)
    size = self.shape[d] if self.ndim else 1
    require(index, size, d, error=IndexError, message="index out of range in self")
    if not self.ndim:
        return self
    index = index.reshape(-1)
    if not size and index.size:
        raise IndexError("index out of range in self")
    return fetch(self, rows(index, d))


def _filled_check(self: Any, dim: int, index: Any, value: Any) -> Check:
    d = wrap_dim(dim, self.ndim)
    size = self.shape[d] if self.ndim else 1
    return bounds("index_fill", index, size, d, wraps=True, error=IndexError) if self.size else []


@shape_op(
    "index_fill(Tensor self, int dim, Tensor index, Tensor value) -> Tensor",
    numbers="value",
    check=_filled_check,
    inplace=True,
    saves="index",
    out=False,
)
def index_fill(self, dim, index, value):
    """``self`` with one value in the slices of ``dim`` at ``index`` (torch.index_fill)."""
    if getattr(value, "ndim", 0):
        raise RuntimeError(
            f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
        )
    if index.dtype != np.int64:
        raise IndexError("index_fill_(): Expected dtype int64 for index.")
    if index.ndim > 1:
        raise RuntimeError("Index has to be a vector/scalar")
    if isinstance(value, complex) and not jnp.iscomplexobj(self):
        raise RuntimeError("index_fill_(): Converting complex Scalar to non-complex type is not supported")
    d = wrap_dim(dim, self.ndim)
    size = self.shape[d] if self.ndim else 1
    value, xp = fill_value(value, self), space(self)
    if not self.size:
        return self
    require(index, size, d, wraps=True, error=IndexError)
    if not self.ndim:
        return value if index.size else self
    # A mask rather than a write, so that the value's gradient counts a place named twice once.
    hit = store(xp.zeros(size, np.bool_), (wrapped(index.reshape(-1), size),), xp.ones((), np.bool_))
    return xp.where(hit.reshape((size,) + (1,) * (self.ndim - d - 1)), value, self)


# -- element by element


def _flat_pair(self: Any, index: Any) -> tuple[Any, Any]:
    """0-d operands as 1-d ones."""
    return (self if self.ndim else self.reshape(1)), (index if index.ndim else index.reshape(1))


def _gather_check(self: Any, dim: int, index: Any, **_: Any) -> Check:
    d = wrap_dim(dim, self.ndim)
    return bounds("gather", index, self.shape[d] if self.ndim else 1, d)


@shape_op(
    "gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor",
    check=_gather_check,
    saves="index",
)
def gather(self, dim, index, *, sparse_grad=False):
    """The elements at ``index`` in dimension ``dim`` (torch.gather). Raises RuntimeError out of bounds."""
    d = wrap_dim(dim, self.ndim)
    shape = index.shape
    if not index.size:
        return space(self).zeros(shape, self.dtype)
    require_index("gather", index)
    if max(self.ndim, 1) != max(index.ndim, 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
    self, index = _flat_pair(self, index)
    for k in range(self.ndim):
        if k != d and index.shape[k] > self.shape[k]:
            raise RuntimeError(
                f"Size does not match at dimension {k} expected index {list(index.shape)} to be no larger than self "
                f"{list(self.shape)} apart from dimension {d}"
            )
    if not self.shape[d]:
        raise RuntimeError(f"index 0 is out of bounds for dimension {d} with size 0")
    require(index, self.shape[d], d)
    return fetch(self, grid(index, d)).reshape(shape)


def _along(self: Any, indices: Any, dim: int | None) -> tuple[Any, Any, int]:
    if indices.dtype not in (np.int64, np.int32):
        raise RuntimeError(
            f"torch.take_along_dim(): dtype of indices should be Long but got {scalar_type(indices.dtype)}"
        )
    if dim is None:
        return self.reshape(-1), indices.reshape(-1), 0
    if self.ndim != indices.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{self.ndim} dimensions for input, and {indices.ndim} dimensions for indices"
        )
    return self, indices, wrap_dim(dim, self.ndim)


def _take_along_check(self: Any, indices: Any, dim: int | None) -> Check:
    x, at, d = _along(self, indices, dim)
    return bounds("take_along_dim", at, x.shape[d] if x.ndim else 1, d, wraps=True)


@shape_op(
    "take_along_dim(Tensor self, Tensor indices, int? dim=None) -> Tensor", check=_take_along_check, saves="indices"
)
def take_along_dim(self, indices, dim):
    """The elements at ``indices`` in dimension ``dim``, the others broadcast (torch.take_along_dim)."""
    x, at, d = _along(self, indices, dim)
    if not x.ndim:
        return x
    size, xp = x.shape[d], space(x)
    require(at, size, d, wraps=True)
    shape = list(np.broadcast_shapes((*x.shape[:d], 1, *x.shape[d + 1 :]), (*at.shape[:d], 1, *at.shape[d + 1 :])))
    shape[d] = size
    x = xp.broadcast_to(x, tuple(shape))
    shape[d] = at.shape[d]
    return fetch(x, grid(wrapped(xp.broadcast_to(at, tuple(shape)), size), d))


def _flat_check(name: str) -> Any:
    def check(self: Any, index: Any, *_: Any) -> Check:
        bad = ((index < -self.size) | (index >= self.size)).any()
        return [
            (bad, IndexError, f"{name}(): out of range: tried to access an index on a tensor of {self.size} elements.")
        ]

    return check


def _flat_index(name: str, self: Any, index: Any) -> Any:
    if index.dtype != np.int64:
        raise RuntimeError(f"{name}(): Expected a long tensor for index, but got {scalar_type(index.dtype)}")
    if not self.size and index.size:
        raise IndexError(f"{name}(): tried to {name} {'from' if name == 'take' else 'elements into'} an empty tensor")
    n = self.size
    message = f"out of range: tried to access index {{}} on a tensor of {n} elements."
    require(index, n, 0, wraps=True, error=IndexError, message=message)
    return wrapped(index, n)


@shape_op("take(Tensor self, Tensor index) -> Tensor", check=_flat_check("take"), saves="index")
def take(self, index):
    """The elements of the flattened tensor at ``index`` (torch.take). Raises IndexError out of bounds."""
    at = _flat_index("take", self, index)
    return fetch(self.reshape(-1), (at,)) if index.size else space(self).zeros(index.shape, self.dtype)


@shape_op(
    "put(Tensor self, Tensor index, Tensor source, bool accumulate=False) -> Tensor",
    check=_flat_check("put_"),
    inplace=True,
    saves="index",
    out=False,
)
def put(self, index, source, accumulate):
    """The flattened tensor with ``source`` written, or added, at ``index`` (torch.Tensor.put)."""
    if self.dtype != source.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got self.dtype = {scalar_type(self.dtype)} "
            f"and source.dtype = {scalar_type(source.dtype)}"
        )
    if index.size != source.size:
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got source.numel() = "
            f"{source.size}, index.numel() = {index.size}"
        )
    at = (_flat_index("put_", self, index).reshape(-1),)
    flat, new = self.reshape(-1), source.reshape(-1)
    if not new.size:
        return self
    return (combine(flat, at, new, "sum") if accumulate else store(flat, at, new)).reshape(self.shape)


# -- by condition


def _host_where(condition: Any, self: Any, other: Any) -> Any:
    _condition(condition)
    return np.where(condition, self, other)


def _condition(condition: Any) -> Any:
    if condition.dtype not in (np.bool_, np.uint8):
        raise RuntimeError(
            "where expected condition to be a boolean tensor, but got a tensor with dtype "
            f"{scalar_type(condition.dtype)}"
        )
    return condition.astype(np.bool_)


@op(
    "where.self(Tensor condition, Tensor self, Tensor other) -> Tensor",
    promote="common",
    promote_args=("self", "other"),
    numbers="self other alone",
    host=_host_where,
    saves="condition",
    grad_name="WhereBackward0",
)
def where(condition, self, other):
    """``self`` where the condition holds, ``other`` elsewhere (torch.where)."""
    return jnp.where(_condition(condition), self, other)


@op("where(Tensor condition) -> Tensor[]", dynamic=True, differentiable=False, expose="torch", out=False)
def where_nonzero(condition):
    """The indices, a vector a dimension, of the elements that are not zero (torch.where with one argument)."""
    return list(np.nonzero(np.atleast_1d(condition)))


def _mask(name: str, mask: Any, named: str) -> None:
    if mask.dtype != np.bool_:
        raise RuntimeError(f"{name} only supports boolean masks, but got mask with dtype {named}")


@shape_op(
    "masked_fill(Tensor self, Tensor mask, Tensor value) -> Tensor",
    numbers="value",
    inplace=True,
    saves="mask",
    out=False,
)
def masked_fill(self, mask, value):
    """``self`` with one value where the mask is true (torch.masked_fill)."""
    _mask("masked_fill_", mask, c_type(mask.dtype).replace("c10::", ""))
    if getattr(value, "ndim", 0):
        raise RuntimeError(
            f"masked_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
        )
    broadcast_batch(mask.shape, self.shape)
    return space(self).where(mask, fill_value(value, self), self)


def _masked_scatter_check(self: Any, mask: Any, source: Any) -> Check:
    repeats = int(np.prod(np.broadcast_shapes(self.shape, mask.shape))) // max(mask.size, 1)
    return [
        (
            (mask.sum() * repeats > source.size),
            RuntimeError,
            "masked_scatter: Number of elements of source < number of ones in mask",
        )
    ]


@shape_op(
    "masked_scatter(Tensor self, Tensor mask, Tensor source) -> Tensor",
    check=_masked_scatter_check,
    inplace=True,
    saves="mask",
    out=False,
)
def masked_scatter(self, mask, source):
    """``self`` with the elements of ``source``, in order, where the mask is true (torch.masked_scatter)."""
    if self.dtype != source.dtype:
        raise RuntimeError(
            f"masked_scatter: expected self and source to have same dtypes but got{scalar_type(self.dtype)} and "
            f"{scalar_type(source.dtype)}"
        )
    _mask("masked_scatter_", mask, scalar_type(mask.dtype))
    xp = space(self)
    shape = np.broadcast_shapes(self.shape, mask.shape)
    self, mask = xp.broadcast_to(self, shape), xp.broadcast_to(mask, shape)
    if not source.size or not self.size:
        return self
    at = xp.clip(xp.cumsum(mask.reshape(-1)) - 1, 0, source.size - 1)
    return xp.where(mask, fetch(source.reshape(-1), (at,)).reshape(shape), self)


# -- the counterparts of views


def _same_shape(new: Any, shape: tuple[int, ...]) -> None:
    if new.shape != shape:
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = {list(new.shape)}, slice size = "
            f"{list(shape)}"
        )


def _shape_of(view: Any, self: Any, *how: Any) -> tuple[int, ...]:
    """What a view operator would make of ``self``'s shape."""
    return view.impl(np.broadcast_to(np.zeros((), np.bool_), self.shape), *how).shape


def _scatter_of(view: Any, schema: str) -> Any:
    def impl(self: Any, src: Any, *how: Any) -> Any:
        _same_shape(src, _shape_of(view, self, *how))
        return view.write(self, src.astype(self.dtype), *how)

    impl.__doc__ = f"``self`` with ``src`` where ``{view.name}`` looks (torch.{view.name}_scatter)."
    return shape_op(schema)(impl)


select_scatter = _scatter_of(views.select, "select_scatter(Tensor self, Tensor src, int dim, int index) -> Tensor")
slice_scatter = _scatter_of(
    views.slice_,
    "slice_scatter(Tensor self, Tensor src, int dim=0, int? start=None, int? end=None, int step=1) -> Tensor",
)
diagonal_scatter = _scatter_of(
    views.diagonal, "diagonal_scatter(Tensor self, Tensor src, int offset=0, int dim1=0, int dim2=1) -> Tensor"
)


@shape_op("as_strided_scatter(Tensor self, Tensor src, int[] size, int[] stride, int? storage_offset=None) -> Tensor")
def as_strided_scatter(self, src, size, stride, storage_offset):
    """``self`` with ``src`` where ``as_strided`` looks (torch.as_strided_scatter)."""
    _same_shape(src, tuple(size))
    at = views.strided_indices(self, size, stride, storage_offset or 0).reshape(-1)
    if not src.size:
        return self
    return store(self.reshape(-1), (at,), src.reshape(-1).astype(self.dtype)).reshape(self.shape)
