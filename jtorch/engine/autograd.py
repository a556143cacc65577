"""The backward pass: walks the recorded graph once and appends what it finds to the same trace.

The entries that a backward pass appended are remembered on the trie node where it began, so that in the steady state
``backward`` is one lookup.
"""

import heapq
from typing import Any

from jtorch.engine import trace
from jtorch.engine.graph import (
    ADD,
    FREED,
    MARK,
    ONES,
    PULL,
    VJP,
    ZEROS,
    AccumulateGrad,
    GradNode,
    LeafRef,
    OpNode,
    attach,
    edge_of,
    node_class,
    node_of,
    node_output,
    order,
    spent,
    spread,
    vjp,
)
from jtorch.engine.trace import Node, Trace
from jtorch.engine.value import DIRECT, Value

__all__ = [
    "ADD", "FREED", "MARK", "ONES", "PULL", "VJP", "ZEROS", "AccumulateGrad", "Edge", "GradNode", "LeafRef", "OpNode",
    "attach", "backward", "begin", "edge_of", "implicit", "node_class", "node_of", "node_output", "order", "record_on",
    "run_backward", "spent", "spread", "vjp",
]  # fmt: skip

Edge = tuple[Any, int]


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
    if tr is None or tr is DIRECT or st.trace is not tr or root.node is not None or st.anomaly:
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
        if owner is not None and owner._ref is not None:
            if owner._hooks or owner._ref.node is not None and owner._ref.hooked():
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
    grad_mode, st.grad = st.grad, False  # as in the full walk, so that what follows is the same path
    try:
        for owner, grad in leaves:
            owner._accumulate(values[grad])  # type: ignore[arg-type]
    finally:
        st.grad = grad_mode
    return True


def run_backward(
    roots: list[tuple[Edge, Value]],
    *,
    retain: bool,
    create_graph: bool,
    targets: list[Edge] | None = None,
    start: Node | None = None,
    memo_key: tuple | None = None,
) -> list[Value | None]:
    """The full walk from ``roots``, edges with their cotangents. Without ``targets`` leaves accumulate what comes; else
    nothing accumulates, and what came to each target is returned.

    ``start`` and ``memo_key``: where the pass began, for the memo.
    """
    st = trace.state()
    walk = _Walk(targets, create_graph)
    tr = st.trace
    with st.mode(grad=create_graph), st.walking(walk):
        for edge, given in roots:
            walk.send(edge, given)
        walk.run()
        if memo_key is not None and walk.plain and st.trace is tr and tr is not None and start is not None:
            _remember(tr, start, memo_key, walk)
        if not retain and st.capture is None:  # a captured function runs twice
            walk.free()
        wanted = None if targets is None else {id(where) for where, _ in targets}
        for key, (ref, grad) in list(walk.leaf_grads.items()):
            owner = ref()
            if owner is None or owner._ref is None or (wanted is not None and key not in wanted):
                continue
            for hook in list((owner._hooks or {}).values()):
                grad = hook(grad)
            walk.leaf_grads[key] = (ref, grad)
            if targets is None:
                _accumulate(ref, owner, grad)
    return [walk.captured(t) for t in targets] if targets is not None else []


def _accumulate(ref: LeafRef, owner: Any, grad: Value) -> None:
    node = ref.node
    for pre in list(node.pre_hooks.values()) if node is not None else ():
        (grad,) = pre([grad])
    owner._accumulate(grad)
    for post in list(node.post_hooks.values()) if node is not None else ():
        post([], [grad])


def implicit(value: Value) -> Value:
    """The cotangent of a scalar output: one."""
    return record_on(value.aval.device, ONES, (value.aval.shape, value.aval.dtype))


def begin(root: Value, ct: Value | None, retain: bool) -> tuple[Node | None, tuple | None]:
    """Where a pass begins, and the key for its memo; (None, None) where it cannot have one."""
    st = trace.state()
    tr = st.trace
    if (
        tr is None
        or root.trace is not tr
        or root.node is not None
        or (ct is not None and ct.trace is not tr)
        or st.anomaly
    ):
        return None, None
    return tr.cursor, (root.index, None if ct is None else ct.index, retain)


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

    def __init__(self, targets: list[Edge] | None, create_graph: bool) -> None:
        self.create_graph = create_graph
        self.anomaly = trace.state().anomaly
        self.waiting: dict[int, list[Value | None]] = {}
        self.heap: list[tuple] = []
        self.visited: list[GradNode] = []
        self.leaf_grads: dict[int, tuple[LeafRef, Value]] = {}
        self.plain = True  # nothing but recorded ops: the pass may be memoised
        self.caught: dict[tuple[int, int], Value | None] = {}
        self.keys = {(id(where), output) for where, output in targets} if targets is not None else None
        self.useful: set[int] | None = None
        self._all: set[int] | None = None

    def captured(self, target: Edge) -> Value | None:
        """The cotangent that came to a target."""
        if isinstance(target[0], LeafRef):
            found = self.leaf_grads.get(id(target[0]))
            return found[1] if found else None
        return self.caught.get((id(target[0]), target[1]))

    def reaches(self, edge: Edge) -> bool:
        """Whether the pass comes by an edge."""
        if self._all is None:
            self._all = set()
            todo = [node for node in self.visited] + [entry[2] for entry in self.heap]
            for node in todo:
                for where, _ in node.edges:
                    if id(where) not in self._all:
                        self._all.add(id(where))
                        if isinstance(where, GradNode):
                            todo.append(where)
            self._all.update(id(node) for node in self.visited)
        return id(edge[0]) in self._all

    def free(self) -> None:
        """Let go of what the visited nodes saved; the traces they stand in remember that they did."""
        homes: dict[int, tuple[Trace, set[int]]] = {}
        for node in self.visited:
            if isinstance(node, OpNode) and node.home is not None:
                homes.setdefault(id(node.home[0]), (node.home[0], set()))[1].add(node.home[1])
            node.free()
        for tr, starts in homes.values():
            tr.consumed.append(frozenset(starts))

    def send(self, edge: Edge, ct: Value) -> None:
        """Add a cotangent to what waits for a node, or to a leaf's gradient."""
        target, output = edge
        if isinstance(target, LeafRef):
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
                    for _, hook in sorted(hooks.items()):
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
        if not any(c is not None for c in cts):
            grads: list[Value | None] = [None] * len(node.edges)
        elif self.anomaly is None:
            grads = node.apply(cts, self.create_graph)
        else:
            grads = self.anomaly(node, lambda: node.apply(cts, self.create_graph))
        for post in list(node.post_hooks.values()):
            grads = post(grads, cts)
        for edge, grad in zip(node.edges, grads, strict=True):
            if grad is not None and edge[0] is not None:
                self.send(edge, grad)

    def _reaching(self) -> set[int]:
        """Nodes below which a target stands (a target's own node is cut off unless something further is wanted)."""
        wanted = {key for key, _ in self.keys or ()}
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
