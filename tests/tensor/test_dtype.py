"""dtype objects, their limits, and the default."""

import copy
import pickle

import numpy as np
import pytest

import jtorch as torch


def test_names_and_facts():
    assert repr(torch.float32) == "torch.float32" and torch.float is torch.float32 and torch.half is torch.float16
    assert torch.long is torch.int64 and torch.double is torch.float64 and torch.cfloat is torch.complex64
    rows = {
        torch.float32: (True, False, True, 4), torch.bfloat16: (True, False, True, 2),
        torch.int8: (False, False, True, 1),
        torch.uint8: (False, False, False, 1), torch.bool: (False, False, False, 1),
        torch.complex64: (False, True, True, 8),
    }  # fmt: skip
    for dtype, facts in rows.items():
        assert (dtype.is_floating_point, dtype.is_complex, dtype.is_signed, dtype.itemsize) == facts
    assert torch.float32.to_complex() is torch.complex64 and torch.complex128.to_real() is torch.float64


def test_one_object_each():
    for dtype in (torch.float32, torch.bfloat16, torch.bool):
        assert pickle.loads(pickle.dumps(dtype)) is dtype
        assert copy.copy(dtype) is dtype and copy.deepcopy(dtype) is dtype
    assert isinstance(torch.int32, torch.dtype) and torch.int32 != torch.int64 and len({torch.int32, torch.int}) == 1


def test_limits():
    assert torch.finfo(torch.float32).eps == 2**-23 and torch.finfo(torch.float16).max == 65504.0
    assert torch.finfo(torch.bfloat16).eps == 2**-7 and torch.finfo().dtype == "float32"
    assert torch.finfo(torch.complex128).bits == 64
    assert (torch.iinfo(torch.uint8).min, torch.iinfo(torch.uint8).max) == (0, 255)
    assert torch.iinfo(torch.int64).max == 2**63 - 1
    with pytest.raises(TypeError, match="Use torch.iinfo"):
        torch.finfo(torch.int32)
    with pytest.raises(TypeError, match="Use torch.finfo"):
        torch.iinfo(torch.float32)


def test_python_types_stand_for_dtypes():
    assert torch.zeros(1, dtype=float).dtype is torch.float64
    assert torch.zeros(1, dtype=int).dtype is torch.int64
    assert torch.zeros(1, dtype=bool).dtype is torch.bool
    assert torch.zeros(1, dtype=complex).dtype is torch.complex128
    with pytest.raises(TypeError, match="must be torch.dtype, not str"):
        torch.zeros(1, dtype="float32")


def test_the_default():
    assert torch.get_default_dtype() is torch.float32
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.tensor(1.5).dtype is torch.float64 and torch.ones(1).dtype is torch.float64
        assert (torch.tensor(1) / 2).dtype is torch.float64 and torch.tensor(1j).dtype is torch.complex128
        assert torch.tensor(1).dtype is torch.int64
    finally:
        torch.set_default_dtype(torch.float32)
    with pytest.raises(TypeError, match="only floating-point types"):
        torch.set_default_dtype(torch.int32)


def test_promotion():
    assert torch.promote_types(torch.int32, torch.float16) is torch.float16
    assert torch.promote_types(torch.float16, torch.bfloat16) is torch.float32
    assert torch.promote_types(torch.uint8, torch.int8) is torch.int16
    assert torch.promote_types(torch.float64, torch.complex64) is torch.complex128
    assert torch.result_type(torch.ones(1, dtype=torch.int8), 1.5) is torch.float32
    assert torch.result_type(torch.ones(1), torch.ones((), dtype=torch.float64)) is torch.float32
    assert torch.result_type(torch.ones(1), torch.ones((), dtype=torch.complex128)) is torch.complex64
    assert torch.can_cast(torch.int64, torch.float16) and not torch.can_cast(torch.float16, torch.int64)
    with pytest.raises(RuntimeError, match="attempted to promote UInt16 and Char"):
        torch.promote_types(torch.uint16, torch.int8)


def test_numbers_wrap_or_are_refused():
    x = torch.tensor([1, 2], dtype=torch.uint8)
    assert (x - 3).tolist() == [254, 255] and (x * 300).tolist() == [44, 88]
    assert x.clone().fill_(-1).tolist() == [255, 255]
    with pytest.raises(RuntimeError, match="type uint8_t without overflow"):
        x.fill_(256)
    with pytest.raises(RuntimeError, match="type int8_t without overflow"):
        torch.full((1,), 200, dtype=torch.int8)
    with pytest.raises(RuntimeError, match="type c10::Half without overflow"):
        torch.full((1,), 1e6, dtype=torch.float16)
    with pytest.raises(OverflowError, match="int too big"):
        torch.full((1,), 2**70)
    assert np.isinf((torch.zeros(1, dtype=torch.float16) + 1e6).item())
