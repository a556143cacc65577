"""The backward graph: a node for each step that backward goes through, and how a recorded step becomes one.

While values stand in a trace, their graph is the trace itself; a :class:`GradNode` is made of a step only when
something walks there, or when the graph outlives a flush.
"""

import itertools
import weakref
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jtorch.engine import trace
from jtorch.engine.aval import Aval
from jtorch.engine.op import Primitive
from jtorch.engine.trace import Node, Trace
from jtorch.engine.value import DIRECT, Value

_serial = itertools.count()

FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have already been "
    "freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify "
    "retain_graph=True if you need to backward through the graph a second time or if you need to access saved tensors "
    "after calling backward."
)


_QUALIFIED = ("AccumulateGrad", "CopyBackwards", "CopySlices")  # what torch names by its C++ class


class GradNode:
    """A step of the backward graph: turns the cotangents of its outputs into those of its inputs.

    ``edges`` pairs each wanted input with where its cotangent goes: ``(GradNode, output)``, or ``(LeafRef, 0)`` for a
    leaf tensor. ``order`` sorts nodes by when their forward ran. Hooks take and return values; the layer above wraps
    them.
    """

    def __init__(self, edges: list[tuple[Any, int]], outputs: tuple[Aval, ...], order: tuple) -> None:
        self.edges = edges
        self.outputs = outputs
        self.order = order
        self.freed = False
        self.hooks: dict[int, dict[int, Callable]] = {}  # output -> functions of the complete cotangent
        self.pre_hooks: dict[int, Callable] = {}  # functions of the list of cotangents
        self.post_hooks: dict[int, Callable] = {}  # functions of the lists of gradients, as places say, and cotangents
        self.where = ""
        self.metadata: dict = {}

    def name(self) -> str:
        """The node's name, as torch prints it."""
        name = type(self).__name__
        return f"torch::autograd::{name}" if name in _QUALIFIED else name

    def places(self) -> list[int | None]:
        """For each input that torch gives an edge, which of ``edges`` it is; None where no gradient is wanted."""
        return list(range(len(self.edges)))

    @property
    def next_functions(self) -> tuple:
        """The nodes that the cotangents go to, each with which of its outputs (torch.autograd.graph.Node)."""
        edges = [(None, 0) if k is None else self.edges[k] for k in self.places()]
        return tuple((where.shown() if isinstance(where, LeafRef) else where, output) for where, output in edges)

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"

    def apply(self, cts: list[Value | None], create_graph: bool) -> list[Value | None]:
        """Cotangents of the wanted inputs."""
        raise NotImplementedError(f"jtorch: the backward of {self.name()}")

    def free(self) -> None:
        """Drop what was saved for backward."""
        self.freed = True


class LeafRef(weakref.ref):
    """A weak reference to a leaf tensor, where a path of the graph ends. ``node`` shows for it, once asked for."""

    __slots__ = ("node",)

    def __init__(self, owner: Any) -> None:
        super().__init__(owner)  # type: ignore[call-arg]
        self.node: AccumulateGrad | None = None

    def shown(self) -> "AccumulateGrad":
        """The node that stands for the leaf."""
        if self.node is None:
            self.node = AccumulateGrad(self)
        return self.node

    def hooked(self) -> bool:
        """Whether hooks hang on the accumulation of its gradient."""
        return self.node is not None and bool(self.node.pre_hooks or self.node.post_hooks)


class AccumulateGrad(GradNode):
    """The end of a path: a leaf tensor, as ``next_functions`` shows it."""

    def __init__(self, ref: LeafRef) -> None:
        super().__init__([], (), (0, 0, 0))
        self.ref = ref

    @property
    def variable(self) -> Any:
        """The leaf."""
        return self.ref()


@cache
def node_class(base: type, name: str) -> type:
    """A class of that name, so that ``type(t.grad_fn).__name__`` reads as in torch."""
    return type(name, (base,), {})


