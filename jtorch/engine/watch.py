"""Steps that are looked at as they are recorded: forward-mode tangents go along, saved-tensor hooks take what is saved.

While a thread is watched no trace is its current one, so that every step comes by :func:`record`.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jtorch.engine import graph
from jtorch.engine.op import Primitive
from jtorch.engine.trace import ThreadState
from jtorch.engine.value import Value


def _make_jvp(op: Any, spec: tuple, mask: tuple[bool, ...]) -> Callable:
    fn = op.bind(spec)
    count = len(mask)
    wants = [i for i, m in enumerate(mask) if m]

    def run(*arrays: Any) -> tuple:
        def of(*wanted: Any) -> tuple:
            full = list(arrays[:count])
            for i, x in zip(wants, wanted, strict=True):
                full[i] = x
            out = fn(*full)
            outs = tuple(out) if isinstance(out, (tuple, list)) else (out,)
            return tuple(o for o in outs if jnp.issubdtype(o.dtype, jnp.inexact))

        return jax.jvp(of, tuple(arrays[i] for i in wants), tuple(arrays[count:]))[1]

    return run


JVP = Primitive("jvp", _make_jvp, multi=True, grad_name=lambda spec: graph.name_of(spec[0], spec[1]))
"""The tangents of an op's floating results: its inputs, then the tangents of those that the mask names."""


def record(st: ThreadState, op: Any, spec: tuple, inputs: tuple[Value, ...], plainly: Callable) -> Any:
    """Record a step by ``plainly``, and what goes with it."""
    if st.recording is not None:
        st.recording.spoils("forward mode, or hooks on saved tensors")
    made = plainly(op, spec, inputs)
    outs = made if isinstance(made, list) else [made]
    if st.saved_hooks and op.differentiable and not op.forced and any(v.requires_grad for v in outs):
        _pack(st, outs)
    if st.dual and op.differentiable:
        _carry(st, op, spec, inputs, outs, plainly)
    return made


def tangent_of(v: Value, level: int) -> Value | None:
    """The tangent that a value carries on a forward-mode level."""
    return v.tangent[1] if v.tangent is not None and v.tangent[0] == level else None


def _carry(
    st: ThreadState, op: Any, spec: tuple, inputs: tuple[Value, ...], outs: list[Value], plainly: Callable
) -> None:
    tangents = [tangent_of(v, st.dual) for v in inputs]
    mask = tuple(t is not None for t in tangents)
    floats = [v for v in outs if v.aval.inexact]
    if any(mask) and floats:
        made = plainly(JVP, (op, spec, mask), (*inputs, *[t for t in tangents if t is not None]))
        for v, t in zip(floats, made, strict=True):
            v.tangent = (st.dual, t)


def _pack(st: ThreadState, outs: list[Value]) -> None:
    """Hand what the step's backward needs to the innermost hooks; the graph then holds what they return instead."""
    node = graph.node_of(next(v for v in outs if v.requires_grad))
    if not isinstance(node, graph.OpNode):
        return
    pack = st.saved_hooks[-1]
    for i in node.saved:
        node.packed[i] = pack(node.inputs[i] if i >= 0 else outs[-1 - i])
        if i >= 0:
            node.inputs[i] = None  # type: ignore[call-overload]
