"""vmap: dimensions, structures, chunks, random numbers, errors."""

import numpy as np
import pytest

import jtorch
from jtorch.func import vmap

M = np.arange(6, dtype=np.float32).reshape(2, 3)


def m():
    return jtorch.from_numpy(M)


def test_vmap_is_torch_s():
    assert jtorch.vmap is vmap


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_dimensions(dim):
    assert vmap(lambda x: x.sum(), in_dims=dim)(m()).tolist() == M.sum(1 - dim if dim >= 0 else 0).tolist()
    assert vmap(lambda x: x * 2, in_dims=dim, out_dims=dim)(m()).tolist() == (M * 2).tolist()


def test_structures():
    made = vmap(lambda d, k: [d["a"] * k, {"sum": d["a"].sum()}], in_dims=({"a": 0, "b": None}, None))(
        {"a": m(), "b": 3}, 2.0
    )
    assert made[0].tolist() == (M * 2).tolist() and made[1]["sum"].tolist() == M.sum(1).tolist()


def test_keyword_arguments_are_not_mapped():
    assert vmap(lambda x, k: (x * k).sum())(m(), k=m()[0]).tolist() == (M * M[0]).sum(1).tolist()


def test_what_is_not_batched_is_repeated_or_left():
    assert vmap(lambda x: jtorch.ones(2))(m()).shape == (2, 2)
    assert vmap(lambda x: jtorch.ones(2), out_dims=None)(m()).shape == (2,)


def test_nesting():
    outer = vmap(vmap(lambda a, b: a * b, in_dims=(0, None)), in_dims=(None, 0))
    x = jtorch.tensor([1.0, 2.0, 3.0])
    assert outer(x, x).tolist() == np.outer([1, 2, 3], [1, 2, 3]).tolist()


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_chunks(size):
    x = jtorch.arange(14.0).reshape(7, 2)
    doubled, total = vmap(lambda r: (r * 2, r.sum()), out_dims=(1, 0), chunk_size=size)(x)
    assert doubled.tolist() == (x * 2).t().tolist() and total.tolist() == x.sum(1).tolist()


def test_writes_inside():
    assert vmap(lambda x: jtorch.zeros_like(x).add_(x))(m()).tolist() == M.tolist()


def test_grad_of_a_recorded_graph_inside():
    w = jtorch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = w**2
    rows = vmap(lambda v: jtorch.autograd.grad(y, w, v, retain_graph=True)[0])(jtorch.eye(3))
    assert rows.tolist() == np.diag([2.0, 4, 6]).tolist()


def test_what_is_pending_outside_may_be_looked_at_inside():
    outside = jtorch.ones(300, 300) + m().sum()
    assert vmap(lambda x: x * outside.mean().item())(m()).tolist() == (M * 16).tolist()
    assert outside.mean().item() == 16


def test_random_numbers_are_one_batch_of_the_generator_s():
    jtorch.manual_seed(0)
    expected, after = jtorch.rand(2, 3), jtorch.rand(1)
    jtorch.manual_seed(0)
    assert vmap(lambda x: jtorch.rand(3), randomness="different")(m()).tolist() == expected.tolist()
    assert jtorch.rand(1).item() == after.item()


def test_the_same_random_numbers():
    jtorch.manual_seed(0)
    expected, after = jtorch.rand(3), jtorch.rand(1)
    jtorch.manual_seed(0)
    assert vmap(lambda x: jtorch.rand(3), randomness="same")(m()).tolist() == [expected.tolist()] * 2
    assert jtorch.rand(1).item() == after.item()


def test_different_permutations():
    jtorch.manual_seed(0)
    expected = [jtorch.randperm(5).tolist() for _ in range(2)]
    jtorch.manual_seed(0)
    assert vmap(lambda x: jtorch.randperm(5), randomness="different")(m()).tolist() == expected


def test_nested_different_numbers():
    jtorch.manual_seed(0)
    expected = jtorch.rand(2, 3, 4)
    jtorch.manual_seed(0)
    both = vmap(vmap(lambda x: jtorch.rand(4), randomness="different"), randomness="different")
    assert both(m()).tolist() == expected.tolist()


@pytest.mark.parametrize(
    "call,error,text",
    [
        (lambda: vmap(lambda x: x)(), ValueError, "got no inputs"),
        (lambda: vmap(lambda x: x, in_dims=(0, 0))(m()), ValueError, "in_dims is not compatible with the structure"),
        (lambda: vmap(lambda x: x, in_dims=5)(m()), ValueError, "Got in_dim=5 for some input"),
        (lambda: vmap(lambda x: x, in_dims=[0])(m()), ValueError, "expected `in_dims` to be int or a"),
        (lambda: vmap(lambda x, y: x)(m(), m()[0]), ValueError, "same size in the mapped dimension, got sizes"),
        (lambda: vmap(lambda x, y: x)(m(), 3), ValueError, "Got in_dim=0 for an input but the input is of type"),
        (lambda: vmap(lambda x: x, in_dims=(None,))(m()), ValueError, "Expected at least one Tensor to vmap over"),
        (lambda: vmap(lambda x: 3)(m()), ValueError, "must only return Tensors, got type <class 'int'>"),
        (lambda: vmap(lambda x: x, out_dims=5)(m()), IndexError, "Dimension out of range"),
        (lambda: vmap(lambda x: x, out_dims=None)(m()), ValueError, "can not return a BatchedTensor when out_dim is"),
        (lambda: vmap(lambda x: (x, x), out_dims=(0,))(m()), ValueError, "out_dims is not compatible"),
        (lambda: vmap(lambda x: x, out_dims="a")(m()), ValueError, "`out_dims` must be an int, None or"),
        (lambda: vmap(lambda x: x if x.sum() > 0 else -x)(m()), RuntimeError, "data-dependent control flow"),
        (lambda: vmap(lambda x: x.sum().item())(m()), RuntimeError, "calling .item.. on it"),
        (lambda: vmap(lambda x: jtorch.rand(3))(m()), RuntimeError, "in randomness error mode"),
        (lambda: vmap(lambda x: x, randomness="x"), RuntimeError, "Only allowed values for randomness"),
        (lambda: vmap(lambda x: x, chunk_size=0), ValueError, "chunk_size should be None or greater than 0"),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()
