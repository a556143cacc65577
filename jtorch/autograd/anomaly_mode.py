"""Finding the operation behind a NaN or an error in backward (torch.autograd.anomaly_mode)."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from jtorch.engine import autograd as engine
from jtorch.engine import trace
from jtorch.tensor.tensor import wrap

__all__ = ["detect_anomaly", "set_detect_anomaly"]

_local = trace._local


def _checked(check_nan: bool) -> Callable:
    """What runs a node in the mode: it says where the forward step was, if the backward one fails or gives NaN."""

    def run(node: engine.GradNode, apply: Callable) -> list:
        try:
            grads = apply()
        except Exception:
            _tell(node)
            raise
        for k, g in enumerate(grads if check_nan else ()):
            if g is not None and g.aval.inexact and np.isnan(wrap(g)._host("anomaly detection")).any():
                _tell(node)
                raise RuntimeError(f"Function '{node.name()}' returned nan values in its {k}th output.")
        return grads

    run.check_nan = check_nan  # type: ignore[attr-defined]
    return run


def _tell(node: engine.GradNode) -> None:
    warnings.warn(
        f"Error detected in {node.name()}. The forward call that caused the error was recorded at {node.where}",
        UserWarning,
        stacklevel=2,
    )


class detect_anomaly:
    """Within the context backward looks at each gradient, and names the forward line of the first that is NaN or fails.

    NaN raises RuntimeError. Slow, as each gradient is computed at once: for debugging.
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._before = _local.state.anomaly
        self.check_nan = check_nan
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for "
            "debugging.",
            UserWarning,
            stacklevel=2,
        )

    def __enter__(self) -> None:
        _local.state.anomaly = _checked(self.check_nan)

    def __exit__(self, *exc: object) -> None:
        _local.state.anomaly = self._before


class set_detect_anomaly:
    """The same, set at once; as a context manager it sets it back at the end."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = _local.state.anomaly
        _local.state.anomaly = _checked(check_nan) if mode else None

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        _local.state.anomaly = self._before


def set_anomaly_enabled(mode: bool, check_nan: bool = True) -> None:
    """Turn the mode on or off, with or without looking for NaN."""
    _local.state.anomaly = _checked(check_nan) if mode else None


def is_anomaly_enabled() -> bool:
    """Whether the mode is on."""
    return _local.state.anomaly is not None


def is_anomaly_check_nan_enabled() -> bool:
    """Whether it looks for NaN."""
    anomaly: Any = _local.state.anomaly
    return anomaly is None or anomaly.check_nan
