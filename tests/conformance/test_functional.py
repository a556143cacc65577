"""Activations, pooling, dropout, attention and signatures of ``torch.nn.functional`` on both libraries."""

import inspect
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as theirs

import jtorch.nn.functional as ours
from tests.conformance.functional import check, f

INF = math.inf
# torch's own machinery, and what torch keeps there by accident
_OTHER = {
    "BroadcastingList1", "BroadcastingList2", "BroadcastingList3", "Callable", "DType", "Optional", "ScalingType",
    "SwizzleType", "TYPE_CHECKING", "Tensor", "assert_int_or_pair", "boolean_dispatch", "grouped_mm",
    "handle_torch_function", "has_torch_function", "has_torch_function_unary", "has_torch_function_variadic",
    "reproducibility_notes", "scaled_grouped_mm", "scaled_mm", "sparse_support_notes", "tf32_notes",
}  # fmt: skip
NAMES = [n for n in dir(theirs) if n[0] != "_" and n not in _OTHER and not inspect.ismodule(getattr(theirs, n))]


@pytest.mark.parametrize("name", NAMES)
def test_signatures(name):
    mine, right = getattr(ours, name), getattr(theirs, name)
    if not inspect.isfunction(right) or str(inspect.signature(right)) == "(*args, **kwargs)":
        return  # a builtin has no signature, and what dispatches on an argument shows none
    wanted = [(p.name, p.kind, p.default) for p in inspect.signature(right).parameters.values()]
    assert [(p.name, p.kind, p.default) for p in inspect.signature(mine).parameters.values()] == wanted


# --- activations ----------------------------------------------------------------------------------------------------

_INPLACE = {
    "relu": (), "relu6": (), "elu": (0.5,), "selu": (), "celu": (0.7,), "leaky_relu": (0.2,), "hardtanh": (-0.5, 0.5),
    "hardsigmoid": (), "hardswish": (), "silu": (), "mish": (), "threshold": (0.1, 20.0), "rrelu": (),
}  # fmt: skip
_PLAIN = {
    "glu": (), "sigmoid": (), "tanh": (), "softsign": (), "tanhshrink": (), "gelu": (), "softplus": (),
    "logsigmoid": (), "hardshrink": (), "softshrink": (),
}  # fmt: skip


@pytest.mark.parametrize("name", [*_INPLACE, *_PLAIN])
def test_activations(name):
    x = f(3, 4)
    x[0, 0] = 0
    args = {**_INPLACE, **_PLAIN}[name]
    check(name, x, *args)
    check(name, x.astype(np.int64), *args)
    if name in _INPLACE:
        check(name, x, *args, inplace=True, grads=False)
        check(name, x, *args, inplace=True)  # a leaf that wants a gradient


@pytest.mark.parametrize("name", ["relu_", "elu_", "selu_", "celu_", "leaky_relu_", "hardtanh_", "rrelu_"])
def test_names_of_inplace_activations(name):
    check(name, f(3, 4), grads=False)


def test_activation_errors():
    x = f(3, 3)
    check("hardtanh", x, 2.0, 1.0)
    check("rrelu", x, 0.5, 0.1)
    check("rrelu", x, 0.0, INF, True)
    check("glu", x)
    check("celu", x, 0.0)


@pytest.mark.parametrize("name", ["softmax", "softmin", "log_softmax"])
def test_softmax(name):
    x = f(3, 4)
    for dim in (0, -1, None, 2):
        check(name, x, dim)
    check(name, f(2, 3, 4))
    check(name, f(4))
    check(name, x, 1, dtype=torch.float64)
    check(name, x.astype(np.int64), 1)
    check(name, x.astype(np.int64), 1, dtype=torch.float32)


def test_random_activations():
    check("rrelu", f(5, 40), 0.1, 0.4, True, seed=5)
    check("rrelu", f(5, 40), training=True, inplace=True, seed=5, grads=False)
    check("gumbel_softmax", f(6, 7), 0.7, seed=5)
    check("gumbel_softmax", f(6, 7), hard=True, dim=0, seed=5)
    check("gumbel_softmax", f(6, 7), eps=1e-5, seed=5)


