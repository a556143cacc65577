"""Dropout (``torch.nn.functional``): checks of ``p`` and dimensions around those of ``composite/dropout.py``.

``p`` is the chance of an element, or of a channel, to be dropped. With ``inplace`` the result is written to ``input``.
"""

import warnings
from typing import Any

import jtorch
from jtorch.nn.functional._kernels import finish

__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"]


def _checked(p: float) -> float:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    return p


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """In training, zero elements at random and scale the others by ``1 / (1 - p)``."""
    return finish(input, jtorch.dropout(input, _checked(p), training), inplace, "dropout")


def alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """Dropout that keeps mean and variance of standardised input, for SELU (arXiv:1706.02515)."""
    return finish(input, jtorch.alpha_dropout(input, _checked(p), training), inplace, "alpha_dropout")


def feature_alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """:func:`alpha_dropout` of whole channels (dim 1)."""
    return finish(input, jtorch.feature_alpha_dropout(input, _checked(p), training), inplace, "feature_alpha_dropout")


def _of_channels(input: Any, p: float, training: bool, inplace: bool, batched: bool = True) -> Any:
    """Drop whole channels: dim 1, or dim 0 where there is no batch."""
    made = jtorch.feature_dropout(input if batched else input.unsqueeze(0), p, training)
    return finish(input, made if batched else made.squeeze(0), inplace, "feature_dropout")


def _channels_only(n: int) -> str:
    return (
        f"Note that dropout{n}d exists to provide channel-wise dropout on inputs with {n} spatial "
        f"dimension{'s' * (n > 1)}, a channel dimension, and an optional batch dimension "
        f"(i.e. {n + 1}D or {n + 2}D inputs)."
    )


def _warn_of_dims(n: int, ndim: int) -> None:
    if ndim not in (n + 1, n + 2):
        warnings.warn(
            f"dropout{n}d: Received a {ndim}-D input to dropout{n}d, which is deprecated and will result in an error "
            f"in a future release. To retain the behavior and silence this warning, please use dropout instead. "
            f"{_channels_only(n)}",
            stacklevel=3,
        )


def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Dropout of whole channels of (N, C, L) or (C, L). Raises RuntimeError for other numbers of dimensions."""
    _checked(p)
    if input.dim() not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.dim()}D input. {_channels_only(1)}"
        )
    return _of_channels(input, p, training, inplace, input.dim() == 3)


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Dropout of whole channels of (N, C, H, W). A 3D input counts as (N, C, L), with a warning."""
    _checked(p)
    _warn_of_dims(2, input.dim())
    if input.dim() == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is desired "
            "- input is interpreted as shape (N, C, L), where C is the channel dim. This behavior will change in a "
            "future release to interpret the input as one without a batch dimension, i.e. shape (C, H, W). To maintain "
            "the 1D channel-wise dropout behavior, please switch to using dropout1d instead.",
            stacklevel=2,
        )
    return _of_channels(input, p, training, inplace)


def dropout3d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Dropout of whole channels of (N, C, D, H, W) or (C, D, H, W)."""
    _checked(p)
    _warn_of_dims(3, input.dim())
    return _of_channels(input, p, training, inplace, input.dim() == 5)
