"""A function of JAX arrays as one recorded operator, with the values it reads from outside as further inputs.

``jax.vmap`` and the like take functions whose bodies use jtorch ops. Inside, arguments are tracers and ops apply
directly; tensors that the body takes from its surroundings (parameters in a closure) would become constants. Here a
first pass finds them, a second traces the function with them as arguments, and the jaxpr is recorded: it fuses with
what is around it, and backward reaches the parameters.
"""

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

DEPENDS_ON_DATA = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)
"""What JAX raises where a function wants to know a value that it has not computed."""


class Capture:
    """What one pass over a function reads from outside.

    In the second pass ``given`` holds the tracers that stand for it.
    """

    def __init__(self, given: list | None = None, first: "Capture | None" = None) -> None:
        self.found: list[Value] = []
        self.given = given
        self.drawn: list[Value] = []
        self.written: list[tuple[Any, str, Value]] = []  # what was written to: weakly, an attribute, what it was
        self._again = iter(first.drawn) if first is not None else None
        self.tracked: set[int] = set()  # which of them a gradient may be wanted for
        self._places: dict[int, int] = {}

    def take(self, v: Value) -> Any:
        """The array that stands for an outside value."""
        place = self._places.get(id(v))
        if place is None:
            place = self._places[id(v)] = len(self.found)
            self.found.append(v)
            if self.given is not None and place >= len(self.given):
                raise RuntimeError("jtorch: the function read other tensors when it was traced a second time")
        if trace.state().grad:
            self.tracked.add(place)
        if self.given is not None:
            return self.given[place]
        return jnp.zeros(v.aval.shape, v.aval.dtype)

    def wrote(self, owner: Any, attribute: str) -> None:
        """What was made outside is about to be given an element that only exists inside."""
        self.written.append((weakref.ref(owner), attribute, getattr(owner, attribute)))

    def draw(self, make: Callable[[], Value]) -> Value:
        """Random numbers from outside: what the first pass draws, the second is given again."""
        if self._again is not None:
            return next(self._again)
        v = make()
        self.drawn.append(v)
        return v


class Present(Capture):
    """For a function that wants to know values: those from outside are there."""

    def take(self, v: Value) -> Any:
        return v.array if v.array is not None else materialise(v, "used under a JAX transformation")


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


CALL = Primitive("call", lambda name, run: run.fn, multi=True, grad_name=lambda spec: f"{spec[0]}Backward")
"""A traced JAX function."""


def apply(name: str, fn: Callable, inputs: list[Value]) -> list[Value]:
    """Run ``fn`` (arrays to a flat tuple of arrays) on values as one recorded op; directly within another one.

    A function that looks at values runs at once and outside of the graph, which is an error where a gradient is wanted.
    """
    st = trace.state()
    device = next((v.aval.device for v in inputs), "cpu")
    if st.capture is not None:
        arrays = [_present(st, v) for v in inputs]
        with st.mode(grad=True):
            made = fn(*arrays)
        return [_direct(a, device) for a in made]
    structs = [v.aval.struct() for v in inputs]
    first = Capture()
    try:
        with st.mode(grad=True), st.capturing(first):
            jax.eval_shape(fn, *structs)
    except DEPENDS_ON_DATA:
        if any(v.requires_grad and st.grad for v in (*inputs, *first.found)):
            raise
        with st.mode(grad=True), st.capturing(Present()):
            return [from_array(a, device) for a in fn(*[jnp.asarray(_present(st, v)) for v in inputs])]
    outside = first.found
    count = len(inputs)

    def full(*arrays: Any) -> Any:
        with st.mode(grad=True), st.capturing(Capture(list(arrays[count:]), first)):
            return fn(*arrays[:count])

    closed = jax.make_jaxpr(full)(*structs, *[v.aval.struct() for v in outside])
    known = [v if i in first.tracked else v.without_history() for i, v in enumerate(outside)]
    return record(CALL, (name, _Traced(closed)), (*inputs, *known))


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


def guarded(fn: Callable, made: Callable[[Any], list], message: str) -> Any:
    """``fn()``, which is being captured; RuntimeError where it wrote to something that outlives it.

    Tensors that it made itself, which it may write to, are gone by then, or among what ``made(result)`` lists: the
    owners of values.
    """
    current = trace.state().capture
    start = 0 if current is None else len(current.written)
    result = fn()
    if current is None or len(current.written) == start:
        return result
    own = {id(x) for x in made(result)}
    poisoned = False
    for ref, attribute, before in reversed(current.written[start:]):
        owner = ref()
        if owner is not None and id(owner) not in own:
            setattr(owner, attribute, before)
            before.overwritten = 0
            poisoned = True
    if poisoned:
        raise RuntimeError(message)
    return result


# -- random numbers under vmap


class _Batches(threading.local):
    """The vmaps under way in a thread, from the outermost: ``(randomness, size, the place in the batch)``."""

    def __init__(self) -> None:
        self.levels: list[tuple[str, int, Any]] = []


_batches = _Batches()


@contextmanager
def batch(randomness: str, size: int, place: Any) -> Iterator[None]:
    """Within the context the body of a vmap runs; ``place`` is mapped over 0 to ``size`` - 1."""
    _batches.levels.append((randomness, size, place))
    try:
        yield
    finally:
        _batches.levels.pop()


def draw(shape: tuple[int, ...], make: Callable[[tuple[int, ...]], Value]) -> Value | None:
    """Random numbers of a shape inside a captured function, by ``make(shape)``; None where none is being captured.

    Under vmap with randomness "different" they are drawn for the whole batch, and each place has its own; with "error"
    RuntimeError is raised.
    """
    st = trace.state()
    if st.capture is None:
        return None
    levels = _batches.levels
    if any(randomness == "error" for randomness, _, _ in levels):
        raise RuntimeError(
            "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' "
            "randomness flags on vmap or perform the randomness operation out of vmap"
        )
    own = [(size, place) for randomness, size, place in levels if randomness == "different"]
    current = st.capture
    with st.capturing(None):
        v = current.draw(lambda: make((*[size for size, _ in own], *shape)))
    if not own:
        return v
    array = _present(st, v)
    for _, place in own:
        array = jnp.take(array, place, axis=0)
    return _direct(array, v.aval.device)
