"""Multi-head attention (``torch.nn.modules.activation.MultiheadAttention``)."""

from typing import Any

import jtorch
import jtorch.nn.functional as F
from jtorch.nn.init import constant_, xavier_normal_, xavier_uniform_
from jtorch.nn.modules.linear import NonDynamicallyQuantizableLinear
from jtorch.nn.modules.module import Module
from jtorch.nn.parameter import Parameter


class MultiheadAttention(Module):
    """Multi-head attention (arXiv:1706.03762).

    ``forward(query, key, value)`` takes (L, N, embed_dim), (S, N, kdim) and (S, N, vdim), with ``batch_first`` the
    batch first, or all three without a batch. It returns the output, shaped as the query, and the attention weights
    (N, L, S), per head (N, num_heads, L, S) without ``average_attn_weights``, or None without ``need_weights``.

    Arguments:
        embed_dim: the model's width, split among ``num_heads`` heads; AssertionError if it does not divide.
        dropout: probability of dropping an attention weight in training.
        bias: whether the four projections have a bias.
        add_bias_kv: append a learned key and value to the sequences.
        add_zero_attn: append a key and value of zeros.
        kdim, vdim: the widths of keys and values, if not ``embed_dim``.
    """

    __constants__ = ["batch_first"]

    bias_k: Any
    bias_v: Any

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                "embed_dim and num_heads must be greater than 0, "
                f"got embed_dim={embed_dim} and num_heads={num_heads} instead"
            )
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = kdim if kdim is not None else embed_dim
        self.vdim = vdim if vdim is not None else embed_dim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError("embed_dim must be divisible by num_heads")

        if self._qkv_same_embed_dim:
            self.in_proj_weight = Parameter(jtorch.empty((3 * embed_dim, embed_dim), **factory))
            for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight"):
                self.register_parameter(name, None)
        else:
            self.q_proj_weight = Parameter(jtorch.empty((embed_dim, embed_dim), **factory))
            self.k_proj_weight = Parameter(jtorch.empty((embed_dim, self.kdim), **factory))
            self.v_proj_weight = Parameter(jtorch.empty((embed_dim, self.vdim), **factory))
            self.register_parameter("in_proj_weight", None)
        if bias:
            self.in_proj_bias = Parameter(jtorch.empty(3 * embed_dim, **factory))
        else:
            self.register_parameter("in_proj_bias", None)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, **factory)
        if add_bias_kv:
            self.bias_k = Parameter(jtorch.empty((1, 1, embed_dim), **factory))
            self.bias_v = Parameter(jtorch.empty((1, 1, embed_dim), **factory))
        else:
            self.bias_k = self.bias_v = None
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        if self._qkv_same_embed_dim:
            xavier_uniform_(self.in_proj_weight)
        else:
            xavier_uniform_(self.q_proj_weight)
            xavier_uniform_(self.k_proj_weight)
            xavier_uniform_(self.v_proj_weight)
        if self.in_proj_bias is not None:
            constant_(self.in_proj_bias, 0.0)
            constant_(self.out_proj.bias, 0.0)
        if self.bias_k is not None:
            xavier_normal_(self.bias_k)
        if self.bias_v is not None:
            xavier_normal_(self.bias_v)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({"_qkv_same_embed_dim": True, **state})

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Any, Any]:
        """Attend. In boolean masks True means *not* to attend; float masks are added to the scores.

        Arguments:
            key_padding_mask: (N, S), or (S) without a batch: keys to leave out.
            attn_mask: (L, S) or (N·num_heads, L, S).
            is_causal: a hint that ``attn_mask`` is the causal mask; it must be given all the same.
        """
        swap = self.batch_first and query.dim() == 3
        if swap:
            # The same tensor in two places stays one: the functional form then projects it once.
            swapped = {id(t): t.transpose(1, 0) for t in (query, key, value)}
            query, key, value = swapped[id(query)], swapped[id(key)], swapped[id(value)]
        weights: dict[str, Any] = {}
        if not self._qkv_same_embed_dim:
            weights = {
                "use_separate_proj_weight": True,
                "q_proj_weight": self.q_proj_weight,
                "k_proj_weight": self.k_proj_weight,
                "v_proj_weight": self.v_proj_weight,
            }
        output, attention = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
            **weights,
        )
        return (output.transpose(1, 0) if swap else output), attention

    def merge_masks(self, attn_mask: Any, key_padding_mask: Any, query: Any) -> tuple[Any, int | None]:
        """The two masks as one, (N, num_heads, L, L), and its kind: None, 1 (padding only) or 2. ``query`` is
        (N, L, E).
        """
        if attn_mask is None:
            return key_padding_mask, None if key_padding_mask is None else 1
        batch, length = query.shape[:2]
        if attn_mask.dim() == 3:
            merged = attn_mask.view(batch, -1, length, length)
        else:
            merged = attn_mask.view(1, 1, length, length).expand(batch, self.num_heads, -1, -1)
        if key_padding_mask is not None:
            merged = merged + key_padding_mask.view(batch, 1, 1, length).expand(-1, self.num_heads, -1, -1)
        return merged, 2


# Files name the class by the module torch has it in.
MultiheadAttention.__module__ = "jtorch.nn.modules.activation"
