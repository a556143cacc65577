"""Frequencies of spectra, and the short-time Fourier transform with its inverse."""

from typing import Any

from jtorch.composite.creation import create
from jtorch.composite.table import composite
from jtorch.ops import fft
from jtorch.tensor import bind


def _frequencies(op: Any, n: Any, d: Any, options: dict) -> Any:
    return create(op, bind.int_arg(n, "n", op.name), bind.float_arg(d, "d", op.name), **options)


@composite("fft")
def fftfreq(n: Any, d: Any = 1.0, **options: Any) -> Any:
    """``fftfreq(n, d=1.0, *, out, dtype, layout, device, requires_grad)``: the frequencies in an ``fft``'s result.

    ``n`` samples stand ``d`` apart. https://docs.pytorch.org/docs/stable/generated/torch.fft.fftfreq.html
    """
    return _frequencies(fft.fftfreq, n, d, options)


@composite("fft")
def rfftfreq(n: Any, d: Any = 1.0, **options: Any) -> Any:
    """``rfftfreq(n, d=1.0, *, out, dtype, layout, device, requires_grad)``: the frequencies in an ``rfft``'s result.

    https://docs.pytorch.org/docs/stable/generated/torch.fft.rfftfreq.html
    """
    return _frequencies(fft.rfftfreq, n, d, options)
