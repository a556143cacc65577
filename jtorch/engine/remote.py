"""Programs of a forked process, run by another one.

XLA does not survive a fork, so a forked process (a DataLoader's worker) sends what NumPy cannot do to a process of its
own, as the steps of the trace and the arrays they start from. It is started when first needed, uses the CPU alone, and
ends with the process that started it.
"""

import io
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np

from jtorch.engine import checks, config
from jtorch.engine.aval import Aval, aval
from jtorch.engine.op import LIST, RUNTIME
from jtorch.engine.program import lower, needed_steps
from jtorch.engine.trace import Node

_PLAIN = (str, bytes, int, float, complex, bool, type(None), tuple, list, dict, np.dtype, np.ndarray)


# -- here: the forked process


def run(end: Node, outputs: tuple[int, ...], arrays: list[Any]) -> list[np.ndarray]:
    """The arrays at ``outputs`` of a path from ``arrays`` to ``end``; raises what its checks find."""
    other = _other()
    settings = (str(config.default_dtype), config.matmul_precision)
    key = (id(end), outputs, settings)
    program = other.known.get(key)
    if program is None:
        program = other.known[key] = _described(end, outputs, settings)
    pickle.dump((program, [np.asarray(a) for a in arrays]), other.process.stdin, 5)
    other.process.stdin.flush()
    try:
        made = pickle.load(other.process.stdout)
    except EOFError:
        raise RuntimeError("jtorch: the process that computes for a forked worker has ended") from None
    if isinstance(made, Exception):
        raise made
    return made


@cache
def _other() -> SimpleNamespace:
    env = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)}
    command = [sys.executable, "-c", "from jtorch.engine.remote import serve; serve()"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
    return SimpleNamespace(process=process, known={})


def _described(end: Node, outputs: tuple[int, ...], settings: tuple) -> bytes:
    steps = needed_steps(end.path(), outputs)
    out = io.BytesIO()
    _Pickler(out, 5).dump((
        settings,
        [(s.op, s.spec, s.refs, s.start, s.avals, s.wants, s.where) for s in steps],
        list(end.leaves()[0]),
        outputs,
    ))  # fmt: skip
    return out.getvalue()


class _Pickler(pickle.Pickler):
    """Operators and other constants of jtorch's modules go by the place where they are found."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Aval):
            return aval, (obj.shape, obj.dtype, obj.device)
        kind = obj if isinstance(obj, type) else type(obj)
        if isinstance(obj, _PLAIN) or kind.__module__.partition(".")[0] not in ("jtorch", "torch"):
            return NotImplemented
        return NotImplemented if isinstance(obj, Exception) else (found_at, place_of(obj))


def place_of(obj: Any) -> tuple[str, str]:
    """The module and the name by which :func:`found_at` finds one of jtorch's constants, operators and classes."""
    for name, module in list(sys.modules.items()):
        if name.startswith("jtorch.") and module is not None:
            for attribute, value in vars(module).items():
                if value is obj:
                    return name, attribute
    table = sys.modules["jtorch.ops.table"].TABLE
    if table.get(getattr(obj, "name", None)) is obj:
        return "", obj.name
    raise NotImplementedError(f"jtorch: {obj!r} cannot run in a forked process; use multiprocessing_context='spawn'")


def found_at(module: str, name: str) -> Any:
    """What :func:`place_of` gave the place of."""
    return getattr(import_module(module), name) if module else sys.modules["jtorch.ops.table"].TABLE[name]


# -- there: the process that computes


def serve() -> None:
    """Run programs from stdin until there are no more."""
    import jax

    import jtorch  # noqa: F401  (the operators)

    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else prints must not get in between
    while True:
        try:
            program, arrays = pickle.load(source)
        except EOFError:
            return
        answer: Any
        try:
            call, checked = _compiled(program)
            if checked:
                code, *outs = call(np.zeros((), np.int32), *arrays)
                checks.set_code("cpu", code)
                checks.raise_pending("cpu")
            else:
                outs = call(*arrays)
            answer = [np.asarray(x) for x in jax.device_get(outs)]
        except Exception as error:
            answer = error
        try:
            _Pickler(sink, 5).dump(answer)
            sink.flush()
        except BrokenPipeError:
            return


@cache
def _compiled(program: bytes) -> tuple[Callable, bool]:
    import jax

    (dtype, precision), described, leaves, outputs = pickle.loads(program)
    config.set_default_dtype(np.dtype(dtype))
    config.set_matmul_precision(precision)
    steps: list[Any] = []
    for op, sent, refs, start, avals, wants, where in described:
        spec = _marked(sent)
        steps.append(
            SimpleNamespace(
                op=op, spec=spec, fn=op.bind(spec), refs=refs, start=start, end=start + len(avals), avals=avals,
                wants=wants, where=where,
            )
        )  # fmt: skip
    checked = any(step.op.check is not None for step in steps)
    return jax.jit(lower(steps, leaves, outputs, checked)), checked


def _marked(spec: tuple) -> tuple:
    """A spec with the strings that are known by identity."""
    marks = {LIST: LIST, RUNTIME: RUNTIME}
    return tuple(_marked(x) if type(x) is tuple else marks.get(x, x) if type(x) is str else x for x in spec)
