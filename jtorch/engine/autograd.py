"""The backward pass: walks the recorded graph once and appends what it finds to the same trace.

While values stand in a trace, their graph is the trace itself; a :class:`GradNode` is made of a step only when something
walks there, or when the graph outlives a flush. The entries that a backward pass appended are remembered on the trie
node where it began, so that in the steady state ``backward`` is one lookup.
"""

import heapq
import itertools
import weakref
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp

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


class GradNode:
    """A step of the backward graph: turns the cotangents of its outputs into those of its inputs.

    ``edges`` pairs each wanted input with where its cotangent goes: ``(GradNode, output)``, or ``(weakref, 0)`` to the
    leaf tensor. ``order`` sorts nodes by when their forward ran. Hooks take and return values; the layer above wraps them.
    """

    def __init__(self, edges: list[tuple[Any, int]], outputs: tuple[Aval, ...], order: tuple) -> None:
        self.edges = edges
        self.outputs = outputs
        self.order = order
        self.freed = False
        self.hooks: dict[int, dict[int, Callable]] = {}  # output -> functions of the complete cotangent
        self.pre_hooks: dict[int, Callable] = {}
        self.post_hooks: dict[int, Callable] = {}
        self.where = ""
        self.metadata: dict = {}

    def name(self) -> str:
        """The node's name, as torch prints it."""
        return type(self).__name__

    @property
    def next_functions(self) -> tuple:
        """The nodes that the cotangents go to, each with which of its outputs (torch.autograd.graph.Node)."""
        return tuple((AccumulateGrad(t) if isinstance(t, weakref.ref) else t, i) for t, i in self.edges)

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"

    def apply(self, cts: list[Value | None], create_graph: bool) -> list[Value | None]:
        """Cotangents of the wanted inputs."""
        raise NotImplementedError(f"jtorch: the backward of {self.name()}")

    def free(self) -> None:
        """Drop what was saved for backward."""
        self.freed = True


class AccumulateGrad(GradNode):
    """The end of a path: a leaf tensor, as ``next_functions`` shows it."""

    def __init__(self, ref: "weakref.ref") -> None:
        super().__init__([], (), (0, 0, 0))
        self._ref = ref

    @property
    def variable(self) -> Any:
        """The leaf."""
        return self._ref()


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
)
"""The backward of an op on its own: inputs, then the given cotangents. Differentiable, so it nests."""

PULL = Primitive("pull", lambda *spec: None, multi=True, infer=lambda spec, inputs: [a.struct() for a in spec[2]])  # type: ignore[arg-type, return-value]
"""The same for an op whose forward stands in the same trace (spec: its start, the mask, the results' avals): ``jax.vjp``
runs once for both and they share its residuals. The lowering knows it."""

ONES = Primitive("ones", lambda shape, dtype: lambda: jnp.ones(shape, dtype))
ZEROS = Primitive("zeros", lambda shape, dtype: lambda: jnp.zeros(shape, dtype))
ADD = Primitive("accumulate", lambda: lambda a, b: a + b, infer=lambda spec, inputs: [inputs[0].aval.struct()])
MARK = Primitive("mark", lambda *spec: lambda *x: (), multi=True, infer=lambda spec, inputs: [])
"""No computation: says in the path that a value was written over, or that a hook hangs on it."""


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
        super().__init__([_edge(inputs[i]) for i in wants], outputs, order)
        self.op = op
        self.spec = spec
        self.inputs: list[Value] = inputs
        self.wants = wants
        self.home = home  # the trace it was recorded in, and the position of its first output
        self.saved = op.saved(spec, wants)
        self.results: list[Value] | None = None

    def check_saved(self) -> None:
        """Raise torch's error where a saved value has been written over."""
        for i in self.saved:
            v = (self.results[0] if self.results else None) if i < 0 else self.inputs[i]
            if v is not None and (v.overwritten or (v.source is not None and v.source.overwritten)):
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an inplace operation: "
                    f"[{v.aval.device} tensor {list(v.aval.shape)}], which is "
                    f"{'the output' if i < 0 else f'input {i}'} of {self.name()}, recorded at {self.where}. Hint: enable "
                    "anomaly detection to find the operation that failed to compute its gradient, with "
                    "torch.autograd.set_detect_anomaly(True)."
                )

    def apply(self, cts: list[Value | None], create_graph: bool) -> list[Value | None]:
        from jtorch.engine.record import record

        given = tuple(c for c in cts if c is not None)
        mask = tuple(c is not None for c in cts)
        st = trace.state()
        if self.home is not None and not create_graph and not self.home[0].dead and st.trace_is(self.home[0]):
            avals = tuple(self.inputs[i].aval for i in self.wants)
            return record(PULL, (self.home[1], mask, avals), given)
        spec = (self.op, self.spec, self.wants, mask, len(self.inputs))
        return record(VJP, spec, (*self.inputs, *given))

    def free(self) -> None:
        if self.saved:
            super().free()
            self.inputs = []
        self.results = None


