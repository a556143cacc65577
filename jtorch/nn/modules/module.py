"""``torch.nn.Module``: registration of parameters, buffers and submodules, attribute access, calls and repr.

Walking the tree, saving and loading, conversion and hooks are in files of their own, as parts the class is made of.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import jtorch
from jtorch.nn.modules import _changes, _hooks
from jtorch.nn.modules._conversion import ConversionMethods
from jtorch.nn.modules._hooks import (
    HookMethods,
    _global_backward_hooks,
    _global_backward_pre_hooks,
    _global_buffer_registration_hooks,
    _global_forward_hooks,
    _global_forward_pre_hooks,
    _global_module_registration_hooks,
    _global_parameter_registration_hooks,
    _WrappedHook,
    register_module_backward_hook,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from jtorch.nn.modules._state import _EXTRA_STATE_KEY_SUFFIX, StateMethods, _IncompatibleKeys
from jtorch.nn.modules._traversal import TraversalMethods
from jtorch.nn.parameter import Buffer, Parameter
from jtorch.tensor.tensor import Tensor

__all__ = [
    "register_module_forward_pre_hook",
    "register_module_forward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_backward_hook",
    "register_module_full_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
    "Module",
]

# Also looked up here by pickles and by code written for torch.
_ = (_hooks, _WrappedHook, _EXTRA_STATE_KEY_SUFFIX, _IncompatibleKeys)


def _addindent(text: str, spaces: int) -> str:
    """Indent every line but the first."""
    return text.replace("\n", "\n" + " " * spaces)


def _check_name(owner: Any, name: Any, kind: str, known: dict) -> None:
    """Raise torch's error for a name that a parameter, buffer or module cannot have."""
    if not isinstance(name, str):
        raise TypeError(f"{kind} name should be a string. Got {jtorch.typename(name)}")
    if kind == "module":
        _check_free(owner, name, known)
    if "." in name:
        got = f", got: {name}" if kind == "module" else ""
        raise KeyError(f'{kind} name can\'t contain "."{got}')
    if name == "":
        raise KeyError(f'{kind} name can\'t be empty string ""')
    _check_free(owner, name, known)


def _check_free(owner: Any, name: str, known: dict) -> None:
    if hasattr(owner, name) and name not in known:
        raise KeyError(f"attribute '{name}' already exists")


