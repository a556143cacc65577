"""Values with the same elements and another place in the backward graph."""

import jax

from jtorch.engine import autograd, trace
from jtorch.engine.op import Primitive
from jtorch.engine.record import record
from jtorch.engine.value import DIRECT, Value

_local = trace._local

DETACH = Primitive(
    "detach", lambda: lambda x: x, differentiable=False, infer=lambda spec, inputs: [inputs[0].aval.struct()]
)
"""The step of ``x.detach()``: the same elements without their history."""

ATTACH = Primitive("attach", lambda: lambda x: x, infer=lambda spec, inputs: [inputs[0].aval.struct()], forced=True)
"""Gives a pending value a place in the backward graph: as a leaf, or as the output of a custom function."""


def alias_of(v: Value) -> Value:
    """A value with the same array and no history."""
    frozen = None if v.requires_grad is None else False
    if v.array is not None or v.aval.device == "meta":
        if v.trace is DIRECT:
            return Value(jax.lax.stop_gradient(v.array), v.aval, DIRECT, -1, False)
        return Value(v.array, v.aval, None, -1, frozen)
    with _local.state.mode(grad=False):
        out = record(DETACH, (), (v,))
    out.requires_grad = frozen
    return out


def rooted(v: Value, ref: autograd.LeafRef) -> Value:
    """A value with the same array that is a leaf of the graph: its gradient goes to the tensor behind ``ref``."""
    out = fresh(v)
    out.requires_grad = True
    out.owner = ref
    return out


def fresh(v: Value) -> Value:
    """A value with the same array, and the same tangent in forward mode, that is yet to get a place in the graph."""
    if v.array is not None or v.aval.device == "meta":
        out = Value(v.array, v.aval, DIRECT if v.trace is DIRECT else None, -1, False)
        if v.tangent is not None:
            out.tangent = v.tangent
        return out
    with _local.state.mode(grad=False):
        return record(ATTACH, (), (v,))


def with_history(new: Value, old: Value) -> Value:
    """``new``'s elements with ``old``'s place in the graph."""
    if not old.requires_grad:
        new = new if not new.requires_grad else alias_of(new)
        new.requires_grad = old.requires_grad  # what was made in inference mode stays so, and what was not
        return new
    return relinked(new, autograd.edge_of(old))


def relinked(v: Value, edge: autograd.Edge | None) -> Value:
    """``v``'s elements, with their cotangent going where ``edge`` says (None: nowhere)."""
    if edge is None:
        return v if not v.requires_grad else alias_of(v)
    if isinstance(edge[0], autograd.LeafRef):
        return rooted(v, edge[0])
    out = fresh(v)
    out.requires_grad = True
    out.node, out.output = edge
    return out


def mark_overwritten(v: Value, version: int) -> None:
    v.overwritten = version
    tr = v.trace
    if tr is not None and tr is not DIRECT and _local.state.trace_is(tr):
        record(autograd.MARK, ("overwritten", v.index), (v,))
