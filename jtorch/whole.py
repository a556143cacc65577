"""``jtorch.jit``, and ``torch.compile`` of a training step: all of it, or of several, as one program.

The first calls of a kind run the step's Python code, with what would be flushed in between kept back, so that one
program holds all of it. When two of them have done the same, a call that begins as they did runs no Python code of the
step any more: the arrays behind the tensors it reads go to the program, and what comes out goes where the step puts it,
into parameters, buffers, optimizer state, gradients and results. Old buffers are donated. Numbers that an optimizer
takes, such as its learning rate, are inputs.

What a step depends on is found as for ``torch.compile``, see :mod:`jtorch.reach`.
"""

import functools
import weakref
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jtorch import compiler
from jtorch.engine import flush, record, segment, spares, trace
from jtorch.engine.devices import jax_device
from jtorch.engine.program import Program, program
from jtorch.engine.trace import Trace
from jtorch.engine.value import Value
from jtorch.reach import Reach, Unknown
from jtorch.tensor.fused import settle
from jtorch.tensor.generator import generator_of
from jtorch.tensor.tensor import Tensor, wrap

_local = trace._local
_HELD = spares.UNHELD + 1  # holders of what stands in one place besides the list that is looked at
_ARRAYS = {type(jnp.zeros(())), np.ndarray}


class WholeStep:
    """A step whose calls are one program each. Raises RuntimeError, naming the line, where the step needs the data in
    between (``.item()``, a shape that depends on data).

    The ordinary loop is one program a step by itself; this joins what would be cut, such as the backward passes of a
    gradient accumulation, and takes the Python code out of the way. Like that of any compiled function, the code must
    not count on being run: what it does to objects other than modules, tensors and optimizers may happen only at first.
    """

    def __init__(self, fn: Callable, whole: str = "jtorch.jit") -> None:
        self.fn = fn
        self.whole = whole  # who says that it must be one program; empty: it may be several
        self.numbers: dict[tuple, tuple] = {}
        self.around = Reach(fn, self.numbers)
        self.objects: dict[int, Reach] = {}
        self.known: dict[tuple, _Known] = {}
        self.failures = 0
        functools.update_wrapper(self, fn)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        st = _local.state
        if st.recording is not None or record.eager:
            return self.fn(*args, **kwargs)
        flush.flush_all("before jtorch.jit")
        call = compiler.Call(self, args, kwargs)
        if self.failures < compiler.ATTEMPTS and not (st.watched or st.capture is not None or flush.transformed()):
            try:
                seen, tensors = call.look()
            except Unknown:
                self.failures += 1
            else:
                return self._known(call, seen, tensors)
        made = call.run(self._recording())
        flush.flush_all("jtorch.jit")
        return made

    def _recording(self) -> segment.Recording:
        return segment.Recording(self.whole, compiler.name_of(self.fn), defers=True)

    def _known(self, call: compiler.Call, seen: tuple, tensors: list[Any]) -> Any:
        tensors = [*tensors, *self.around.late()]
        device = next((d for t in tensors if (d := t._v.aval.device) != "cpu"), "cpu")
        if device != "cpu":
            tensors.append(_Words(device))
        key = (seen, call.modes(), *[_value(t).aval for t in tensors])
        known = self.known.get(key)
        if known is not None and known.sure and (run := known.ready(tensors)) is not None:
            return run()
        return self._observe(call, key, tensors, known)

    def _observe(self, call: compiler.Call, key: tuple, tensors: list[Any], before: "_Known | None") -> Any:
        st = _local.state
        for t in tensors:
            settle(t)
        grads = [t._grad for t in tensors if t._grad is not None]
        own = len(tensors)
        tensors = tensors + grads
        was = [_Was(t) for t in tensors]
        del grads
        random = compiler.host_random()
        seen = self._recording()
        result = call.run(seen)
        known: _Known | None = None
        traces = list(st.traces.values())
        if len(traces) == 1 and seen.broken is None and random == compiler.host_random():
            try:
                known = _Known(traces[0], tensors, own, was, seen, result)
                if call.look()[0] != key[0] or call.modes() != key[1]:
                    known = None
            except Unknown:
                known = None
        del traces, tensors
        flush.flush_all("jtorch.jit")
        if known is not None and known.settle():
            known.sure = before is not None and known.segment.equals(before.segment)
            self.failures += before is not None and not known.sure
            if len(self.known) >= compiler.MOST:
                self.known.clear()
            self.known[key] = known
        else:
            self.failures += 1
        return result


