"""stft and istft against frames cut by hand, and against each other."""

import numpy as np
import pytest

import jtorch
from jtorch.composite import spectral

RNG = np.random.default_rng(0)
X = jtorch.from_numpy(RNG.standard_normal(60))
W = jtorch.hann_window(16, dtype=jtorch.float64)


def test_frames():
    out = jtorch.stft(X, 16, 5, window=W, center=False, return_complex=True)
    assert out.shape == (9, 1 + (60 - 16) // 5)
    frame = X[10:26].numpy() * W.numpy()
    np.testing.assert_allclose(out[:, 2].numpy(), np.fft.rfft(frame), atol=1e-12)


def test_a_short_window_stands_in_the_middle():
    out = X.stft(16, 5, 4, window=jtorch.ones(4), center=False, onesided=False, return_complex=True)
    frame = np.zeros(16)
    frame[6:10] = X[11:15].numpy()
    np.testing.assert_allclose(out[:, 1].numpy(), np.fft.fft(frame), atol=1e-12)


def test_center_mirrors_the_ends():
    out = jtorch.view_as_real(jtorch.stft(X, 8, 2, window=jtorch.ones(8), return_complex=True, normalized=True))
    frame = X.numpy()[[4, 3, 2, 1, 0, 1, 2, 3]]
    spectrum = np.fft.rfft(frame) / np.sqrt(8)
    np.testing.assert_allclose(out[:, 0].numpy(), np.stack([spectrum.real, spectrum.imag], -1), atol=1e-12)


@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("onesided", [False, True])
def test_there_and_back(normalized, onesided):
    options = {"window": W, "normalized": normalized, "onesided": onesided}
    spectra = jtorch.stft(jtorch.stack([X, -X]), 16, 4, return_complex=True, **options)
    back = spectra.istft(16, 4, **options)
    np.testing.assert_allclose(back.numpy(), np.stack([X.numpy(), -X.numpy()]), atol=1e-12)
    assert spectra.istft(16, 4, length=20, **options).shape == (2, 20)


def test_complex_signals():
    z = jtorch.complex(X, X.flip(0))
    spectra = jtorch.stft(z, 16, 4, window=W)
    assert spectra.shape[0] == 16
    back = jtorch.istft(spectra, 16, 4, window=W, return_complex=True)
    np.testing.assert_allclose(back.numpy(), z.numpy(), atol=1e-12)


def test_gradient_of_a_round_trip_is_one():
    x = X.clone().requires_grad_()
    jtorch.istft(jtorch.stft(x, 16, 4, window=W, return_complex=True), 16, 4, window=W).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.ones(60), atol=1e-12)


def test_errors():
    whole = jtorch.stft(X, 16, 4, window=W, return_complex=True)
    for message, call in [
        ("expected 0 < n_fft < 60, but got n_fft=61", lambda: X.stft(61, window=W, center=False, return_complex=True)),
        ("expected hop_length > 0", lambda: X.stft(16, 0, window=W, return_complex=True)),
        ("window with size \\[16\\]", lambda: X.stft(8, window=W, return_complex=True)),
        ("requires the return_complex parameter", lambda: X.stft(16, window=W)),
        ("Cannot have onesided output", lambda: X.stft(16, window=W + 0j, onesided=True)),
        ("requires a complex-valued input", lambda: X.istft(16, window=W)),
        ("to match n_fft / 2 \\+ 1 when onesided=True, but got 9", lambda: whole.istft(18, window=W, win_length=16)),
        ("window overlap add min: 1", lambda: whole.istft(16, window=W, center=False).sum().item()),
    ]:
        with pytest.raises(RuntimeError, match=message):
            call()


def test_padding_of_a_signal_that_is_too_short():
    spectra = jtorch.stft(X, 16, 4, window=W, return_complex=True)
    with pytest.warns(UserWarning, match="shorter than the length parameter"):
        back = spectra.istft(16, 4, window=jtorch.ones(16), length=80)
    assert back.shape == (80,) and back[-1] == 0


def test_warnings_come_once(monkeypatch):
    monkeypatch.setattr(spectral, "_warned", set())
    with pytest.warns(UserWarning) as caught:
        for _ in range(2):
            out = X.stft(16, return_complex=False)
    assert out.shape[-1] == 2
    assert [str(w.message)[:26] for w in caught] == ["A window was not provided.", "stft with return_complex=F"]
