"""Padding, resampling and rearranging of images (``torch.nn.functional``): checks, and the choice of operator."""

import warnings
from typing import Any, NoReturn

import jtorch
from jtorch.nn.functional import _pooling
from jtorch.nn.functional._kernels import nn
from jtorch.ops.interpolate import scaled_size, upsampler
from jtorch.ops.padding import border_kernel
from jtorch.ops.windows import ntuple

__all__ = [
    "GRID_SAMPLE_INTERPOLATION_MODES",
    "GRID_SAMPLE_PADDING_MODES",
    "affine_grid",
    "fold",
    "grid_sample",
    "interpolate",
    "pad",
    "unfold",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]


def pad(input: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Any:
    """``input`` with ``pad`` elements more: (before, after) of the last dimension, then of the one before, and so on.

    ``mode`` is ``constant`` (filled with ``value``), or ``reflect``, ``replicate`` or ``circular``, which take the last
    1, 2 or 3 dimensions after channels and an optional batch. A negative pad takes elements away.

    Raises RuntimeError for pads that do not fit, NotImplementedError for other dimensions and modes.
    """
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(pad) > 2 * input.dim():
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got padding length "
            f"{len(pad)} and input of dimension {input.dim()}"
        )
    if mode == "constant":
        return jtorch.constant_pad_nd(input, pad, 0 if value is None else value)
    if value:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    kernel = border_kernel(mode, input.dim(), len(pad))
    if kernel is None:
        raise NotImplementedError(
            f"Padding size {len(pad)} is not supported for {input.dim()}D input tensor.\n"
            "Supported combinations for non-constant padding:\n"
            "  - 2D or 3D input: padding size = 2 (pads last dimension)\n"
            "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n"
            "  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"
        )
    return getattr(nn, kernel)(input, pad)


def unfold(input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """The blocks a kernel slides over, as columns: (N, C, H, W) -> (N, C * kh * kw, blocks)."""
    return nn.im2col(input, *(ntuple(v, 2) for v in (kernel_size, dilation, padding, stride)))


def fold(input: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """The sum of blocks put back in their places: (N, C * kh * kw, blocks) -> (N, C, H, W)."""
    return nn.col2im(input, *(ntuple(v, 2) for v in (output_size, kernel_size, dilation, padding, stride)))


# --- resampling -----------------------------------------------------------------------------------------------------


def _an_axis(given: Any, input: Any, sizes: bool) -> list:
    """``given`` (sizes, or scale factors) an axis: a list must have an entry each, a number stands for all."""
    n = input.dim() - 2
    if not isinstance(given, (list, tuple)):
        return [given] * n
    if len(given) != n:
        other, shown, letter = (
            ("output", "output size of", "o") if sizes else ("scale_factor", "scale_factor of shape", "s")
        )
        raise ValueError(
            f"Input and {other} must have the same number of spatial dimensions, but got input with spatial dimensions "
            f"of {list(input.shape[2:])} and {shown} {given}. Please provide input tensor in (N, C, d1, d2, ...,dK) "
            f"format and {'output size' if sizes else other} in ({letter}1, {letter}2, ...,{letter}K) format."
        )
    return list(given)


def interpolate(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None, antialias: bool = False,
) -> Any:  # fmt: skip
    """(N, C, ...) with 1, 2 or 3 axes resampled to ``size``, or by ``scale_factor``.

    ``mode`` is ``nearest``, ``nearest-exact``, ``area``, ``linear`` (3D input), ``bilinear``, ``bicubic`` or
    ``lanczos`` (4D) or ``trilinear`` (5D). With ``recompute_scale_factor`` the factor is the ratio of the sizes.

    Raises ValueError where arguments contradict one another, NotImplementedError for a mode that does not fit.
    """
    exact = mode in ("nearest", "area", "nearest-exact")
    if exact and align_corners is not None:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear"
        )
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    if recompute_scale_factor and size is not None:
        raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
    scales = None
    if size is not None:
        new = _an_axis(size, input, True)
        if isinstance(size, (list, tuple)) and not all(map(_is_integer, size)):
            raise TypeError(
                "expected size to be one of int or Tuple[int] or Tuple[int, int] or Tuple[int, int, int], but got size "
                f"with types {[type(s) for s in size]}"
            )
    else:
        factors = [float(f) for f in _an_axis(scale_factor, input, False)]
        new = [scaled_size(s, f) for s, f in zip(input.shape[2:], factors, strict=True)]
        scales = None if recompute_scale_factor else factors
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and input.dim() == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input"
        )
    n = input.dim() - 2
    if mode == "area" and n in (1, 2, 3):
        return getattr(jtorch if n == 1 else _pooling, f"adaptive_avg_pool{n}d")(input, new)
    if mode == "lanczos" and n == 2:
        if align_corners:
            raise ValueError("Lanczos mode does not support align_corners=True")
        if not antialias:
            raise ValueError("Lanczos mode requires antialias=True")
    name = upsampler(mode, n, antialias)
    if name is None:
        _no_upsampler(mode, input.dim())
    kernel = getattr(nn, name)
    return kernel(input, new, scales) if exact else kernel(input, new, bool(align_corners), scales)


