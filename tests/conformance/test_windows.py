"""The window functions of torch and of torch.signal.windows against torch."""

import itertools

import pytest
import torch

import jtorch
import jtorch.signal
from tests.conformance.live import same

PARAMETERS: dict[str, list] = {
    "exponential": [{}, {"tau": 2.0}, {"tau": 0}, {"tau": -1.0}, {"center": 1}],
    "gaussian": [{}, {"std": 2.0}, {"std": 0}, {"std": -1}],
    "general_cosine": [{"a": [0.5, 0.3, 0.2]}, {"a": (1,)}, {"a": []}, {"a": 3.0}, {"a": [0.1] * 5}],
    "general_hamming": [{}, {"alpha": 0.3}],
    "kaiser": [{}, {"beta": 3.0}, {"beta": 0.0}, {"beta": -1}],
}
LENGTHS = [0, 1, 2, 3, 5, 16, 33]


@pytest.mark.parametrize("name", ["bartlett", "blackman", "hamming", "hann", "kaiser"])
def test_of_torch(name):
    def check(*args, tolerance=1e-6, message=True, **kwargs):
        def program(lib):
            named = {k: getattr(lib, v) if k in ("dtype", "layout") else v for k, v in kwargs.items()}
            return getattr(lib, f"{name}_window")(*args, **named)

        same(program, what=f"{name}{args} {kwargs}", tolerance=tolerance, message=message)

    for length, periodic in itertools.product(LENGTHS, [True, False]):
        check(length, periodic)
        check(length, periodic, dtype="float64", tolerance=1e-12)
    check(-1)
    for dtype, tolerance in (("float16", 2e-3), ("bfloat16", 2e-2), ("complex64", 0), ("int64", 0)):
        check(9, dtype=dtype, tolerance=tolerance, message=dtype != "int64")
    check(9, layout="sparse_coo", message=False)
    check(4.0, message=False)
    check(window_length=3, periodic=False)
    same(lambda lib: getattr(lib, f"{name}_window")(3, requires_grad=True).requires_grad)


def test_parameters_of_torch():
    for args in [(4, True, 0.6), (4, True, 0.6, 0.4)]:
        same(lambda lib, args=args: lib.hamming_window(*args))
    for beta in (3.0, -3.0, 0.0):
        same(lambda lib, beta=beta: lib.kaiser_window(9, False, beta))
        same(lambda lib, beta=beta: lib.kaiser_window(9, True, beta=beta))


@pytest.mark.parametrize("name", torch.signal.windows.__all__)
def test_of_signal(name):
    def check(*args, tolerance=1e-6, message=True, **kwargs):
        def program(lib):
            named = {k: getattr(lib, v) if k in ("dtype", "layout") else v for k, v in kwargs.items()}
            return getattr(lib.signal.windows, name)(*args, **named)

        same(program, what=f"{name}{args} {kwargs}", tolerance=tolerance, message=message)

    for parameters in PARAMETERS.get(name, [{}]):
        for length, sym in itertools.product(LENGTHS, [True, False]):
            check(length, sym=sym, **parameters)
        check(9, dtype="float64", tolerance=1e-12, **parameters)
    parameters = PARAMETERS.get(name, [{}])[0]
    for dtype in ("int64", "complex64", "float16", "bfloat16"):
        check(4, dtype=dtype, **parameters)
    check(-1, **parameters)
    check(-1, dtype="int64", **parameters)
    check(4, layout="sparse_coo", **parameters)
    check(4.0, message=False, **parameters)
    same(lambda lib: getattr(lib.signal.windows, name)(3, requires_grad=True, **parameters).requires_grad)


def test_the_same_names():
    assert jtorch.signal.windows.__all__ == torch.signal.windows.__all__
