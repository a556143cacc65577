"""torch.autograd.backward and torch.autograd.grad."""

from collections.abc import Sequence
from typing import Any

from jtorch.engine import autograd as engine
from jtorch.engine import trace
from jtorch.engine.flush import flush
from jtorch.engine.record import record
from jtorch.engine.value import Value
from jtorch.tensor.tensor import Tensor, wrap

_local = trace._local


def _root(t: Tensor, given: Any) -> tuple[Value, Value | None]:
    """A tensor to start from, and its cotangent's value (None: ones); raises torch's RuntimeErrors."""
    v = t._value
    if not v.requires_grad:
        raise RuntimeError("element 0 of tensors does not require grad and does not have a grad_fn")
    if given is None:
        if v.aval.size != 1:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        if v.aval.dtype.kind == "c":
            raise RuntimeError(f"grad can be implicitly created only for real scalar outputs but got {t.dtype}")
        return v, None
    if not isinstance(given, Tensor):
        raise TypeError(f"gradients can be either Tensors or None, but got {type(given).__name__}")
    if given._aval().shape != v.aval.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[0] has a shape of {given.shape} and output[0] has a shape of {t.shape}."
        )
    if given.is_complex() != t.is_complex():
        raise RuntimeError(
            "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: "
            f"grad_output[0] has a dtype of {given.dtype} and output[0] has a dtype of {t.dtype}."
        )
    return v, (given if given.dtype is t.dtype else given.to(t.dtype))._value  # type: ignore[attr-defined]


def _tuple(x: Any) -> tuple:
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Accumulate the gradients of ``tensors`` into the leaves (torch.autograd.backward).

    Raises RuntimeError for outputs without a graph, for a missing cotangent of a non-scalar, and for a freed graph.
    """
    roots = _tuple(tensors)
    given = _tuple(grad_tensors) if grad_tensors is not None else (None,) * len(roots)
    if len(given) != len(roots):
        raise RuntimeError(f"got {len(roots)} tensors and {len(given)} gradients")
    pairs = [_root(t, g) for t, g in zip(roots, given, strict=True)]
    retain = create_graph if retain_graph is None else retain_graph
    st = _local.state
    tr = st.trace
    if inputs is not None:
        wanted = _tuple(inputs)
        if not wanted:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
        grads = engine.run_backward(
            pairs, retain=retain, create_graph=create_graph, targets=[t._value for t in wanted], accumulate=False
        )
        for t, g in zip(wanted, grads, strict=True):
            if g is not None:
                t._accumulate(g)
        return
    if not (len(pairs) == 1 and not create_graph and engine.backward(*pairs[0], retain)):
        engine.run_backward(pairs, retain=retain, create_graph=create_graph)
    if tr is None:
        return
    if tr.backward_seen and st.trace is tr and not retain:
        flush(tr, "second backward()")
    tr.backward_seen = True


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of ``outputs`` with respect to ``inputs``; nothing is accumulated (torch.autograd.grad).

    Raises RuntimeError where an input is not used in the graph, unless ``allow_unused``.
    """
    roots, wanted = _tuple(outputs), _tuple(inputs)
    given = _tuple(grad_outputs) if grad_outputs is not None else (None,) * len(roots)
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    if is_grads_batched:
        return _batched(roots, wanted, given, retain_graph, create_graph, bool(allow_unused or materialize_grads))
    pairs = [_root(t, g) for t, g in zip(roots, given, strict=True)]
    for t in wanted:
        if not t.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    retain = create_graph if retain_graph is None else retain_graph
    found = engine.run_backward(
        pairs, retain=retain, create_graph=create_graph, targets=[t._value for t in wanted], accumulate=False
    )
    out: list[Tensor | None] = []
    for t, g in zip(wanted, found, strict=True):
        if g is None:
            if materialize_grads:
                zeros = record(engine.ZEROS, (t._aval().shape, t._aval().dtype), ()) if t.is_cpu else None
                out.append(wrap(zeros) if zeros is not None else _zeros_like(t))
                continue
            if not allow_unused:
                raise RuntimeError(
                    "One of the differentiated Tensors appears to not have been used in the graph. Set allow_unused=True if "
                    "this is the desired behavior."
                )
            out.append(None)
            continue
        out.append(wrap(g))
    return tuple(out)


def _zeros_like(t: Tensor) -> Tensor:
    return wrap(engine.record_on(t._aval().device, engine.ZEROS, (t._aval().shape, t._aval().dtype)))


def _batched(
    roots: Sequence, wanted: Sequence, given: Sequence, retain: bool | None, create_graph: bool, unused: bool
) -> tuple:
    """``is_grads_batched``: each cotangent has a leading dimension, and so has each gradient."""
    from jtorch import stack  # type: ignore[attr-defined]

    count = next(g for g in given if g is not None).shape[0]
    rows = [
        grad(
            roots, wanted, tuple(None if g is None else g[i] for g in given),
            retain_graph=True if i < count - 1 else retain, create_graph=create_graph, allow_unused=unused,
        )
        for i in range(count)
    ]  # fmt: skip
    return tuple(None if column[0] is None else stack(list(column)) for column in zip(*rows, strict=True))
