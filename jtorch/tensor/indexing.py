"""What ``x[...]`` means: a Python index, parsed into view steps and an optional advanced part.

:func:`plan` knows shapes and index objects, no Tensor: it is told which class is one and how to read its dtype. Basic
indices (integers, slices, None, Ellipsis) become a chain of views. Tensors, arrays and lists become the advanced part,
which indexes the result of those views. Places and errors are those of torch.
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

_NOT_AN_INDEX = (
    "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got {})"
)
_NO_DIMENSIONS = (
    "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a 0-dim "
    "tensor to a number"
)
_MAX_SEQUENCE = 32  # a longer list is never read as a tuple of indices


class Plan(NamedTuple):
    """``steps``: view operators with their static arguments, to apply in turn; ``advanced``: what then indexes.

    ``advanced`` is None, or has an entry a dimension: None for all of it, an integer tensor or NumPy array, or a mask
    (bool or uint8), which stands for as many dimensions as it has (a 0-d mask for one of size 1, as if of shape [1]).
    """

    steps: tuple[tuple[str, tuple], ...]
    advanced: list | None


def plan(index: Any, shape: Sequence[int], tensor: type, dtype_of: Callable[[Any], np.dtype]) -> Plan:
    """Parse ``index`` for a tensor of ``shape``; ``tensor`` is the Tensor class, ``dtype_of`` gives a NumPy dtype.

    Raises IndexError for what is out of range, too many, or no index; ValueError for slice steps that are not positive.
    """
    kind = type(index)
    if kind is int and shape:
        return Plan((_select(0, index, shape[0], 0),), None)
    if kind is slice and shape:
        step = _slice(0, index, shape[0])
        return Plan((step,) if step else (), None)
    items = index if kind is tuple else tuple(index) if _reads_as_tuple(index, tensor) else (index,)
    steps = _basic(items, shape)
    return _Parser(shape, tensor, dtype_of).parse(items) if steps is None else Plan(tuple(steps), None)


def _basic(items: tuple, shape: Sequence[int]) -> list | None:
    """The steps of an index of integers, slices, None and one Ellipsis; None where there is more to it."""
    used = dots = 0
    for x in items:
        kind = type(x)
        if kind is int or kind is slice:
            used += 1
        elif x is Ellipsis:
            dots += 1
        elif x is not None:
            return None
    if used > len(shape) or dots > 1:
        return None
    steps, dim, source = [], 0, 0
    for position, x in enumerate(items):
        if type(x) is int:
            steps.append(_select(dim, x, shape[source], position))
            source += 1
            continue
        if x is None:
            steps.append(("unsqueeze", (dim,)))
        elif x is Ellipsis:
            dim += len(shape) - used
            source += len(shape) - used
            continue
        else:
            step = _slice(dim, x, shape[source])
            if step is not None:
                steps.append(step)
            source += 1
        dim += 1
    return steps


def _reads_as_tuple(index: Any, tensor: type) -> bool:
    """Whether a list is taken for a tuple of indices: when anything in it is no number."""
    if isinstance(index, (tensor, np.ndarray, str, bytes)) or not isinstance(index, Sequence):
        return isinstance(index, tuple)
    if isinstance(index, tuple):
        return True
    return len(index) < _MAX_SEQUENCE and any(
        x is None or x is Ellipsis or isinstance(x, (tensor, np.ndarray, slice, Sequence)) for x in index
    )


def _select(dim: int, index: int, size: int, position: int) -> tuple[str, tuple]:
    if not -size <= index < size:
        if not -(2**63) <= index < 2**63:
            raise ValueError("Overflow when unpacking long long")
        raise IndexError(f"index {index} is out of bounds for dimension {position} with size {size}")
    return ("select", (dim, index))


def _bound(x: Any) -> int | None:
    if x is None or type(x) is int:
        return x
    if not hasattr(x, "__index__"):
        raise TypeError("slice indices must be integers or None or have an __index__ method")
    return operator.index(x)


def _slice(dim: int, index: slice, size: int) -> tuple[str, tuple] | None:
    """The step of a slice; None where it takes everything."""
    start, stop, step = index.start, index.stop, index.step
    if start is stop is step is None:
        return None
    start, stop, step = _bound(start), _bound(stop), _bound(step)
    if step is None:
        step = 1
    elif step == 0:
        raise ValueError("slice step cannot be zero")
    elif step < 0:
        raise ValueError("step must be greater than zero")
    first, last, _ = slice(start, stop, step).indices(size)
    if first == 0 and last == size and step == 1:
        return None
    return ("slice", (dim, first, max(first, last), step))


class _Parser:
    """Walks the items of an index; ``shape`` is that of the tensor after the steps so far."""

    def __init__(self, shape: Sequence[int], tensor: type, dtype_of: Callable[[Any], np.dtype]) -> None:
        self.ndim = len(shape)
        self.shape = list(shape)
        self.tensor = tensor
        self.dtype_of = dtype_of
        self.steps: list[tuple[str, tuple]] = []
        self.entries: dict[int, Any] = {}  # dimension -> what indexes it
        self.scalars: list[int] = []  # dimensions indexed by a 0-d integer tensor

    def parse(self, items: tuple) -> Plan:
        items = tuple(self.normal(x) for x in items)
        used = sum(self.dims_of(x) for x in items)
        if used > self.ndim:
            if not self.ndim and len(items) == 1:
                if isinstance(items[0], slice):
                    _slice(0, items[0], 0)
                    raise IndexError("slice() cannot be applied to a 0-dim tensor.")
                if isinstance(items[0], int):
                    raise IndexError(_NO_DIMENSIONS)
            raise IndexError(f"too many indices for tensor of dimension {self.ndim}")
        dim = 0
        for position, x in enumerate(items):
            dim = self.ndim - used + dim if x is Ellipsis else self.take(x, dim, position)
        advanced = self.advanced()  # may add a step
        return Plan(tuple(self.steps), advanced)

    def normal(self, x: Any) -> Any:
        """An item as one of: int, bool, slice, None, Ellipsis, a tensor, an integer or bool array."""
        if x is None or x is Ellipsis or type(x) in (int, bool, slice) or isinstance(x, self.tensor):
            return x
        if isinstance(x, np.ndarray):
            made = _as_index(x)
            return int(made) if not made.ndim and made.dtype.kind not in "b" else made
        if isinstance(x, (int, np.integer)):
            return int(x)
        if isinstance(x, np.generic) or not isinstance(x, Sequence):
            name = type(x).__name__
            raise IndexError(_NOT_AN_INDEX.format(f"numpy.{name}" if isinstance(x, np.generic) else name))
        return _as_index(_array(x, self.tensor))

    def dims_of(self, x: Any) -> int:
        if x is None or x is Ellipsis or isinstance(x, bool):
            return 0
        if isinstance(x, (int, slice)):
            return 1
        return len(x.shape) if self.is_mask(x) else 1

    def is_mask(self, x: Any) -> bool:
        dtype = x.dtype if isinstance(x, np.ndarray) else self.dtype_of(x)
        if dtype.kind == "b" or dtype == np.uint8:
            return True
        if dtype not in (np.int64, np.int32):
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
        return False

    def take(self, x: Any, dim: int, position: int) -> int:
        """Note what an item does to the tensor's dimension ``dim``; returns the dimension of the next item."""
        if x is None:
            self.unsqueeze(dim)
            return dim + 1
        if isinstance(x, bool):
            self.unsqueeze(dim)
            self.entries[dim] = np.zeros(1 if x else 0, np.int64)
            return dim + 1
        size = self.shape[dim] if dim < len(self.shape) else 0
        if isinstance(x, int):
            self.steps.append(_select(dim, x, size, position))
            del self.shape[dim]
            return dim
        if isinstance(x, slice):
            step = _slice(dim, x, size)
            if step is not None:
                self.steps.append(step)
                _, first, last, by = step[1]
                self.shape[dim] = -(-(last - first) // by)
            return dim + 1
        if not self.is_mask(x):
            self.entries[dim] = x
            if not len(x.shape):
                self.scalars.append(dim)
            return dim + 1
        if not len(x.shape):
            self.unsqueeze(dim)
        else:
            self.check_mask(x, dim)
        self.entries[dim] = x
        return dim + max(len(x.shape), 1)

    def unsqueeze(self, dim: int) -> None:
        self.steps.append(("unsqueeze", (dim,)))
        self.shape.insert(dim, 1)

    def check_mask(self, mask: Any, dim: int) -> None:
        for k, n in enumerate(mask.shape):
            if self.shape[dim + k] != n:
                raise IndexError(
                    f"The shape of the mask {list(mask.shape)} at index {k} does not match the shape of the indexed "
                    f"tensor {self.shape} at index {dim + k}"
                )

    def advanced(self) -> list | None:
        if not self.entries:
            return None
        if self.scalars and len(self.scalars) < len(self.entries):
            self.gather_scalars()
        out: list[Any] = []
        dim, last = 0, max(self.entries)
        while dim <= last:
            x = self.entries.get(dim)
            out.append(x)
            dim += self.span(x)
        return out

    def span(self, x: Any) -> int:
        """How many dimensions an entry stands for."""
        return max(len(x.shape), 1) if x is not None and self.is_mask(x) else 1

    def gather_scalars(self) -> None:
        """Bring dimensions indexed by 0-d tensors next to the first other one.

        Torch selects them beforehand, so that they play no part in where the others' result goes.
        """
        taken = sorted(self.entries)
        ends = [d + self.span(self.entries[d]) for d in taken]
        if taken[1:] == ends[:-1]:
            return  # side by side already
        first = next(d for d in taken if d not in self.scalars)
        order: list[int] = []
        for d in range(len(self.shape)):
            if d == first:
                order += self.scalars
            if d not in self.scalars:
                order.append(d)
        self.steps.append(("permute", (tuple(order),)))
        self.shape = [self.shape[d] for d in order]
        self.entries = {order.index(d): x for d, x in self.entries.items()}


# -- sequences as index arrays


def _array(x: Any, tensor: type) -> np.ndarray:
    """A nested sequence of numbers, arrays and 0-d tensors as an array."""
    shape: list[int] = []
    inner = x
    while not isinstance(inner, (str, bytes)) and isinstance(inner, (Sequence, np.ndarray)) and _dims(inner):
        shape.append(len(inner))
        inner = inner[0] if len(inner) else None
        if inner is None and shape[-1] == 0:
            break
    flat: list[Any] = []
    _flatten(x, shape, 0, flat, tensor)
    return np.array(flat if flat else np.zeros(0, np.int64)).reshape(shape)


def _dims(x: Any) -> int:
    return x.ndim if isinstance(x, np.ndarray) else 1


def _flatten(x: Any, shape: list[int], depth: int, flat: list, tensor: type) -> None:
    nested = isinstance(x, (Sequence, np.ndarray)) and not isinstance(x, (str, bytes)) and _dims(x)
    if depth < len(shape):
        if not nested:
            raise TypeError("not a sequence")
        if len(x) != shape[depth]:
            raise ValueError(f"expected sequence of length {shape[depth]} at dim {depth} (got {len(x)})")
        for each in x:
            _flatten(each, shape, depth + 1, flat, tensor)
        return
    name = type(x).__name__
    if isinstance(x, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{name}'")
    if x is None:
        raise RuntimeError("Could not infer dtype of NoneType")
    if nested or isinstance(x, (complex, np.complexfloating)):
        raise TypeError(f"'{name}' object cannot be interpreted as an integer")
    flat.append(operator.index(x) if isinstance(x, tensor) else x)  # type: ignore[arg-type]


def _as_index(x: np.ndarray) -> np.ndarray:
    """An array as an index: masks stay, other numbers become int64."""
    if x.dtype.kind in "OSU":
        raise TypeError(f"new(): invalid data type '{x.dtype}'")
    return x if x.dtype.kind == "b" or x.dtype == np.uint8 else x.astype(np.int64)


# -- assignment


def without_leading_ones(shape: Sequence[int], ndim: int) -> tuple[int, ...]:
    """The shape of a value to assign, less the leading ones that exceed ``ndim`` dimensions, as torch drops them."""
    shape = tuple(shape)
    while len(shape) > ndim and shape[0] == 1:
        shape = shape[1:]
    return shape
