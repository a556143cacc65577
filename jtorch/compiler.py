"""``torch.compile``: a function's recorded stretch is taken again as one step, without running its Python code.

What a function records depends on its arguments, on the modules and tensors it reaches, and on the autograd modes. All
of that is looked at before each call. Where it is as in an earlier call, the trace moves to where that call ended, and
the tensors that it wrote get their new values. The rest (lowering, compiling, backward) is as for any other code, so a
compiled function is part of the same program as what is around it.

What is looked at: tensors by shape, dtype, device and requires_grad; numbers, strings and None by value; lists, tuples
and dicts by their contents; modules by their parameters, buffers, hooks and plain attributes; other objects by
identity. A function that needs data in between (``.item()``, a shape that depends on data) runs as it is each time.
"""

import functools
import random
from collections.abc import Callable
from operator import is_
from typing import Any

import numpy as np

from jtorch.engine import config, record, segment, trace
from jtorch.engine.flush import boundary, flush
from jtorch.engine.value import Value
from jtorch.nn.modules.module import Module
from jtorch.reach import SCALARS, Reach, Unknown, scalar
from jtorch.tensor.device import get_default_device
from jtorch.tensor.fused import settle
from jtorch.tensor.generator import generator_of
from jtorch.tensor.tensor import Tensor, wrap

__all__ = [
    "allow_in_graph",
    "assume_constant_result",
    "compile",
    "cudagraph_mark_step_begin",
    "disable",
    "get_default_backend",
    "is_compiling",
    "is_dynamo_compiling",
    "list_backends",
    "reset",
    "set_default_backend",
]

