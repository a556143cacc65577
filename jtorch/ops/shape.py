"""Operators that join, repeat, reorder and lay out elements in new arrays."""

from collections.abc import Callable, Sequence
from itertools import combinations as choose
from itertools import combinations_with_replacement as choose_again
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jtorch.ops import pieces, views
from jtorch.ops.dims import wrap_dim, wrap_dims
from jtorch.ops.indices import fill_value
from jtorch.ops.promotion import COMPLEX, FLOAT, category
from jtorch.ops.table import TABLE, OpDef, op
from jtorch.ops.views import on_host


def shape_op(schema: str, **fields: Any) -> Callable[[Callable], OpDef]:
    """Declare an operator whose function serves JAX and NumPy arrays."""
    return lambda impl: op(schema, host=impl, **fields)(impl)


def _xp(x: Any) -> Any:
    return np if on_host(x) else jnp


# -- joining


def _concatenated(tensors: Sequence[Any], dim: int) -> Any:
    """``torch.cat`` of arrays of one dtype; 1-d empty ones are left out, as torch does."""
    for i, x in enumerate(tensors):
        if not x.ndim:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    first = next((x for x in tensors if x.shape != (0,)), tensors[0])
    d = wrap_dim(dim, first.ndim)
    kept = []
    for i, x in enumerate(tensors):
        if x.shape == (0,) and first.ndim > 1:
            continue
        if x.ndim != first.ndim:
            raise RuntimeError(f"Tensors must have same number of dimensions: got {first.ndim} and {x.ndim}")
        for k, (have, want) in enumerate(zip(x.shape, first.shape, strict=True)):
            if have != want and k != d:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {d}. Expected size {want} but got size {have} "
                    f"for tensor number {i} in the list."
                )
        kept.append(x)
    if on_host(first):
        return np.concatenate(kept, d)
    return lax.concatenate(kept, d)


@shape_op(
    "cat(Tensor[] tensors, int dim=0) -> Tensor",
    promote="common",
    expose="torch",
    aliases="concat concatenate",
)
def cat(tensors, dim):
    """Tensors joined along a dimension (torch.cat). Raises RuntimeError where other sizes differ."""
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    return _concatenated(tensors, dim)


@shape_op("stack(Tensor[] tensors, int dim=0) -> Tensor", promote="common", expose="torch")
def stack(tensors, dim):
    """Tensors of equal shape joined along a new dimension (torch.stack)."""
    _some("stack", tensors)
    d = wrap_dim(dim, tensors[0].ndim + 1)
    for i, x in enumerate(tensors):
        if x.shape != tensors[0].shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(tensors[0].shape)} at entry 0 and "
                f"{list(x.shape)} at entry {i}"
            )
    return _xp(tensors[0]).stack(tensors, d)


def _some(name: str, tensors: Sequence[Any]) -> None:
    if not tensors:
        raise RuntimeError(f"{name} expects a non-empty TensorList")


def _stacker(name: str, raised: Callable, dim: Callable[[Any], int], doc: str, aliases: str = "") -> OpDef:
    def impl(tensors: Sequence[Any]) -> Any:
        _some(name, tensors)
        shaped = [x.reshape(raised(x.shape)) for x in tensors]
        return _concatenated(shaped, dim(shaped[0]))

    impl.__doc__ = doc
    return shape_op(
        f"{name}(Tensor[] tensors) -> Tensor",
        promote="common",
        expose="torch",
        grad_name="CatBackward0",
        aliases=aliases,
    )(impl)


def at_least_2d(shape: Sequence[int]) -> tuple[int, ...]:
    """A shape with dimensions put in front until there are two."""
    return (1,) * (2 - len(shape)) + tuple(shape)


def at_least_3d(shape: Sequence[int]) -> tuple[int, ...]:
    """A shape with a dimension put in front (of one dimension), then behind, until there are three."""
    two = at_least_2d(shape)
    return two if len(two) > 2 else (*two, 1)


hstack = _stacker(
    "hstack", lambda s: s or (1,), lambda x: 0 if x.ndim == 1 else 1, "Tensors joined horizontally (torch.hstack)."
)
vstack = _stacker("vstack", at_least_2d, lambda x: 0, "Tensors joined row by row (torch.vstack).", "row_stack")
dstack = _stacker("dstack", at_least_3d, lambda x: 2, "Tensors joined along the third dimension (torch.dstack).")
column_stack = _stacker(
    "column_stack",
    lambda s: (*(s or (1,)), 1) if len(s) <= 1 else s,
    lambda x: 1,
    "Tensors joined as columns (torch.column_stack).",
)


