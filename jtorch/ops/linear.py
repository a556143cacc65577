"""Affine maps of the last axis: the products behind the linear and bilinear layers."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from jtorch.engine import config
from jtorch.ops.errors import c_type, scalar_type, unsupported
from jtorch.ops.matmul import expand_to, product
from jtorch.ops.table import op


def _check_linear(x: Any, weight: Any, bias: Any) -> None:
    if not x.ndim or not weight.ndim:
        raise RuntimeError(
            f"both arguments to linear need to be at least 1D, but they are {x.ndim}D and {weight.ndim}D"
        )
    if weight.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {weight.ndim}D")
    if bias is not None and weight.ndim == 1 and x.ndim > 1:
        raise RuntimeError("mat2 must be a matrix, got 1-D tensor")
    if bias is not None and len({x.dtype, weight.dtype, bias.dtype}) > 1:
        others = ("mat1", weight) if x.dtype != weight.dtype else ("self", bias)
        raise RuntimeError(
            f"{others[0]} and mat2 must have the same dtype, but got {scalar_type(x.dtype)} and "
            f"{scalar_type(others[1].dtype)}"
        )
    if x.shape[-1] != weight.shape[-1]:
        rows, width = math.prod(x.shape[:-1]), x.shape[-1]
        shapes = f"{rows}x{width} and {'x'.join(map(str, weight.shape[::-1]))}"
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({shapes})")
    if x.dtype != weight.dtype:
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {c_type(x.dtype)} != {c_type(weight.dtype)}"
        )
    if x.dtype == np.bool_:
        raise unsupported("addmm_impl_cpu_", x.dtype)


@op("linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor", expose="nn.functional _nn", out=False,
    autocast="lower", saves="input weight", grad_name="AddmmBackward0")  # fmt: skip
def linear(input, weight, bias=None):
    """``input @ weight.T + bias``: (..., I), (O, I) or (I), (O) -> (..., O).

    Raises RuntimeError where shapes or dtypes do not fit together.
    """
    _check_linear(input, weight, bias)
    out = product(input, weight.T)
    return out if bias is None else out + expand_to(bias, out.shape)


def _check_bilinear(x1: Any, x2: Any, weight: Any, bias: Any) -> None:
    if not x1.dtype == x2.dtype == weight.dtype:
        shown = ", ".join(f"{n}: {c_type(t.dtype)}" for n, t in (("input1", x1), ("input2", x2), ("weight", weight)))
        raise RuntimeError(f"All tensors must have the same dtype, got {shown}")
    if x1.ndim != x2.ndim:
        raise RuntimeError(f"bilinear(): input dimensions do not match: got {x1.ndim} and {x2.ndim}")
    for d, (a, b) in enumerate(zip(x1.shape[:-1], x2.shape[:-1], strict=True)):
        if a != b:
            raise RuntimeError(f"bilinear(): input batch dimensions do not match at dim {d}: got {a} and {b}")
    for i, x in ((1, x1), (2, x2)):
        have, want = x.shape[-1], weight.shape[i]
        if have != want:
            raise RuntimeError(f"bilinear(): input{i} size does not match weight size: got {have} but expected {want}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {bias.shape[0]} but expected {weight.shape[0]}"
        )


@op("bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None) -> Tensor", expose="torch nn.functional",
    out=False, autocast="lower", saves="input1 input2 weight", grad_name="ViewBackward0")  # fmt: skip
def bilinear(input1, input2, weight, bias=None):
    """``input1 @ weight[o] @ input2 + bias[o]`` for each o: (..., I), (..., J), (O, I, J), (O) -> (..., O).

    Raises RuntimeError where shapes or dtypes do not fit together.
    """
    _check_bilinear(input1, input2, weight, bias)
    out = jnp.einsum("...i,oij,...j->...o", input1, weight, input2, precision=config.matmul_precision)
    return out if bias is None else out + bias
