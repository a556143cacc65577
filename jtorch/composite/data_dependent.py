"""Results with as many elements as the data says: nonzero, masked_select, unique, repeat_interleave.

They wait for the data. Only indices are computed on the host; elements are picked by recorded operators, which have
gradients.
"""

from typing import Any

import jtorch
from jtorch.composite.table import composite
from jtorch.engine.op import T
from jtorch.ops import indexing, searching, selecting
from jtorch.ops.dims import wrap_dim
from jtorch.ops.errors import scalar_type, unsupported
from jtorch.ops.matmul import broadcast_batch
from jtorch.tensor import bind, call, getitem

_nonzero = bind.generate(searching.nonzero, function=True)
_unique2 = bind.generate(searching.unique2, function=True)
_unique_dim = bind.generate(searching.unique_dim, function=True)
_unique_consecutive = bind.generate(searching.unique_consecutive, function=True)
_picked = bind.generate(selecting.picked, function=True)
_each_repeated = bind.generate(selecting.each_repeated, function=True)
_slices_repeated = bind.generate(selecting.slices_repeated, function=True)
_repeated_places = bind.generate(selecting.repeated_places, function=True)


def _tensor(x: Any, name: str, op: str, position: int) -> Any:
    if not isinstance(x, jtorch.Tensor):
        raise TypeError(f"{op}(): argument '{name}' (position {position}) must be Tensor, not {type(x).__name__}")
    return x


@composite("torch Tensor")
def nonzero(input: Any, *, out: Any = None, as_tuple: bool = False) -> Any:
    """The indices of the elements that are not zero: (count, ndim) rows, or with ``as_tuple`` a tensor a dimension.

    https://docs.pytorch.org/docs/stable/generated/torch.nonzero.html
    """
    _tensor(input, "input", "nonzero", 1)
    if as_tuple:
        return _nonzero(input if input.ndim else input.reshape(1)).unbind(1)
    made = _nonzero(input)
    if out is None:
        return made
    if out.dtype != jtorch.int64:
        raise RuntimeError(
            f"nonzero: Expected out tensor to have scalar type Long but got scalar type{scalar_type(out._aval().dtype)}"
        )
    return call.write_out(out, made, "nonzero")


@composite("torch Tensor")
def index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """``input`` with ``values`` written or added where index tensors point, or masks are true (torch.index_put)."""
    _tensor(values, "values", "index_put", 3)
    dim = 0
    for i, x in enumerate(indices):
        if not isinstance(x, jtorch.Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(x).__name__}")
        masks = x.dtype in (jtorch.bool, jtorch.uint8)
        have, want = list(x.shape) if masks else [], list(input.shape[dim:])
        for k, n in enumerate(have):
            if k < len(want) and want[k] != n:
                raise IndexError(
                    f"The shape of the mask {have} at index {k} does not match the shape of the indexed tensor "
                    f"{list(input.shape)} at index {dim + k}"
                )
        dim += max(len(have), 1)
    entry, places = getitem.index_values(input, indices)
    return call.run(indexing.index_put, (T, entry, T, bool(accumulate)), (input._value, *places, values._value))


composite("torch Tensor", name="index_put_")(bind.inplace("index_put_", index_put, False))


@composite("torch")
def masked_select(input: Any, mask: Any, *, out: Any = None) -> Any:
    """The elements where a bool ``mask`` is true, as a vector; the two broadcast.

    https://docs.pytorch.org/docs/stable/generated/torch.masked_select.html
    """
    _tensor(mask, "mask", "masked_select", 2)
    if mask.dtype != jtorch.bool:
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    shape = broadcast_batch(mask.shape, input.shape)
    places = _nonzero(mask.expand(shape).reshape(-1)).view(-1)
    made = _picked(input.expand(shape), places.to(input.device))
    return made if out is None else call.write_out(out, made, "masked_select")


@composite("Tensor", name="masked_select")
def tensor_masked_select(self: Any, mask: Any) -> Any:
    """See :func:`jtorch.masked_select`."""
    return masked_select(self, mask)


