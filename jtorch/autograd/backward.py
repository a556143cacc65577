"""torch.autograd.backward and torch.autograd.grad."""

import warnings
from collections.abc import Sequence
from typing import Any

from jtorch.autograd.graph import GradientEdge
from jtorch.engine import autograd as engine
from jtorch.engine import trace
from jtorch.engine.autograd import Edge
from jtorch.engine.flush import boundary
from jtorch.engine.value import Value
from jtorch.tensor.tensor import Tensor, wrap

_local = trace._local

Root = tuple[Value | None, Edge | None, Value | None]  # a tensor's value, or the edge of a GradientEdge; its cotangent


def _tuple(x: Any) -> tuple:
    return (x,) if isinstance(x, (Tensor, GradientEdge)) else tuple(x)


def _edge(x: Any) -> Edge:
    return x.edge if isinstance(x, GradientEdge) else engine.edge_of(x._value)


def _root(i: int, x: Any, given: Any) -> Root:
    """Where to start, with its cotangent (None: ones); raises torch's RuntimeErrors."""
    if isinstance(x, GradientEdge):
        node, k = x.edge
        aval: Any = node()._aval() if isinstance(node, engine.LeafRef) else node.outputs[k]  # type: ignore[union-attr]
        v, edge = None, x.edge
    else:
        v, edge = x._value, None
        aval = v.aval
        if not v.requires_grad:
            raise RuntimeError(f"element {i} of tensors does not require grad and does not have a grad_fn")
    if given is None:
        if aval.size != 1:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        if v is None:
            raise RuntimeError("grad can be implicitly created only for Tensors, give grad_outputs for a GradientEdge")
        if aval.dtype.kind == "c":
            raise RuntimeError(f"grad can be implicitly created only for real scalar outputs but got {x.dtype}")
        return v, edge, None
    if not isinstance(given, Tensor):
        raise TypeError(f"gradients can be either Tensors or None, but got {type(given).__name__}")
    if given._aval().shape != aval.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[{i}] has a shape of {given.shape} and output[{i}] has a shape of "
            f"torch.Size({list(aval.shape)})."
        )
    if given.is_complex() != (aval.dtype.kind == "c"):
        raise RuntimeError(
            "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: "
            f"grad_output[{i}] has a dtype of {given.dtype} and output[{i}] has a dtype of {wrap_dtype(aval)}."
        )
    return v, edge, (given if given._aval().dtype == aval.dtype else given.to(wrap_dtype(aval)))._value  # type: ignore[attr-defined]


def wrap_dtype(aval: Any) -> Any:
    """The torch dtype of an engine's array."""
    from jtorch.tensor.dtype import OF_NUMPY

    return OF_NUMPY[aval.dtype]


def _roots(tensors: tuple, grads: Any) -> list[Root]:
    given = (None,) * len(tensors) if grads is None else _tuple(grads)
    if len(given) != len(tensors):
        raise RuntimeError(f"got {len(tensors)} tensors and {len(given)} gradients")
    return [_root(i, t, g) for i, (t, g) in enumerate(zip(tensors, given, strict=True))]


