"""Derivatives of sampled functions."""

import pytest

import jtorch


def test_parabola_is_exact_inside_and_at_the_edges_of_second_order():
    x = jtorch.tensor([0.0, 1.0, 3.0, 4.0, 8.0], dtype=jtorch.float64)
    (slope,) = jtorch.gradient(x**2, spacing=(x,), edge_order=2)
    assert jtorch.allclose(slope, 2 * x)
    (slope,) = jtorch.gradient(x**2, spacing=(x,))
    assert slope.tolist() == pytest.approx([1, 2, 6, 8, 12])


def test_dims_and_spacings():
    f = jtorch.tensor([[1.0, 2.0, 4.0], [3.0, 6.0, 12.0]])
    down, across = jtorch.gradient(f)
    assert down.tolist() == [[2, 4, 8], [2, 4, 8]]
    assert across.tolist() == [[1, 1.5, 2], [3, 4.5, 6]]
    (across,) = jtorch.gradient(f, spacing=2, dim=-1)
    assert across.tolist() == [[0.5, 0.75, 1], [1.5, 2.25, 3]]
    down, across = jtorch.gradient(f, spacing=[0.5, jtorch.tensor([0.0, 1.0, 3.0])])
    assert down.tolist() == [[4, 8, 16], [4, 8, 16]]
    assert across.tolist() == [[1, 1, 1], [3, 3, 3]]
    assert jtorch.gradient(jtorch.tensor([1, 2, 4]))[0].dtype == jtorch.float32
    assert jtorch.gradient(jtorch.tensor(1.0)) == ()


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"edge_order": 3}, RuntimeError, "only supports edge_order=1 and edge_order=2"),
        ({"edge_order": 2}, RuntimeError, "expected each dimension size to be at least edge_order.1"),
        ({"spacing": [1.0]}, RuntimeError, "since dim argument was not given, but got a list of length 1"),
        ({"spacing": (jtorch.ones(2, 2), jtorch.ones(3))}, RuntimeError, "but got an element with 2 dimensions"),
        ({"dim": (0, 0)}, RuntimeError, "dim 0 appears multiple times"),
        ({"dim": 2}, IndexError, "Dimension out of range"),
    ],
)
def test_refusals(kwargs, error, words):
    with pytest.raises(error, match=words):
        jtorch.gradient(jtorch.ones(2, 3), **kwargs)


def test_uint8_is_refused():
    with pytest.raises(RuntimeError, match="does not support uint8"):
        jtorch.gradient(jtorch.ones(3, dtype=jtorch.uint8))
