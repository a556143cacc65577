"""make_tensor: what it draws from."""

import pytest

import jtorch
from jtorch.testing import make_tensor


@pytest.mark.parametrize(
    "dtype", [jtorch.float32, jtorch.bfloat16, jtorch.complex64, jtorch.int64, jtorch.uint8, jtorch.bool]
)
def test_numbers_suit_the_dtype(dtype):
    made = make_tensor(40, 50, dtype=dtype, device="cpu")
    assert made.shape == (40, 50) and made.dtype is dtype
    real = jtorch.view_as_real(made) if dtype.is_complex else made
    low, high = {jtorch.uint8: (0, 9), jtorch.bool: (0, 1)}.get(dtype, (-9, 9))
    assert low <= real.double().min() < low + 0.2 and high - 0.2 < real.double().max() <= high


def test_options():
    made = make_tensor(
        (3, 4), dtype=jtorch.float32, device="cpu", low=1, high=2, requires_grad=True, noncontiguous=True
    )
    assert made.requires_grad and made.is_leaf and not made.is_contiguous() and made.shape == (3, 4)
    assert made.min() >= 1 and made.max() < 2
    assert (make_tensor(50, dtype=jtorch.int32, device="cpu", low=0, high=2, exclude_zero=True) == 1).all()
    assert make_tensor((), dtype=jtorch.int32, device="cpu", low=1.5, high=2.5).item() == 2
    with pytest.warns(FutureWarning, match="low==high"):
        assert make_tensor(2, dtype=jtorch.float32, device="cpu", low=2, high=2).tolist() == [2, 2]


@pytest.mark.parametrize(
    ("dtype", "options", "message"),
    [
        (jtorch.float32, {"low": 3, "high": 2}, "`low` must be less than `high`, but got 3 >= 2"),
        (jtorch.float32, {"low": float("nan")}, "cannot be NaN"),
        (jtorch.uint8, {"low": 300, "high": 400}, r"but torch.uint8 only supports \[0, 256\)"),
        (jtorch.int64, {"requires_grad": True}, "not supported for boolean and integral dtypes"),
        (jtorch.float32, {"noncontiguous": True, "memory_format": jtorch.channels_last}, "mutually exclusive"),
    ],
)
def test_what_is_refused(dtype, options, message):
    with pytest.raises(ValueError, match=message):
        make_tensor(2, dtype=dtype, device="cpu", **options)
