"""What a torch file may make: the allow-list behind torch.load.

Two lists. ``weights_only=True`` allows what torch allows: tensors, containers, numbers, and what the user registered.
The default allows more, and still nothing that a file could use to run code: NumPy data, a few more containers, the
pure functions of torch.nn.functional, and objects of nn.Module classes that the running program has already defined.
Such an object is made by ``object.__new__(cls)`` and given its ``__dict__`` (or passed to its class's
``__setstate__``); its class is looked up, never imported, and never called.
"""

import _compat_pickle
import codecs
import collections
from collections.abc import Callable
from functools import cache
from pickle import UnpicklingError
from typing import Any

import numpy as np

import jtorch
from jtorch import _tensor, _utils
from jtorch.serialization import numpy_state
from jtorch.serialization.names import find_defined, is_operator, own_modules
from jtorch.serialization.safe_globals import registered_names
from jtorch.serialization.storage import STORAGE_TYPES
from jtorch.serialization.unpickler import check_key
from jtorch.tensor.device import layout
from jtorch.tensor.dtype import BY_NAME

_BLOCKED = ("sys", "os", "posix", "nt")


class Call:
    """A function that a file may call and do nothing else with: what is left of it in an object cannot be called."""

    __slots__ = ("name", "run")

    def __init__(self, name: str, run: Callable[[tuple], Any]) -> None:
        self.name = name
        self.run = run

    def __repr__(self) -> str:
        return self.name


# -- constructors, each taking only what its pickles hold


def _only(args: tuple, *kinds: Any) -> tuple:
    """``args`` if they are of these types, exactly (a tuple of types: one of them)."""
    if len(args) != len(kinds):
        raise UnpicklingError(f"{len(args)} arguments where {len(kinds)} belong")
    for x, kind in zip(args, kinds, strict=True):
        if type(x) not in (kind if isinstance(kind, tuple) else (kind,)):
            raise UnpicklingError(f"an argument is of type {type(x).__name__}")
    return args


_SEQUENCE = (list, tuple)
_ITERABLE = (list, tuple, set, frozenset, dict)


def _pairs(kind: type) -> Callable[[tuple], Any]:
    def build(args: tuple) -> Any:
        made = kind()
        if args:
            (items,) = _only(args, (list, tuple, dict))
            for key, value in items.items() if type(items) is dict else items:
                made[check_key(key)] = value
        return made

    return build


def _members(kind: type) -> Callable:
    return lambda args: kind(map(check_key, _only(args, _ITERABLE)[0])) if args else kind()


def _items(kind: type) -> Callable:
    return lambda args: kind(_only(args, _ITERABLE)[0]) if args else kind()


def _defaultdict(args: tuple) -> Any:
    factory = args[0] if args else None
    if len(args) > 1 or not (factory is None or (isinstance(factory, type) and factory in _FACTORIES)):
        raise UnpicklingError("a defaultdict makes its values by something other than a plain type")
    return collections.defaultdict(factory)


_FACTORIES = (list, dict, set, tuple, int, float, str, bool, complex, collections.OrderedDict, collections.Counter)


def _deque(args: tuple) -> Any:
    items, maxlen = _only(args if len(args) == 2 else (*args, None), _SEQUENCE, (int, type(None)))
    return collections.deque(items, maxlen)


def _bytearray(args: tuple) -> bytearray:
    if len(args) == 2:
        text, encoding = _only(args, str, str)
        return bytearray(_latin1((text, encoding)))
    return bytearray(_only(args, (bytes, bytearray))[0]) if args else bytearray()


def _latin1(args: tuple) -> bytes:
    text, encoding = _only(args, str, str)
    if codecs.lookup(encoding).name not in ("iso8859-1", "ascii", "utf-8"):
        raise UnpicklingError(f"bytes encoded as {encoding!r}")
    return text.encode(encoding)


def _size(args: tuple) -> Any:
    (sizes,) = _only(args, (tuple, list))
    if any(type(n) is not int for n in sizes):
        raise UnpicklingError("a torch.Size of something other than integers")
    return jtorch.Size(sizes)


def _layout(args: tuple) -> Any:
    (name,) = _only(args, str)
    found = getattr(jtorch, name.removeprefix("torch."), None)
    if not isinstance(found, layout):
        raise UnpicklingError(f"a tensor layout named {name!r}")
    return found


def _tensor_of_type(args: tuple) -> Any:
    function, kind, inner, state = args
    if not isinstance(function, Call) or not function.name.startswith("torch._utils._rebuild_"):
        raise UnpicklingError("a tensor rebuilt by something other than torch's functions")
    if kind not in (jtorch.Tensor, jtorch.nn.Parameter, *registered_names().values()):
        raise UnpicklingError(f"a tensor of type {kind!r}")
    (inner,) = _only((inner,), tuple)
    return _tensor._rebuild_from_type_v2(lambda *a: function.run(a), kind, inner, state)


def _uninitialized(args: tuple) -> Any:
    requires_grad, device, dtype = args
    return jtorch.nn.UninitializedParameter(bool(requires_grad), device=device, dtype=dtype)


