"""``torch.histogramdd``: points in a space of several dimensions, counted in the cells of a grid."""

from typing import Any

import jtorch
from jtorch.composite.table import composite
from jtorch.ops import histogram
from jtorch.ops.errors import unsupported
from jtorch.tensor import bind
from jtorch.tensor.call import return_type

_counted = bind.generate(histogram.histogramdd, function=True)
_Result = return_type("histogramdd", ("hist", "bin_edges"))


def _edges(points: Any, bins: Any, range: Any) -> list:
    """The edges of each dimension, from the data or a range where only their number is given."""
    count = points.shape[1]
    if range is not None and len(range) != 2 * count:
        raise RuntimeError(
            f"torch.histogramdd: for a {count}-dimensional histogram range should have {2 * count} elements, but got "
            f"{len(range)}"
        )
    made = []
    for d, each in enumerate(bins):
        if isinstance(each, jtorch.Tensor):
            if each.ndim != 1:
                raise RuntimeError(
                    f"torch.histogramdd(): bins tensor should have one dimension, but got {each.ndim} dimensions in "
                    f"the bins tensor for dimension {d}"
                )
            edges: Any = each
            made.append(edges.to(points.dtype))
            continue
        if each <= 0:
            raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {each} for dimension {d}")
        ends = None if range is None else (range[2 * d], range[2 * d + 1])
        made.append(jtorch.histogram(points[:, d].detach(), each, range=ends).bin_edges)
    return made


@composite("torch")
def histogramdd(input: Any, bins: Any, *, range: Any = None, weight: Any = None, density: bool = False) -> Any:
    """The points (..., D) counted, or their weights summed, in a grid: the counts, and a tuple of the edges.

    Args:
        bins: their number, for all dimensions or each one's; or a tensor of edges for each dimension.
        range: the first and the last edge of each dimension, one after the other; the data's own by default.

    https://docs.pytorch.org/docs/stable/generated/torch.histogramdd.html
    """
    if input.ndim < 2:
        raise RuntimeError("torch.histogramdd: input tensor should have at least 2 dimensions")
    if not input.is_floating_point():
        raise unsupported("histogramdd", input._aval().dtype)
    points = input.reshape(-1, input.shape[-1])
    given = [bins] * points.shape[1] if isinstance(bins, int) else list(bins)
    if len(given) != points.shape[1]:
        raise RuntimeError("histogramdd: The size of bins must be equal to the innermost dimension of the input.")
    if weight is not None and weight.shape != input.shape[:-1]:
        raise RuntimeError(
            "torch.histogramdd: if weight tensor is provided it should have the same shape as the input tensor "
            f"excluding its innermost dimension, but got input with shape {list(input.shape)} and weight with shape "
            f"{list(weight.shape)}"
        )
    edges = _edges(points, given, range)
    return _Result(_counted(points, edges, weight=weight, density=density), tuple(edges))
