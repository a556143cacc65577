"""Counting elements in bins: histc, histogram, bincount."""

from math import prod
from typing import Any

import numpy as np

from jtorch.ops.creation import spaced
from jtorch.ops.errors import unsupported
from jtorch.ops.indices import Check, combine, space
from jtorch.ops.promotion import FLOAT, INT, category
from jtorch.ops.searching import _bisected
from jtorch.ops.shape import shape_op
from jtorch.ops.table import op

# -- bins of equal width


def _range(x: Any, low: Any, high: Any, margin: float, given: bool = False) -> tuple[Any, Any]:
    """The two ends as arrays of ``x``'s dtype: those given, or the data's own where they are equal."""
    xp = space(x)
    if low == high and x.size and not given:
        first, last = x.min(), x.max()
    else:
        first, last = xp.asarray(low, x.dtype), xp.asarray(high, x.dtype)
    same = first == last
    wider = xp.asarray(margin, x.dtype)
    return xp.where(same, first - wider, first), xp.where(same, last + wider, last)


def _counted(places: Any, inside: Any, weight: Any, bins: int, dtype: Any) -> Any:
    xp = space(places)
    one = xp.where(inside, weight, xp.zeros((), dtype))
    return combine(xp.zeros(bins, dtype), (xp.where(inside, places, 0),), one.astype(dtype), "sum")


def _histc_check(self: Any, bins: int, min: Any, max: Any) -> Check:
    if min != max or not self.size:
        return []
    finite = np.isfinite if isinstance(self, np.ndarray) else space(self).isfinite
    return [(~finite(self).all(), RuntimeError, "torch.histc: range of the data is not finite")]


@shape_op(
    "histc(Tensor self, int bins=100, Scalar min=0, Scalar max=0) -> Tensor",
    static=("min", "max"),
    differentiable=False,
    check=_histc_check,
)
def histc(self, bins, min, max):
    """How many elements lie in each of ``bins`` bins of equal width; equal ends mean the data's (torch.histc)."""
    if category(self.dtype) != FLOAT:
        raise unsupported("histogram_cpu", self.dtype)
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    if max < min:
        raise RuntimeError("torch.histc: max must be larger than min")
    x = self.reshape(-1)
    xp = space(x)
    low, high = _range(x, min, max, 1)
    inside = (x >= low) & (x <= high)
    places = (xp.where(inside, x - low, 0) * xp.asarray(bins, x.dtype) / (high - low)).astype(np.int64)
    return _counted(xp.minimum(places, bins - 1), inside, xp.ones((), x.dtype), bins, x.dtype)


# -- bins between edges


def _histogram(x: Any, edges: Any, weight: Any, density: bool) -> tuple[Any, Any]:
    xp, bins = space(x), edges.shape[0] - 1
    flat = x.reshape(-1)
    inside = (flat >= edges[0]) & (flat <= edges[-1])
    places = xp.clip(_bisected(edges, flat, True) - 1, 0, bins - 1)
    weight = xp.ones((), x.dtype) if weight is None else weight.reshape(-1)
    hist = _counted(places, inside, weight, bins, x.dtype)
    if density:
        hist = hist / (hist.sum() * (edges[1:] - edges[:-1]))
    return hist, edges


def _histogram_arguments(x: Any, weight: Any) -> None:
    if category(x.dtype) != FLOAT:
        raise unsupported("histogramdd", x.dtype)
    if weight is not None and weight.shape != x.shape:
        raise RuntimeError(
            "torch.histogramdd(): if weight tensor is provided it should have the same shape as the input tensor "
            f"excluding its innermost dimension, but got input with shape {[x.size, 1]} and weight with shape "
            f"{list(weight.shape)}"
        )


@shape_op(
    "histogram(Tensor self, int bins=100, *, float[]? range=None, Tensor? weight=None, bool density=False) "
    "-> (Tensor hist, Tensor bin_edges)",
    differentiable=False,
)
def histogram(self, bins, *, range, weight, density):
    """Elements counted, or their weights summed, in bins of equal width, and the edges (torch.histogram)."""
    _histogram_arguments(self, weight)
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    low, high = (0.0, 0.0) if range is None else range
    if low > high:
        raise RuntimeError(
            f"torch.histogramdd: min should not exceed max, but got min {low:g} max {high:g} for dimension 0"
        )
    if range is None and not self.size:
        high = 1.0
    first, last = _range(self, low, high, 0.5, given=range is not None)
    return _histogram(self, spaced(first, last, bins + 1), weight, density)


@shape_op(
    "histogram.bins_tensor(Tensor self, Tensor bins, *, Tensor? weight=None, bool density=False) "
    "-> (Tensor hist, Tensor bin_edges)",
    differentiable=False,
)
def histogram_between(self, bins, *, weight, density):
    """Elements counted, or their weights summed, between given edges (torch.histogram)."""
    _histogram_arguments(self, weight)
    if bins.ndim != 1:
        raise RuntimeError(
            "torch.histogramdd(): bins tensor should have one dimension, but got "
            f"{bins.ndim} dimensions in the bins tensor for dimension 0"
        )
    return _histogram(self, bins.astype(self.dtype), weight, density)


@shape_op(
    "_histogramdd(Tensor self, Tensor[] edges, *, Tensor? weight=None, bool density=False) -> Tensor",
    expose="",
    differentiable=False,
)
def histogramdd(self, edges, *, weight, density):
    """The rows of (N, D) points counted, or their weights summed, in the cells between D vectors of edges."""
    xp = space(self)
    shape = tuple(e.shape[0] - 1 for e in edges)
    inside, place = xp.ones(self.shape[0], np.bool_), xp.zeros(self.shape[0], np.int64)
    for d, (e, bins) in enumerate(zip(edges, shape, strict=True)):
        x = self[:, d]
        inside = inside & (x >= e[0]) & (x <= e[-1])
        place = place * bins + xp.clip(_bisected(e, x, True) - 1, 0, bins - 1)
    weight = xp.ones((), self.dtype) if weight is None else weight.reshape(-1)
    hist = _counted(place, inside, weight, prod(shape), self.dtype).reshape(shape)
    if density:
        hist = hist / hist.sum()
        for d, e in enumerate(edges):
            hist = hist / (e[1:] - e[:-1]).reshape([-1 if k == d else 1 for k in range(len(shape))])
    return hist


# -- non-negative integers


@op("bincount(Tensor self, Tensor? weights=None, int minlength=0) -> Tensor", dynamic=True, differentiable=False)
def bincount(self, weights, minlength):
    """How often each non-negative integer occurs, or the sum of its weights (torch.bincount)."""
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if category(self.dtype) != INT:
        raise unsupported("bincount_cpu", self.dtype)
    if self.ndim != 1 or (self.size and self.min() < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is not None and weights.shape != self.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    if weights is None or not self.size:
        return np.bincount(self.astype(np.int64), minlength=minlength).astype(np.int64)
    dtype = np.float32 if weights.dtype == np.float32 else np.float64
    size = max(int(self.max()) + 1, minlength)
    out = np.zeros(size, dtype)
    np.add.at(out, self, weights.astype(dtype))
    return out
