"""View operators: the result looks at its argument's elements in another shape, order or selection.

Each takes JAX and NumPy arrays alike, so it is its own ``host`` version. ``write(base, new, ...)`` is its inverse: the
base with ``new`` put where the view looks. The Tensor layer writes through views without one by a generic scatter.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jtorch.ops.dims import wrap_dim, wrap_dims
from jtorch.ops.errors import scalar_type
from jtorch.ops.table import OpDef, op

Ints = tuple[int, ...]
SCHEMAS: dict[str, str] = {}


def view(schema: str, write: Callable | None = None, **fields: Any) -> Callable[[Callable], OpDef]:
    """Declare a view operator whose function serves JAX and NumPy arrays."""

    def declare(impl: Callable) -> OpDef:
        definition = op(schema, host=impl, write=write, out=False, **fields)(impl)
        SCHEMAS[definition.name] = schema
        return definition

    return declare


def on_host(x: Any) -> bool:
    """Whether ``x`` is a NumPy array, not one of JAX's."""
    return isinstance(x, (np.ndarray, np.generic))


# -- another shape


def infer_size(size: Sequence[int], numel: int) -> Ints:
    """``size`` with its -1 replaced by what ``numel`` elements leave for it; RuntimeError where they do not fit."""
    shape = list(size)
    for i, n in enumerate(shape):
        if n < -1:
            raise RuntimeError(f"invalid shape dimension {n} at index {i} of shape {shape}")
    if shape.count(-1) > 1:
        raise RuntimeError("only one dimension can be inferred")
    known = prod(n for n in shape if n != -1)
    if -1 in shape:
        if known == 0 and numel == 0:
            raise RuntimeError(
                f"cannot reshape tensor of 0 elements into shape {shape} because the unspecified dimension size -1 can "
                "be any value and is ambiguous"
            )
        if known and numel % known == 0:
            shape[shape.index(-1)] = numel // known
            return tuple(shape)
    elif known == numel:
        return tuple(shape)
    raise RuntimeError(f"shape '{shape}' is invalid for input of size {numel}")


def _reshape_back(base: Any, new: Any, *_: Any) -> Any:
    return new.reshape(base.shape)


@view("view(Tensor(a) self, int[] size) -> Tensor(a)", _reshape_back, varargs="size", expose="Tensor")
def reshaped(self, size):
    """The same elements in another shape (torch.Tensor.view). Raises RuntimeError where the sizes do not fit."""
    return self.reshape(infer_size(size, self.size))


@view("reshape(Tensor(a) self, int[] shape) -> Tensor(a)", _reshape_back, varargs="shape", grad_name="ViewBackward0")
def reshape(self, shape):
    """The same elements in another shape (torch.reshape). Raises RuntimeError where the sizes do not fit."""
    return self.reshape(infer_size(shape, self.size))


@view("squeeze.dim(Tensor(a) self, int dim) -> Tensor(a)", _reshape_back, grad_name="SqueezeBackward1")
def squeeze_dim(self, dim):
    """Without dimension ``dim`` if its size is 1 (torch.squeeze)."""
    return _squeezed(self, wrap_dims(dim, self.ndim))


@view("squeeze.dims(Tensor(a) self, int[] dim) -> Tensor(a)", _reshape_back, grad_name="SqueezeBackward2")
def squeeze_dims(self, dim):
    """Without those of the dimensions ``dim`` whose size is 1 (torch.squeeze)."""
    return _squeezed(self, wrap_dims(dim, self.ndim))


@view("squeeze(Tensor(a) self) -> Tensor(a)", _reshape_back)
def squeeze(self):
    """Without the dimensions of size 1 (torch.squeeze)."""
    return _squeezed(self, range(self.ndim))


def _squeezed(x: Any, dims: Sequence[int]) -> Any:
    return x.reshape([n for i, n in enumerate(x.shape) if n != 1 or i not in dims])


