"""What torch.tensor, as_tensor, asarray and from_numpy make of data."""

import jax.numpy as jnp
import numpy as np
import pytest

import jtorch as torch


@pytest.mark.parametrize(
    ("data", "dtype", "values"),
    [
        (True, "bool", True), (1, "int64", 1), (1.5, "float32", 1.5), (1j, "complex64", 1j), ([], "float32", []),
        ([[], []], "float32", [[], []]), ((1, 2), "int64", [1, 2]), ([1, 2.5], "float32", [1, 2.5]),
        (range(3), "int64", [0, 1, 2]),
        ([True, 2], "int64", [1, 2]), ([1, 2j], "complex64", [1, 2j]), ([(1, 2), [3, 4]], "int64", [[1, 2], [3, 4]]),
        (np.float64(1.5), "float64", 1.5), ([np.float64(1.5)], "float64", [1.5]),
        ([np.int32(1), 2.5], "float32", [1, 2.5]),
        (np.array([1, 2], np.int16), "int16", [1, 2]), ([np.ones(2), [2, 3]], "float64", [[1, 1], [2, 3]]),
        ([np.int8(1), np.int8(2)], "int8", [1, 2]), (np.bool_(True), "bool", True),
        (bytearray(b"ab"), "int64", [97, 98]),
    ],
)  # fmt: skip
def test_dtypes_are_inferred(data, dtype, values):
    made = torch.tensor(data)
    assert made.dtype is getattr(torch, dtype) and made.tolist() == values
    again = torch.as_tensor(data)
    assert again.dtype is made.dtype and again.tolist() == values


def test_tensors_among_the_data_are_numbers():
    one = torch.tensor(1, dtype=torch.int8)
    assert torch.tensor([one, 2]).dtype is torch.int64
    assert torch.tensor([torch.tensor(1.5, dtype=torch.float64), 2]).dtype is torch.float64
    assert torch.tensor([[one], [torch.ones(1, 1)]]).tolist() == [[1], [1]]
    with pytest.raises(ValueError, match="only one element tensors"):
        torch.tensor([torch.ones(2), torch.ones(2)])


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ([[1, 2], [3]], ValueError, r"expected sequence of length 2 at dim 1 \(got 1\)"),
        ([[1], 2], TypeError, "not a sequence"),
        ([1, [2]], TypeError, "'list' object cannot be interpreted as an integer"),
        ([1.0, [2]], TypeError, "must be real number, not list"), ("a", TypeError, r"new\(\): invalid data type 'str'"),
        (b"a", TypeError, r"new\(\): invalid data type 'bytes'"), (["a"], ValueError, "too many dimensions 'str'"),
        ([1, "a"], TypeError, r"new\(\): invalid data type 'str'"),
        (None, RuntimeError, "Could not infer dtype of NoneType"),
        ([None], RuntimeError, "Could not infer dtype of NoneType"),
        ({}, RuntimeError, "Could not infer dtype of dict"),
        (object(), RuntimeError, "Could not infer dtype of object"),
        (2**63, ValueError, "Overflow when unpacking long long"),
        (np.array(["a"]), TypeError, "can't convert np.ndarray of type numpy.str_"),
        (np.array([1], ">i4"), ValueError, "byte order different from the native"),
    ],
)  # fmt: skip
def test_what_is_no_data(data, error, message):
    with pytest.raises(error, match=message):
        torch.tensor(data)


@pytest.mark.parametrize(
    ("data", "dtype", "want"),
    [
        ([1.7, -2.7], "int8", [1, -2]), ([0, 2], "bool", [False, True]), (float("nan"), "bool", True),
        (-1, "uint8", 255),
        (1e39, "float32", float("inf")), (3, "complex64", 3 + 0j), ([1, 2], "bfloat16", [1, 2]),
        (2**63, "uint64", 2**63),
        (2**70, "float32", 2.0**70),
    ],
)  # fmt: skip
def test_dtypes_are_given(data, dtype, want):
    made = torch.tensor(data, dtype=getattr(torch, dtype))
    assert made.dtype is getattr(torch, dtype) and made.tolist() == want


@pytest.mark.parametrize(
    ("data", "dtype", "error", "message"),
    [
        (300, "uint8", RuntimeError, "type uint8 without overflow"), (-256, "uint8", RuntimeError, "without overflow"),
        (1e20, "int64", RuntimeError, "type int64 without overflow"),
        (float("nan"), "int32", RuntimeError, "without overflow"),
        (1j, "float32", TypeError, "must be real number, not complex"),
        (1j, "int32", TypeError, "cannot be interpreted as an integer"),
        (None, "int32", TypeError, "'NoneType' object cannot be interpreted"),
        (-1, "uint64", OverflowError, "negative int to unsigned"),
    ],
)  # fmt: skip
def test_data_that_does_not_fit(data, dtype, error, message):
    with pytest.raises(error, match=message):
        torch.tensor(data, dtype=getattr(torch, dtype))


def test_data_is_copied():
    array = np.arange(3.0)
    for make in (torch.tensor, torch.as_tensor, torch.from_numpy, torch.asarray):
        made = make(array)
        array[0] = 100
        assert made.dtype is torch.float64 and made.tolist() == [0, 1, 2]
        array[0] = 0
    jax_array = jnp.arange(3, dtype=jnp.float32)
    assert torch.tensor(jax_array).tolist() == [0, 1, 2]


def test_tensors_as_data():
    x = torch.ones(2, requires_grad=True)
    assert (
        torch.as_tensor(x) is x
        and torch.asarray(x) is x
        and torch.as_tensor(x, dtype=torch.float64).dtype is torch.float64
    )
    assert torch.asarray(x, requires_grad=False).requires_grad is False
    with pytest.warns(UserWarning, match="To copy construct from a tensor"):
        y = torch.tensor(x)
    assert y is not x and not y.requires_grad


def test_a_gradient_needs_floats():
    assert torch.tensor([1.0], requires_grad=True).is_leaf
    for make in (torch.tensor, torch.nn.Parameter):
        with pytest.raises(
            RuntimeError, match="Only Tensors of floating point and complex dtype can require gradients"
        ):
            make(*([[1, 2]] if make is torch.tensor else [torch.tensor([1, 2])]), requires_grad=True)
    with pytest.raises(RuntimeError, match="only Tensors of floating point dtype"):
        torch.ones(1, dtype=torch.int32).requires_grad_()


def test_from_numpy_and_buffers():
    with pytest.raises(TypeError, match=r"expected np.ndarray \(got list\)"):
        torch.from_numpy([1])
    made = torch.frombuffer(bytearray(np.arange(4, dtype=np.int32).tobytes()), dtype=torch.int32, count=2, offset=4)
    assert made.tolist() == [1, 2]
    with pytest.raises(ValueError, match="must be a multiple of element size"):
        torch.frombuffer(bytearray(5), dtype=torch.int32)


def test_subclasses_of_pythons_numbers():
    class Weight(float):
        pass

    assert torch.tensor(Weight(1.5)).dtype is torch.float32 and torch.tensor([Weight(2)]).tolist() == [2.0]
    assert (torch.ones(1) * Weight(2)).item() == 2
