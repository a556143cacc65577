"""Attention (``torch.nn.functional``): scaled dot product attention, and multi-head attention on top of it."""

import math
import warnings
from typing import Any

import jtorch
from jtorch.amp.autocast_mode import get_autocast_dtype, is_autocast_enabled
from jtorch.nn.functional._kernels import nn
from jtorch.ops.attention import fusable, scores_shape

__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False, *,
    scale: float | None = None, enable_gqa: bool = False,
) -> Any:  # fmt: skip
    """``softmax(query @ key.T * scale + mask) @ value``: (..., L, E), (..., S, E), (..., S, F) -> (..., L, F).

    A boolean ``attn_mask`` says where attention is allowed; a float one is added to the scores. Dropout is applied
    whenever ``dropout_p`` is above 0. With ``enable_gqa`` heads of ``query`` share one of ``key`` and ``value``.
    """
    if not 0.0 <= dropout_p <= 1.0:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {dropout_p}")
    dropped = None
    if dropout_p > 0.0:
        shape = scores_shape(tuple(query.shape), tuple(key.shape), enable_gqa)
        ones = jtorch.ones(shape, dtype=query.dtype, device=query.device)
        dropped = jtorch.dropout(ones, dropout_p, True)
    fused = dropped is None and _has_fused(query) and fusable(query, key, value)
    return nn.scaled_dot_product_attention(
        query, key, value, attn_mask, dropped, is_causal, scale=scale, enable_gqa=enable_gqa, fused=fused
    )


def _has_fused(query: Any) -> bool:
    """Whether the device has flash attention for the dtype the products will be computed in."""
    if query.device.type != "cuda":
        return False
    dtype = get_autocast_dtype("cuda") if is_autocast_enabled("cuda") else query.dtype
    return dtype in (jtorch.float16, jtorch.bfloat16) and jtorch.cuda.get_device_capability(query.device) >= (8, 0)


# --- multi-head attention -------------------------------------------------------------------------------------------


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _check_dims(query: Any, key: Any, value: Any, key_padding_mask: Any, attn_mask: Any, num_heads: int) -> bool:
    """Whether there is a batch dimension; AssertionError where dimensions do not agree on it."""
    n = query.dim()
    _require(n in (2, 3), f"query should be unbatched 2D or batched 3D tensor but received {n}-D query tensor")
    kind = f"For {'batched' if n == 3 else 'unbatched'} ({n}-D) `query`, expected"
    _require(
        key.dim() == value.dim() == n,
        f"{kind} `key` and `value` to be {n}-D but found {key.dim()}-D and {value.dim()}-D tensors respectively",
    )
    if key_padding_mask is not None:
        found = key_padding_mask.dim()
        _require(
            found == n - 1, f"{kind} `key_padding_mask` to be `None` or {n - 1}-D but found {found}-D tensor instead"
        )
    if attn_mask is not None:
        found = attn_mask.dim()
        _require(found in (2, 3), f"{kind} `attn_mask` to be `None`, 2-D or 3-D but found {found}-D tensor instead")
        if n == 2 and found == 3:
            want = (num_heads, query.shape[0], key.shape[0])
            have = attn_mask.shape
            _require(tuple(have) == want, f"Expected `attn_mask` shape to be {want} but got {have}")
    return n == 3


def _as_float_mask(mask: Any, name: str, dtype: Any, other: Any = None) -> Any:
    """A mask to add to the scores. In a boolean mask True means not to attend; a float mask is one already."""
    if mask is None:
        return None
    _require(
        mask.dtype == jtorch.bool or mask.is_floating_point(), f"only bool and floating types of {name} are supported"
    )
    if other is not None and other.dtype != mask.dtype:
        warnings.warn(
            f"Support for mismatched {name} and attn_mask is deprecated. Use same type for both instead.", stacklevel=4
        )
    if mask.is_floating_point():
        return mask
    return jtorch.zeros_like(mask, dtype=dtype).masked_fill(mask, -math.inf)


def _check_attn_mask(mask: Any, length: int, source: int, rows: int) -> Any:
    """``mask`` with a dimension for batch and heads: (1, L, S) or (N * heads, L, S)."""
    if mask.dim() == 2:
        want: tuple[int, ...] = (length, source)
    elif mask.dim() == 3:
        want = (rows, length, source)
    else:
        raise RuntimeError(f"attn_mask's dimension {mask.dim()} is not supported")
    if tuple(mask.shape) != want:
        raise RuntimeError(f"The shape of the {mask.dim()}D attn_mask is {mask.shape}, but should be {want}.")
    return mask.unsqueeze(0) if mask.dim() == 2 else mask