# -- unique


def _asked_for(made: tuple, return_inverse: bool, return_counts: bool) -> Any:
    chosen = (made[0], *made[1:2] * bool(return_inverse), *made[2:] * bool(return_counts))
    return chosen[0] if len(chosen) == 1 else chosen


@composite("torch Tensor")
def unique(
    input: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The different elements (or slices of ``dim``) in order; on request each one's place among them, and the counts.

    https://docs.pytorch.org/docs/stable/generated/torch.unique.html
    """
    _orderable("unique", input)
    if dim is None:
        made = _unique2(input, sorted, return_inverse, return_counts)
    else:
        made = _unique_dim(input, dim, sorted, return_inverse, return_counts)
    return _asked_for(made, return_inverse, return_counts)


@composite("torch Tensor")
def unique_consecutive(
    input: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The first of each run of equal elements (or slices of ``dim``); on request each one's run, and the runs' lengths.

    https://docs.pytorch.org/docs/stable/generated/torch.unique_consecutive.html
    """
    _orderable("unique", input)
    return _asked_for(_unique_consecutive(input, return_inverse, return_counts, dim), return_inverse, return_counts)


def _orderable(name: str, x: Any) -> None:
    if x.is_complex():
        raise unsupported(name, x._aval().dtype)


# -- repeat_interleave


def _repeats(repeats: Any, size: int, d: int) -> Any:
    """``repeats``, one number a slice; one element counts for all."""
    if repeats.ndim > 1:
        raise RuntimeError("repeats must be 0-dim or 1-dim tensor")
    if repeats.numel() != 1 and repeats.numel() != size:
        raise RuntimeError(
            f"repeats must have the same size as input along dim, but got repeats.size(0) = {repeats.numel()} and "
            f"input.size({d}) = {size}"
        )
    return repeats.reshape(-1).expand(size)


def _each(input: Any, repeats: int, d: int, output_size: int | None) -> Any:
    if repeats < 0:
        raise RuntimeError("Repeats must be non-negative")
    total = repeats * input.shape[d]
    if output_size is not None and output_size != total:
        raise RuntimeError(f"repeat_interleave: Invalid output_size, expected {total} but got {output_size}")
    return _each_repeated(input, repeats, d)


@composite("torch Tensor")
def repeat_interleave(
    input: Any = None, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Any:
    """Each element (or slice of ``dim``) repeated: ``repeats`` times, or as often as a tensor says for each.

    ``repeat_interleave(repeats)`` gives the indices alone. ``output_size``, the size of the result's dimension, saves
    waiting for the data. https://docs.pytorch.org/docs/stable/generated/torch.repeat_interleave.html
    """
    if input is None or repeats is None:
        return _places(_tensor(input if repeats is None else repeats, "repeats", "repeat_interleave", 1), output_size)
    if not isinstance(repeats, (int, jtorch.Tensor)):
        raise TypeError(
            "repeat_interleave() received an invalid combination of arguments - got "
            f"({type(input).__name__}, {type(repeats).__name__}), but expected one of:\n"
            " * (Tensor input, Tensor repeats, int dim = None, *, int output_size = None)\n"
            " * (Tensor input, int repeats, int dim = None, *, int output_size = None)"
        )
    if dim is None:
        input, dim = input.reshape(-1), 0
    elif not input.ndim:
        input = input.reshape(1)
    d = wrap_dim(dim, input.ndim)
    if isinstance(repeats, int):
        return _each(input, repeats, d, output_size)
    counts = _repeats(repeats, input.shape[d], d)
    if output_size is not None:
        return _slices_repeated(input, counts, d, output_size)
    return input.index_select(d, _repeated_places(counts).to(input.device))


def _places(repeats: Any, output_size: int | None) -> Any:
    if repeats.ndim != 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    if output_size is None:
        return _repeated_places(repeats)
    indices = jtorch.arange(repeats.shape[0], dtype=repeats.dtype, device=repeats.device)
    return _slices_repeated(indices, repeats, 0, output_size)
