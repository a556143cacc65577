"""What optimizers and data loaders need of the engine: one recorded op over many tensors, rebinding, and flushing."""

import sys
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from jtorch.engine import flush as engine_flush
from jtorch.engine import trace
from jtorch.engine.op import Primitive
from jtorch.engine.record import record
from jtorch.engine.value import from_array
from jtorch.tensor.history import mark_overwritten
from jtorch.tensor.storage import Alias, Storage
from jtorch.tensor.tensor import Tensor, wrap

_ops: dict[tuple[str, Callable], Primitive] = {}
_specs: dict[tuple, "_Form"] = {}


class _Form:
    """The static part of a call; one object for all that are equal, so that keys compare by identity."""

    def __init__(self, statics: Any, absent: tuple[bool, ...]) -> None:
        self.statics = statics
        self.absent = absent


def prepared(name: str, fn: Callable, statics: Hashable, absent: tuple[bool, ...]) -> tuple[Primitive, tuple]:
    """The operator and the spec of ``fn(*arrays, statics)``, where ``absent`` says which arrays are None."""
    op = _ops.get((name, fn))
    if op is None:
        op = _ops[(name, fn)] = Primitive(name, _maker(fn), multi=True, differentiable=False)
    return op, (_specs.setdefault((statics, absent), _Form(statics, absent)),)


def fused(name: str, fn: Callable, statics: Hashable, tensors: list[Tensor | None]) -> list[Tensor]:
    """Record ``fn(*arrays, statics)`` over all ``tensors`` (None stays None) as one operator, not differentiable.

    ``fn`` is a pure function of JAX arrays that returns a tuple of arrays; ``statics`` is hashable and part of the
    cache key.
    """
    op, spec = prepared(name, fn, statics, tuple([t is None for t in tensors]))
    return [wrap(v) for v in record(op, spec, tuple([t._value for t in tensors if t is not None]))]


def update(op: Primitive, spec: tuple, tensors: list[Tensor], targets: list[Tensor]) -> list[Tensor]:
    """Record a :func:`prepared` call over ``tensors``; the first results become the elements of ``targets`` as by
    :func:`assign`, the others are returned.
    """
    made = record(op, spec, tuple([t._v if t._alias is None else t._value for t in tensors]))
    tr = trace.state().trace
    for t, v in zip(targets, made, strict=False):
        old, ref = t._v, t._ref
        if t._alias is not None or old.trace is not tr or (ref is None and old.requires_grad):
            assign(t, wrap(v))
            continue
        old.overwritten = t._count = t._count + 1
        if ref is not None:
            v.requires_grad, v.owner = True, ref
        t._v = v
    return [wrap(v) for v in made[len(targets) :]]


def _maker(fn: Callable) -> Callable:
    def make(form: _Form) -> Callable:
        def run(*arrays: Any) -> tuple:
            rest = iter(arrays)
            return tuple(fn(*[None if missing else next(rest) for missing in form.absent], form.statics))

        return run

    return make


def assign(tensor: Tensor, new: Tensor) -> None:
    """Make ``new``'s value the elements of ``tensor``, which keeps its place in the graph; nothing is recorded.

    For values that nobody else holds: results of :func:`fused`.
    """
    v = new._v
    if tensor._alias is not None:
        settle(tensor)
    if tensor._alias is not None or (tensor._ref is None and tensor._v.requires_grad):
        tensor._write(v, keep_history=True)
        return
    old = tensor._v
    if old.trace is not None and old.trace is trace.state().trace:
        old.overwritten = tensor._count + 1
    else:
        mark_overwritten(old, tensor._count + 1)
    if tensor._ref is not None:
        v.requires_grad, v.owner = True, tensor._ref
    tensor._v = v
    tensor._count += 1


def settle(tensor: Tensor) -> None:
    """Let go of a storage that nobody else looks at: a Parameter shares one with the tensor that it was made of."""
    alias = tensor._alias
    if alias is None or alias.own:
        return
    value = tensor._value
    if _references(alias) == _UNSHARED:
        tensor._count = alias.version
        tensor._alias = None
        tensor._v = value


def _references(alias: Alias) -> tuple[int, int]:
    return sys.getrefcount(alias), sys.getrefcount(alias.storage)


def _references_unshared() -> tuple[int, int]:
    alias = Alias(Storage(from_array(np.zeros(())), 0), ())
    holder = [alias]
    return _references(holder[0])


_UNSHARED = _references_unshared()


def runtime_scalar(value: float, dtype: Any, device: str) -> Tensor:
    """A 0-d tensor for a number that programs take as an input; keep it for as long as the number stays the same."""
    return wrap(from_array(np.asarray(value, dtype), device))


def flush(why: str) -> None:
    """Run what this thread has pending."""
    engine_flush.boundary(why)
