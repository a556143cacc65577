"""torch.stft and torch.istft against torch: values, gradients, errors."""

import warnings

import numpy as np
import pytest

from tests.conformance.live import same

RNG = np.random.default_rng(0)
W = np.hanning(16) + 0.1


def f(*shape, dtype=np.float64):
    return RNG.standard_normal(shape).astype(dtype)


def c(*shape):
    return f(*shape) + 1j * f(*shape)


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def check(name, x, window, *args, grads=False, **kwargs):
    inputs = (x,) if window is None else (x, window)

    def program(lib, t, *w):
        return getattr(lib, name)(t, *args, **kwargs, **({"window": w[0]} if w else {}))

    what = f"{name} of {x.dtype}{list(x.shape)} with {args} {kwargs}"
    same(program, *inputs, grads=grads, what=what, tolerance=1e-4 if x.dtype == np.float32 else 1e-7)


STFT = [
    (f(100), None, (16,), {"return_complex": True}),
    (f(100), W, (16,), {"return_complex": True}),
    (f(2, 100, dtype=np.float32), W, (16, 5), {"return_complex": True, "normalized": True}),
    (f(100), W, (16, 5, 16), {"return_complex": False}),
    (f(100), W, (17, 5, 16), {"return_complex": True, "onesided": False}),
    (f(100), W[:9], (16, 3, 9), {"return_complex": True, "pad_mode": "constant"}),
    (f(100), W, (16,), {"return_complex": True, "center": False}),
    (f(100), W[:8], (16, 3, 8), {"return_complex": True, "center": False, "align_to_window": True}),
    (f(100), W[:8], (16, 3, 8), {"return_complex": True, "center": False, "align_to_window": False}),
    (c(100), W, (16,), {}),
    (c(2, 100), W, (16,), {"return_complex": False}),
    (f(100), W + 0j, (16,), {"return_complex": True}),
    (f(100), W, (16,), {"return_complex": True, "pad_mode": "replicate"}),
    (f(100), W, (16,), {"return_complex": True, "pad_mode": "circular"}),
]


@pytest.mark.parametrize("case", STFT, ids=range(len(STFT)))
def test_stft(case):
    x, window, args, kwargs = case
    check("stft", x, window, *args, grads=True, **kwargs)


REAL = {"return_complex": True}
STFT_ERRORS = [
    (f(100), None, (16,), {}),
    (f(2, 2, 100), None, (16,), REAL),
    (np.asarray(1.0), None, (16,), REAL),
    (f(100), W[:8], (16,), REAL),
    (f(100), f(16, 1), (16,), REAL),
    (f(100), None, (16, 4, 20), REAL),
    (f(100), None, (16, 0), REAL),
    (f(100), None, (16, -1), REAL),
    (f(100), None, (0,), REAL),
    (f(100), None, (200,), {**REAL, "center": False}),
    (f(100), None, (201,), REAL),
    (c(100), None, (16,), {"onesided": True}),
    (np.arange(100), None, (16,), REAL),
    (f(100), None, (16,), {**REAL, "pad_mode": "bad"}),
    (f(100), None, (16,), {**REAL, "align_to_window": True}),
]


@pytest.mark.parametrize("case", STFT_ERRORS, ids=range(len(STFT_ERRORS)))
def test_stft_errors(case):
    x, window, args, kwargs = case
    check("stft", x, window, *args, **kwargs)


HALF, WHOLE = c(9, 26), c(16, 26)
ISTFT = [
    (HALF, None, (16,), {}),
    (HALF, W, (16,), {}),
    (c(2, 9, 26), W, (16, 3), {"normalized": True}),
    (HALF, W, (16,), {"length": 50}),
    (HALF, W, (16,), {"length": 500}),
    (HALF, W, (16,), {"center": False}),
    (HALF, W, (16,), {"center": False, "length": 30}),
    (HALF, W[:9], (16, 3, 9), {}),
    (WHOLE, W, (16,), {}),
    (WHOLE, W, (16,), {"return_complex": True}),
    (WHOLE, W, (16,), {"onesided": False, "return_complex": True}),
    (WHOLE, W + 0j, (16,), {"return_complex": True}),
    (c(9, 26).astype(np.complex64), W, (16,), {}),
    (c(9, 26), W, (17,), {"win_length": 16}),
]


@pytest.mark.parametrize("case", ISTFT, ids=range(len(ISTFT)))
def test_istft(case):
    x, window, args, kwargs = case
    check("istft", x, window, *args, grads=True, **kwargs)


ISTFT_ERRORS = [
    (f(9, 26), None, (16,), {}),
    (HALF, None, (20,), {}),
    (HALF, None, (0,), {}),
    (HALF, None, (16, 0), {}),
    (HALF, None, (16, 20), {}),
    (HALF, None, (16, -2), {}),
    (HALF, None, (16,), {"win_length": 20}),
    (HALF, np.ones(8), (16,), {}),
    (c(1, 1, 9, 26), None, (16,), {}),
    (WHOLE, W, (16,), {"onesided": True}),
    (HALF, W, (16,), {"onesided": False}),
    (HALF, W, (16,), {"return_complex": True}),
    (HALF, W + 0j, (16,), {}),
    (c(9, 0), None, (16,), {}),
    (c(0, 9, 4), None, (16,), {}),
]


@pytest.mark.parametrize("case", ISTFT_ERRORS, ids=range(len(ISTFT_ERRORS)))
def test_istft_errors(case):
    x, window, args, kwargs = case
    check("istft", x, window, *args, **kwargs)


def test_windows_that_leave_samples_out():
    def program(window, length=None):
        def run(lib, t, w):
            try:
                return float(lib.istft(t, 16, window=w, length=length, center=False).sum())
            except RuntimeError as error:
                return "window overlap add min: 1" in str(error) or "numel() == 0" in str(error)

        same(run, HALF, window, grads=False)

    program(np.zeros(16))
    program(np.r_[0.0, np.ones(15)])
    program(W, 0)


def test_method():
    same(lambda lib, t, w: t.stft(16, window=w, return_complex=True), f(100), W)
    same(lambda lib, t, w: t.istft(16, window=w), HALF, W)
