"""Window functions against their formulas and known values."""

import math

import pytest

import jtorch
from jtorch.signal import windows

F64 = {"dtype": jtorch.float64}


def near(numbers):
    return pytest.approx(numbers, abs=1e-12)


def test_symmetric_windows():
    assert windows.bartlett(5, **F64).tolist() == near([0, 0.5, 1, 0.5, 0])
    assert windows.hann(5, **F64).tolist() == near([0, 0.5, 1, 0.5, 0])
    assert windows.hamming(5, **F64).tolist() == near([0.08, 0.54, 1, 0.54, 0.08])
    assert windows.general_hamming(5, alpha=0.6, **F64).tolist() == near([0.2, 0.6, 1, 0.6, 0.2])
    assert windows.blackman(5, **F64).tolist() == near([0, 0.34, 1, 0.34, 0])
    assert windows.nuttall(5, **F64).tolist() == near([0.0003628, 0.2269824, 1, 0.2269824, 0.0003628])
    assert windows.cosine(5, **F64).tolist() == near([math.sin(math.pi * (i + 0.5) / 5) for i in range(5)])
    assert windows.exponential(5, tau=3.0, **F64).tolist() == near([math.exp(-abs(i - 2) / 3) for i in range(5)])
    assert windows.gaussian(5, std=3.0, **F64).tolist() == near([math.exp(-((i - 2) ** 2) / 18) for i in range(5)])
    assert windows.kaiser(5, beta=0.0, **F64).tolist() == near([1.0] * 5)


def test_a_periodic_window_is_a_longer_symmetric_one_cut_short():
    for name in windows.__all__:
        given = {"a": (0.5, 0.3, 0.2)} if name == "general_cosine" else {}
        make = getattr(windows, name)
        assert make(7, **given, **F64)[:6].tolist() == near(make(6, sym=False, **given, **F64).tolist())


def test_torch_namespace():
    assert jtorch.hann_window(4, **F64).tolist() == near([0, 0.5, 1, 0.5])
    assert jtorch.hann_window(5, False, **F64).tolist() == near([0, 0.5, 1, 0.5, 0])
    assert jtorch.hamming_window(4, True, 0.6, 0.4, **F64).tolist() == near([0.2, 0.6, 1, 0.6])
    assert jtorch.bartlett_window(4, **F64).tolist() == near([0, 0.5, 1, 0.5])
    assert jtorch.blackman_window(4, **F64).tolist() == near([0, 0.34, 1, 0.34])
    assert jtorch.kaiser_window(4, beta=0.0, **F64).tolist() == near([1.0] * 4)
    assert jtorch.hann_window(0).shape == (0,) and jtorch.kaiser_window(1).tolist() == [1.0]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: jtorch.hann_window(-1), RuntimeError, "requires non-negative window_length, got window_length=-1"),
        (lambda: jtorch.hann_window(3, dtype=jtorch.int64), RuntimeError, "expects floating point dtypes"),
        (lambda: jtorch.hann_window(3.0), TypeError, "must be int, not float"),
        (lambda: windows.hann(-1), ValueError, "general_cosine requires non-negative window length, got M=-1"),
        (lambda: windows.kaiser(3, dtype=jtorch.float16), ValueError, "kaiser expects float32 or float64 dtypes"),
        (lambda: windows.kaiser(3, beta=-1), ValueError, "beta must be non-negative"),
        (lambda: windows.gaussian(3, std=0), ValueError, "Standard deviation must be positive, got: 0"),
        (lambda: windows.exponential(3, tau=0), ValueError, "Tau must be positive, got: 0"),
        (lambda: windows.exponential(3, center=1), ValueError, "Center must be None for symmetric windows"),
        (lambda: windows.general_cosine(3, a=[]), ValueError, "Coefficients cannot be empty"),
        (lambda: windows.general_cosine(3, a=1), TypeError, "Coefficients must be a list/tuple"),  # type: ignore[arg-type]
    ],
)
def test_errors(make, error, message):
    with pytest.raises(error, match=message):
        make()