# --- dropout --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0, 1.5, -0.1])
@pytest.mark.parametrize("training", [True, False])
def test_dropout(p, training):
    for name in ("dropout", "alpha_dropout", "feature_alpha_dropout"):
        check(name, f(3, 4, 15), p, training, seed=5)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_dropout_of_channels(n):
    for ndim in range(n, n + 4):
        check(f"dropout{n}d", f(*range(2, 2 + ndim)), 0.4, seed=5)
        check(f"dropout{n}d", f(*range(2, 2 + ndim)), 0.4, True, True, seed=5, grads=False)


# --- pooling --------------------------------------------------------------------------------------------------------

_SPACES = {1: f(2, 3, 9), 2: f(2, 3, 8, 9), 3: f(1, 2, 6, 5, 6)}


@pytest.mark.parametrize("n", _SPACES)
def test_max_pools(n):
    x = _SPACES[n]
    for indices in (False, True):
        check(f"max_pool{n}d", x, 3, 2, 1, 1, True, indices)
        check(f"adaptive_max_pool{n}d", x, 3, indices)
    check(f"max_pool{n}d_with_indices", x, 2, return_indices=False)
    check(f"adaptive_max_pool{n}d_with_indices", x, 3)
    check(f"max_pool{n}d", x, 2, padding=2)


@pytest.mark.parametrize("n", _SPACES)
def test_averages_and_norms(n):
    x = np.abs(_SPACES[n]) + 0.1
    check(f"avg_pool{n}d", x, 3, 2, 1)
    check(f"adaptive_avg_pool{n}d", x, 3)
    if n > 1:
        check(f"adaptive_avg_pool{n}d", x, (None,) * (n - 1) + (2,))
        check(f"adaptive_max_pool{n}d", x, (None,) * (n - 1) + (2,))
        check(f"adaptive_avg_pool{n}d", x[0, 0], (None,) * n)
        check(f"adaptive_avg_pool{n}d", x, ())
    for norm in (2, 1.5, INF, -INF):
        check(f"lp_pool{n}d", x, norm, 2)
        check(f"lp_pool{n}d", x, norm, 3, 2, True)


@pytest.mark.parametrize("n", _SPACES)
def test_max_unpool(n):
    x = _SPACES[n][..., :6]
    made = getattr(theirs, f"max_pool{n}d")(torch.tensor(x), 2, return_indices=True)
    values, places = (t.numpy() for t in made)
    for size in (x.shape, x.shape[2:], (1,) * n, (3,) * (n + 3)):
        check(f"max_unpool{n}d", values, places, 2, output_size=size)


def test_fractional_max_pool():
    check("fractional_max_pool2d", f(2, 3, 8, 9), 3, (4, 5), seed=5)
    check("fractional_max_pool2d", f(2, 3, 8, 9), 3, output_ratio=(0.5, 0.6), return_indices=True, seed=5)
    check("fractional_max_pool3d", f(3, 8, 9, 7), 2, output_ratio=(0.5, 0.5, 0.5), seed=5)
    check("fractional_max_pool3d_with_indices", f(2, 3, 8, 9, 7), (2, 2, 2), 3, seed=5)
    check("fractional_max_pool2d", f(2, 3, 8, 9), 3)


# --- attention ------------------------------------------------------------------------------------------------------

SDPA = "scaled_dot_product_attention"


def test_scaled_dot_product_attention():
    q, k, v = f(2, 6, 4, 8), f(2, 6, 5, 8), f(2, 6, 5, 6)
    check(SDPA, q, k, v)
    check(SDPA, q, k, v, is_causal=True)
    check(SDPA, q, k, v, scale=0.3)
    check(SDPA, q[0, 0], k[0, 0], v[0, 0])
    for mask in (f(4, 5), f(2, 6, 4, 5), f(4, 5) > 0, f(2, 1, 4, 5) > 0.5, np.zeros((4, 5), bool)):
        check(SDPA, q, k, v, mask)
    for heads in (1, 2, 3):
        check(SDPA, q, k[:, :heads], k[:, :heads], f(2, 6, 4, 5), enable_gqa=True)
    check(SDPA, q, k, v, dropout_p=0.4, seed=5)
    check(SDPA, *(x.astype(np.float64) for x in (q, k, v)))
    check(SDPA, f(2, 3, 0, 8), f(2, 3, 4, 8), f(2, 3, 4, 8))
    check(SDPA, f(2, 3, 4, 8), f(2, 3, 0, 8), f(2, 3, 0, 8))


