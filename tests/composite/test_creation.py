"""``arange``, ``linspace``, ``eye`` and grids of coordinates."""

import numpy as np
import pytest

import jtorch


@pytest.mark.parametrize(
    ("args", "expected"),
    [((4,), [0, 1, 2, 3]), ((1, 4), [1, 2, 3]), ((5, 0, -2), [5, 3, 1]), ((0, 1, 0.25), [0, 0.25, 0.5, 0.75])],
)
def test_arange(args, expected):
    made = jtorch.arange(*args)
    assert made.tolist() == expected
    assert made.dtype == (jtorch.int64 if isinstance(expected[-1], int) else jtorch.float32)


def test_arange_takes_names_and_torch_options():
    assert jtorch.arange(start=1, end=7, step=3).tolist() == [1, 4]
    assert jtorch.arange(end=2, dtype=jtorch.float64).dtype == jtorch.float64
    out = jtorch.empty(0)
    assert jtorch.arange(3, out=out) is out and out.tolist() == [0, 1, 2]
    assert jtorch.arange(2.0, requires_grad=True).requires_grad
    assert jtorch.arange(3, device="meta").shape == (3,)
    with pytest.raises(RuntimeError, match="dtype Long does not match dtype of out parameter"):
        jtorch.arange(3, out=out, dtype=jtorch.int64)
    with pytest.raises(TypeError, match="invalid combination of arguments"):
        jtorch.arange()
    with pytest.raises(RuntimeError, match="step must be nonzero"):
        jtorch.arange(0, 1, 0)
    with pytest.raises(RuntimeError, match="inconsistent with step sign"):
        jtorch.arange(1, 0)


def test_range_counts_its_end_and_warns():
    with pytest.warns(UserWarning, match="torch.range is deprecated"):
        assert jtorch.range(0, 1, 0.5).tolist() == [0, 0.5, 1]


def test_linspace_is_symmetric():
    made = jtorch.linspace(-1, 1, 1000)
    np.testing.assert_array_equal(made.numpy(), -made.flip(0).numpy())
    assert jtorch.linspace(0, 10, 4, dtype=jtorch.int64).tolist() == [0, 3, 6, 10]
    assert jtorch.logspace(0, 3, 4).tolist() == pytest.approx([1, 10, 100, 1000])
    with pytest.raises(RuntimeError, match="number of steps must be non-negative"):
        jtorch.linspace(0, 1, -1)


def test_matrices():
    assert jtorch.eye(2, 3, dtype=jtorch.int32).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert jtorch.tril_indices(2, 2).tolist() == [[0, 1, 1], [0, 0, 1]]
    assert jtorch.triu_indices(2, 2, 1).tolist() == [[0], [1]]
    assert jtorch.block_diag(jtorch.ones(1, 2), jtorch.tensor(3.0)).tolist() == [[1, 1, 0], [0, 0, 3]]


def test_grids():
    x, y = jtorch.arange(3), jtorch.arange(2)
    i, j = jtorch.meshgrid(x, y, indexing="ij")
    assert i.tolist() == [[0, 0], [1, 1], [2, 2]] and j.tolist() == [[0, 1]] * 3
    i, j = jtorch.meshgrid(x, y, indexing="xy")
    assert i.tolist() == [[0, 1, 2]] * 2 and j.tolist() == [[0] * 3, [1] * 3]
    with pytest.warns(UserWarning, match="required to pass the indexing argument"):
        jtorch.meshgrid(x, y)
    assert jtorch.cartesian_prod(x, y).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1]]
    a, b = jtorch.broadcast_tensors(jtorch.ones(2, 1), jtorch.ones(3))
    assert a.shape == b.shape == (2, 3)