def _operator(args: tuple) -> Any:
    """``getattr(torch._C._VariableFunctionsClass, "relu")``, as pickles call torch.relu."""
    owner, name = _only(args, Call, str)
    found = find_defined("jtorch", name)
    if owner is not _FUNCTIONS or not is_operator("jtorch", name, found):
        raise UnpicklingError("Trying to load unsupported GLOBAL getattr")
    return found


def _not_to_be_called(args: tuple) -> Any:
    raise UnpicklingError("Trying to call reduce for unrecognized function torch._C._VariableFunctionsClass")


_FUNCTIONS = Call("torch._C._VariableFunctionsClass", _not_to_be_called)

# Types whose objects files make by calling them.
_CONSTRUCTORS: dict[Any, Callable[[tuple], Any]] = {
    collections.OrderedDict: _pairs(collections.OrderedDict),
    collections.Counter: _pairs(collections.Counter),
    collections.defaultdict: _defaultdict,
    collections.deque: _deque,
    dict: _pairs(dict),
    set: _members(set),
    frozenset: _members(frozenset),
    list: _items(list),
    tuple: _items(tuple),
    bytearray: _bytearray,
    complex: lambda args: complex(*_only(args, (float, int), (float, int))),
    slice: lambda args: slice(*_only(args, *[(int, type(None))] * 3)),
    range: lambda args: range(*_only(args, int, int, int)),
    jtorch.Size: _size,
    jtorch.device: lambda args: jtorch.device(*_only(args, *(str, int)[: len(args)])),
    np.dtype: numpy_state.make_dtype,
}


def _star(run: Callable) -> Callable[[tuple], Any]:
    return lambda args: run(*args)


_CALLS: dict[str, Callable[[tuple], Any]] = {
    "_codecs.encode": _latin1,
    "torch.serialization._get_layout": _layout,
    "torch._tensor._rebuild_from_type_v2": _tensor_of_type,
    **{
        f"torch._utils.{name}": _star(getattr(_utils, name))
        for name in (
            "_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter",
            "_rebuild_parameter_with_state", "_rebuild_meta_tensor_no_storage", "_rebuild_device_tensor_from_numpy",
        )
    },
}  # fmt: skip
_ABSENT_KINDS = ("_rebuild_sparse_tensor", "_rebuild_qtensor", "_rebuild_nested_tensor", "_rebuild_wrapper_subclass")

_MORE_CALLS: dict[str, Callable[[tuple], Any]] = {
    "builtins.getattr": _operator,
    "torch.nn.parameter.UninitializedParameter": _uninitialized,
    **{
        f"numpy.{core}.{name}": run
        for core in ("core", "_core")
        for name, run in (
            ("multiarray.scalar", numpy_state.make_scalar),
            ("multiarray._reconstruct", numpy_state.make_array),
            ("numeric._frombuffer", numpy_state.make_from_buffer),
        )
    },
}


def _absent(name: str) -> Callable:
    def refuse(args: tuple) -> Any:
        raise NotImplementedError(f"{name}: jtorch has no such tensors (sparse, quantised, nested)")

    return refuse


@cache
def _weights_table() -> dict[str, Any]:
    """What ``weights_only=True`` allows, by full name."""
    table: dict[str, Any] = {
        **{f"torch.{name}": dtype for name, dtype in BY_NAME.items()},
        **STORAGE_TYPES,
        **{name: Call(name, run) for name, run in _CALLS.items()},
        **{f"torch._utils.{n}": Call(n, _absent(f"torch._utils.{n}")) for n in _ABSENT_KINDS},
        "torch.Size": jtorch.Size,
        "torch.device": jtorch.device,
        "torch.Tensor": jtorch.Tensor,
        "torch.nn.parameter.Parameter": jtorch.nn.Parameter,
        "collections.OrderedDict": collections.OrderedDict,
        "collections.Counter": collections.Counter,
        "builtins.bytearray": bytearray,
        "builtins.set": set,
        "builtins.complex": complex,
    }
    for kind in ("Float", "Double", "Half", "BFloat16", "Byte", "Char", "Short", "Int", "Long", "Bool"):
        if (found := getattr(jtorch, f"{kind}Tensor", None)) is not None:
            table[f"torch.{kind}Tensor"] = found
    return table


@cache
def _default_table() -> dict[str, Any]:
    """What is allowed by default, beyond the program's own modules."""
    types = (frozenset, list, dict, tuple, slice, range, int, float, str, bool, bytes, object)
    return {
        **_weights_table(),
        **{name: Call(name, run) for name, run in _MORE_CALLS.items()},
        **{f"builtins.{t.__name__}": t for t in types},
        "collections.defaultdict": collections.defaultdict,
        "collections.deque": collections.deque,
        "numpy.dtype": np.dtype,
        "numpy.ndarray": np.ndarray,
        _FUNCTIONS.name: _FUNCTIONS,
    }


def allowed_names() -> set[str]:
    """The full names that ``weights_only=True`` allows now."""
    return {*_weights_table(), *registered_names()}


