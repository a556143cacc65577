"""repr of tensors against torch: dtypes, shapes, values, options, gradients, subclasses."""

import contextlib
import itertools
import math

import ml_dtypes
import numpy as np
import pytest
import torch

import jtorch
from jtorch.tensor import printing
from tests.conformance.live import both

RNG = np.random.default_rng(0)

OPTIONS = [
    {},
    {"precision": 2},
    {"precision": 0},
    {"precision": 10, "linewidth": 120},
    {"sci_mode": True},
    {"sci_mode": False},
    {"sci_mode": True, "precision": 1},
    {"linewidth": 20},
    {"linewidth": 1},
    {"threshold": 5},
    {"threshold": 0, "edgeitems": 1},
    {"threshold": 5, "edgeitems": 2, "linewidth": 30},
    {"threshold": 5, "edgeitems": 0},
    {"edgeitems": 0},
    {"threshold": math.inf},
    {"profile": "short"},
    {"profile": "full"},
    {"profile": "default", "precision": 3},
    {"profile": "unknown"},
]
IDS = [",".join(f"{k}={v}" for k, v in o.items()) or "default" for o in OPTIONS]

SHAPES = [(), (1,), (3,), (7,), (40,), (2, 3), (1, 30), (30, 1), (8, 9), (2, 3, 4), (2, 2, 2, 2), (1, 9, 1, 9)]
EMPTY = [(0,), (0, 3), (2, 0), (2, 0, 3)]

FLOATS = ["float32", "float64", "float16", "bfloat16"]
INTS = ["uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"]
FLOAT8 = ["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"]

VALUES = {
    "zeros": [0.0],
    "negative zero": [-0.0, 1.5],
    "ones": [1.0],
    "whole": [1.0, -2.0, 30.0],
    "whole, far apart": [1.0, 20000.0],
    "whole, large": [2e8],
    "fractions": [0.5, -1.25, 3.14159],
    "small": [1e-5, 2e-5],
    "at the bounds": [1e-4, 0.1],
    "far apart": [1e-3, 5.5],
    "thousandfold": [0.001, 1.0],
    "nan": [math.nan],
    "inf": [math.inf, -math.inf],
    "nan among whole": [math.nan, 1.0, 22.0],
    "inf among fractions": [-math.inf, 0.5],
    "inf among powers": [math.inf, 1e-7, 2.0],
    "rounds up": [0.99999, 9.99999],
    "halves": [0.5, 1.5, 2.5],
}

NP = {name: getattr(ml_dtypes, name) for name in ["bfloat16", *FLOAT8]}


def make(values, shape, dtype):
    flat = np.resize(np.asarray(values), math.prod(shape))
    with np.errstate(all="ignore"):
        return flat.astype(NP.get(dtype, dtype)).reshape(shape)


@contextlib.contextmanager
def options(**chosen):
    with torch._tensor_str.printoptions(**chosen), printing.printoptions(**chosen):
        yield


def same(array, **chosen):
    theirs, ours = both(array)
    with options(**chosen):
        assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("chosen", OPTIONS, ids=IDS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_floats(dtype, chosen):
    for values, shape in itertools.product(VALUES.values(), [(), (3,), (40,), (8, 9)]):
        same(make(values, shape, dtype), **chosen)


@pytest.mark.parametrize("chosen", OPTIONS, ids=IDS)
def test_shapes(chosen):
    for shape in SHAPES + EMPTY:
        same(RNG.standard_normal(shape).astype(np.float32), **chosen)
        same(RNG.integers(-100, 100, shape), **chosen)
        same(RNG.integers(0, 2, shape).astype(bool), **chosen)
        same((RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)).astype(np.complex64), **chosen)


@pytest.mark.parametrize("dtype", [*FLOATS, *INTS, "bool", "complex64", "complex128"])
def test_every_dtype_and_shape(dtype):
    for shape in SHAPES + EMPTY:
        same(make([0, 1, 100, 3], shape, dtype))
        if dtype in INTS:
            info = np.iinfo(dtype)
            same(make(np.array([info.min, info.max], dtype), shape, dtype))


@pytest.mark.parametrize("dtype", FLOAT8)
def test_float8(dtype):
    bits = np.arange(256, dtype=np.uint8)
    if dtype == "float8_e8m0fnu":  # torch takes its 2**-127 for zero and its nan for finite
        bits = bits[1:-1]
    for shape in SHAPES:
        same(np.resize(bits, math.prod(shape)).view(NP[dtype]).reshape(shape))
        same(make([1.0, 2.0, 4.0], shape, dtype))
    same(bits.view(NP[dtype]))