def _project(query: Any, key: Any, value: Any, weight: Any, bias: Any) -> list:
    """Queries, keys and values by one weight, (3E, E); inputs that are the same tensor are projected together."""
    size = query.size(-1)
    if query is key and key is value:
        return list(nn.linear(query, weight, bias).split(size, dim=-1))
    if key is value:
        weights = weight.split([size, 2 * size])
        biases = (None, None) if bias is None else bias.split([size, 2 * size])
        return [nn.linear(query, weights[0], biases[0]), *nn.linear(key, weights[1], biases[1]).split(size, dim=-1)]
    biases = (None,) * 3 if bias is None else bias.chunk(3)
    return [nn.linear(x, w, b) for x, w, b in zip((query, key, value), weight.chunk(3), biases, strict=True)]


def _project_apart(inputs: tuple, weights: tuple, bias: Any) -> list:
    """Queries, keys and values each by a weight of its own, (E, size of the input)."""
    size = inputs[0].size(-1)
    biases = (None,) * 3 if bias is None else bias.chunk(3)
    names = ("query", "key", "value")
    for name, x, w in zip(names, inputs, weights, strict=True):
        want = (size, x.size(-1))
        _require(tuple(w.shape) == want, f"expecting {name} weights shape of {want}, but got {w.shape}")
    for name, b in zip(names, biases, strict=True):
        if b is not None:
            _require(tuple(b.shape) == (size,), f"expecting {name} bias shape of {(size,)}, but got {b.shape}")
    return [nn.linear(x, w, b) for x, w, b in zip(inputs, weights, biases, strict=True)]


def _heads_first(x: Any, static: Any, name: str, rows: int, head_dim: int) -> Any:
    """(S, N, E) as (N * heads, S, E / heads), or what the caller gave in its place."""
    if static is None:
        return x.reshape(x.shape[0], rows, head_dim).transpose(0, 1)
    _require(static.size(0) == rows, f"expecting {name}.size(0) of {rows}, but got {static.size(0)}")
    _require(static.size(2) == head_dim, f"expecting {name}.size(2) of {head_dim}, but got {static.size(2)}")
    return static


def _one_more_key(*masks: Any) -> list:
    """Masks with a column more, of zeros."""
    return [None if m is None else jtorch.constant_pad_nd(m, (0, 1)) for m in masks]


