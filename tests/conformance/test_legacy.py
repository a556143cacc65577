"""torch.Tensor(...), torch.FloatTensor and its like, in both libraries."""

from typing import Any

import numpy as np
import pytest
import torch

import jtorch
from tests.conformance.alike import outcome


def subclass(lib: Any) -> Any:
    """A subclass of the library's Tensor."""
    return type("S", (lib.Tensor,), {})


PROGRAMS = [
    lambda lib: lib.Tensor(),
    lambda lib: lib.Tensor(2, 3).shape,
    lambda lib: lib.Tensor([2, 3]),
    lambda lib: lib.Tensor((2, 3)),
    lambda lib: lib.Tensor(5).shape,
    lambda lib: lib.Tensor(1.5),
    lambda lib: lib.Tensor(lib.Size([2, 1])).shape,
    lambda lib: lib.Tensor(lib.tensor([1, 2])),
    lambda lib: lib.Tensor(lib.tensor([1.0, 2])),
    lambda lib: lib.Tensor(lib.tensor(3.0)),
    lambda lib: lib.Tensor(np.array([1, 2])),
    lambda lib: lib.Tensor([[1, 2], [3, 4]]),
    lambda lib: lib.Tensor([True, False]),
    lambda lib: lib.Tensor("ab"),
    lambda lib: lib.Tensor(2, 3, device="cpu").shape,
    lambda lib: lib.Tensor(device="cpu"),
    lambda lib: lib.Tensor(size=(2, 3)).shape,
    lambda lib: lib.Tensor([1], device="meta"),
    lambda lib: lib.Tensor(2.0, 3),
    lambda lib: lib.Tensor(None),
    lambda lib: lib.Tensor({}),
    lambda lib: lib.Tensor(range(3)),
    lambda lib: lib.Tensor(lib.tensor(3)),
    lambda lib: lib.Tensor([lib.tensor(3), lib.tensor(4)]),
    lambda lib: subclass(lib)([1, 2]),
    lambda lib: lib.Tensor(np.int64(3)).shape,
    lambda lib: lib.Tensor(-1),
    lambda lib: lib.Tensor([1], dtype=lib.int),
    lambda lib: lib.LongTensor([1.7, 2]),
    lambda lib: lib.ByteTensor([1, 2]),
    lambda lib: lib.BoolTensor([1, 0]),
    lambda lib: lib.DoubleTensor([1]),
    lambda lib: lib.HalfTensor([1]),
    lambda lib: lib.BFloat16Tensor([1]),
    lambda lib: lib.IntTensor(2).shape,
    lambda lib: lib.LongTensor(lib.tensor([1])),
    lambda lib: lib.LongTensor(lib.tensor([1.0])),
    lambda lib: lib.ones(2).new(3).shape,
    lambda lib: lib.ones(2).new([3, 4]),
    lambda lib: lib.ones(2, dtype=lib.long).new([3, 4]),
    lambda lib: lib.ones(2).new().shape,
    lambda lib: lib.ones(2).new(lib.Size([2])).shape,
    lambda lib: lib.ones(2).new(lib.tensor([1])),
    lambda lib: lib.ones(2).new((2, 3)),
    lambda lib: lib.FloatTensor,
    lambda lib: type(lib.FloatTensor),
    lambda lib: isinstance(lib.ones(2, dtype=lib.long), lib.LongTensor),
    lambda lib: isinstance(lib.ones(2), (lib.LongTensor, lib.cuda.FloatTensor)),
    lambda lib: isinstance(lib.ones(2, device="meta"), lib.FloatTensor),
    lambda lib: lib.FloatTensor.dtype,
    lambda lib: lib.cuda.FloatTensor.is_cuda,
    lambda lib: lib.FloatTensor.is_sparse,
    lambda lib: lib.ones(2).type(lib.LongTensor),
    lambda lib: lib.ones(2).type(lib.float64),
    lambda lib: lib.ones(2).type(lib.Tensor),
    lambda lib: lib.FloatTensor(1.5),
    lambda lib: lib.FloatTensor(2, dtype=lib.int),
    lambda lib: lib.FloatTensor("a"),
    lambda lib: lib.FloatTensor(2, device="cuda"),
    lambda lib: lib.FloatTensor.__name__,
    lambda lib: lib.FloatTensor.__module__,
    lambda lib: lib.Tensor([1]).dtype,
    lambda lib: lib.set_default_tensor_type("torch.FloatTensor"),
    lambda lib: lib.set_default_tensor_type(lib.LongTensor),
    lambda lib: lib.Tensor([1]).dtype,
    lambda lib: lib.set_default_tensor_type(lib.Tensor),
    lambda lib: lib.get_default_dtype(),
    lambda lib: type("X", (lib.FloatTensor,), {}),
    lambda lib: lib.FloatTensor.layout,
    lambda lib: issubclass(lib.Tensor, lib.FloatTensor),
    lambda lib: lib.Tensor([1.0, 2]).requires_grad,
    lambda lib: lib.Tensor([[1, 2], [3]]),
    lambda lib: lib.Tensor([None]),
    lambda lib: lib.Tensor(lib.ones(2).storage()),
    lambda lib: lib.Tensor(np.float32(3)),
    lambda lib: lib.ones(2).new_tensor([1]),
]


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
def test_alike(number):
    (their_error, theirs), (our_error, ours) = (outcome(PROGRAMS[number], lib) for lib in (torch, jtorch))
    assert our_error == their_error, f"{ours}\n\ntorch: {theirs}"
    if their_error == "TypeError":  # which lists the overloads, or torch's C++ options
        ours, theirs = (text.split("expected")[0] for text in (ours, theirs))
    assert ours == theirs
