"""Order and order statistics: sort, topk, kthvalue, median, mode, quantile.

Gradients go to the element that was picked. NaN counts as the greatest value. Where equal elements compete for an
index, the first one wins (torch leaves it open for ``topk`` and ``kthvalue``).
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jtorch.ops.dims import wrap_dim
from jtorch.ops.errors import unsupported
from jtorch.ops.indices import Check, fetch, grid, space
from jtorch.ops.promotion import BFLOAT16, COMPLEX, FLOAT, category
from jtorch.ops.shape import shape_op
from jtorch.ops.table import op
from jtorch.ops.views import on_host

# -- sorting


def _sorted(x: Any, dim: int, descending: bool = False) -> tuple[Any, Any]:
    """Values and indices in stable order along ``dim``."""
    if category(x.dtype) == COMPLEX:
        raise RuntimeError("Sort does not support complex dtypes on CPU")
    if not x.ndim:
        return x, space(x).zeros((), np.int64)
    if on_host(x):
        keys = x.astype(np.float32) if x.dtype == BFLOAT16 else x
        if descending:  # sorted backwards, then turned round, equal elements stay in order and NaN comes first
            order = np.flip(x.shape[dim] - 1 - np.argsort(np.flip(keys, dim), dim, kind="stable"), dim)
        else:
            order = np.argsort(keys, dim, kind="stable")
        return np.take_along_axis(x, order, dim), order
    places = lax.broadcasted_iota(np.int64, x.shape, dim)
    if not descending:
        return tuple(lax.sort((x, places), dimension=dim, is_stable=True, num_keys=1))  # type: ignore[return-value]
    made = lax.sort((jnp.flip(x, dim), jnp.flip(places, dim)), dimension=dim, is_stable=True, num_keys=1)
    return jnp.flip(made[0], dim), jnp.flip(made[1], dim)


@shape_op(
    "sort(Tensor self, int dim=-1, bool descending=False, *, bool? stable=None) -> (Tensor values, Tensor indices)",
    saves="indices",
)
def sort(self, dim, descending, *, stable=None):
    """The elements in order along a dimension, and where they were; always stable (torch.sort)."""
    return _sorted(self, wrap_dim(dim, self.ndim), descending)


@shape_op(
    "argsort(Tensor self, int dim=-1, bool descending=False, *, bool stable=False) -> Tensor", differentiable=False
)
def argsort(self, dim, descending, *, stable=False):
    """The indices that sort along a dimension; always stable (torch.argsort)."""
    return _sorted(self, wrap_dim(dim, self.ndim), descending)[1]


@shape_op("msort(Tensor self) -> Tensor", grad_name="SortBackward0")
def msort(self):
    """The elements in order along the first dimension (torch.msort)."""
    return _sorted(self, 0)[0]


@shape_op(
    "topk(Tensor self, int k, int dim=-1, bool largest=True, bool sorted=True) -> (Tensor values, Tensor indices)"
)
def topk(self, k, dim, largest, sorted):
    """The ``k`` largest or smallest elements of a dimension, in order (torch.topk)."""
    d = wrap_dim(dim, self.ndim)
    if not 0 <= k <= (self.shape[d] if self.ndim else 1):
        raise RuntimeError("selected index k out of range")
    if self.dtype == np.bool_ or category(self.dtype) == COMPLEX:
        kind = "bool" if self.dtype == np.bool_ else "complex"
        raise RuntimeError(f"topk does not support {kind} dtypes on CPU")
    if not self.ndim:
        values, places = _sorted(self, d)
        return (values, places) if k else (values.reshape(1)[:0], places.reshape(1)[:0])
    if largest and not on_host(self) and 4 * k <= self.shape[d]:
        values, places = lax.top_k(jnp.moveaxis(self, d, -1), k)
        return jnp.moveaxis(values, -1, d), jnp.moveaxis(places, -1, d).astype(np.int64)
    values, places = _sorted(self, d, largest)
    first = (slice(None),) * d + (slice(k),)
    return values[first], places[first]


# -- one element of each row


def _reduction_dim(name: str, x: Any, dim: int) -> int:
    d = wrap_dim(dim, x.ndim)
    if x.ndim and not x.shape[d]:
        raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")
    return d


def _picked(x: Any, order: Any, dim: int, place: Any, keepdim: bool) -> tuple[Any, Any]:
    """The elements at ``place`` of the order along ``dim``: values, through which gradients go, and indices."""
    if not x.ndim:
        return x, space(x).zeros((), np.int64)
    xp = space(x)
    index = fetch(order, grid(place, dim))
    values = fetch(x, grid(index, dim))
    return (values, index) if keepdim else (xp.squeeze(values, dim), xp.squeeze(index, dim))


def _order(x: Any, dim: int) -> tuple[Any, Any]:
    return _sorted(x if on_host(x) else lax.stop_gradient(x), dim)


@shape_op(
    "kthvalue(Tensor self, int k, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)", saves="indices"
)
def kthvalue(self, k, dim, keepdim):
    """The ``k``-th smallest element of a dimension, and where it is (torch.kthvalue)."""
    d = _reduction_dim("kthvalue", self, dim)
    if not 1 <= k <= (self.shape[d] if self.ndim else 1):
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {d}")
    order = _order(self, d)[1]
    place = space(self).full(_with_one(self.shape, d), k - 1, np.int64)
    return _picked(self, order, d, place, keepdim)


def _with_one(shape: tuple[int, ...], dim: int) -> tuple[int, ...]:
    return (*shape[:dim], 1, *shape[dim + 1 :])


def _median_place(x: Any, dim: int, ignore_nan: bool) -> tuple[Any, Any, Any]:
    """The sorted values, their indices, and the place of the (lower) median: that of the first NaN where one counts."""
    xp = space(x)
    values, order = _order(x, dim)
    size = x.shape[dim]
    if category(x.dtype) != FLOAT:
        return values, order, xp.full(_with_one(x.shape, dim), (size - 1) // 2, np.int64)
    count = (~xp.isnan(values)).sum(dim, keepdims=True).astype(np.int64)
    middle = xp.maximum(count - 1, 0) // 2
    return values, order, middle if ignore_nan else xp.where(count < size, count, middle)


def _middle_value(x: Any, ignore_nan: bool) -> Any:
    """The median of all elements of a flat array."""
    if not x.size:
        kind = category(x.dtype)
        return space(x).full((), np.nan if kind == FLOAT else np.iinfo(x.dtype).min, x.dtype)
    values, _, place = _median_place(x, 0, ignore_nan)
    return fetch(values, (place,)).reshape(())


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _shared_median(x: Any, ignore_nan: bool) -> Any:
    """The median of a flat array; its gradient is shared out evenly among the elements that equal it."""
    return _middle_value(x, ignore_nan)


@_shared_median.defjvp
def _shared_median_jvp(ignore_nan: bool, primals: Any, tangents: Any) -> Any:
    (x,), (dx,) = primals, tangents
    out = _shared_median(x, ignore_nan)
    hit = ((x == out) | (jnp.isnan(x) & jnp.isnan(out))).astype(x.dtype)
    return out, (hit * dx).sum() / hit.sum()


def _median(name: str, ignore_nan: bool, doc: str) -> None:
    def whole(self: Any) -> Any:
        _real(name, self)
        flat = self.reshape(-1)
        if on_host(self) or category(self.dtype) != FLOAT:
            return _middle_value(flat, ignore_nan)
        return _shared_median(flat, ignore_nan)

    def along(self: Any, dim: int, keepdim: bool) -> tuple[Any, Any]:
        d = _reduction_dim(name, self, dim)
        _real(name, self)
        if not self.ndim:
            return self, space(self).zeros((), np.int64)
        _, order, place = _median_place(self, d, ignore_nan)
        return _picked(self, order, d, place, keepdim)

    whole.__doc__ = f"The {doc} of all elements (torch.{name})."
    along.__doc__ = f"The {doc} of a dimension, and where it is (torch.{name})."
    grad = f"{name.capitalize()}Backward"
    shape_op(f"{name}(Tensor self) -> Tensor", saves="self result", grad_name=grad + "0")(whole)
    shape_op(
        f"{name}.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
        saves="indices",
        grad_name=grad + "1",
    )(along)


def _real(name: str, x: Any) -> None:
    if x.dtype == np.bool_ or category(x.dtype) == COMPLEX:
        raise unsupported(f"{name}_cpu", x.dtype)


_median("median", False, "lower median")
_median("nanmedian", True, "lower median of what is not NaN")


@shape_op("mode(Tensor self, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)", saves="indices")
def mode(self, dim, keepdim):
    """The most frequent element of a dimension, the smallest of several, and its last place (torch.mode)."""
    d = _reduction_dim("mode", self, dim)
    if not self.ndim:
        return self, space(self).zeros((), np.int64)
    xp = space(self)
    values, order = _order(self, d)
    size = self.shape[d]
    at = xp.arange(size).reshape((size,) + (1,) * (self.ndim - d - 1))
    first = xp.concatenate(
        [
            xp.ones(_with_one(self.shape, d), np.bool_),
            xp.diff(values, axis=d) != 0 if values.dtype != np.bool_ else xp.diff(values, axis=d),
        ],
        d,
    )
    starts = xp.where(first, at, 0)
    starts = np.maximum.accumulate(starts, d) if on_host(self) else lax.cummax(starts, d)
    place = (at - starts).argmax(d, keepdims=True).astype(np.int64)
    return _picked(self, order, d, place, keepdim)


# -- quantiles

_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(name: str, x: Any, q: Any, dim: int | None, keepdim: bool, interpolation: str, ignore_nan: bool) -> Any:
    """Quantiles along a dimension (None: of all elements); ``q`` is a number or an array, its dimension comes first."""
    if not x.size:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if x.dtype not in (np.float32, np.float64):
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}"
        )
    if isinstance(q, float):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q:g}")
        q = jnp.asarray(q, x.dtype)
    elif q.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    elif q.dtype != x.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    d = None if dim is None else wrap_dim(dim, x.ndim)
    kept = (1,) * x.ndim if d is None else _with_one(x.shape, d) if x.ndim else ()
    rows = x.reshape(1, -1) if d is None or not x.ndim else jnp.moveaxis(x, d, -1).reshape(-1, x.shape[d])
    made = _interpolated(lax.sort(rows, dimension=-1), q.reshape(-1), interpolation, ignore_nan)
    shape = kept if keepdim else () if d is None else kept[:d] + kept[d + 1 :]
    return made.T.reshape((*q.shape, *shape))


def _interpolated(rows: Any, q: Any, interpolation: str, ignore_nan: bool) -> Any:
    """Quantiles ``q`` of sorted rows, as the columns of the result."""
    last = rows.shape[-1] - 1
    nan = jnp.isnan(rows)
    if ignore_nan:
        ranks = q * jnp.maximum((~nan).sum(-1, keepdims=True) - 1, 0).astype(q.dtype)
    else:  # the last element is NaN where there is one
        ranks = jnp.where(nan.any(-1, keepdims=True), jnp.asarray(last, q.dtype), q * jnp.asarray(last, q.dtype))
    rounding = {"lower": jnp.floor, "higher": jnp.ceil, "nearest": jnp.round}.get(interpolation)
    if rounding is not None:
        ranks = rounding(ranks)
    low = jnp.floor(ranks)
    below = _at(rows, low)
    if rounding is not None:
        return below
    weight = jnp.full_like(ranks, 0.5) if interpolation == "midpoint" else ranks - low
    above = _at(rows, jnp.ceil(ranks))
    gap = above - below
    return jnp.where(weight < 0.5, below + weight * gap, above - gap * (1 - weight))


def _at(rows: Any, ranks: Any) -> Any:
    return fetch(rows, grid(ranks.astype(np.int64), 1))


def _quantile_check(name: str) -> Any:
    def check(self: Any, q: Any, *_: Any, **__: Any) -> Check:
        return [((~((q >= 0) & (q <= 1))).any(), RuntimeError, f"{name}() q values must be in the range [0, 1]")]

    return check


def _declare_quantile(name: str, ignore_nan: bool, doc: str) -> None:
    def quantile(self: Any, q: Any, dim: int | None, keepdim: bool, *, interpolation: str) -> Any:
        return _quantile(name, self, q, dim, keepdim, interpolation, ignore_nan)

    quantile.__doc__ = doc
    rest = "int? dim=None, bool keepdim=False, *, str interpolation='linear') -> Tensor"
    grad = "SqueezeBackward4"
    op(f"{name}(Tensor self, Tensor q, {rest}", check=_quantile_check(name), grad_name=grad)(quantile)
    op(f"{name}.scalar(Tensor self, float q, {rest}", grad_name=grad)(quantile)


_declare_quantile("quantile", False, "Quantiles along a dimension, or of all elements (torch.quantile).")
_declare_quantile("nanquantile", True, "Quantiles of what is not NaN (torch.nanquantile).")
