"""``torch.signal.windows``: symmetric windows, or with ``sym=False`` periodic ones, of ``M`` samples.

All take ``dtype`` (float32 or float64), ``layout``, ``device`` and ``requires_grad``, and raise ValueError for a
negative ``M``, another dtype or layout. https://docs.pytorch.org/docs/stable/signal.html
"""

from collections.abc import Iterable
from typing import Any

import jtorch
from jtorch.composite.windows import BLACKMAN, HANN, made
from jtorch.tensor.bind import int_arg

__all__ = [
    "bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine", "general_hamming", "hamming", "hann",
    "kaiser", "nuttall",
]  # fmt: skip

_NUTTALL = (0.3635819, 0.4891775, 0.1365995, 0.0106411)


def _window(
    name: str,
    kind: str,
    M: Any,  # noqa: N803
    sym: bool,
    *parameters: float,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    length = int_arg(M, "M", name)
    dtype = jtorch.get_default_dtype() if dtype is None else dtype
    if length < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={length}")
    if layout not in (None, jtorch.strided):
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    if dtype not in (jtorch.float32, jtorch.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dtype}")
    return made(kind, length, not sym, *parameters, dtype=dtype, device=device, requires_grad=requires_grad)


def bartlett(M: int, *, sym: bool = True, **options: Any) -> Any:  # noqa: N803
    """A triangle."""
    return _window("bartlett", "bartlett", M, sym, **options)


def blackman(M: int, *, sym: bool = True, **options: Any) -> Any:  # noqa: N803
    """Two cosines, of a height that leaves little beside the main lobe."""
    return _window("blackman", "cosines", M, sym, *BLACKMAN, **options)


def cosine(M: int, *, sym: bool = True, **options: Any) -> Any:  # noqa: N803
    """Half a wave."""
    return _window("cosine", "cosine", M, sym, **options)


def exponential(
    M: int,  # noqa: N803
    *,
    center: float | None = None,
    tau: float = 1.0,
    sym: bool = True,
    **options: Any,
) -> Any:
    """An exponential that falls from ``center`` on both sides, to 1/e within ``tau`` samples.

    ValueError where ``tau`` is not positive, or a symmetric window is given a center.
    """
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")
    middle = (M - 1 if sym or M == 1 else M) / 2 if center is None else center
    return _window("exponential", "exponential", M, sym, middle, tau, **options)


def gaussian(M: int, *, std: float = 1.0, sym: bool = True, **options: Any) -> Any:  # noqa: N803
    """A bell of the standard deviation ``std``, which must be positive (ValueError)."""
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    return _window("gaussian", "gaussian", M, sym, std, **options)


def general_cosine(M: int, *, a: Iterable, sym: bool = True, **options: Any) -> Any:  # noqa: N803
    """A sum of cosines of 0, 1, 2 ... periods, with the weights ``a`` and alternating signs.

    TypeError where ``a`` is no sequence, ValueError where it is empty.
    """
    weights = tuple(a) if isinstance(a, Iterable) else None
    if M > 1 and not weights:  # torch does not look at them for less
        if weights is None:
            raise TypeError("Coefficients must be a list/tuple")
        raise ValueError("Coefficients cannot be empty")
    return _window("general_cosine", "cosines", M, sym, *(weights or ()), **options)


def general_hamming(M: int, *, alpha: float = 0.54, sym: bool = True, **options: Any) -> Any:  # noqa: N803
    """``alpha`` less ``1 - alpha`` times a cosine."""
    return general_cosine(M, a=(alpha, 1 - alpha), sym=sym, **options)


def hamming(M: int, *, sym: bool = True, **options: Any) -> Any:  # noqa: N803
    """A cosine, raised so that the first side lobe vanishes."""
    return general_hamming(M, sym=sym, **options)


def hann(M: int, *, sym: bool = True, **options: Any) -> Any:  # noqa: N803
    """A cosine, raised to 0 at the ends."""
    return general_cosine(M, a=HANN, sym=sym, **options)


def kaiser(M: int, *, beta: float = 12.0, sym: bool = True, **options: Any) -> Any:  # noqa: N803
    """Kaiser's, of Bessel functions; ``beta``, its narrowness, must not be negative (ValueError)."""
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    return _window("kaiser", "kaiser", M, sym, beta, **options)


def nuttall(M: int, *, sym: bool = True, **options: Any) -> Any:  # noqa: N803
    """Three cosines, of heights that leave least beside the main lobe."""
    return general_cosine(M, a=_NUTTALL, sym=sym, **options)
