"""Scaled dot product attention (torch.nn.functional.scaled_dot_product_attention).

The plain form is two products with a softmax in float32 between them, which XLA fuses. The fused form is cuDNN's flash
attention, by way of ``jax.nn``: it never has all the weights in memory. Its caller knows whether the device has it.
"""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jtorch.engine import config
from jtorch.ops.errors import c_type, scalar_type
from jtorch.ops.matmul import broadcast_batch
from jtorch.ops.precision import is_half
from jtorch.ops.promotion import FLOAT, category
from jtorch.ops.table import op

Shape = tuple[int, ...]
_FUSED_HEAD = 128  # the largest head that cuDNN's kernels take on every GPU that has them


def _check(q: Any, k: Any, v: Any, mask: Any, gqa: bool) -> None:
    if not q.dtype == k.dtype == v.dtype:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{c_type(q.dtype)} key.dtype: {c_type(k.dtype)} and value.dtype: {c_type(v.dtype)} instead."
        )
    if min(q.ndim, k.ndim, v.ndim) < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
            f"{q.ndim} key.dim: {k.ndim} and value.dim: {v.ndim} instead."
        )
    allowed = {np.dtype(np.bool_), np.dtype(np.float32), q.dtype}
    if mask is not None and mask.dtype not in allowed:
        raise RuntimeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: "
            f"{c_type(mask.dtype)} and  query.dtype: {c_type(q.dtype)} instead."
        )
    if category(q.dtype) != FLOAT:
        raise RuntimeError(f"expected scalar type Float but found {scalar_type(q.dtype)}")
    if gqa:
        if min(q.ndim, k.ndim, v.ndim) < 3:
            raise IndexError("Dimension out of range (expected to be in range of [-2, 1], but got -3)")
        if any(not x.shape[-3] or q.shape[-3] % x.shape[-3] for x in (k, v)):
            raise RuntimeError("Number of heads in key and value must divide the number of heads in query")
    if q.shape[-1] != k.shape[-1]:
        want, have = ([math.prod(q.shape[:-2]), size] for size in (q.shape[-1], k.shape[-1]))
        raise RuntimeError(f"Expected size for first two dimensions of batch2 tensor to be: {want} but got: {have}.")
    if k.shape[-2] != v.shape[-2]:
        raise RuntimeError(f"key and value must have equally many elements to attend to, got {k.shape[-2]} and "
                           f"{v.shape[-2]}")  # fmt: skip


def scores_shape(q: Shape, k: Shape, gqa: bool) -> Shape:
    """The shape of the attention weights, (..., H, L, S), from those of query (..., H, L, E) and key (..., S, E)."""
    lead = (*k[:-3], q[-3]) if gqa else k[:-2]
    return (*broadcast_batch(q[:-2], lead), q[-2], k[-2])


def fusable(q: Any, k: Any, v: Any) -> bool:
    """Whether the fused form takes these arrays (or Tensors), on a device that has it."""
    head = q.shape[-1]
    return (
        q.ndim == k.ndim == v.ndim == 4
        and k.shape[:-1] == v.shape[:-1]
        and q.shape[0] == k.shape[0]
        and 0 not in (*q.shape, *k.shape)
        and min(q.shape[2], k.shape[2]) > 1
        and head == k.shape[-1] == v.shape[-1] <= _FUSED_HEAD
        and head % 8 == 0
    )


def _weights(scores: Any) -> Any:
    """Softmax over the last axis, 0 where nothing may be attended to."""
    top = jax.lax.stop_gradient(scores.max(-1, keepdims=True, initial=-np.inf))
    e = jnp.exp(scores - jnp.where(top == -np.inf, 0, top))
    total = e.sum(-1, keepdims=True)
    return e / jnp.where(total == 0, 1, total)


