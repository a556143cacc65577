"""Pieces of a tensor that share its storage: split, chunk, unbind and their relatives; and shapes taken from others."""

from collections.abc import Callable, Sequence
from typing import Any

import jtorch
from jtorch.composite.table import composite
from jtorch.ops import pieces, views
from jtorch.ops.dims import wrap_dim
from jtorch.ops.errors import scalar_type
from jtorch.tensor import bind

# -- pieces

_split_piece, _sized_piece, _unsafe_piece, _unsafe_sized_piece, _unbind_piece = (
    bind.generate(op, function=True)
    for op in (
        views.split_piece, views.split_with_sizes_piece, views.unsafe_split_piece, views.unsafe_split_with_sizes_piece,
        views.unbind_piece,
    )
)  # fmt: skip


def _pieces(name: str, x: Any, dim: int, cut: Callable, piece: Callable) -> tuple:
    """Consecutive pieces of ``dim``, of the lengths that ``cut(size, dim)`` gives."""
    if not x.ndim:
        raise RuntimeError(f"{name} expects at least a 1-dimensional tensor")
    d = wrap_dim(bind.int_arg(dim, "dim", name), x.ndim)
    lengths = cut(x.shape[d], d)
    return tuple(piece(x, d, start, n) for start, n in zip(pieces.starts(lengths), lengths, strict=True))


def _by_size(name: str, piece: Callable) -> Callable:
    def split(input: Any, split_size: Any, dim: int = 0) -> tuple:
        step = bind.int_arg(split_size, "split_size", name)
        return _pieces("split", input, dim, lambda n, d: pieces.split_lengths(n, step), piece)

    return split


def _by_sizes(name: str, piece: Callable) -> Callable:
    def split_with_sizes(input: Any, split_sizes: Any, dim: int = 0) -> tuple:
        """Views of consecutive pieces of the lengths ``split_sizes``, which must add up to the dimension's size."""
        if not isinstance(split_sizes, (list, tuple)):
            kind = type(split_sizes).__name__
            raise TypeError(f"{name}(): argument 'split_sizes' (position 2) must be tuple of ints, not {kind}")
        sizes = bind.ints_arg(split_sizes, "split_sizes", name, None)
        return _pieces("split", input, dim, lambda n, d: pieces.given_lengths(n, sizes, d), piece)

    return split_with_sizes


def _by_count(name: str, piece: Callable) -> Callable:
    def chunk(input: Any, chunks: Any, dim: int = 0) -> tuple:
        """Views of at most ``chunks`` consecutive pieces of equal length, the last one perhaps shorter."""
        count = bind.int_arg(chunks, "chunks", name)
        return _pieces("chunk", input, dim, lambda n, d: pieces.chunk_lengths(n, count), piece)

    return chunk


for _name, _make, _piece in (
    ("split_with_sizes", _by_sizes, _sized_piece),
    ("chunk", _by_count, _split_piece),
    ("unsafe_split", _by_size, _unsafe_piece),
    ("unsafe_chunk", _by_count, _unsafe_piece),
    ("unsafe_split_with_sizes", _by_sizes, _unsafe_sized_piece),
):
    composite("torch Tensor", name=_name)(_make(_name, _piece))

_split = _by_size("split", _split_piece)
_split_with_sizes = _by_sizes("split_with_sizes", _sized_piece)


@composite("torch")
def split(tensor: Any, split_size_or_sections: Any, dim: int = 0) -> tuple:
    """Views of consecutive pieces of a dimension: of one length, or of the lengths in a list.

    https://docs.pytorch.org/docs/stable/generated/torch.split.html
    """
    by_size = isinstance(split_size_or_sections, (int, jtorch.Tensor))
    return (_split if by_size else _split_with_sizes)(tensor, split_size_or_sections, dim)


@composite("Tensor", name="split")
def tensor_split_method(self: Any, split_size: Any, dim: int = 0) -> tuple:
    """See :func:`jtorch.split`."""
    return split(self, split_size, dim)


@composite("torch Tensor")
def unbind(input: Any, dim: int = 0) -> tuple:
    """Views of all slices of a dimension, without it. https://docs.pytorch.org/docs/stable/generated/torch.unbind.html"""
    if not input.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    d = wrap_dim(bind.int_arg(dim, "dim", "unbind"), input.ndim)
    return tuple(_unbind_piece(input, d, i) for i in range(input.shape[d]))


_narrow = bind.generate(views.narrow, function=True)


@composite("torch Tensor")
def narrow(input: Any, dim: int, start: Any, length: int) -> Any:
    """A view of ``length`` elements of a dimension from ``start`` on, which may be a 0-d integer tensor.

    https://docs.pytorch.org/docs/stable/generated/torch.narrow.html
    """
    if isinstance(start, jtorch.Tensor):
        if start.ndim or start.is_floating_point() or start.is_complex() or start.dtype == jtorch.bool:
            raise RuntimeError("start must be an 0-dim integral Tensor.")
        start = int(start)
    return _narrow(input, dim, start, length)


# -- pieces by the places of the cuts


def _cut(input: Any, ends: Sequence[int], d: int) -> tuple:
    """Views of the pieces between the indices ``ends``, as Python's slices take them."""
    size = input.shape[d]
    bounds = [0, *ends, size]
    made = []
    for start, end in zip(bounds, bounds[1:], strict=False):
        low, high, _ = slice(start, end).indices(size)
        made.append(input.narrow(d, low, max(0, high - low)))
    return tuple(made)


def _even(input: Any, sections: int, d: int) -> tuple:
    if sections <= 0:
        raise RuntimeError(f"number of sections must be larger than 0, got {sections}")
    least, more = divmod(input.shape[d], sections)
    return _cut(input, [i * least + min(i, more) for i in range(1, sections)], d)


