"""Reading by index, with NumPy as the judge where the two agree."""

import numpy as np
import pytest

import jtorch as torch

A = np.arange(60.0, dtype=np.float32).reshape(3, 4, 5)
ALIKE = [
    0, -1, (0, 1), (0, -1, 2), ..., None, (..., 0), (None, 0), slice(1, None), slice(None, None, 2), (slice(None), 1),
    (slice(0, 2), slice(1, 3), slice(None, None, 3)), [0, 2], ([0, 1], [1, 2]), (slice(None), [0, 0]),
    (0, [1, 2]), ([0, 1], slice(None), [1, 2]), A > 10, A[..., 0] > 10, (A[:, 0, 0] > 10, 1),
    np.array([0, 2]), (np.array([[0], [1]]), np.array([0, 1])), slice(5, 2), slice(-100, 100), (), True, False,
    (..., None, 0), ([0], [[1], [2]]), (slice(None), slice(None), A[0, 0] > 2), np.int64(1), (None, [0, 1], None),
]  # fmt: skip


@pytest.mark.parametrize("index", ALIKE, ids=repr)
def test_as_numpy_reads(index):
    x = torch.tensor(A)
    want = A[index]
    got = x[index]
    assert got.shape == want.shape and np.array_equal(got.numpy(), want)
    moved = torch.tensor(A).requires_grad_()
    made = moved[index]
    made.sum().backward()
    count = np.zeros_like(A)
    np.add.at(count, index, 1)
    assert np.array_equal(moved.grad.numpy(), count)


def test_tensors_as_indices():
    x = torch.tensor(A)
    assert x[torch.tensor(1)].equal(x[1]) and x[torch.tensor(1), torch.tensor(2)].equal(x[1, 2])
    assert x[torch.tensor([0, 2], dtype=torch.int32)].equal(x[[0, 2]])
    assert x[torch.tensor([True, False, True])].shape == (2, 4, 5)
    assert x[torch.tensor(1) :].shape == (2, 4, 5)
    with pytest.warns(UserWarning, match="dtype torch.uint8 is now deprecated"):
        assert x[torch.tensor([1, 0, 1], dtype=torch.uint8)].shape == (2, 4, 5)
    # a 0-d tensor is taken out before the others, unlike in NumPy
    assert x[torch.tensor(0), :, torch.tensor([1, 2])].shape == (4, 2)


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (3, IndexError, "index 3 is out of bounds for dimension 0 with size 3"),
        ((0, 0, 0, 0), IndexError, "too many indices for tensor of dimension 3"),
        (slice(None, None, -1), ValueError, "step must be greater than zero"),
        (slice(None, None, 0), ValueError, "slice step cannot be zero"),
        (1.5, IndexError, "only integers, slices"),
        ("a", TypeError, "invalid data type 'str'"),
        ([0, 5], IndexError, "index 5 is out of bounds for dimension 0 with size 3"),
        (np.ones((2, 2), bool), IndexError, r"mask \[2, 2\] at index 0 does not match .* \[3, 4, 5\] at index 0"),
        (([0, 1], [0, 1, 2]), IndexError, "shape mismatch: indexing tensors could not be broadcast"),
        (np.array([0.5]), IndexError, "must be long, int, byte or bool"),
    ],
)
def test_what_is_no_index(index, error, message):
    if error is IndexError and isinstance(index, np.ndarray) and index.dtype.kind == "f":
        index = torch.tensor(index)
    with pytest.raises(error, match=message):
        torch.tensor(A)[index]
    with pytest.raises(IndexError, match="invalid index of a 0-dim tensor"):
        torch.tensor(1)[0]


def test_an_index_out_of_range_in_the_trace_is_told_at_the_next_look():
    x = torch.tensor(A).requires_grad_()
    made = x[torch.tensor([0, 7])]
    with pytest.raises(IndexError, match="out of bounds.*recorded at .*test_getitem.py"):
        made.sum().item()
    assert x[0].sum().item() == A[0].sum()


def test_iteration_and_unpacking():
    x = torch.tensor([[1, 2], [3, 4]])
    assert [row.tolist() for row in x] == [[1, 2], [3, 4]]
    (a, b), c = x
    assert a.item() == 1 and b.item() == 2 and c.tolist() == [3, 4]
    assert list(reversed(x.tolist())) == [[3, 4], [1, 2]] and 3 in x and 9 not in x
