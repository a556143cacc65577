"""Storage shared by views: a base value, a version, and the chain of view steps from the base to each alias.

A write through any alias computes a new base by inverting the alias's chain; the others notice by the version and
replay theirs when they are next read.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from jtorch.engine import record as recording
from jtorch.engine import trace
from jtorch.engine.op import Primitive, T, fill
from jtorch.engine.record import record
from jtorch.engine.value import Value, from_array
from jtorch.ops.table import TABLE
from jtorch.ops.views import PIECES
from jtorch.tensor.history import DETACH, alias_of, with_history

HOST_LIMIT = 1 << 16  # elements up to which an array on the CPU counts as small


def _make_write(op: Any, spec: tuple) -> Callable:
    if op.write is not None:
        return lambda base, new: op.write(base, new, *fill(spec[1:], iter(())))
    look = op.bind(spec)

    def scatter(base: Any, new: Any) -> Any:
        where = look(jnp.arange(base.size).reshape(base.shape)).reshape(-1)
        return base.reshape(-1).at[where].set(new.astype(base.dtype).reshape(-1)).reshape(base.shape)

    return scatter


WRITE = Primitive(
    "copy_slices",
    _make_write,
    infer=lambda spec, inputs: [inputs[0].aval.struct()],
    grad_name="CopySlices",
)
"""The inverse of a view step: the base with new elements where the view looks."""


def _looked(step: "Step", v: Value) -> Value:
    """The next value along a chain of views."""
    host = getattr(step.op, "host", None)
    st = trace.state()
    if (
        host is not None
        and type(v.array) is np.ndarray
        and not (v.requires_grad and step.grad)
        and not (recording.eager or st.dual or st.recording)
    ):
        made = from_array(host(v.array, *fill(step.spec[1:], iter(()))), "cpu")
        made.requires_grad = v.requires_grad and False
        return made
    with st.mode(grad=step.grad):
        return record(step.op, step.spec, (v,))


def _written(step: "Step", before: Value, new: Value) -> Value:
    """``before`` with ``new`` where the step looks."""
    st = trace.state()
    write = getattr(step.op, "write", None)
    if (
        write is not None
        and type(before.array) is type(new.array) is np.ndarray
        and before.aval.size <= HOST_LIMIT
        and not (st.grad and (before.requires_grad or new.requires_grad))
        and not (recording.eager or st.dual or st.recording)
    ):
        return from_array(write(before.array, new.array, *fill(step.spec[1:], iter(()))), "cpu")
    return record(WRITE, (step.op, step.spec), (before, new))


class Storage:
    """What all aliases of one tensor share."""

    __slots__ = ("value", "version", "unseen", "__weakref__")

    def __init__(self, value: Value, version: int) -> None:
        self.value = value
        self.version = version
        self.unseen = 0  # how many of the writes came through .data


class Step:
    """One view step: an operator with its spec. ``grad`` is False where history does not pass (under no_grad)."""

    __slots__ = ("op", "spec", "grad")

    def __init__(self, op: Any, spec: tuple, grad: bool) -> None:
        self.op = op
        self.spec = spec
        self.grad = grad


class Cut(Step):
    """The step of a ``detach()``, or of a view that has no derivative. What it gives is a root of the graph to its
    views, apart from the storage's base: what is written through it, or ``requires_grad_()``, gives it a history of its
    own, which ``value`` bears.
    """

    __slots__ = ("value", "seen")

    def __init__(self, op: Any = DETACH, spec: tuple = ()) -> None:
        super().__init__(op, spec, False)
        self.value: Value | None = None
        self.seen = 0

    def look(self, v: Value, version: int) -> Value:
        """The detached value, where the storage shows ``v`` in its present version."""
        own = self.value
        if own is not None and self.seen == version:
            return own
        made = alias_of(v) if self.op is DETACH else _looked(self, v)
        if own is not None:
            made = self.value = with_history(made, own)
            self.seen = version
        return made

    def write(self, new: Value, version: int, keep: bool) -> Value:
        """Take over ``new``, with its history or (``keep``) with one's own; returns it without."""
        plain = alias_of(new) if new.requires_grad else new
        if self.value is not None and keep:
            new = with_history(plain, self.value)
        self.value = new if new.requires_grad else None
        self.seen = version
        return plain


