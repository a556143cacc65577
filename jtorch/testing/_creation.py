"""``make_tensor``: a tensor of random numbers that suit its dtype."""

import math
import warnings
from typing import Any

import jtorch
from jtorch.tensor.tensor import Tensor

__all__ = ["make_tensor"]


def _bounds(dtype: Any, low: float | None, high: float | None) -> tuple[Any, Any]:
    """The interval to draw from, within what the dtype can hold. Raises ValueError where there is none."""
    if dtype is jtorch.bool:
        least, most, default = 0, 2, (0, 2)
    elif dtype.is_floating_point or dtype.is_complex:
        limits = jtorch.finfo(dtype)
        least, most, default = limits.min, limits.max, (-9, 9)  # type: ignore[assignment]
    else:
        info = jtorch.iinfo(dtype)
        least, most, default = info.min, info.max + 1, (0 if info.min == 0 else -9, 10)
    low, high = default[0] if low is None else low, default[1] if high is None else high
    if any(isinstance(x, float) and math.isnan(x) for x in (low, high)):
        raise ValueError(f"`low` and `high` cannot be NaN, but got low={low!r} and high={high!r}")
    if low == high and (dtype.is_floating_point or dtype.is_complex):
        warnings.warn(
            "Passing `low==high` to `torch.testing.make_tensor` for floating or complex types is deprecated since "
            "2.1 and will be removed in 2.3. Use `torch.full(...)` instead.",
            FutureWarning,
            stacklevel=3,
        )
    elif low >= high:
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    elif high < least or low >= most:
        raise ValueError(
            f"The value interval specified by `low` and `high` is [{low}, {high}), "
            f"but {dtype} only supports [{least}, {most})"
        )
    low, high = max(low, least), min(high, most)
    if not (dtype.is_floating_point or dtype.is_complex):
        low, high = math.ceil(low), math.ceil(high)
    return low, high


def make_tensor(
    *shape: Any,
    dtype: Any,
    device: Any,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Random numbers of ``[low, high)``: by default -9 to 9 for floats and integers, 0 to 9 for uint8, and both bools.

    ``noncontiguous`` gives every other element of a larger tensor; ``exclude_zero`` puts the smallest number (1 for
    integers) in the place of zeros. Raises ValueError where the dtype has no number in the interval, and for
    ``requires_grad`` with integers.
    """
    sizes: tuple = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
    inexact = dtype.is_floating_point or dtype.is_complex
    if requires_grad and not inexact:
        raise ValueError(
            f"`requires_grad=True` is not supported for boolean and integral dtypes, but got dtype={dtype}"
        )
    if noncontiguous and memory_format is not None:
        raise ValueError(
            "The parameters `noncontiguous` and `memory_format` are mutually exclusive, "
            f"but got noncontiguous={noncontiguous!r} and memory_format={memory_format!r}"
        )
    spread = noncontiguous and math.prod(sizes) > 1
    drawn = (*sizes[:-1], 2 * sizes[-1]) if spread else sizes
    least, most = _bounds(dtype, low, high)
    made: Any
    if least == most:
        made = jtorch.full(drawn, least, dtype=dtype, device=device)
    elif dtype.is_complex:
        parts = jtorch.empty((*drawn, 2), dtype=dtype.to_real(), device=device).uniform_(least, most)
        made = jtorch.view_as_complex(parts)
    elif inexact:
        made = jtorch.empty(drawn, dtype=dtype, device=device).uniform_(least, most)
    else:
        made = jtorch.randint(least, most, drawn, dtype=dtype, device=device)
    if spread:
        made = made[..., ::2]
    if exclude_zero:
        made[made == 0] = jtorch.finfo(dtype).tiny if inexact else 1
    return made.requires_grad_() if requires_grad else made
