"""Values: arrays that exist, and arrays that a trace has promised."""

import threading
import weakref
from typing import TYPE_CHECKING, Any, Protocol

import jax
import numpy as np

from jtorch.engine.aval import Aval, aval, number_aval
from jtorch.engine.devices import name_of

if TYPE_CHECKING:
    from jtorch.engine.autograd import GradNode
    from jtorch.engine.trace import Trace


class Leaf(Protocol):
    """What owns a value that gradients are accumulated for."""

    def _accumulate(self, grad: "Value") -> None: ...


class Fate:
    """What becomes of a value, for the values that are views of it: they must not keep it alive.

    ``overwritten``: the version of its storage from which on an in-place write has replaced it; 0: none has.
    """

    __slots__ = ("overwritten",)

    def __init__(self) -> None:
        self.overwritten = 0


class Value:
    """One array of the program: immutable, materialised (``array`` is set) or pending (``array`` is None).

    ``trace`` and ``index`` say where it stands in the trace that last saw it. ``trace`` is :data:`DIRECT` when the
    array is a JAX tracer: then operators apply at once and nothing is recorded. ``requires_grad``
    is None for what was made in inference mode.
    """

    __slots__ = ("array", "aval", "trace", "index", "requires_grad", "_overwritten", "__dict__", "__weakref__")

    owner: "weakref.ref[Leaf] | None" = None  # the leaf tensor whose gradient this value's cotangent is
    node: "GradNode | None" = None  # the backward graph behind it, once it stands outside a trace
    output: int = 0  # which of the node's outputs it is
    _fate: "Fate | None" = None  # what views of it know of it
    _source: "Fate | None" = None
    successor: Any = None  # the place of the result of the in-place operation that overwrote it
    tangent: "tuple[int, Value] | None" = None  # a forward-mode level, and the tangent on it
    sent: bool = False  # a program has had its host array as an input

    def __init__(self, array: Any, aval: Aval, trace: "Trace | None", index: int, requires_grad: bool | None) -> None:
        self.array = array
        self.aval = aval
        self.trace = trace
        self.index = index
        self.requires_grad = requires_grad

    @property
    def place(self) -> Any:
        """What says, also after a flush, which step made it: (serial number of the trace, position), or the node."""
        return self.node if self.trace is None or self.trace is DIRECT else (self.trace.serial, self.index)

    def without_history(self) -> "Value":
        """A stand-in for this value that takes no part in the graph, as an input of one step."""
        return Value(self.array, self.aval, self.trace, self.index, False) if self.requires_grad else self

    @property
    def fate(self) -> Fate:
        """What its views look at."""
        if self._fate is None:
            self._fate = Fate()
            self._fate.overwritten = self.overwritten
        return self._fate

    @property
    def overwritten(self) -> int:
        """The version of its storage from which on an in-place write has replaced it; 0: none has."""
        try:
            return self._overwritten
        except AttributeError:  # the slot is empty until then: most values never are
            return 0

    @overwritten.setter
    def overwritten(self, version: int) -> None:
        self._overwritten: int = version
        if self._fate is not None:
            self._fate.overwritten = version

    @property
    def source(self) -> Fate | None:
        """The fate of the base value that it is a view of."""
        return self._source

    @source.setter
    def source(self, base: "Value | None") -> None:
        self._source = None if base is None else base.fate

    def __repr__(self) -> str:
        state = "pending" if self.array is None else "ready"
        return f"<Value {self.aval} {state}{' grad' if self.requires_grad else ''}>"


class _Direct:
    """Marks values whose arrays are JAX tracers."""

    def __repr__(self) -> str:
        return "DIRECT"


DIRECT: Any = _Direct()


class Modes(threading.local):
    """What a thread's new values are: None in inference mode, else False. Whether JAX differentiates by tangents."""

    fresh: bool | None = False
    forward: bool = False


modes = Modes()


def from_array(array: Any, device: str | None = None) -> Value:
    """A materialised value around a JAX array, a JAX tracer or a NumPy array (taken as it is, never copied).

    ``device`` names the device that a NumPy array is to be used on; a JAX array knows its own.
    """
    if isinstance(array, jax.core.Tracer):
        return Value(array, aval(tuple(array.shape), np.dtype(array.dtype), device or "cpu"), DIRECT, -1, False)
    if device is None:
        device = name_of(next(iter(array.devices()))) if isinstance(array, jax.Array) else "cpu"
    return Value(array, aval(tuple(array.shape), array.dtype, device), None, -1, modes.fresh)


def from_number(value: bool | int | float | complex, device: str) -> Value:
    """A Python number as a runtime input of the next program."""
    return Value(value, number_aval(value, device), None, -1, False)