def test_scaled_dot_product_attention_errors():
    q = f(2, 3, 4, 8)
    check(SDPA, q, q[..., :4], q)
    check(SDPA, q, q[:, :2], q[:, :2])
    check(SDPA, q[0, 0, 0], q, q)
    check(SDPA, q, q.astype(np.float64), q)
    check(SDPA, q, q, q, np.ones((4, 4), np.int64))
    check(SDPA, q, q, q, np.ones((5, 4), bool))
    check(SDPA, q, q, q, np.ones((4, 4), np.float64))
    check(SDPA, q, q, q, dropout_p=1.5)


E, HEADS = 8, 2
W, B, OUT, OUT_B = f(3 * E, E), f(3 * E), f(E, E), f(E)
Q, K, V = f(4, 2, E), f(5, 2, E), f(5, 2, E)
PADDED = np.array([[0, 0, 1, 0, 1], [0, 0, 0, 0, 1]], bool)
AHEAD = np.triu(np.ones((4, 5), bool), 1)


def attend(q, k, v, embed=E, heads=HEADS, **changed):
    given = {
        "in_proj_weight": W, "in_proj_bias": B, "bias_k": None, "bias_v": None, "add_zero_attn": False,
        "dropout_p": 0.0, "out_proj_weight": OUT, "out_proj_bias": OUT_B, **changed,
    }  # fmt: skip
    check("multi_head_attention_forward", q, k, v, embed, heads, **given)


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"in_proj_bias": None, "out_proj_bias": None},
        {"average_attn_weights": False},
        {"key_padding_mask": PADDED},
        {"key_padding_mask": f(2, 5)},
        {"attn_mask": AHEAD},
        {"attn_mask": f(4, 5)},
        {"attn_mask": f(4, 4, 5)},
        {"attn_mask": AHEAD, "key_padding_mask": PADDED},
        {"attn_mask": f(4, 5), "key_padding_mask": PADDED},
        {"attn_mask": AHEAD, "is_causal": True},
        {"attn_mask": AHEAD, "key_padding_mask": PADDED, "is_causal": True},
        {"is_causal": True},
        {"bias_k": f(1, 1, E), "bias_v": f(1, 1, E), "attn_mask": AHEAD, "key_padding_mask": PADDED},
        {"add_zero_attn": True, "attn_mask": AHEAD, "key_padding_mask": PADDED},
        {"static_k": f(4, 6, 4), "static_v": f(4, 6, 4)},
    ],
    ids=lambda changed: "-".join(changed) or "plain",
)
def test_multi_head_attention(changed, need_weights):
    attend(Q, K, V, need_weights=need_weights, **changed)


@pytest.mark.parametrize("need_weights", [True, False])
def test_multi_head_attention_without_a_batch(need_weights):
    q, k, v = Q[:, 0], K[:, 0], V[:, 0]
    attend(q, k, v, need_weights=need_weights)
    attend(q, k, v, need_weights=need_weights, average_attn_weights=False)
    attend(q, k, v, need_weights=need_weights, attn_mask=f(2, 4, 5), key_padding_mask=PADDED[0])
    attend(q, k, v, need_weights=need_weights, attn_mask=f(1, 4, 5))


def test_multi_head_attention_with_separate_weights():
    weights = {"q_proj_weight": f(E, E), "k_proj_weight": f(E, 6), "v_proj_weight": f(E, 7)}
    attend(Q, f(5, 2, 6), f(5, 2, 7), in_proj_weight=None, use_separate_proj_weight=True, **weights)
    attend(Q, K, V, use_separate_proj_weight=True, **weights)
    attend(Q, K, V, use_separate_proj_weight=True)


def test_multi_head_attention_errors():
    attend(Q, K, V, embed=9)
    attend(Q, K, V, heads=3)
    attend(Q, K, V[:4])
    attend(Q, K[:, 0], V)
    attend(Q[:, 0], K, V)
    attend(Q[0, 0], K, V)
    attend(Q, K, V, in_proj_weight=None)
    attend(Q, K, V, bias_k=f(1, 1, E))
    attend(Q, K, V, static_k=f(3, 6, 4))
    for mask in (f(4, 4), f(3, 4, 5), f(4), np.ones((4, 5), np.int64)):
        attend(Q, K, V, attn_mask=mask)
    for mask in (f(2, 4), f(5), np.ones((2, 5), np.int64)):
        attend(Q, K, V, key_padding_mask=mask)
