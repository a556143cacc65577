"""flex_attention and its block masks on both libraries."""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import jtorch

_rng = np.random.default_rng(0)
Q, K, V, BIAS = (
    _rng.standard_normal(s).astype(np.float32) for s in ((2, 4, 5, 8), (2, 4, 7, 8), (2, 4, 7, 6), (4, 5, 7))
)
DOC = np.array([[0, 0, 1, 1, 2, 2, 2], [0, 1, 1, 1, 1, 3, 3]])


def causal(b: Any, h: Any, q: Any, k: Any) -> Any:
    return q >= k


def flex(lib: Any) -> Any:
    return importlib.import_module(f"{lib.__name__}.nn.attention.flex_attention")


def blocks(
    lib: Any, mod: Callable = causal, b: Any = None, h: Any = None, q: int = 5, k: int = 7, size: Any = 128
) -> Any:
    return flex(lib).create_block_mask(mod, b, h, q, k, device="cpu", BLOCK_SIZE=size)


def biased(lib: Any) -> Callable:
    bias = lib.tensor(BIAS)
    return lambda s, b, h, q, k: 20 * lib.tanh(s / 20) + bias[h][q, k]


def documents(lib: Any) -> Any:
    doc = lib.tensor(DOC)
    return blocks(lib, flex(lib).and_masks(causal, lambda b, h, q, k: doc[b][q] == doc[b, k]), 2)


CALLS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "plain": lambda lib: {"return_lse": True},
    "scale": lambda lib: {"scale": 0.3, "return_aux": flex(lib).AuxRequest(lse=True)},
    "score": lambda lib: {"score_mod": biased(lib)},
    "causal": lambda lib: {"score_mod": biased(lib), "block_mask": blocks(lib), "return_lse": True},
    "documents": lambda lib: {"block_mask": documents(lib)},
    "nothing": lambda lib: {"block_mask": blocks(lib, lambda b, h, q, k: (q > 3) & (k < 0)), "return_lse": True},
    "short": lambda lib: {"block_mask": blocks(lib, q=4)},
    "long": lambda lib: {"block_mask": blocks(lib, k=8)},
    "both": lambda lib: {"return_lse": True, "return_aux": flex(lib).AuxRequest()},
}


def outcome(lib: Any, call: Callable) -> Any:
    try:
        made = flex(lib).flex_attention(*map(lib.tensor, (Q, K, V)), **call(lib))
    except ValueError as error:
        return str(error)
    parts = [made] if isinstance(made, lib.Tensor) else [made[0], getattr(made[1], "lse", made[1])]
    return [np.asarray(x.numpy()) for x in parts]


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.filterwarnings("ignore")  # torch's own: that it runs unfused
def test_flex_attention(name: str) -> None:
    want, got = outcome(torch, CALLS[name]), outcome(jtorch, CALLS[name])
    if isinstance(want, str):
        assert got == want
        return
    for x, y in zip(want, got, strict=True):
        np.testing.assert_allclose(y, x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("given", [(None, None, 300, 200, 128), (2, 3, 300, 200, (64, 32))])
def test_block_masks(given: tuple) -> None:
    b, h, q, k, size = given
    seen = []
    for lib in (torch, jtorch):
        mask = blocks(lib, causal, b, h, q, k, size)
        for each in (mask, mask[-1], mask[0, 0]):
            names = ("kv_num_blocks", "kv_indices", "full_kv_indices", "q_indices", "full_q_num_blocks")
            tensors = [getattr(each, n).tolist() for n in names]
            seen.append((str(each), repr(each), each.shape, each.numel(), each.to_dense().tolist(), tensors))
    assert seen[: len(seen) // 2] == seen[len(seen) // 2 :]


def test_gradients_reach_what_a_score_uses() -> None:
    q, k, v = (jtorch.tensor(x, requires_grad=True) for x in (Q, K, V))
    bias = jtorch.tensor(BIAS, requires_grad=True)
    got = flex(jtorch).flex_attention(q, k, v, lambda s, b, h, i, j: s + bias[h, i, j])
    grads = jtorch.autograd.grad(got.square().sum(), (q, k, v, bias))
    out = jtorch.nn.functional.scaled_dot_product_attention(q, k, v, bias)
    for x, y in zip(grads, jtorch.autograd.grad(out.square().sum(), (q, k, v, bias)), strict=True):
        assert jtorch.allclose(x, y, rtol=1e-4, atol=1e-5)