class Restricted:
    """The policy of torch.load. ``persistent`` turns a persistent id into what it stands for."""

    def __init__(self, persistent: Callable[[Any], Any], *, weights_only: bool) -> None:
        self.persistent = persistent
        self._weights_only = weights_only
        self._table = _weights_table() if weights_only else _default_table()
        self._registered = registered_names()
        self._unbuilt: dict[int, Any] = {}

    # -- globals

    def find(self, module: str, name: str) -> Any:
        """What a global stands for; raises UnpicklingError for what is not allowed."""
        module, name = _python3_name(module, name)
        if module in _BLOCKED:
            raise UnpicklingError(
                f"Trying to load unsupported GLOBAL {module}.{name} whose module {module} is blocked."
            )
        full = f"{module}.{name}"
        for table in (self._table, self._registered):
            if full in table:
                return table[full]
        if not self._weights_only:
            for place in own_modules(module):
                found = find_defined(place, name)
                if isinstance(found, type) and issubclass(found, jtorch.nn.Module):
                    return found
                if is_operator(place, name, found):
                    return found
        raise UnpicklingError(self._refusal(module, full))

    def _refusal(self, module: str, full: str) -> str:
        shown = full.removeprefix("builtins.")
        told = (
            f"Unsupported global: GLOBAL {shown} was not an allowed global by default. Please use "
            f"`torch.serialization.add_safe_globals([{shown}])` or the `torch.serialization.safe_globals([{shown}])` "
            "context manager to allowlist this global if you trust this class/function."
        )
        if self._weights_only or module.partition(".")[0] in ("torch", "builtins"):
            return told
        return (
            f"{told} If it is the class of a saved model, it is not defined in this program: define or import "
            "it before torch.load, under the name that the file knows it by."
        )

    # -- objects

    def call(self, function: Any, args: tuple) -> Any:
        """The result of a call that the file asks for."""
        if isinstance(function, Call):
            return function.run(args)
        maker = _CONSTRUCTORS.get(function) if isinstance(function, type) else None
        if maker is not None:
            return maker(args)
        if self._is_registered(function):
            return function(*args)
        shown = function.__name__ if isinstance(function, type) else type(function).__name__
        raise UnpicklingError(f"Trying to call reduce for unrecognized function {shown}")

    def new(self, cls: Any, args: tuple, kwargs: dict) -> Any:
        """A new object without state."""
        if self._is_registered(cls) and isinstance(cls, type):
            made: Any = cls.__new__(cls, *args, **kwargs)  # type: ignore[call-overload]
        elif isinstance(cls, type) and issubclass(cls, jtorch.nn.Module) and not self._weights_only:
            if args or kwargs:
                raise UnpicklingError(f"Trying to create a {cls.__name__} with arguments")
            made = object.__new__(cls)
        elif cls in _CONSTRUCTORS if isinstance(cls, type) else False:
            return _CONSTRUCTORS[cls](args)
        else:
            shown = cls.__name__ if isinstance(cls, type) else type(cls).__name__
            raise UnpicklingError(f"Trying to create new object for unrecognized class {shown}")
        self._unbuilt[id(made)] = made
        return made

    def build(self, instance: Any, state: Any) -> None:
        """Give an object its state."""
        kind = type(instance)
        if kind is collections.OrderedDict:
            instance.__dict__.update(_attributes(state))
        elif kind is np.ndarray and not self._weights_only:
            numpy_state.build_array(instance, state)
        elif isinstance(instance, np.dtype) and not self._weights_only:
            numpy_state.build_dtype(instance, state)
        elif self._unbuilt.pop(id(instance), None) is instance or self._is_registered(kind):
            _set_state(instance, state)
        else:
            raise UnpicklingError(
                "Can only build Tensor, Parameter, OrderedDict or types allowlisted via `add_safe_globals`, but got "
                f"{kind}"
            )

    def _is_registered(self, obj: Any) -> bool:
        return any(obj is x for x in self._registered.values())


def _python3_name(module: str, name: str) -> tuple[str, str]:
    module, name = _compat_pickle.NAME_MAPPING.get((module, name), (module, name))
    return _compat_pickle.IMPORT_MAPPING.get(module, module), name


def _attributes(state: Any) -> dict[str, Any]:
    """A dict of attributes; raises UnpicklingError where a name is one of Python's own."""
    if type(state) not in (dict, collections.OrderedDict):
        raise UnpicklingError(f"the state of an object is no dict but {type(state)}")
    for name in state:
        if type(name) is not str or (name.startswith("__") and name.endswith("__")):
            raise UnpicklingError(f"the state of an object has the attribute {name!r}"[:200])
    return state


def _set_state(instance: Any, state: Any) -> None:
    kind = type(instance)
    setter = getattr(kind, "__setstate__", None)  # of the class: what a file put into the object has no say
    if setter is not None:
        if type(state) is dict:
            _attributes(state)
        setter(instance, state)
        return
    parts = state if type(state) is tuple and len(state) == 2 else (state, None)
    if parts[0]:
        instance.__dict__.update(_attributes(parts[0]))
    for name, value in _attributes(parts[1]).items() if parts[1] else ():
        setattr(instance, name, value)