def _walk(roots: list[Root], *, retain: bool, create_graph: bool, targets: list[Edge] | None = None) -> list:
    value, _, ct = roots[0]
    start = key = None
    if len(roots) == 1 and targets is None and not create_graph and value is not None:
        start, key = engine.begin(value, ct, retain)
    with _local.state.mode(grad=create_graph):
        pairs = [
            (engine.edge_of(v) if v is not None else e, engine.implicit(v) if g is None else g)  # type: ignore[arg-type]
            for v, e, g in roots
        ]
    return engine.run_backward(
        pairs,  # type: ignore[arg-type]
        retain=retain,
        create_graph=create_graph,
        targets=targets,
        start=start,
        memo_key=key,
    )


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Accumulate the gradients of ``tensors`` into the leaves, or into ``inputs`` alone (torch.autograd.backward).

    Raises RuntimeError for outputs without a graph, for a missing cotangent of a non-scalar, and for a freed graph.
    """
    if grad_variables is not None:
        warnings.warn("`grad_variables` is deprecated. Use `grad_tensors` instead.", FutureWarning, stacklevel=2)
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to `backward()`. Please only "
                "use `grad_tensors`."
            )
        grad_tensors = grad_variables
    if inputs is not None and not isinstance(inputs, (Tensor, GradientEdge)) and len(inputs) == 0:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    roots = _roots(_tuple(tensors), grad_tensors)
    if not roots:
        return
    retain = create_graph if retain_graph is None else retain_graph
    if create_graph:
        warnings.warn(
            "Using backward() with create_graph=True will create a reference cycle between the parameter and its "
            "gradient which can cause a memory leak. We recommend using autograd.grad when creating the graph to avoid "
            "this. If you have to use this function, make sure to reset the .grad fields of your parameters to None "
            "after use to break the cycle and avoid the leak.",
            UserWarning,
            stacklevel=3,
        )
    if inputs is not None:
        _into(roots, inputs.values() if isinstance(inputs, dict) else inputs, retain, create_graph)
        return
    value, _, ct = roots[0]
    if len(roots) == 1 and not create_graph and value is not None and _known(value, ct, retain):
        return
    tr = _local.state.trace
    _walk(roots, retain=retain, create_graph=create_graph)
    _passed(tr, retain)


def _known(value: Value, ct: Value | None, retain: bool) -> bool:
    """Go back the way that this path went before; False where it did not."""
    tr = _local.state.trace
    if not engine.backward(value, ct, retain):
        return False
    _passed(tr, retain)
    return True


def _passed(tr: Any, retain: bool) -> None:
    """Note that a trace holds a backward pass; a second one is where it may well end."""
    if tr is None:
        return
    if tr.backward_seen and _local.state.trace is tr and not retain:
        boundary("second backward()")
    tr.backward_seen = True


def _from_tensor(
    self: Tensor, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False, inputs: Any = None
) -> None:
    """Accumulate the gradients of this tensor into the leaves it was computed from (torch.Tensor.backward)."""
    # What the last pass of this path was asked and found right needs no asking again.
    plain = gradient is None and inputs is None and not create_graph and self._alias is None
    if not plain or not _known(self._v, None, bool(retain_graph)):
        backward(self, gradient, retain_graph, create_graph, inputs=inputs)


_from_tensor.__name__, _from_tensor.__qualname__ = "backward", "Tensor.backward"
Tensor.backward = _from_tensor  # type: ignore[attr-defined]


def _into(roots: list[Root], inputs: Any, retain: bool, create_graph: bool) -> None:
    """``backward(inputs=)``: what comes to each input is added to its ``grad``."""
    wanted = _tuple(inputs)
    for i, t in enumerate(wanted):
        if isinstance(t, Tensor) and not t.requires_grad:
            raise RuntimeError(
                f"One of the differentiated Tensors given as 'inputs' to backward ({i}) does not require grad"
            )
    found = _walk(roots, retain=retain, create_graph=create_graph, targets=[_edge(t) for t in wanted])
    for t, g in zip(wanted, found, strict=True):
        owner = t if isinstance(t, Tensor) else t.edge[0]() if isinstance(t.edge[0], engine.LeafRef) else None
        if g is not None and owner is not None:
            with _local.state.mode(grad=create_graph):
                owner._accumulate(g)
            owner.retain_grad()  # type: ignore[union-attr]


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
) -> Any:
    """The gradients of ``outputs`` with respect to ``inputs``; nothing is accumulated (torch.autograd.grad).

    A tuple, or a dict for a dict of inputs. Raises RuntimeError where an input is not used in the graph, unless
    ``allow_unused``.
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    if not only_inputs:
        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate gradient for "
            "other parts of the graph, please use torch.autograd.backward.",
            FutureWarning,
            stacklevel=2,
        )
    if isinstance(inputs, dict):
        found = grad(
            outputs, tuple(inputs.values()), grad_outputs, retain_graph, create_graph, True, allow_unused,
            is_grads_batched, materialize_grads,
        )  # fmt: skip
        return dict(zip(inputs, found, strict=True))
    starts, wanted = _tuple(outputs), _tuple(inputs)
    unused = materialize_grads or bool(allow_unused)
    retain = create_graph if retain_graph is None else retain_graph
    for t in wanted:
        if isinstance(t, Tensor) and not t.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    if is_grads_batched:
        given = (None,) * len(starts) if grad_outputs is None else _tuple(grad_outputs)
        return _batched(starts, wanted, given, retain, create_graph, unused, materialize_grads)
    roots = _roots(starts, grad_outputs)
    found = _walk(roots, retain=retain, create_graph=create_graph, targets=[_edge(t) for t in wanted])
    return tuple(
        _result(i, t, g, unused, materialize_grads) for i, (t, g) in enumerate(zip(wanted, found, strict=True))
    )


def _result(i: int, t: Any, g: Value | None, unused: bool, zeros: bool) -> Tensor | None:
    if g is not None:
        return wrap(g)
    if zeros:
        return _zeros_like(t)
    if not unused:
        raise RuntimeError(
            f"The differentiated Tensor at index {i} appears to not have been used in the graph. Set allow_unused=True "
            "if this is the desired behavior."
        )
    return None


def _zeros_like(t: Tensor) -> Tensor:
    a = t._aval()
    return wrap(engine.record_on(a.device, engine.ZEROS, (a.shape, a.dtype)))


def _batched(
    starts: Sequence, wanted: Sequence, given: Sequence, retain: bool, create_graph: bool, unused: bool, zeros: bool
) -> tuple:
    """``is_grads_batched``: each cotangent has a leading dimension, and so has each gradient."""
    import jtorch

    stack: Any = jtorch.stack  # type: ignore[attr-defined]

    if any(g is None or not g.ndim for g in given):
        raise ValueError(
            "vmap(vjp, in_dims=0, ...)(<inputs>): Got in_dim=0 for some input, but that input is a Tensor of "
            "dimensionality 0 so expected in_dim to satisfy 0 <= in_dim < 0."
        )
    sizes = [g.shape[0] for g in given]
    if len(set(sizes)) > 1:
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
            f"{list(dict.fromkeys(sizes))} for the mapped dimension"
        )
    count = sizes[0]
    rows = [
        grad(
            starts, wanted, tuple(None if g is None else g[i] for g in given),
            retain_graph=retain or i < count - 1, create_graph=create_graph, allow_unused=unused,
        )
        for i in range(count)
    ]  # fmt: skip
    found = [None if column[0] is None else stack(list(column)) for column in zip(*rows, strict=True)]
    return tuple(_zeros_like(t) if g is None and zeros else g for t, g in zip(wanted, found, strict=True))
