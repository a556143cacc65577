"""Flushing: what is pending runs as one program, and the values that are still alive get their arrays."""

import sys
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import get_opaque_trace_state

from jtorch.engine import autograd, checks, config, devices, report, spares, trace
from jtorch.engine.devices import jax_device
from jtorch.engine.graph import Spent
from jtorch.engine.op import NUMBERS
from jtorch.engine.program import Program, program
from jtorch.engine.trace import Trace
from jtorch.engine.value import DIRECT, Value

SMALL = 1 << 14  # elements of a host array that are sent with the call; what is used again is put on the device

_HELD_BY_VALUE = spares.UNHELD + 1  # holders of an array that only one value holds

compiling = threading.RLock()  # held while a program is made or started
getrefcount = sys.getrefcount


def _alive(values: list[Value | None]) -> list[int]:
    """Positions of the values that something besides the trace holds."""
    return [i for i, v in enumerate(values) if getrefcount(v) > _HELD and v is not None]


# The reference count, as counted inside _alive, of a value that only the trace holds: measured, as Python versions
# differ.
_HELD = max([getrefcount(v) for i, v in enumerate([object(), object(), object()])])


def flush_for(value: Value, why: str) -> None:
    """Materialise one pending value, wherever it is pending."""
    tr = value.trace
    if tr is DIRECT or tr is None:
        if value.aval.device == "meta":
            raise NotImplementedError("Cannot copy out of meta tensor; no data!")
        raise RuntimeError("jtorch: this value has no data")
    st = trace.state()
    if tr.dead:
        raise RuntimeError("jtorch: the program that was to compute this value failed")
    if st.trace_is(tr):
        flush(tr, why)
    else:
        values = list(tr.values)
        _run(
            tr,
            values,
            [i for i, v in enumerate(values) if v is not None],
            tr.cursor,
            f"{why} (pending in another thread)",
            own=False,
        )
        if value.array is None:
            raise RuntimeError("jtorch: a value pending in another thread could not be computed")


def _base_held(array: np.ndarray) -> int:
    return getrefcount(array.base)


_BASE_HELD = _base_held(np.zeros(4).reshape(2, 2))


def _sole(array: np.ndarray) -> bool:
    """Whether no other NumPy array shares the memory."""
    return array.base is None or (type(array.base) is np.ndarray and _base_held(array) <= _BASE_HELD)


def boundary(why: str) -> None:
    """A place between steps where what is pending may well run; a function that is compiled goes on, and says so."""
    seen = trace.state().recording
    if seen is None:
        flush_all(why)
    else:
        seen.boundary = why


def flush_all(why: str) -> None:
    """Flush every open trace of this thread."""
    for tr in list(trace.state().traces.values()):
        flush(tr, why)


def _forget() -> None:
    """Before a setting changes: run what is pending under the old one, and drop the paths that were recorded under
    it.
    """
    flush_all("a setting changes")
    trace._roots.clear()


config.before_change.append(_forget)


def flush(tr: Trace, why: str) -> None:
    """Run what ``tr`` holds; it is closed, and the next operation starts a new trace."""
    if tr.state.recording is not None:
        tr.state.recording.breaks(why)
    tr.state.close(tr)
    values = tr.values
    if not values:
        return
    tr.dead = True
    if tr.nodes:
        tr.nodes = _held(tr.nodes)
    held = _alive(values)
    if tr.cursor.end and _keep_graphs(tr, held):
        held = _alive(values)
    _run(tr, values, held, tr.cursor, why, own=True)
    tr.values = []
    tr.nodes = {}


def _held(nodes: dict[int, Any]) -> dict[int, Any]:
    """Those of a trace's nodes that something besides it holds: they must stay the nodes of their steps."""
    refs = {start: weakref.ref(node) for start, node in nodes.items()}
    nodes.clear()
    return {start: node for start, ref in refs.items() if (node := ref()) is not None}


def _keep_graphs(tr: Trace, held: list[int]) -> bool:
    """Build the graph nodes behind the values that outlive the trace; they hold what their backward needs.

    Returns whether more values may be held by now.
    """
    values: list[Any] = tr.values
    made = [i for i in held if (v := values[i]).requires_grad and v.owner is None and v.node is None]
    if not made and not tr.nodes:
        return False
    producers = tr.cursor.producers()
    found: list[Any] = []
    for i in made:
        v, step = values[i], producers[i]
        assert step is not None
        if any([step.start in freed for freed in tr.consumed]):
            found.append((v, autograd.spent(step), i - step.start))
        else:
            node = autograd.node_of(v)
            found.append((v, node, autograd.node_output(v, node)))
    for v, node, output in found:
        v.node, v.output = node, output
    for node in tr.nodes.values():
        node.settle()
    tr.nodes = {}
    return any(type(node).__base__ is not Spent for _, node, _ in found)


