"""Errors that only the data can tell: an index out of range, a singular matrix.

XLA clamps or returns NaN where torch raises. A program that holds such ops carries an error code: 0, or the number of
the first check that failed. The next synchronisation reads it and raises torch's exception.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np

from jtorch.engine.trace import Node

_known: list[tuple[type[Exception], str]] = [(RuntimeError, "")]
_numbers: dict[tuple, int] = {}
_codes: dict[str, Any] = {}  # device -> the error code its last checked program returned


def number_of(error: type[Exception], message: str) -> int:
    """The code of an error."""
    key = (error, message)
    number = _numbers.get(key)
    if number is None:
        number = _numbers[key] = len(_known)
        _known.append(key)
    return number


def apply(code: Any, step: Node, args: list) -> Any:
    """``code``, or the number of the first check of ``step`` that fails on ``args``."""
    for bad, error, message in step.op.bind(step.spec, "check")(*args):
        number = number_of(error, f"{message} ({step.op.name}, recorded at {step.where})")
        code = jnp.where((code == 0) & jnp.asarray(bad), jnp.int32(number), code)
    return code


def take_code(device: str) -> Any:
    """The running error code of a device, as the next checked program's input, which returns it."""
    code = _codes.pop(device, None)
    return np.zeros((), np.int32) if code is None else code


def set_code(device: str, code: Any) -> None:
    """Keep what a checked program returned."""
    _codes[device] = code


def raise_pending(device: str) -> None:
    """Raise what the programs that ran on ``device`` found wrong."""
    code = _codes.pop(device, None)
    if code is not None:
        number = int(code)
        if number:
            error, message = _known[number]
            raise error(message)


def host(op: Any, spec: tuple, arrays: list) -> None:
    """The same checks on NumPy arrays, at once."""
    for bad, error, message in op.bind(spec, "check")(*arrays):
        if bool(bad):
            raise error(message)