@pytest.mark.parametrize("chosen", OPTIONS, ids=IDS)
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex(dtype, chosen):
    parts = [1.0, -2.5, 0.0, -0.0, math.nan, math.inf, -math.inf, 1e-6, 1e6]
    every = np.array([complex(a, b) for a in parts for b in parts])
    for values in (every, every[:1], [1 + 2j, -3j], [0.5 - 0.25j], [1e-5 + 1j]):
        for shape in [(), (1,), (5,), (81,), (3, 9)]:
            same(make(values, shape, dtype), **chosen)


def test_summaries():
    for shape in [
        (1001,),
        (1000,),
        (7, 200),
        (200, 7),
        (6, 200),
        (11, 10, 10),
        (2, 2, 300),
        (1100, 1),
        (20, 20, 20, 2),
    ]:
        same(np.arange(math.prod(shape)).reshape(shape))
        same(RNG.standard_normal(shape).astype(np.float32))
    hidden = np.ones(2000, np.float32)
    hidden[500] = 1e9  # decides nothing: it is not shown
    same(hidden)
    same(np.arange(10000, dtype=np.complex64).reshape(100, 100), precision=1)


@pytest.mark.parametrize("default", ["float32", "float64", "float16", "bfloat16"])
def test_dtype_is_named_unless_default(default):
    torch.set_default_dtype(getattr(torch, default))
    jtorch.set_default_dtype(getattr(jtorch, default))
    try:
        for dtype, shape in itertools.product(
            [*FLOATS, *INTS, "bool", "complex64", "complex128"], [(2,), (0,), (0, 2)]
        ):
            same(make([1, 0], shape, dtype))
            name = {"device": "meta", "dtype": dtype}
            theirs, ours = (lib.empty(shape, device="meta", dtype=getattr(lib, dtype)) for lib in (torch, jtorch))
            assert repr(ours) == repr(theirs), name
    finally:
        torch.set_default_dtype(torch.float32)
        jtorch.set_default_dtype(jtorch.float32)


GRADS = {
    "leaf": lambda lib, x: x.requires_grad_(),
    "add": lambda lib, x: x.requires_grad_() + 1,
    "sum": lambda lib, x: x.requires_grad_().sum(),
    "detached": lambda lib, x: (x.requires_grad_() * 2).detach(),
    "grad": lambda lib, x: lib.autograd.grad((x.requires_grad_() * 2).sum(), x)[0],
    "parameter": lambda lib, x: lib.nn.Parameter(x),
    "frozen parameter": lambda lib, x: lib.nn.Parameter(x, requires_grad=False),
    "meta": lambda lib, x: lib.empty(2, 3, device="meta", requires_grad=True),
    "meta result": lambda lib, x: lib.empty(2, 3, device="meta", requires_grad=True) + 1,
}


@pytest.mark.parametrize("chosen", [{}, {"linewidth": 30}, {"linewidth": 45}], ids=["80", "30", "45"])
@pytest.mark.parametrize("case", GRADS.values(), ids=GRADS)
def test_gradients(case, chosen):
    for shape in [(), (2,), (16,), (9, 9), (0,), (0, 3)]:
        theirs, ours = both(np.ones(shape) / 3)
        with options(**chosen):
            assert repr(case(jtorch, ours)) == repr(case(torch, theirs))
            assert str(case(jtorch, ours)) == str(case(torch, theirs))


@pytest.mark.parametrize("case", ["Custom", "CustomParameter", "Flagged"])
def test_subclasses(case):
    def made(lib):
        class Custom(lib.Tensor):
            pass

        class CustomParameter(lib.nn.Parameter):
            pass

        x = lib.ones(4, 4)
        if case == "CustomParameter":
            return CustomParameter(x)
        x = x.as_subclass(Custom)
        x._is_param = case == "Flagged"  # as Parameter(x) marks it
        return x

    assert repr(made(jtorch)) == repr(made(torch))


def test_given_contents():
    theirs, ours = both(np.ones((2, 3)))
    assert ours.__repr__(tensor_contents="<six>") == theirs.__repr__(tensor_contents="<six>")


SPECS = ["", ".4f", "10.2e", "g", ">12", "+.1f", "d", "05d", "x", "%"]


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("dtype", [*FLOATS, "int64", "uint8", "bool", "complex64"])
def test_format(dtype, spec):
    def text(t):
        try:
            return format(t, spec)
        except (TypeError, ValueError) as error:
            return type(error)

    for shape in [(), (2,)]:
        theirs, ours = both(make([3], shape, dtype))
        assert text(ours) == text(theirs)


def test_options_are_told():
    assert printing.get_printoptions() == torch._tensor_str.get_printoptions()
    with options(profile="short", sci_mode=True):
        assert printing.get_printoptions() == torch._tensor_str.get_printoptions()
