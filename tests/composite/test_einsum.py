"""``einsum`` and ``tensordot`` beside NumPy's."""

import numpy as np
import pytest

import jtorch

A, B = np.cos(np.arange(6.0)).reshape(2, 3), np.sin(np.arange(12.0)).reshape(3, 4)


@pytest.mark.parametrize("equation", ["ij,jk", "ij,jk->ki", "ij,jk->", "i...,...k->...", "ij,jk->ijk"])
def test_values(equation):
    made = jtorch.einsum(equation, jtorch.from_numpy(A), jtorch.from_numpy(B))
    np.testing.assert_allclose(made.numpy(), np.einsum(equation, A, B), atol=1e-12)


def test_other_forms():
    a, b = jtorch.from_numpy(A), jtorch.from_numpy(B)
    np.testing.assert_allclose(jtorch.einsum(a, [0, 1], b, [1, 2], [2, 0]).numpy(), (A @ B).T, atol=1e-12)
    np.testing.assert_allclose(jtorch.einsum("ij,jk", [a, b]).numpy(), A @ B, atol=1e-12)
    np.testing.assert_allclose(jtorch.tensordot(a, b, 1).numpy(), A @ B, atol=1e-12)
    np.testing.assert_allclose(jtorch.tensordot(a, b.T, ([1], [1])).numpy(), A @ B, atol=1e-12)


def test_sizes_of_one_broadcast():
    assert jtorch.einsum("ij,kj->ik", jtorch.ones(2, 1), jtorch.ones(2, 3)).tolist() == [[3, 3], [3, 3]]


def test_dtypes():
    ones = jtorch.ones(3, dtype=jtorch.int32)
    assert jtorch.einsum("i->", ones).dtype == jtorch.int64
    assert jtorch.einsum("i,i->", ones, ones).dtype == jtorch.int32
    assert jtorch.einsum("i,j->ij", ones, jtorch.ones(2)).dtype == jtorch.float32
    with pytest.raises(RuntimeError, match="expected scalar type Float but found Double"):
        jtorch.einsum("i,i", jtorch.ones(2), jtorch.ones(2).double())


def test_autocast_reaches_products_alone():
    x = jtorch.ones(2, 2)
    with jtorch.autocast("cpu"):
        assert jtorch.einsum("ij,jk", x, x).dtype == jtorch.bfloat16
        assert jtorch.einsum("ij->ji", x).dtype == jtorch.float32
        assert jtorch.tensordot(x, x, 1).dtype == jtorch.bfloat16


@pytest.mark.parametrize(
    ("equation", "message"),
    [
        ("ij,jk", "fewer operands"),
        ("i", "does not match the number of dimensions"),
        ("i1", "invalid subscript given at index 1"),
        ("ij->k", "output subscript k does not appear"),
        ("ij->ii", "appears more than once in the output"),
        ("i..j", "not part of any ellipsis"),
        ("ii", "sizes don't match"),
    ],
)
def test_errors(equation, message):
    with pytest.raises(RuntimeError, match=message):
        jtorch.einsum(equation, jtorch.ones(2, 3))
