"""Affine maps of the last axis: the products behind the linear and bilinear layers.

An operator for each name that torch gives the last step of such a map; ``composite/embedding.py`` chooses among them.
"""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from jtorch.engine import config
from jtorch.ops.errors import c_type, scalar_type, unsupported
from jtorch.ops.matmul import expand_to, product
from jtorch.ops.precision import wide
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
    if x.shape[-1] != weight.shape[-1]:
        rows, width = math.prod(x.shape[:-1]), x.shape[-1]
        if weight.ndim == 1:
            raise RuntimeError(f"size mismatch, got input ({rows}), mat ({rows}x{width}), vec ({weight.shape[0]})")
        shapes = f"{rows}x{width} and {'x'.join(map(str, weight.shape[::-1]))}"
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({shapes})")
    if bias is None and x.dtype != weight.dtype:
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {c_type(x.dtype)} != {c_type(weight.dtype)}"
        )
    if bias is not None and not x.dtype == weight.dtype == bias.dtype:
        name, other = ("self", bias) if bias.dtype != weight.dtype else ("mat1", x)
        raise RuntimeError(
            f"{name} and mat2 must have the same dtype, but got {scalar_type(other.dtype)} and "
            f"{scalar_type(weight.dtype)}"
        )
    if x.dtype == np.bool_:
        raise unsupported("addmm_impl_cpu_", x.dtype)


def _linear(self: Any, weight: Any, bias: Any = None) -> Any:
    """``self @ weight.T + bias``: (..., I), (O, I) or (I), (O) -> (..., O).

    Raises RuntimeError where shapes or dtypes do not fit together.
    """
    _check_linear(self, weight, bias)
    out = product(self, weight.T)
    return out if bias is None else out + expand_to(bias, out.shape)


LINEAR = {
    kind: op(
        f"linear{kind and '.'}{kind}(Tensor self, Tensor weight, Tensor? bias=None) -> Tensor",
        expose="" if kind else "_nn",
        out=False,
        saves="self weight",
        grad_name=grad_name,
    )(_linear)
    for kind, grad_name in {
        "": "AddmmBackward0",
        "view": "ViewBackward0",
        "mm": "MmBackward0",
        "unsafe_view": "UnsafeViewBackward0",
        "squeeze": "SqueezeBackward4",
        "mv": "MvBackward0",
    }.items()
}


def _check_bilinear(x1: Any, x2: Any, weight: Any, bias: Any) -> None:
    given = {"input1": x1, "input2": x2, "weight": weight} | ({} if bias is None else {"bias": bias})
    if len({x.dtype for x in given.values()}) > 1:
        shown = ", ".join(f"{name}: {c_type(x.dtype)}" for name, x in given.items())
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


def _bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """``input1 @ weight[o] @ input2 + bias[o]`` for each o: (..., I), (..., J), (O, I, J), (O) -> (..., O).

    Raises RuntimeError where shapes or dtypes do not fit together.
    """
    _check_bilinear(input1, input2, weight, bias)
    x1, x2, w = wide(input1), wide(input2), wide(weight)
    out = jnp.einsum("...i,oij,...j->...o", x1, w, x2, precision=config.matmul_precision)
    return (out if bias is None else out + wide(bias)).astype(input1.dtype)


BILINEAR = {
    kind: op(
        f"bilinear{kind and '.'}{kind}(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None) -> Tensor",
        expose="",
        out=False,
        saves="input1 input2 weight",
        grad_name=grad_name,
    )(_bilinear)
    for kind, grad_name in {"": "AddBackward0", "view": "ViewBackward0"}.items()
}
