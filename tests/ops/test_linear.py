"""Linear and bilinear maps against their formulas."""

import numpy as np
import pytest

from jtorch.ops.table import TABLE
from tests.ops.running import run, same, slopes

rng = np.random.default_rng(0)
X, W, B = rng.standard_normal((2, 5, 3)), rng.standard_normal((4, 3)), rng.standard_normal(4)


def test_linear():
    same(run("linear", X, W, B), X @ W.T + B, 1e-12)
    same(run("linear", X, W), X @ W.T, 1e-12)
    same(run("linear", X[0, 0], W[0]), np.asarray(X[0, 0] @ W[0]), 1e-12)


def test_linear_gradients():
    same(slopes("linear", X, W, B, wrt=0), np.broadcast_to(W.sum(0), X.shape), 1e-12)
    same(slopes("linear", X, W, B, wrt=1), np.broadcast_to(X.sum((0, 1)), W.shape), 1e-12)
    same(slopes("linear", X, W, B, wrt=2), np.full(4, 10.0), 1e-12)


def test_bilinear():
    weight, y = rng.standard_normal((4, 3, 2)), rng.standard_normal((2, 5, 2))
    want = np.einsum("...i,oij,...j->...o", X, weight, y)
    same(run("bilinear", X, y, weight), want, 1e-12)
    same(run("bilinear", X, y, weight, B), want + B, 1e-12)


@pytest.mark.parametrize(
    ("name", "args", "words"),
    [
        ("linear", (X, W.T), r"cannot be multiplied \(10x3 and 4x3\)"),
        ("linear", (X, W.astype(np.float32)), "same dtype, but got: double != float"),
        ("linear", (X, W, B[:3]), r"expanded size of the tensor \(4\) must match"),
        ("linear", (np.float64(1).reshape(()), W), "need to be at least 1D"),
        ("bilinear", (X, X, np.ones((4, 3, 2))), "input2 size does not match weight size: got 3 but expected 2"),
        ("bilinear", (X, X[0], np.ones((4, 3, 3))), "input dimensions do not match: got 3 and 2"),
        ("bilinear", (X, X[:1], np.ones((4, 3, 3))), "do not match at dim 0: got 2 and 1"),
        ("bilinear", (X, X, np.ones((4, 3, 3)), B[:3]), "bias size does not match weight size: got 3 but expected 4"),
    ],
)
def test_misfits_raise(name, args, words):
    with pytest.raises(RuntimeError, match=words):
        TABLE[name](*args)
