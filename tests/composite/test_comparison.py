"""Comparisons of whole tensors."""

import pytest

import jtorch


def test_equal():
    x = jtorch.tensor([1.0, 2.0])
    assert jtorch.equal(x, jtorch.tensor([1, 2])) is True
    assert x.equal(x + 1) is False
    assert not x.equal(jtorch.tensor([[1.0, 2.0]]))
    assert not jtorch.equal(x * float("nan"), x * float("nan"))
    with pytest.raises(TypeError, match="argument 'other' .position 2. must be Tensor, not int"):
        jtorch.equal(x, 2)


def test_allclose():
    x = jtorch.tensor([1.0, float("nan")])
    assert jtorch.allclose(x[:1], x[:1] + 1e-7) is True
    assert not x[:1].allclose(x[:1] + 1e-3)
    assert x[:1].allclose(x[:1] + 1e-3, atol=1e-2)
    assert not jtorch.allclose(x, x)
    assert jtorch.allclose(x, x, equal_nan=True)
    with pytest.raises(RuntimeError, match="Float did not match Double"):
        jtorch.allclose(x, x.double())
