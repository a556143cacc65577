"""Window functions: weights that fade a signal in and out (https://docs.pytorch.org/docs/stable/signal.html).

They are computed in float64 and rounded once.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from jtorch.engine import config
from jtorch.ops.table import op

# Each takes the positions 0, 1 ... of the samples, the length of a period, and parameters of its own.


def _bartlett(at: np.ndarray, period: float) -> np.ndarray:
    return 1 - np.abs(2 * at / period - 1)


def _cosine(at: np.ndarray, period: float) -> np.ndarray:
    return np.sin(np.pi * (at + 0.5) / (period + 1))


def _cosines(at: np.ndarray, period: float, *weights: float) -> np.ndarray:
    """A sum of cosines of 0, 1, 2 ... periods, with alternating signs."""
    order = np.arange(len(weights))
    return np.cos(2 * np.pi / period * np.outer(at, order)) @ (np.array(weights) * (-1.0) ** order)


def _exponential(at: np.ndarray, period: float, center: float, tau: float) -> np.ndarray:
    return np.exp(-np.abs(at - center) / tau)


def _gaussian(at: np.ndarray, period: float, std: float) -> np.ndarray:
    return np.exp(-(((at - period / 2) / std) ** 2) / 2)


def _kaiser(at: np.ndarray, period: float, beta: float) -> np.ndarray:
    return np.i0(beta * np.sqrt(np.maximum(0, 1 - (2 * at / period - 1) ** 2))) / np.i0(beta)


_FORMULAS: dict[str, Callable] = {
    "bartlett": _bartlett,
    "cosine": _cosine,
    "cosines": _cosines,
    "exponential": _exponential,
    "gaussian": _gaussian,
    "kaiser": _kaiser,
}


def _host(kind: str, length: int, periodic: bool, parameters: tuple, *, dtype: np.dtype | None) -> np.ndarray:
    dtype = config.default_dtype if dtype is None else np.dtype(dtype)
    if length < 2 and kind != "exponential":  # that one may have its center elsewhere
        return np.ones(length, dtype)
    return _FORMULAS[kind](np.arange(float(length)), length if periodic else length - 1, *parameters).astype(dtype)


@op(
    "_window(str kind, int length, bool periodic, float[] parameters, *, ScalarType? dtype=None) -> Tensor",
    expose="",
    out=False,
    host=_host,
)
def window(kind, length, periodic, parameters, *, dtype):
    """``length`` samples of a window, whose period is that or, unless ``periodic``, one sample less."""
    return jnp.asarray(_host(kind, length, periodic, parameters, dtype=dtype))
