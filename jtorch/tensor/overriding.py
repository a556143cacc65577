"""``__torch_function__``: subclasses of Tensor see the calls that they take part in (torch's protocol of overrides).

The classes that take part in calls as plain tensors are known (:data:`PLAIN`). An operator that meets an argument of
another class gives up its own way, by raising :class:`Asked`, and lets the class decide; a subclass's methods ask at
once. The default ``__torch_function__`` gives results of the subclass. Calls within it are not asked about again.

A departure: a function that is made of others (``cross_entropy``) does not ask itself, those within it do.
"""

import functools
import threading
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

from jtorch.tensor.tensor import Tensor

__all__ = [
    "PLAIN", "Asked", "DisableTorchFunctionSubclass", "answer", "asking", "asks", "call", "disabled", "overloaded",
    "subclassed", "torch_function",
]  # fmt: skip

PLAIN: set[type] = {Tensor}  # Tensor, and the subclasses that are not to be asked

# What is not asked about: what makes, copies and stores an object, and what is made of other methods
_NOT_ASKED = frozenset(
    {
        "__new__", "__init__", "__init_subclass__", "__torch_function__", "__class__", "__dir__", "__hash__",
        "__iter__", "__reduce_ex__", "__jax_array__", "as_subclass",
    }
)  # fmt: skip
# Python's operators that torch's handlers see as the named method
_METHOD_OF = {
    "__add__": "add", "__mul__": "mul", "__sub__": "sub", "__truediv__": "div", "__matmul__": "matmul",
    "__neg__": "neg", "__abs__": "abs", "__eq__": "eq", "__ne__": "ne", "__lt__": "lt", "__le__": "le", "__gt__": "gt",
    "__ge__": "ge", "__pow__": "pow", "__iadd__": "add_", "__imul__": "mul_", "__isub__": "sub_",
    "__itruediv__": "div_", "__mod__": "remainder", "__floordiv__": "floor_divide", "__radd__": "add",
    "__rmul__": "mul",
}  # fmt: skip
_REFLECTED = {"__radd__": "add", "__rmul__": "mul", "__rsub__": "sub", "__rtruediv__": "div", "__rmatmul__": "matmul"}


class _Off(threading.local):
    depth = 0


_off = _Off()


class DisableTorchFunctionSubclass:
    """Within the block no ``__torch_function__`` is asked."""

    def __enter__(self) -> None:
        _off.depth += 1

    def __exit__(self, *exc: object) -> None:
        _off.depth -= 1


