"""Padding, resampling and rearranging of images (``torch.nn.functional``): checks, and the choice of operator."""

from typing import Any

import jtorch
from jtorch.nn.functional._kernels import nn
from jtorch.ops.padding import border_kernel
from jtorch.ops.windows import ntuple

__all__ = ["fold", "pad", "unfold"]


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
