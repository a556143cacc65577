"""``torch.norm``."""

import math

import pytest

import jtorch

GRID = [[0.0, 3.0], [4.0, 0.0]]


@pytest.mark.parametrize(
    ("args", "kwargs", "expected"),
    [
        ((), {}, 5),
        (("fro",), {"dim": (1, 0)}, 5),
        ((None,), {"dim": 1}, [3, 4]),
        ((1,), {}, 7),
        ((math.inf,), {"dim": 0}, [4, 3]),
        (("nuc",), {}, 7),
    ],
)
def test_values(args, kwargs, expected):
    x = jtorch.tensor(GRID)
    assert jtorch.norm(x, *args, **kwargs).tolist() == pytest.approx(expected)
    assert x.norm(*args, **kwargs).tolist() == pytest.approx(expected)


def test_keepdim_dtype_and_out():
    x = jtorch.tensor(GRID)
    assert jtorch.norm(x, keepdim=True).tolist() == [[5]]
    assert jtorch.norm(x, dtype=jtorch.float64).dtype == jtorch.float64
    out = jtorch.empty(0)
    assert jtorch.norm(x, dim=0, out=out) is out
    assert out.tolist() == [4, 3]


def test_the_gradient_of_a_norm_at_zero_is_zero():
    x = jtorch.zeros(3, requires_grad=True)
    x.norm().backward()
    assert x.grad.tolist() == [0, 0, 0]


def test_refusals():
    with pytest.raises(RuntimeError, match="Expected a floating point or complex tensor as input. Got Long"):
        jtorch.norm(jtorch.tensor([1, 2]))
    with pytest.raises(RuntimeError, match="dim must be a 2-tuple. Got 0"):
        jtorch.norm(jtorch.tensor(GRID), "nuc", dim=0)
