"""Recording an operation, in one of three ways: found in the trie, added to it, or applied to JAX tracers at once."""

import re
from typing import Any

import jax

from jtorch.engine import autograd, report, trace, watch
from jtorch.engine.aval import aval
from jtorch.engine.op import RUNTIME, arrays_in, is_number
from jtorch.engine.trace import Node, ThreadState, Trace, user_line
from jtorch.engine.value import DIRECT, Value, from_array, from_number, modes

MAX_PENDING = 12_000  # values in a trace before it is flushed unasked
MAX_PLAIN = 1_500  # the same where none of them needs a gradient: cutting such a program in two costs nothing
MAX_NODES = 200_000  # steps in all tries before they are dropped

eager = False  # flush after every operation (JTORCH_EAGER=1)
_node_count = 0


def record(op: Any, spec: tuple, inputs: tuple[Value, ...]) -> Any:
    """Record ``op`` on ``inputs``: a Value, or a list of them where the op has several results.

    ``op.bind(spec)`` must give the function of the input arrays alone; ``spec`` is hashable. Raises what that function
    raises on abstract arrays of these shapes and dtypes.
    """
    st = trace._local.state
    tr = st.trace
    if tr is None:
        return _record(st, op, spec, inputs)
    values = tr.values
    refs: list[Any] = [op, spec]
    fresh: list[Value] = []
    for v in inputs:
        if v.trace is tr:
            refs.append(v.index)
            continue
        known = v.aval
        if v.array is None or v.trace is DIRECT or known.device != tr.device:
            break
        wants = v.requires_grad
        refs.append(known.plain if wants is False else known.leaf if wants and v.owner is not None else leaf_key(v))
        v.trace, v.index = tr, len(values) + len(fresh)
        fresh.append(v)
    else:
        node = tr.cursor.children[st.grad].get(tuple(refs))
        if node is not None:
            tr.cursor = node
            if fresh:
                values += fresh
            if node.single:
                out = Value(None, node.aval, tr, node.start, node.grad)
                values.append(out)
                return out
            return _outputs(tr, node)
    _undo(fresh)
    return _record(st, op, spec, inputs)


def _outputs(tr: Trace, node: Node) -> Any:
    out = [Value(None, a, tr, i, g) for a, i, g in node.results]
    tr.values.extend(out)
    return out[0] if node.single else out


def _record(st: ThreadState, op: Any, spec: tuple, inputs: tuple[Value, ...], device: str | None = None) -> Any:
    """The general way: inputs may be new to the trace, and the step may be new to the trie."""
    if st.watched:
        return _watched(st, op, spec, inputs, device)
    device = device or _device_of(inputs)
    if device == "meta":
        return _abstract(st, op, spec, inputs)
    tr = st.trace_for(device)
    base = len(tr.values)
    fresh: list[Value] = []
    refs: list[Any] = []
    for v in inputs:
        if v.trace is tr:
            refs.append(v.index)
            continue
        if v.aval.device != device and v.aval.ndim:
            _undo(fresh)
            raise RuntimeError(
                "Expected all tensors to be on the same device, but found at least two devices, "
                f"{device} and {v.aval.device}! (when checking argument in {op.name})"
            )
        if v.trace is DIRECT:
            _undo(fresh)
            return direct(st, op, spec, inputs)
        if v.array is None:
            _undo(fresh)
            materialise(v, "a value of another thread or device")
            return _record(st, op, spec, inputs, device)
        refs.append(leaf_key(v))
        v.trace, v.index = tr, base + len(fresh)
        fresh.append(v)
    key = (op, spec, *refs)
    node = tr.cursor.children[st.grad].get(key)
    if node is None:
        if base > MAX_PLAIN and is_full(tr):  # here, so that the same path is always cut at the same step
            _undo(fresh)
            _flush(tr, "too much is pending")
            return _record(st, op, spec, inputs, device)
        try:
            node = _extend(st, tr, key, op, spec, inputs, fresh)
        except BaseException:
            _undo(fresh)
            raise
        if node is RUNTIME:
            _undo(fresh)
            spec, inputs = _with_numbers_as_inputs(spec, inputs, device)
            return _record(st, op, spec, inputs, device)
    tr.values.extend(fresh)
    tr.cursor = node
    out = _outputs(tr, node)
    if eager:
        _flush(tr, "eager mode")
    return out


