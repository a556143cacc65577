"""Strides, offsets and contiguity, computed from a tensor's views; NumPy is the judge."""

import numpy as np
import pytest

import jtorch as torch
from jtorch.tensor import strides

A = np.arange(60).reshape(3, 4, 5)
VIEWS = [
    (lambda x: x[1], lambda a: a[1]), (lambda x: x[:, 1:3], lambda a: a[:, 1:3]),
    (lambda x: x[::2, ::3], lambda a: a[::2, ::3]),
    (lambda x: x.permute(2, 0, 1), lambda a: a.transpose(2, 0, 1)),
    (lambda x: x.transpose(0, 2), lambda a: a.swapaxes(0, 2)),
    (lambda x: x.view(12, 5)[2:].t(), lambda a: a.reshape(12, 5)[2:].T),
    (lambda x: x[0].diagonal(1), lambda a: a[0].diagonal(1)),
    (lambda x: x.movedim(0, -1), lambda a: np.moveaxis(a, 0, -1)),
    (lambda x: x.view(3, 20)[:, ::2], lambda a: a.reshape(3, 20)[:, ::2]),
    (lambda x: x[2, 1:].t()[1:], lambda a: a[2, 1:].T[1:]),
    (lambda x: x.swapaxes(0, 1)[-1], lambda a: a.swapaxes(0, 1)[-1]),
    (lambda x: x.unflatten(2, (5, 1)).squeeze(3), lambda a: a),
    (lambda x: x.select(1, 2).narrow(1, 1, 3), lambda a: a[:, 2, 1:4]),
]  # fmt: skip


@pytest.mark.parametrize("views", VIEWS)
def test_as_in_numpy(views):
    ours, theirs = views
    x, a = ours(torch.tensor(A)), theirs(A)
    assert x.stride() == tuple(s // A.itemsize for s in a.strides)
    assert x.storage_offset() == (a.__array_interface__["data"][0] - A.__array_interface__["data"][0]) // A.itemsize
    assert x.is_contiguous() == a.flags.c_contiguous and x.tolist() == a.tolist()
    assert x.contiguous().is_contiguous() and (x.contiguous() is x) == a.flags.c_contiguous


def test_expanded_and_new_dimensions():
    x = torch.ones(3, 1)
    assert (
        x.expand(3, 4).stride() == (1, 0)
        and x.expand(2, 3, 4).stride() == (0, 1, 0)
        and x.expand(1, 3, 1).stride() == (3, 1, 1)
    )
    assert x[None].stride() == (3, 1, 1) and x.unsqueeze(-1).stride() == (1, 1, 1) and x.t()[None].stride() == (1, 1, 1)
    assert x.unfold(0, 2, 1).stride() == (1, 1, 1) and torch.ones(5).unfold(0, 3, 2).stride() == (2, 1)
    assert torch.tensor(1).stride() == () and torch.ones(2, 3).stride(-1) == 1
    with pytest.raises(IndexError):
        torch.ones(2).stride(3)


def test_other_item_sizes():
    x = torch.zeros(3, 4, dtype=torch.int64)
    assert x[1:, 1:].view(torch.int32).stride() == (8, 1) and x[1:, 1:].view(torch.int32).storage_offset() == 10
    assert x.view(torch.complex64).shape == (3, 4)
    with pytest.raises(RuntimeError, match=r"self.stride\(-1\) must be 1 to view Long as Int"):
        x.t().view(torch.int32)
    z = torch.zeros(2, 3, dtype=torch.complex64)
    assert z.real.stride() == (6, 2) and z.imag.storage_offset() == 1 and torch.view_as_real(z).stride() == (6, 2, 1)


@pytest.mark.parametrize(
    ("shape", "steps", "new", "want"),
    [
        ((2, 3), (3, 1), (6,), (1,)), ((2, 3), (1, 2), (6,), None), ((2, 3), (1, 2), (2, 3, 1), (1, 2, 2)),
        ((4, 3), (6, 1), (2, 2, 3), (12, 6, 1)),
        ((), (), (1, 1), (1, 1)), ((0, 3), (3, 1), (3, 0), (1, 1)), ((1, 3), (7, 1), (3,), (1,)),
        ((4,), (2,), (2, 2), (4, 2)),
    ],
)  # fmt: skip
def test_strides_of_a_view(shape, steps, new, want):
    assert strides.view_strides(shape, steps, new) == want


def test_sizes_of_one_do_not_matter():
    assert torch.ones(3, 1).t().is_contiguous() and torch.ones(1, 4)[:, :3].is_contiguous()
    assert not torch.ones(2, 4)[:, :3].is_contiguous() and torch.ones(0, 3).t().is_contiguous()
