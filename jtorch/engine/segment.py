"""Segments: a stretch of a path that a compiled function recorded, and that is taken again as one step.

A segment begins on the trie node where the function was called. Its inputs are values from outside: those already in
the trace are known by position, those that enter it by shape, dtype and place, as in any key. So a call whose inputs
match ends on the node where the first one ended, whatever lies between.
"""

from collections.abc import Callable
from itertools import repeat
from typing import Any

import numpy as np

from jtorch.engine import trace
from jtorch.engine.record import leaf_key
from jtorch.engine.trace import Node, ThreadState, Trace
from jtorch.engine.value import DIRECT, Value

MAX_CONSTANT = 1 << 20  # elements of a constant that are compared


class Recording:
    """What is noted while a function is observed: numbers drawn on the host, and what broke the stretch."""

    def __init__(self, whole: str, name: str, defers: bool = False) -> None:
        self.whole = whole  # who says that there must be no break; empty: there may
        self.name = name
        self.defers = defers  # it may look at data that is there, which keeps it from being replayed
        self.draws: list[tuple[Value, Callable[[], Value]]] = []
        self.touched = 0  # uses of random generators; more than there are draws: some cannot be made again
        self.broken: str | None = None
        self.boundary: str | None = None  # the last place passed where a program may well end

    def drew(self, value: Value, again: Callable[[], Value]) -> None:
        """A value from a random generator, and how to draw the next one."""
        self.draws.append((value, again))

    def breaks(self, why: str) -> None:
        """The pending program has to run; raises RuntimeError where that is not allowed."""
        self.broken = self.broken or why
        if self.whole:
            raise RuntimeError(f"{self.whole}: {self.name} needs the data in between ({why}, at {trace.user_line()})")

    def looked(self, why: str) -> None:
        """Data that is there has been looked at: what follows may depend on it."""
        if self.defers:
            self.spoils(why)
        else:
            self.breaks(why)

    def spoils(self, why: str) -> None:
        """Something was done that a replay would not do."""
        self.broken = self.broken or why


def spoil(why: str) -> None:
    """Something was done that no replay of a compiled function would do: it is not to be kept."""
    seen = trace.state().recording
    if seen is not None:
        seen.spoils(why)


class Segment:
    """A stretch of a path: where it ends, how many values it adds, and which inputs enter the trace in it."""

    __slots__ = ("end", "count", "entries", "constants")

    def __init__(self, end: Node, count: int, entries: list[tuple[int, int]], constants: list[Value]) -> None:
        self.end = end
        self.count = count
        self.entries = entries  # position in the trace, place among the inputs and then the constants
        self.constants = constants  # arrays made by the function, the same each time

    def fits(self, tr: Trace) -> bool:
        """Whether none of its constants is in the trace already."""
        return not any(c.trace is tr for c in self.constants)

    def equals(self, other: "Segment") -> bool:
        """Whether another one is the same, constants included."""
        return (
            self.end is other.end
            and self.entries == other.entries
            and len(self.constants) == len(other.constants)
            and all(map(_same, self.constants, other.constants))
        )


def _same(a: Value, b: Value) -> bool:
    if a.array is b.array:
        return a.array is not None
    if a.array is None or b.array is None or a.aval is not b.aval or a.aval.size > MAX_CONSTANT:
        return False
    return np.asarray(a.array).tobytes() == np.asarray(b.array).tobytes()


def keys(tr: Trace, values: list[Value]) -> tuple | None:
    """How each value stands to a trace, for a key; None where one is pending or lies elsewhere, or is a tracer."""
    out: list[Any] = []
    add = out.append
    device = tr.device
    for v in values:
        if v.trace is tr:
            add(v.index)
            continue
        aval = v.aval
        if v.array is None or v.trace is DIRECT or aval.device != device:
            return None
        wants = v.requires_grad
        add(aval.plain if wants is False else aval.leaf if wants and v.owner is not None else leaf_key(v))
    return tuple(out)


def between(tr: Trace, start: Node, base: int, inputs: list[Value], varying: list[Value]) -> Segment | None:
    """The segment from ``start`` (where ``base`` values were in the trace) to the cursor.

    None where it depends on pending values that are not among ``inputs``, or on the array of one of the ``varying``
    by another way (a detached tensor, a gradient).
    """
    arrays = {id(v.array) for v in varying if v.array is not None}
    path = []
    node: Node | None = tr.cursor
    while node is not None and node is not start:
        path.append(node)
        node = node.parent
    if node is None:
        return None
    places = {id(v): i for i, v in enumerate(inputs)}
    constants: list[Value] = []
    entries = []
    for step in reversed(path):
        for position, _ in step.fresh:
            v = tr.at(position)
            place = places.get(id(v))
            if place is None:
                if v.array is None or id(v.array) in arrays or v.node is not None or v.owner is not None:
                    return None
                place = places[id(v)] = len(inputs) + len(constants)
                constants.append(v)
            entries.append((position, place))
        if any(ref < base and id(tr.values[ref]) not in places for ref in step.refs):
            return None
    return Segment(tr.cursor, len(tr.values) - base, entries, constants)


def take(st: ThreadState, tr: Trace, segment: Segment, inputs: list[Value]) -> None:
    """Move a trace along a segment that fits it."""
    constants = segment.constants
    everything = inputs + constants if constants else inputs
    values = tr.values
    values.extend(repeat(None, segment.count))
    for position, place in segment.entries:
        v = everything[place]
        values[position] = v
        v.trace, v.index = tr, position
    tr.cursor = segment.end
    st.trace = tr