def disabled(func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
    """The ``__torch_function__`` of classes that take part in calls as plain tensors do."""
    with DisableTorchFunctionSubclass():
        return func(*args, **(kwargs or {}))


def torch_function(
    cls: type, func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict | None = None
) -> Any:
    """The default: the function's results as instances of ``cls``."""
    if not all(issubclass(cls, t) for t in types):
        return NotImplemented
    made = disabled(func, types, args, kwargs)
    return made if func == Tensor.grad.__get__ else _as(made, cls)  # type: ignore[attr-defined]


def _as(made: Any, cls: type) -> Any:
    if isinstance(made, Tensor):
        return made if cls is Tensor or isinstance(made, cls) else made.as_subclass(cls)  # type: ignore[attr-defined]
    if isinstance(made, (tuple, list)) and any(isinstance(x, (Tensor, tuple, list)) for x in made):
        parts = [_as(x, cls) for x in made]
        return type(made)(*parts) if hasattr(made, "_fields") else type(made)(parts)
    return made


class Asked(Exception):
    """An argument's class is to be asked instead."""


def asks(x: Any) -> bool:
    """Whether the class of an argument is to be asked, here and now."""
    return not _off.depth and _takes_part(x)


def _takes_part(x: Any) -> bool:
    kind = type(x)
    if kind in PLAIN or kind in _SIMPLE:
        return False
    found = getattr(kind, "__torch_function__", None)
    return found is not None and found is not disabled


_SIMPLE = frozenset({int, float, bool, complex, str, type(None), list, tuple, dict})


def overloaded(args: Iterable[Any]) -> list[Any]:
    """The arguments whose classes are to be asked, one a class, a subclass before what it derives from."""
    found: list[Any] = []
    for x in args:
        for each in x if type(x) in (list, tuple) else (x,):
            if not _takes_part(each) or any(type(each) is type(f) for f in found):
                continue
            at = next((i for i, f in enumerate(found) if issubclass(type(each), type(f))), len(found))
            found.insert(at, each)
    return found


def call(func: Callable, relevant: Iterable[Any], args: tuple, kwargs: dict[str, Any]) -> Any:
    """Ask the classes of ``relevant`` in turn; raises TypeError where none has an answer."""
    asked = overloaded(relevant)
    types = tuple(type(x) for x in asked)
    for x in asked:
        made = type(x).__torch_function__(func, types, args, kwargs)
        if made is not NotImplemented:
            return made
    listed = "\n".join(f"  - tensor subclass {kind}" for kind in types)
    raise TypeError(
        f"Multiple dispatch failed for 'torch.{func.__name__}'; all __torch_function__ handlers returned "
        f"NotImplemented:\n\n{listed}"
    )


def answer(func: Callable, given: tuple[tuple[str, Any, Any, bool], ...]) -> Any:
    """What the classes of a call's arguments answer. ``given``: name, argument, default, keyword only; of arguments
    that are their defaults nothing is said.
    """
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    skipped = False
    for name, value, default, keyword in given:
        if value is default:
            skipped = True
        elif keyword or skipped:
            kwargs[name] = value
        else:
            args.append(value)
    return call(func, (*args, *kwargs.values()), tuple(args), kwargs)


def asking(plain: Callable) -> Callable:
    """The function, of one tensor and options, asking the tensor's class first."""

    @functools.wraps(plain)
    def ask(input: Any, **kwargs: Any) -> Any:
        if input.__class__ not in PLAIN and asks(input):
            return call(ask, (input,), (input,), kwargs)
        return plain(input, **kwargs)

    return ask


def _method(name: str, plain: Callable) -> Callable:
    shown = getattr(Tensor, _METHOD_OF.get(name, name))
    swapped = _REFLECTED.get(name)
    if shown is plain and name.startswith("__"):
        plain.__name__ = name

    @functools.wraps(plain)
    def asking(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _off.depth:
            return plain(self, *args, **kwargs)
        if swapped is not None and isinstance(args[0], Tensor):  # the left operand, a plain tensor
            return call(getattr(Tensor, swapped), (args[0], self), (args[0], self), kwargs)
        return call(shown, (self, *args, *kwargs.values()), (self, *args), kwargs)

    return asking


def _property(plain: property) -> property:
    def get(self: Any) -> Any:
        if _off.depth:
            return plain.__get__(self)
        return call(plain.__get__, (self,), (self,), {})

    return property(get, plain.fset, plain.fdel, plain.__doc__)


def subclassed(cls: Any, **kwargs: Any) -> None:
    """Called for each new subclass of Tensor: one that is to be asked gets methods that ask."""
    super(Tensor, cls).__init_subclass__(**kwargs)
    parents = [b for b in cls.__mro__[1:] if b is not Tensor and issubclass(b, Tensor)]
    own = cls.__dict__.get("__torch_function__")
    ours = cls.__module__.partition(".")[0] == "jtorch"
    if ours or own is disabled or (own is None and any(b in PLAIN for b in parents)):
        PLAIN.add(cls)
    elif all(b in PLAIN for b in parents):
        _ask_by_methods(cls)


def _ask_by_methods(cls: type) -> None:
    own = {name for b in cls.__mro__ if b not in (Tensor, object) for name in vars(b)}
    for name, value in list(vars(Tensor).items()):
        if name in own or name in _NOT_ASKED or (name.startswith("_") and not name.startswith("__")):
            continue
        if isinstance(value, property):
            setattr(cls, name, _property(value))
        elif isinstance(value, FunctionType):
            setattr(cls, name, _method(name, value))
