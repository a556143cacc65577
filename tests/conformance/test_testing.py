"""torch.testing: what assert_close says, and what make_tensor draws, in both libraries."""

import warnings

import numpy as np
import pytest
import torch
import torch.testing

import jtorch
import jtorch.testing
from tests.conformance.alike import outcome

INF, NAN = float("inf"), float("nan")
PROGRAMS = [
    lambda lib: lib.testing.assert_close(lib.tensor([1.0, 2]), lib.tensor([1.0, 2])),
    lambda lib: lib.testing.assert_close(lib.tensor([1.0, 2]), lib.tensor([1.0, 3])),
    lambda lib: lib.testing.assert_close(lib.tensor([1.0, 2]), lib.tensor([1.0, 3]), rtol=0, atol=0),
    lambda lib: lib.testing.assert_close(lib.tensor([1, 2]), lib.tensor([1, 3])),
    lambda lib: lib.testing.assert_close(lib.tensor([1, 2]), lib.tensor([1, 3]), rtol=0.1, atol=0.1),
    lambda lib: lib.testing.assert_close(lib.tensor([1.0, 2]), lib.tensor([1.0, 2, 3])),
    lambda lib: lib.testing.assert_close(lib.tensor([1.0, 2]), lib.tensor([1, 2])),
    lambda lib: lib.testing.assert_close(lib.tensor([1.0, 2]), lib.tensor([1, 2]), check_dtype=False),
    lambda lib: lib.testing.assert_close(lib.tensor([True, False]), lib.tensor([True, True])),
    lambda lib: lib.testing.assert_close(1.0, 2.0),
    lambda lib: lib.testing.assert_close(1, 2),
    lambda lib: lib.testing.assert_close(1, 1.0),
    lambda lib: lib.testing.assert_close(1.0, 1.0 + 1e-9),
    lambda lib: lib.testing.assert_close(True, False),
    lambda lib: lib.testing.assert_close(None, None),
    lambda lib: lib.testing.assert_close(None, 1),
    lambda lib: lib.testing.assert_close("a", "a"),
    lambda lib: lib.testing.assert_close("a", "b"),
    lambda lib: lib.testing.assert_close(
        [lib.tensor([1.0]), lib.tensor([2.0])], [lib.tensor([1.0]), lib.tensor([3.0])]
    ),
    lambda lib: lib.testing.assert_close([1, 2], [1]),
    lambda lib: lib.testing.assert_close({"a": lib.tensor([1.0])}, {"a": lib.tensor([2.0])}),
    lambda lib: lib.testing.assert_close({"a": 1}, {"b": 1}),
    lambda lib: lib.testing.assert_close({"a": [1, {"c": lib.tensor(3.0)}]}, {"a": [1, {"c": lib.tensor(4.0)}]}),
    lambda lib: lib.testing.assert_close(lib.tensor([NAN]), lib.tensor([NAN])),
    lambda lib: lib.testing.assert_close(lib.tensor([NAN]), lib.tensor([NAN]), equal_nan=True),
    lambda lib: lib.testing.assert_close(lib.tensor([INF]), lib.tensor([INF])),
    lambda lib: lib.testing.assert_close(lib.tensor([INF]), lib.tensor([-INF])),
    lambda lib: lib.testing.assert_close(NAN, NAN),
    lambda lib: lib.testing.assert_close(NAN, NAN, equal_nan=True),
    lambda lib: lib.testing.assert_close(lib.tensor([1.0, 2]), lib.tensor([1.0, 3]), msg="hey"),
    lambda lib: lib.testing.assert_close(lib.tensor([1.0, 2]), lib.tensor([1.0, 3]), msg=lambda m: "X " + m),
    lambda lib: lib.testing.assert_close(lib.tensor([1.0]), np.array([1.0], dtype=np.float32)),
    lambda lib: lib.testing.assert_close(np.array([1.0]), np.array([2.0])),
    lambda lib: lib.testing.assert_close(lib.tensor([1.0]), [1.0]),
    lambda lib: lib.testing.assert_close([1.0], lib.tensor([1.0])),
    lambda lib: lib.testing.assert_close(lib.tensor([1.0], requires_grad=True), lib.tensor([1.0])),
    lambda lib: lib.testing.assert_close(lib.nn.Parameter(lib.tensor([1.0])), lib.tensor([1.0])),
    lambda lib: lib.testing.assert_close(
        lib.nn.Parameter(lib.tensor([1.0])), lib.tensor([1.0]), allow_subclasses=False
    ),
    lambda lib: lib.testing.assert_close(lib.tensor(1.0), 1.0),
    lambda lib: lib.testing.assert_close(lib.tensor(1.0), lib.tensor([1.0])),
    lambda lib: lib.testing.assert_close(lib.tensor([1.0]), lib.tensor([1.0]), rtol=1),
    lambda lib: lib.testing.assert_close(lib.tensor([1.0]), lib.tensor([1.0]), atol=1),
    lambda lib: lib.testing.assert_close(lib.ones(2, 3), lib.zeros(2, 3)),
    lambda lib: lib.testing.assert_close(lib.ones(2, 3, dtype=lib.half), lib.zeros(2, 3, dtype=lib.half)),
    lambda lib: lib.testing.assert_close(
        lib.ones(2, 3, dtype=lib.bfloat16), 1.001 * lib.ones(2, 3, dtype=lib.bfloat16)
    ),
    lambda lib: lib.testing.assert_close(lib.ones(2, dtype=lib.float64), lib.ones(2, dtype=lib.float64) + 1e-6),
    lambda lib: lib.testing.assert_close(lib.ones(2, dtype=lib.cfloat), lib.ones(2, dtype=lib.cfloat) * (1 + 1j)),
    lambda lib: lib.testing.assert_close(lib.tensor(1.0), lib.tensor(2.0)),
    lambda lib: lib.testing.assert_close(lib.tensor([]), lib.tensor([])),
    lambda lib: lib.testing.assert_close(1 + 1j, 1 + 2j),
    lambda lib: lib.testing.assert_close(lib.tensor([0.0]), lib.tensor([0.0])),
    lambda lib: lib.testing.assert_close(lib.tensor([1.0]), lib.tensor([0.0])),
    lambda lib: lib.testing.assert_close((lib.tensor(1.0), lib.tensor(2.0)), [lib.tensor(1.0), lib.tensor(2.0)]),
    lambda lib: lib.testing.assert_close(lib.tensor([1.0]), lib.tensor([1.0], device="meta")),
    lambda lib: lib.testing.assert_close(lib.tensor([1.0, 2.0, 3.0])[::2], lib.tensor([1.0, 3.0]), check_stride=True),
    lambda lib: lib.testing.assert_close(lib.tensor([1], dtype=lib.uint8), lib.tensor([5], dtype=lib.uint8)),
    lambda lib: lib.testing.assert_close(
        lib.tensor([1], dtype=lib.int32), lib.tensor([5], dtype=lib.int64), check_dtype=False
    ),
    lambda lib: lib.testing.assert_close(np.float32(1.0), np.float32(2.0)),
    lambda lib: lib.testing.assert_close(np.float32(1.0), 1.0),
    lambda lib: lib.testing.assert_close(1.0, lib.tensor(1.0)),
    lambda lib: lib.testing.assert_close([[1.0, 2.0]], [[1.0, 2.5]]),
    lambda lib: lib.testing.assert_close(object(), object()),
    lambda lib: lib.testing.assert_close(lib.tensor([1e-9]), lib.tensor([0.0])),
    lambda lib: lib.testing.assert_close(lib.tensor([[1.0, 2.0], [3.0, 4.0]]), lib.tensor([[1.0, 2.0], [3.0, 40.0]])),
    lambda lib: lib.testing.assert_close(2**63 - 1, 2**63 - 2),
    lambda lib: lib.testing.assert_close(lib.tensor([2**62]), lib.tensor([2**62 + 1])),
    lambda lib: lib.testing.assert_allclose(lib.tensor([1.0]), lib.tensor([2.0])),
    lambda lib: lib.testing.assert_close(lib.tensor([1.0]), lib.tensor([2.0]), rtol=0.5, atol=0),
    lambda lib: lib.testing.assert_close(lib.tensor([1.0]), lib.tensor([2.1]), rtol=0.5, atol=0),
    lambda lib: lib.testing.assert_close({1: lib.tensor(1.0)}, {1: lib.tensor(1.0)}),
    lambda lib: lib.testing.assert_close([], []),
    lambda lib: lib.testing.assert_close({}, []),
    lambda lib: lib.testing.assert_close("a", 1),
    lambda lib: lib.testing.assert_close([1, "a"], [1, "a"]),
    lambda lib: lib.testing.assert_close(lib.tensor([1.0]), None),
    lambda lib: lib.testing.assert_close(expected=lib.tensor(1.0), actual=lib.tensor(3.0)),
    lambda lib: lib.testing.assert_close(lib.tensor([1.0]), lib.tensor([2.0]), check_layout=False, check_device=False),
    lambda lib: lib.testing.assert_close(lib.tensor(1), lib.tensor(2)),
    lambda lib: lib.testing.assert_close(lib.tensor(True), lib.tensor(False)),
    lambda lib: lib.testing.assert_close(lib.zeros(2, 0), lib.zeros(0, 2)),
    lambda lib: lib.testing.make_tensor((2, 3), dtype=lib.float32, device="cpu").shape,
    lambda lib: lib.testing.make_tensor(2, 3, dtype=lib.int64, device="cpu", low=0, high=1),
    lambda lib: lib.testing.make_tensor((3,), dtype=lib.float32, device="cpu", low=2, high=2),
    lambda lib: lib.testing.make_tensor(3, dtype=lib.float32, device="cpu", low=3, high=2),
    lambda lib: lib.testing.make_tensor((2,), dtype=lib.int32, device="cpu", low=1.5, high=2.5),
    lambda lib: lib.testing.make_tensor((2, 3), dtype=lib.float32, device="cpu", requires_grad=True).requires_grad,
    lambda lib: lib.testing.make_tensor((2, 3), dtype=lib.float32, device="cpu", noncontiguous=True).is_contiguous(),
    lambda lib: lib.testing.make_tensor((2,), dtype=lib.int64, device="cpu", requires_grad=True),
    lambda lib: lib.testing.make_tensor(
        (4, 3), dtype=lib.float32, device="cpu", noncontiguous=True, memory_format=lib.channels_last
    ),
    lambda lib: lib.testing.make_tensor(()),
    lambda lib: lib.testing.make_tensor((1000,), dtype=lib.float32, device="cpu", low=-1, high=1).abs().max() <= 1,
    lambda lib: lib.testing.make_tensor((1000,), dtype=lib.uint8, device="cpu").max() <= 9,
    lambda lib: lib.testing.make_tensor((100,), dtype=lib.int64, device="cpu", low=0, high=2, exclude_zero=True),
    lambda lib: lib.testing.make_tensor((3,), dtype=lib.bool, device="cpu").dtype,
    lambda lib: lib.testing.make_tensor((3,), dtype=lib.complex64, device="cpu").dtype,
    lambda lib: lib.testing.make_tensor((3,), dtype=lib.float32, device="cpu", low=NAN),
    lambda lib: lib.testing.make_tensor((3,), dtype=lib.uint8, device="cpu", low=-5, high=300).dtype,
    lambda lib: lib.testing.make_tensor((3,), dtype=lib.uint8, device="cpu", low=300, high=400),
    lambda lib: (lib.manual_seed(0), lib.testing.make_tensor((5,), dtype=lib.float32, device="cpu"))[1],
    lambda lib: (lib.manual_seed(0), lib.testing.make_tensor((5,), dtype=lib.int64, device="cpu"))[1],
    lambda lib: (lib.manual_seed(0), lib.testing.make_tensor((5,), dtype=lib.float32, device="cpu", low=0, high=1))[1],
    lambda lib: (lib.manual_seed(0), lib.testing.make_tensor((5,), dtype=lib.bool, device="cpu"))[1],
    lambda lib: (lib.manual_seed(0), lib.testing.make_tensor((5,), dtype=lib.complex64, device="cpu"))[1],
    lambda lib: (lib.manual_seed(0), lib.testing.make_tensor((5,), dtype=lib.float16, device="cpu"))[1],
]


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_alike(number):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # low == high, assert_allclose
        (their_error, theirs), (our_error, ours) = (outcome(PROGRAMS[number], lib) for lib in (torch, jtorch))
    assert our_error == their_error, f"{ours}\n\ntorch: {theirs}"
    if their_error == "TypeError":  # these name classes, by the module that they are in
        ours, theirs = ours.split("<class")[0], theirs.split("<class")[0]
    assert ours == theirs
