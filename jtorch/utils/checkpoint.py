"""Activation checkpointing (torch.utils.checkpoint): what forward computed is not kept, but computed again in backward.

A call is recorded as usual and its graph is then replaced by one node. In backward the node runs the function again, on
inputs that pass through a barrier together with the cotangents: so XLA, which sees both runs in one program, can
neither merge them nor run the second one early.
"""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax

import jtorch
from jtorch.engine import autograd as engine
from jtorch.engine import trace
from jtorch.engine.autograd import Edge, GradNode, LeafRef
from jtorch.engine.graph import written_over
from jtorch.engine.op import Primitive
from jtorch.engine.record import record
from jtorch.engine.segment import spoil
from jtorch.engine.value import Value
from jtorch.random import fork_rng
from jtorch.tensor.generator import default_generator, generator_of
from jtorch.tensor.history import alias_of, fresh
from jtorch.tensor.tensor import Tensor, wrap
from jtorch.utils._pytree import tree_flatten, tree_unflatten

__all__ = ["CheckpointError", "checkpoint", "checkpoint_sequential", "noop_context_fn", "set_checkpoint_early_stop"]

BARRIER = Primitive(
    "optimization_barrier",
    lambda count: lambda *arrays: jax.lax.optimization_barrier(tuple(arrays)),
    multi=True,
    infer=lambda spec, inputs: [v.aval.struct() for v in inputs],
)
"""Its inputs; none of the results is there before all of the inputs are."""


class CheckpointError(RuntimeError):
    """The function did something else when it ran again."""


def noop_context_fn() -> tuple[Any, Any]:
    """Contexts for the first run and for the second that do nothing."""
    return contextlib.nullcontext(), contextlib.nullcontext()


@contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """Kept for programs that use it: XLA never computes what backward does not need, whatever ``enable`` says."""
    yield


def checkpoint(
    function: Callable,
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple[Any, Any]] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)``, computed again in backward instead of kept for it.

    Arguments:
        use_reentrant: True takes positional arguments only, and gives gradients only if one of them wants some. To be
            given: otherwise it warns, and is True.
        context_fn: gives two contexts, for the first run and for those in backward.
        determinism_check: "default" raises :class:`CheckpointError` where shapes or dtypes differ the second time,
            "none" does not.
        preserve_rng_state: whether the second run draws the same random numbers, as by default.

    ``debug`` and ``early_stop`` make no difference here. Raises ValueError for arguments that do not go together.
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly; True is assumed, and "
            "use_reentrant=False recommended.",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if determinism_check not in ("default", "none"):
        raise ValueError(f"determinism_check should be one of ['default', 'none'], but got {determinism_check}")
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn or debug:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        if not any(isinstance(x, Tensor) and x.requires_grad for x in args):
            warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)
            with jtorch.no_grad():
                return function(*args)
    call = _Call(function, args, kwargs, preserve, context_fn(), determinism_check == "default", use_reentrant)
    return call.first()


class _Call:
    """One checkpointed call: what is needed to run it again."""

    def __init__(
        self,
        function: Callable,
        args: tuple,
        kwargs: dict,
        preserve: bool,
        contexts: tuple,
        checked: bool,
        reentrant: bool,
    ) -> None:
        self.function = function
        self.leaves, self.spec = tree_flatten((args, kwargs))
        self.places = [i for i, x in enumerate(self.leaves) if isinstance(x, Tensor)]
        self.first_context, self.second_context = contexts
        self.checked = checked
        self.reentrant = reentrant
        self.values = [x._value for x in self._tensors()]
        self.autocast = trace.state().autocast
        devices = {x._aval().device for x in self._tensors()} - {"cpu", "meta"}
        self.generators = [default_generator, *map(generator_of, sorted(devices))] if preserve else []
        self.random = [g.clone_state() for g in self.generators]

    def _tensors(self) -> list[Tensor]:
        return [self.leaves[i] for i in self.places]

    def run(self, leaves: list) -> tuple[list, Any]:
        """The function's results, flat, and how they are put together."""
        args, kwargs = tree_unflatten(leaves, self.spec)
        return tree_flatten(self.function(*args, **kwargs))

    def first(self) -> Any:
        """Run it, and let one node stand for the graph that this made."""
        spoil("a checkpoint")
        start = engine.order()
        with self.first_context:
            leaves, spec = self.run(self.leaves)
        made = [x for x in leaves if isinstance(x, Tensor) and _is_inside(x, start)]
        if not made:
            return tree_unflatten(leaves, spec)
        self.shapes = [(x.shape, x.dtype, x.device) for x in made]
        self.made = [i for i, x in enumerate(leaves) if any(x is m for m in made)]
        wanted = [x for x in self._tensors() if x.requires_grad]
        outside = _outside([engine.edge_of(x._value)[0] for x in made], start)
        node = CheckpointBackward(self, [engine.edge_of(x._value) for x in wanted], outside, made)
        for k, i in enumerate(self.made):
            v = fresh(leaves[i]._value)
            v.requires_grad, v.node, v.output = True, node, k
            leaves[i] = wrap(v)
        return tree_unflatten(leaves, spec)

    def again(self, cts: list[Value | None], linked: bool) -> tuple[list[Tensor], list[Tensor], list[Value | None]]:
        """Run it again: the results, the inputs that want a gradient, and the cotangents, behind the barrier.

        ``linked``: the inputs keep their history, for gradients of gradients.
        """
        for v in self.values:
            if v.overwritten:
                raise written_over(v, v.overwritten)
        tensors = self._tensors()
        inputs = tensors if linked else [x.detach() for x in tensors]
        given = [c for c in cts if c is not None]
        passed = [x._value for x in inputs] + [alias_of(c) for c in given]
        same = len({v.aval.device for v in passed}) == 1
        behind = record(BARRIER, (len(passed),), tuple(passed)) if same else passed
        rest = iter(given if linked else behind[len(inputs) :])
        leaves = list(self.leaves)
        for i, x, v in zip(self.places, tensors, behind, strict=False):
            leaves[i] = wrap(v)
            if x.requires_grad and not linked:
                leaves[i].requires_grad_(True)
        state = trace.state()
        autocast, state.autocast = state.autocast, self.autocast
        devices = [g._device for g in self.generators[1:]]
        try:
            with fork_rng(devices, enabled=bool(self.generators)), jtorch.enable_grad(), self.second_context:
                for g, before in zip(self.generators, self.random, strict=True):
                    g.assume(before.clone_state())
                results, _ = self.run(leaves)
        finally:
            state.autocast = autocast
        found = [results[i] for i in self.made if i < len(results)]
        self._check(found)
        wanted = [leaves[i] for i, x in zip(self.places, tensors, strict=True) if x.requires_grad]
        return found, wanted, [None if c is None else next(rest) for c in cts]

    def _check(self, found: list) -> None:
        if not self.checked:
            return
        have = [(x.shape, x.dtype, x.device) if isinstance(x, Tensor) else None for x in found]
        if have != self.shapes:
            told = "".join(
                f"tensor at position {i}:\nsaved metadata: {_told(old)}\nrecomputed metadata: {_told(new)}\n"
                for i, (old, new) in enumerate(zip(self.shapes, have, strict=False))
                if old != new
            )
            raise CheckpointError(
                "torch.utils.checkpoint: Recomputed values for the following tensors have different metadata than "
                f"during the forward pass.\n{told}."
            )


