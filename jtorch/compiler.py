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
from collections.abc import Callable
from typing import Any

from jtorch.engine import record, segment, trace
from jtorch.engine.flush import flush, flush_all
from jtorch.engine.value import Value
from jtorch.nn.modules import _changes
from jtorch.nn.modules.module import Module
from jtorch.tensor.fused import settle
from jtorch.tensor.generator import generator_of
from jtorch.tensor.tensor import Tensor, wrap

__all__ = [
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
_SCALARS = (bool, int, float, complex, str, bytes, type(None))
_MODES = (None, "default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
_BACKENDS = ("inductor", "eager", "aot_eager", "cudagraphs", "xla", "jtorch")
_ATTEMPTS = 8  # failed observations of one function before it is left alone


class _Unknown(Exception):
    """A structure that cannot be looked through."""


# -- structures of arguments and results


def _flatten(x: Any, tensors: list[Tensor]) -> Any:
    """The structure of ``x`` as a hashable key; its tensors are appended to ``tensors``."""
    if isinstance(x, Tensor):
        tensors.append(x)
        return Tensor
    kind = type(x)
    if kind in _SCALARS:
        return (kind, repr(x) if kind is float else x)
    if isinstance(x, tuple):
        return (kind, *[_flatten(each, tensors) for each in x])
    if kind is list:
        return (list, *[_flatten(each, tensors) for each in x])
    if isinstance(x, dict):
        return (kind, *[(k, _flatten(each, tensors)) for k, each in x.items()])
    return (kind, id(x))


def _result(x: Any, place: Callable[[Tensor], Callable]) -> Callable[[list], Any]:
    """How to make ``x`` again from what a replay gives: a function of the list of its tensors' makers."""
    if isinstance(x, Tensor):
        if type(x) is not Tensor:
            raise _Unknown
        return place(x)
    kind = type(x)
    if kind in _SCALARS:
        return lambda given: x
    if isinstance(x, tuple) and (kind is tuple or hasattr(x, "_fields")):
        parts = [_result(each, place) for each in x]
        build = tuple if kind is tuple else kind._make  # type: ignore[attr-defined]
        return lambda given: build([part(given) for part in parts])
    if kind is list:
        parts = [_result(each, place) for each in x]
        return lambda given: [part(given) for part in parts]
    if kind is dict:
        items = [(k, _result(each, place)) for k, each in x.items()]
        return lambda given: {k: part(given) for k, part in items}
    raise _Unknown


# -- what a function reaches beside its arguments


class _Surroundings:
    """The modules and tensors that a function reaches, and their fingerprint, renewed when some module changed."""

    def __init__(self, fn: Callable) -> None:
        self.fn = fn
        inner = getattr(fn, "__func__", fn)
        code = getattr(inner, "__code__", None)
        self.names = code.co_names if code is not None else ()
        self.globals = getattr(inner, "__globals__", {})
        self.cells = getattr(inner, "__closure__", None) or ()
        self.owner = getattr(fn, "__self__", None)
        self.seen: Any = None
        self.known: dict[Any, int] = {}

    def look(self) -> tuple[int, list[Tensor]]:
        """A number that stands for the present state of the surroundings, and the tensors in them."""
        reached = [self.owner, *[self.globals.get(n) for n in self.names]]
        reached += [c.cell_contents for c in self.cells if _filled(c)]
        now = (_changes.count(), [id(x) if not isinstance(x, _SCALARS) else (type(x), x) for x in reached])
        if self.seen is None or self.seen[0] != now:
            tensors: list[Tensor] = []
            prints: list[Any] = []
            for x in reached:
                if isinstance(x, Module):
                    prints.append(_fingerprint(x, tensors))
                elif isinstance(x, (Tensor, *_SCALARS)):
                    prints.append(_flatten(x, tensors))
                elif isinstance(x, (list, tuple, dict)):
                    prints.append(_contents(x, tensors))
                else:
                    prints.append(id(x))
            number = self.known.setdefault(tuple(prints), len(self.known))
            self.seen = (now, number, tensors)
        return self.seen[1], self.seen[2]


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018  (raises for a variable that is not set yet)
    except ValueError:
        return False
    return True


def _contents(x: Any, tensors: list[Tensor]) -> Any:
    if isinstance(x, Module):
        return _fingerprint(x, tensors)
    if isinstance(x, (list, tuple)):
        return (type(x), *[_contents(each, tensors) for each in x])
    if isinstance(x, dict):
        return (type(x), *[(k if isinstance(k, _SCALARS) else id(k), _contents(v, tensors)) for k, v in x.items()])
    return _flatten(x, tensors)


def _fingerprint(root: Module, tensors: list[Tensor]) -> tuple:
    """Whatever of a module and its children can change what calling it records; their tensors are appended."""
    prints: list[Any] = []
    for m in root.modules():
        prints.append(id(m))
        for name, x in m.__dict__.items():
            if name in ("_parameters", "_buffers"):
                found = [t for t in x.values() if t is not None]
                tensors.extend(found)
                prints.append((name, *[id(t) for t in found]))
            elif name.endswith("_hooks"):
                prints.append(tuple(x))
            elif name != "_modules":
                prints.append((name, _contents(x, tensors)))
    return tuple(prints)


# -- one compiled function


class _Replay:
    """A segment with what it does to tensors: what it writes, what it draws, and what it returns."""

    __slots__ = ("segment", "writes", "draws", "made", "result", "words")

    def __init__(self, found: segment.Segment) -> None:
        self.segment = found
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
        self.around = _Surroundings(fn)
        self.failures = 0
        functools.update_wrapper(self, fn)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        st = _local.state
        if st.recording is not None or st.watched or st.capture is not None or record.eager or _off:
            return self.fn(*args, **kwargs)
        tensors: list[Tensor] = []
        structure = _flatten((args, kwargs) if kwargs else args, tensors)
        number, reached = self.around.look()
        tensors += reached
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
        autocast = None if st.autocast is None else tuple(st.autocast.dtypes.items())
        key = (self, number, structure, st.grad, st.inference, autocast, found)
        start = tr.cursor
        replay = start.segments.get(key)
        if replay is not None:
            made = self._again(st, tr, replay, tensors, values, generator)
            if made is not _missed:
                return made
        if self.failures >= _ATTEMPTS and not self.fullgraph:
            return self.fn(*args, **kwargs)
        return self._observe(st, tr, key, tensors, values, generator, args, kwargs)

    def _again(self, st: Any, tr: Any, replay: _Replay, tensors: list, values: list[Value], generator: Any) -> Any:
        inputs = values + [draw() for draw in replay.draws] if replay.draws else values
        if not segment.take(st, tr, replay.segment, inputs):
            return _missed
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
        self, st: Any, tr: Any, key: tuple, tensors: list[Tensor], values: list[Value], generator: Any, args: tuple,
        kwargs: dict,
    ) -> Any:  # fmt: skip
        """Run the function, and keep what it did if that can be done again without it."""
        for t in tensors:
            settle(t)
        start, base = tr.cursor, len(tr.values)
        before = [(t._v, t._version, t._grad) for t in tensors]
        seen = segment.Recording("torch.compile(fullgraph=True)" if self.fullgraph else "", _name(self.fn))
        st.recording = seen
        try:
            result = self.fn(*args, **kwargs)
        finally:
            st.recording = None
        if seen.broken is None and st.traces.get(tr.device) is tr:
            try:
                start.segments[key] = self._replay(tr, start, base, tensors, values, before, seen, generator, result)
                return result
            except _Unknown:
                pass
        self.failures += 1
        return result

    def _replay(
        self, tr: Any, start: Any, base: int, tensors: list[Tensor], values: list[Value], before: list, seen: Any,
        generator: Any, result: Any,
    ) -> _Replay:  # fmt: skip
        inputs = values + [v for v, _ in seen.draws]
        found = segment.between(tr, start, base, inputs)
        if found is None or seen.touched > len(seen.draws):
            raise _Unknown
        replay = _Replay(found)
        replay.draws = [again for _, again in seen.draws]
        for i, (t, (old, version, grad)) in enumerate(zip(tensors, before, strict=True)):
            if t._grad is not grad:
                raise _Unknown
            if t._value is old:
                continue
            aliased = t._alias is not None and bool(t._alias.steps)
            new = t._v
            if aliased or new.trace is not tr or new.index < base or new.requires_grad or new.aval is not old.aval:
                raise _Unknown
            replay.writes.append((i, new.index, t._version - version))
        if generator is not None and generator.words is not values[-1]:
            replay.words = generator.words.index
        known = {id(t): i for i, t in enumerate(tensors)}
        storages: set[int] = {id(t._alias.storage) for t in tensors if t._alias is not None}

        def place(t: Tensor) -> Callable:
            i = known.get(id(t))
            if i is not None:
                return lambda given: given[-1][i]
            v = t._value
            if t._alias is not None:
                if id(t._alias.storage) in storages:  # a view of an argument, or two of one result
                    raise _Unknown
                storages.add(id(t._alias.storage))
            if v.trace is not tr or v.array is not None or v.index < base or v.owner is not None:
                raise _Unknown
            k = len(replay.made)
            replay.made.append((v.index, v.aval, v.requires_grad))
            return lambda given: given[k]

        replay.result = _result(result, place)
        return replay


def _name(fn: Callable) -> str:
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


def whole_step(step: Callable) -> Callable:
    """``jtorch.jit``: a whole step, or several, as one program. What ``step`` mutates (modules, optimizers, gradients)
    is state that the program takes and returns, its old buffers donated.

    The ordinary loop is one program a step by itself; this joins what would be cut, such as the backward passes of a
    gradient accumulation, and raises RuntimeError, naming the line, where the step needs the data in between.
    """

    @functools.wraps(step)
    def call(*args: Any, **kwargs: Any) -> Any:
        st = _local.state
        if st.recording is not None or record.eager:
            return step(*args, **kwargs)
        flush_all("before jtorch.jit")
        st.recording = segment.Recording("jtorch.jit", _name(step), defers=True)
        try:
            made = step(*args, **kwargs)
        finally:
            st.recording = None
        flush_all("jtorch.jit")
        return made

    return call


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
