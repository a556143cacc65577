"""Lowering: the path of a trie node becomes one function, compiled by ``jax.jit``."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import jax

from jtorch.engine import autograd, checks
from jtorch.engine.devices import is_default, sharding
from jtorch.engine.op import fill
from jtorch.engine.spares import Spares, fits
from jtorch.engine.trace import Node

MAX_PROGRAMS = 1024

_PLACES = ("in_shardings", "out_shardings")  # costly on each call, and needed only away from JAX's default device

_recent: "OrderedDict[int, Program]" = OrderedDict()


class Program:
    """The executable of a path for one set of live outputs and donated leaves.

    Called with the leaf arrays in the order in which they entered the trace (and before them the device's error code
    where the path holds checks); returns the arrays at the positions ``outputs`` (after the new error code).
    """

    __slots__ = ("call", "outputs", "checked", "steps", "home", "key", "reason", "spares", "bare")

    def __init__(self, end: Node, device: str, outputs: tuple[int, ...], donate: tuple[int, ...], key: tuple) -> None:
        path = end.path()
        steps = needed_steps(path, outputs)
        leaves = list(end.leaves()[0])
        self.checked = any(step.op.check is not None for step in steps)
        # JAX pairs donated inputs with outputs of their kind in order: the results of the last step, such as new
        # parameters, come first, so that they and no gradient get the old ones' buffers.
        self.outputs = outputs = tuple(sorted(outputs, key=lambda i: (-end.start_of(i), i)))
        self.steps = len(steps)
        self.home, self.key = end, key
        self.reason: tuple = ("", "?", 0)  # why and at which line of the user's it first ran
        donated, bare = usable(path, outputs, donate)
        avals = [end.aval_of(i) for i in bare]
        self.spares = Spares(avals, device) if fits(avals) else None
        self.bare = tuple([outputs.index(i) for i in bare])  # where among the outputs the spare buffers' successors are
        offset = int(self.checked)
        numbers = [leaves.index(i) + offset for i in donated]
        if self.checked:
            numbers.append(0)
        if self.spares is not None:
            numbers += range(offset + len(leaves), offset + len(leaves) + len(bare))
        placed: dict[str, Any] = {} if is_default(device) and leaves else {key: sharding(device) for key in _PLACES}
        self.call = jax.jit(
            lower(steps, leaves, outputs, self.checked),
            donate_argnums=tuple(numbers),
            keep_unused=self.spares is not None,
            **placed,
        )


def program(end: Node, device: str, outputs: tuple[int, ...], donate: tuple[int, ...]) -> tuple[Program, bool]:
    """The program for a trace that ends on ``end``, and whether it is new."""
    key = (outputs, donate)
    found = end.programs.get(key)
    if found is not None:
        _recent.move_to_end(id(found))
        return found, False
    made = end.programs[key] = Program(end, device, outputs, donate, key)
    _recent[id(made)] = made
    if len(_recent) > MAX_PROGRAMS:
        _, oldest = _recent.popitem(last=False)
        oldest.home.programs.pop(oldest.key, None)
    return made, True


def needed_steps(path: list[Node], outputs: tuple[int, ...]) -> list[Node]:
    """The steps that the outputs depend on, and those whose checks must be made."""
    starts = {step.start: step for step in path if step.avals}
    wanted = set(outputs)
    keep: list[Node] = []
    forwards: set[int] = set()
    for step in reversed(path):
        made = any(i in wanted for i in range(step.start, step.end))
        if made or step.op.check is not None or (step.avals and step.start in forwards):
            keep.append(step)
            wanted.update(step.refs)
            if step.op is autograd.PULL:
                forwards.add(starts[step.spec[0]].start)
    keep.reverse()
    return keep


def usable(path: list[Node], outputs: tuple[int, ...], donate: tuple[int, ...]) -> tuple[list[int], tuple[int, ...]]:
    """Those of the donated leaves that some output can take the buffer of (XLA warns about others), and the gradients
    among the outputs that get none.
    """
    avals = {i: k.aval for step in path for i, k in step.fresh}
    made = {i: (a, step) for step in path for i, a in zip(range(step.start, step.end), step.avals, strict=True)}
    waiting: dict[Any, list[int]] = {}
    for i in outputs:
        if i in made:
            waiting.setdefault(made[i][0], []).append(i)
    chosen = []
    for i in donate:
        takers = waiting.get(avals[i])
        if takers:
            takers.pop(0)
            chosen.append(i)
    bare = [i for takers in waiting.values() for i in takers if made[i][1].op is autograd.PULL]
    return chosen, tuple(bare)


def lower(steps: list[Node], leaves: list[int], outputs: tuple[int, ...], checked: bool) -> Callable:
    """The steps as one function of the leaves."""
    pulled = {step.spec[0] for step in steps if step.op is autograd.PULL}

    def run(*arrays: Any) -> tuple:
        code, arrays = (arrays[0], arrays[1:]) if checked else (None, arrays)
        env: dict[int, Any] = dict(zip(leaves, arrays, strict=False))  # spare buffers come after them
        pulls: dict[int, Callable] = {}
        for step in steps:
            args = [env[i] for i in step.refs]
            if step.op.check is not None:
                code = checks.apply(code, step, args)
            if step.op is autograd.PULL:
                start, mask, _ = step.spec
                outs = tuple(pulls[start](autograd.spread(mask, args)))
            elif step.avals and step.start in pulled:
                outs, pulls[step.start] = autograd.vjp(step.fn, args, step.wants)  # type: ignore[arg-type]
            else:
                out = step.fn(*args)  # type: ignore[misc]
                outs = tuple(out) if isinstance(out, (tuple, list)) else (out,)
            env.update(zip(range(step.start, step.end), outs, strict=True))
        results = tuple(env[i] for i in outputs)
        return (code, *results) if checked else results

    return run


def describe(end: Node) -> str:
    """The path as text, one step a line: what was captured, where."""
    lines = []
    for step in end.path():
        ins = ", ".join(f"%{i}" for i in step.refs)
        outs = ", ".join(f"%{i}: {a}" for i, a in zip(range(step.start, step.end), step.avals, strict=True))
        statics = (
            [x for x in fill(step.spec, iter(lambda: "_", None)) if x != "_"] if step.op is not autograd.PULL else []
        )
        lines.append(f"{outs} = {step.op.name}({ins}) {statics or ''}  # {step.where}")
    return "\n".join(lines)