def _is_integer(x: Any) -> bool:
    return isinstance(x, int) or (isinstance(x, jtorch.Tensor) and not x.is_floating_point())


def _no_upsampler(mode: str, ndim: int) -> NoReturn:
    need = {"linear": 3, "bilinear": 4, "trilinear": 5}.get(mode)
    if need is not None and ndim in (3, 4, 5):
        raise NotImplementedError(f"Got {ndim}D input, but {mode} mode needs {need}D input")
    raise NotImplementedError(
        f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {ndim}D) for the modes: nearest | linear "
        f"| bilinear | bicubic | trilinear | lanczos | area | nearest-exact (got {mode})"
    )


def _deprecated(name: str) -> None:
    warnings.warn(f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=3)


def upsample(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Any:
    """The older name of :func:`interpolate`."""
    _deprecated("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """:func:`interpolate` by the nearest element."""
    _deprecated("upsample_nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """:func:`interpolate` with ``bilinear`` mode and ``align_corners``."""
    _deprecated("upsample_bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


# --- grids ----------------------------------------------------------------------------------------------------------

GRID_SAMPLE_INTERPOLATION_MODES = {"bilinear": 0, "nearest": 1, "bicubic": 2}
GRID_SAMPLE_PADDING_MODES = {"zeros": 0, "border": 1, "reflection": 2}


def _default_corners(align_corners: bool | None) -> bool:
    if align_corners is None:
        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please "
            "specify align_corners=True if the old behavior is desired. See the documentation of grid_sample for "
            "details.",
            stacklevel=3,
        )
    return bool(align_corners)


def grid_sample(
    input: Any, grid: Any, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Any:
    """``input`` (N, C, H, W) or (N, C, D, H, W) at the points ``grid`` (N, ..., 2) or (N, ..., 3), x first, in [-1, 1].

    ``mode`` is ``bilinear``, ``nearest`` or ``bicubic`` (4D only); ``padding_mode`` says what lies outside: ``zeros``,
    the ``border`` or the ``reflection``. With ``align_corners`` -1 and 1 are the centres of the outer elements, else
    their outer edges. Raises ValueError for other modes, RuntimeError where shapes do not fit together.
    """
    if mode not in GRID_SAMPLE_INTERPOLATION_MODES:
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in GRID_SAMPLE_PADDING_MODES:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: "
            f"'{padding_mode}'"
        )
    sampler = {4: jtorch.grid_sampler_2d, 5: jtorch.grid_sampler_3d}.get(input.dim(), jtorch.grid_sampler)
    modes = GRID_SAMPLE_INTERPOLATION_MODES[mode], GRID_SAMPLE_PADDING_MODES[padding_mode]
    return sampler(input, grid, *modes, _default_corners(align_corners))


def affine_grid(theta: Any, size: Any, align_corners: bool | None = None) -> Any:
    """The grid for :func:`grid_sample` of an affine map ``theta``, (N, 2, 3) or (N, 3, 4), and an output of ``size``.

    Raises ValueError where ``theta`` and ``size`` (N, C, ...) do not fit together.
    """
    align = _default_corners(align_corners)
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    n = len(size) - 2
    if n not in (2, 3):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got size "
            f"{size}."
        )
    if theta.dim() != 3 or tuple(theta.shape[1:]) != (n, n + 1):
        raise ValueError(
            f"Expected a batch of {n}D affine matrices of shape Nx{n}x{n + 1} for size {size}. Got {theta.shape}."
        )
    if align and min(size[2:]) == 1:
        warnings.warn(
            "Since version 1.3.0, affine_grid behavior has changed for unit-size grids when align_corners=True. This "
            "is not an intended use case of affine_grid. See the documentation of affine_grid for details.",
            stacklevel=2,
        )
    elif min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    return jtorch.affine_grid_generator(theta, size, align)