def multi_head_attention_forward(
    query: Any,
    key: Any,
    value: Any,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Any,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,
    out_proj_bias: Any,
    training: bool = True,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Any = None,
    k_proj_weight: Any = None,
    v_proj_weight: Any = None,
    static_k: Any = None,
    static_v: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Any, Any]:
    """Attention in ``num_heads`` heads of projected inputs: query (L, N, E), key and value (S, N, E), or without N.

    Returns the output, (L, N, E) or (L, E), and with ``need_weights`` the weights, (N, L, S) or (L, S), else None;
    without ``average_attn_weights`` the weights have a dimension of heads before L.

    Arguments:
        key_padding_mask: (N, S) or (S): keys to leave out (True), or numbers to add to their scores.
        attn_mask: (L, S) or (N * num_heads, L, S), likewise for each query.
        is_causal: says that ``attn_mask`` is the causal mask, which must be given.
        static_k, static_v: (N * num_heads, S, E / num_heads) to take in place of projected keys and values.

    Raises AssertionError or RuntimeError where shapes or dtypes do not fit together.
    """
    batched = _check_dims(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        same = {id(t): t.unsqueeze(1) for t in (query, key, value)}  # one tensor in two places stays one
        query, key, value = same[id(query)], same[id(key)], same[id(value)]
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    length, batch, embed_dim = query.shape
    source = key.shape[0]
    rows = batch * num_heads
    key_padding_mask = _as_float_mask(key_padding_mask, "key_padding_mask", query.dtype, attn_mask)
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
            "`generate_square_subsequent_mask` to create this mask."
        )
    if is_causal and key_padding_mask is None and not need_weights:
        attn_mask = None  # the hint is enough
    else:
        attn_mask = _as_float_mask(attn_mask, "attn_mask", query.dtype)
        is_causal = is_causal and key_padding_mask is None

    _require(
        embed_dim == embed_dim_to_check,
        f"was expecting embedding dimension of {embed_dim_to_check}, but got {embed_dim}",
    )
    head_dim = embed_dim // num_heads
    _require(head_dim * num_heads == embed_dim, f"embed_dim {embed_dim} not divisible by num_heads {num_heads}")
    if use_separate_proj_weight:
        have, want = tuple(key.shape[:2]), tuple(value.shape[:2])
        _require(have == want, f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}")
        weights = (q_proj_weight, k_proj_weight, v_proj_weight)
        for name, w in zip("qkv", weights, strict=True):
            _require(w is not None, f"use_separate_proj_weight is True but {name}_proj_weight is None")
        q, k, v = _project_apart((query, key, value), weights, in_proj_bias)
    else:
        _require(key.shape == value.shape, f"key shape {key.shape} does not match value shape {value.shape}")
        _require(in_proj_weight is not None, "use_separate_proj_weight is False but in_proj_weight is None")
        q, k, v = _project(query, key, value, in_proj_weight, in_proj_bias)

    attn_mask = None if attn_mask is None else _check_attn_mask(attn_mask, length, source, rows)
    if bias_k is not None and bias_v is not None:
        _require(static_k is None, "bias cannot be added to static key.")
        _require(static_v is None, "bias cannot be added to static value.")
        k = jtorch.cat([k, bias_k.repeat(1, batch, 1)])
        v = jtorch.cat([v, bias_v.repeat(1, batch, 1)])
        attn_mask, key_padding_mask = _one_more_key(attn_mask, key_padding_mask)
    else:
        _require(bias_k is None, "bias_k is set but bias_v is None")
        _require(bias_v is None, "bias_v is set but bias_k is None")

    q = _heads_first(q, None, "query", rows, head_dim)
    k = _heads_first(k, static_k, "static_k", rows, head_dim)
    v = _heads_first(v, static_v, "static_v", rows, head_dim)
    if add_zero_attn:
        nothing = jtorch.zeros(rows, 1, head_dim, dtype=k.dtype, device=k.device)
        k, v = (jtorch.cat([x, nothing.to(x.dtype)], dim=1) for x in (k, v))
        attn_mask, key_padding_mask = _one_more_key(attn_mask, key_padding_mask)
    source = k.size(1)

    if key_padding_mask is not None:
        for d, want in enumerate((batch, source)):
            have = key_padding_mask.shape[d]
            _require(have == want, f"Expected key_padded_mask.shape[{d}] to be {want}, but got {have}")
        padding = key_padding_mask.view(batch, 1, 1, source).expand(-1, num_heads, -1, -1).reshape(rows, 1, source)
        attn_mask = padding if attn_mask is None else attn_mask + padding
    dropout_p = dropout_p if training else 0.0

    if need_weights:
        out, attention = _with_weights(q, k, v, attn_mask, dropout_p)
        out = out.transpose(0, 1)
        attention = attention.view(batch, num_heads, length, source)
        attention = attention.mean(dim=1) if average_attn_weights else attention
        attention = attention if batched else attention.squeeze(0)
    else:
        if attn_mask is not None:
            shared = attn_mask.size(0) == 1
            attn_mask = attn_mask.unsqueeze(0) if shared else attn_mask.view(batch, num_heads, -1, source)
        q, k, v = (x.reshape(batch, num_heads, -1, head_dim) for x in (q, k, v))
        out = scaled_dot_product_attention(q, k, v, attn_mask, dropout_p, is_causal).permute(2, 0, 1, 3)
        attention = None
    out = nn.linear(out.reshape(length * batch, embed_dim), out_proj_weight, out_proj_bias)
    out = out.view(length, batch, out.size(1))
    return (out if batched else out.squeeze(1)), attention


def _with_weights(q: Any, k: Any, v: Any, mask: Any, dropout_p: float) -> tuple[Any, Any]:
    """Attention of (rows, L, E), (rows, S, E), (rows, S, E), and its weights (rows, L, S)."""
    scaled, turned = q * math.sqrt(1.0 / q.shape[-1]), k.transpose(-2, -1)
    scores = jtorch.bmm(scaled, turned) if mask is None else jtorch.baddbmm(mask, scaled, turned)
    weights = scores.softmax(-1)
    if dropout_p > 0.0:
        weights = jtorch.dropout(weights, dropout_p, True)
    return jtorch.bmm(weights, v), weights
