"""A function of JAX arrays as one recorded operator, with the values it reads from outside as further inputs.

``jax.vmap`` and the like take functions whose bodies use jtorch ops. Inside, arguments are tracers and ops apply
directly; tensors that the body takes from its surroundings (parameters in a closure) would become constants. Here a
first pass finds them, a second traces the function with them as arguments, and the jaxpr is recorded: it fuses with
what is around it, and backward reaches the parameters.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core as jex_core

from jtorch.engine import trace
from jtorch.engine.op import Primitive
from jtorch.engine.record import materialise, record
from jtorch.engine.value import DIRECT, Value, from_array


class Capture:
    """What one pass over a function reads from outside. In the second pass ``given`` holds the tracers that stand for
    it.
    """

    def __init__(self, given: list | None = None) -> None:
        self.found: list[Value] = []
        self.given = given
        self._places: dict[int, int] = {}

    def take(self, v: Value) -> Any:
        """The array that stands for an outside value."""
        place = self._places.get(id(v))
        if place is None:
            place = self._places[id(v)] = len(self.found)
            self.found.append(v)
            if self.given is not None and place >= len(self.given):
                raise RuntimeError("jtorch: the function read other tensors when it was traced a second time")
        if self.given is not None:
            return self.given[place]
        return jnp.zeros(v.aval.shape, v.aval.dtype)


def active() -> "Capture | None":
    """The capture under way in this thread."""
    return trace.state().capture


def _make(key: Any, run: "_Traced") -> Callable:
    return run.fn


class _Traced:
    """A traced function as part of a trie key: equal where the jaxprs read the same and their constants are equal."""

    def __init__(self, closed: Any) -> None:
        self.closed = closed
        self.fn = jex_core.jaxpr_as_fun(closed)

    @cached_property
    def text(self) -> tuple:
        """What stands for the function in a key."""
        consts = [np.asarray(c) for c in self.closed.consts]
        return (str(self.closed.jaxpr), tuple((c.shape, str(c.dtype), c.tobytes()) for c in consts))

    @cached_property
    def _hash(self) -> int:
        return hash(self.text)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Traced) and self.text == other.text


CALL = Primitive("call", _make, multi=True)
"""A traced JAX function."""


def apply(name: str, fn: Callable, inputs: list[Value]) -> list[Value]:
    """Run ``fn`` (arrays to a flat tuple of arrays) on values as one recorded op; directly within another one."""
    st = trace.state()
    if st.capture is not None:
        device = next((v.aval.device for v in inputs), "cpu")
        arrays = [_present(st, v) for v in inputs]
        with st.mode(grad=True):
            made = fn(*arrays)
        return [_direct(a, device) for a in made]
    structs = [v.aval.struct() for v in inputs]
    first = Capture()
    with st.mode(grad=True), st.capturing(first):
        jax.eval_shape(fn, *structs)
    outside = first.found
    count = len(inputs)

    def full(*arrays: Any) -> Any:
        with st.mode(grad=True), st.capturing(Capture(list(arrays[count:]))):
            return fn(*arrays[:count])

    closed = jax.make_jaxpr(full)(*structs, *[v.aval.struct() for v in outside])
    return record(CALL, (name, _Traced(closed)), (*inputs, *outside))


def _present(st: Any, v: Value) -> Any:
    if v.trace is DIRECT:
        return v.array
    if st.capture is not None:
        return st.capture.take(v)
    return v.array if v.array is not None else materialise(v, "used under a JAX transformation")


def _direct(array: Any, device: str) -> Value:
    v = from_array(array, device)
    v.trace = DIRECT
    return v
