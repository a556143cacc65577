"""Views share storage: what is written through one shows in the others."""

import copy

import pytest

import jtorch as torch


def numbers():
    return torch.arange(12.0).view(3, 4).clone()


VIEWS = {
    "view": (lambda x: x.view(12), 12), "t": (lambda x: x.t(), 12), "row": (lambda x: x[1], 4),
    "column": (lambda x: x[:, 1], 3),
    "step": (lambda x: x[::2, 1:], 6), "expand": (lambda x: x[0].expand(2, 4)[0], 4),
    "squeeze": (lambda x: x[None].squeeze(0), 12),
    "diagonal": (lambda x: x.diagonal(), 3), "unfold": (lambda x: x.unfold(1, 2, 2), 12),
    "chunk": (lambda x: x.chunk(2, 1)[1], 6),
    "split": (lambda x: x.split([1, 2])[1], 8), "unbind": (lambda x: x.unbind()[2], 4),
    "narrow": (lambda x: x.narrow(0, 1, 1), 4),
    "permute": (lambda x: x[None].permute(2, 0, 1), 12), "strided": (lambda x: x.as_strided((2, 2), (4, 1), 1), 4),
    "detach": (lambda x: x.detach(), 12), "data": (lambda x: x.data, 12),
    "deep": (lambda x: x.view(2, 6)[1].view(3, 2).t()[0], 3),
    "real": (lambda x: x.real, 12), "flatten": (lambda x: x[1:].flatten(), 8),
    "movedim": (lambda x: x.movedim(0, 1), 12),
}  # fmt: skip


@pytest.mark.parametrize("name", VIEWS)
def test_a_write_is_seen_from_both_sides(name):
    look, count = VIEWS[name]
    x = numbers()
    y = look(x)
    assert y.numel() == count
    y.fill_(-1)
    assert (x == -1).sum().item() == count
    x.add_(10)
    assert (y == 9).all()
    y.mul_(2)
    assert (x == 18).sum().item() >= count and look(x).eq(18).all()


@pytest.mark.parametrize("name", VIEWS)
def test_the_same_in_the_trace(name, monkeypatch):
    from jtorch.tensor import call, storage

    monkeypatch.setattr(call, "HOST_LIMIT", -1)
    monkeypatch.setattr(storage, "HOST_LIMIT", -1)
    test_a_write_is_seen_from_both_sides(name)


@pytest.mark.parametrize(
    "copy",
    [
        lambda x: x.clone(), lambda x: x + 0, lambda x: x[[0, 1]], lambda x: x[x > 0], lambda x: x.t().reshape(12),
        lambda x: x.t().contiguous(), lambda x: x.double(), lambda x: x.flip(0),
        lambda x: x.to(torch.float32, copy=True),
        lambda x: x.repeat(1, 1), lambda x: x.t().flatten(),
    ],
)  # fmt: skip
def test_copies_are_apart(copy):
    x = numbers()
    y = copy(x)
    before = x.tolist()
    y.zero_()
    assert x.tolist() == before


@pytest.mark.parametrize(
    "same",
    [
        lambda x: x.contiguous(),
        lambda x: x.float(),
        lambda x: x.to("cpu"),
        lambda x: x.real,
        lambda x: x.conj(),
        lambda x: x.flatten(0, 0),
    ],
)
def test_what_needs_no_change_is_returned_itself(same):
    x = numbers()
    assert same(x) is x


def test_view_needs_fitting_strides():
    x = numbers()
    for bad in (lambda: x.t().view(12), lambda: x[:, 1:].view(-1), lambda: x.expand(2, 3, 4).view(24)):
        with pytest.raises(RuntimeError, match=r"Use .reshape\(...\) instead"):
            bad()
    assert x.t().view(2, 2, 3).shape == (2, 2, 3) and x[1:].view(8).tolist() == list(range(4, 12))


def test_bases():
    x = numbers()
    y = x[0][1:]
    assert x._base is None and not x._is_view() and y._is_view() and y._base.equal(x)
    assert x.detach()._base is None and x.detach()[0]._base.shape == (3, 4)
    y._base.zero_()
    assert x.sum().item() == 0


def test_a_view_outlives_its_base():
    y = numbers()[1]
    y.add_(1)
    assert y.tolist() == [5.0, 6.0, 7.0, 8.0] and y._base.shape == (3, 4)


def test_changes_of_shape_in_place():
    x = numbers()
    y = x.view(12)
    x.t_().unsqueeze_(0)
    assert x.shape == (1, 4, 3) and x.stride() == (4, 1, 4)
    x[0, 0, 1] = -5
    assert y[4].item() == -5
    y.resize_(2, 2)
    assert y.tolist() == [[0, 1], [2, 3]]
    y[0, 0] = 100
    assert x[0, 0, 0].item() == 100


def test_complex_parts_and_bytes():
    z = torch.zeros(2, dtype=torch.complex64)
    z.real.fill_(1)
    z.imag[0] = 2
    assert z.tolist() == [1 + 2j, 1 + 0j]
    torch.view_as_real(z)[1, 1] = 7
    assert z[1].item() == 1 + 7j
    i = torch.zeros(2, dtype=torch.int32)
    i.view(torch.float32).fill_(1.0)
    assert i.tolist() == [0x3F800000] * 2
    assert torch.ones(2).requires_grad_().mul(1).view(torch.int32).requires_grad is False


def test_deepcopies_share_among_themselves():
    x = numbers()
    a, b = copy.deepcopy([x, x[0]])
    b.zero_()
    assert a[0].sum().item() == 0 and x[0].sum().item() == 6