def vjp(fn: Callable, args: list, wants: tuple[int, ...]) -> tuple[tuple, Callable]:
    """Run ``fn`` and return its outputs with a function from their cotangents (None: zero) to those of ``args[wants]``.

    Cotangents of complex arrays follow torch's convention, the conjugate of JAX's.
    """

    def of(*wanted: Any) -> tuple[tuple, tuple]:
        full = list(args)
        for i, x in zip(wants, wanted, strict=True):
            full[i] = x
        out = fn(*full)
        outs = tuple(out) if isinstance(out, (tuple, list)) else (out,)
        return tuple(o for o in outs if jnp.issubdtype(o.dtype, jnp.inexact)), outs

    primals, pullback, outs = jax.vjp(of, *[args[i] for i in wants], has_aux=True)
    floats = [i for i, o in enumerate(outs) if jnp.issubdtype(o.dtype, jnp.inexact)]

    def pull(cts: list) -> list:
        given = [cts[i] if cts[i] is not None else jnp.zeros_like(p) for i, p in zip(floats, primals, strict=True)]
        return [_conj(g) for g in pullback(tuple(_conj(c) for c in given))]

    return outs, pull


def _conj(x: Any) -> Any:
    return jnp.conj(x) if jnp.iscomplexobj(x) else x


def spread(mask: tuple[bool, ...], cts: Iterable) -> list:
    """Put the given cotangents where the mask says, None elsewhere."""
    rest = iter(cts)
    return [next(rest) if m else None for m in mask]


def _make_vjp(op: Any, spec: tuple, wants: tuple[int, ...], mask: tuple[bool, ...], count: int) -> Callable:
    fn = op.bind(spec)

    def run(*arrays: Any) -> tuple:
        _, pull = vjp(fn, list(arrays[:count]), wants)
        return tuple(pull(spread(mask, arrays[count:])))

    return run


VJP = Primitive(
    "vjp",
    _make_vjp,
    multi=True,
    infer=lambda spec, inputs: [inputs[i].aval.struct() for i in spec[2]],
    grad_name=lambda spec: name_of(spec[0], spec[1]).removesuffix("0") + "Backward0",
)
"""The backward of an op on its own: inputs, then the given cotangents. Differentiable, so it nests."""

PULL = Primitive("pull", lambda *spec: None, multi=True, infer=lambda spec, inputs: [a.struct() for a in spec[2]])  # type: ignore[arg-type, return-value]
"""The same for an op whose forward stands in the same trace (spec: its start, the mask, the results' avals):
``jax.vjp`` runs once for both and they share its residuals. The lowering knows it."""

ONES = Primitive("ones", lambda shape, dtype: lambda: jnp.ones(shape, dtype))
ZEROS = Primitive("zeros", lambda shape, dtype: lambda: jnp.zeros(shape, dtype))
ADD = Primitive(
    "accumulate",
    lambda: lambda a, b: a + b,
    infer=lambda spec, inputs: [inputs[0].aval.struct()],
    grad_name="AddBackward0",
)
MARK = Primitive("mark", lambda *spec: lambda *x: (), multi=True, infer=lambda spec, inputs: [])
"""No computation: says in the path that a value was written over, or that a hook hangs on it."""


def name_of(op: Any, spec: tuple) -> str:
    """What the node of an operator's backward is called."""
    return op.grad_name if isinstance(op.grad_name, str) else op.grad_name(spec)


@lru_cache(maxsize=4096)
def _inputs_used(spec: tuple, inputs: tuple[Aval, ...], given: tuple[Aval, ...]) -> frozenset[int]:
    """Positions of the inputs that a backward with this spec depends on: that of a linear map has no use for them."""
    found = needed_inputs(VJP.bind(spec), [a.struct() for a in (*inputs, *given)])
    return frozenset(i for i in found if i < len(inputs))


def needed_inputs(fn: Callable, structs: list) -> set[int]:
    """Positions of the arguments that the results of a function depend on."""
    jaxpr = jax.make_jaxpr(fn)(*structs).jaxpr
    needed = {v for v in jaxpr.outvars if not hasattr(v, "val")}
    for eqn in reversed(jaxpr.eqns):
        if any(v in needed for v in eqn.outvars):
            needed.update(v for v in eqn.invars if not hasattr(v, "val"))
    return {i for i, v in enumerate(jaxpr.invars) if v in needed}


