"""``torch.masked``: reductions and normalizations that leave elements out.

Each function takes a ``mask``, bool and broadcastable to the input, that is True where an element counts; without one
all do. An element that does not count is replaced by the number that changes nothing: 0 in a sum, -inf in a maximum.
The mask may not have more dimensions than the input (IndexError). ``dtype`` is the result's; by default the input's.
Torch's MaskedTensor is not there. https://docs.pytorch.org/docs/stable/masked.html
"""

import math
from typing import Any

import jtorch
from jtorch.nn import functional as F  # noqa: N812

__all__ = [
    "amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp", "logsumexp", "mean", "median",
    "norm", "normalize", "prod", "softmax", "softmin", "std", "sum", "var",
]  # fmt: skip

_Dims = int | tuple[int, ...] | None
_SHORT = (jtorch.bool, jtorch.uint8, jtorch.int8, jtorch.int16, jtorch.int32)  # which are added up in int64


def _dims(dim: Any, ndim: int) -> tuple[int, ...]:
    """The dims of a reduction in order: all of them for None and ``()``."""
    if dim is None or dim == ():
        return tuple(range(ndim))
    size = max(ndim, 1)
    dims: list[int] = []
    for d in (dim,) if isinstance(dim, int) else dim:
        if d in dims:
            raise RuntimeError(f"dim={d} appears multiple times in the list of dims")
        if not -size <= d < size:
            raise IndexError(f"Dimension out of range (expected to be in range of [{-size}, {size - 1}], but got {d})")
        dims.append(d % size)
    return tuple(sorted(dims))


def _full_mask(input: Any, mask: Any) -> Any:
    if mask.ndim > input.ndim:
        raise IndexError("_input_mask expected broadcastable mask (got mask dimensionality higher than of the input)")
    return mask.expand(input.shape).to(jtorch.bool)


def _filled(input: Any, mask: Any, number: float) -> Any:
    """``input`` with ``number`` where the mask is False."""
    if mask is None:
        return input
    return jtorch.where(_full_mask(input, mask), input, jtorch.full((), number, dtype=input.dtype, device=input.device))


def _extreme(name: str, input: Any, mask: Any, highest: bool) -> Any:
    """``input`` with the highest or lowest number of its dtype where the mask is False."""
    if mask is None:
        return input
    if input.is_floating_point():
        return _filled(input, mask, math.inf if highest else -math.inf)
    if not (input.is_signed() or input.dtype == jtorch.uint8):
        raise NotImplementedError(f"identity of {name} on {input.dtype} input")
    info = jtorch.iinfo(input.dtype)
    return _filled(input, mask, info.max if highest else info.min)


def _sum_dtype(input: Any, dtype: Any) -> Any:
    return dtype or (jtorch.int64 if input.dtype in _SHORT else input.dtype)


# -- reductions


