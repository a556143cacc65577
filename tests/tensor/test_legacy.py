"""torch.Tensor(...), torch.FloatTensor and its like, x.new(...), x.type(...)."""

import numpy as np
import pytest

import jtorch


def test_sizes_numbers_or_a_tensor():
    assert jtorch.Tensor().shape == (0,) and jtorch.Tensor(2, 3).shape == (2, 3)
    assert jtorch.Tensor(jtorch.Size([2])).shape == (2,) and jtorch.Tensor(size=(2, 1)).shape == (2, 1)
    for data in ([2, 3], (2, 3), np.array([2, 3]), range(2, 4)):
        made = jtorch.Tensor(data)
        assert made.dtype is jtorch.float32 and made.tolist() == [2.0, 3.0]
    x = jtorch.ones(2)
    jtorch.Tensor(x)[0] = 5
    assert x.tolist() == [5.0, 1.0]
    assert jtorch.Tensor(jtorch.tensor([1, 2])).dtype is jtorch.int64


@pytest.mark.parametrize(
    ("args", "kwargs", "error", "message"),
    [
        ((1.5,), {}, TypeError, r"new\(\): data must be a sequence \(got float\)"),
        (("ab",), {}, TypeError, r"new\(\): invalid data type 'str'"),
        (({},), {}, TypeError, r"must be a sequence \(got dict\)"),
        ((2.0, 3), {}, TypeError, r"invalid combination of arguments - got \(float, int\)"),
        (([1],), {"dtype": jtorch.int32}, TypeError, r"got \(list, dtype=torch.dtype\)"),
        ((-1,), {}, RuntimeError, r"negative dimension -1: \[-1\]"),
        (([1],), {"device": "meta"}, RuntimeError, "expects device type: cpu but device type: meta"),
    ],
)
def test_what_is_refused(args, kwargs, error, message):
    with pytest.raises(error, match=message):
        jtorch.Tensor(*args, **kwargs)


def test_types():
    for name, dtype in (
        ("Float", jtorch.float32), ("Double", jtorch.float64), ("Half", jtorch.float16), ("Long", jtorch.int64),
        ("Int", jtorch.int32), ("Short", jtorch.int16), ("Char", jtorch.int8), ("Byte", jtorch.uint8),
        ("Bool", jtorch.bool), ("BFloat16", jtorch.bfloat16),
    ):  # fmt: skip
        kind = getattr(jtorch, f"{name}Tensor")
        assert repr(kind) == f"<class 'torch.{name}Tensor'>" and kind.dtype is dtype and not kind.is_cuda
        made = kind([1, 0])
        assert made.dtype is dtype and isinstance(made, kind) and made.type() == f"torch.{name}Tensor"
        assert not isinstance(made, jtorch.cuda.FloatTensor)
        assert jtorch.ones(2, dtype=jtorch.complex64).real.type(kind).dtype is dtype
    assert jtorch.LongTensor([1.7]).tolist() == [1]
    assert isinstance(jtorch.nn.Parameter(jtorch.ones(1)), jtorch.FloatTensor) and not isinstance(3, jtorch.LongTensor)
    with pytest.raises(TypeError, match="expected TensorOptions"):
        jtorch.LongTensor(jtorch.ones(1))
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Mine", (jtorch.FloatTensor,), {})
    if not jtorch.cuda.is_available():
        with pytest.raises(TypeError, match="type torch.cuda.FloatTensor not available"):
            jtorch.cuda.FloatTensor(2)


def test_default_tensor_type():
    try:
        jtorch.set_default_tensor_type(jtorch.DoubleTensor)
        assert jtorch.Tensor([1]).dtype is jtorch.float64
    finally:
        jtorch.set_default_tensor_type("torch.FloatTensor")
    for wrong in (jtorch.LongTensor, jtorch.Tensor, "torch.IntTensor"):
        with pytest.raises(TypeError, match="only floating-point types"):
            jtorch.set_default_tensor_type(wrong)


def test_new_and_type():
    x = jtorch.ones(2, dtype=jtorch.int64)
    assert x.new(3).shape == (3,) and x.new([3, 4]).tolist() == [3, 4] and x.new().dtype is jtorch.int64
    with pytest.raises(TypeError, match="expected TensorOptions"):
        x.new(jtorch.ones(1))
    assert x.type(jtorch.Tensor).dtype is jtorch.float32 and x.type("torch.HalfTensor").dtype is jtorch.float16
    with pytest.raises(ValueError, match="invalid type: 'torch.Nothing'"):
        x.type("torch.Nothing")


def test_subclasses():
    class Mine(jtorch.Tensor):
        pass

    assert type(Mine(2)) is Mine and Mine([1, 2]).tolist() == [1.0, 2.0]
    w = jtorch.ones(2, requires_grad=True)
    made = jtorch.Tensor(w)
    assert made.requires_grad and not made.is_leaf
