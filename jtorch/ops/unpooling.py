"""Fractional maximum pooling, whose windows random numbers place, and the inverse of maximum pooling.

Source of the fractional pool: arXiv:1412.6071.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jtorch.ops.errors import scalar_type, unsupported
from jtorch.ops.promotion import FLOAT, INT, category
from jtorch.ops.table import op
from jtorch.ops.windows import Ints, ntuple, times

_AXES = {2: ("height", "width"), 3: ("time", "height", "width")}


def _starts(sample: Any, size: int, count: int, kernel: int, dtype: Any) -> Any:
    """Where ``count`` windows start along an axis, for each (batch, channel): (N, C, count). The last one ends the
    axis.
    """
    last = size - kernel
    if count == 1:
        return jnp.full((*sample.shape, 1), last, np.int32)
    alpha = np.asarray(last / (count - 1), dtype)
    i = np.arange(count - 1).astype(dtype)
    sample = sample[..., None]
    moved = ((i + sample) * alpha).astype(np.int32) - (sample * alpha).astype(np.int32)
    return jnp.concatenate([moved, jnp.full((*sample.shape[:-1], 1), last, np.int32)], -1)


def _fractional(n: int, x: Any, kernel: Ints, output: Ints, samples: Any) -> tuple[Any, Any]:
    sizes = x.shape[2:]
    where: Any = None
    for i in reversed(range(n)):
        axis, scale = 2 + i, math.prod(sizes[i + 1 :])
        # torch's samples are for width and height in two dimensions, for time, height and width in three
        at = _starts(samples[..., i if n == 3 else 1 - i], sizes[i], output[i], kernel[i], samples.dtype)
        at = at.reshape(*at.shape[:2], *[at.shape[2] if a == i else 1 for a in range(n)])
        best = place = None
        for j in range(kernel[i]):
            value = jnp.take_along_axis(x, at + j, axis)
            here = jnp.broadcast_to((at + j) * scale, value.shape)
            if where is not None:
                here = here + jnp.take_along_axis(where, at + j, axis)
            if best is None:
                best, place = value, here
            else:
                better = (value > best) | (value != value)
                best, place = jnp.where(better, value, best), jnp.where(better, here, place)  # type: ignore[arg-type]
        x, where = best, place
    return x, where


def _declare_fractional(n: int) -> None:
    name = f"fractional_max_pool{n}d"

    def pool(self, kernel_size, output_size, random_samples):
        kernel, output = ntuple(kernel_size, n), ntuple(output_size, n)
        for what, value in (("kernel_size", kernel), ("output_size", output)):
            if len(value) != n:
                raise RuntimeError(f"{name}: {what} must either be a single Int or tuple of Ints")
        if self.ndim not in (n + 1, n + 2) or 0 in self.shape[-n - 1 :]:
            raise RuntimeError(
                f"{name}(): Expected {n + 1}D or {n + 2}D tensor with non-zero size for non-batch dimensions, but got: "
                f"{list(self.shape)}"
            )
        for axis, size, k, o in zip(_AXES[n], self.shape[-n:], kernel, output, strict=True):
            if o + k - 1 > size:
                raise RuntimeError(f"{name}(): pool {axis} {k} too large relative to input {axis} {size}")
        if category(self.dtype) != FLOAT:
            raise unsupported(f"{name}_out_frame", self.dtype)
        x = self if self.ndim == n + 2 else self[None]
        samples = random_samples
        if samples.dtype != x.dtype:
            raise RuntimeError("Expect _random_samples to have the same dtype as input")
        if samples.ndim != 3:
            raise RuntimeError(f"Expect _random_samples to have 3 dimensions got {samples.ndim}")
        for d, least in ((0, x.shape[0]), (1, x.shape[1])):
            if samples.shape[d] < least:
                raise RuntimeError(
                    f"Expect _random_samples.size({d}) no less then input {'batch' if d == 0 else 'channel'} size."
                )
        if samples.shape[2] != n:
            raise RuntimeError(f"Expect _random_samples.size(2) equals to {n}; got {samples.shape[2]}.")
        fixed = jax.lax.stop_gradient(samples)[: x.shape[0], : x.shape[1]]
        _, where = _fractional(n, jax.lax.stop_gradient(x), kernel, output, fixed)
        rows, each = x.shape[:2], math.prod(output)
        flat = x.reshape(*rows, math.prod(x.shape[2:]))
        out = jnp.take_along_axis(flat, where.reshape(*rows, each), -1).reshape(where.shape)
        if self.ndim == n + 1:
            out, where = out[0], where[0]
        return out, where.astype(np.int64)

    pool.__doc__ = (
        f"The maxima of windows over the last {n} axes that ``random_samples`` (N, C, {n}) places, and their places "
        "in the "
        "flattened axes."
    )
    args = f"Tensor self, int[{n}] kernel_size, int[{n}] output_size, Tensor random_samples"
    grad_name = f"FractionalMaxPool{n}DBackward0"
    op(f"{name}({args}) -> (Tensor, Tensor)", expose="_nn", out=False, saves="self", grad_name=grad_name)(pool)


# --- unpooling ------------------------------------------------------------------------------------------------------


def _spread(values: Any, at: Any, size: int) -> Any:
    """Rows of ``size`` zeros with ``values`` put in. Each value gets the gradient at its place, even one
    overwritten.
    """
    row = np.arange(values.shape[0])[:, None]
    blank = jnp.zeros((values.shape[0], size), values.dtype)

    @jax.custom_jvp
    def put(values: Any) -> Any:
        return blank.at[row, at].set(values, mode="drop")

    put.defjvp(lambda x, dx: (put(*x), blank.at[row, at].add(dx[0], mode="drop")))
    return put(values)


def _declare_unpool(n: int) -> None:
    name = f"max_unpool{n}d"

    def bad_index(self, indices, output_size):
        volume = math.prod(output_size)
        out_of_range = ((indices < 0) | (indices >= volume)).any()
        return [
            (
                out_of_range,
                RuntimeError,
                f"Found an invalid max index (output volumes are of size {times(output_size).replace(' ', '')})",
            )
        ]

    def unpool(self, indices, output_size):
        if indices.dtype != np.int64:
            raise RuntimeError(f"elements in indices should be type int64 but got: {scalar_type(indices.dtype)}")
        if self.ndim not in (n + 1, n + 2):
            raise RuntimeError(
                f"Input to max_unpooling{n}d should be a {n + 1}d or {n + 2}d Tensor, but got a tensor with "
                f"{self.ndim} "
                "dimensions."
            )
        if self.shape != indices.shape:
            raise RuntimeError(
                f"Expected shape of indices to be same as that of the input tensor ({list(self.shape)}) but got "
                "indices "
                f"tensor with shape: {list(indices.shape)}"
            )
        if category(self.dtype) not in (INT, FLOAT):
            raise unsupported(name, self.dtype)
        lead, size = self.shape[:-n], tuple(output_size)
        rows = math.prod(lead)
        values, at = self.reshape(rows, -1), indices.reshape(rows, -1)
        return _spread(values, at, math.prod(size)).reshape(*lead, *size)

    unpool.__doc__ = (
        f"``self`` put at the flattened places ``indices`` of the last {n} axes, which get ``output_size``; else 0."
    )
    args = f"Tensor self, Tensor indices, int[{n}] output_size"
    op(f"{name}({args}) -> Tensor", expose="_nn", out=False, check=bad_index, saves="indices",
       grad_name=f"MaxUnpool{n}DBackward0")(unpool)  # fmt: skip


for _n in (2, 3):
    _declare_fractional(_n)
    _declare_unpool(_n)
