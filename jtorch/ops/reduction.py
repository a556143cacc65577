"""Reductions: sums, means, products, extremes, truth, variances."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jtorch.ops import promotion
from jtorch.ops.derivatives import with_partials
from jtorch.ops.dims import reduce_dims, wrap_dim
from jtorch.ops.errors import REAL, only, scalar_type
from jtorch.ops.pointwise import module_of, together
from jtorch.ops.precision import is_half
from jtorch.ops.promotion import BOOL, COMPLEX, FLOAT, INT, category
from jtorch.ops.table import op

Dims = int | Sequence[int] | None


def summed_as(dtype: np.dtype, asked: np.dtype | None) -> np.dtype:
    """The dtype of a sum or product: the one asked for, else int64 for integers and bools."""
    return np.dtype(asked) if asked is not None else np.dtype(np.int64) if category(dtype) <= INT else np.dtype(dtype)


def computed_in(dtype: Any) -> np.dtype:
    """The dtype to add up in: float32 for the half precisions."""
    return np.dtype(np.float32 if is_half(dtype) else dtype)


# --- sums and means -------------------------------------------------------------------------------------------------


def _total(x: Any, dim: Dims, keepdim: bool, dtype: np.dtype) -> Any:
    """The sum over ``dim``, added up and returned in ``dtype`` (half precisions are added up in float32)."""
    axes = reduce_dims(dim, x.ndim)
    if dtype == np.bool_:
        return module_of(x).any(x, axes, keepdims=keepdim)
    x = promotion.cast(x, computed_in(dtype))
    return promotion.cast(module_of(x).sum(x, axes, dtype=x.dtype, keepdims=keepdim), dtype)


def _sum(self: Any, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The sum of all elements, or along ``dim``; int64 of integers and bools unless ``dtype`` says otherwise."""
    return _total(self, dim, keepdim, summed_as(self.dtype, dtype))


op("sum(Tensor self, *, ScalarType? dtype=None) -> Tensor", host=_sum)(_sum)
op(
    "sum.dim_IntList(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
    host=_sum,
    grad_name="SumBackward1",
)(_sum)

_real_nansum = only(REAL, RuntimeError("nansum on CPU does not support complex inputs"))


@op(
    "nansum(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
    saves="self",
)
@_real_nansum
def nansum(self, dim=None, keepdim=False, *, dtype=None):
    """``sum`` that takes NaN for 0."""
    if category(self.dtype) == FLOAT:
        self = jnp.where(jnp.isnan(self), 0, self)
    return _sum(self, dim, keepdim, dtype=dtype)


def _mean_dtype(name: str, dtype: np.dtype, asked: np.dtype | None) -> np.dtype:
    which, kind = ("Input", dtype) if asked is None else ("Optional", np.dtype(asked))
    if category(kind) < FLOAT:
        raise RuntimeError(
            f"{name}(): could not infer output dtype. {which} dtype must be either a floating point or complex dtype. "
            f"Got: {scalar_type(kind)}"
        )
    return kind


def _count(shape: Sequence[int], axes: Sequence[int]) -> int:
    count = 1
    for axis in axes:
        count *= shape[axis]
    return count


