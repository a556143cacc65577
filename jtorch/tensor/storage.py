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
from jtorch.engine.op import Primitive, fill
from jtorch.engine.record import record
from jtorch.engine.value import Value, from_array

HOST_LIMIT = 1 << 16  # elements up to which an array on the CPU counts as small

DETACH = Primitive(
    "detach", lambda: lambda x: x, differentiable=False, infer=lambda spec, inputs: [inputs[0].aval.struct()]
)
"""The step of ``x.detach()``: the same elements without their history."""

ATTACH = Primitive("attach", lambda: lambda x: x, infer=lambda spec, inputs: [inputs[0].aval.struct()], forced=True)
"""Gives a pending value a place in the backward graph: as a leaf, or as the output of a custom function."""


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
        and not (st.grad and step.grad and (before.requires_grad or new.requires_grad))
        and not (recording.eager or st.dual or st.recording)
    ):
        return from_array(write(before.array, new.array, *fill(step.spec[1:], iter(()))), "cpu")
    with st.mode(grad=st.grad and step.grad):
        return record(WRITE, (step.op, step.spec), (before, new))


class Storage:
    """What all aliases of one tensor share."""

    __slots__ = ("value", "version", "__weakref__")

    def __init__(self, value: Value, version: int) -> None:
        self.value = value
        self.version = version


class Step:
    """One view step: an operator with its spec. ``grad`` is False where history does not pass (detach, no_grad)."""

    __slots__ = ("op", "spec", "grad")

    def __init__(self, op: Any, spec: tuple, grad: bool) -> None:
        self.op = op
        self.spec = spec
        self.grad = grad


class Alias:
    """How one tensor looks at a storage, and which version of it its own value shows."""

    __slots__ = ("storage", "steps", "seen", "quiet")

    def __init__(self, storage: Storage, steps: tuple[Step, ...], quiet: bool = False) -> None:
        self.storage = storage
        self.steps = steps
        self.seen = storage.version
        self.quiet = quiet  # writes through .data are not noticed by saved-tensor checks

    def read(self) -> Value:
        """The alias's value at the storage's present version."""
        return self.chain()[-1]

    def chain(self) -> list[Value]:
        """The values along the steps, from the base to the alias."""
        values = [self.storage.value]
        for step in self.steps:
            made = _looked(step, values[-1])
            made.source = self.storage.value
            values.append(made)
        return values

    def write(self, new: Value) -> Value:
        """The base value after the elements of this alias became ``new``."""
        values = self.chain() if len(self.steps) > 1 else [self.storage.value]
        for before, step in zip(reversed(values[: len(self.steps)]), reversed(self.steps), strict=True):
            if step.op is not DETACH:
                new = _written(step, before, new)
        return new

    @property
    def keeps_history(self) -> bool:
        """Whether a write leaves the base's place in the backward graph as it is."""
        return any(not s.grad for s in self.steps)
