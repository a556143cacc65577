"""``torch.gradient``: derivatives of sampled functions by finite differences of second order.

https://docs.pytorch.org/docs/stable/generated/torch.gradient.html. Between unequal steps a to the left and b to the
right, the parabola through three samples has the slope ``(a/b (f+ - f) + b/a (f - f-)) / (a + b)``.
"""

from typing import Any

import jtorch
from jtorch.composite.table import composite
from jtorch.ops.dims import wrap_dims


def _spacings(spacing: Any, dims: tuple[int, ...], given: bool, ndim: int) -> list:
    """One spacing, a number or a tensor of coordinates, for each dim."""
    if spacing is None:
        return [1] * len(dims)
    if isinstance(spacing, (bool, int, float, complex)):
        return [spacing] * len(dims)
    if len(spacing) != len(dims):
        which = f"'dim' argument, {len(dims)}" if given else f"'self.dim() = {ndim}', since dim argument was not given"
        raise RuntimeError(
            "torch.gradient expected spacing to be unspecified, a scalar, or a list of length equal to "
            f"{which}, but got a list of length {len(spacing)}"
        )
    for each in spacing:
        if isinstance(each, jtorch.Tensor) and each.ndim != 1:
            raise RuntimeError(
                "torch.gradient expected each element of spacing to have one dimension, but got an element with "
                f"{each.ndim} dimensions!"
            )
    return list(spacing)


def _along(f: Any, dim: int, spacing: Any, edge_order: int) -> Any:
    count = f.shape[dim]
    if isinstance(spacing, jtorch.Tensor):
        points: Any = spacing
        step = points.diff().reshape([-1 if d == dim else 1 for d in range(f.ndim)])
    else:
        dtype = f.dtype if f.is_floating_point() else None
        step = jtorch.full((1,) * f.ndim, spacing, dtype=dtype, device=f.device).expand(
            [count - 1 if d == dim else 1 for d in range(f.ndim)]
        )
    slope = f.diff(dim=dim) / step
    before, after = slope.narrow(dim, 0, count - 2), slope.narrow(dim, 1, count - 2)
    a, b = step.narrow(dim, 0, count - 2), step.narrow(dim, 1, count - 2)
    inner = (a * after + b * before) / (a + b)
    first, last = slope.narrow(dim, 0, 1), slope.narrow(dim, count - 2, 1)
    if edge_order == 2:  # the slope of the parabola through the three outermost samples
        bends = (after - before) / (a + b)
        first = first - bends.narrow(dim, 0, 1) * a.narrow(dim, 0, 1)
        last = last + bends.narrow(dim, count - 3, 1) * b.narrow(dim, count - 3, 1)
    return jtorch.cat([first, inner, last], dim)


@composite("torch")
def gradient(input: Any, *, spacing: Any = None, dim: Any = None, edge_order: int = 1) -> tuple:
    """The derivative along each dim of ``dim`` (all by default) of samples that stand ``spacing`` apart.

    Args:
        input: the samples; not uint8.
        spacing: a number for all dims, or for each dim a number or the coordinates as a 1-d tensor.
        dim: an int or several.
        edge_order: 1 or 2, the order of the differences at the edges.
    """
    if input.dtype == jtorch.uint8:
        raise RuntimeError("torch.gradient does not support uint8 input.")
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    dims = wrap_dims(dim, input.ndim) if dim is not None else tuple(range(input.ndim))
    spacings = _spacings(spacing, dims, dim is not None, input.ndim)
    for each in spacings:
        if isinstance(each, jtorch.Tensor) and each.device != input.device:
            raise RuntimeError(
                "torch.gradient expected each tensor to be on the same device, but got devices "
                f"{input.device} and {each.device}!"
            )
    for d in dims:
        if input.shape[d] < edge_order + 1:
            raise RuntimeError("torch.gradient expected each dimension size to be at least edge_order+1")
    return tuple(_along(input, d, s, edge_order) for d, s in zip(dims, spacings, strict=True))
