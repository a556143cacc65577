"""Running sums, products and extremes; differences; integrals by the trapezoid rule."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jtorch.ops import promotion
from jtorch.ops.dims import wrap_dim
from jtorch.ops.errors import INEXACT, REAL, only, unsupported
from jtorch.ops.pointwise import complex_logaddexp, module_of, together
from jtorch.ops.promotion import BOOL, COMPLEX, FLOAT, category
from jtorch.ops.reduction import computed_in, summed_as
from jtorch.ops.table import op

# --- running sums and products --------------------------------------------------------------------------------------


def _running(name: str) -> Callable:
    """``cumsum`` or ``cumprod``, of integers in int64; half precisions run in float32."""

    def run(self: Any, dim: int, *, dtype: Any = None) -> Any:
        axis, kind = wrap_dim(dim, self.ndim), summed_as(self.dtype, dtype)
        if kind == np.bool_:
            raise unsupported(f"{name}_out_cpu", kind)
        x = promotion.cast(self, computed_in(kind))
        return promotion.cast(getattr(module_of(x), name)(x, axis, dtype=x.dtype) if x.ndim else x, kind)

    return run


for _name, _what, _saves in (("cumsum", "sum", ""), ("cumprod", "product", "self result")):
    _fn = _running(_name)
    op(
        f"{_name}(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor",
        inplace=True,
        host=_fn,
        saves=_saves,
    )(_fn).__doc__ = f"The {_what} of the elements up to each one along ``dim``; int64 of integers."


def _running_extreme(name: str, kernel: str) -> Callable:
    """``cummax`` or ``cummin``: the extreme so far and where it stood last. That element has the gradient."""
    run = getattr(lax, name)

    @only(REAL, kernel)
    def extreme(self: Any, dim: int) -> tuple[Any, Any]:
        axis = wrap_dim(dim, self.ndim)
        if not self.ndim:
            return self, jnp.zeros((), np.int64)
        x = lax.stop_gradient(self)
        if category(x.dtype) == BOOL:
            x = x.astype(np.uint8)
        hit = x == run(x, axis)
        if category(x.dtype) == FLOAT:  # the first NaN is the extreme from there on, and each further one stands last
            lost = lax.cummax(jnp.isnan(x).astype(np.int32), axis) > 0
            hit = jnp.where(lost, jnp.isnan(x), hit)
        at = lax.cummax(jnp.where(hit, lax.broadcasted_iota(np.int64, x.shape, axis), 0), axis)
        return jnp.take_along_axis(self, at, axis), at

    return extreme


for _name, _which in (("cummax", "largest"), ("cummin", "smallest")):
    _fn = _running_extreme(_name, f"{_name}_cpu")
    op(f"{_name}(Tensor self, int dim) -> (Tensor values, Tensor indices)")(
        _fn
    ).__doc__ = f"The {_which} element so far along ``dim``, and its index (of equal ones, the last)."


@op("logcumsumexp(Tensor self, int dim) -> Tensor", saves="self result")
@only(INEXACT, "logcumsumexp_out_cpu")
def logcumsumexp(self, dim):
    """``log(cumsum(exp(self)))`` along ``dim``, without overflow."""
    axis = wrap_dim(dim, self.ndim)
    if not self.size or not self.ndim:
        return self
    x = promotion.cast(self, computed_in(self.dtype))
    add = complex_logaddexp if category(x.dtype) == COMPLEX else jnp.logaddexp
    return lax.associative_scan(add, x, axis=axis).astype(self.dtype)


# --- differences ----------------------------------------------------------------------------------------------------


def _check_beside(self: Any, extra: Any, axis: int) -> None:
    if extra.ndim != self.ndim:
        raise RuntimeError("diff expects prepend or append to be the same dimension as input")
    for i, (have, got) in enumerate(zip(self.shape, extra.shape, strict=True)):
        if i != axis and have != got:
            raise RuntimeError(
                "diff expects the shape of tensor to prepend or append to match that of input except along the "
                f"differencing dimension; input.size({i}) = {have}, but got tensor.size({i}) = {got}"
            )


@op(
    "diff(Tensor self, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None) -> Tensor",
    grad_name="SubBackward0",
)
def diff(self, n=1, dim=-1, prepend=None, append=None):
    """The ``n``-th differences of neighbours along ``dim``; of bools, whether they differ."""
    if self.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    axis = wrap_dim(dim, self.ndim)
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    for extra in (prepend, append):
        if extra is not None:
            _check_beside(self, extra, axis)
    if n == 0:
        return self
    x = jnp.concatenate(together(*(p for p in (prepend, self, append) if p is not None)), axis)
    for _ in range(min(n, x.shape[axis])):
        after, before = (lax.slice_in_dim(x, i, x.shape[axis] - 1 + i, axis=axis) for i in (1, 0))
        x = after ^ before if category(x.dtype) == BOOL else after - before
    return x


# --- integrals ------------------------------------------------------------------------------------------------------


def _pairs(y: Any, axis: int) -> Any:
    """Sums of neighbours."""
    size = y.shape[axis]
    return lax.slice_in_dim(y, 1, size, axis=axis) + lax.slice_in_dim(y, 0, size - 1, axis=axis)


def _integral(name: str, combine: Callable) -> tuple[Callable, Callable]:
    """The rule with sample points ``x``, and the one with equal steps ``dx``."""

    def axis_of(y: Any, dim: int, kinds: tuple, which: str) -> int:
        if BOOL in kinds:
            raise RuntimeError(f"{name}: received a bool input for {which}, but bool is not supported")
        if y.ndim == 0:
            raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
        return wrap_dim(dim, y.ndim)

    def at_points(y: Any, x: Any, *, dim: int = -1) -> Any:
        axis = axis_of(y, dim, (category(y.dtype), category(x.dtype)), "`x` or `y`")
        if x.ndim == 1:
            if x.shape[0] != y.shape[axis]:
                raise RuntimeError(f"{name}: There must be one `x` value for each sample point")
            x = x.reshape([-1 if i == axis else 1 for i in range(y.ndim)])
        elif x.ndim < y.ndim:
            x = x.reshape((1,) * (y.ndim - x.ndim) + x.shape)
        if y.shape[axis] == 0:
            return combine(y, axis, 1)
        steps = lax.sub(*(lax.slice_in_dim(x, i, x.shape[axis] - 1 + i, axis=axis) for i in (1, 0)))
        areas, steps = together(_pairs(y, axis), steps)
        return combine(areas * steps, axis, 1)

    def at_steps(y: Any, *, dx: Any = 1, dim: int = -1) -> Any:
        axis = axis_of(y, dim, (category(y.dtype),), "`y`")
        if isinstance(dx, (bool, complex)):
            raise RuntimeError(f"{name}: Currently, we only support dx as a real number.")
        return combine(_pairs(y, axis) if y.shape[axis] else y, axis, dx)

    return at_points, at_steps


def _halved(areas: Any, dx: Any) -> Any:
    areas = promotion.cast(areas, promotion.to_float(promotion.result_type(areas, dx)))
    return areas * jnp.asarray(dx, areas.dtype) / 2


def _whole(areas: Any, axis: int, dx: Any) -> Any:
    return _halved(jnp.sum(areas, axis, dtype=summed_as(areas.dtype, None)), dx)


def _so_far(areas: Any, axis: int, dx: Any) -> Any:
    return _halved(jnp.cumsum(areas, axis, dtype=summed_as(areas.dtype, None)), dx)


for _name, _combine, _alias, _grad, _doc in (
    (
        "trapezoid",
        _whole,
        "trapz",
        "MulBackward0",
        "The integral of samples ``y`` along ``dim`` by the trapezoid rule.",
    ),
    (
        "cumulative_trapezoid",
        _so_far,
        "",
        "MulBackward0",
        "The integral of samples ``y`` up to each one but the first.",
    ),
):
    for _schema, _fn in zip(
        (f"{_name}.x(Tensor y, Tensor x, *, int dim=-1)", f"{_name}.dx(Tensor y, *, Scalar dx=1, int dim=-1)"),
        _integral(_name, _combine),
        strict=True,
    ):
        op(f"{_schema} -> Tensor", expose="torch", out=False, aliases=_alias, grad_name=_grad)(_fn).__doc__ = _doc
