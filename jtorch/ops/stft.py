"""The short-time Fourier transform of a padded signal, and its inverse by overlap and add.

The arguments are those that :mod:`jtorch.composite.spectral` has worked out: every window has ``n_fft`` elements.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np

from jtorch.ops.table import op


def _at(frames: int, n_fft: int, hop: int) -> np.ndarray:
    """Where each frame's samples stand in the signal: (frames, n_fft)."""
    return np.arange(frames)[:, None] * hop + np.arange(n_fft)


@op(
    "_stft(Tensor self, Tensor window, int n_fft, int hop, bool normalized, bool onesided) -> Tensor",
    promote="common",
    expose="",
    out=False,
    grad_name="TransposeBackward0",
)
def stft(self, window, n_fft, hop, normalized, onesided):
    """The spectra (..., frequencies, frames) of the windowed frames, ``hop`` apart, of a signal (..., samples)."""
    frames = 1 + (self.shape[-1] - n_fft) // hop
    transform = jnp.fft.rfft if onesided else jnp.fft.fft
    spectra = transform(self[..., _at(frames, n_fft, hop)] * window, norm="ortho" if normalized else "backward")
    return jnp.swapaxes(spectra, -1, -2)


def _overlapped(frames: Any, hop: int) -> Any:
    """The sum of (..., frames, n_fft) laid out ``hop`` apart."""
    count, n_fft = frames.shape[-2:]
    out = jnp.zeros((*frames.shape[:-2], n_fft + hop * (count - 1)), frames.dtype)
    return out.at[..., _at(count, n_fft, hop)].add(frames)


def _envelope(window: Any, frames: int, hop: int, start: int, stop: int) -> Any:
    """What the squared windows add up to at each sample of the result."""
    return _overlapped(jnp.broadcast_to(window * window, (frames, window.shape[0])), hop)[start:stop]


def _too_low(self: Any, window: Any, hop: int, start: int, stop: int, normalized: bool, onesided: bool) -> list:
    lowest = jnp.min(jnp.abs(_envelope(window, self.shape[-1], hop, start, stop)))
    return [(lowest < 1e-11, RuntimeError, "istft(): window overlap add min: 1")]


@op(
    "_istft(Tensor self, Tensor window, int hop, int start, int stop, bool normalized, bool onesided) -> Tensor",
    expose="",
    out=False,
    check=_too_low,
    grad_name="DivBackward0",
)
def istft(self, window, hop, start, stop, normalized, onesided):
    """The samples from ``start`` to ``stop`` of the signal (..., samples) with spectra (..., frequencies, frames).

    It is real if the spectra are ``onesided``. Fails where the windows leave a sample out.
    """
    transform = jnp.fft.irfft if onesided else jnp.fft.ifft
    frames = transform(jnp.swapaxes(self, -1, -2), window.shape[0], norm="ortho" if normalized else "backward")
    signal = _overlapped(frames * window, hop)[..., start:stop]
    return signal / _envelope(window, self.shape[-1], hop, start, stop)
