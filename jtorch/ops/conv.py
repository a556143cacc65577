"""Convolutions, and the sliding-window views of them that ``unfold`` and ``fold`` give.

One function serves every rank: the layout is torch's (batch, channels, space), which XLA lays out for the device
itself. Float32 products are computed at ``config.matmul_precision``.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jtorch.engine import config
from jtorch.ops.errors import INEXACT, c_type, only, scalar_type, unsupported
from jtorch.ops.promotion import BOOL
from jtorch.ops.table import op
from jtorch.ops.windows import Ints, by_axis, ntuple, pad_spatial, span, times, windows

_LAYOUT = {1: ("NCW", "OIW", "NCW"), 2: ("NCHW", "OIHW", "NCHW"), 3: ("NCDHW", "OIDHW", "NCDHW")}


def _expand(name: str, value: int | Ints, n: int) -> tuple[int, ...]:
    out = ntuple(value, n)
    if len(out) != n:
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {n} values to match the convolution "
            f"dimensions, but got {name}={list(out)}"
        )
    return out


def _check(
    name: str, x: Any, weight: Any, bias: Any, stride: Ints, edges: list, dilation: Ints, groups: int, transposed: bool
) -> None:
    """Raise what torch raises for shapes and dtypes that do not fit together; ``x`` has its batch dimension."""
    if any(d <= 0 for d in dilation):
        raise RuntimeError(f"dilation should be greater than zero, but got {list(dilation)}")
    if any(p < 0 for edge in edges for p in edge):
        raise RuntimeError("negative padding is not supported")
    if any(s <= 0 for s in stride):
        raise RuntimeError("non-positive stride is not supported")
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    size, shape = list(weight.shape), list(x.shape)
    if size[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got weight of size "
            f"{size} instead"
        )
    if size[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of "
            "size "
            f"[{size}] instead"
        )
    channels = size[0] if transposed else size[1] * groups
    if shape[1] != channels:
        given = "transposed=1" if transposed else f"groups={groups}"
        raise RuntimeError(
            f"Given {given}, weight of size {size}, expected input{shape} to have {channels} channels, but got "
            f"{shape[1]} channels instead"
        )
    outputs = size[1] * groups if transposed else size[0]
    if bias is not None and bias.shape != (outputs,):
        given = "Given transposed=1, weight" if transposed else "Given weight"
        raise RuntimeError(
            f"{given} of size {size}, expected bias to be 1-dimensional with {outputs} elements, but got bias of size "
            f"{list(bias.shape)} instead"
        )
    if not transposed:
        padded = [s + sum(e) for s, e in zip(shape[2:], edges, strict=True)]
        kernel = [span(k, d) for k, d in zip(size[2:], dilation, strict=True)]
        if any(k > s for k, s in zip(kernel, padded, strict=True)):
            raise RuntimeError(
                f"Calculated padded input size per channel: ({times(padded)}). Kernel size: ({times(kernel)}). Kernel "
                "size can't be greater than actual input size"
            )
    if bias is not None and x.dtype != bias.dtype:
        raise RuntimeError(f"Input type ({c_type(x.dtype)}) and bias type ({c_type(bias.dtype)}) should be the same")
    if x.dtype != weight.dtype:
        raise RuntimeError(f"expected scalar type {scalar_type(x.dtype)} but found {scalar_type(weight.dtype)}")
    if x.dtype == np.bool_:
        raise unsupported(f"slow_{name}_cpu", x.dtype)


def _batched(name: str, x: Any, n: int) -> Any:
    if x.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {name}, but got input of size: "
            f"{list(x.shape)}"
        )
    return x if x.ndim == n + 2 else x[None]


def _finish(out: Any, bias: Any, batched: bool) -> Any:
    if bias is not None:
        out = out + bias.reshape(-1, *[1] * (out.ndim - 2))
    return out if batched else out[0]


def _precision(dtype: Any) -> Any:
    if np.dtype(dtype).itemsize < 4 or (config.conv_tf32 and jax.default_backend() == "gpu"):
        return None
    return config.matmul_precision


def _convolve(
    n: int, x: Any, weight: Any, bias: Any, stride: Ints, padding: Ints | str, dilation: Ints, groups: int
) -> Any:
    name, batched = f"conv{n}d", x.ndim == n + 2
    rank = weight.ndim - 2
    stride, dilation = _expand("stride", stride, rank), _expand("dilation", dilation, rank)
    x = _batched(name, x, n)
    if isinstance(padding, str):
        edges = _named_padding(padding, weight.shape[2:], stride, dilation)
    else:
        edges = [(p, p) for p in _expand("padding", padding, rank)]
    _check(name, x, weight, bias, stride, edges, dilation, groups, False)
    out = lax.conv_general_dilated(
        x,
        weight,
        stride,
        edges,
        rhs_dilation=dilation,
        dimension_numbers=_LAYOUT[n],
        feature_group_count=groups,
        precision=_precision(x.dtype),
    )
    return _finish(out, bias, batched)


def _named_padding(padding: str, kernel: Ints, stride: Ints, dilation: Ints) -> list[tuple[int, int]]:
    """``"valid"``: none. ``"same"``: as much as keeps the size, an odd element behind."""
    if padding == "valid":
        return [(0, 0) for _ in kernel]
    if padding != "same":
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    if any(s != 1 for s in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    totals = [span(k, d) - 1 for k, d in zip(kernel, dilation, strict=True)]
    return [(t // 2, t - t // 2) for t in totals]


def _convolve_transposed(
    n: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Ints,
    padding: Ints,
    output_padding: Ints,
    groups: int,
    dilation: Ints,
) -> Any:
    """The gradient of a convolution with respect to its input, as a convolution of the input spread out by
    ``stride``.
    """
    name, batched = f"conv_transpose{n}d", x.ndim == n + 2
    rank = weight.ndim - 2
    stride, dilation = _expand("stride", stride, rank), _expand("dilation", dilation, rank)
    padding, extra = _expand("padding", padding, rank), _expand("output_padding", output_padding, rank)
    x = _batched(name, x, n)
    _check(name, x, weight, bias, stride, [(p, p) for p in padding], dilation, groups, True)
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        raise RuntimeError(
            "output padding must be smaller than either stride or dilation, but got "
            f"{by_axis('output_padding', extra)} {by_axis('stride', stride)} {by_axis('dilation', dilation)}"
        )
    reach = [span(k, d) - 1 for k, d in zip(weight.shape[2:], dilation, strict=True)]
    sizes = [
        (s - 1) * t - 2 * p + r + e + 1
        for s, t, p, r, e in zip(x.shape[2:], stride, padding, reach, extra, strict=True)
    ]
    if any(s <= 0 for s in sizes):
        raise RuntimeError(
            f"Given input size per channel: ({times(x.shape[2:])}). Calculated output size per channel: "
            f"({times(sizes)}). "
            "Output size is too small"
        )
    cin, cout, *kernel = weight.shape
    kernels = weight.reshape(groups, cin // groups, cout, *kernel)
    kernels = jnp.swapaxes(kernels, 1, 2).reshape(groups * cout, cin // groups, *kernel)
    out = lax.conv_general_dilated(
        x,
        jnp.flip(kernels, tuple(range(2, n + 2))),
        (1,) * n,
        [(r - p, r - p + e) for r, p, e in zip(reach, padding, extra, strict=True)],
        lhs_dilation=stride,
        rhs_dilation=dilation,
        dimension_numbers=_LAYOUT[n],
        feature_group_count=groups,
        precision=_precision(x.dtype),
    )
    return _finish(out, bias, batched)


def _declare(n: int) -> None:
    """Declare the convolutions over ``n`` spatial axes."""
    fields: dict[str, Any] = {
        "expose": "torch nn.functional",
        "out": False,
        "saves": "input weight",
        "grad_name": "ConvolutionBackward0",
    }
    head = "Tensor input, Tensor weight, Tensor? bias=None"

    def conv(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
        return _convolve(n, input, weight, bias, stride, padding, dilation, groups)

    def transposed(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
        return _convolve_transposed(n, input, weight, bias, stride, padding, output_padding, groups, dilation)

    conv.__doc__ = (
        f"Cross-correlation over {n} axes: input (N, C, ...) or (C, ...), weight (O, C / groups, ...).\n\n"
        "Raises RuntimeError where shapes or dtypes do not fit together."
    )
    transposed.__doc__ = (
        f"Transposed convolution over {n} axes: input (N, C, ...) or (C, ...), weight (C, O / groups, ...).\n\n"
        "Raises RuntimeError where shapes or dtypes do not fit together."
    )
    for overload, padding in (("", f"int[{n}] padding=0"), (".padding", 'str padding="valid"')):
        args = f"{head}, int[{n}] stride=1, {padding}, int[{n}] dilation=1, int groups=1"
        op(f"conv{n}d{overload}({args}) -> Tensor", **fields)(conv)
    args = f"int[{n}] stride=1, int[{n}] padding=0, int[{n}] output_padding=0, int groups=1, int[{n}] dilation=1"
    op(f"conv_transpose{n}d({head}, {args}) -> Tensor", **fields)(transposed)


for _n in (1, 2, 3):
    _declare(_n)


@op("conv_tbc(Tensor self, Tensor weight, Tensor bias, int pad=0) -> Tensor", expose="torch nn.functional", out=False,
    saves="self weight bias")  # fmt: skip
def conv_tbc(self, weight, bias, pad=0):
    """Convolution in time over (time, batch, channels), with weight (width, channels in, channels out)."""
    for x, name in ((self, "Input"), (weight, "Weight")):
        if x.ndim != 3:
            raise RuntimeError(f"{name} must have 3 dims: time, batch, in_channel; got {x.ndim}")
    x, w = jnp.transpose(self, (1, 2, 0)), jnp.transpose(weight, (2, 1, 0))
    return jnp.transpose(_convolve(1, x, w, bias, (1,), (pad,), (1,), 1), (2, 0, 1))


# --- unfold and fold ------------------------------------------------------------------------------------------------


def _positive(name: str, values: Ints) -> None:
    if any(v <= 0 for v in values):
        raise RuntimeError(
            f"{name.replace('_', ' ')} should be greater than zero, but got {by_axis(name.split('_')[0], values)}"
        )


def _columns(x: Any, kernel: Ints, dilation: Ints, padding: Ints, stride: Ints) -> Any:
    """(N, C, H, W) -> (N, C * kh * kw, blocks)."""
    x = pad_spatial(x, padding, padding)
    for axis in (1, 0):  # from the back, so that the axes in front keep their places
        x = windows(x, 2 + axis, kernel[axis], stride[axis], dilation[axis])
    # now (N, C, kh, h, kw, w)
    n, c, kh, h, kw, w = x.shape
    return jnp.transpose(x, (0, 1, 2, 4, 3, 5)).reshape(n, c * kh * kw, h * w)


def _blocks(size: Ints, kernel: Ints, dilation: Ints, padding: Ints, stride: Ints) -> tuple[int, ...]:
    return tuple(
        (s + 2 * p - span(k, d)) // t + 1 for s, k, d, p, t in zip(size, kernel, dilation, padding, stride, strict=True)
    )


def _window_args(*values: Any) -> list[tuple[int, ...]]:
    kernel, dilation, padding, stride = args = [ntuple(v, 2) for v in values]
    _positive("kernel_size", kernel)
    _positive("dilation", dilation)
    if any(p < 0 for p in padding):
        raise RuntimeError(f"padding should be non-negative, but got {by_axis('pad', padding)}")
    _positive("stride", stride)
    return args


@op("im2col(Tensor self, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] stride) -> Tensor", expose="_nn")
@only(INEXACT | {BOOL}, "im2col_out_cpu")
def im2col(self, kernel_size, dilation, padding, stride):
    """The blocks a kernel slides over: (N, C, H, W) or (C, H, W) -> (N, C * kh * kw, blocks) or (C * kh * kw,
    blocks).
    """
    kernel, dilation, padding, stride = _window_args(kernel_size, dilation, padding, stride)
    shape = self.shape
    if self.ndim not in (3, 4) or 0 in shape[-3:]:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, "
            f"but got: {list(shape)}"
        )
    blocks = _blocks(shape[-2:], kernel, dilation, padding, stride)
    if any(b < 1 for b in blocks):
        raise RuntimeError(
            f"Given input with spatial size {shape[-2:]}, kernel_size={kernel}, dilation={dilation}, "
            f"padding={padding}, "
            f"calculated shape of the array of sliding blocks as {blocks}, but its components must be at least one."
        )
    out = _columns(self.reshape(-1, *shape[-3:]), kernel, dilation, padding, stride)
    return out if self.ndim == 4 else out[0]


@op("col2im(Tensor self, int[2] output_size, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] stride) -> "
    "Tensor", expose="_nn")  # fmt: skip
@only(INEXACT | {BOOL}, "col2im_out_cpu")
def col2im(self, output_size, kernel_size, dilation, padding, stride):
    """The sum of blocks put back in their places, the transpose of ``im2col``."""
    if self.dtype == np.bool_:
        return col2im.impl(self.astype(np.float32), output_size, kernel_size, dilation, padding, stride) != 0
    kernel, dilation, padding, stride = _window_args(kernel_size, dilation, padding, stride)
    size = ntuple(output_size, 2)
    shape = self.shape
    if self.ndim not in (2, 3) or 0 in shape[-2:]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for "
            f"input, but got: {list(shape)}"
        )
    if shape[-2] % (kernel[0] * kernel[1]):
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got "
            f"input.size(1)={shape[-2]} and kernel_size={kernel}."
        )
    h, w = _blocks(size, kernel, dilation, padding, stride)
    given = f"Given output_size={size}, kernel_size={kernel}, dilation={dilation}, padding={padding}, stride={stride}, "
    if h * w != shape[-1]:
        raise RuntimeError(
            f"{given}expected size of input's dimension 2 to match the calculated number of sliding blocks "
            f"{h} * {w} = {h * w}, but got input.size(2)={shape[-1]}."
        )
    image = jax.ShapeDtypeStruct((self.size // (shape[-2] * shape[-1]) if self.ndim == 3 else 1,
                                  shape[-2] // (kernel[0] * kernel[1]), *size), self.dtype)  # fmt: skip
    fold = jax.linear_transpose(lambda x: _columns(x, kernel, dilation, padding, stride), image)
    (out,) = fold(self.reshape(-1, *shape[-2:]))
    return out if self.ndim == 3 else out[0]
