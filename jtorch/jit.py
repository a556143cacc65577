"""torch.jit: programs that mark their functions for TorchScript run as they are.

jtorch records and compiles what a program does; TorchScript's own language, files and graphs do not exist here. So
``script`` gives back what it was given, and ``trace`` what :func:`jtorch.compile` makes of it: both compute the same
numbers as the Python code, which still decides at each call what to do. The module can be called too: see ``_Jit``.
"""

import builtins
import sys
import typing
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

import jtorch
from jtorch.absent import Absent
from jtorch.nn.modules.module import Module

__all__ = [
    "Final", "ScriptFunction", "ScriptModule", "annotate", "export", "freeze", "ignore", "is_scripting", "is_tracing",
    "isinstance", "load", "optimize_for_inference", "save", "script", "script_if_tracing", "script_method", "trace",
    "trace_module", "unused",
]  # fmt: skip

_isinstance = builtins.isinstance


class ScriptModule(Module):
    """A module that is written for TorchScript: here a module as any other."""


class ScriptFunction:
    """The class of TorchScript's functions, for ``isinstance``: jtorch makes none. Raises NotImplementedError."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            "jtorch: jit.ScriptFunction; functions are compiled from what they do, not their text"
        )


def script(
    obj: Any,
    optimize: None = None,
    _frames_up: int = 0,
    _rcb: Callable[[str], Any] | None = None,
    example_inputs: Any = None,
) -> Any:
    """``obj`` itself: a function, module or class runs as it is. Raises RuntimeError for what cannot be called."""
    if not callable(obj):
        raise RuntimeError(f"jtorch: jit.script of a {type(obj).__name__}; it takes functions, modules and classes")
    return obj


def trace(
    func: Any,
    example_inputs: Any = None,
    optimize: None = None,
    check_trace: bool = True,
    check_inputs: Any = None,
    check_tolerance: float = 1e-5,
    strict: bool = True,
    *,
    example_kwarg_inputs: dict[str, Any] | None = None,
) -> Any:
    """A function as :func:`jtorch.compile` makes it, a module itself; either is run once on the example inputs.

    Where torch's trace keeps the branch that the example took, this one looks again at each call.
    """
    given = (
        example_inputs if _isinstance(example_inputs, tuple) else () if example_inputs is None else (example_inputs,)
    )
    made = func if _isinstance(func, Module) else jtorch.compile(func)
    with jtorch.no_grad():
        func(*given, **(example_kwarg_inputs or {}))
    return made


def trace_module(mod: Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Module:
    """The module itself, each of the named methods run once on its example inputs."""
    for name, given in inputs.items():
        with jtorch.no_grad():
            getattr(mod, name)(*(given if _isinstance(given, tuple) else (given,)))
    return mod


def freeze(mod: Module, preserved_attrs: list[str] | None = None, optimize_numerics: bool = True) -> Module:
    """The module itself: XLA folds constants when it compiles. Raises RuntimeError for one in training mode."""
    if mod.training:
        raise RuntimeError(
            "Freezing is currently only implemented for modules in eval mode. Please call .eval() on your module "
            "before freezing."
        )
    return mod


def optimize_for_inference(mod: Module, other_methods: list[str] | None = None) -> Module:
    """The module itself: XLA optimizes what runs."""
    return mod


# -- marks on functions, which mean something to a script compiler only


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """The function itself; as ``@ignore`` and as ``@ignore(drop=...)``."""
    return drop if callable(drop) else lambda fn: fn


def unused(fn: Callable) -> Callable:
    """The function itself."""
    return fn


def export(fn: Callable) -> Callable:
    """The function itself."""
    return fn


def script_method(fn: Callable) -> Callable:
    """The function itself."""
    return fn


def script_if_tracing(fn: Callable) -> Callable:
    """The function itself."""
    return fn


def is_scripting() -> bool:
    """False: the code that asks runs as Python."""
    return False


def is_tracing() -> bool:
    """False: the code that asks runs as Python."""
    return False


def annotate(the_type: Any, the_value: Any) -> Any:
    """The value."""
    return the_value


def isinstance(obj: Any, target_type: Any) -> bool:
    """Whether ``obj`` is of a type, which may be one of typing's, such as ``List[int]`` (its items are looked at)."""
    if _isinstance(target_type, tuple):
        return any(isinstance(obj, each) for each in target_type)
    origin, inner = typing.get_origin(target_type), typing.get_args(target_type)
    if origin is None:
        return target_type is Any or _isinstance(obj, type(None) if target_type is None else target_type)
    if not _isinstance(origin, type) or origin.__name__ == "UnionType":
        return any(isinstance(obj, each) for each in inner)
    if not _isinstance(obj, origin):
        return False
    if origin is dict:
        return all(isinstance(k, inner[0]) and isinstance(v, inner[1]) for k, v in obj.items())
    if origin is tuple and Ellipsis not in inner:
        return len(obj) == len(inner) and all(map(isinstance, obj, inner))
    return all(isinstance(each, inner[0]) for each in obj)


_NO_FILES = "TorchScript's files hold code of its own language; save a state_dict, or export with jtorch.export"
save = Absent("jit.save()", _NO_FILES)
load = Absent("jit.load()", _NO_FILES)


class _Jit(ModuleType):
    """This module's class: called, ``jtorch.jit(step)`` makes a whole training step one program."""

    def __call__(self, step: Callable) -> Callable:
        """See :class:`jtorch.whole.WholeStep`."""
        from jtorch.whole import WholeStep

        return WholeStep(step)


sys.modules[__name__].__class__ = _Jit
