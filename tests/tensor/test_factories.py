"""Factory functions: shapes, dtypes, devices, out= and errors."""

import pytest

import jtorch as torch


@pytest.mark.parametrize("name", ["zeros", "ones", "empty", "rand", "randn"])
def test_sizes(name):
    make = getattr(torch, name)
    for made in (make(2, 3), make((2, 3)), make([2, 3]), make(torch.Size([2, 3])), make(size=(2, 3))):
        assert made.shape == (2, 3) and made.dtype is torch.float32 and made.is_leaf and not made.requires_grad
    assert make(()).shape == () and make(0).shape == (0,)
    made = make(2, dtype=torch.float64, requires_grad=True)
    assert made.dtype is torch.float64 and made.requires_grad
    with pytest.raises(RuntimeError, match="negative"):
        make(-1)
    with pytest.raises(TypeError, match=rf"{name}\(\).*size"):
        make("a")
    with pytest.raises(TypeError, match="foo"):
        make(2, foo=1)


def test_values():
    assert torch.zeros(2).tolist() == [0, 0] and torch.ones(2, dtype=torch.int8).tolist() == [1, 1]
    assert torch.full((2,), 3).dtype is torch.int64 and torch.full((2,), 3.0).dtype is torch.float32
    assert torch.full((2,), True).dtype is torch.bool and torch.full((), 1j).dtype is torch.complex64
    assert torch.full((2,), torch.tensor(4)).tolist() == [4, 4]
    assert torch.arange(3).tolist() == [0, 1, 2] and torch.arange(1, 2, 0.5).tolist() == [1, 1.5]
    assert torch.arange(3.0).dtype is torch.float32 and torch.arange(5, 1, -2).tolist() == [5, 3]
    assert torch.linspace(0, 1, 3).tolist() == [0, 0.5, 1] and torch.logspace(0, 2, 3).tolist() == [1, 10, 100]
    assert torch.eye(2, 3).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert torch.scalar_tensor(3).dtype is torch.float32


@pytest.mark.parametrize("name", ["zeros_like", "ones_like", "empty_like", "rand_like", "randn_like"])
def test_like(name):
    x = torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
    made = getattr(torch, name)(x)
    assert made.shape == x.shape and made.dtype is torch.float64 and not made.requires_grad
    assert getattr(torch, name)(x, dtype=torch.float16, device="meta").is_meta
    assert torch.full_like(x, 7).tolist() == [[7] * 3] * 2


def test_new():
    x = torch.ones(2, dtype=torch.int16)
    assert x.new_zeros(3).dtype is torch.int16 and x.new_ones(2, 2).shape == (2, 2) and x.new_empty((1,)).shape == (1,)
    assert x.new_full((2,), 5).tolist() == [5, 5] and x.new_tensor([1.7]).tolist() == [1]
    assert x.new_zeros(2, dtype=torch.bool, device="meta").dtype is torch.bool


def test_out():
    out = torch.empty(3)
    assert torch.zeros(3, out=out) is out and torch.ones(3, out=out).tolist() == [1] * 3
    assert torch.full((3,), 2.0, out=out) is out and torch.arange(3, out=out).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: torch.zeros(2, -1), RuntimeError, "Dimension size must be non-negative"),
        (lambda: torch.ones(2, -1), RuntimeError, r"negative dimension -1: \[2, -1\]"),
        (lambda: torch.arange(0, 5, -1), RuntimeError, "upper bound and lower bound inconsistent"),
        (lambda: torch.arange(0, 5, 0), RuntimeError, "step must be nonzero"),
        (lambda: torch.eye(-1), RuntimeError, "n must be greater or equal to 0"),
        (lambda: torch.full((2,), 1.5, dtype="float"), TypeError, "must be torch.dtype"),
        (lambda: torch.zeros(2, dtype=torch.int32, requires_grad=True), RuntimeError, "Only Tensors of floating point"),
        (lambda: torch.zeros_like(3), TypeError, "must be Tensor, not int"),
    ],
)
def test_errors(make, error, message):
    with pytest.raises(error, match=message):
        make()
