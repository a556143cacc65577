"""Matrix norms, condition numbers and low-rank decompositions."""

import math

import numpy as np
import pytest

import jtorch
import jtorch.linalg

A = np.cos(np.arange(12.0) ** 2).reshape(3, 4)


@pytest.mark.parametrize("order", ["fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf])
def test_matrix_norms(order):
    x = jtorch.from_numpy(A)
    assert jtorch.linalg.matrix_norm(x, order).item() == pytest.approx(np.linalg.norm(A, order))
    assert jtorch.linalg.norm(x, order, keepdim=True).shape == (1, 1)
    assert jtorch.linalg.matrix_norm(x.T[:, None], order, dim=(2, 0)).tolist() == pytest.approx(
        [np.linalg.norm(A, order)]
    )


@pytest.mark.parametrize("order", [None, "fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf])
def test_condition_numbers(order):
    square = A[:, :3]
    assert jtorch.linalg.cond(jtorch.from_numpy(square), order).item() == pytest.approx(np.linalg.cond(square, order))
    assert jtorch.linalg.cond(jtorch.zeros(2, 2), 1) == math.inf


def test_norm_of_vectors():
    x = jtorch.tensor([[3.0, 4.0], [0.0, 2.0]])
    assert jtorch.linalg.norm(x, dim=1).tolist() == [5, 2]
    assert jtorch.frobenius_norm(x, dim=(0, 1)).item() == pytest.approx(math.sqrt(29))
    assert jtorch.norm_except_dim(x).tolist() == [[5], [2]]
    assert jtorch.nuclear_norm(jtorch.eye(3)) == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: jtorch.linalg.matrix_norm(x, 3), "Order 3 not supported"),
        (lambda x: jtorch.linalg.matrix_norm(x, dim=(0, 0)), "dims must be different"),
        (lambda x: jtorch.linalg.norm(x, dim=(0, 1, 0)), "must be of length 1 or 2"),
        (lambda x: jtorch.linalg.cond(x, 1), "batches of square matrices"),
        (lambda x: jtorch.eig(x), "now removed"),
    ],
)
def test_errors(call, message):
    with pytest.raises(RuntimeError, match=message):
        call(jtorch.ones(2, 3))


def test_low_rank():
    low = np.outer(np.arange(1, 6.0), np.arange(1, 4.0))
    u, s, v = jtorch.svd_lowrank(jtorch.from_numpy(low), q=2)
    np.testing.assert_allclose(((u * s) @ v.mT).numpy(), low, atol=1e-9)
    u, s, v = jtorch.pca_lowrank(jtorch.from_numpy(low), q=1)
    np.testing.assert_allclose(((u * s) @ v.mT).numpy(), low - low.mean(0), atol=1e-9)


def test_older_names_warn():
    with pytest.warns(UserWarning, match="linalg.multi_dot"):
        assert jtorch.chain_matmul(jtorch.ones(2, 3), jtorch.ones(3, 1)).tolist() == [[3], [3]]
    with pytest.warns(UserWarning, match="torch.lu is deprecated"):
        packed, pivots = jtorch.lu(jtorch.tensor([[1.0, 2.0], [4.0, 4.0]]))
    assert packed.tolist() == [[4, 4], [0.25, 1]] and pivots.tolist() == [2, 2]


def test_modules_name_what_they_lack():
    with pytest.raises(AttributeError, match="torch.linalg' has no attribute 'nothing'"):
        jtorch.linalg.nothing  # noqa: B018