def _grouped(x: Any, groups: int) -> Any:
    """(..., groups * n, A, B) -> (..., groups, n, A, B); one head for all stays one."""
    *lead, heads, a, b = x.shape
    return x.reshape(*lead, groups, heads // groups, a, b) if heads > 1 else x[..., None, :, :]


def _product(a: Any, b: Any, out_dtype: Any) -> Any:
    return jnp.matmul(a, b, precision=config.matmul_precision, preferred_element_type=out_dtype)


def _plain(q: Any, k: Any, v: Any, mask: Any, dropped: Any, causal: bool, scale: float, gqa: bool) -> Any:
    shape = scores_shape(q.shape, k.shape, gqa)
    if mask is not None and broadcast_batch(shape, mask.shape) != shape:
        raise RuntimeError(
            f"output with shape {list(shape)} doesn't match the broadcast shape "
            f"{list(broadcast_batch(shape, mask.shape))}"
        )
    if gqa:
        # queries get an axis for the groups that share a key head; the products broadcast the keys along the other one
        if k.shape[-3] != v.shape[-3]:
            k, v = (jnp.repeat(x, q.shape[-3] // x.shape[-3], -3) for x in (k, v))
        groups = k.shape[-3]
        q, k, v = (_grouped(x, groups) for x in (q, k, v))
        mask = mask if mask is None or mask.ndim < 3 else _grouped(mask, groups)
        dropped = dropped if dropped is None else _grouped(dropped, groups)
    wide = np.dtype(np.float32) if is_half(q.dtype) else q.dtype
    scores = _product(q, jnp.swapaxes(k, -1, -2), wide) * np.asarray(scale, wide)
    if mask is not None:
        scores = jnp.where(mask, scores, -np.inf) if mask.dtype == np.bool_ else scores + mask.astype(wide)
    if causal:
        scores = jnp.where(np.tri(*shape[-2:], dtype=np.bool_), scores, -np.inf)
    weights = _weights(scores).astype(v.dtype)
    out = _product(weights if dropped is None else weights * dropped, v, v.dtype)
    return out.reshape(*shape[:-1], v.shape[-1])


def _to_even(x: Any, axes: Sequence[int]) -> Any:
    """``x`` with a zero more along those of ``axes`` whose size is odd."""
    edges = [(0, x.shape[a] % 2 if a in axes else 0, 0) for a in range(x.ndim)]
    return jax.lax.pad(x, jnp.zeros((), x.dtype), edges)


def _fused(q: Any, k: Any, v: Any, mask: Any, causal: bool, scale: float) -> Any:
    """By cuDNN, whose layout is (N, L, H, E) and which wants even lengths; it can be told of shorter ones.

    A float mask goes in as a bias, with numbers where it is infinite.
    """
    batch, _, length, _ = q.shape
    source = k.shape[2]
    seen = given = None
    if mask is not None:
        mask = mask.reshape((1,) * (4 - mask.ndim) + mask.shape)
        mask = jnp.broadcast_to(mask, (*mask.shape[:2], length, source))
        seen = mask if mask.dtype == np.bool_ else mask > -np.inf
        lowest = jnp.finfo(q.dtype).min / 2
        given = _to_even(mask if mask.dtype == np.bool_ else jnp.maximum(mask.astype(q.dtype), lowest), (2, 3))
    q, k, v = (jnp.swapaxes(_to_even(x, (2,)), 1, 2) for x in (q, k, v))
    odd = length % 2 or source % 2
    out = jax.nn.dot_product_attention(
        q,
        k,
        v,
        bias=given if given is not None and given.dtype != np.bool_ else None,
        mask=given if given is not None and given.dtype == np.bool_ else None,
        scale=scale,
        is_causal=causal,
        query_seq_lengths=jnp.full(batch, length, np.int32) if odd else None,
        key_value_seq_lengths=jnp.full(batch, source, np.int32) if odd else None,
        implementation="cudnn",
    )
    out = jnp.swapaxes(out, 1, 2)[:, :, :length]
    if seen is None:
        return out
    if causal:
        seen = seen & np.tri(length, source, dtype=np.bool_)
    return jnp.where(seen.any(-1, keepdims=True), out, 0)


@op("scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, "
    "Tensor? dropped=None, bool is_causal=False, *, float? scale=None, bool enable_gqa=False, bool fused=False) -> "
    "Tensor", expose="_nn", saves="query key value",
    grad_name="ScaledDotProductFlashAttentionForCpuBackward0")  # fmt: skip
def scaled_dot_product_attention(
    query, key, value, attn_mask=None, dropped=None, is_causal=False, *, scale=None, enable_gqa=False, fused=False
):
    """``softmax(query @ key.T * scale + mask) @ value``: (..., L, E), (..., S, E), (..., S, F) -> (..., L, F).

    ``attn_mask`` broadcasts to (..., L, S): True where attention is allowed, or numbers to add. ``dropped`` has that
    shape and is what dropout multiplies the weights by. ``scale`` is ``1 / sqrt(E)`` by default. With ``enable_gqa``
    heads of the query share one of key and value. Where a query may attend to nothing the result is 0.

    Raises RuntimeError where shapes or dtypes do not fit together.
    """
    _check(query, key, value, attn_mask, enable_gqa)
    factor = scale if scale is not None else 1 / math.sqrt(query.shape[-1] or 1)
    if fused and (enable_gqa or key.shape[1] == query.shape[1]):
        return _fused(query, key, value, attn_mask, is_causal, factor)
    return _plain(query, key, value, attn_mask, dropped, is_causal, factor, enable_gqa)