def _one_of(name: str, *ways: Any) -> Any:
    """The one way in which the cuts were given."""
    given = [way for way in ways if way is not None]
    if len(given) != 1:
        raise TypeError(f"{name}() received an invalid combination of arguments")
    return given[0]


@composite("torch Tensor")
def tensor_split(
    input: Any, tensor_indices_or_sections: Any = None, dim: int = 0, *, sections: Any = None, indices: Any = None
) -> tuple:
    """Views of ``sections`` pieces of about equal length, or of those between ``indices``; either may be a tensor.

    https://docs.pytorch.org/docs/stable/generated/torch.tensor_split.html
    """
    where = _one_of("tensor_split", tensor_indices_or_sections, sections, indices)
    if not input.ndim:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    d = wrap_dim(dim, input.ndim)
    if isinstance(where, jtorch.Tensor):
        label = "tensor_split expected tensor_indices_or_sections to"
        if where.ndim > 1:
            raise RuntimeError(
                f"{label} be a zero-dimensional or one-dimensional tensor, but got a tensor with {where.ndim} dims"
            )
        if where.dtype != jtorch.int64:
            raise RuntimeError(f"{label} have dtype of long, but got {scalar_type(where._aval().dtype)}")
        where = where.tolist()
    if isinstance(where, (list, tuple)):
        return _cut(input, bind.ints_arg(where, "indices", "tensor_split", None), d)
    return _even(input, bind.int_arg(where, "sections", "tensor_split"), d)


def _splitter(name: str, least: int, dim: Callable[[int], int], doc: str) -> None:
    def function(input: Any, indices_or_sections: Any = None, *, sections: Any = None, indices: Any = None) -> tuple:
        where = _one_of(name, indices_or_sections, sections, indices)
        if input.ndim < least:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor with {input.ndim} "
                "dimensions!"
            )
        d = dim(input.ndim)
        if isinstance(where, (list, tuple)):
            return _cut(input, bind.ints_arg(where, "indices", name, None), d)
        count = bind.int_arg(where, "sections", name)
        if not count or input.shape[d] % count:
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {d}, but the size of the dimension {input.shape[d]} "
                "is "
                f"not divisible by the split_size {count}!"
            )
        return _even(input, count, d)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    composite("torch Tensor")(function)


_splitter("hsplit", 1, lambda n: int(n > 1), "Views of pieces side by side (torch.hsplit).")
_splitter("vsplit", 2, lambda n: 0, "Views of pieces one below the other (torch.vsplit).")
_splitter("dsplit", 3, lambda n: 2, "Views of pieces along the third dimension (torch.dsplit).")


# -- more dimensions, and shapes of other tensors


def _raiser(name: str, raised: Callable[[Any], Any], doc: str) -> None:
    def function(*tensors: Any) -> Any:
        if len(tensors) == 1 and isinstance(tensors[0], jtorch.Tensor):
            return raised(tensors[0])
        listed = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
        return tuple(raised(t) for t in listed)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    composite("torch")(function)


def _to_1d(x: Any) -> Any:
    return x if x.ndim else x.reshape(1)


def _to_2d(x: Any) -> Any:
    return x if x.ndim > 1 else _to_1d(x).unsqueeze(0)


def _to_3d(x: Any) -> Any:
    return x if x.ndim > 2 else _to_2d(x).unsqueeze(-1)


_raiser("atleast_1d", _to_1d, "Tensors with one dimension or more (torch.atleast_1d).")
_raiser("atleast_2d", _to_2d, "Tensors with two dimensions or more; vectors become rows (torch.atleast_2d).")
_raiser("atleast_3d", _to_3d, "Tensors with three dimensions or more (torch.atleast_3d).")


@composite("torch Tensor")
def adjoint(input: Any) -> Any:
    """Matrices transposed and conjugated. https://docs.pytorch.org/docs/stable/generated/torch.adjoint.html"""
    if input.ndim < 2:
        raise RuntimeError(
            f"tensor.adjoint() is only supported on matrices or batches of matrices. Got {input.ndim}-D tensor."
        )
    return input.mH if input.is_complex() else input.mT


@composite("Tensor")
def view_as(self: Any, other: Any) -> Any:
    """``self.view(other.shape)`` (torch.Tensor.view_as)."""
    return self.view(other.shape)


@composite("Tensor")
def expand_as(self: Any, other: Any) -> Any:
    """``self.expand(other.shape)`` (torch.Tensor.expand_as)."""
    return self.expand(other.shape)


@composite("Tensor")
def reshape_as(self: Any, other: Any) -> Any:
    """``self.reshape(other.shape)`` (torch.Tensor.reshape_as)."""
    return self.reshape(other.shape)


@composite("torch")
def unravel_index(indices: Any, shape: Any) -> tuple:
    """For indices into a flattened tensor of ``shape``, the indices in each dimension.

    https://docs.pytorch.org/docs/stable/generated/torch.unravel_index.html
    """
    if indices.dtype.is_floating_point or indices.dtype.is_complex or indices.dtype == jtorch.bool:
        raise TypeError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    if not isinstance(shape, (int, Sequence)):
        raise TypeError(f"expected 'shape' to be int or sequence of ints, but got {type(shape)}")
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    for n in sizes:
        if not hasattr(n, "__index__"):
            raise TypeError(f"expected 'shape' sequence to only contain ints, but got {type(n)}")
    if any(n < 0 for n in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {tuple(sizes)}")
    made, step = [], 1
    for n in reversed(sizes):
        made.append(indices.div(step, rounding_mode="floor") % n)
        step *= n
    return tuple(reversed(made))