@view("unsqueeze(Tensor(a) self, int dim) -> Tensor(a)", _reshape_back)
def unsqueeze(self, dim):
    """With a dimension of size 1 put in at ``dim`` (torch.unsqueeze)."""
    d = wrap_dim(dim, self.ndim + 1)
    return self.reshape((*self.shape[:d], 1, *self.shape[d:]))


@view("flatten(Tensor(a) self, int start_dim=0, int end_dim=-1) -> Tensor(a)", _reshape_back, grad_name="ViewBackward0")
def flatten(self, start_dim, end_dim):
    """Dimensions ``start_dim`` to ``end_dim`` made one (torch.flatten)."""
    start, end = wrap_dim(start_dim, self.ndim), wrap_dim(end_dim, self.ndim)
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    shape = self.shape or (1,)
    return self.reshape((*shape[:start], prod(shape[start : end + 1]), *shape[end + 1 :]))


@view("unflatten(Tensor(a) self, int dim, int[] sizes) -> Tensor(a)", _reshape_back, grad_name="ViewBackward0")
def unflatten(self, dim, sizes):
    """Dimension ``dim`` split into ``sizes`` (torch.unflatten). Raises RuntimeError where their product differs."""
    if not self.ndim:
        raise RuntimeError(
            f"unflatten got an unexpected error:\nDimension specified as {dim} but tensor has no dimensions"
        )
    d = wrap_dim(dim, self.ndim)
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    size = self.shape[d]
    try:
        split = infer_size(sizes, size)
    except RuntimeError as error:
        if "is invalid for input" not in str(error):
            raise
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {d} ({size}) in the input "
            "tensor"
        ) from None
    return self.reshape((*self.shape[:d], *split, *self.shape[d + 1 :]))


@view("ravel(Tensor(a) self) -> Tensor(a)", _reshape_back, grad_name="ViewBackward0")
def ravel(self):
    """All elements in one dimension (torch.ravel)."""
    return self.reshape(-1)


@view("alias(Tensor(a) self) -> Tensor(a)", lambda base, new: new, expose="")
def alias(self):
    """The same elements."""
    return self


# -- the same bits as another dtype

_BITS = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


def _write_dtype(base: Any, new: Any, dtype: np.dtype) -> Any:
    if new.dtype != dtype:
        raise NotImplementedError(f"writing {new.dtype} through Tensor.view({dtype})")
    return _bits(new, np.dtype(base.dtype))


@view("view.dtype(Tensor(a) self, ScalarType dtype) -> Tensor(a)", _write_dtype, expose="Tensor", differentiable=False)
def view_dtype(self, dtype):
    """The same bytes as ``dtype``; the last dimension grows or shrinks with the item size (torch.Tensor.view)."""
    have, want = np.dtype(self.dtype).itemsize, np.dtype(dtype).itemsize
    if have != want:
        names = f"{scalar_type(self.dtype)} as {scalar_type(dtype)} (different element sizes)"
        if not self.ndim:
            raise RuntimeError(f"self.dim() cannot be 0 to view {names}")
        if want > have and self.shape[-1] * have % want:
            raise RuntimeError(
                f"self.size(-1) must be divisible by {want // have} to view {names}, but got {self.shape[-1]}"
            )
    return _bits(self, np.dtype(dtype))