def written_over(v: Value, version: int, edge: tuple[Any, int] | None = None) -> RuntimeError:
    """torch's error for a saved value that an in-place operation has overwritten. ``edge``: what made it."""
    if edge is None and v.requires_grad:
        edge = edge_of(v)
    kind = "ComplexFloat" if v.aval.dtype == np.complex64 else _KINDS.get(v.aval.dtype.name, v.aval.dtype.name)
    place = "torch." if v.aval.device == "cpu" else f"torch.{v.aval.device.partition(':')[0]}."
    made = ""
    if edge is not None and isinstance(edge[0], GradNode):
        name = edge[0].name().rpartition("::")[2]
        made = f", which is output {edge[1]} of {name.partition('Backward')[0] or name}"
    return RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[{place}{kind}Tensor {list(v.aval.shape)}]{made}, is at version {version}; expected version {version - 1} "
        "instead. Hint: enable anomaly detection to find the operation that failed to compute its gradient, with "
        "torch.autograd.set_detect_anomaly(True, check_nan=False)."
    )


_KINDS = {
    "float32": "Float", "float64": "Double", "float16": "Half", "bfloat16": "BFloat16", "complex128": "ComplexDouble",
    "int64": "Long", "int32": "Int", "int16": "Short", "int8": "Char", "uint8": "Byte", "bool": "Bool",
}  # fmt: skip


class OpNode(GradNode):
    """The backward of a recorded operator."""

    def __init__(
        self,
        op: Any,
        spec: tuple,
        inputs: list[Value],
        wants: tuple[int, ...],
        outputs: tuple[Aval, ...],
        order: tuple,
        home: tuple[Trace, int] | None,
    ) -> None:
        super().__init__([edge_of(inputs[i]) for i in wants], outputs, order)
        self.op = op
        self.spec = spec
        self.inputs: list[Value] = inputs
        self.avals = tuple(v.aval for v in inputs)
        self.wants = wants
        self.place = None if home is None else (home[0].serial, home[1])
        self.home = home  # the trace it was recorded in, and the position of its first output
        self.saved = op.saved(spec, wants)
        self.results: list[Value] | None = None
        self.packed: dict[int, Callable[[], Value]] = {}  # saved inputs that a hook keeps: how to get them back

    def places(self) -> list[int | None]:
        if not hasattr(self.op, "slots"):
            return super().places()
        at = {i: k for k, i in enumerate(self.wants)}
        return [at.get(i) for i in self.op.slots(self.spec, self.avals)]

    def check_saved(self) -> None:
        """Raise torch's error where a saved value has been written over."""
        for i in self.saved:
            if i in self.packed:
                continue
            v = (self.results[-1 - i] if self.results else None) if i < 0 else self.inputs[i]
            version = v.overwritten or (v.source is not None and v.source.overwritten) if v is not None else 0
            if v is None or not version:
                continue
            by = v.successor
            if i or by is None or not (by is self or by == self.place):  # of what it overwrites torch keeps a copy
                raise written_over(v, int(version), (self, -1 - i) if i < 0 else None)

    def apply(self, cts: list[Value | None], create_graph: bool) -> list[Value | None]:
        from jtorch.engine.record import record

        if self.op.no_derivative is not None:
            raise self.op.no_derivative
        given = tuple(c for c in cts if c is not None)
        mask = tuple(c is not None for c in cts)
        st = trace.state()
        if (
            self.home is not None
            and not self.packed
            and not create_graph
            and not self.home[0].dead
            and st.trace_is(self.home[0])
            and all(c.trace is not DIRECT for c in given)
        ):
            avals = tuple(self.inputs[i].aval for i in self.wants)
            return record(PULL, (self.home[1], mask, avals), given)
        spec = (self.op, self.spec, self.wants, mask, len(self.inputs))
        inputs = [self.packed[i]() if i in self.packed else v for i, v in enumerate(self.inputs)]
        if create_graph:
            used = _inputs_used(spec, tuple(v.aval for v in inputs), tuple(v.aval for v in given))
            inputs = [v if i in used else v.without_history() for i, v in enumerate(inputs)]
        return record(VJP, spec, (*inputs, *given))

    def settle(self) -> None:
        """Its trace is over: the inputs it keeps outlive the trace, and know their own nodes from now on."""
        self.home = None
        for i, (where, output) in zip(self.wants if self.inputs else (), self.edges, strict=False):
            v = self.inputs[i]
            if v is not None and v.owner is None and v.node is None:  # None: packed by a hook
                v.node, v.output = where, output

    def free(self) -> None:
        if self.saved:
            super().free()
            self.inputs = []
            self.packed = {}
        self.results = None