class Alias:
    """How one tensor looks at a storage, and which version of it its own value shows."""

    __slots__ = ("storage", "steps", "seen", "quiet")

    def __init__(self, storage: Storage, steps: tuple[Step, ...], quiet: int | None = None) -> None:
        self.storage = storage
        self.steps = steps
        self.seen = storage.version
        self.quiet = quiet  # what .data gave, whose writes backward does not notice: how many there had been then

    def read(self) -> Value:
        """The alias's value at the storage's present version."""
        return self.chain()[-1]

    def chain(self) -> list[Value]:
        """The values along the steps, from the base to the alias."""
        storage = self.storage
        values = [storage.value]
        for step in self.steps:
            before = values[-1]
            made = step.look(before, storage.version) if type(step) is Cut else _looked(step, before)
            made.source = storage.value
            values.append(made)
        return values

    def write(self, new: Value, keep: bool) -> Value:
        """The elements of this alias become ``new``; returns the new base value, at the storage's next version.

        ``keep`` leaves the places in the backward graph as they are.
        """
        storage, steps = self.storage, self.steps
        base = storage.value
        values = self.chain() if len(steps) > 1 else [base]
        cut = False
        here = len(steps)
        st = trace.state()
        while here:
            here -= 1
            step = steps[here]
            if type(step) is Cut:
                new = step.write(new, storage.version + 1, keep)
                cut = True
                if step.op is DETACH:
                    continue
            first = _first_overlap(steps, here)
            with st.mode(grad=st.grad and not (keep or cut)):
                if first < here:
                    step = _composed(steps[first : here + 1])
                    here = first
                new = _written(step, values[here], new)
        if cut or keep:
            new = with_history(new, base)
        storage.value = new
        storage.version += 1
        storage.unseen += self.quiet is not None
        for step in steps:
            if type(step) is Cut and step.value is not None:
                step.value.source = new
        return new

    @property
    def version(self) -> int:
        """How many writes the user is told of: those through .data are counted apart."""
        storage = self.storage
        return storage.version - storage.unseen if self.quiet is None else storage.unseen - self.quiet

    def rebind(self, v: Value) -> None:
        """``v`` has the same elements but another place in the graph: tell the views of this tensor."""
        if not self.steps:
            self.storage.value = v
        elif type(self.steps[-1]) is Cut:
            self.steps[-1].value = v if v.requires_grad else None
            self.steps[-1].seen = self.storage.version

    @property
    def own(self) -> tuple[Step, ...]:
        """The steps since the last detach: those that make it a view, in autograd's sense."""
        steps = self.steps
        for i in range(len(steps) - 1, -1, -1):
            if type(steps[i]) is Cut:
                return steps[i + 1 :]
        return steps

    def root(self) -> "Alias":
        """The tensor that this is a view of, in autograd's sense: the storage's base, or what was detached last."""
        return Alias(self.storage, self.steps[: len(self.steps) - len(self.own)], self.quiet)

    @property
    def root_value(self) -> Value | None:
        """That tensor's value; None where it was detached and takes no part in the graph."""
        cut = next((step for step in reversed(self.steps) if type(step) is Cut), None)
        return self.storage.value if cut is None else cut.value

    def check_tracked(self) -> None:
        """Raise torch's error where autograd cannot follow a write to this view."""
        own = self.own
        if any(not step.grad for step in own):
            raise RuntimeError(
                "A view was created in no_grad mode and is being modified inplace with grad mode enabled. Given that "
                "this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both "
                "the view and the inplace either both inside the no_grad block (if you don't want the inplace to be "
                "tracked) or both outside (if you want the inplace to be tracked)."
            )
        if any(step.op.name in PIECES for step in own):
            raise RuntimeError(
                f"Output 0 of {own[-1].op.grad_name.removesuffix('Backward0')} is a view and is being modified inplace."
                " This view is the output of a function that returns multiple views. Such functions do not allow the "
                "output views to be modified inplace. You should replace the inplace operation by an out-of-place one."
            )


class RowAlias(Alias):
    """The alias of one entry along the first dimension. Its last step is made when it is asked for: few are, of all the
    entries that a loop over a data set looks at.
    """

    __slots__ = ("before", "index", "grad")

    before: tuple[Step, ...]
    index: int
    grad: bool

    @property
    def steps(self) -> tuple[Step, ...]:  # type: ignore[override]
        """The steps of what it is an entry of, and the one to it."""
        return (*self.before, Step(TABLE["select"], (T, 0, self.index), self.grad))


# -- views with one element in several places

_OVERLAPPING = frozenset({"expand", "broadcast_to", "unfold", "as_strided"})


def overlapping(steps: tuple[Step, ...]) -> bool:
    """Whether one element may show in several places."""
    return any(step.op.name in _OVERLAPPING for step in steps)


def _first_overlap(steps: tuple[Step, ...], last: int) -> int:
    """Where the stretch begins that a write at step ``last`` has to invert at once: what one place of such a view
    shows also shows in others.
    """
    first = last
    for i in range(last, -1, -1):
        if type(steps[i]) is Cut:
            break
        if steps[i].op.name in _OVERLAPPING:
            first = i
    return first


class _Composed:
    """Several view steps as one; its spec has an operator and spec for each."""

    name = "views"
    write = None

    def bind(self, spec: tuple) -> Callable:
        looks = [op.bind(each) for op, each in spec]

        def look(x: Any) -> Any:
            for fn in looks:
                x = fn(x)
            return x

        return look


_COMPOSED = _Composed()


def _composed(steps: tuple[Step, ...]) -> Step:
    return Step(_COMPOSED, tuple([(step.op, step.spec) for step in steps]), True)
