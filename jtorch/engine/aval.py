"""Abstract values: what is known of an array before it exists."""

from functools import lru_cache
from math import prod
from typing import Any

import jax
import numpy as np


class LeafKey:
    """Stands in a trie key where an array enters the trace; told apart by identity, so that lookups stay cheap."""

    __slots__ = ("aval", "kind")

    def __init__(self, aval: "Aval", kind: str) -> None:
        self.aval = aval
        self.kind = kind

    def __repr__(self) -> str:
        return f"<{self.kind} {self.aval}>"


class Aval:
    """Shape, dtype and device of an array. Interned: make one with :func:`aval`, compare with ``is``."""

    __slots__ = (
        "shape", "dtype", "device", "ndim", "size", "inexact", "plain", "leaf", "graph", "frozen", "number", "row",
    )  # fmt: skip

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype, device: str, number: type | None) -> None:
        self.shape = shape
        self.dtype = dtype
        self.device = device
        self.number = number
        self.row: Aval | None = None  # of an entry along the first dimension, once one was taken
        self.ndim = len(shape)
        self.size = prod(shape)
        self.inexact = dtype.kind not in "biu"
        self.plain = LeafKey(self, "array")
        self.leaf = LeafKey(self, "parameter")
        self.graph = LeafKey(self, "graph result")
        self.frozen = LeafKey(self, "inference tensor")

    def __repr__(self) -> str:
        return f"{self.dtype}{list(self.shape)}@{self.device}"

    def struct(self) -> jax.ShapeDtypeStruct:
        """The same for ``jax.eval_shape``; a Python number is weakly typed."""
        return jax.ShapeDtypeStruct(self.shape, self.dtype, weak_type=self.number is not None)


@lru_cache(maxsize=1 << 16)
def aval(shape: tuple[int, ...], dtype: np.dtype, device: str, number: type | None = None) -> Aval:
    """The one :class:`Aval` of these fields. ``number`` is the Python type of a scalar that varies from call to
    call.
    """
    return Aval(shape, np.dtype(dtype), device, number)


_NUMBERS: dict[Any, np.dtype] = {
    bool: np.dtype(np.bool_),
    int: np.dtype(np.int64),
    float: np.dtype(np.float64),
    complex: np.dtype(np.complex128),
}


def number_aval(value: bool | int | float | complex, device: str) -> Aval:
    """The aval of a Python number that enters a program as a runtime input."""
    return aval((), _NUMBERS[type(value)], device, type(value))  # type: ignore[arg-type]
