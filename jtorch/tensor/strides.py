"""Strides, as torch would have them: computed from a tensor's view chain when somebody asks.

XLA decides how arrays lie in memory; torch's programs still ask whether a view is contiguous, and ``view`` refuses
where torch refuses. Each view step maps (shape, strides, offset) to the next.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from jtorch.engine.op import fill
from jtorch.ops import views
from jtorch.ops.errors import scalar_type
from jtorch.tensor.history import DETACH
from jtorch.tensor.storage import Step
from jtorch.tensor.tensor import Tensor

Layout = tuple[tuple[int, ...], tuple[int, ...], int]  # shape, strides, offset


def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of elements in order."""
    out, step = [], 1
    for size in reversed(shape):
        out.append(step)
        step *= max(size, 1)
    return tuple(reversed(out))


def _wrap(dim: int, n: int) -> int:
    return dim + n if dim < 0 else dim


def _select(lay: Layout, dim: int, index: int) -> Layout:
    shape, strides, offset = lay
    d = _wrap(dim, len(shape))
    i = index + shape[d] if index < 0 else index
    return shape[:d] + shape[d + 1 :], strides[:d] + strides[d + 1 :], offset + i * strides[d]


def _slice(lay: Layout, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Layout:
    shape, strides, offset = lay
    d = _wrap(dim, len(shape))
    first, last, _ = slice(start, end, step).indices(shape[d])
    size = max(0, -(-(last - first) // step))
    return (
        (*shape[:d], size, *shape[d + 1 :]),
        (*strides[:d], strides[d] * step, *strides[d + 1 :]),
        offset + first * strides[d] if size else offset,
    )


def _narrow(lay: Layout, dim: int, start: int, length: int) -> Layout:
    d = _wrap(dim, len(lay[0]))
    first = start + lay[0][d] if start < 0 else start
    return _slice(lay, d, first, first + length)


def _permute(lay: Layout, dims: tuple[int, ...]) -> Layout:
    shape, strides, offset = lay
    order = [_wrap(d, len(shape)) for d in dims]
    return tuple(shape[d] for d in order), tuple(strides[d] for d in order), offset


def _transpose(lay: Layout, dim0: int = 0, dim1: int = 1) -> Layout:
    n = len(lay[0])
    if n == 0:
        return lay
    order = list(range(n))
    a, b = _wrap(dim0, n), _wrap(dim1, n)
    order[a], order[b] = order[b], order[a]
    return _permute(lay, tuple(order))


def _t(lay: Layout) -> Layout:
    return _transpose(lay, 0, 1) if len(lay[0]) == 2 else lay


def _unsqueeze(lay: Layout, dim: int) -> Layout:
    shape, strides, offset = lay
    d = dim + len(shape) + 1 if dim < 0 else dim
    step = shape[d] * strides[d] if d < len(shape) else 1
    return (*shape[:d], 1, *shape[d:]), (*strides[:d], step, *strides[d:]), offset


def _squeeze(lay: Layout, dim: Any = None) -> Layout:
    shape, strides, offset = lay
    n = len(shape)
    dims = range(n) if dim is None else [_wrap(d, n) for d in (dim if isinstance(dim, tuple) else (dim,))]
    keep = [i for i in range(n) if not (i in dims and shape[i] == 1)]
    return tuple(shape[i] for i in keep), tuple(strides[i] for i in keep), offset


def _expand(lay: Layout, size: tuple[int, ...], implicit: bool = False) -> Layout:
    shape, strides, offset = lay
    extra = len(size) - len(shape)
    out = []
    for i, want in enumerate(size):
        have = shape[i - extra] if i >= extra else 1
        out.append(0 if have == 1 and want not in (1, -1) else strides[i - extra] if i >= extra else None)
    full = tuple(shape[i - extra] if s == -1 else s for i, s in enumerate(size))
    for i in range(extra - 1, -1, -1):  # a new dimension of size 1
        if out[i] is None:
            out[i] = full[i + 1] * out[i + 1] if i + 1 < len(full) else 1  # type: ignore[operator]
    return full, tuple(out), offset  # type: ignore[arg-type]


def _diagonal(lay: Layout, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Layout:
    shape, strides, start = lay
    n = len(shape)
    a, b = _wrap(dim1, n), _wrap(dim2, n)
    size = max(0, min(shape[a], shape[b] - offset) if offset >= 0 else min(shape[a] + offset, shape[b]))
    rest = [i for i in range(n) if i not in (a, b)]
    first = (offset * strides[b] if offset >= 0 else -offset * strides[a]) if size else 0
    return (
        (*(shape[i] for i in rest), size),
        (*(strides[i] for i in rest), strides[a] + strides[b]),
        start + first,
    )


def _unfold(lay: Layout, dimension: int, size: int, step: int) -> Layout:
    shape, strides, offset = lay
    if not shape:
        return (size,), (1,), offset
    d = _wrap(dimension, len(shape))
    count = (shape[d] - size) // step + 1
    return (
        (*shape[:d], count, *shape[d + 1 :], size),
        (*strides[:d], strides[d] * step, *strides[d + 1 :], strides[d]),
        offset,
    )


def view_strides(shape: tuple, strides: tuple, new: tuple) -> tuple[int, ...] | None:
    """The strides of a view of ``new`` shape on these elements, None where only a copy can have it."""
    if not all(new) or not all(shape):
        return contiguous_strides(new)
    out: list[int] = []
    n = len(new) - 1
    chunk_base, chunk, want = (strides[-1] if strides else 1), 1, 1
    for i in range(len(shape) - 1, -1, -1):
        chunk *= shape[i]
        if i == 0 or (shape[i - 1] != 1 and strides[i - 1] != chunk * chunk_base):
            while n >= 0 and (want < chunk or new[n] == 1):
                out.append(want * chunk_base)
                want *= new[n]
                n -= 1
            if want != chunk:
                return None
            if i > 0:
                chunk_base, chunk, want = strides[i - 1], 1, 1
    if n >= 0 and not shape:
        return contiguous_strides(new)
    return tuple(reversed(out)) if n < 0 else None


def _view(lay: Layout, size: tuple[int, ...]) -> Layout:
    shape, strides, offset = lay
    total = 1
    for s in shape:
        total *= s
    known = 1
    for s in size:
        known *= s if s != -1 else 1
    new = tuple(total // known if s == -1 and known else (0 if s == -1 else s) for s in size)
    found = view_strides(shape, strides, new)
    return new, found if found is not None else contiguous_strides(new), offset


def _parts(lay: Layout) -> Layout:
    """Complex numbers as pairs."""
    shape, strides, offset = lay
    return (*shape, 2), (*[2 * s for s in strides], 1), 2 * offset


def _pairs(lay: Layout) -> Layout:
    """Pairs as complex numbers."""
    shape, strides, offset = lay
    return shape[:-1], tuple(s // 2 for s in strides[:-1]), offset // 2


def _movedim(lay: Layout, source: tuple[int, ...], destination: tuple[int, ...]) -> Layout:
    return _permute(lay, views.moved(source, destination, len(lay[0])))


def _retyped(lay: Layout, have: int, want: int) -> Layout:
    """Elements of ``have`` bytes as ones of ``want``."""
    shape, strides, offset = lay
    if have == want:
        return lay
    if have > want:
        by = have // want
        return (*shape[:-1], shape[-1] * by), (*[s * by for s in strides[:-1]], 1), offset * by
    by = want // have
    return (*shape[:-1], shape[-1] // by), (*[s // by for s in strides[:-1]], 1), offset // by


_RULES: dict[str, Callable] = {
    "select": _select, "slice": _slice, "narrow": _narrow, "permute": _permute, "transpose": _transpose, "t": _t,
    "unsqueeze": _unsqueeze, "squeeze": _squeeze, "squeeze.dim": _squeeze, "squeeze.dims": _squeeze, "expand": _expand,
    "broadcast_to": _expand, "diagonal": _diagonal, "unfold": _unfold, "view": _view, "reshape": _view,
    "as_strided": lambda lay, size, stride, offset=None: (size, stride, lay[2] if offset is None else offset),
    "swapaxes": _transpose, "swapdims": _transpose, "_unbind_piece": _select, "movedim": _movedim,
    "linalg_diagonal": lambda lay, offset=0, dim1=-2, dim2=-1: _diagonal(lay, offset, dim1, dim2),
    **{f"_{name}_piece": _narrow for name in ("split", "split_with_sizes", "unsafe_split", "unsafe_split_with_sizes")},
}  # fmt: skip
_COMPLEX: dict[str, Callable] = {  # steps between complex elements and their parts
    "view_as_real": _parts, "view_as_complex": _pairs,
    "real": lambda lay: _select(_parts(lay), -1, 0), "imag": lambda lay: _select(_parts(lay), -1, 1),
}  # fmt: skip


def of(x: Tensor) -> tuple[tuple[int, ...], int]:
    """The strides and the storage offset of a tensor."""
    alias = x._alias
    if alias is None or not alias.steps:
        return x.__dict__.get("_strides") or contiguous_strides(x._v.aval.shape), 0
    base = alias.storage.value.aval
    return _along(base.shape, base.dtype, tuple([(s.op, s.spec) for s in alias.steps if s.op is not DETACH]))


@lru_cache(4096)
def _along(shape: tuple[int, ...], dtype: np.dtype, steps: tuple) -> tuple[tuple[int, ...], int]:
    """The strides and the offset after view steps from a base whose elements lie in order."""
    lay: Layout = (shape, contiguous_strides(shape), 0)
    paired, item = dtype.kind == "c", dtype.itemsize
    for op, spec in steps:
        name = op.name
        if name == "view.dtype":
            lay, item = _retyped(lay, item, spec[1].itemsize), spec[1].itemsize
        elif name in _COMPLEX:
            if name != "real" or paired:
                lay, paired = _COMPLEX[name](lay), name == "view_as_complex"
        else:  # a step without a rule of its own only reshapes
            lay = _by_rule(lay, op, spec) or _by_shape(lay, op.bind(spec))
    return lay[1], lay[2]


def by_rule(lay: Layout, step: Step) -> Layout | None:
    """The layout after a view step; None where the step has no rule."""
    return _by_rule(lay, step.op, step.spec)


def _by_rule(lay: Layout, op: Any, spec: tuple) -> Layout | None:
    rule = _RULES.get(op.name)
    return None if rule is None else rule(lay, *fill(spec[1:], iter(())))


def _by_shape(lay: Layout, fn: Callable) -> Layout:
    """A step without a rule of its own, by the shape it gives."""
    out = jax.eval_shape(fn, jax.ShapeDtypeStruct(lay[0], np.float32))
    return _view(lay, tuple(out.shape))


_MAY_COPY = frozenset({"reshape", "flatten", "ravel"})


def copies(op: Any, x: Tensor, made: Any) -> bool:
    """Whether a view operator has to copy ``x``, as its elements do not lie so that they could be looked at in the
    shape (and dtype) of the value ``made``. Raises RuntimeError for ``view``, which never copies.
    """
    name = op.name
    if name == "view.dtype":
        have, want = x._v.aval.dtype, made.aval.dtype
        if have.itemsize != want.itemsize and (step := of(x)[0][-1]) != 1:
            raise RuntimeError(
                f"self.stride(-1) must be 1 to view {scalar_type(have)} as {scalar_type(want)} (different element "
                f"sizes), but got {step}"
            )
        return False
    if name != "view" and name not in _MAY_COPY:
        return False
    if view_strides(x._v.aval.shape, of(x)[0], made.aval.shape) is not None:
        return False
    if name == "view":
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead."
        )
    return True


def is_contiguous(x: Tensor) -> bool:
    """Whether the elements lie in order without gaps (sizes of 1 do not matter)."""
    alias = x._alias
    if (alias is None or not alias.steps) and "_strides" not in x.__dict__:
        return True
    return dense(x._v.aval.shape, of(x)[0])


def dense(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """The same of a shape and strides."""
    want = 1
    for size, step in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1:
            if step != want and 0 not in shape:
                return False
            want *= size
    return True