def _told(metadata: Any) -> Any:
    return metadata and dict(zip(("shape", "dtype", "device"), metadata, strict=True))


def _is_inside(x: Tensor, start: tuple) -> bool:
    """Whether a tensor was computed, with a graph, after ``start``."""
    if x.is_leaf:
        return False
    return _after(engine.edge_of(x._value)[0], start)


def _after(node: GradNode, start: tuple) -> bool:
    # A recorded step has its position in the trace, with 0 behind it; other nodes have a serial number there.
    return node.order[:2] >= start[:2] if not node.order[2] else node.order[2] > start[2]


def _outside(nodes: list[GradNode], start: tuple) -> list[Edge]:
    """The edges that lead out of the graph made after ``start``: to parameters, and to what was there before."""
    found: dict[tuple[int, int], Edge] = {}
    seen = set()
    while nodes:
        node = nodes.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        for edge in node.edges:
            where, output = edge
            if isinstance(where, GradNode) and _after(where, start):
                nodes.append(where)
            elif where is not None:
                found[id(where), output] = edge
    return list(found.values())


class CheckpointBackward(GradNode):
    """The backward of a checkpointed call."""

    def __init__(self, call: _Call, inputs: list[Edge], outside: list[Edge], made: list[Tensor]) -> None:
        super().__init__([*inputs, *outside], tuple(x._aval() for x in made), engine.order())
        self.call: _Call | None = call
        self.outside = outside
        self.where = trace.user_line()

    def apply(self, cts: list[Value | None], create_graph: bool) -> list[Value | None]:
        call: Any = self.call
        if call.reentrant and trace.state().walk.keys is not None:
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an `inputs` "
                "parameter to .backward(). To resolve this error, you can either set use_reentrant=False, or call "
                ".backward() without passing the `inputs` argument."
            )
        found, wanted, given = call.again(cts, create_graph)
        roots = [
            (engine.edge_of(x._value), c)
            for x, c in zip(found, given, strict=False)
            if c is not None and x.requires_grad
        ]
        inputs = [] if create_graph else [engine.edge_of(x._value) for x in wanted]
        with _without_hooks(self.outside):
            grads = engine.run_backward(
                roots, retain=create_graph, create_graph=create_graph, targets=[*inputs, *self.outside]
            )
        return [*[None] * len(wanted), *grads] if create_graph else grads

    def free(self) -> None:
        super().free()
        self.call = None


@contextmanager
def _without_hooks(edges: list[Edge]) -> Iterator[None]:
    """Parameters' hooks are for the whole gradient, which the pass that called us will have."""
    owners = [owner for where, _ in edges if isinstance(where, LeafRef) and (owner := where()) is not None]
    hooks = [owner._hooks for owner in owners]
    for owner in owners:
        owner._hooks = None
    try:
        yield
    finally:
        for owner, before in zip(owners, hooks, strict=True):
            owner._hooks = before


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """A Sequential, or a list of functions, in ``segments`` parts: all but the last are checkpointed."""
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint.checkpoint_sequential: the use_reentrant parameter should be passed "
            "explicitly; True is assumed, and use_reentrant=False recommended.",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    parts = list(functions.children() if isinstance(functions, jtorch.nn.Sequential) else functions)
    size = len(parts) // segments
    for i in range(segments - 1):
        chosen = parts[i * size : (i + 1) * size]
        input = checkpoint(_chain(chosen), input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    return _chain(parts[(segments - 1) * size :])(input)


def _chain(parts: list[Callable]) -> Callable:
    def run(x: Any) -> Any:
        for part in parts:
            x = part(x)
        return x

    return run


engine.order()  # uses up the serial number 0, which stands for recorded steps
