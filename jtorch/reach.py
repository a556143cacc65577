"""What a compiled function can see beside its arguments: closures, globals, and what hangs on them, without running it.

A walk from the function goes through closure cells, defaults, the globals and module attributes that its code names,
the functions and methods that it may call, and the contents of containers and objects, as far as they are the user's
own: the code of jtorch, JAX, NumPy and the standard library does not change under a program. What the walk gives, a
fingerprint, is equal where the function sees the same things. Tensors are known by their place in the walk.
"""

import functools
import sys
import types
from collections import deque
from collections.abc import Callable, Iterator
from enum import Enum
from operator import is_
from typing import Any

import numpy as np

from jtorch.nn.modules import _changes
from jtorch.nn.modules.module import Module
from jtorch.tensor.device import device
from jtorch.tensor.dtype import dtype
from jtorch.tensor.generator import Generator
from jtorch.tensor.tensor import Tensor

__all__ = ["SCALARS", "Reach", "Unknown", "scalar"]

SCALARS = (bool, int, float, complex, str, bytes, type(None))
_FIXED = sys.stdlib_module_names | {"jtorch", "torch", "jax", "jaxlib", "numpy", "optax", "ml_dtypes"}
_SEEN_OUTSIDE = ("print", "input", "open", "exec", "eval", "globals", "locals")
_STATEFUL = ("random", "time", "secrets", "uuid", "logging", "warnings", "socket", "subprocess")
_BY_VALUE = (range, slice, np.generic, np.dtype, device, dtype)
_MOST = 50_000  # things looked at in one walk
_missing: Any = object()


class Unknown(Exception):
    """What cannot be looked through, or has effects that looking does not show."""


def scalar(x: Any) -> tuple:
    """A number, string or None as part of a key: 1, 1.0 and True differ, and so do 0.0 and -0.0."""
    return (type(x), repr(x) if isinstance(x, (float, complex)) else x)


def _fixed(module: Any) -> bool:
    return isinstance(module, str) and module.partition(".")[0] in _FIXED


def _names(code: types.CodeType) -> Iterator[str]:
    """The global and attribute names that code uses, with those of the functions defined in it."""
    yield from code.co_names
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from _names(const)


