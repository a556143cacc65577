"""The texts of tensors, recorded from torch 2.13, and the options."""

import math

import jax
import ml_dtypes
import numpy as np
import pytest

import jtorch
from jtorch.tensor import printing
from jtorch.tensor.tensor import tensor_from

F32 = np.float32


@pytest.fixture(autouse=True)
def restored():
    with printing.printoptions():
        yield


def array(*values, dtype=F32):
    return tensor_from(np.array(values, dtype))


TEXTS = [
    (tensor_from(np.asarray(F32(3.14159))), "tensor(3.1416)"),
    (array(1, 2.5, -3.25), "tensor([ 1.0000,  2.5000, -3.2500])"),
    (array(1, 2), "tensor([1., 2.])"),
    (array([1, -20], [300, 4], dtype=np.int64), "tensor([[  1, -20],\n        [300,   4]])"),
    (array(1e-5, 1), "tensor([1.0000e-05, 1.0000e+00])"),
    (array(math.nan, math.inf, 1), "tensor([nan, inf, 1.])"),
    (array(math.nan, -math.inf, 0.5), "tensor([   nan,   -inf, 0.5000])"),
    (array(True, False, dtype=bool), "tensor([ True, False])"),
    (array(1 + 2j, -3.5 - 0.25j, dtype=np.complex64), "tensor([ 1.0000+2.0000j, -3.5000-0.2500j])"),
    (array(), "tensor([])"),
    (tensor_from(np.zeros((0, 3), F32)), "tensor([], size=(0, 3))"),
    (array(dtype=np.int64), "tensor([], dtype=torch.int64)"),
    (tensor_from(np.zeros((0, 2, 3), np.float16)), "tensor([], size=(0, 2, 3), dtype=torch.float16)"),
    (array(*range(2000), dtype=np.int64), "tensor([   0,    1,    2,  ..., 1997, 1998, 1999])"),
    (
        tensor_from(np.zeros((2, 2000), F32)),
        "tensor([[0., 0., 0.,  ..., 0., 0., 0.],\n        [0., 0., 0.,  ..., 0., 0., 0.]])",
    ),
    (
        array(*range(0, 15000, 1000), dtype=np.int64),
        "tensor([    0,  1000,  2000,  3000,  4000,  5000,  6000,  7000,  8000,  9000,\n"
        "        10000, 11000, 12000, 13000, 14000])",
    ),
    (
        tensor_from(np.zeros((2, 2, 2), F32)),
        "tensor([[[0., 0.],\n         [0., 0.]],\n\n        [[0., 0.],\n         [0., 0.]]])",
    ),
    (array(1 / 3, 1 / 3, dtype=ml_dtypes.bfloat16), "tensor([0.3340, 0.3340], dtype=torch.bfloat16)"),
    (array(1, 1, dtype=np.float64), "tensor([1., 1.], dtype=torch.float64)"),
    (array(1, dtype=np.uint8), "tensor([1], dtype=torch.uint8)"),
    (jtorch.empty(2, 3, device="meta"), "tensor(..., device='meta', size=(2, 3))"),
    (jtorch.ones(2).requires_grad_(), "tensor([1., 1.], requires_grad=True)"),
    (jtorch.ones(2).requires_grad_() + 1, "tensor([2., 2.], grad_fn=<AddBackward0>)"),
]


@pytest.mark.parametrize(("tensor", "text"), TEXTS)
def test_text(tensor, text):
    assert repr(tensor) == str(tensor) == text


def test_options():
    jtorch.set_printoptions(precision=2)
    assert str(array(1.23456, 10)) == "tensor([ 1.23, 10.00])"
    jtorch.set_printoptions(profile="default", sci_mode=True)
    assert str(array(1, 20)) == "tensor([1.0000e+00, 2.0000e+01])"
    jtorch.set_printoptions(sci_mode=False, threshold=3, edgeitems=1)
    assert str(array(1e-9, 2, 3, 4.5)) == "tensor([0.0000,  ..., 4.5000])"
    jtorch.set_printoptions(profile="default", linewidth=20)
    assert printing.get_printoptions() == {
        "precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 20, "sci_mode": None
    }  # fmt: skip
    assert str(array(1, 2, 3, 4)) == "tensor([1., 2., 3.,\n        4.])"


def test_dtype_is_named_unless_default():
    jtorch.set_default_dtype(jtorch.float64)
    try:
        assert str(array(1)) == "tensor([1.], dtype=torch.float32)"
        assert str(array(1, dtype=np.float64)) == "tensor([1.])"
        assert str(array(1, dtype=np.complex128)) == "tensor([1.+0.j])"
    finally:
        jtorch.set_default_dtype(jtorch.float32)


def test_format():
    assert f"{array(2.5)[0]:.3f}" == "2.500"
    assert f"{array(2, dtype=np.int64)[0]:03d}" == "002"
    assert f"{array(2.5)}" == "tensor([2.5000])"
    with pytest.raises(TypeError, match="unsupported format string"):
        format(array(2.5), ".3f")


def test_contents_and_tracers():
    assert array(1).__repr__(tensor_contents="<one>") == "tensor(<one>)"
    texts = []
    jax.jit(lambda x: texts.append(str(jtorch.from_jax(x))) or x)(np.ones(2, F32))
    assert "float32[2]" in texts[0]
