"""``nonzero``, ``masked_select``, ``unique``, ``repeat_interleave``, histograms and segments."""

import jax
import pytest

import jtorch


def test_nonzero():
    x = jtorch.tensor([[0, 2], [3, 0]])
    assert x.nonzero().tolist() == [[0, 1], [1, 0]]
    assert [i.tolist() for i in jtorch.nonzero(x, as_tuple=True)] == [[0, 1], [1, 0]]
    assert jtorch.tensor(1).nonzero().shape == (1, 0)


def test_masked_select():
    x = jtorch.arange(4.0, requires_grad=True)
    made = x.masked_select(x > 1)
    assert made.tolist() == [2, 3]
    made.square().sum().backward()
    assert x.grad.tolist() == [0, 0, 4, 6]
    with pytest.raises(RuntimeError, match="expected BoolTensor for mask"):
        x.masked_select(jtorch.ones(4))


def test_unique():
    x = jtorch.tensor([3, 1, 3, 2])
    values, inverse, counts = x.unique(return_inverse=True, return_counts=True)
    assert values.tolist() == [1, 2, 3] and inverse.tolist() == [2, 0, 2, 1] and counts.tolist() == [1, 1, 2]
    assert values[inverse].tolist() == x.tolist()
    assert jtorch.unique(jtorch.tensor([[1, 2], [1, 2], [0, 5]]), dim=0).tolist() == [[0, 5], [1, 2]]
    assert jtorch.unique_consecutive(jtorch.tensor([1, 1, 2, 1])).tolist() == [1, 2, 1]


def test_repeat_interleave():
    x = jtorch.arange(3.0, requires_grad=True)
    repeats = jtorch.tensor([2, 0, 1])
    assert x.repeat_interleave(2).tolist() == [0, 0, 1, 1, 2, 2]
    assert x.repeat_interleave(repeats).tolist() == [0, 0, 2]
    assert jtorch.repeat_interleave(repeats).tolist() == [0, 0, 2]
    x.repeat_interleave(repeats, output_size=3).sum().backward()
    assert x.grad.tolist() == [2, 0, 1]
    with pytest.raises(RuntimeError, match="repeats can not be negative"):
        x.repeat_interleave(jtorch.tensor([1, -1, 1]))
    with pytest.raises(RuntimeError, match="allocated size does not match"):
        x.repeat_interleave(repeats, output_size=4).tolist()


def test_a_given_output_size_needs_no_data():
    def program(repeats):
        return jtorch.arange(3.0).repeat_interleave(jtorch.from_jax(repeats), output_size=4)._array()

    assert jax.jit(program)(jax.numpy.asarray([1, 2, 1])).tolist() == [0, 1, 1, 2]


def test_histogramdd():
    points = jtorch.tensor([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
    hist, edges = jtorch.histogramdd(points, [2, 2])
    assert hist.tolist() == [[1, 0], [1, 1]]
    assert [e.tolist() for e in edges] == [[0, 0.5, 1]] * 2
    assert jtorch.histogramdd(points, 2, density=True).hist.sum() == 4
    with pytest.raises(RuntimeError, match="range should have 4 elements"):
        jtorch.histogramdd(points, 2, range=(0.0, 1.0))


@pytest.mark.parametrize(
    ("reduce", "expected"),
    [("sum", [3, 0, 3]), ("mean", [1.5, float("nan"), 3]), ("max", [2, -float("inf"), 3]), ("prod", [2, 1, 3])],
)
def test_segment_reduce(reduce, expected):
    x = jtorch.tensor([1.0, 2.0, 3.0])
    lengths, offsets = jtorch.tensor([2, 0, 1]), jtorch.tensor([0, 2, 2, 3])
    assert jtorch.segment_reduce(x, reduce, lengths=lengths).tolist() == pytest.approx(expected, nan_ok=True)
    assert jtorch.segment_reduce(x, reduce, offsets=offsets).tolist() == pytest.approx(expected, nan_ok=True)
    with pytest.raises(RuntimeError, match="Expected all rows of lengths along axis to sum"):
        jtorch.segment_reduce(x, reduce, lengths=jtorch.tensor([1]))


def test_hash_tensor():
    x = jtorch.tensor([5, 3])
    assert jtorch.hash_tensor(x).item() == 5 ^ 3
    assert x.view(1, 2).hash_tensor(0).tolist() == [5, 3]