def _bits(x: Any, dtype: np.dtype) -> Any:
    if x.dtype == dtype:
        return x
    if on_host(x):
        return np.ascontiguousarray(x).reshape(x.shape).view(dtype)
    have, want = np.dtype(x.dtype).itemsize, dtype.itemsize
    shape = (*x.shape[:-1], x.shape[-1] * have // want) if have != want else x.shape
    raw = _to_words(x).reshape(-1)
    if dtype.kind == "b":
        return (_from_words(raw, np.dtype(np.uint8)) != 0).reshape(shape)
    if dtype.kind == "c":
        part = np.dtype(f"float{4 * want}")
        parts = _from_words(raw, part).reshape(*shape, 2)
        return lax.complex(parts[..., 0], parts[..., 1])
    return _from_words(raw, dtype).reshape(shape)


def _to_words(x: Any) -> Any:
    """The bits of ``x`` as unsigned words."""
    if x.dtype == np.bool_:
        return x.astype(np.uint8)
    if jnp.iscomplexobj(x):
        x = jnp.stack([jnp.real(x), jnp.imag(x)], -1)
    return lax.bitcast_convert_type(x, _BITS[np.dtype(x.dtype).itemsize])


def _from_words(flat: Any, dtype: np.dtype) -> Any:
    """A flat array of words as a flat array of ``dtype``."""
    have, want = np.dtype(flat.dtype).itemsize, dtype.itemsize
    if want > have:
        flat = flat.reshape(-1, want // have)
    return lax.bitcast_convert_type(flat, dtype).reshape(-1)


# -- another order of the dimensions


def _permuted_back(base: Any, new: Any, order: Ints) -> Any:
    return new.transpose(np.argsort(order))


def _swap(x: Any, dim0: int, dim1: int) -> Any:
    a, b = wrap_dim(dim0, x.ndim), wrap_dim(dim1, x.ndim)
    if a == b:
        return x
    order = list(range(x.ndim))
    order[a], order[b] = b, a
    return x.transpose(order)


def _swap_back(base: Any, new: Any, dim0: int, dim1: int) -> Any:
    return _swap(new, dim0, dim1)


@view("t(Tensor(a) self) -> Tensor(a)", lambda base, new: new.transpose())
def t(self):
    """A matrix with rows and columns exchanged (torch.t). Raises RuntimeError for more than two dimensions."""
    if self.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {self.ndim}D")
    return self.transpose()


@view("transpose(Tensor(a) self, int dim0, int dim1) -> Tensor(a)", _swap_back)
def transpose(self, dim0, dim1):
    """Two dimensions exchanged (torch.transpose)."""
    return _swap(self, dim0, dim1)


@view("swapaxes(Tensor(a) self, int axis0, int axis1) -> Tensor(a)", _swap_back, grad_name="TransposeBackward0")
def swapaxes(self, axis0, axis1):
    """Two dimensions exchanged (torch.swapaxes)."""
    return _swap(self, axis0, axis1)


@view("swapdims(Tensor(a) self, int dim0, int dim1) -> Tensor(a)", _swap_back, grad_name="TransposeBackward0")
def swapdims(self, dim0, dim1):
    """Two dimensions exchanged (torch.swapdims)."""
    return _swap(self, dim0, dim1)


def _order(dims: Sequence[int], ndim: int) -> Ints:
    if len(dims) != ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
            f"ordering of dimensions i.e. input.dim() = {ndim} is not equal to len(dims) = {len(dims)}"
        )
    order = tuple(wrap_dim(d, ndim) for d in dims)
    if len(set(order)) != ndim:
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return order


@view(
    "permute(Tensor(a) self, int[] dims) -> Tensor(a)",
    lambda base, new, dims: _permuted_back(base, new, _order(dims, base.ndim)),
    varargs="dims",
)
def permute(self, dims):
    """The dimensions in the order ``dims`` (torch.permute)."""
    return self.transpose(_order(dims, self.ndim))


def moved(source: Sequence[int], destination: Sequence[int], ndim: int) -> Ints:
    """The order of the dimensions after ``movedim``."""
    if len(source) != len(destination):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(source)} dims) should contain the same number "
            f"of dims as destination ({list(destination)} dims)"
        )
    src, dst = [wrap_dim(d, ndim) for d in source], [wrap_dim(d, ndim) for d in destination]
    for name, dims in (("source", source), ("destination", destination)):
        if len({wrap_dim(d, ndim) for d in dims}) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({list(dims)})")
    if not ndim:
        return ()
    place = dict(zip(dst, src, strict=True))
    rest = iter([d for d in range(ndim) if d not in src])
    return tuple(place[d] if d in place else next(rest) for d in range(ndim))


