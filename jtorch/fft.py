"""``torch.fft``: discrete Fourier transforms (https://docs.pytorch.org/docs/stable/fft.html)."""

from jtorch.tensor import bind

_FUNCTIONS = {**bind.namespace("fft"), **bind.composites("fft")}
globals().update(_FUNCTIONS)

__all__ = sorted(_FUNCTIONS)  # type: ignore[assignment]
