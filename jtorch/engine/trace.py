"""The trace: what has been recorded since the last flush, as a cursor in a trie of everything ever recorded.

Recording an operation looks up its key among the cursor's children. The trie node it finds knows shapes and dtypes, so
a program that was seen before costs a dictionary lookup an operation. The node a trace ends on is the cache key of its
executable.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from jtorch.engine.aval import Aval, LeafKey
from jtorch.engine.value import Value


class Node:
    """One recorded step: an operator, the positions of its inputs, and what comes out.

    ``refs`` are positions in the trace's list of values; ``fresh`` are the leaves that entered with this step;
    ``start`` is the position of the first output.
    """

    __slots__ = (
        "parent", "op", "spec", "fn", "refs", "fresh", "start", "avals", "aval", "grads", "grad", "single",
        "wants", "children", "families", "backwards", "segments", "programs", "where", "_producers", "_leaves", "end",
        "usual", "results",
    )  # fmt: skip

    def __init__(
        self,
        parent: "Node | None",
        op: Any,
        spec: tuple,
        fn: Callable | None,
        refs: tuple[int, ...],
        fresh: tuple[tuple[int, LeafKey], ...],
        start: int,
        avals: tuple[Aval, ...],
        grads: tuple[bool, ...],
        wants: tuple[int, ...],
        where: str,
    ) -> None:
        self.parent = parent
        self.op = op
        self.spec = spec
        self.fn = fn
        self.refs = refs
        self.fresh = fresh
        self.start = start
        self.avals = avals
        self.grads = grads
        self.single = len(avals) == 1 and not getattr(op, "multi", False)
        self.aval = avals[0] if avals else None
        self.grad = grads[0] if grads else False
        self.wants = wants  # which inputs a gradient is wanted for
        self.where = where  # the user's file:line when it was first recorded
        self.end = start + len(avals)
        self.results = tuple(zip(avals, range(start, self.end), grads, strict=True))  # as they come out
        self.children: tuple[dict, dict] = ({}, {})  # by key: recorded under no_grad, under grad
        self.families: dict = {}  # key without its numbers -> the one key seen, or RUNTIME
        self.backwards: dict = {}  # memoised backward passes that start here
        self.segments: dict = {}  # stretches that compiled functions recorded from here
        self.programs: dict = {}  # executables of traces that end here, by live outputs and donated leaves
        self.usual: Any = None  # how the last of those traces was run, see flush.py
        self._producers: Any = None
        self._leaves: Any = None

    def path(self) -> "list[Node]":
        """The steps from the root to here."""
        steps = []
        node: Node | None = self
        while node is not None and node.parent is not None:
            steps.append(node)
            node = node.parent
        steps.reverse()
        return steps

    def producers(self) -> "list[Node | None]":
        """For each position in the trace the step that made it (None for leaves); kept, as traces end on few nodes."""
        if self._producers is None:
            table: list[Node | None] = [None] * self.end
            for step in self.path():
                for i in range(step.start, step.end):
                    table[i] = step
            self._producers = table
        return self._producers

    def aval_of(self, position: int) -> Aval:
        """What is known of a value that a step made."""
        step = self.producers()[position]
        assert step is not None
        return step.avals[position - step.start]

    def start_of(self, position: int) -> int:
        """The first position of the step that made a value."""
        step = self.producers()[position]
        return position if step is None else step.start

    def leaves(self) -> tuple[dict[int, LeafKey], bool]:
        """Positions of the leaves of a trace that ends here, in order, and whether any step has checks."""
        if self._leaves is None:
            path = self.path()
            self._leaves = (
                {i: k for step in path for i, k in step.fresh},
                any(step.op.check is not None for step in path),
            )
        return self._leaves


def new_root() -> Node:
    """An empty trie."""
    return Node(None, None, (), None, (), (), 0, (), (), (), "")


class Trace:
    """What one thread has recorded for one device since its last flush."""

    __slots__ = ("device", "values", "cursor", "consumed", "nodes", "backward_seen", "state", "serial", "dead")

    counter = 0

    def __init__(self, device: str, root: Node, state: "ThreadState") -> None:
        Trace.counter += 1
        self.serial = Trace.counter
        self.device = device
        self.values: list[Value | None] = []
        self.cursor = root
        self.consumed: list[frozenset[int]] = []  # starts of the steps whose graph backward has freed
        self.nodes: dict[int, Any] = {}  # start -> the GradNode built for that step
        self.backward_seen = False
        self.state = state
        self.dead = False

    def at(self, position: int) -> Value:
        """The value at a position; one that was skipped, as a known stretch was taken at once, is made now."""
        v = self.values[position]
        if v is None:
            step = self.cursor.producers()[position]
            assert step is not None
            place = position - step.start
            v = self.values[position] = Value(None, step.avals[place], self, position, step.grads[place])
        return v


_roots: dict[str, Node] = {}
_roots_lock = threading.Lock()


def root_of(name: str) -> Node:
    """The trie of a device (that under inference_mode is another)."""
    root = _roots.get(name)
    if root is None:
        with _roots_lock:
            root = _roots.setdefault(name, new_root())
    return root


class ThreadState:
    """What each thread has of its own: its traces, and the autograd modes."""

    __slots__ = (
        "trace", "traces", "grad", "inference", "autocast", "saved_hooks", "anomaly", "capture", "dual", "watched",
        "walk", "recording",
    )  # fmt: skip

    def __init__(self) -> None:
        self.traces: dict[str, Trace] = {}
        self.trace: Trace | None = None  # the one used last
        self.grad = True
        self.inference = False
        self.autocast: Any = None
        self.saved_hooks: list = []  # see watch.py
        self.anomaly: Any = None  # what runs a node of the graph, and looks at what it returns
        self.capture: Any = None  # see capture.py
        self.dual = 0  # the serial number of the forward-mode level; 0: none
        self.walk: Any = None  # the backward pass under way
        self.recording: Any = None  # the compiled function that is being observed, see segment.py
        self.watched = False  # something looks at each step, so that no trace may be taken the quick way

    def trace_for(self, device: str) -> Trace:
        """The open trace of a device; it becomes the current one."""
        trace = self.traces.get(device)
        if trace is None:
            root = root_of(f"{device} in inference" if self.inference else device)
            trace = self.traces[device] = Trace(device, root, self)
        self.trace = None if self.watched else trace
        return trace

    def watch(self) -> None:
        """After ``dual`` or ``saved_hooks`` changed: have steps looked at as they are recorded, or no longer."""
        self.watched = bool(self.dual or self.saved_hooks)
        self.trace = None

    def trace_is(self, trace: Trace) -> bool:
        """Whether ``trace`` is open in this thread."""
        return self.traces.get(trace.device) is trace

    @contextmanager
    def mode(self, grad: bool) -> Iterator[None]:
        """Run a block with recording for backward on or off."""
        before, self.grad = self.grad, grad
        try:
            yield
        finally:
            self.grad = before

    @contextmanager
    def capturing(self, capture: Any) -> Iterator[None]:
        """Run a block in which values from outside are taken by ``capture``."""
        before, self.capture = self.capture, capture
        try:
            yield
        finally:
            self.capture = before

    @contextmanager
    def walking(self, walk: Any) -> Iterator[None]:
        """Run a block as part of a backward pass."""
        before, self.walk = self.walk, walk
        try:
            yield
        finally:
            self.walk = before

    def close(self, trace: Trace) -> None:
        """Take a trace off, as it is being flushed: what comes next starts a new one."""
        if self.traces.get(trace.device) is trace:
            del self.traces[trace.device]
        if self.trace is trace:
            self.trace = None


class _Local(threading.local):
    def __init__(self) -> None:
        self.state = ThreadState()


_local = _Local()


def state() -> ThreadState:
    """The calling thread's state."""
    return _local.state


_HERE = __file__.rsplit("/", 2)[0]


def user_frame() -> tuple[str, int]:
    """File and line of the innermost frame outside jtorch."""
    frame: Any = sys._getframe(1)
    here = _HERE
    while frame is not None and frame.f_code.co_filename.startswith(here):
        frame = frame.f_back
    return (frame.f_code.co_filename, frame.f_lineno) if frame is not None else ("?", 0)


def user_line() -> str:
    """The same as ``file:line``."""
    return "{}:{}".format(*user_frame())