@view(
    "movedim(Tensor(a) self, int[] source, int[] destination) -> Tensor(a)",
    lambda base, new, source, destination: _permuted_back(base, new, moved(source, destination, base.ndim)),
    grad_name="PermuteBackward0",
    aliases="moveaxis",
)
def movedim(self, source, destination):
    """The dimensions ``source`` moved to ``destination``, the others kept in order (torch.movedim)."""
    return self.transpose(moved(source, destination, self.ndim))


# -- some of the elements


def slice_bounds(size: int, start: int | None, end: int | None, step: int) -> tuple[int, int]:
    """Start and length of ``start:end:step`` in a dimension, clamped as Python clamps slices."""
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    low, high, _ = slice(start, end, step).indices(size)
    return low, max(0, -((low - high) // step))


def take_slice(x: Any, dim: int, start: int, length: int, step: int = 1) -> Any:
    """``length`` elements of dimension ``dim`` from ``start`` on, every ``step``-th."""
    stop = start + (length - 1) * step + 1 if length else start
    if on_host(x):
        return x[(slice(None),) * dim + (slice(start, stop, step), ...)]
    if length == x.shape[dim]:
        return x
    return lax.slice_in_dim(x, start, stop, step, dim)


def put_slice(base: Any, new: Any, dim: int, start: int, length: int, step: int = 1) -> Any:
    """``base`` with those elements replaced by ``new``."""
    if on_host(base):
        out = base.copy()
        out[(slice(None),) * dim + (slice(start, start + length * step, step), ...)] = new
        return out
    if not new.size:
        return base
    if length == base.shape[dim]:
        return new
    if step == 1:
        return lax.dynamic_update_slice_in_dim(base, new, start, dim)
    gaps = [(0, 0, 0)] * base.ndim
    stop = start + (length - 1) * step + 1
    gaps[dim] = (start, base.shape[dim] - stop, step - 1)
    place = lax.broadcasted_iota(np.int32, base.shape, dim) - start
    hit = (place >= 0) & (place % step == 0) & (place < length * step)
    return jnp.where(hit, lax.pad(new, jnp.zeros((), new.dtype), gaps), base)


def _slice_write(base: Any, new: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    d = wrap_dim(dim, base.ndim)
    return put_slice(base, new, d, *slice_bounds(base.shape[d], start, end, step), step)


@view(
    "slice(Tensor(a) self, int dim=0, int? start=None, int? end=None, int step=1) -> Tensor(a)", _slice_write, expose=""
)
def slice_(self, dim, start, end, step):
    """``start:end:step`` of dimension ``dim``. Raises RuntimeError where the step is not positive."""
    if not self.ndim:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    d = wrap_dim(dim, self.ndim)
    return take_slice(self, d, *slice_bounds(self.shape[d], start, end, step), step)


def _narrowed(shape: Sequence[int], dim: int, start: int, length: int) -> tuple[int, int, int]:
    if not shape:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    d = wrap_dim(dim, len(shape))
    size = shape[d]
    if not -size <= start <= size:
        raise IndexError(f"start out of range (expected to be in range of [{-size}, {size}], but got {start})")
    first = start + size if start < 0 else start
    if first + length > size:
        raise RuntimeError(f"start ({first}) + length ({length}) exceeds dimension size ({size}).")
    return d, first, length


def _narrow_write(base: Any, new: Any, dim: int, start: int, length: int) -> Any:
    return put_slice(base, new, *_narrowed(base.shape, dim, start, length))


@view(
    "narrow(Tensor(a) self, int dim, int start, int length) -> Tensor(a)",
    _narrow_write,
    expose="",
    grad_name="SliceBackward0",
)
def narrow(self, dim, start, length):
    """``length`` elements of dimension ``dim`` from ``start`` on (torch.narrow)."""
    return take_slice(self, *_narrowed(self.shape, dim, start, length))


def _piece(name: str) -> OpDef:
    """One of the pieces that an operator named ``name`` cuts a tensor into."""
    schema = f"_{name}_piece(Tensor(a) self, int dim, int start, int length) -> Tensor(a)"
    grad_name = "".join(w.capitalize() for w in name.split("_")) + "Backward0"
    return view(schema, _narrow_write, expose="", grad_name=grad_name)(narrow.impl)


split_piece, split_with_sizes_piece = _piece("split"), _piece("split_with_sizes")
unsafe_split_piece, unsafe_split_with_sizes_piece = _piece("unsafe_split"), _piece("unsafe_split_with_sizes")


PIECES = frozenset({"_split_piece", "_split_with_sizes_piece", "_unbind_piece"})
"""The views that torch makes several of at once: autograd forbids to write to them in place."""


def _selected(shape: Sequence[int], dim: int, index: int) -> tuple[int, int]:
    if not shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    d = wrap_dim(dim, len(shape))
    size = shape[d]
    if not -size <= index < size:
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(shape)} at dimension {d}")
    return d, index + size if index < 0 else index


def _select_write(base: Any, new: Any, dim: int, index: int) -> Any:
    d, i = _selected(base.shape, dim, index)
    return put_slice(base, new.reshape((*base.shape[:d], 1, *base.shape[d + 1 :])), d, i, 1)


@view("select(Tensor(a) self, int dim, int index) -> Tensor(a)", _select_write)
def select(self, dim, index):
    """The slice at ``index`` of dimension ``dim``, without that dimension (torch.select)."""
    d, i = _selected(self.shape, dim, index)
    return take_slice(self, d, i, 1).reshape((*self.shape[:d], *self.shape[d + 1 :]))


unbind_piece = view(
    "_unbind_piece(Tensor(a) self, int dim, int index) -> Tensor(a)",
    _select_write,
    expose="",
    grad_name="UnbindBackward0",
)(select.impl)


def diagonal_indices(shape: Sequence[int], offset: int, dim1: int, dim2: int) -> tuple[int, int, Any, Any]:
    """The two dimensions and the two index vectors of a diagonal."""
    a, b = wrap_dim(dim1, len(shape)), wrap_dim(dim2, len(shape))
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    down, right = max(-offset, 0), max(offset, 0)
    n = np.arange(max(0, min(shape[a] - down, shape[b] - right)))
    return a, b, n + down, n + right


def write_diagonal(base: Any, new: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    a, b, i, j = diagonal_indices(base.shape, offset, dim1, dim2)
    if on_host(base):
        out = base.copy()
        np.moveaxis(out, (a, b), (-2, -1))[..., i, j] = new
        return out
    moved = jnp.moveaxis(base, (a, b), (-2, -1)).at[..., i, j].set(new, unique_indices=True)
    return jnp.moveaxis(moved, (-2, -1), (a, b))


@view("diagonal(Tensor(a) self, int offset=0, int dim1=0, int dim2=1) -> Tensor(a)", write_diagonal)
def diagonal(self, offset, dim1, dim2):
    """A diagonal of the matrices in ``dim1`` and ``dim2``, as the last dimension (torch.diagonal)."""
    a, b, i, j = diagonal_indices(self.shape, offset, dim1, dim2)
    moved = (np if on_host(self) else jnp).moveaxis(self, (a, b), (-2, -1))
    return looked_up(moved, (slice(None),) * (self.ndim - 2) + (i, j))


# -- one element in several places


@view("expand(Tensor(a) self, int[] size, *, bool implicit=False) -> Tensor(a)", varargs="size", expose="Tensor")
def expand(self, size, implicit=False):
    """Dimensions of size 1 repeated up to ``size``, -1 for those that stay (torch.Tensor.expand)."""
    return expanded(self, size)


@view("broadcast_to(Tensor(a) self, int[] size) -> Tensor(a)", varargs="size", grad_name="ExpandBackward0")
def broadcast_to(self, size):
    """``self`` broadcast to the shape ``size`` (torch.broadcast_to)."""
    return expanded(self, size)


def expanded(x: Any, size: Sequence[int]) -> Any:
    """``x`` broadcast to ``size``, with torch's errors."""
    extra = len(size) - x.ndim
    if extra < 0:
        raise RuntimeError(
            f"expand(torch.{scalar_type(x.dtype)}Tensor{{{list(x.shape)}}}, size={list(size)}): the number of sizes "
            f"provided ({len(size)}) must be greater or equal to the number of dimensions in the tensor ({x.ndim})"
        )
    shape = []
    for i, want in enumerate(size):
        have = x.shape[i - extra] if i >= extra else None
        if want == -1:
            if have is None:
                raise RuntimeError(
                    f"The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension {i}"
                )
            want = have
        if want < 0 or (have is not None and have != want and have != 1):
            raise RuntimeError(
                f"The expanded size of the tensor ({want}) must match the existing size ({have}) at non-singleton "
                f"dimension {i}.  Target sizes: {list(size)}.  Tensor sizes: {list(x.shape)}"
            )
        shape.append(want)
    return (np if on_host(x) else jnp).broadcast_to(x, tuple(shape))


@view("unfold(Tensor(a) self, int dimension, int size, int step) -> Tensor(a)", expose="Tensor")
def unfold(self, dimension, size, step):
    """All windows of ``size`` elements in a dimension, ``step`` apart, in a new last one (torch.Tensor.unfold)."""
    d = wrap_dim(dimension, self.ndim)
    have = self.shape[d] if self.ndim else 1
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > have:
        raise RuntimeError(f"maximum size for tensor at dimension {d} is {have} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    if not self.ndim:
        return self.reshape(1)[:size]
    xp = np if on_host(self) else jnp
    places = xp.arange(0, have - size + 1, step)[:, None] + xp.arange(size)
    return xp.moveaxis(looked_up(self, (slice(None),) * d + (places,)), d + 1, -1)


def looked_up(x: Any, index: tuple) -> Any:
    """``x[index]`` for indices known to be in bounds."""
    return x[(*index, ...)] if on_host(x) else x.at[index].get(mode="promise_in_bounds")


@view("as_strided(Tensor(a) self, int[] size, int[] stride, int? storage_offset=None) -> Tensor(a)", expose="")
def as_strided(self, size, stride, storage_offset):
    """Elements of the flattened ``self`` at ``storage_offset`` plus multiples of ``stride`` (torch.as_strided).

    Raises RuntimeError where that reaches beyond its elements.
    """
    return looked_up(self.reshape(-1), (strided_indices(self, size, stride, storage_offset or 0),))


def strided_indices(x: Any, size: Sequence[int], stride: Sequence[int], offset: int) -> Any:
    """Where a strided look at ``x`` finds its elements in the flattened ``x``."""
    if len(size) != len(stride):
        raise RuntimeError("mismatch in length of strides and shape")
    if any(s < 0 for s in stride):
        raise RuntimeError(f"as_strided: Negative strides are not supported at the moment, got strides: {list(stride)}")
    if any(n < 0 for n in size):
        raise RuntimeError(f"Storage size calculation overflowed with sizes={list(size)} and strides={list(stride)}")
    reach = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True)) + 1 if prod(size) else 0
    if reach > x.size:
        item = np.dtype(x.dtype).itemsize
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and itemsize {item} "
            f"requiring a storage size of {reach * item} are out of bounds for storage of size {x.size * item}"
        )
    xp = np if on_host(x) else jnp
    at = xp.full(tuple(size), offset, np.int64)
    for d, s in enumerate(stride):
        at = at + (xp.arange(size[d], dtype=np.int64) * s).reshape((-1,) + (1,) * (len(size) - d - 1))
    return at
