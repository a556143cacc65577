"""In-place operators: dtypes, versions, what backward makes of them, and what is refused."""

import pytest

import jtorch as torch


def leaf(*size):
    return torch.ones(*size, requires_grad=True)


def test_the_same_object_comes_back():
    x = torch.ones(2)
    assert x.add_(1) is x and x.mul_(2).sub_(1) is x and x.zero_() is x and x.copy_(torch.ones(2)) is x
    y = x
    y += 1
    assert y is x and x.tolist() == [2.0, 2.0]
    y = y + 1
    assert y is not x and x.tolist() == [2.0, 2.0]


def test_the_dtype_stays():
    x = torch.ones(2, dtype=torch.int32)
    assert x.add_(torch.tensor([1, 2])).dtype is torch.int32 and x.cumsum_(0).dtype is torch.int32
    assert torch.ones(2, dtype=torch.float16).mul_(torch.ones(2, dtype=torch.float64)).dtype is torch.float16
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired output type Int"):
        x.add_(1.5)
    with pytest.raises(RuntimeError, match="result type Long can't be cast to the desired output type Bool"):
        torch.ones(2, dtype=torch.bool).add_(torch.tensor([1, 2]))
    assert torch.ones(2).eq_(torch.ones(2)).dtype is torch.float32


def test_the_shape_stays():
    with pytest.raises(RuntimeError, match=r"output with shape \[2\] doesn't match the broadcast shape \[3, 2\]"):
        torch.ones(2).add_(torch.ones(3, 2))
    assert torch.ones(3, 2).add_(torch.ones(2)).sum().item() == 12


def test_versions_count_writes():
    x = torch.ones(3)
    assert x._version == 0
    x.add_(1)
    x[0] = 5
    y = x[1:]
    y.mul_(2)
    assert x._version == y._version == 3
    x.detach().zero_()
    assert x._version == 4
    d = x.data
    d.add_(1)
    assert (x._version, d._version) == (4, 1) and x.tolist() == [1, 1, 1]


def test_overlapping_memory_is_refused():
    x = torch.ones(3, 3)
    with pytest.raises(RuntimeError, match="some elements of the input tensor and the written-to tensor"):
        x.add_(x.t())
    with pytest.raises(RuntimeError, match="some elements of the input tensor"):
        x[1:].copy_(x[:-1])
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        x[0].expand(2, 3).add_(1)
    assert x.add_(x).sum().item() == 18 and x[0].add_(x[0]).sum().item() == 12
    y = torch.zeros(4)
    y.expand(2, 4)[0] = 3
    assert y.tolist() == [3.0] * 4


def test_leaves_are_not_written_to():
    x = leaf(2, 2)
    for write in (
        lambda: x.add_(1),
        lambda: x.zero_(),
        lambda: x.__setitem__(0, 1.0),
        lambda: x.copy_(torch.ones(2, 2)),
    ):
        with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
            write()
    with pytest.raises(RuntimeError, match="a view of a leaf Variable"):
        x[0].mul_(2)
    with torch.no_grad():
        x.mul_(2)
        x[0] = 0
    assert x.is_leaf and x.requires_grad and x.tolist() == [[0, 0], [2, 2]]


def test_gradients_through_a_write():
    x = leaf(3)
    y = x * 2
    y.mul_(3).add_(1)
    y[0] = 5
    y.sum().backward()
    assert x.grad.tolist() == [0, 6, 6]


def test_gradients_of_what_is_written():
    w = leaf(2)
    x = torch.zeros(3, 2)
    x[1] = w
    x.view(-1)[4:].add_(w * 10)
    assert x.requires_grad and not x.is_leaf
    x.sum().backward()
    assert w.grad.tolist() == [11, 11]


def test_a_view_taken_before_sees_the_history():
    w = leaf(2)
    x = torch.ones(2, 2)
    v = x[0]
    x.mul_(w)
    assert v.requires_grad
    (v * v).sum().backward()
    assert w.grad.tolist() == [2, 2]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda y: y.add_(1), lambda y: y[0].zero_(), lambda y: y.detach().mul_(2), lambda y: y.view(-1).t().fill_(1),
        lambda y: y.__setitem__(1, 3.0),
    ],
)  # fmt: skip
def test_what_backward_needs_must_not_change(spoil):
    for use in (lambda y: y * y, lambda y: y.sin(), lambda y: y.pow(3)):
        y = leaf(2, 2) * 1
        z = use(y).sum()
        spoil(y)
        with pytest.raises(RuntimeError, match="has been modified by an inplace operation"):
            z.backward()