def is_full(tr: Trace, plain: int = MAX_PLAIN) -> bool:
    """Whether a trace should be flushed before more is added: it is long, or over ``plain`` values need no gradient."""
    n = len(tr.values)
    if n > MAX_PENDING:
        return True
    return n > plain and not any(v is not None and v.requires_grad and v.owner is None for v in tr.values[-plain:])


def _flush(tr: Trace, why: str) -> None:
    from jtorch.engine.flush import flush

    flush(tr, why)


def _watched(st: ThreadState, op: Any, spec: tuple, inputs: tuple[Value, ...], device: str | None) -> Any:
    def plainly(op: Any, spec: tuple, inputs: tuple[Value, ...]) -> Any:
        st.watched = False
        try:
            return _record(st, op, spec, inputs, device)
        finally:
            st.watched = True
            st.trace = None

    return watch.record(st, op, spec, inputs, plainly)


def mark(*what: Any) -> None:
    """Say in the path of every open trace that a mode changed, so that what follows is known apart."""
    st = trace._local.state
    current = st.trace
    for device in list(st.traces):
        _record(st, autograd.MARK, what, (), device)
    st.trace = current


def leaf_key(v: Value) -> Any:
    """How a value that enters a trace stands in a key."""
    if not v.requires_grad:
        return v.aval.plain if v.requires_grad is False else v.aval.frozen
    return v.aval.leaf if v.owner is not None else v.aval.graph


def _undo(fresh: list[Value]) -> None:
    for v in fresh:
        v.trace = None


def _device_of(inputs: tuple[Value, ...]) -> str:
    for v in inputs:
        if v.aval.ndim:
            return v.aval.device
    return inputs[0].aval.device if inputs else "cpu"


def _extend(
    st: ThreadState, tr: Trace, key: tuple, op: Any, spec: tuple, inputs: tuple[Value, ...], fresh: list[Value]
) -> Any:
    """Add a step to the trie; returns its node, or RUNTIME where a number in ``spec`` has been seen to vary."""
    global _node_count
    cursor = tr.cursor
    children = cursor.children[st.grad]
    family = _family(op, spec)
    if family is not None:
        family = (op, family, *key[2:], st.grad)
        seen = cursor.families.get(family)
        if seen is not None:
            if seen is not RUNTIME:
                children.pop(seen, None)
                cursor.families[family] = RUNTIME
            return RUNTIME
    fn = op.bind(spec)
    results = infer(op, spec, fn, inputs)
    avals = tuple(aval(tuple(s.shape), s.dtype, tr.device) for s in results)
    wants = tuple(i for i, v in enumerate(inputs) if v.requires_grad and v.aval.inexact)
    wanted = bool(wants) and st.grad and op.differentiable
    if wanted:
        _check_saved(op, spec, inputs, wants)
    grads = tuple((wanted or op.forced) and a.inexact and i not in op.still for i, a in enumerate(avals))
    if not any(grads) and (inputs[0].requires_grad is None if getattr(op, "view", False) else st.inference):
        grads = (None,) * len(avals)  # type: ignore[assignment]
    base = len(tr.values)
    node = Node(
        cursor,
        op,
        spec,
        fn,
        tuple(v.index for v in inputs),
        tuple((v.index, k) for v, k in zip(inputs, key[2:], strict=True) if type(k) is not int),
        base + len(fresh),
        avals,
        grads,
        wants if wanted and not op.forced else (),
        user_line(),
    )
    if children:
        report.diverged(cursor, node)
    if _node_count > MAX_NODES:
        trace._roots.clear()
        _node_count = 0
    _node_count += 1
    children[key] = node
    if family is not None:
        cursor.families[family] = key
    return node


def _check_saved(op: Any, spec: tuple, inputs: tuple[Value, ...], wants: tuple[int, ...]) -> None:
    if any(i >= 0 and inputs[i].requires_grad is None for i in op.saved(spec, wants)):
        raise RuntimeError(
            "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in "
            "computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and use "
            "it in autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`."
        )


def infer(op: Any, spec: tuple, fn: Any, inputs: tuple[Value, ...]) -> list[Any]:
    """Shapes and dtypes of the results, by abstract evaluation."""
    if op.infer is not None:
        return op.infer(spec, inputs)
    try:
        out = jax.eval_shape(fn, *[v.aval.struct() for v in inputs])
    except (TypeError, ValueError) as error:
        raise _explained(error) from None
    return list(out) if isinstance(out, (tuple, list)) else [out]


