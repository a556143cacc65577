"""Linear maps, embeddings with their gradients, bags, one-hot codes."""

import numpy as np
import pytest

from jtorch.ops.table import TABLE
from tests.ops.running import f32, f64, failed_checks, i64, run, same, slopes

_random = np.random.default_rng(2)
W = _random.standard_normal((5, 3))


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 4, 3)])
def test_linear(shape):
    x, b = _random.standard_normal(shape), _random.standard_normal(5)
    same(run("linear", x, W, b), x @ W.T + b)
    same(run("linear.mm", x, W), x @ W.T)
    same(slopes("linear.mm", x, W), np.broadcast_to(W.sum(0), shape))


def test_linear_of_a_vector():
    x = _random.standard_normal((2, 3))
    same(run("linear.mv", x, W[0]), x @ W[0])
    same(run("linear.mm", i64(1, 2)[None], i64(3, 4)[None]), i64(11)[None])


def test_bilinear():
    x, y, w = (_random.standard_normal(s) for s in ((2, 3), (2, 4), (5, 3, 4)))
    same(run("bilinear", x, y, w), np.einsum("ni,oij,nj->no", x, w, y))


def test_embedding_and_its_gradient():
    at = i64(1, 1, 4, 0).reshape(2, 2)
    same(run("embedding", W, at), W[at])
    same(slopes("embedding", W, at)[:, 0], f64(1, 2, 0, 0, 1))
    same(slopes("embedding", W, at, 1)[:, 0], f64(1, 0, 0, 0, 1))
    same(slopes("embedding", W, at, -1, True)[:, 0], f64(1, 1, 0, 0, 1))
    same(slopes("embedding", W * np.inf, at, 1)[:, 0], f64(1, 0, 0, 0, 1))


def test_embedding_checks_its_indices():
    assert failed_checks("embedding", W, i64(0, 4)) == []
    for bad in (i64(5), i64(-1)):
        assert failed_checks("embedding", W, bad) == ["index out of range in self"]


def test_embedding_renorm():
    w = np.array([[3.0, 4.0], [0.3, 0.4], [6, 8]])
    same(run("_embedding_renorm", w, i64(0, 1, 0), 1.0, 2.0), np.array([[0.6, 0.8], [0.3, 0.4], [6, 8]]))
    same(run("_embedding_renorm", w, i64(2), 7.0, 1.0), np.array([[3.0, 4.0], [0.3, 0.4], [3, 4]]))


def test_embedding_bag():
    at, starts = i64(1, 1, 4, 0, 2), i64(0, 2, 2)
    bags = [W[[1, 1]], W[:0], W[[4, 0, 2]]]
    out, where, sizes, _ = run("embedding_bag", W, at, starts)
    same(out, np.array([b.sum(0) for b in bags]))
    out, where, sizes, _ = run("embedding_bag", W, at, starts, False, 1)
    same(out, np.array([b.sum(0) / max(len(b), 1) for b in bags]))
    same(where, i64(0, 0, 2, 2, 2))
    same(sizes, i64(2, 0, 3))
    out, _, _, rows = run("embedding_bag", W, at, starts, False, 2)
    same(out, np.array([b.max(0, initial=-9) if len(b) else np.zeros(3) for b in bags]))
    same(rows[2], i64(4, 0, 2)[bags[2].argmax(0)])
    same(rows[1], i64(0, 0, 0))


def test_embedding_bag_leaves_padding_out():
    at, starts = i64(1, 0, 1, 1), i64(0, 2)
    for mode, first in ((0, W[0]), (1, W[0]), (2, W[0])):
        out, *_ = run("embedding_bag", W, at, starts, False, mode, False, None, False, -4)
        same(out, np.array([first, np.zeros(3)]))
        grad = slopes("embedding_bag", W, at, starts, False, mode, False, None, False, 1)
        same(grad[:, 0], f64(1, 0, 0, 0, 0))


def test_embedding_bag_options():
    at = i64(1, 2, 3, 4)
    out, *_ = run("embedding_bag", W, at, i64(0, 1, 3), False, 0, False, None, True)
    same(out, np.array([W[1], W[2] + W[3]]))
    shares = f64(1, 2, 3, 4)
    out, *_ = run("embedding_bag", W, at, i64(0), False, 0, False, shares)
    same(out, (shares @ W[at])[None])
    # of several largest elements the first one has the gradient
    same(slopes("embedding_bag", np.ones((3, 1)), i64(2, 1, 0), i64(0), False, 2), np.array([[0.0], [0], [1]]))
    assert run("embedding_bag", W, i64(), i64(0, 0), False, 2)[0].tolist() == [[0, 0, 0]] * 2
    assert run("embedding_bag", W.astype(np.float16), at, i64(0))[0].dtype == np.float16


def test_embedding_bag_checks_its_data():
    assert failed_checks("embedding_bag", W, i64(0, 1), i64(0, 1), False, 0) == []
    assert "not in the valid range [0, 5)" in failed_checks("embedding_bag", W, i64(0, 5), i64(0), False, 0)[0]
    for starts, words in ((i64(1), "has to be 0"), (i64(0, 3), "input's length 2"), (i64(0, 2, 1), "not decrease")):
        assert words in failed_checks("embedding_bag", W, i64(0, 1), starts, False, 0)[0]


def test_one_hot():
    same(run("_one_hot", i64(2, 0), 3), np.array([[0, 0, 1], [1, 0, 0]]))
    assert failed_checks("_one_hot", i64(-1, 3), 3) == [
        "Class values must be non-negative.",
        "Class values must be smaller than num_classes.",
    ]


@pytest.mark.parametrize(
    ("name", "args", "words"),
    [
        ("linear", (W, W.T, None), "mat1 and mat2 shapes cannot be multiplied (5x3 and 5x3)"),
        ("linear.mm", (W, f32(1, 2, 3)[None]), "expected m1 and m2 to have the same dtype, but got: double != float"),
        ("linear", (W, W, f32(1)), "self and mat2 must have the same dtype, but got Float and Double"),
        ("linear.mm", (W, W[None]), "t() expects a tensor with <= 2 dimensions"),
        ("linear.mm", (W[0, 0], W), "need to be at least 1D"),
        ("linear.mv", (W, W[:, 0]), "size mismatch"),
        ("bilinear", (W, W, W[None], None), "input1 size does not match weight size: got 3 but expected 5"),
        ("bilinear", (W, f32(1), W[None], None), "All tensors must have the same dtype, got input1: double"),
        ("embedding", (W[0], i64(1)), "'weight' must be 2-D"),
        ("embedding", (W, f32(1)), "one of the following scalar types: Long, Int; but got torch.FloatTensor instead"),
        ("embedding_bag", (W, i64(1), i64(0), False, 0, False, f32(1)), "type torch.DoubleTensor does not equal"),
        ("embedding_bag", (W, i64(1), i64(0), False, 0, False, None, False, 5), "padding_idx must be within"),
        ("_one_hot", (f32(1), 3), "only applicable to index tensor of type LongTensor"),
    ],
)
def test_refusals(name, args, words):
    with pytest.raises(RuntimeError) as raised:
        TABLE[name](*args)
    assert words in str(raised.value)
