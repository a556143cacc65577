"""What the indexing operators share: bounds, index grids, and reads and writes of NumPy and JAX arrays alike."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from jtorch.ops.promotion import COMPLEX, category
from jtorch.ops.scalars import checked, is_number, type_name
from jtorch.ops.views import on_host

Check = list[tuple[Any, type[Exception], str]]


def space(x: Any) -> Any:
    """The array module of ``x``: NumPy, or ``jax.numpy``."""
    return np if on_host(x) else jnp


# -- bounds


def bounds(
    name: str, index: Any, size: int, dim: int, *, wraps: bool = False, error: type[Exception] = RuntimeError
) -> Check:
    """The check that ``index`` lies in a dimension of ``size``; negative ones do where it ``wraps``."""
    bad = ((index < (-size if wraps else 0)) | (index >= size)).any()
    return [(bad, error, f"{name}(): index is out of bounds for dimension {dim} with size {size}")]


def require(
    index: Any, size: int, dim: int, *, wraps: bool = False, error: type[Exception] = RuntimeError, message: str = ""
) -> None:
    """The same for a NumPy ``index``, at once and naming the index; nothing for JAX's, whose data is not known yet."""
    if on_host(index):
        bad = (index < (-size if wraps else 0)) | (index >= size)
        if bad.any():
            first = int(index[bad][0]) if index.ndim else int(index)
            raise error(message.format(first) or f"index {first} is out of bounds for dimension {dim} with size {size}")


def wrapped(index: Any, size: int) -> Any:
    """Negative indices made to count from the start."""
    return space(index).where(index < 0, index + size, index)


def require_index(name: str, index: Any, what: str = "int32/int64") -> None:
    """RuntimeError unless ``index`` has an index dtype."""
    if index.dtype not in (np.int32, np.int64):
        raise RuntimeError(f"{name}(): Expected dtype {what} for index")


# -- reads and writes


def grid(index: Any, dim: int) -> tuple:
    """Index arrays that pair ``index`` in dimension ``dim`` with each of its own positions in the others."""
    xp, out = space(index), []
    for d, n in enumerate(index.shape):
        shape = [1] * index.ndim
        shape[d] = n
        out.append(index if d == dim else xp.arange(n, dtype=index.dtype).reshape(shape))
    return tuple(out)


def rows(index: Any, dim: int) -> tuple:
    """An index tuple that takes whole slices of dimension ``dim``."""
    return (slice(None),) * dim + (index,)


def store(x: Any, where: tuple, new: Any) -> Any:
    """``x`` with ``new`` at ``where``; of several for one place any one, and each gets the place's gradient."""
    if on_host(x):
        out = x.copy()
        out[where] = new
        return out
    # unique_indices gives the gradient torch has (a gather), and leaves it open which duplicate wins, as torch does.
    return x.at[where].set(new, mode="promise_in_bounds", unique_indices=True, wrap_negative_indices=False)


_COMBINE: dict[str, tuple[str, Any]] = {
    "sum": ("add", np.add),
    "prod": ("multiply", np.multiply),
    "amax": ("max", np.maximum),
    "amin": ("min", np.minimum),
}


def combine(x: Any, where: tuple, new: Any, kind: str) -> Any:
    """``x`` with ``new`` added to (or multiplied with, ...) what stands at ``where``; duplicates all count."""
    if x.dtype == np.bool_:
        kind = {"sum": "amax", "prod": "amin"}.get(kind, kind)
    method, ufunc = _COMBINE[kind]
    if on_host(x):
        out = x.copy()
        ufunc.at(out, where, new)
        return out
    return getattr(x.at[where], method)(new, mode="promise_in_bounds", wrap_negative_indices=False)


def fetch(x: Any, where: tuple) -> Any:
    """``x[where]`` for indices in bounds."""
    if on_host(x):
        return x[(*where, ...)]
    return x.at[where].get(mode="promise_in_bounds", wrap_negative_indices=False)


# -- values


def fill_value(value: Any, like: Any) -> Any:
    """A fill value, a number or a 0-d array, in ``like``'s dtype; RuntimeError where it has no such value."""
    dtype = np.dtype(like.dtype)
    if is_number(value):
        value = checked(value, dtype)
    elif category(value.dtype) == COMPLEX != category(dtype):
        raise RuntimeError(f"value cannot be converted to type {type_name(dtype)} without overflow")
    if on_host(like):
        return np.asarray(value).astype(dtype)
    return jnp.asarray(value).astype(dtype)