_BROADCAST = re.compile(r"[Ii]ncompatible shapes for broadcasting: (?:shapes=\[)?(\([\d, ]*\))(?:,| and) (\([\d, ]*\))")


def _explained(error: Exception) -> Exception:
    """An operator's own error as it is; one of JAX's as the RuntimeError that torch's users expect."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    if frame is not None and frame.tb_frame.f_code.co_filename.startswith(trace._HERE):
        return error
    text = str(error).split("\n--")[0]
    found = _BROADCAST.search(text)
    if found is None:
        return RuntimeError(text)
    a, b = (tuple(int(n) for n in re.findall(r"\d+", s)) for s in found.groups())
    for i in range(1, max(len(a), len(b)) + 1):
        m, n = (s[-i] if i <= len(s) else 1 for s in (a, b))
        if m != n and 1 not in (m, n):
            at = max(len(a), len(b)) - i
            return RuntimeError(
                f"The size of tensor a ({m}) must match the size of tensor b ({n}) at non-singleton dimension {at}"
            )
    return RuntimeError(text)


def _family(op: Any, spec: tuple) -> tuple | None:
    """``spec`` without the numbers in it that could be runtime inputs; None where it has none."""
    if not any(is_number(s) and s[0] is not bool for s in spec) or not op.runtime_numbers:
        return None
    return tuple((s[0], None) if is_number(s) and s[0] is not bool else s for s in spec)


def _with_numbers_as_inputs(spec: tuple, inputs: tuple[Value, ...], device: str) -> tuple[tuple, tuple[Value, ...]]:
    """Turn the numbers of a spec into runtime inputs, in the order in which the bound function takes its arrays."""
    rest = iter(inputs)
    new_spec: list[Any] = []
    new_inputs: list[Value] = []
    for s in spec:
        if is_number(s) and s[0] is not bool:
            new_inputs.append(from_number(s[0](s[1]), device))
            new_spec.append((RUNTIME, s[0]))
            continue
        for _ in range(arrays_in(s)):
            new_inputs.append(next(rest))
        new_spec.append(s)
    return tuple(new_spec), tuple(new_inputs)


def _abstract(st: ThreadState, op: Any, spec: tuple, inputs: tuple[Value, ...]) -> Any:
    """On the meta device there are shapes and dtypes only."""
    results = infer(op, spec, op.bind(spec), inputs)
    wanted = st.grad and op.differentiable and any(v.requires_grad for v in inputs)
    out = []
    for i, s in enumerate(results):
        a = aval(tuple(s.shape), s.dtype, "meta")
        out.append(Value(None, a, None, -1, wanted and a.inexact and i not in op.still))
    if wanted:
        autograd.attach(op, spec, inputs, out)
    return out[0] if len(out) == 1 and not op.multi else out


def direct(st: ThreadState, op: Any, spec: tuple, inputs: tuple[Value, ...]) -> Any:
    """Apply an op whose inputs hold JAX tracers: nothing is recorded, and all of JAX's transformations compose.

    Under ``no_grad`` JAX is to differentiate nothing either.
    """
    arrays = [_array_for(st, v) for v in inputs]
    made = op.bind(spec)(*arrays)
    several = isinstance(made, (tuple, list))
    device = _device_of(inputs)
    out = [_direct_value(array, device) for array in (made if several else (made,))]
    if not st.grad:
        for v in () if modes.forward else out:  # tangents pass
            v.array = jax.lax.stop_gradient(v.array)
    elif op.differentiable and any(v.requires_grad for v in inputs):
        for i, v in enumerate(out):
            v.requires_grad = v.aval.inexact and i not in op.still
        autograd.attach(op, spec, inputs, out)
    return out if several else out[0]


def _array_for(st: ThreadState, v: Value) -> Any:
    """A value's array under a JAX transformation; one from outside may be an input of the function being captured."""
    if v.trace is not DIRECT and st.capture is not None:
        return st.capture.take(v)
    return v.array if v.array is not None else materialise(v, "used under a JAX transformation")


def _direct_value(array: Any, device: str) -> Value:
    v = from_array(array, device)
    v.trace = DIRECT
    return v


def materialise(value: Value, why: str) -> Any:
    """The array of a value; flushes the trace that it is pending in."""
    if value.array is None:
        from jtorch.engine.flush import flush_for

        flush_for(value, why)
    return value.array