class Module(TraversalMethods, StateMethods, ConversionMethods, HookMethods):
    """Base class of all neural network modules (``torch.nn.Module``).

    A subclass calls ``super().__init__()`` first, assigns its parameters, buffers and submodules as attributes, and
    implements ``forward``. Calling the module runs ``forward`` and its hooks.
    """

    dump_patches: bool = False
    training: bool
    call_super_init: bool = False
    _compiled_call_impl: Callable | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init:
            init = f"{type(self).__name__}.__init__()"
            if kwargs:
                raise TypeError(f"{init} got an unexpected keyword argument '{next(iter(kwargs))}'")
            if args:
                raise TypeError(f"{init} takes 1 positional argument but {len(args) + 1} were given")
        # Straight into the dict: none of this needs the care of __setattr__.
        self.__dict__.update(
            training=True,
            _parameters={},
            _buffers={},
            _non_persistent_buffers_set=set(),
            _backward_pre_hooks=OrderedDict(),
            _backward_hooks=OrderedDict(),
            _is_full_backward_hook=None,
            _forward_hooks=OrderedDict(),
            _forward_hooks_with_kwargs=OrderedDict(),
            _forward_hooks_always_called=OrderedDict(),
            _forward_pre_hooks=OrderedDict(),
            _forward_pre_hooks_with_kwargs=OrderedDict(),
            _state_dict_hooks=OrderedDict(),
            _state_dict_pre_hooks=OrderedDict(),
            _load_state_dict_pre_hooks=OrderedDict(),
            _load_state_dict_post_hooks=OrderedDict(),
            _modules={},
        )
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    # Calls

    def forward(self, *input: Any) -> Any:
        """The computation: every subclass overrides it."""
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if (
            self._backward_hooks
            or self._backward_pre_hooks
            or self._forward_hooks
            or self._forward_pre_hooks
            or _global_forward_hooks
            or _global_forward_pre_hooks
            or _global_backward_hooks
            or _global_backward_pre_hooks
            or self._compiled_call_impl is not None
        ):
            return (self._compiled_call_impl or self._call_impl)(*args, **kwargs)
        return self.forward(*args, **kwargs)

    _wrapped_call_impl = __call__

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile the module's call in place with ``torch.compile``, which takes the arguments."""
        self._compiled_call_impl = jtorch.compile(self._call_impl, *args, **kwargs)

    # Registration

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a buffer: a tensor that belongs to the module's state and is no parameter.

        It moves with the module; ``persistent=False`` keeps it out of ``state_dict``. Raises TypeError or KeyError for
        a name that is taken or no identifier, and for what is no tensor.
        """
        if "_buffers" not in self.__dict__:
            raise AttributeError("cannot assign buffer before Module.__init__() call")
        _check_name(self, name, "buffer", self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{jtorch.typename(tensor)}' object to buffer '{name}' (torch Tensor or None required)"
            )
        for hook in _global_buffer_registration_hooks.values():
            new = hook(self, name, tensor)
            tensor = tensor if new is None else new
        _changes.note()
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter, or None to say that there is none of this name."""
        if "_parameters" not in self.__dict__:
            raise AttributeError("cannot assign parameter before Module.__init__() call")
        _check_name(self, name, "parameter", self._parameters)
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot assign '{jtorch.typename(param)}' object to parameter '{name}' "
                    "(torch.nn.Parameter or None required)"
                )
            if param.grad_fn is not None:
                raise ValueError(
                    f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created explicitly."
                    " To express a parameter as a function of another Tensor, compute the value in the forward() "
                    "method."
                )
        for hook in _global_parameter_registration_hooks.values():
            new = hook(self, name, param)
            param = param if new is None else new
        _changes.note()
        self._parameters[name] = param

    def add_module(self, name: str, module: "Module | None") -> None:
        """Add a child module, or None to say that there is none of this name."""
        if not isinstance(module, Module) and module is not None:
            raise TypeError(f"{jtorch.typename(module)} is not a Module subclass")
        _check_name(self, name, "module", self._modules)
        for hook in _global_module_registration_hooks.values():
            new = hook(self, name, module)
            module = module if new is None else new
        _changes.note()
        self._modules[name] = module

    def register_module(self, name: str, module: "Module | None") -> None:
        """The same as :meth:`add_module`."""
        self.add_module(name, module)

    # Attributes

    def __getattr__(self, name: str) -> Any:
        # Only called for what is not in the instance's dict: parameters, buffers and submodules.
        state = self.__dict__
        if "_parameters" in state:
            if name in state["_parameters"]:
                return state["_parameters"][name]
            if name in state["_buffers"]:
                return state["_buffers"][name]
            if name in state["_modules"]:
                return state["_modules"][name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        _changes.note()
        state = self.__dict__
        params = state.get("_parameters")
        if isinstance(value, Parameter):
            if params is None:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            _discard(name, state, state["_buffers"], state["_modules"], state["_non_persistent_buffers_set"])
            self.register_parameter(name, value)
        elif params is not None and name in params:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{jtorch.typename(value)}' as parameter '{name}' "
                    "(torch.nn.Parameter or None expected)"
                )
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            if params is None:
                raise AttributeError("cannot assign module before Module.__init__() call")
            _discard(name, state, params, state["_buffers"], state["_non_persistent_buffers_set"])
            self._set_module(name, value)
        elif params is not None and name in state["_modules"]:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{jtorch.typename(value)}' as child module '{name}' "
                    "(torch.nn.Module or None expected)"
                )
            self._set_module(name, value)
        elif params is not None and name in state["_buffers"]:
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(
                    f"cannot assign '{jtorch.typename(value)}' as buffer '{name}' "
                    "(torch.nn.Buffer, torch.Tensor or None expected)"
                )
            self._set_buffer(name, value)
        elif isinstance(value, Buffer):
            if params is None:
                raise AttributeError("cannot assign buffer before Module.__init__() call")
            _discard(name, state, params, state["_modules"])
            self._set_buffer(name, value)
        else:
            super().__setattr__(name, value)

    def _set_module(self, name: str, value: "Module | None") -> None:
        for hook in _global_module_registration_hooks.values():
            new = hook(self, name, value)
            value = value if new is None else new
        self._modules[name] = value

    def _set_buffer(self, name: str, value: Any) -> None:
        if isinstance(value, Buffer) and name not in self._buffers:
            self.register_buffer(name, value, value.persistent)
            return
        if isinstance(value, Buffer):
            (self._non_persistent_buffers_set.discard if value.persistent else self._non_persistent_buffers_set.add)(
                name
            )
        for hook in _global_buffer_registration_hooks.values():
            new = hook(self, name, value)
            value = value if new is None else new
        self._buffers[name] = value

    def __delattr__(self, name: str) -> None:
        _changes.note()
        if name in self._parameters:
            del self._parameters[name]
        elif name in self._buffers:
            del self._buffers[name]
            self._non_persistent_buffers_set.discard(name)
        elif name in self._modules:
            del self._modules[name]
        else:
            super().__delattr__(name)

    def __dir__(self) -> list[str]:
        names = {*dir(type(self)), *self.__dict__, *self._parameters, *self._modules, *self._buffers}
        return sorted(n for n in names if not n[:1].isdigit())

    # Copies and pickles

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state.pop("_compiled_call_impl", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # Files written by older versions lack what was added since.
        for name in (
            "_forward_pre_hooks",
            "_forward_pre_hooks_with_kwargs",
            "_forward_hooks_with_kwargs",
            "_forward_hooks_always_called",
            "_state_dict_hooks",
            "_state_dict_pre_hooks",
            "_load_state_dict_pre_hooks",
            "_load_state_dict_post_hooks",
            "_backward_pre_hooks",
        ):
            self.__dict__.setdefault(name, OrderedDict())
        self.__dict__.setdefault("_non_persistent_buffers_set", set())
        self.__dict__.setdefault("_is_full_backward_hook", None)

    # Repr

    def extra_repr(self) -> str:
        """What the module says of itself in its repr, beside its children."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): {_addindent(repr(module), 2)}" for name, module in self._modules.items()]
        if not children and len(lines) == 1:
            return f"{self._get_name()}({lines[0]})"
        inner = "\n  ".join(lines + children)
        return f"{self._get_name()}(\n  {inner}\n)" if inner else f"{self._get_name()}()"


def _discard(name: str, *places: Any) -> None:
    """Remove ``name`` from each dict or set that has it."""
    for place in places:
        if isinstance(place, dict):
            place.pop(name, None)
        else:
            place.discard(name)
