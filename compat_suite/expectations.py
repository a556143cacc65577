"""The table of what is asserted of each block, and the few comparisons it is written with."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from compat_suite.blocks import Run

Expectation = Callable[[Run], str | None]
EXPECTATIONS: dict[int, Expectation] = {}


def states(number: int) -> Callable[[Expectation], Expectation]:
    """Register what block ``number`` states. The function raises AssertionError, or returns a note for the report."""

    def register(expectation: Expectation) -> Expectation:
        assert number not in EXPECTATIONS, f"block {number} is stated twice"
        EXPECTATIONS[number] = expectation
        return expectation

    return register


def shape(tensor: Any) -> tuple[int, ...]:
    return tuple(tensor.shape)


def close(actual: Any, expected: Any, atol: float = 1e-6) -> None:
    """Assert equal shapes and values within ``atol`` (and 1e-5 of the value)."""
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=1e-5, atol=atol)


def printed_numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"[-+]?\d+\.\d*(?:e[-+]\d+)?", text)]
