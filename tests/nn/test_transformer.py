"""Multi-head attention and transformers: formulas, masks, layouts, errors."""

import copy
import warnings
from typing import Any

import pytest

import jtorch
from jtorch import nn

INF = float("inf")


def close(a: Any, b: Any, tol: float = 1e-5) -> bool:
    return bool(jtorch.allclose(a, b, rtol=tol, atol=tol))


def attend(m: nn.MultiheadAttention, x: Any, mask: Any = None) -> tuple[Any, Any]:
    """Self-attention of (L, N, E) written out. Returns the output and the weights a head, (N, H, L, L)."""
    length, batch, width = x.shape
    q, k, v = (x @ m.in_proj_weight.t() + m.in_proj_bias).chunk(3, -1)
    q, k, v = (t.view(length, batch, m.num_heads, m.head_dim).permute(1, 2, 0, 3) for t in (q, k, v))
    scores = q @ k.mT / m.head_dim**0.5
    if mask is not None:
        scores = scores + mask
    weights = scores.softmax(-1)
    out = (weights @ v).permute(2, 0, 1, 3).reshape(length, batch, width)
    return m.out_proj(out), weights


def test_attention_formula() -> None:
    m = nn.MultiheadAttention(8, 2)
    x = jtorch.randn(5, 3, 8)
    out, weights = m(x, x, x)
    expected, per_head = attend(m, x)
    assert close(out, expected) and close(weights, per_head.mean(1))
    assert close(m(x, x, x, average_attn_weights=False)[1], per_head)
    assert m(x, x, x, need_weights=False)[1] is None
    assert close(m(x, x, x, need_weights=False)[0], expected)


def test_attention_layouts() -> None:
    m = nn.MultiheadAttention(8, 2)
    q, kv = jtorch.randn(4, 3, 8), jtorch.randn(5, 3, 8)
    out, weights = m(q, kv, kv)
    assert out.shape == (4, 3, 8) and weights.shape == (3, 4, 5)
    m.batch_first = True
    first, same = m(q.transpose(0, 1), kv.transpose(0, 1), kv.transpose(0, 1))
    assert close(first.transpose(0, 1), out) and close(same, weights)
    single, _ = m(q[:, 0], kv[:, 0], kv[:, 0])
    assert close(single, out[:, 0])


def test_masks() -> None:
    m = nn.MultiheadAttention(8, 2)
    x = jtorch.randn(4, 2, 8)
    causal = nn.Transformer.generate_square_subsequent_mask(4)
    expected, per_head = attend(m, x, causal)
    for given in (causal, causal == -INF, causal.expand(4, 4, 4)):
        out, weights = m(x, x, x, attn_mask=given)
        assert close(out, expected) and close(weights, per_head.mean(1))
    padding = jtorch.tensor([[False, False, False, True], [False, False, True, True]])
    _, weights = m(x, x, x, key_padding_mask=padding)
    assert (weights[0, :, 3] == 0).all() and (weights[1, :, 2:] == 0).all()
    assert close(weights.sum(-1), jtorch.ones(2, 4))


def test_attention_parameters() -> None:
    assert list(nn.MultiheadAttention(8, 2).state_dict()) == [
        "in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias",
    ]  # fmt: skip
    m = nn.MultiheadAttention(8, 2, kdim=6, vdim=5, add_bias_kv=True, add_zero_attn=True)
    assert m.k_proj_weight.shape == (8, 6) and m.in_proj_weight is None
    out, weights = m(jtorch.randn(4, 2, 8), jtorch.randn(3, 2, 6), jtorch.randn(3, 2, 5))
    assert out.shape == (4, 2, 8) and weights.shape == (2, 4, 5)  # a learned key and one of zeros
    with pytest.raises(AssertionError, match="embed_dim must be divisible by num_heads"):
        nn.MultiheadAttention(4, 3)
    with pytest.raises(ValueError, match="must be greater than 0"):
        nn.MultiheadAttention(0, 1)
    x = jtorch.ones(2, 1, 8)
    with pytest.raises(RuntimeError, match="Need attn_mask if specifying the is_causal hint"):
        nn.MultiheadAttention(8, 2)(x, x, x, is_causal=True)


@pytest.mark.parametrize("norm_first", [False, True])
def test_encoder_layer_formula(norm_first: bool) -> None:
    m = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, norm_first=norm_first)
    x = jtorch.randn(4, 2, 8)

    def feed(t: Any) -> Any:
        return m.linear2(m.linear1(t).relu())

    if norm_first:
        y = x + attend(m.self_attn, m.norm1(x))[0]
        expected = y + feed(m.norm2(y))
    else:
        y = m.norm1(x + attend(m.self_attn, x)[0])
        expected = m.norm2(y + feed(y))
    assert close(m(x), expected)


