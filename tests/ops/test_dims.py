"""Dimension arguments."""

import pytest

from jtorch.ops.dims import reduce_dims, wrap_dim, wrap_dims


@pytest.mark.parametrize(("dim", "ndim", "expected"), [(0, 2, 0), (-1, 2, 1), (-2, 2, 0), (0, 0, 0), (-1, 0, 0)])
def test_wrap(dim, ndim, expected):
    assert wrap_dim(dim, ndim) == expected


@pytest.mark.parametrize(("dim", "ndim", "bounds"), [(2, 2, "[-2, 1]"), (-3, 2, "[-2, 1]"), (1, 0, "[-1, 0]")])
def test_out_of_range(dim, ndim, bounds):
    with pytest.raises(IndexError) as raised:
        wrap_dim(dim, ndim)
    assert str(raised.value) == f"Dimension out of range (expected to be in range of {bounds}, but got {dim})"


def test_several():
    assert wrap_dims((0, -1), 3) == (0, 2)
    assert wrap_dims(1, 3) == (1,)
    with pytest.raises(RuntimeError, match="dim 1 appears multiple times in the list of dims"):
        wrap_dims((1, -2), 3)


@pytest.mark.parametrize(
    ("dims", "ndim", "expected"), [(None, 2, (0, 1)), ((), 2, (0, 1)), (-1, 2, (1,)), ((0,), 0, ()), (None, 0, ())]
)
def test_of_a_reduction(dims, ndim, expected):
    assert reduce_dims(dims, ndim) == expected
