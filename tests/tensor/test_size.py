"""torch.Size."""

import pickle

import pytest

import jtorch as torch


def test_it_is_a_tuple():
    s = torch.ones(2, 3).shape
    assert isinstance(s, torch.Size) and isinstance(s, tuple) and s == (2, 3) and hash(s) == hash((2, 3))
    assert repr(s) == str(s) == "torch.Size([2, 3])" and repr(torch.Size()) == "torch.Size([])"
    assert s.numel() == 6 and torch.Size([]).numel() == 1
    assert list(s) == [2, 3] and len(s) == 2 and s.index(3) == 1 and s.count(2) == 1
    a, b = s
    assert (a, b) == (2, 3) and type(a) is int


def test_what_stays_a_size():
    s = torch.Size([2, 3, 4])
    assert s[1] == 3 and type(s[1]) is int and s[-1] == 4
    for made, want in ((s[:2], (2, 3)), (s + (5,), (2, 3, 4, 5)), ((1,) + s, (1, 2, 3, 4)), (s * 2, (2, 3, 4) * 2)):
        assert isinstance(made, torch.Size) and made == want
    assert pickle.loads(pickle.dumps(s)) == s and isinstance(pickle.loads(pickle.dumps(s)), torch.Size)


def test_size_and_dim():
    x = torch.ones(2, 3)
    assert x.size() == x.shape and x.size(1) == x.size(-1) == 3 and x.dim() == x.ndim == x.ndimension() == 2
    assert x.numel() == x.nelement() == 6 and x.nbytes == 24 and x.element_size() == x.itemsize == 4
    with pytest.raises(IndexError, match=r"expected to be in range of \[-2, 1\], but got 2"):
        x.size(2)
    with pytest.raises(IndexError, match="tensor has no dimensions"):
        torch.tensor(1).size(0)


def test_a_size_makes_tensors():
    s = torch.Size([2, 1])
    assert torch.zeros(s).shape == s and torch.ones(4).view(torch.Size([2, 2])).shape == (2, 2)
    assert torch.tensor(s).tolist() == [2, 1]