@pytest.mark.parametrize("norm_first", [False, True])
def test_decoder_layer_formula(norm_first: bool) -> None:
    m = nn.TransformerDecoderLayer(8, 2, 16, dropout=0.0, norm_first=norm_first, activation="gelu")
    x, memory = jtorch.randn(3, 2, 8), jtorch.randn(5, 2, 8)

    def look(t: Any) -> Any:
        return m.multihead_attn(t, memory, memory)[0]

    def feed(t: Any) -> Any:
        return m.linear2(nn.functional.gelu(m.linear1(t)))

    if norm_first:
        y = x + attend(m.self_attn, m.norm1(x))[0]
        y = y + look(m.norm2(y))
        expected = y + feed(m.norm3(y))
    else:
        y = m.norm1(x + attend(m.self_attn, x)[0])
        y = m.norm2(y + look(y))
        expected = m.norm3(y + feed(y))
    assert close(m(x, memory), expected)


def test_stacks_copy_their_layer() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    stack = nn.TransformerEncoder(layer, 3, nn.LayerNorm(8))
    assert len(stack.layers) == 3 and stack.layers[0] is not stack.layers[1]
    x = jtorch.randn(2, 4, 8)
    assert close(stack(x), stack.norm(layer(layer(layer(x)))))
    decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16, dropout=0.0, batch_first=True), 2)
    assert close(decoder(x, x), decoder.layers[1](decoder.layers[0](x, x), x))


def test_transformer_ignores_the_future() -> None:
    m = nn.Transformer(8, 2, 1, 1, 16, dropout=0.0, batch_first=True)
    src, tgt = jtorch.randn(2, 5, 8), jtorch.randn(2, 4, 8)
    mask = nn.Transformer.generate_square_subsequent_mask(4)
    assert mask.tolist() == [[0, -INF, -INF, -INF], [0, 0, -INF, -INF], [0, 0, 0, -INF], [0, 0, 0, 0]]
    out = m(src, tgt, tgt_mask=mask, tgt_is_causal=True)
    changed = tgt.clone()
    changed[:, 3] += 1
    again = m(src, changed, tgt_mask=mask)
    assert close(again[:, :3], out[:, :3]) and not close(again[:, 3], out[:, 3])
    assert all(p.dim() == 1 or p.abs().max() < 1.5 for p in m.parameters())


def test_padding_comes_out_as_zeros_in_inference() -> None:
    m = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2).eval()
    x = jtorch.randn(2, 4, 8)
    last = jtorch.tensor([[False, False, True, True], [False, False, False, True]])
    first = last.flip(1)
    with jtorch.no_grad():
        out = m(x, src_key_padding_mask=last)
        assert (out[last] == 0).all() and (out[~last] != 0).all()
        assert (m(x, src_key_padding_mask=first) != 0).all()
        assert (m(x, mask=jtorch.zeros(4, 4).bool(), src_key_padding_mask=last) != 0).all()
    with_grad = m(x, src_key_padding_mask=last)
    assert (with_grad != 0).all() and close(with_grad[~last], out[~last])


def test_options_and_errors() -> None:
    with pytest.raises(RuntimeError, match="activation should be relu/gelu, not x"):
        nn.TransformerEncoderLayer(8, 2, activation="x")
    with pytest.warns(UserWarning, match="self_attn.batch_first was not True"):
        nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 1, enable_nested_tensor=False)
    m = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
    with pytest.raises(RuntimeError, match="the batch number of src and tgt must be equal"):
        m(jtorch.ones(2, 3, 8), jtorch.ones(1, 3, 8))
    with pytest.raises(RuntimeError, match="must be equal to d_model"):
        m(jtorch.ones(2, 3, 7), jtorch.ones(2, 3, 8))
    layer = nn.TransformerEncoderLayer(8, 2, 16, bias=False)
    assert [name for name, _ in layer.named_parameters()] == [
        "self_attn.in_proj_weight", "self_attn.out_proj.weight", "linear1.weight", "linear2.weight", "norm1.weight",
        "norm2.weight",
    ]  # fmt: skip
    with pytest.raises(AssertionError, match="only bool and floating types of src_mask are supported"):
        layer(jtorch.ones(3, 1, 8), src_mask=jtorch.ones(3, 3, dtype=jtorch.int32))
    assert copy.deepcopy(layer)(jtorch.ones(3, 1, 8)).shape == (3, 1, 8)


def test_attention_backends_and_causal_masks() -> None:
    from jtorch.nn.attention import SDPBackend, _cur_sdpa_kernel_backends, bias, sdpa_kernel

    with sdpa_kernel([SDPBackend.MATH, SDPBackend.MATH]):
        assert _cur_sdpa_kernel_backends() == [SDPBackend.MATH]
    assert len(_cur_sdpa_kernel_backends()) == 5
    with pytest.raises(AssertionError, match="Backend must be an instance of SDPBackend"), sdpa_kernel(3):
        pass
    assert bias.causal_upper_left(2, 3).tolist() == [[True, False, False], [True, True, False]]
    assert bias.causal_lower_right(2, 3).tolist() == [[True, True, False], [True, True, True]]
