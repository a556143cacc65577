"""Channels to space and back, and channels among themselves: reshapes with a transposition between them.

``fold`` and ``unfold`` are ``col2im`` and ``im2col`` of ``ops/conv.py``.
"""

from typing import Any

import jax.numpy as jnp

from jtorch.ops.table import op


def _check_pixels(name: str, factor: str, x: Any, value: int) -> None:
    if x.ndim < 3:
        raise RuntimeError(
            f"{name} expects input to have at least 3 dimensions, but got input with {x.ndim} dimension(s)"
        )
    if value <= 0:
        raise RuntimeError(f"{name} expects a positive {factor}, but got {value}")


@op("pixel_shuffle(Tensor self, int upscale_factor) -> Tensor", expose="torch nn.functional", out=False)
def pixel_shuffle(self, upscale_factor):
    """(..., C * r * r, H, W) -> (..., C, H * r, W * r). RuntimeError where r * r does not divide the channels."""
    r = upscale_factor
    _check_pixels("pixel_shuffle", "upscale_factor", self, r)
    *lead, c, h, w = self.shape
    if c % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, "
            f"but input.size(-3)={c} is not divisible by {r * r}"
        )
    c //= r * r
    n = len(lead)
    x = self.reshape(*lead, c, r, r, h, w)
    return jnp.transpose(x, (*range(n + 1), n + 3, n + 1, n + 4, n + 2)).reshape(*lead, c, h * r, w * r)


@op("pixel_unshuffle(Tensor self, int downscale_factor) -> Tensor", expose="torch nn.functional", out=False)
def pixel_unshuffle(self, downscale_factor):
    """(..., C, H * r, W * r) -> (..., C * r * r, H, W). RuntimeError where r does not divide height and width."""
    r = downscale_factor
    _check_pixels("pixel_unshuffle", "downscale_factor", self, r)
    *lead, c, h, w = self.shape
    for name, d, size in (("height", -2, h), ("width", -1, w)):
        if size % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but input.size({d})={size} is "
                f"not divisible by {r}"
            )
    h, w = h // r, w // r
    n = len(lead)
    x = self.reshape(*lead, c, h, r, w, r)
    return jnp.transpose(x, (*range(n + 1), n + 2, n + 4, n + 1, n + 3)).reshape(*lead, c * r * r, h, w)


@op("channel_shuffle(Tensor self, int groups) -> Tensor", expose="torch nn.functional", out=False,
    aliases="native_channel_shuffle")  # fmt: skip
def channel_shuffle(self, groups):
    """The channels (dim 1) of ``groups`` groups in turn. RuntimeError where the groups are not equal."""
    if self.ndim <= 2:
        raise RuntimeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(self.shape)}")
    if groups <= 0:
        raise RuntimeError(f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    n, c, *space = self.shape
    if c % groups:
        raise RuntimeError(f"Number of channels must be divisible by groups. Got {c} channels and {groups} groups.")
    return jnp.swapaxes(self.reshape(n, groups, c // groups, *space), 1, 2).reshape(self.shape)