def test_what_backward_does_not_need_may_change():
    x = leaf(2)
    y = x * 1
    z = (y + 1).sum() + (y * 3).sum()
    y.zero_()
    z.backward()
    assert x.grad.tolist() == [4, 4]
    y = x.exp()
    y.data.add_(1)  # goes unnoticed
    y.sum().backward()


def test_an_operator_keeps_a_copy_of_what_it_overwrites():
    x, w = leaf(2), leaf(2)
    y = x * 1
    y.mul_(w)
    y.mul_(w)
    y.sum().backward()
    assert x.grad.tolist() == [1, 1] and w.grad.tolist() == [2, 2]
    y = x * 1
    z = y.mul_(y).sum()
    with pytest.raises(RuntimeError, match="inplace operation"):
        z.backward()


def test_detached_tensors_have_their_own_history():
    x, w = leaf(2), leaf(2)
    y = x * 1
    d = y.detach()
    d.mul_(w * 3)
    assert d.requires_grad and y.tolist() == [3, 3]
    v = d[0]
    y.sum().backward()
    assert x.grad.tolist() == [1, 1] and w.grad is None
    (d.sum() + v).backward()
    assert w.grad.tolist() == [6, 3]
    e = x.detach().requires_grad_()
    part = e[0]
    with torch.no_grad():
        x.mul_(5)
    part.square().backward()
    assert e.grad.tolist() == [10, 0] and part.item() == 5


def test_views_that_autograd_cannot_follow():
    y = leaf(2, 2) * 1
    a, _ = y.unbind()
    with pytest.raises(RuntimeError, match="returns multiple views"):
        a.add_(1)
    with torch.no_grad():
        v = y[0]
    with pytest.raises(RuntimeError, match="created in no_grad mode"):
        v.add_(1)
    with pytest.raises(RuntimeError, match="created in no_grad mode"):
        v.mul_(leaf(2))


def test_out():
    out = torch.zeros(2)
    assert torch.add(torch.ones(2), 1, out=out) is out and out.tolist() == [2, 2]
    view = torch.zeros(4)
    torch.mul(out, 2, out=view[1:3])
    assert view.tolist() == [0, 4, 4, 0]
    torch.add(out, 1, out=out)
    assert out.tolist() == [3, 3]
    empty = torch.empty(0)
    torch.add(out, 1, out=empty)
    assert empty.tolist() == [4, 4]
    with pytest.warns(UserWarning, match="An output with one or more elements was resized"):
        torch.add(torch.ones(3), 1, out=out)
    with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
        torch.add(out, torch.ones(2, 3), out=out)
    with pytest.raises(RuntimeError, match="Float can't be cast to the desired output type Int"):
        torch.add(torch.ones(2), 1, out=torch.zeros(2, dtype=torch.int32))
    with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
        torch.add(leaf(2), 1, out=torch.zeros(2))
    with pytest.raises(TypeError, match="argument 'out'"):
        torch.add(out, 1, out=3)


def test_leaves_that_no_longer_are_get_no_gradient():
    x = leaf(2)
    y = x * 2
    x.requires_grad_(False)
    y.sum().backward()
    assert x.grad is None
    with pytest.raises(RuntimeError, match="leaf variables"):
        (leaf(2) * 2).requires_grad_(False)


def test_data_is_replaced_and_the_history_stays():
    x = leaf(2)
    y = x * 3
    y.data = torch.full((2,), 10.0)
    (y * y).sum().backward()
    assert x.grad.tolist() == [60, 60]
    x.data = torch.zeros(3)
    assert x.is_leaf and x.requires_grad and x.shape == (3,)
    with pytest.raises(RuntimeError, match="must be floating point or complex"):
        x.data = torch.ones(3, dtype=torch.int32)
