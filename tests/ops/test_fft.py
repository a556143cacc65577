"""Fourier transforms against their defining sums; arguments, shifts, frequencies."""

import numpy as np
import pytest

import jtorch
from jtorch.ops.fft import TRANSFORMS, fftfreq, rfftfreq
from tests.ops.running import f64, run, same, slopes

RNG = np.random.default_rng(0)
SCALES = {None: 1, "backward": 1, "forward": 1 / 6, "ortho": 6**-0.5}


def spectrum(x, sign=-1):
    """The defining sum along the last axis, unscaled."""
    n = x.shape[-1]
    return x @ np.exp(sign * 2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n)


@pytest.mark.parametrize("norm", SCALES)
def test_spectra_of_one_dimension(norm):
    z = RNG.standard_normal((2, 6)) + 1j * RNG.standard_normal((2, 6))
    x = z.real.copy()
    there, back = SCALES[norm], 1 / 6 / SCALES[norm]
    same(run("fft_fft", z, norm=norm), spectrum(z) * there)
    same(run("fft_ifft", z, norm=norm), spectrum(z, 1) * back)
    same(run("fft_rfft", x, norm=norm), spectrum(x)[:, :4] * there)
    same(run("fft_ihfft", x, norm=norm), spectrum(x, 1)[:, :4] * back)
    same(run("fft_irfft", spectrum(x)[:, :4] * there, norm=norm), x)
    same(run("fft_hfft", spectrum(x, 1)[:, :4] * back, norm=norm), x)


def test_lengths():
    x = f64(1, 2, 3)
    same(run("fft_fft", x, 5), spectrum(f64(1, 2, 3, 0, 0)))
    same(run("fft_fft", x, 2), spectrum(f64(1, 2)))
    same(run("fft_irfft", run("fft_rfft", x), 3), x)
    assert run("fft_irfft", x).shape == (4,)


@pytest.mark.parametrize("suffix", ["2", "n"])
def test_several_dimensions_are_one_after_the_other(suffix):
    x = RNG.standard_normal((3, 4)) + 0j
    same(run(f"fft_fft{suffix}", x), spectrum(spectrum(x).T).T)
    same(run(f"fft_ifft{suffix}", run(f"fft_fft{suffix}", x)), x)
    same(run(f"fft_irfft{suffix}", run(f"fft_rfft{suffix}", x.real.copy())), x.real)
    same(run(f"fft_hfft{suffix}", run(f"fft_ihfft{suffix}", x.real.copy())), x.real)


def test_more_dimensions_than_xla_takes():
    x = RNG.standard_normal((2, 3, 2, 3, 2)) + 0j
    same(run("fft_fftn", x), np.fft.fftn(x))


def test_dtypes():
    assert run("fft_fft", np.ones(4, np.float32)).dtype == np.complex64
    assert run("fft_irfft", np.ones(4, np.complex64)).dtype == np.float32
    assert run("fft_rfft", np.ones(4, np.int32)).dtype == np.complex64
    assert run("fft_fftn", np.asarray(2.0)).dtype == np.complex128


def test_slopes():
    # The sum of a signal's spectrum is n times its first sample.
    same(slopes("fft_fft", f64(1, 2, 3)), f64(3, 0, 0))
    same(slopes("fft_irfft", f64(1, 2, 3)), f64(1, 0, 0))


@pytest.mark.parametrize("name", TRANSFORMS)
def test_errors(name):
    full = f"fft_{name}"
    with pytest.raises(RuntimeError, match='Invalid normalization mode: "half"'):
        run(full, np.ones((3, 3)), norm="half")
    with pytest.raises(RuntimeError, match=r"Invalid number of data points \(0\)"):
        run(full, np.ones((3, 3)), (0, 2) if name[-1] in "2n" else 0)
    with pytest.raises(RuntimeError, match="Unsupported dtype Half"):
        run(full, np.ones((3, 3), np.float16))
    with pytest.raises(IndexError, match="Dimension out of range"):
        run(full, np.ones((3, 3)), dim=(5,) if name[-1] in "2n" else 5)
    if "rfft" in name and "i" not in name:
        with pytest.raises(RuntimeError, match="expects a real"):
            run(full, np.ones((3, 3), np.complex64))


def test_dims_and_lengths_that_do_not_fit():
    for message, s, dim in [
        ("FFT dims must be unique", (2, 2), (1, -1)),
        ("must have the same length", (2, 2), (1,)),
        ("Got shape with 3 values", (2, 2, 2), None),
    ]:
        with pytest.raises(RuntimeError, match=message):
            run("fft_fftn", np.ones((3, 3)), s, dim)
    with pytest.raises(RuntimeError, match="rfftn must transform at least one axis"):
        run("fft_rfftn", np.ones((3, 3)), None, ())
    with pytest.raises(IndexError, match="tensor has no dimensions"):
        run("fft_fft", np.asarray(1.0))


def test_shifts_and_frequencies():
    assert run("fft_fftshift", np.arange(5)).tolist() == [3, 4, 0, 1, 2]
    assert run("fft_ifftshift", np.arange(5)).tolist() == [2, 3, 4, 0, 1]
    same(fftfreq.host(5, 0.5, dtype=None), np.array([0, 0.4, 0.8, -0.8, -0.4], np.float32))
    same(rfftfreq.host(5, 0.5, dtype=np.dtype(np.float64)), f64(0, 0.4, 0.8))
    with pytest.raises(RuntimeError, match="fftfreq requires a floating point or complex dtype"):
        fftfreq.host(5, 1.0, dtype=np.dtype(np.int64))


def test_namespace():
    x = jtorch.arange(4)
    assert jtorch.fft.fft(input=x, n=2, norm="ortho").shape == (2,)
    assert jtorch.fft.fftfreq(4, d=0.5, dtype=jtorch.float64).tolist() == [0.0, 0.5, -1.0, -0.5]
    assert len(jtorch.fft.__all__) == 22