class Spent(GradNode):
    """What is left, after a flush, of a step whose graph backward has freed: its name."""

    def __init__(self, step: Node) -> None:
        super().__init__([], step.avals, (0, 0, 0))
        self.freed = True


def _edge(v: Value) -> tuple[Any, int]:
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
    node = node_class(OpNode, op.grad_name)(op, spec, list(inputs), wants, tuple(v.aval for v in outs), order(), None)
    node.where = trace.user_line()
    for i, v in enumerate(outs):
        if v.requires_grad:
            v.node, v.output = node, i


def order() -> tuple:
    """A sort key later than every step recorded so far."""
    tr = trace.state().trace
    return (Trace.counter, len(tr.values) if tr is not None else 0, next(_serial))


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
            v = tr.values[step.refs[i]]
            assert v is not None
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
    inputs = [tr.values[i] for i in step.refs]
    made = node_class(OpNode, step.op.grad_name)(
        step.op, step.spec, inputs, step.wants, step.avals, (tr.serial, step.start, 0), (tr, step.start)
    )  # type: ignore[arg-type]
    made.where = step.where
    made.results = [v for v in tr.values[step.start : step.end] if v is not None] if -1 in made.saved else None
    for k in range(len(step.avals)):
        out = tr.values[step.start + k]
        if out is not None and out.hooked:
            made.hooks[k] = out.__dict__["hooks"]
    if any(step.start in freed for freed in tr.consumed):
        made.free()
    return made


class Memo:
    """What a backward pass appended: where the path ends, and which position holds the gradient of which leaf."""

    __slots__ = ("end", "count", "grads", "consumed")

    def __init__(self, end: Node, count: int, grads: list[tuple[int, int]], consumed: frozenset[int]) -> None:
        self.end = end
        self.count = count
        self.grads = grads
        self.consumed = consumed


def backward(root: Value, ct: Value | None, retain: bool) -> bool:
    """Take the memoised way for ``root.backward(ct)`` if this path has seen it before; False where it has not."""
    tr = root.trace
    st = trace.state()
    if tr is None or tr is DIRECT or st.trace is not tr or root.node is not None or st.saved_hooks or st.anomaly:
        return False
    if ct is not None and ct.trace is not tr:
        return False
    memo = tr.cursor.backwards.get((root.index, None if ct is None else ct.index, retain))
    if memo is None:
        return False
    values = tr.values
    leaves = []
    for at, grad in memo.grads:
        owner = values[at].owner()  # type: ignore[union-attr, misc]
        if owner is not None:
            if owner._hooks:
                return False
            leaves.append((owner, grad))
    values.extend([None] * (memo.count - len(values)))
    for owner, grad in leaves:
        aval = owner._aval()
        v = values[grad]
        if v is None:
            v = values[grad] = Value(None, aval, tr, grad, False)
    tr.cursor = memo.end
    if not retain:
        tr.consumed.append(memo.consumed)
    for owner, grad in leaves:
        owner._accumulate(values[grad])
    return True


def run_backward(
    roots: list[tuple[Value, Value | None]],
    *,
    retain: bool,
    create_graph: bool,
    targets: list[Value] | None = None,
    accumulate: bool = True,
) -> list[Value | None]:
    """The full walk. Returns the cotangents of ``targets``; without targets, leaves accumulate theirs.

    With ``targets`` and ``accumulate`` only those of the targets that are leaves accumulate (``backward(inputs=)``).
    """
    st = trace.state()
    single = roots[0] if len(roots) == 1 and targets is None and not create_graph else None
    start = st.trace.cursor if st.trace is not None else None
    tr = st.trace
    memo_key = None
    if (
        single is not None
        and tr is not None
        and single[0].trace is tr
        and single[0].node is None
        and not st.saved_hooks
    ):
        root, given = single
        if given is None or given.trace is tr:
            memo_key = (root.index, None if given is None else given.index, retain)
    walk = _Walk(targets, create_graph)
    with st.mode(grad=create_graph):
        for value, given in roots:
            if given is None:
                given = record_on(value.aval.device, ONES, (value.aval.shape, value.aval.dtype))
            walk.send(_edge(value), given, value)
        walk.run()
        if memo_key is not None and walk.plain and st.trace is tr and tr is not None and start is not None:
            _remember(tr, start, memo_key, walk)
        if tr is not None and not retain and walk.visited:
            tr.consumed.append(
                frozenset(n.home[1] for n in walk.visited if isinstance(n, OpNode) and n.home and n.home[0] is tr)
            )
        if not retain:
            for node in walk.visited:
                node.free()
        for ref, grad in walk.leaf_grads.values():
            owner = ref()
            if owner is not None and accumulate and (targets is None or any(t.owner is ref for t in targets)):
                for hook in list((owner._hooks or {}).values()):
                    grad = hook(grad)
                owner._accumulate(grad)
    return [walk.captured(t) for t in targets] if targets is not None else []