@shape_op("block_diag(Tensor[] tensors) -> Tensor", promote="common", expose="")
def block_diag(tensors):
    """Matrices along the diagonal of one (torch.block_diag)."""
    blocks = []
    for i, x in enumerate(tensors):
        if x.ndim > 2:
            raise RuntimeError(
                f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {x.ndim} dimensions"
            )
        blocks.append(x.reshape(at_least_2d(x.shape)))
    width = sum(b.shape[1] for b in blocks)
    xp, rows, left = _xp(blocks[0]), [], 0
    for b in blocks:
        rows.append(xp.pad(b, ((0, 0), (left, width - left - b.shape[1]))))
        left += b.shape[1]
    return xp.concatenate(rows, 0)


# -- repeating


def _repeated(x: Any, repeats: Sequence[int]) -> Any:
    extra = len(repeats) - x.ndim
    shape = [r * n for r, n in zip(repeats, (1,) * extra + x.shape, strict=True)]
    for n in shape:
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {shape}")
    return _xp(x).tile(x, tuple(repeats))


@shape_op("repeat(Tensor self, int[] repeats) -> Tensor", varargs="repeats", expose="Tensor")
def repeat(self, repeats):
    """The tensor repeated along each dimension (torch.Tensor.repeat)."""
    if len(repeats) < self.ndim:
        raise RuntimeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    return _repeated(self, repeats)


@shape_op("tile(Tensor self, int[] dims) -> Tensor", varargs="dims", grad_name="RepeatBackward0")
def tile(self, dims):
    """The tensor repeated along each dimension, counted from the last (torch.tile)."""
    return _repeated(self, (1,) * (self.ndim - len(dims)) + tuple(dims))


# -- reordering


@shape_op("roll(Tensor self, int[1] shifts, int[1] dims=[]) -> Tensor")
def roll(self, shifts, dims):
    """Elements shifted around along dimensions; without dims, along the flattened tensor (torch.roll)."""
    if not shifts:
        raise RuntimeError("`shifts` required")
    if len(shifts) != len(dims) and not (len(shifts) == 1 and not dims):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}")
    xp = _xp(self)
    if not dims:
        return xp.roll(self.reshape(-1), shifts[0]).reshape(self.shape)
    if not self.ndim:
        raise IndexError(f"Dimension specified as {dims[0]} but tensor has no dimensions")
    return xp.roll(self, tuple(shifts), tuple(wrap_dim(d, self.ndim) for d in dims))


@shape_op("flip(Tensor self, int[] dims) -> Tensor", varargs="dims")
def flip(self, dims):
    """Elements in reverse order along dimensions (torch.flip)."""
    return _flipped(self, wrap_dims(dims, self.ndim))


def _flipped(x: Any, axes: Sequence[int]) -> Any:
    return _xp(x).flip(x, tuple(axes)) if x.ndim else x


@shape_op("fliplr(Tensor self) -> Tensor", grad_name="FlipBackward0")
def fliplr(self):
    """Columns in reverse order (torch.fliplr)."""
    if self.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return _flipped(self, (1,))


@shape_op("flipud(Tensor self) -> Tensor", grad_name="FlipBackward0")
def flipud(self):
    """Rows in reverse order (torch.flipud)."""
    if self.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return _flipped(self, (0,))


@shape_op("rot90(Tensor self, int k=1, int[] dims=[0, 1]) -> Tensor")
def rot90(self, k, dims):
    """Turned by ``k`` times 90 degrees in the plane of two dimensions (torch.rot90)."""
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if self.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {self.ndim}")
    a, b = (wrap_dim(d, self.ndim) for d in dims)
    if a == b:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    return _xp(self).rot90(self, k % 4, (a, b))


# -- triangles and diagonals


def _triangle(name: str, doc: str) -> OpDef:
    def impl(self: Any, diagonal: int) -> Any:
        if self.ndim < 2:
            raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
        return getattr(_xp(self), name)(self, diagonal)

    impl.__doc__ = doc
    return shape_op(f"{name}(Tensor self, int diagonal=0) -> Tensor", inplace=True)(impl)


tril = _triangle("tril", "The lower triangle of matrices, zeros elsewhere (torch.tril).")
triu = _triangle("triu", "The upper triangle of matrices, zeros elsewhere (torch.triu).")


@shape_op("diag_embed(Tensor self, int offset=0, int dim1=-2, int dim2=-1) -> Tensor")
def diag_embed(self, offset, dim1, dim2):
    """Matrices with the last dimension as their diagonal (torch.diag_embed)."""
    ndim = self.ndim + 1
    a, b = wrap_dim(dim1, ndim), wrap_dim(dim2, ndim)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    n = self.shape[-1] + abs(offset)
    xp = _xp(self)
    made = views.write_diagonal(xp.zeros((*self.shape[:-1], n, n), self.dtype), self, offset, -2, -1)
    return xp.moveaxis(made, (-2, -1), (a, b))


@shape_op("diagflat(Tensor self, int offset=0) -> Tensor", grad_name="DiagEmbedBackward0")
def diagflat(self, offset):
    """A matrix with all elements on its diagonal (torch.diagflat)."""
    return diag_embed.impl(self.reshape(-1), offset, -2, -1)