def sum(input: Any, dim: _Dims = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """The sum; short integers are added up in int64."""
    filled = _filled(input, mask, 0)
    return jtorch.sum(filled, _dims(dim, input.ndim), bool(keepdim), dtype=_sum_dtype(input, dtype))


def prod(input: Any, dim: _Dims = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """The product; short integers are multiplied in int64."""
    out = _filled(input, mask, 1).to(dtype=_sum_dtype(input, dtype))
    for d in reversed(_dims(dim, input.ndim)):
        out = out.prod(d, bool(keepdim))
    return out


def amax(input: Any, dim: _Dims = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """The greatest element."""
    filled = _extreme("amax", input, mask, False)
    return jtorch.amax(filled, _dims(dim, input.ndim), bool(keepdim)).to(dtype=dtype or input.dtype)


def amin(input: Any, dim: _Dims = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """The least element."""
    filled = _extreme("amin", input, mask, True)
    return jtorch.amin(filled, _dims(dim, input.ndim), bool(keepdim)).to(dtype=dtype or input.dtype)


def argmax(input: Any, dim: int | None = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """Where the greatest element is, in the input's dtype unless ``dtype`` is given."""
    filled = _extreme("argmax", input, mask, False)
    return jtorch.argmax(filled, dim, bool(keepdim)).to(dtype=dtype or input.dtype)


def argmin(input: Any, dim: int | None = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """Where the least element is, in the input's dtype unless ``dtype`` is given."""
    filled = _extreme("argmin", input, mask, True)
    return jtorch.argmin(filled, dim, bool(keepdim)).to(dtype=dtype or input.dtype)


def _count(input: Any, dim: _Dims, keepdim: bool, mask: Any) -> Any:
    """How many elements count."""
    if mask is None:
        return math.prod(input.shape[d] for d in _dims(dim, input.ndim) if input.ndim)
    return _full_mask(input, mask).sum(dim, keepdim)


def mean(input: Any, dim: _Dims = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """The mean; nan where nothing counts. ValueError for integers without a floating ``dtype``."""
    wanted = dtype or input.dtype
    if not (wanted.is_floating_point or wanted.is_complex):
        source = "Optional" if dtype is not None else "Input"
        raise ValueError(
            f"mean(): Could not infer output dtype. {source} dtype must be either a floating point or complex dtype. "
            f"Got: {wanted}"
        )
    count = _count(input, dim, bool(keepdim), mask)
    return sum(input, dim, keepdim=keepdim, dtype=wanted, mask=mask) / count


def median(input: Any, dim: int = -1, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """The lower median; nan where nothing counts, or, of integers, ValueError."""
    (d,) = _dims(dim, input.ndim)
    floats = input if input.is_floating_point() else input.to(jtorch.float32)
    out = jtorch.nanmedian(_filled(floats, mask, math.nan), d, keepdim).values
    if input.is_floating_point():
        return out
    if out.isnan().any():
        raise ValueError("masked median expects no fully masked out rows if dtype is not floating point")
    return out.to(dtype=dtype or input.dtype)


def norm(
    input: Any,
    ord: float | None = 2.0,
    dim: _Dims = None,
    *,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Any = None,
) -> Any:
    """The vector norm of order ``ord`` (:func:`jtorch.linalg.vector_norm`)."""
    filled = _filled(input, mask, math.inf if ord == -math.inf else 0)
    dims = _dims(dim, input.ndim)
    return jtorch.linalg.vector_norm(filled, ord, dims, bool(keepdim), dtype=dtype or input.dtype)


def var(
    input: Any, dim: _Dims = None, unbiased: bool | None = None, *, correction: float | None = None,
    keepdim: bool = False, dtype: Any = None, mask: Any = None,
) -> Any:  # fmt: skip
    """The variance: over the count less ``correction`` (1, or 0 if not ``unbiased``); nan where nothing counts."""
    if unbiased is not None and correction is not None:
        raise AssertionError("Only one of unbiased and correction may be given")
    if correction is None:
        correction = 0 if unbiased is False else 1

    def inexact(d: Any) -> Any:
        return d if d.is_floating_point or d.is_complex else jtorch.float32

    dtype = inexact(input.dtype) if dtype is None else dtype
    computed = inexact(dtype)
    count = _count(input, dim, True, mask)
    off = input - sum(input, dim, keepdim=True, dtype=dtype, mask=mask) / count
    total = sum(off * off.conj(), dim, keepdim=keepdim, dtype=computed, mask=mask)
    if mask is None:
        return (total / max(count - correction, 0)).to(dtype=dtype)
    count = count.reshape(total.shape).to(computed.to_real())
    return (total / (count - correction).clamp(min=0)).to(dtype=dtype)


def std(
    input: Any, dim: _Dims = None, unbiased: bool | None = None, *, correction: int | None = None,
    keepdim: bool = False, dtype: Any = None, mask: Any = None,
) -> Any:  # fmt: skip
    """The root of the variance (:func:`var`)."""
    return var(input, dim, unbiased, correction=correction, keepdim=keepdim, dtype=dtype, mask=mask).sqrt()


def logsumexp(input: Any, dim: _Dims = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """The logarithm of the sum of exponentials."""
    filled = _filled(input, mask, -math.inf) if input.is_complex() else _extreme("logsumexp", input, mask, False)
    return jtorch.logsumexp(filled, _dims(dim, input.ndim), keepdim=keepdim).to(dtype=dtype or input.dtype)


def logaddexp(input: Any, other: Any, *, dtype: Any = None, input_mask: Any = None, other_mask: Any = None) -> Any:
    """The logarithm of the sum of two exponentials, each with a mask of its own."""
    out = jtorch.logaddexp(
        _extreme("logaddexp", input, input_mask, False), _extreme("logaddexp", other, other_mask, False)
    )
    return out.to(dtype=dtype or input.dtype)


# -- results of the input's shape; what does not count in them is not defined


def cumsum(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """Running sums along ``dim``."""
    wanted = dtype or input.dtype
    return jtorch.cumsum(_filled(input, mask, 0), _dims(dim, input.ndim)[0], dtype=wanted).to(dtype=wanted)


def cumprod(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """Running products along ``dim``."""
    wanted = dtype or input.dtype
    return jtorch.cumprod(_filled(input, mask, 1), _dims(dim, input.ndim)[0], dtype=wanted).to(dtype=wanted)


def softmax(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """Exponentials along ``dim``, divided by their sum."""
    filled = _extreme("amax", input, mask, False)
    return F.softmax(filled, _dims(dim, input.ndim)[0], dtype=dtype or input.dtype)


def log_softmax(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """The logarithm of :func:`softmax`."""
    filled = _extreme("amax", input, mask, False)
    return F.log_softmax(filled, _dims(dim, input.ndim)[0], dtype=dtype or input.dtype)


def softmin(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """:func:`softmax` of the negated input."""
    filled = _extreme("amin", input, mask, True)
    return F.softmin(filled, _dims(dim, input.ndim)[0], dtype=dtype or input.dtype)


def normalize(input: Any, ord: float, dim: int, *, eps: float = 1e-12, dtype: Any = None, mask: Any = None) -> Any:
    """The input divided by its norm of order ``ord`` along ``dim``, or by ``eps`` where that is greater."""
    size = norm(input, ord, dim, keepdim=True, dtype=dtype, mask=mask)
    return _filled(input, mask, 0) / jtorch.maximum(size, size.new_full([], eps))
