"""Pieces of tensors, layouts changed in place, and fills."""

import pytest

import jtorch


def grid():
    return jtorch.arange(12.0).view(3, 4)


def test_pieces():
    x = jtorch.arange(7)
    assert [p.tolist() for p in x.split(3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [p.tolist() for p in x.split([1, 6])] == [[0], [1, 2, 3, 4, 5, 6]]
    assert [len(p) for p in x.chunk(3)] == [3, 3, 1]
    assert [len(p) for p in x.tensor_split(3)] == [3, 2, 2]
    assert [p.tolist() for p in x.tensor_split((2, -1))] == [[0, 1], [2, 3, 4, 5], [6]]
    assert [p.item() for p in x.unbind()] == list(range(7))
    assert [tuple(p.shape) for p in jtorch.hsplit(grid(), 2)] == [(3, 2), (3, 2)]


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        (lambda x: x.split(0), "split_size can only be 0"),
        (lambda x: x.split([1, 1]), "sum exactly to 3"),
        (lambda x: x.chunk(0), "greater than 0"),
        (lambda x: x.tensor_split(0), "larger than 0"),
        (lambda x: x.hsplit(3), "not divisible"),
        (lambda x: x.dsplit(1), "at least 3 dimension"),
    ],
)
def test_errors_of_pieces(cut, message):
    with pytest.raises(RuntimeError, match=message):
        cut(grid())


@pytest.mark.parametrize(
    "cut", [lambda x: x.split(2, 1), lambda x: x.chunk(2), lambda x: x.unbind(1), lambda x: x.tensor_split(3)]
)
def test_pieces_share_storage(cut):
    x = grid()
    pieces = cut(x)
    x.zero_()
    assert not any(p.any() for p in pieces)
    pieces[0].fill_(1)
    assert x.sum() == pieces[0].numel()


def test_pieces_under_autograd():
    x = jtorch.arange(6.0, requires_grad=True)
    a, b = x.chunk(2)
    (a * b).sum().backward()
    assert x.grad.tolist() == [3, 4, 5, 0, 1, 2]
    with pytest.raises(RuntimeError, match="Output 0 of Split is a view and is being modified inplace"):
        (x * 1).split(2)[0].zero_()


def test_layout_in_place():
    x = grid()
    row = x[0]
    x.t_()
    assert x.shape == (4, 3) and x.stride() == (1, 4)
    x[0, 0] = 9
    assert row[0] == 9
    x.unsqueeze_(0).squeeze_(0).transpose_(0, 1)
    assert x.tolist()[1] == [4, 5, 6, 7]
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        jtorch.ones(2, requires_grad=True).unsqueeze_(0)


def test_as_strided_looks_at_the_storage():
    x = grid()
    assert x[1].as_strided((2, 2), (4, 1)).tolist() == [[4, 5], [8, 9]]
    assert x[1].as_strided((2,), (1,), 0).tolist() == [0, 1]
    with pytest.raises(RuntimeError, match="out of bounds for storage"):
        x.as_strided((2, 2), (1, 2), 20)


def test_resize():
    x = grid()
    row = x[1]
    row.resize_(2, 3)
    assert row.tolist() == [[4, 5, 6], [7, 8, 9]]
    row.zero_()
    assert x[2].tolist() == [0, 0, 10, 11]
    assert x.resize_(14).tolist()[-3:] == [11, 0, 0]
    with pytest.raises(RuntimeError, match="cannot resize variables that require grad"):
        jtorch.ones(2, requires_grad=True).resize_(1)


def test_fills():
    assert jtorch.zeros(4, 2).fill_diagonal_(1, wrap=True).tolist() == [[1, 0], [0, 1], [0, 0], [1, 0]]
    assert jtorch.fill(jtorch.ones(2).long(), 2.5).tolist() == [2, 2]
    x = jtorch.ones(2, requires_grad=True)
    y = x * 2
    y.fill_(3)
    y.sum().backward()
    assert x.grad.tolist() == [0, 0]


def test_python_functions():
    assert jtorch.arange(3).apply_(lambda a: a * 0.5).tolist() == [0, 0, 1]
    assert jtorch.arange(3.0).map_(jtorch.ones(3), lambda a, b: a - b).tolist() == [-1, 0, 1]
    with pytest.raises(TypeError, match="expected torch.FloatTensor"):
        jtorch.ones(2).map_(jtorch.ones(2).long(), max)


def test_queries():
    z = jtorch.tensor([1 + 2j])
    assert z.conj().is_conj() and not z.conj().conj().is_conj() and not z.conj().resolve_conj().is_conj()
    assert z.conj().imag.is_neg()
    assert jtorch.ones(2, 3).sum_to_size(2, 1).tolist() == [[3], [3]]
    assert [i.tolist() for i in jtorch.unravel_index(jtorch.tensor([5, 0]), (2, 3))] == [[1, 0], [2, 0]]
    assert grid().new([1, 2]).tolist() == [1, 2]

    class Named(jtorch.Tensor):
        pass

    x = grid()
    named = x.as_subclass(Named)
    x.zero_()
    assert type(named) is Named and not named.any()