@shape_op("diag(Tensor self, int diagonal=0) -> Tensor")
def diag(self, diagonal):
    """The matrix of a diagonal, or the diagonal of a matrix (torch.diag)."""
    if self.ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {self.ndim}D")
    if self.ndim == 1:
        return diag_embed.impl(self, diagonal, -2, -1)
    return views.diagonal.impl(self, diagonal, 0, 1)


@shape_op("vander(Tensor x, int? N=None, bool increasing=False) -> Tensor", expose="torch", grad_name="FlipBackward0")
def vander(x, N, increasing):  # noqa: N803
    """The powers of a vector's elements as columns (torch.vander)."""
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    if N is not None and N < 0:
        raise RuntimeError("N must be non-negative.")
    n = x.shape[0] if N is None else N
    xp = _xp(x)
    x = x if category(x.dtype) in (FLOAT, COMPLEX) else x.astype(np.int64)
    if not n:
        return xp.zeros((x.shape[0], 0), x.dtype)
    columns = [xp.ones_like(x)]
    for _ in range(n - 1):
        columns.append(columns[-1] * x)
    return xp.stack(columns if increasing else columns[::-1], 1)


@shape_op(
    "combinations(Tensor self, int r=2, bool with_replacement=False) -> Tensor",
    expose="torch",
    grad_name="StackBackward0",
    out=False,
)
def combinations(self, r, with_replacement):
    """All ways to take ``r`` elements of a vector, as rows (torch.combinations)."""
    if self.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(self.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return _xp(self).zeros((0,), self.dtype)
    rows = list((choose_again if with_replacement else choose)(range(self.shape[0]), r))
    return self[np.array(rows, np.int64).reshape(-1, r)]


# -- copies


def _filled(xp: Any) -> Callable:
    def filled(self: Any, value: Any) -> Any:
        """A number in ``self``'s shape and dtype."""
        return xp.full(self.shape, fill_value(value, self), self.dtype)

    return filled


filled = op(
    "_filled(Tensor self, Scalar value) -> Tensor", expose="", out=False, host=_filled(np), grad_name="FillBackward0"
)(_filled(jnp))


@op("clone(Tensor self, *, MemoryFormat? memory_format=None) -> Tensor", host=lambda x, **_: np.array(x), out=False)
def clone(self, *, memory_format=None):
    """A copy (torch.clone)."""
    return jnp.copy(self)


def _copy_variant(view: OpDef) -> None:
    """``permute_copy`` and the like: what a view operator shows, as a tensor of its own."""
    base, _, overload = view.name.partition(".")
    schema = views.SCHEMAS[view.name].replace("Tensor(a)", "Tensor")
    name = f"{base}_copy.{overload}" if overload else f"{base}_copy"
    op(
        schema.replace(view.name, name, 1),
        host=lambda *a, **k: np.array(view.impl(*a, **k)),
        expose="torch Tensor" if base == "narrow" else "torch",
        grad_name=view.grad_name + "_copy",
    )(lambda *a, **k: jnp.copy(view.impl(*a, **k)))


_COPIED = (
    "alias diagonal expand narrow permute select slice squeeze.dim squeeze.dims squeeze t transpose unfold "
    "unsqueeze view view.dtype"
)
for _name in _COPIED.split():
    _copy_variant(TABLE[_name])


# -- pieces that share nothing


def _pieces(schema: str, cut: Callable, **fields: Any) -> OpDef:
    def impl(self: Any, how: Any, dim: int = 0) -> list:
        name = schema.partition("(")[0]
        if not self.ndim:
            raise RuntimeError(f"{name} expects at least a 1-dimensional tensor")
        d = wrap_dim(dim, self.ndim)
        lengths = cut(self.shape[d], how, d)
        parts = [views.take_slice(self, d, start, n) for start, n in zip(pieces.starts(lengths), lengths, strict=True)]
        return [x.copy() if on_host(x) else jnp.copy(x) for x in parts]

    impl.__doc__ = f"Pieces of a tensor as tensors of their own (torch.{schema.partition('(')[0].partition('.')[0]})."
    return shape_op(schema, expose="torch", **fields)(impl)


for _schema, _cut, _grad in (
    ("split_copy(Tensor self, int split_size, int dim=0)", lambda n, k, d: pieces.split_lengths(n, k), "Split"),
    ("split_with_sizes_copy(Tensor self, int[] split_sizes, int dim=0)", pieces.given_lengths, "SplitWithSizes"),
):
    _pieces(f"{_schema} -> Tensor[]", _cut, grad_name=f"{_grad}Backward0_copy")


@shape_op("unbind_copy(Tensor self, int dim=0) -> Tensor[]", expose="torch", grad_name="UnbindBackward0_copy")
def unbind_copy(self, dim):
    """The slices of a dimension as tensors of their own (torch.unbind_copy)."""
    if not self.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    d = wrap_dim(dim, self.ndim)
    return [views.select.impl(self, d, i) for i in range(self.shape[d])]