_local = trace._local
_MODES = (None, "default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
_BACKENDS = ("inductor", "eager", "aot_eager", "cudagraphs", "xla", "jtorch")
ATTEMPTS = 8  # failed observations of one function before it is left alone
MOST = 256  # kinds of calls that are kept of one function


# -- structures of arguments and results


def _flatten(x: Any, tensors: list[Tensor], look: Callable[[Any, list], Any]) -> Any:
    """The structure of ``x`` as a hashable key; its tensors are appended to ``tensors``. ``look``: at objects."""
    kind = type(x)
    if kind is Tensor or isinstance(x, Tensor):
        tensors.append(x)
        return kind
    if kind in SCALARS:
        return scalar(x)
    if isinstance(x, tuple):
        return (kind, *[_flatten(each, tensors, look) for each in x])
    if kind is list:
        return (list, *[_flatten(each, tensors, look) for each in x])
    if kind is dict:
        return (
            dict,
            *[(k if isinstance(k, SCALARS) else look(k, []), _flatten(v, tensors, look)) for k, v in x.items()],
        )
    return look(x, tensors)


def rebuild(x: Any, place: Callable[[Tensor], Callable]) -> Callable[[list], Any]:
    """How to make ``x`` again from what a replay gives: a function of the list of its tensors' makers."""
    if isinstance(x, Tensor):
        if type(x) is not Tensor:
            raise Unknown
        return place(x)
    kind = type(x)
    if kind in SCALARS:
        return lambda given: x
    if isinstance(x, tuple) and (kind is tuple or hasattr(x, "_fields")):
        parts = [rebuild(each, place) for each in x]
        build = tuple if kind is tuple else kind._make  # type: ignore[attr-defined]
        return lambda given: build([part(given) for part in parts])
    if kind is list:
        parts = [rebuild(each, place) for each in x]
        return lambda given: [part(given) for part in parts]
    if kind is dict:
        items = [(k, rebuild(each, place)) for k, each in x.items()]
        return lambda given: {k: part(given) for k, part in items}
    raise Unknown


# -- one compiled function


class _Replay:
    """A segment with what it does to tensors: what it writes, what it draws, and what it returns."""

    __slots__ = ("segment", "writes", "draws", "made", "result", "words", "sure")

    def __init__(self, found: segment.Segment) -> None:
        self.segment = found
        self.sure = False  # a second call has done the same
        self.writes: list[tuple[int, int, int]] = []  # which tensor, the new value's position, versions gone by
        self.draws: list[Callable[[], Value]] = []
        self.made: list[tuple[int, Any, bool | None]] = []  # position, aval and requires_grad of what is returned
        self.result: Callable[[list], Any] = lambda given: None
        self.words: int | None = None  # position of the accelerator generator's new state


class Compiled:
    """A callable that records like ``fn``, but runs its Python code only for calls unlike any before."""

    def __init__(self, fn: Callable, fullgraph: bool) -> None:
        self.fn = fn
        self.fullgraph = fullgraph
        self.numbers: dict[tuple, tuple] = {}
        self.around = Reach(fn, self.numbers)
        self.objects: dict[int, Reach] = {}  # what is reached from objects among the arguments
        self.kept = self.failures = 0
        self.step: Callable | None = None  # of a function that is a whole training step
        functools.update_wrapper(self, fn)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def reached(self) -> tuple[list[Any], Callable[[], bool], Callable[[], list[Tensor]]]:
        """What another compiled function sees of this one."""
        return [self.fn], lambda: True, list

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        st = _local.state
        if st.recording is not None or st.watched or st.capture is not None or record.eager or _off:
            return self.fn(*args, **kwargs)
        if self.step is not None:
            return self.step(*args, **kwargs)
        if self.failures >= ATTEMPTS and not self.fullgraph and not self.kept:
            return self.fn(*args, **kwargs)
        call = Call(self, args, kwargs)
        try:
            seen, tensors = call.look()
        except Unknown:
            self.failures += 1
            noted = segment.Recording(self.whole, name_of(self.fn))
            result = call.run(noted)
            self._passed(noted)
            return result
        values = [t._v if t._alias is None else t._value for t in tensors]
        device = next((v.aval.device for v in values if v.aval.ndim), "cpu")
        if device == "meta":
            return self.fn(*args, **kwargs)
        tr = st.trace_for(device)
        if len(tr.values) > record.MAX_PLAIN // 2 and record.is_full(tr, record.MAX_PLAIN // 2):
            flush(tr, "too much is pending")
            tr = st.trace_for(device)
        generator = None if device == "cpu" else generator_of(device)
        if generator is not None:
            values.append(generator.words)
        found = segment.keys(tr, values)
        if found is None:
            return self.fn(*args, **kwargs)
        key = (self, seen, call.modes(), found)
        start = tr.cursor
        replay = start.segments.get(key)
        if replay is not None and replay.sure:
            made = self._again(st, tr, replay, tensors, values, generator)
            if made is not _missed:
                return made
        if self.failures >= ATTEMPTS and not self.fullgraph or self.kept >= MOST:
            return self.fn(*args, **kwargs)
        return self._observe(st, tr, key, tensors, values, generator, call)

    def _passed(self, seen: segment.Recording) -> bool:
        """Whether the function passed a place where a program may well end; then it is a step, and run as one."""
        if seen.boundary is None:
            return False
        from jtorch.whole import WholeStep  # which is made of what is here

        self.step = WholeStep(self.fn, self.whole)
        boundary(seen.boundary)
        return True

    @property
    def whole(self) -> str:
        """Who says that there must be no break; empty: there may."""
        return "torch.compile(fullgraph=True)" if self.fullgraph else ""

    def _again(self, st: Any, tr: Any, replay: _Replay, tensors: list, values: list[Value], generator: Any) -> Any:
        if not replay.segment.fits(tr):
            return _missed
        inputs = values + [draw() for draw in replay.draws] if replay.draws else values
        segment.take(st, tr, replay.segment, inputs)
        at = tr.values
        for i, position, versions in replay.writes:
            t = tensors[i]
            old = t._v
            old.overwritten = True
            v = at[position] = Value(None, old.aval, tr, position, False)
            t._v = v
            if t._alias is not None:
                t._alias.storage.value = v
                t._alias.storage.version += versions
                t._alias.seen = t._alias.storage.version
            else:
                t._count += versions
        if replay.words is not None:
            generator.words = tr.at(replay.words)
        given: list[Any] = []
        for position, aval, grad in replay.made:
            v = at[position]
            if v is None:
                v = at[position] = Value(None, aval, tr, position, grad)
            given.append(wrap(v))
        given.append(tensors)
        return replay.result(given)

    def _observe(
        self, st: Any, tr: Any, key: tuple, tensors: list[Tensor], values: list[Value], generator: Any, call: "Call"
    ) -> Any:
        """Run the function, and keep what it did if that can be done again without it.

        It is kept once two calls in a row have done the same, so that what looking does not show (a clock, a file)
        is not taken for a constant.
        """
        for t in tensors:
            settle(t)
        start, base = tr.cursor, len(tr.values)
        before = [(t._v, _version(t), t._grad, None if t._grad is None else t._grad._v) for t in tensors]
        seen = segment.Recording(self.whole, name_of(self.fn))
        drawn = host_random()
        result = call.run(seen)
        if self._passed(seen):
            return result
        if seen.broken is None and st.traces.get(tr.device) is tr and drawn == host_random():
            try:
                replay = self._replay(tr, start, base, tensors, values, before, seen, generator, result)
                now, same = call.look()
                if (
                    now != key[1]
                    or call.modes() != key[2]
                    or len(same) != len(tensors)
                    or not all(map(is_, same, tensors))
                ):
                    raise Unknown("it changes what it depends on")
                known = start.segments.get(key)
                replay.sure = known is not None and known.segment.equals(replay.segment)
                self.kept += known is None
                self.failures += known is not None and not replay.sure
                start.segments[key] = replay
                return result
            except Unknown:
                pass
        self.failures += 1
        return result

    def _replay(
        self, tr: Any, start: Any, base: int, tensors: list[Tensor], values: list[Value], before: list, seen: Any,
        generator: Any, result: Any,
    ) -> _Replay:  # fmt: skip
        inputs = values + [v for v, _ in seen.draws]
        grads = [v for *_, v in before if v is not None]
        found = segment.between(tr, start, base, inputs, inputs + grads)
        if found is None or seen.touched > len(seen.draws):
            raise Unknown
        replay = _Replay(found)
        replay.draws = [again for _, again in seen.draws]
        known: dict[int, int] = {}
        for i, (t, (old, version, grad, grad_value)) in enumerate(zip(tensors, before, strict=True)):
            if known.setdefault(id(t), i) != i:
                continue
            if t._grad is not grad or (grad is not None and grad._v is not grad_value):
                raise Unknown
            if t._value is old:
                continue
            aliased = t._alias is not None and bool(t._alias.steps)
            new = t._v
            if aliased or new.trace is not tr or new.index < base or new.requires_grad or new.aval is not old.aval:
                raise Unknown
            replay.writes.append((i, new.index, _version(t) - version))
        if generator is not None and generator.words is not values[-1]:
            replay.words = generator.words.index
        storages: set[int] = {id(t._alias.storage) for t in tensors if t._alias is not None}

        def place(t: Tensor) -> Callable:
            i = known.get(id(t))
            if i is not None:
                return lambda given: given[-1][i]
            v = t._value
            if t._alias is not None:
                if id(t._alias.storage) in storages:  # a view of an argument, or two of one result
                    raise Unknown
                storages.add(id(t._alias.storage))
            if v.trace is not tr or v.array is not None or v.index < base or v.owner is not None or v.node is not None:
                raise Unknown
            k = len(replay.made)
            replay.made.append((v.index, v.aval, v.requires_grad))
            return lambda given: given[k]

        replay.result = rebuild(result, place)
        return replay


class Call:
    """One call: its arguments, and what the function sees when it begins."""

    def __init__(self, to: Any, args: tuple, kwargs: dict) -> None:
        self.to = to
        self.args = args
        self.kwargs = kwargs

    def look(self) -> tuple[tuple, list[Tensor]]:
        """What stands for all that the function sees, but for arrays, and the tensors; raises :class:`Unknown`."""
        to = self.to
        tensors: list[Tensor] = []
        structure = _flatten((self.args, self.kwargs) if self.kwargs else self.args, tensors, self._object)
        number, reached = to.around.look()
        tensors += reached
        places: dict[int, int] = {}
        ids = [id(t) if t._alias is None else id(t._alias.storage) for t in tensors]
        aliases = None
        if len(set(ids)) != len(ids):
            aliases = tuple(
                [
                    (places.setdefault(i, k), places.setdefault(id(t), k))
                    for k, (i, t) in enumerate(zip(ids, tensors, strict=True))
                ]
            )
        grads = tuple([t._grad is None for t in tensors]) if to.around.grads or to.objects else None
        return (number, structure, aliases, grads), tensors

    def _object(self, x: Any, tensors: list[Tensor]) -> int:
        objects = self.to.objects
        reach = objects.get(id(x))
        if reach is None:
            if len(objects) >= MOST:
                objects.clear()
            reach = objects[id(x)] = Reach(x, self.to.numbers)
        number, found = reach.look()
        tensors += found
        return number

    def modes(self) -> tuple:
        """The modes that decide what is recorded."""
        st = _local.state
        autocast = None if st.autocast is None else tuple(st.autocast.dtypes.items())
        return (st.grad, st.inference, autocast, config.default_dtype, get_default_device())

    def run(self, seen: segment.Recording) -> Any:
        """The function, observed."""
        st = _local.state
        st.recording = seen
        try:
            return self.to.fn(*self.args, **self.kwargs)
        finally:
            st.recording = None


def host_random() -> tuple:
    """The state of Python's and NumPy's generators, which no replay would move."""
    _, words, at, *rest = np.random.get_state()
    return random.getstate(), words.tobytes(), at, rest  # type: ignore[attr-defined, union-attr]


def _version(t: Tensor) -> int:
    return t._count if t._alias is None else t._alias.version


def name_of(fn: Callable) -> str:
    return getattr(fn, "__qualname__", repr(fn))


_missed: Any = object()
_off = False


class OptimizedModule(Module):
    """What ``torch.compile(module)`` returns: the module, with its call compiled."""

    _orig_mod: Module

    def __init__(self, module: Module, fullgraph: bool) -> None:
        super().__init__()
        self._orig_mod = module
        self.__dict__["forward"] = Compiled(module.__call__, fullgraph)
        self.__dict__["training"] = module.training

    def __getattr__(self, name: str) -> Any:
        if name == "_orig_mod":
            return self.__dict__["_modules"]["_orig_mod"]
        return getattr(self._orig_mod, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("_orig_mod", "training"):
            super().__setattr__(name, value)
        if name != "_orig_mod":
            setattr(self._orig_mod, name, value)

    def __reduce__(self) -> tuple:
        return _compiled_again, (self._orig_mod, self.__dict__["forward"].fullgraph)

    def __repr__(self) -> str:
        inner = repr(self._orig_mod).replace("\n", "\n  ")
        return f"OptimizedModule(\n  (_orig_mod): {inner}\n)"


def _compiled_again(module: Module, fullgraph: bool) -> OptimizedModule:
    return OptimizedModule(module, fullgraph)


def compile(
    model: Any = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: Any = None,
    mode: str | None = None,
    options: dict | None = None,
    name: str | None = None,
    disable: bool = False,
    recompile_limit: int | None = None,
    isolate_recompiles: bool = False,
    shapes_spec: Any = None,
) -> Any:
    """A module or function whose calls skip its Python code when they are like an earlier one (torch.compile).

    ``fullgraph``: raise RuntimeError, naming the line, where the data is needed in between. The other arguments choose
    among torch's compilers and have nothing to choose here: XLA compiles, each shape for itself. Raises RuntimeError
    for an unknown mode or backend, and NotImplementedError for a backend that is a function.
    """
    if mode is not None and options is not None:
        raise RuntimeError("Either mode or options can be specified, but both can't be specified at the same time.")
    if mode not in _MODES:
        raise RuntimeError(f"Unrecognized mode={mode}, should be one of: {', '.join(m for m in _MODES if m)}")
    backend = get_default_backend() if backend is None else backend
    if not isinstance(backend, str):
        raise NotImplementedError("jtorch: torch.compile with a backend of one's own; there is no FX graph to give it")
    if backend not in _BACKENDS:
        raise RuntimeError(
            f"Invalid backend: '{backend}', see `torch.compiler.list_backends()` for available backends."
        )
    if model is None:
        return functools.partial(
            compile, fullgraph=fullgraph, dynamic=dynamic, backend=backend, mode=mode, options=options, disable=disable
        )
    if disable:
        return model
    if isinstance(model, Module):
        return OptimizedModule(model, fullgraph)
    if not callable(model):
        raise AssertionError(f"A callable function is expected, but {type(model)} is provided.")
    return Compiled(model, fullgraph)


# -- torch.compiler


def is_compiling() -> bool:
    """Whether a compiled function is being observed."""
    return _local.state.recording is not None


is_dynamo_compiling = is_compiling


def disable(fn: Callable | None = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """A function that is never skipped: one that calls it runs as it is each time."""
    if fn is None:
        return functools.partial(disable, recursive=recursive, reason=reason)

    @functools.wraps(fn)
    def plain(*args: Any, **kwargs: Any) -> Any:
        seen = _local.state.recording
        if seen is not None:
            seen.breaks("torch.compiler.disable")
        return fn(*args, **kwargs)

    return plain


def reset() -> None:
    """Forget what compiled functions recorded."""
    for root in list(trace._roots.values()):
        todo = [root]
        while todo:
            node = todo.pop()
            node.segments.clear()
            todo.extend(child for children in node.children for child in children.values())


def allow_in_graph(fn: Any) -> Any:
    """``fn`` itself: jtorch compiles what a function recorded, and needs no leave to look into it."""
    return fn


def assume_constant_result(fn: Any) -> Any:
    """``fn`` itself: what it returns is looked at, not assumed."""
    return fn


def list_backends(exclude_tags: Any = ("debug", "experimental")) -> list[str]:
    """The names that ``torch.compile(backend=)`` takes; they all mean XLA."""
    return list(_BACKENDS)


_default_backend = "inductor"


def get_default_backend() -> str:
    """The backend of ``torch.compile`` where none is named."""
    return _default_backend


def set_default_backend(backend: str | None) -> None:
    """Choose it; None is torch's own choice. Raises RuntimeError for a name that list_backends does not have."""
    global _default_backend
    if backend is not None and backend not in _BACKENDS:
        raise RuntimeError(
            f"Invalid backend: '{backend}', see `torch.compiler.list_backends()` for available backends."
        )
    _default_backend = backend or "inductor"


def cudagraph_mark_step_begin() -> None:
    """Nothing to mark: XLA's programs own no memory between calls."""