class _Words:
    """The state of an accelerator's generator, in the manner of a tensor."""

    _alias = _grad = _ref = _hooks = None
    _count = 0

    def __init__(self, device: str) -> None:
        self.generator = generator_of(device)

    @property
    def _v(self) -> Value:
        return self.generator.words

    @_v.setter
    def _v(self, value: Value) -> None:
        self.generator.words = value


class _Was:
    """What a tensor was before a call, without holding on to it: that would keep its buffer from being donated."""

    def __init__(self, t: Any) -> None:
        self.value = weakref.ref(_value(t))
        self.count = t._count
        self.grad = None if t._grad is None else weakref.ref(t._grad)

    def is_value(self, v: Value) -> bool:
        return self.value() is v


class _Known:
    """What one kind of call does: where the program's inputs come from, and where its results go."""

    sure = False  # a second call has done the same

    def __init__(
        self, tr: Trace, tensors: list[Any], own: int, was: list[_Was], seen: segment.Recording, result: Any
    ) -> None:
        """``tensors``: the ``own`` ones that the step reaches, then the gradients that they had."""
        if seen.touched > len(seen.draws):
            raise Unknown
        self.cursor, self.device = tr.cursor, tr.device
        found = _segment(tr, was, [v for v, _ in seen.draws])
        if found is None:
            raise Unknown
        self.segment = found
        self.draws = [again for _, again in seen.draws]
        self.writes: list[tuple[int, int, int]] = []  # which tensor, the new value's position, versions gone by
        self.grads: list[
            tuple[int, int | None]
        ] = []  # which tensor, the position of its new gradient; None: it has none
        self.made: list[tuple[int, Any, Any]] = []  # position, the value that was made, its aval
        self.leaves: list[int] = []  # parameters, whose hooks have to be asked for
        done: set[int] = set()
        for i, (t, w) in enumerate(zip(tensors, was, strict=True)):
            if id(t) in done:
                continue
            done.add(id(t))
            v = _value(t)
            if t._ref is not None and v.requires_grad:
                self.leaves.append(i)
            if not w.is_value(v):
                if t._alias is not None:
                    raise Unknown
                self.writes.append((i, self._position(tr, v), t._count - w.count))
            old = None if w.grad is None else w.grad()
            if t._grad is None:
                if w.grad is not None:
                    self.grads.append((i, None))
            elif t._grad is not old:
                if t._grad._alias is not None:
                    raise Unknown
                self.grads.append((i, self._position(tr, t._grad._v)))
        if _hooked(tensors, self.leaves):
            raise Unknown
        known = {id(t): i for i, t in enumerate(tensors)}

        def place(t: Tensor) -> Callable:
            i = known.get(id(t))
            if i is not None:
                return lambda given: given[-1][i]
            if t._alias is not None:
                raise Unknown
            k = len(self.made)
            self.made.append((self._position(tr, t._v), t._v, t._v.aval))
            return lambda given: given[k]

        self.result = compiler.rebuild(result, place)
        # Gradients that are made anew are no input, and their buffers are free once the next call begins.
        used = [place for _, place in found.entries if own <= place < len(tensors)] + [i for i, *_ in self.writes]
        self.accumulates = any(own <= i < len(tensors) for i in used)
        self.given = len(tensors) if self.accumulates else own
        skipped = len(tensors) - self.given
        self.order = [p if p < self.given else p - skipped for _, p in sorted(found.entries)]
        values = [_value(t) for t in tensors[: self.given]]
        self.avals = [v.aval for v in values]
        self.wants = [v.requires_grad for v in values]

    def _position(self, tr: Trace, v: Value) -> int:
        if v.trace is not tr or v.array is not None:
            raise Unknown
        return v.index

    def settle(self) -> bool:
        """After the program has run: take down which it was; False where it made more than is known of."""
        usual = self.cursor.usual
        if usual is None:
            return False
        goes = {p for _, p, _ in self.writes} | {p for _, p in self.grads if p is not None} | {p for p, *_ in self.made}
        if set(usual.alive) != goes:
            return False
        self.program: Program = program(self.cursor, self.device, usual.alive, usual.donate)[0]
        at = {p: k for k, p in enumerate(self.program.outputs)}
        self.put = [(i, at[p], versions) for i, p, versions in self.writes]
        self.put_grads = [(i, None if p is None else at[p]) for i, p in self.grads]
        made = []
        for p, v, aval in self.made:
            if v.node is not None and not v.node.freed:
                return False  # its graph holds arrays of this call
            made.append((at[p], aval, v.requires_grad, v.node, v.output))
        self.put_made = made
        self.made = [(p, None, aval) for p, _, aval in self.made]
        donated = set(usual.donate)
        places = [place for position, place in self.segment.entries if position in donated]
        self.donated = [place for place in places if place < self.given]
        return len(self.donated) == len(places)

    def ready(self, tensors: list[Any]) -> Callable[[], Any] | None:
        """What runs the program on these tensors; None where something about them is not as it was."""
        if self.accumulates:
            tensors = tensors + [t._grad for t in tensors if t._grad is not None]
        if any([tensors[i]._alias is not None for i, *_ in self.writes]) or _hooked(tensors, self.leaves):
            return None
        values = [t._v if t._alias is None else t._value for t in tensors]
        if [v.aval for v in values] != self.avals or [v.requires_grad for v in values] != self.wants:
            return None
        arrays = [v.array for v in values]
        if not _ARRAYS.issuperset(map(type, arrays)):
            return None
        held, arrays_held = spares.holders(values), spares.holders(arrays)
        for i in self.donated:
            if held[i] > _HELD or arrays_held[i] > _HELD:
                return None
        return functools.partial(self._run, tensors, values, arrays)

    def _run(self, tensors: list[Any], values: list[Value], arrays: list[Any]) -> Any:
        for i, array in enumerate(arrays):
            if type(array) is np.ndarray:
                v = values[i]
                if v.sent or v.aval.size > flush.SMALL:
                    arrays[i] = v.array = jax.device_put(array, jax_device(self.device))
                v.sent = True
        everything = [*arrays, *[draw().array for draw in self.draws], *[c.array for c in self.segment.constants]]
        if not self.accumulates:
            for i, _ in self.put_grads:
                tensors[i]._grad = None
        spares.release(arrays)
        with flush.compiling:
            outs = flush.launch(self.program, self.device, [everything[i] for i in self.order], "jtorch.jit")
        for i, k, versions in self.put:
            t, old = tensors[i], values[i]
            v = Value(outs[k], old.aval, None, -1, old.requires_grad)
            if old.owner is not None:
                v.owner = old.owner
            t._count = t._count + versions
            old.overwritten = t._count
            t._v = v
        for i, place in self.put_grads:
            t = tensors[i]
            t._grad = None if place is None else wrap(Value(outs[place], t._v.aval, None, -1, False))
        given: list[Any] = []
        for k, aval, wants, node, output in self.put_made:
            v = Value(outs[k], aval, None, -1, wants)
            if node is not None:
                v.node, v.output = node, output
            given.append(wrap(v))
        given.append(tensors)
        return self.result(given)


def _value(t: Any) -> Value:
    made: Value = t._v if t._alias is None else t._value
    return made


def _hooked(tensors: list[Any], leaves: list[int]) -> bool:
    """Whether something is called when a gradient arrives."""
    for i in leaves:
        t = tensors[i]
        if t._hooks or t._ref.hooked() or "_post_accumulate" in t.__dict__:
            return True
    return False


def _segment(tr: Trace, was: list[_Was], draws: list[Value]) -> segment.Segment | None:
    """The whole path as a segment, its inputs by their places among the tensors and then the draws."""
    inputs: list[Any] = [w.value() for w in was]
    stand_ins = [v if v is not None else Value(None, None, None, -1, False) for v in inputs]  # type: ignore[arg-type]
    return segment.between(tr, _root_of(tr), 0, stand_ins + draws, [v for v in inputs if v is not None])


def _root_of(tr: Trace) -> trace.Node:
    """The node that a trace began on."""
    node = tr.cursor
    while node.parent is not None:
        node = node.parent
    return node