class Reach:
    """What is reached from an object. ``numbers`` holds the fingerprints seen so far, and is shared among several."""

    def __init__(self, root: Any, numbers: dict[tuple, tuple]) -> None:
        self.root = root
        self.numbers = numbers
        self.grads = False  # whether gradients are named, so that they may be looked at or set
        self._known: tuple[int, list[Tensor]] | None = None

    def look(self) -> tuple[int, list[Tensor]]:
        """The fingerprint's number and the tensors, by a new walk after a change; raises :class:`Unknown`."""
        if self._known is None or self._changed():
            self._known = None
            prints = self._walk()
            number, _ = self.numbers.setdefault(prints, (len(self.numbers), self._kept))
            self._known = number, self._tensors
        return self._known

    def late(self) -> list[Tensor]:
        """Tensors that are replaced without changing what is recorded: the numbers of an optimizer's options."""
        return [t for tensors in self._late for t in tensors()]

    def _changed(self) -> bool:
        if self._changes != _changes.count() or not all([holds() for holds in self._checks]):
            return True
        for get, name, x in self._single:
            if get(name, _missing) is not x:
                return True
        for contents, xs in self._whole:
            now = list(contents())
            if len(now) != len(xs) or not all(map(is_, now, xs)):
                return True
        return any(a.shape != shape or a.tobytes() != data for a, shape, data in self._arrays)

    def _walk(self) -> tuple:
        self._prints: list[Any] = []
        self._tensors: list[Tensor] = []
        self._places: dict[int, int] = {}
        self._kept: list[Any] = []  # what is known by its id must not go
        self._single: list[tuple] = []  # (get, name, what it gave)
        self._whole: list[tuple] = []  # (a function that gives all contents, what they were)
        self._arrays: list[tuple] = []
        self._checks: list[Callable[[], bool]] = []
        self._late: list[Callable[[], list[Tensor]]] = []
        self._changes = _changes.count()
        self._todo = deque([self.root])
        while self._todo:
            self._visit(self._todo.popleft())
            if len(self._places) > _MOST:
                raise Unknown("it reaches too much")
        return tuple(self._prints)

    def _visit(self, x: Any) -> None:
        add = self._prints.append
        if isinstance(x, SCALARS):
            add(scalar(x))
            return
        place = self._places.get(id(x))
        if place is not None:
            add(place)
            return
        self._places[id(x)] = len(self._places)
        self._kept.append(x)
        if isinstance(x, Tensor):
            add(type(x))
            self._tensors.append(x)
        elif isinstance(x, dict):
            self._all(x, x.keys)
            self._all(x, x.values)
        elif isinstance(x, (list, tuple, deque)):
            self._all(x, x.__iter__)
        elif isinstance(x, (set, frozenset)):
            if not all(isinstance(each, SCALARS) for each in x):
                raise Unknown("a set of objects")
            self._whole.append((x.__iter__, list(x)))
            add((type(x), frozenset(map(scalar, x))))
        elif isinstance(x, types.FunctionType):
            self._function(x)
        elif isinstance(x, (types.MethodType, functools.partial, property, staticmethod, classmethod)):
            add(type(x))
            self._parts(x)
        elif isinstance(x, types.ModuleType):
            add(("module", id(x)))
        elif isinstance(x, type):
            self._class(x)
        elif isinstance(x, _BY_VALUE):
            add((type(x), repr(x)))
        elif isinstance(x, np.ndarray):
            if x.dtype.hasobject:
                raise Unknown("an array of objects")
            self._arrays.append((x, x.shape, x.tobytes()))
            add((x.shape, x.dtype.str, x.tobytes()))
        else:
            self._object(x)

    def _all(self, x: Any, contents: Any) -> None:
        """A container, and all that is in it."""
        now = list(contents())
        self._prints.append((type(x), len(now)))
        if not isinstance(x, tuple):
            self._whole.append((contents, now))
        self._todo.extend(now)

    def _parts(self, x: Any) -> None:
        if isinstance(x, types.MethodType):
            self._todo += [x.__self__, x.__func__]
        elif isinstance(x, functools.partial):
            self._todo += [x.func, x.args, x.keywords]
        elif isinstance(x, property):
            self._todo += [x.fget, x.fset]
        else:
            self._todo.append(x.__func__)

    def _function(self, fn: types.FunctionType) -> None:
        self._prints.append(id(fn.__code__))
        self._kept.append(fn.__code__)
        if _fixed(fn.__module__):
            inner = [getattr(fn, "__wrapped__", None), *[_get_cell(c) for c in fn.__closure__ or ()]]
            self._todo += [x for x in inner if isinstance(x, (Tensor, Module)) or _is_own(x)]
            return
        names = list(dict.fromkeys(_names(fn.__code__)))
        self.grads = self.grads or any("grad" in n and n not in ("no_grad", "requires_grad") for n in names)
        self._cells(fn)
        self._todo += [fn.__defaults__, fn.__kwdefaults__]
        self._single.append((_attribute(fn), "__code__", fn.__code__))
        for name in names:
            x = fn.__globals__.get(name, _missing)
            if x is _missing:
                if name in _SEEN_OUTSIDE and name in _builtins:
                    raise Unknown(f"{name}()")
                continue
            self._single.append((fn.__globals__.get, name, x))
            self._prints.append(name)
            self._todo.append(x)
            if isinstance(x, types.ModuleType):
                self._module(x, names)

    def _cells(self, fn: types.FunctionType) -> None:
        for cell in fn.__closure__ or ():
            get = _attribute(cell)
            x = get("cell_contents", _missing)
            self._single.append((get, "cell_contents", x))
            if x is not _missing:
                self._todo.append(x)

    def _module(self, module: types.ModuleType, names: list[str]) -> None:
        """The attributes of a Python module that code may name."""
        root = module.__name__.partition(".")[0]
        if root in _STATEFUL or (root == "numpy" and "random" in names):
            raise Unknown(f"the module {module.__name__}")
        if _fixed(module.__name__):
            return
        space = vars(module)
        for name in names:
            x = space.get(name, _missing)
            if x is not _missing:
                self._single.append((space.get, name, x))
                self._todo.append(x)
                if isinstance(x, types.ModuleType) and id(x) not in self._places:
                    self._module(x, names)

    def _class(self, cls: type) -> None:
        self._prints.append(id(cls))
        if _fixed(cls.__module__) or isinstance(cls, types.GenericAlias):
            return
        for each in cls.__mro__:
            if _fixed(each.__module__):
                break
            space = vars(each)
            self._single.append((_length(space), "", len(space)))
            for name, x in space.items():
                if name in ("__dict__", "__weakref__", "__module__", "__doc__", "__annotations__", "__slots__"):
                    continue
                if isinstance(x, (types.MemberDescriptorType, types.GetSetDescriptorType)):
                    continue
                self._single.append((space.get, name, x))
                self._todo.append(x)

    def _object(self, x: Any) -> None:
        kind = type(x)
        if callable(getattr(kind, "__next__", None)) or _stateful(kind):
            raise Unknown(f"a {kind.__name__}")
        self._prints.append(kind)
        ours = kind.__module__.partition(".")[0] == "jtorch"
        if isinstance(x, (Generator, Enum)) or (_fixed(kind.__module__) and not (ours and hasattr(x, "__dict__"))):
            self._prints.append(id(x))
            return
        if hasattr(kind, "reached"):  # it knows what of it matters, and whether that is still so
            found = x.reached()
            if found is None:
                raise Unknown(f"a {kind.__name__}")
            parts, holds, late = found
            if not holds():
                raise Unknown(f"a {kind.__name__} that has changed")
            self._todo.extend(parts)
            self._checks.append(holds)
            self._late.append(late)
            return
        self._todo.append(kind)
        space = getattr(x, "__dict__", {})
        self._prints.append(tuple(space))
        for name, each in space.items():
            if isinstance(x, Module) and name[0] == "_" and isinstance(each, (dict, set)):  # their changes are counted
                self._prints.append(tuple(each))
                self._todo.extend(each.values() if isinstance(each, dict) else ())
            else:
                self._todo.append(each)
        if not isinstance(x, Module):
            self._whole.append((space.keys, list(space)))
            self._whole.append((space.values, list(space.values())))
        for base in kind.__mro__:
            for name in vars(base).get("__slots__", ()) if not _fixed(base.__module__) else ():
                get = _attribute(x)
                self._single.append((get, name, get(name, _missing)))
                if hasattr(x, name):
                    self._todo.append(getattr(x, name))


_builtins = vars(__import__("builtins"))


def _attribute(x: Any) -> Any:
    def get(name: str, default: Any) -> Any:
        try:
            return getattr(x, name, default)
        except ValueError:  # an empty cell
            return default

    return get


def _get_cell(cell: Any) -> Any:
    return _attribute(cell)("cell_contents", None)


def _is_own(x: Any) -> bool:
    """Whether it is a function of the user's."""
    inner = getattr(x, "__func__", x)
    return isinstance(inner, types.FunctionType) and not _fixed(inner.__module__)


def _length(space: Any) -> Any:
    return lambda name, default: len(space)


def _stateful(kind: type) -> bool:
    root = kind.__module__.partition(".")[0]
    return root in ("random", "_random", "logging", "_io", "io") or kind.__module__.startswith("numpy.random")
