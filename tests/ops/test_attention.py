"""Scaled dot product attention against its formula in NumPy, with masks, grouped heads, and nothing to attend to."""

import ml_dtypes
import numpy as np
import pytest

from jtorch.ops.table import TABLE
from tests.ops.running import run, same, slopes

NAME = "scaled_dot_product_attention"
rng = np.random.default_rng(0)
Q, K, V = (rng.standard_normal(s) for s in ((2, 4, 3, 8), (2, 4, 5, 8), (2, 4, 5, 6)))


def attention(q, k, v, bias=0.0, scale=None):
    scores = q @ np.swapaxes(k, -1, -2) * (scale if scale is not None else q.shape[-1] ** -0.5) + bias
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True) @ v


def test_attends_by_the_formula():
    same(run(NAME, Q, K, V), attention(Q, K, V), 1e-12)
    same(run(NAME, Q[0, 0], K[0, 0], V[0, 0], scale=0.3), attention(Q[0, 0], K[0, 0], V[0, 0], scale=0.3), 1e-12)


@pytest.mark.parametrize("shape", [(3, 5), (1, 5), (2, 1, 3, 5), (4, 3, 5), (2, 4, 3, 5)])
def test_masks_broadcast(shape):
    bias = rng.standard_normal(shape)
    same(run(NAME, Q, K, V, bias), attention(Q, K, V, bias), 1e-12)
    seen = bias > -1
    seen[..., 0] = True
    same(run(NAME, Q, K, V, seen), attention(Q, K, V, np.where(seen, 0, -np.inf)), 1e-12)


def test_causal_starts_in_the_upper_left_corner():
    seen = np.tril(np.ones((3, 5), bool))
    same(run(NAME, Q, K, V, is_causal=True), attention(Q, K, V, np.where(seen, 0, -np.inf)), 1e-12)


def test_grouped_heads_share_keys():
    k, v = K[:, :2], V[:, :2]
    want = attention(Q, np.repeat(k, 2, 1), np.repeat(v, 2, 1))
    same(run(NAME, Q, k, v, enable_gqa=True), want, 1e-12)
    bias = rng.standard_normal((2, 4, 3, 5))
    want = attention(Q, np.repeat(k, 2, 1), np.repeat(V[:, :1], 4, 1), bias)
    same(run(NAME, Q, k, V[:, :1], bias, enable_gqa=True), want, 1e-12)


def test_dropout_multiplies_the_weights():
    dropped = rng.integers(0, 2, (2, 4, 3, 5)) * 2.0
    eye = np.broadcast_to(np.eye(5), (2, 4, 5, 5))
    same(run(NAME, Q, K, eye, dropped=dropped), attention(Q, K, eye) * dropped, 1e-12)


@pytest.mark.parametrize("mask", [np.zeros((3, 5), bool), np.full((3, 5), -np.inf)])
def test_nothing_to_attend_to_gives_zeros_and_no_gradient(mask):
    same(run(NAME, Q, K, V, mask), np.zeros((2, 4, 3, 6)))
    for wrt in range(3):
        assert not slopes(NAME, Q, K, V, mask, wrt=wrt).any()


def test_no_keys_give_zeros():
    same(run(NAME, Q, K[:, :, :0], V[:, :, :0]), np.zeros((2, 4, 3, 6)))


def test_gradient_of_the_values_is_the_weight():
    weights = attention(Q, K, np.broadcast_to(np.eye(5), (2, 4, 5, 5)))
    want = np.broadcast_to(weights.sum(-2)[..., None], V.shape)
    same(slopes(NAME, Q, K, V, wrt=2), want, 1e-12)


def test_halves_keep_scores_in_float32():
    q, k, v = (x.astype(ml_dtypes.bfloat16) for x in (Q * 30, K, V))
    got = run(NAME, q, k, v)
    assert got.dtype == ml_dtypes.bfloat16
    same(got.astype(np.float64), attention(*(x.astype(np.float64) for x in (q, k, v))), 3e-2)


@pytest.mark.parametrize(
    ("args", "kwargs", "error", "words"),
    [
        ((Q, K.astype(np.float32), V), {}, RuntimeError, "to have the same dtype"),
        ((Q[0, 0, 0], K, V), {}, RuntimeError, "at least 2 dimensional"),
        ((Q, K, V, np.ones((3, 5), int)), {}, RuntimeError, "attn_mask dtype to be bool or float"),
        ((Q, K[:, :3], V[:, :3]), {"enable_gqa": True}, RuntimeError, "must divide the number of heads"),
        ((Q, K[..., :4], V), {}, RuntimeError, "Expected size for first two dimensions of batch2"),
        ((Q, K, V, np.ones((4, 5))), {}, RuntimeError, r"The size of tensor a \(3\) must match"),
        ((Q.astype(int), K.astype(int), V.astype(int)), {}, RuntimeError, "expected scalar type Float but found Long"),
    ],
)
def test_misfits_raise(args, kwargs, error, words):
    with pytest.raises(error, match=words):
        TABLE[NAME](*args, **kwargs)