class Spent(GradNode):
    """What is left, after a flush, of a step whose graph backward has freed: its name."""

    def __init__(self, step: Node) -> None:
        super().__init__([], step.avals, (0, 0, 0))
        self.freed = True


def spent(step: Node) -> Spent:
    """The node of a recorded step that backward has freed."""
    return node_class(Spent, name_of(step.op, step.spec))(step)


def edge_of(v: Value) -> tuple[Any, int]:
    """Where the cotangent of a value goes: a node or a leaf, and which output of it."""
    if v.owner is not None:
        return v.owner, 0
    node = node_of(v)
    return node, node_output(v, node)


def node_output(v: Value, node: GradNode) -> int:
    """Which output of its node a value is."""
    if v.node is None and isinstance(node, OpNode) and node.home is not None:
        return v.index - node.home[1]
    return v.output


def attach(op: Any, spec: tuple, inputs: tuple[Value, ...], outs: list[Value]) -> None:
    """Hang a node on values that stand in no trace (direct, meta)."""
    wants = tuple(i for i, v in enumerate(inputs) if v.requires_grad and v.aval.inexact)
    node = node_class(OpNode, name_of(op, spec))(
        op, spec, list(inputs), wants, tuple(v.aval for v in outs), order(), None
    )
    node.where = trace.user_line()
    for i, v in enumerate(outs):
        if v.requires_grad:
            v.node, v.output = node, i


def order() -> tuple:
    """A sort key later than every step recorded so far."""
    traces = trace.state().traces.values()
    return (
        Trace.counter,
        max((len(tr.values) for tr in traces if tr.serial == Trace.counter), default=0),
        next(_serial),
    )


def node_of(value: Value) -> GradNode:
    """The graph node that made a value; built from the trace where it stands in one."""
    if value.node is not None:
        return value.node
    tr = value.trace
    if tr is None or tr is DIRECT:
        raise RuntimeError("jtorch: this value has no graph")
    producers = tr.cursor.producers()
    todo = [producers[value.index]]
    while todo:  # depth first without recursion: a node needs those of its inputs
        step = todo[-1]
        assert step is not None
        if step.start in tr.nodes:
            todo.pop()
            continue
        missing = []
        for i in step.wants:
            v = tr.at(step.refs[i])
            if v.owner is None and v.node is None:
                below = producers[v.index]
                assert below is not None
                if below.start not in tr.nodes:
                    missing.append(below)
        if missing:
            todo.extend(missing)
            continue
        tr.nodes[step.start] = _build(tr, step)
        todo.pop()
    return tr.nodes[producers[value.index].start]  # type: ignore[union-attr]


def _build(tr: Trace, step: Node) -> OpNode:
    inputs = [tr.at(i) for i in step.refs]
    made = node_class(OpNode, name_of(step.op, step.spec))(
        step.op, step.spec, inputs, step.wants, step.avals, (tr.serial, step.start, 0), (tr, step.start)
    )  # type: ignore[arg-type]
    made.where = step.where
    made.results = [tr.at(i) for i in range(step.start, step.end)] if any(i < 0 for i in made.saved) else None
    if any(step.start in freed for freed in tr.consumed):
        made.free()
    return made
