"""``torch.segment_reduce``: sums, means, products and extremes of consecutive segments of a dimension."""

from math import inf, nan, prod
from typing import Any

import jtorch
from jtorch.composite.table import composite
from jtorch.ops.errors import unsupported

_KINDS = {"sum": "sum", "mean": "mean", "prod": "prod", "max": "amax", "min": "amin", "amax": "amax", "amin": "amin"}
_STARTS = {"sum": 0.0, "mean": 0.0, "prod": 1.0, "amax": -inf, "amin": inf}


def _ends(data: Any, lengths: Any, offsets: Any, axis: int, unsafe: bool) -> Any:
    """Where each segment ends, and their lengths: (..., segments) each."""
    where = lengths if offsets is None else offsets
    if axis != where.ndim - 1:
        name = "lengths" if offsets is None else "offsets"
        raise RuntimeError(f"segment_reduce(): Expected axis to be the last dimension of {name} but got {axis}.")
    if offsets is not None:
        return offsets[..., 1:], offsets.diff()
    ends = lengths.cumsum(-1)
    if not unsafe:
        if (lengths < 0).any():
            raise RuntimeError("lengths contains negative value!")
        if (lengths.sum(-1) != data.shape[axis]).any():
            raise RuntimeError(
                "segment_reduce(): Expected all rows of lengths along axis to sum to data.size(lengths.dim()-1) when "
                "!unsafe."
            )
    return ends, lengths


@composite("torch", aliases="_segment_reduce")
def segment_reduce(
    data: Any, reduce: str, *, lengths: Any = None, indices: Any = None, offsets: Any = None, axis: int = 0,
    unsafe: bool = False, initial: Any = None,
) -> Any:  # fmt: skip
    """Each segment of dimension ``axis`` reduced by ``"sum"``, ``"mean"``, ``"prod"``, ``"max"`` or ``"min"``.

    Segments follow each other. Their lengths are given, (..., segments) with the dimensions of ``data`` up to ``axis``,
    or the places where they begin and the last one ends. ``initial`` is reduced into each. The lengths are checked,
    which waits for them, unless ``unsafe``.
    """
    if reduce not in _KINDS:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    if indices is not None:
        raise RuntimeError("segment_reduce(): indices based reduction is not supported yet.")
    if lengths is None and offsets is None:
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
    if not data.is_floating_point():
        raise unsupported("_segment_reduce_cpu", data._aval().dtype)
    axis = axis + data.ndim if axis < 0 else axis
    kind = _KINDS[reduce]
    ends, counts = _ends(data, lengths, offsets, axis, unsafe)
    outer, size, rest = data.shape[:axis], data.shape[axis], data.shape[axis + 1 :]
    rows, segments = prod(outer), ends.shape[-1]
    positions = jtorch.arange(size, device=data.device).expand(rows, size).contiguous()
    # What lies behind the last segment goes to one more, which is dropped.
    owner = jtorch.searchsorted(ends.reshape(rows, segments).contiguous(), positions, right=True)
    owner = owner + (segments + 1) * jtorch.arange(rows, device=data.device).unsqueeze(1)
    start = _STARTS[kind] if initial is None else float(initial)
    flat = data.reshape(rows * size, -1)
    made = jtorch.full((rows * (segments + 1), flat.shape[1]), start, dtype=data.dtype, device=data.device)
    if kind in ("sum", "mean"):
        made = made.index_add(0, owner.reshape(-1), flat)
    else:
        made = made.index_reduce(0, owner.reshape(-1), flat, kind)
    made = made.view(rows, segments + 1, -1)[:, :segments].reshape(*outer, segments, *rest)
    if kind != "mean":
        return made
    shape = (*counts.shape, *(1,) * len(rest))
    many = counts.reshape(shape)
    return (made / many).masked_fill(many == 0, nan if initial is None else start)