class OutOfMemoryError(RuntimeError):
    """A program needs more of a device's memory than there is (torch.OutOfMemoryError)."""

    __module__ = "torch"


def transformed() -> bool:
    """Whether JAX is at work on what calls this: no program may start then, as its results would outlive that."""
    return bool(get_opaque_trace_state(convention="flax") != _NO_TRANSFORMATION)


def _run(tr: Trace, values: list[Value | None], held: list[int], cursor: trace.Node, why: str, own: bool) -> None:
    try:
        if transformed():
            _elsewhere(_compute, tr, values, held, cursor, why, own)
        else:
            _compute(tr, values, held, cursor, why, own)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise OutOfMemoryError(f"{tr.device.upper()} out of memory. {error}") from error


_NO_TRANSFORMATION = get_opaque_trace_state(convention="flax")


def _elsewhere(fn: Callable, *args: Any) -> None:
    """Run ``fn`` in a thread of its own, where JAX is under no transformation: its arrays outlive the present one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(fn, *args).result()


class _Usual(NamedTuple):
    """How a trace that ended on a node was run. It holds again while the same values are alive, and each leaf has the
    same kind of array with as many holders.
    """

    held: list[int]
    kinds: list[type]
    holders: list[int] | None  # None: it is looked at each time
    alive: tuple[int, ...]
    donate: tuple[int, ...]


def _compute(tr: Trace, values: list[Value | None], held: list[int], cursor: trace.Node, why: str, own: bool) -> None:
    leaves, checked = cursor.leaves()
    device = tr.device
    args: list[Any] = [values[i].array for i in leaves]  # type: ignore[union-attr]
    spares.release(args)
    holders, kinds = spares.holders(args), list(map(type, args))
    usual = cursor.usual
    if own and usual is not None and usual[:3] == (held, kinds, holders):
        alive, donate = usual.alive, usual.donate
    else:
        alive = tuple([i for i in held if i not in leaves])
        if not alive and not checked:
            return
        if devices.forked:
            _remotely(values, cursor, args, alive)
            return
        donate = _prepare(values, list(leaves), args, holders, frozenset(held), device, own)
        settled = own and np.ndarray not in kinds and all(k.aval.device == device for k in leaves.values())
        cursor.usual = _Usual(held, kinds, holders if settled else None, alive, donate)
    with compiling:
        ready, new = program(cursor, device, alive, donate)
        outs = launch(ready, device, args, why, new)
    for i, out in zip(ready.outputs, outs, strict=True):
        values[i].array = out  # type: ignore[union-attr]


def launch(ready: Program, device: str, args: list[Any], why: str, new: bool = False) -> list[Any]:
    """Run a program on the arrays of its leaves; returns those at its ``outputs``. Its caller holds ``compiling``."""
    began = time.perf_counter()
    spare = ready.spares
    if spare is not None:
        args += spare.take()
    if ready.checked:
        code, *outs = ready.call(checks.take_code(device), *args)
        checks.set_code(device, code)
    else:
        outs = ready.call(*args)
    report.flushed(why, ready.home, ready, new, time.perf_counter() - began)
    if spare is not None:
        spare.keep([outs[k] for k in ready.bare])
    return outs


def _prepare(
    values: list[Value | None],
    leaves: list[int],
    args: list[Any],
    holders: list[int],
    kept: frozenset[int],
    device: str,
    own: bool,
) -> tuple[int, ...]:
    """Put the leaves' arrays in ``args`` on the device where they must be; returns the leaves that can be donated."""
    donate = []
    for n, i in enumerate(leaves):
        v: Any = values[i]
        array = args[n]
        free = own and holders[n] <= _HELD_BY_VALUE and i not in kept
        if v.aval.device != device:
            args[n] = jax.device_put(array, jax_device(device))
        elif type(array) is np.ndarray:
            if free and _sole(array):
                donate.append(i)  # as its successor will be in the next step
            elif v.sent or v.aval.size > SMALL:
                args[n] = v.array = jax.device_put(array, jax_device(device))
            v.sent = True
        elif free and type(array) not in NUMBERS:
            donate.append(i)
    return tuple(donate)


def _remotely(values: list[Value | None], cursor: trace.Node, args: list[Any], alive: tuple[int, ...]) -> None:
    """The same in a forked process, which cannot use XLA."""
    from jtorch.engine import remote

    outs = remote.run(cursor, alive, args)
    for i, out in zip(alive, outs, strict=True):
        values[i].array = out  # type: ignore[union-attr]
