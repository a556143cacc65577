"""Values that must lie in a range, for functions made of several operators: the check travels with the values."""

from typing import Any

from jtorch.ops.table import op


def _check(self: Any, low: int, high: int, message: str) -> list:
    return [(((self < low) | (self > high)).any(), RuntimeError, message)]


@op("_in_range(Tensor self, int low, int high, str message) -> Tensor", expose="torch", out=False, check=_check)
def _in_range(self: Any, low: int, high: int, message: str) -> Any:
    return self
