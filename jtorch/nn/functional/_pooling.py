"""Pooling (``torch.nn.functional``): options and defaults around ``ops/pooling.py`` and ``ops/unpooling.py``.

Sizes are a number or one an axis; ``stride`` defaults to ``kernel_size``.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jtorch
from jtorch.nn.functional._kernels import nn
from jtorch.ops.windows import ntuple

__all__: list[str] = [
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
]


def _export(function: Callable, name: str, doc: str) -> None:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    globals()[name] = function
    __all__.append(name)


def _with_default(size: Any, defaults: Sequence[int]) -> Any:
    """``size`` with each None replaced by the entry of ``defaults`` at the same place, counted from the end."""
    if isinstance(size, int):
        return size
    if len(defaults) <= len(size):
        raise ValueError(f"Input dimension should be at least {len(size) + 1}")
    return [d if s is None else s for s, d in zip(size, defaults[len(defaults) - len(size) :], strict=True)]


def _one_or_both(n: int, name: str, both: Callable, values: Callable, doc: str, places: str) -> None:
    """Export ``name``, which returns the values or with ``return_indices`` both results, and ``name_with_indices``."""
    _export(values, name, f"{doc} With ``return_indices`` also {places}.")
    _export(both, f"{name}_with_indices", f"{doc} Always with {places}.")


# --- maximum --------------------------------------------------------------------------------------------------------


def _max_pool(n: int) -> None:
    values, both = getattr(jtorch, f"max_pool{n}d"), getattr(nn, f"max_pool{n}d_with_indices")

    def with_indices(
        input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:  # fmt: skip
        return both(input, kernel_size, stride, padding, dilation, ceil_mode)

    def pool(
        input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:  # fmt: skip
        return (both if return_indices else values)(input, kernel_size, stride, padding, dilation, ceil_mode)

    doc = f"The maximum of each window over the last {n} axes."
    _one_or_both(n, f"max_pool{n}d", with_indices, pool, doc, "the places of the maxima in the flattened axes")


def _adaptive_max_pool(n: int) -> None:
    both = getattr(jtorch if n == 1 else nn, f"adaptive_max_pool{n}d")

    def with_indices(input: Any, output_size: Any, return_indices: bool = False) -> Any:
        return both(input, _with_default(output_size, input.shape) if n > 1 else output_size)

    def pool(input: Any, output_size: Any, return_indices: bool = False) -> Any:
        made = with_indices(input, output_size)
        return made if return_indices else made[0]

    doc = f"Maxima over the last {n} axes, as many as ``output_size`` says; None keeps an axis as it is."
    _one_or_both(n, f"adaptive_max_pool{n}d", with_indices, pool, doc, "their places in the flattened axes")


def _fractional_max_pool(n: int) -> None:
    name = f"fractional_max_pool{n}d"
    both = getattr(nn, name)

    def with_indices(
        input: Any, kernel_size: Any, output_size: Any = None, output_ratio: Any = None, return_indices: bool = False,
        _random_samples: Any = None,
    ) -> Any:  # fmt: skip
        if output_size is None:
            if output_ratio is None:
                raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
            ratio = (output_ratio,) * n if isinstance(output_ratio, (int, float)) else tuple(output_ratio)
            if len(ratio) > n:
                raise ValueError(f"{name} requires output_ratio to either be a single Int or tuple of Ints.")
            output_size = [int(s * r) for s, r in zip(input.shape[-n:], ratio, strict=True)]
        if _random_samples is None:
            batch = 1 if input.dim() == n + 1 else input.size(0)
            _random_samples = jtorch.rand(batch, input.size(-n - 1), n, dtype=input.dtype, device=input.device)
        return both(input, kernel_size, output_size, _random_samples)

    def pool(
        input: Any, kernel_size: Any, output_size: Any = None, output_ratio: Any = None, return_indices: bool = False,
        _random_samples: Any = None,
    ) -> Any:  # fmt: skip
        made = with_indices(input, kernel_size, output_size, output_ratio, True, _random_samples)
        return made if return_indices else made[0]

    doc = (
        f"Maxima of windows placed at random over the last {n} axes (arXiv:1412.6071), as many as ``output_size`` or "
        "``output_ratio`` says."
    )
    _one_or_both(n, name, with_indices, pool, doc, "their places in the flattened axes")


# --- inverse of the maximum -----------------------------------------------------------------------------------------


def _unpooled_size(sizes: Sequence[int], kernel: Any, stride: Any, padding: Any, given: Any) -> list[int]:
    """The size that pooling came from: ``given``, which must be a possible one, or the smallest."""
    n = len(kernel)
    default = [(s - 1) * t + k - 2 * p for s, k, t, p in zip(sizes[-n:], kernel, stride, padding, strict=True)]
    size = default if given is None else [*given]
    if given is not None:
        size = size[2:] if len(size) == n + 2 else size
        if len(size) != n:
            raise ValueError(
                f"output_size should be a sequence containing {n} or {n + 2} elements, but it has a length of "
                f"'{len(size)}'"
            )
        for d, (s, base, step) in enumerate(zip(size, default, stride, strict=True)):
            if not base - step < s < base + step:
                raise ValueError(
                    f'invalid output_size "{given}" (dim {d} must be between {base - step} and {base + step})'
                )
    for d, s in enumerate(size):
        if s < 0:
            raise ValueError(
                f"max_unpooling: output_size must contain non-negative spatial dimensions, but got output_size[{d}]={s}"
            )
    return size


def _max_unpool(n: int) -> None:
    def unpool(
        input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
    ) -> Any:
        kernel = ntuple(kernel_size, n)
        step = kernel if stride is None else ntuple(stride, n)
        size = _unpooled_size(input.shape, kernel, step, ntuple(padding, n), output_size)
        if n == 1:
            return nn.max_unpool2d(input.unsqueeze(-1), indices.unsqueeze(-1), [*size, 1]).squeeze(-1)
        return (nn.max_unpool2d if n == 2 else nn.max_unpool3d)(input, indices, size)

    doc = (
        f"The values that ``max_pool{n}d`` returned put back at the places ``indices``, with zeros elsewhere.\n\n"
        "Raises ValueError for an ``output_size`` that the pool cannot have come from."
    )
    _export(unpool, f"max_unpool{n}d", doc)


# --- averages and norms ---------------------------------------------------------------------------------------------


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """Means over the last 2 axes, as many as ``output_size`` says; None keeps an axis as it is."""
    return nn.adaptive_avg_pool2d(input, _with_default(output_size, input.shape))


def adaptive_avg_pool3d(input: Any, output_size: Any) -> Any:
    """Means over the last 3 axes, as many as ``output_size`` says; None keeps an axis as it is."""
    return nn.adaptive_avg_pool3d(input, _with_default(output_size, input.shape))


def _lp_pool(n: int, input: Any, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool) -> Any:
    if norm_type in (math.inf, -math.inf):
        sign = 1 if norm_type > 0 else -1
        return sign * getattr(jtorch, f"max_pool{n}d")(sign * input.abs(), kernel_size, stride, 0, 1, ceil_mode)
    average = jtorch.avg_pool1d if n == 1 else getattr(nn, f"avg_pool{n}d")
    mean = average(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    total = mean.sign() * mean.abs().relu() * math.prod(ntuple(kernel_size, n))
    return total.pow(1.0 / norm_type)


def lp_pool1d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """The ``norm_type``-norm of each window over the last axis."""
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """The ``norm_type``-norm of each window over the last 2 axes."""
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """The ``norm_type``-norm of each window over the last 3 axes."""
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


for _n in (1, 2, 3):
    _max_pool(_n)
    _adaptive_max_pool(_n)
    _max_unpool(_n)
    if _n > 1:
        _fractional_max_pool(_n)
