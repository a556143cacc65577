"""Writing by index, with NumPy as the judge where the two agree."""

import numpy as np
import pytest

import jtorch as torch
from tests.tensor.test_getitem import ALIKE, A


@pytest.mark.parametrize("index", ALIKE, ids=repr)
def test_as_numpy_writes(index):
    x, want = torch.tensor(A), A.copy()
    x[index] = 7
    want[index] = 7
    assert np.array_equal(x.numpy(), want)
    values = np.arange(A[index].size, dtype=np.float32).reshape(A[index].shape) + 100
    if len(np.unique(np.arange(60).reshape(3, 4, 5)[index])) == values.size:  # no place is written twice
        x[index] = torch.tensor(values)
        want[index] = values
        assert np.array_equal(x.numpy(), want)


@pytest.mark.parametrize("index", ALIKE[::4], ids=repr)
def test_gradients(index):
    leaf = torch.tensor(A).requires_grad_()
    value = torch.tensor(5.0, requires_grad=True)
    x = leaf * 1
    x[index] = value * 2
    x.sum().backward()
    hit = np.zeros(A.shape, bool)
    hit[index] = True
    assert np.array_equal(leaf.grad.numpy(), (~hit).astype(np.float32))
    count = A[index].size if np.size(A[index]) == hit.sum() else None
    assert count is None or value.grad.item() == 2 * count


def test_values_broadcast_and_are_cast():
    x = torch.zeros(3, 4, dtype=torch.int32)
    x[0] = torch.tensor([1.9, 2.9, 3.9, 4.9])
    x[:, 0] = torch.tensor([[[9, 8, 7]]])
    x[1, 1:] = True
    x[2] = np.array([5, 6, 7, 8])
    assert x.tolist() == [[9, 2, 3, 4], [8, 1, 1, 1], [5, 6, 7, 8]]
    x[[0, 1]] = torch.zeros(1, 1, dtype=torch.int32)
    assert x[:2].sum().item() == 0
    x[x > 5] = torch.tensor([2.5])
    assert x[2].tolist() == [5, 2, 2, 2]


@pytest.mark.parametrize(
    ("index", "value", "error", "message"),
    [
        (0, torch.ones(3), RuntimeError, r"The expanded size of the tensor \(4\) must match the existing size \(3\)"),
        ([0, 1], torch.ones(3, 4), RuntimeError, "shape mismatch: value tensor of shape"),
        (0, "a", TypeError, "can't assign a str to a torch.FloatTensor"),
        (0, None, TypeError, "can't assign a NoneType"),
        (0, 2**70, ValueError, "Overflow when unpacking long long"),
        (0, 1j, RuntimeError, "type float without overflow"),
        (5, 1.0, IndexError, "index 5 is out of bounds"),
        ([0], torch.ones(4, dtype=torch.float64), RuntimeError, "Index put requires the source and destination dtypes"),
    ],
)
def test_what_cannot_be_written(index, value, error, message):
    with pytest.raises(error, match=message):
        torch.zeros(3, 4)[index] = value


def test_chains():
    x = torch.zeros(3, 4)
    x[1:][1][2] = 5
    x[[0, 1]][0] = 9  # into a copy
    x[0] += 1
    x[torch.tensor([1, 1])] += 1  # once
    assert x.tolist() == [[1] * 4, [1] * 4, [0, 0, 5, 0]]
    x[0], x[1] = x[2].clone(), x[0].clone()
    assert x[0].tolist() == [0, 0, 5, 0] and x[1].tolist() == [1] * 4


def test_numbers_that_do_not_fit():
    x = torch.zeros(2, dtype=torch.uint8)
    x[0] = -1
    assert x.tolist() == [255, 0]
    for index in (0, [0], slice(None)):
        with pytest.raises(RuntimeError, match="type uint8_t without overflow"):
            x[index] = 300
        with pytest.raises(RuntimeError, match="type uint8_t without overflow"):
            x[index] = -1.5
