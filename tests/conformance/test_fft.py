"""torch.fft, torch.stft and torch.istft against torch: values, gradients, dtypes, errors."""

import itertools

import ml_dtypes
import numpy as np
import pytest
import torch

import jtorch
from tests.conformance.live import same

RNG = np.random.default_rng(0)
KINDS = ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"]
REAL = ("rfft", "ihfft")


def f(*shape, dtype=np.float64):
    return RNG.standard_normal(shape).astype(dtype)


def c(*shape, dtype=np.complex128):
    return (RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)).astype(dtype)


def check(name, x, *args, grads=False, **kwargs):
    what = f"{name} of {x.dtype}{list(x.shape)} with {args} {kwargs}"
    same(lambda lib, t: getattr(lib.fft, name)(t, *args, **kwargs), x, what=what, grads=grads)


@pytest.mark.parametrize("kind", KINDS)
def test_one_dimension(kind):
    signals = [f(5), f(4, 6), *([] if kind in REAL else [c(5), c(4, 6), c(3, 4, 5)])]
    for x, n, norm in itertools.product(signals, [None, 3, 8, 9], [None, "backward", "forward", "ortho"]):
        check(kind, x, n, norm=norm)
    for dim in (0, 1, -2, 2, -3):
        check(kind, signals[1], dim=dim)
    check(kind, f(1), 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", ["2", "n"])
def test_several_dimensions(kind, suffix):
    name = kind + suffix
    for x in [f(4, 5), f(2, 3, 4), *([] if kind in REAL else [c(4, 5), c(2, 3, 4)])]:
        for norm in (None, "forward", "ortho"):
            check(name, x, norm=norm)
        for s in [(3, 4), (6, 8), (-1, 4), (3, -1)]:
            check(name, x, s)
        for dim in [(0, 1), (1, 0), (-1,), (0, -1)]:
            check(name, x, dim=dim)
        check(name, x, s=(5, 3), dim=(1, 0), norm="ortho")
    check(name, f(2, 3, 2, 3, 4), dim=(0, 1, 2, 3))
    check(name, f(2, 3, 2, 3, 4), dim=(4, 2, 0, 1, 3), norm="ortho")


@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind):
    for x in [f(4, 5), *([] if kind in REAL else [c(4, 5)])]:
        check(kind, x, grads=True)
        check(kind, x, 7, 0, "ortho", grads=True)
        check(kind, x, 3, norm="forward", grads=True)
        check(kind + "n", x, (3, 6), grads=True)
    check(kind + "2", f(2, 4, 5), norm="ortho", grads=True)
    check(kind + "n", f(2, 3, 2, 3), dim=(3, 0, 1, 2), grads=True)


@pytest.mark.parametrize("dtype", ["float32", "complex64", "int64", "int32", "uint8", "bool", "float16", "bfloat16"])
@pytest.mark.parametrize("kind", KINDS)
def test_dtypes(kind, dtype):
    x = RNG.integers(0, 5, (4, 4)).astype(getattr(ml_dtypes, dtype) if dtype == "bfloat16" else dtype)
    for suffix in ("", "2", "n"):
        check(kind + suffix, x)


def test_ints_become_the_default_dtype():
    for lib in (torch, jtorch):
        lib.set_default_dtype(lib.float64)
    try:
        for kind in KINDS:
            check(kind, np.arange(5))
        check("fft", f(5, dtype=np.float32))
    finally:
        for lib in (torch, jtorch):
            lib.set_default_dtype(lib.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_errors(kind):
    x = f(4, 5)
    for n in (0, -1, -2):
        check(kind, x, n)
    check(kind, x, norm="bad")
    check(kind, x, dim=2)
    for bad in (np.asarray(1.0), f(0), f(3, 0), c(4)):
        check(kind, bad)
    for name in (kind + "2", kind + "n"):
        for s, dim in [((3,), (0, 1)), ((3, 4, 5), (0, 1)), ((3, 4), (0,)), ((3, 4), (0, 0)), ((0, 4), (0, 1))]:
            check(name, x, s, dim)
        for s in [(3,), (3, 4, 5), (-2, 4), 3]:
            check(name, x, s)
        for dim in [(), (0, 3), 0]:
            check(name, x, dim=dim)
        check(name, x, norm="bad")
        for other in (f(4), np.asarray(1.0), c(3, 4), f(0, 3), f(3, 0)):
            check(name, other)


@pytest.mark.parametrize("name", ["fftshift", "ifftshift"])
def test_shifts(name):
    for x in [f(5), f(6), f(2, 3), f(4, 3, 5), np.arange(7), np.asarray(2.0)]:
        for dim in [None, 0, (0,), 1, (0, 1), (0, 0), (), 3]:
            check(name, x, dim)
    check(name, f(4, 3), grads=True)


@pytest.mark.parametrize("name", ["fftfreq", "rfftfreq"])
def test_frequencies(name):
    for n, d in itertools.product([0, 1, 2, 5, 8, -1, 5.0], [1.0, 0.5, 2, 0.0, -3.0]):
        same(lambda lib, n=n, d=d: getattr(lib.fft, name)(n, d), what=f"{name}({n}, {d})", message=n != 5.0)
    for dtype in ["float64", "float16", "bfloat16", "int64", "complex64"]:
        same(lambda lib, d=dtype: getattr(lib.fft, name)(9, 0.1, dtype=getattr(lib, d)), what=dtype)
    same(lambda lib: getattr(lib.fft, name)(9, requires_grad=True).requires_grad)
    same(lambda lib: getattr(lib.fft, name)(4, out=lib.zeros(0)))


def test_out():
    same(lambda lib, t: lib.fft.fft(t, out=lib.empty(5, dtype=lib.complex128)), f(5), grads=False)


def test_the_same_names():
    public = {n for n in dir(torch.fft) if n[0] != "_" and callable(getattr(torch.fft, n))} - {"Tensor"}
    assert set(jtorch.fft.__all__) == public