def _mean(self: Any, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The mean of all elements, or along ``dim``. Integers raise RuntimeError unless ``dtype`` is a float."""
    kind = _mean_dtype("mean", self.dtype, dtype)
    total = _total(self, dim, keepdim, computed_in(kind))
    count = module_of(total).asarray(_count(self.shape, reduce_dims(dim, self.ndim)), total.dtype)
    return promotion.cast(total / count, kind)


op("mean(Tensor self, *, ScalarType? dtype=None) -> Tensor", host=_mean)(_mean)
op(
    "mean.dim(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
    host=_mean,
    grad_name="MeanBackward1",
)(_mean)


@op(
    "nanmean(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
    grad_name="DivBackward0",
)
def nanmean(self, dim=None, keepdim=False, *, dtype=None):
    """The mean of the elements that are not NaN."""
    if category(self.dtype) < FLOAT:
        raise RuntimeError(
            f"nanmean(): expected input to have floating point or complex dtype but got {scalar_type(self.dtype)}"
        )
    total = nansum.impl(self, dim, keepdim, dtype=dtype)
    return total / _total(~jnp.isnan(self), dim, keepdim, np.dtype(np.int64)).astype(total.dtype)


def _prod(self: Any, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The product of all elements, or along ``dim``; int64 of integers and bools unless ``dtype`` says otherwise."""
    axes, kind = reduce_dims(dim, self.ndim), summed_as(self.dtype, dtype)
    xp = module_of(self)
    if kind == np.bool_:
        return xp.all(self, axes, keepdims=keepdim)
    x = promotion.cast(self, computed_in(kind))
    return promotion.cast(xp.prod(x, axes, dtype=x.dtype, keepdims=keepdim), kind)


op("prod(Tensor self, *, ScalarType? dtype=None) -> Tensor", host=_prod, saves="self result")(_prod)
op(
    "prod.dim_int(Tensor self, int dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
    host=_prod,
    saves="self result",
    grad_name="ProdBackward1",
)(_prod)

# --- extremes -------------------------------------------------------------------------------------------------------


def _need_elements(name: str, x: Any, dim: Dims) -> None:
    """Torch's errors for an extreme of nothing."""
    if x.size:
        return
    if dim is None or (not isinstance(dim, int) and not len(dim)):
        raise RuntimeError(
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with "
            "the 'dim' argument."
        )
    for axis in reduce_dims(dim, x.ndim):
        if x.shape[axis] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")


def _extreme(name: str, fn: str, kernel: str) -> Callable:
    """``amax`` or ``amin``: equal extremes share the gradient, as they do in JAX."""

    @only(REAL, kernel)
    def extreme(self: Any, dim: Dims = (), keepdim: bool = False) -> Any:
        axes = reduce_dims(dim, self.ndim)
        _need_elements(name, self, dim)
        return getattr(module_of(self), fn)(self, axes, keepdims=keepdim)

    return extreme


_amax, _amin = _extreme("amax", "max", "max_values_cpu"), _extreme("amin", "min", "min_values_cpu")
for _name, _fn, _which in (("amax", _amax, "largest"), ("amin", _amin, "smallest")):
    op(f"{_name}(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor", host=_fn, saves="self result")(
        _fn
    ).__doc__ = f"The {_which} element along ``dim`` (or of all). Equal ones share the gradient."


@op("aminmax(Tensor self, *, int? dim=None, bool keepdim=False) -> (Tensor min, Tensor max)", saves="self result")
@only(REAL, "aminmax_cpu")
def aminmax(self, *, dim=None, keepdim=False):
    """The smallest and the largest element along ``dim`` (or of all)."""
    if not self.size:
        if dim is None:
            raise RuntimeError(
                "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
            )
        axis = wrap_dim(dim, self.ndim)
        if self.shape[axis] == 0:
            raise IndexError(f"aminmax: Expected reduction dim {axis} to have non-zero size.")
    return _amin(self, dim, keepdim), _amax(self, dim, keepdim)


def _index(x: Any, dim: int | None, keepdim: bool, fn: str) -> Any:
    """``argmax`` or ``argmin`` without checks: the first of equal extremes; a NaN is the extreme."""
    xp = module_of(x)
    if not x.ndim:
        return xp.zeros((), np.int64)
    return getattr(xp, fn)(x, None if dim is None else wrap_dim(dim, x.ndim), keepdims=keepdim).astype(np.int64)


def _arg(name: str) -> Callable:
    def arg(self: Any, dim: int | None = None, keepdim: bool = False) -> Any:
        if category(self.dtype) in (BOOL, COMPLEX):
            kind = "bool" if category(self.dtype) == BOOL else "complex"
            raise RuntimeError(f"{name}(): does not support {kind} input")
        if dim is not None:
            wrap_dim(dim, self.ndim)
        elif not self.size:
            raise IndexError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0.")
        _need_elements(name, self, dim)
        return _index(self, dim, keepdim, name)

    return arg


for _name, _which in (("argmax", "largest"), ("argmin", "smallest")):
    _fn = _arg(_name)
    op(f"{_name}(Tensor self, int? dim=None, bool keepdim=False) -> Tensor", host=_fn, differentiable=False)(
        _fn
    ).__doc__ = f"The index of the {_which} element along ``dim``, or in the flattened tensor; the first of equals."


def _evenly(fn: Callable) -> Callable:
    """The extreme of everything, of which equal extremes (NaNs, if the result is one) share the gradient."""

    @jax.custom_jvp
    def extreme(x: Any) -> Any:
        return fn(x)

    @extreme.defjvp
    def rule(primals: tuple, tangents: tuple) -> tuple:
        (x,), (dx,) = primals, tangents
        result = extreme(x)
        hit = (x == result) | (jnp.isnan(result) & jnp.isnan(x))
        return result, jnp.sum(jnp.where(hit, dx, 0)) / jnp.sum(hit).astype(dx.dtype)

    return extreme


def _all_extreme(name: str) -> Callable:
    even = _evenly(getattr(jnp, name))

    @only(REAL, f"{name}_all")
    def extreme(self: Any) -> Any:
        _need_elements(name, self, None)
        if category(self.dtype) == FLOAT and module_of(self) is jnp:
            return even(self)
        return getattr(module_of(self), name)(self)

    return extreme


def _with_index(name: str) -> Callable:
    """``max(dim)`` or ``min(dim)``: the element at the first extreme, which alone has the gradient, and its index."""

    @only(REAL, f"{name}_cpu")
    def pick(self: Any, dim: int, keepdim: bool = False) -> tuple[Any, Any]:
        axis = wrap_dim(dim, self.ndim)
        _need_elements(name, self, dim)
        xp = module_of(self)
        index = _index(self, axis, True, f"arg{name}")
        if not self.ndim:
            return self, index
        value = xp.take_along_axis(self, index, axis)
        return (value, index) if keepdim else (xp.squeeze(value, axis), xp.squeeze(index, axis))

    return pick


def _of_pair(name: str) -> Callable:
    @only(REAL, RuntimeError(f"{name} not implemented for complex tensors."))
    def extreme(self: Any, other: Any) -> Any:
        return getattr(module_of(self, other), name)(*together(self, other))

    return extreme


for _name, _pair, _which in (("max", "maximum", "largest"), ("min", "minimum", "smallest")):
    _whole, _other, _dim = _all_extreme(_name), _of_pair(_pair), _with_index(_name)
    _title = _name.capitalize()
    op(f"{_name}(Tensor self) -> Tensor", host=_whole, saves="self result", grad_name=f"{_title}Backward1")(
        _whole
    ).__doc__ = f"The {_which} of all elements. Equal ones share the gradient."
    # Ahead of the one with a dim, as a parser may take a tensor for an int. It promotes by itself: a number is a dim.
    op(
        f"{_name}.other(Tensor self, Tensor other) -> Tensor",
        host=_other,
        saves="self other",
        grad_name=f"{_pair.capitalize()}Backward0",
    )(_other).__doc__ = f"``torch.{_pair}``."
    op(f"{_name}.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", host=_dim)(
        _dim
    ).__doc__ = f"The {_which} element along ``dim`` and its index, the first of equals."

# --- truth ----------------------------------------------------------------------------------------------------------


def _quantified(name: str) -> Callable:
    """``any`` or ``all``: bool, but uint8 of uint8. An empty list of dims reduces nothing, unlike elsewhere."""

    def truth(self: Any, dim: Dims = None, keepdim: bool = False) -> Any:
        x = self if category(self.dtype) == BOOL else self != 0
        nothing = dim is not None and not isinstance(dim, int) and not len(dim)
        axes = () if nothing else reduce_dims(dim, self.ndim)
        out = getattr(module_of(self), name)(x, axis=axes, keepdims=keepdim)
        return out.astype(np.uint8) if self.dtype == np.uint8 else out

    return truth


_QUANTIFIED = (
    "(Tensor self)",
    ".dim(Tensor self, int dim, bool keepdim=False)",
    ".dims(Tensor self, int[]? dim=None, bool keepdim=False)",
)
for _name, _doc in (
    ("any", "Whether some element is other than 0, along ``dim`` or anywhere."),
    ("all", "Whether every element is other than 0, along ``dim`` or everywhere."),
):
    _fn = _quantified(_name)
    for _schema in _QUANTIFIED:
        op(f"{_name}{_schema} -> Tensor", host=_fn, differentiable=False)(_fn).__doc__ = _doc


def _count_nonzero(self: Any, dim: Dims = None) -> Any:
    """How many elements are other than 0, along ``dim`` or in all."""
    return _total(self != 0, dim, False, np.dtype(np.int64))


for _schema in ("(Tensor self, int? dim=None)", ".dim_IntList(Tensor self, int[] dim)"):
    op(f"count_nonzero{_schema} -> Tensor", out=False, host=_count_nonzero, differentiable=False)(_count_nonzero)

# --- variances ------------------------------------------------------------------------------------------------------


@with_partials(lambda root, x: jnp.where(root == 0, 0, 0.5 / jnp.where(root == 0, 1, root)))
def flat_sqrt(x: Any) -> Any:
    """The square root, taken not to move at 0."""
    return lax.sqrt(x)


def squared_size(x: Any) -> Any:
    """``|x|**2``, as real numbers."""
    return x.real * x.real + x.imag * x.imag if category(x.dtype) == COMPLEX else x * x


def _moments(x: Any, dim: Dims, correction: Any, keepdim: bool) -> tuple[Any, Any]:
    """The variance with ``count - correction`` for divisor (0 where that is negative), and the mean."""
    axes, dtype, xp = reduce_dims(dim, x.ndim), x.dtype, module_of(x)
    x = promotion.cast(x, computed_in(dtype))
    mean = xp.sum(x, axes, keepdims=True) / _count(x.shape, axes)
    away = x - mean
    square = squared_size(away)
    left = xp.maximum(_count(x.shape, axes) - xp.asarray(1 if correction is None else correction, square.dtype), 0)
    variance = xp.sum(square, axes, keepdims=keepdim) / left
    if not keepdim:
        mean = xp.squeeze(mean, axes)
    real = np.dtype(variance.dtype) if category(dtype) == COMPLEX else dtype
    return variance.astype(real), mean.astype(dtype)


def _spread(name: str) -> Callable:
    root, both = name.startswith("std"), name.endswith("mean")
    who = name if both else "std and var"

    def spread(self: Any, dim: Dims = None, correction: Any = 1, keepdim: bool = False) -> Any:
        if category(self.dtype) < FLOAT:
            raise RuntimeError(f"{who} only support floating point and complex dtypes")
        variance, mean = _moments(self, dim, correction, keepdim)
        result = variance if not root else flat_sqrt(variance) if module_of(variance) is jnp else np.sqrt(variance)
        return (result, mean) if both else result

    return spread


def _declare_spread(name: str, doc: str) -> None:
    spread = _spread(name)
    both = name.endswith("mean")
    fields: dict[str, Any] = {
        "expose": "torch" if both else "torch Tensor",
        "out": not both,
        "saves": "self result" if name == "std" else "self",
    }

    def by_dim(self: Any, dim: Dims, unbiased: bool = True, keepdim: bool = False) -> Any:
        return spread(self, dim, int(unbiased), keepdim)

    def of_all(self: Any, unbiased: bool = True) -> Any:
        return spread(self, None, int(unbiased))

    def corrected(self: Any, dim: Dims = None, *, correction: Any = None, keepdim: bool = False) -> Any:
        return spread(self, dim, correction, keepdim)

    for schema, impl in (  # first the one with a dim, since a parser may take an int for a bool
        (".dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False)", by_dim),
        ("(Tensor self, bool unbiased=True)", of_all),
        (".correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False)", corrected),
    ):
        op(f"{name}{schema} -> {'(Tensor, Tensor)' if both else 'Tensor'}", host=impl, **fields)(impl).__doc__ = doc


_declare_spread("var", "The variance along ``dim`` (or of all), divided by the count less ``correction``.")
_declare_spread("std", "The standard deviation along ``dim`` (or of all); ``correction`` is taken off the count.")
_declare_spread("var_mean", "The variance and the mean along ``dim`` (or of all).")
_declare_spread("std_mean", "The standard deviation and the mean along ``dim`` (or of all).")