def record_on(device: str, op: Any, spec: tuple) -> Value:
    """Record an op that has no inputs on a device."""
    from jtorch.engine.record import _record

    return _record(trace.state(), op, spec, (), device)


def _remember(tr: Trace, start: Node, key: tuple, walk: "_Walk") -> None:
    positions = {id(v.owner): v.index for v in tr.values if v is not None and v.owner is not None}
    grads = []
    for ref, grad in walk.leaf_grads.values():
        if id(ref) not in positions or grad.trace is not tr:
            return
        grads.append((positions[id(ref)], grad.index))
    node: Node | None = tr.cursor
    while node is not None and node is not start:
        if node.fresh:
            return
        node = node.parent
    consumed = frozenset(n.home[1] for n in walk.visited if isinstance(n, OpNode) and n.home)
    start.backwards[key] = Memo(tr.cursor, len(tr.values), grads, consumed)


class _Walk:
    """One backward pass: cotangents flow from later nodes to earlier ones; each node runs once, when all have come."""

    def __init__(self, targets: list[Value] | None, create_graph: bool) -> None:
        self.create_graph = create_graph
        self.waiting: dict[int, list[Value | None]] = {}
        self.heap: list[tuple] = []
        self.visited: list[GradNode] = []
        self.leaf_grads: dict[int, tuple[weakref.ref, Value]] = {}
        self.plain = True  # nothing but recorded ops: the pass may be memoised
        self.caught: dict[tuple[int, int], Value | None] = {}
        self.keys = [self._key(t) for t in targets] if targets is not None else None
        self.useful: set[int] | None = None
        if targets is not None:
            self.wanted_nodes = {k[0] for k in self.keys or []}

    def _key(self, target: Value) -> tuple[int, int]:
        where, output = _edge(target)
        return (id(where), output)

    def captured(self, target: Value) -> Value | None:
        key = self._key(target)
        if target.owner is not None:
            found = self.leaf_grads.get(id(target.owner))
            return found[1] if found else None
        return self.caught.get(key)

    def send(self, edge: tuple[Any, int], ct: Value, at: Value | None = None) -> None:
        """Add a cotangent to what waits for a node, or to a leaf's gradient."""
        target, output = edge
        if isinstance(target, weakref.ref):
            have = self.leaf_grads.get(id(target))
            self.leaf_grads[id(target)] = (target, ct if have is None else _sum(have[1], ct))
            return
        slots = self.waiting.get(id(target))
        if slots is None:
            slots = self.waiting[id(target)] = [None] * len(target.outputs)
            heapq.heappush(self.heap, (tuple(-x for x in target.order), id(target), target))
        slots[output] = ct if slots[output] is None else _sum(slots[output], ct)  # type: ignore[arg-type]

    def run(self) -> None:
        """Take nodes from the latest to the earliest."""
        if self.keys is not None:
            self.useful = self._reaching()
        while self.heap:
            _, _, node = heapq.heappop(self.heap)
            cts = self.waiting.pop(id(node))
            for output, hooks in node.hooks.items():
                if cts[output] is not None:
                    for hook in list(hooks.values()):
                        cts[output] = hook(cts[output])
            if self.keys is not None:
                for output, ct in enumerate(cts):
                    if (id(node), output) in self.keys:
                        self.caught[(id(node), output)] = ct
                if self.useful is not None and id(node) not in self.useful:
                    continue
            self._step(node, cts)

    def _step(self, node: GradNode, cts: list[Value | None]) -> None:
        if node.freed:
            raise RuntimeError(FREED)
        if not isinstance(node, OpNode) or node.hooks or node.pre_hooks or node.post_hooks or node.home is None:
            self.plain = False
        if isinstance(node, OpNode):
            node.check_saved()
        for pre in list(node.pre_hooks.values()):
            cts = pre(cts)
        self.visited.append(node)
        given = cts
        grads = node.apply(cts, self.create_graph) if any(c is not None for c in cts) else [None] * len(node.edges)
        for post in list(node.post_hooks.values()):
            grads = post(grads, given)
        for edge, grad in zip(node.edges, grads, strict=True):
            if grad is not None and edge[0] is not None:
                self.send(edge, grad)

    def _reaching(self) -> set[int]:
        """Nodes below which a target stands (a target's own node is cut off unless something further is wanted)."""
        wanted = {k[0] for k in self.keys or []}
        memo: dict[int, bool] = {}
        stack = [(entry[2], False) for entry in self.heap]
        while stack:
            node, done = stack.pop()
            if done:
                memo[id(node)] = any(
                    id(t) in wanted or (isinstance(t, GradNode) and memo.get(id(t), False)) for t, _ in node.edges
                )
            elif id(node) not in memo:
                memo[id(node)] = False
                stack.append((node, True))
                stack.extend((t, False) for t, _ in node.edges if isinstance(t, GradNode) and id(t) not in memo)
        return {key for key, reaches in memo.items() if reaches}


def _sum(a: Value, b: Value) -> Value:
    from jtorch.engine.record import record

    return record(ADD, (), (a, b))
