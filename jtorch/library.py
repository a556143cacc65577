"""``torch.library``: operators that a program adds, written in Python on tensors.

What a kernel does is recorded like everything else, so it can be compiled without a fake implementation.
"""

import inspect
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import jtorch
from jtorch import ops
from jtorch.autograd import Function
from jtorch.tensor.tensor import Tensor
from jtorch.utils._pytree import tree_iter

__all__ = ["CustomOpDef", "custom_op", "register_autograd", "register_fake", "register_kernel"]

_OPERATORS: dict[str, "CustomOpDef"] = {}


class CustomOpDef:
    """An operator: kernels, for all kinds of device or for some, and perhaps a derivative; see :func:`custom_op`."""

    def __init__(self, name: str, fn: Callable, mutates_args: str | Iterable[str], device_types: Any) -> None:
        self._qualname = name
        self._signature = inspect.signature(fn)
        self._mutates = bool(mutates_args)
        self._kernels: dict[str | None, Callable] = dict.fromkeys(_kinds(device_types), fn)
        self._backward: Callable | None = None
        self._setup: Callable | None = None
        self.__name__ = name.partition("::")[2]
        self.__doc__ = fn.__doc__

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    @property
    def default(self) -> "CustomOpDef":
        """The operator itself: it has one overload."""
        return self

    def register_kernel(self, device_types: Any, fn: Callable | None = None, /) -> Callable:
        """Run ``fn`` on tensors of these kinds of device; a decorator without it."""
        if fn is None:
            return lambda f: self.register_kernel(device_types, f)
        self._kernels.update(dict.fromkeys(_kinds(device_types), fn))
        return fn

    def register_fake(self, fn: Callable, /) -> Callable:
        """``fn`` itself: shapes and dtypes are those of what the kernel records."""
        return fn

    def register_autograd(self, backward: Callable, /, *, setup_context: Callable | None = None) -> None:
        """The derivative: ``backward(ctx, *grads)`` with what ``setup_context(ctx, inputs, output)`` has saved."""
        if self._mutates:
            raise RuntimeError(
                f"Cannot register autograd formula for non-functional operator {self}: it mutates its arguments."
            )
        self._backward, self._setup = backward, setup_context

    def _kernel(self, args: tuple) -> Callable:
        kind = next((x.device.type for x in tree_iter(args) if isinstance(x, Tensor)), "cpu")
        kernel = self._kernels.get(kind, self._kernels.get(None))
        if kernel is None:
            raise NotImplementedError(f"{self._qualname} has no kernel for the device {kind!r}")
        return kernel

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        kernel = self._kernel(bound.args)
        if self._mutates:
            with jtorch.no_grad():
                return kernel(*bound.args, **bound.kwargs)
        return _Differentiable.apply(self, kernel, bound.kwargs, *bound.args)


class _Differentiable(Function):
    """A call of an operator, as autograd sees it."""

    @staticmethod
    def forward(ctx: Any, op: CustomOpDef, kernel: Callable, kwargs: dict, *args: Any) -> Any:
        ctx.op = op
        output = kernel(*args, **kwargs)
        if op._setup is not None:
            names = {"keyword_only_inputs": kwargs} if kwargs else {}
            op._setup(ctx, args, output, **names)
        return output

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        if ctx.op._backward is None:
            raise NotImplementedError(
                f"Trying to backward through {ctx.op._qualname}.default but no autograd formula was registered. "
                "Please use register_autograd to add one."
            )
        found = ctx.op._backward(ctx, *grads)
        return (None, None, None, *(found if isinstance(found, tuple | list) else (found,)))


def _kinds(device_types: Any) -> Iterable[str | None]:
    """Kinds of device; None stands for all."""
    return [device_types] if device_types is None or isinstance(device_types, str) else device_types


def _find(op: str | CustomOpDef) -> CustomOpDef:
    if isinstance(op, CustomOpDef):
        return op
    if op not in _OPERATORS:
        raise RuntimeError(f"operator {op} does not exist")
    return _OPERATORS[op]


def custom_op(
    name: str,
    fn: Callable | None = None,
    /,
    *,
    mutates_args: str | Iterable[str],
    device_types: Any = None,
    schema: str | None = None,
    tags: Any = None,
) -> Any:
    """The operator ``namespace::name`` with ``fn`` as its kernel; a decorator without ``fn``.

    It is found under ``torch.ops.namespace.name`` too. The schema is told by the signature of ``fn``. ValueError for a
    name without a namespace.
    """
    if fn is None:
        return lambda f: custom_op(name, f, mutates_args=mutates_args, device_types=device_types, schema=schema)
    space, mark, rest = name.partition("::")
    if not mark:
        raise ValueError(f"Expected `name` to be of the form `namespace::name`, got {name}")
    op = _OPERATORS[name] = CustomOpDef(name, fn, mutates_args, device_types)
    if not hasattr(ops, space):
        setattr(ops, space, SimpleNamespace())
    setattr(getattr(ops, space), rest, op)
    return op


def register_kernel(
    op: str | CustomOpDef, device_types: Any, func: Callable | None = None, /, *, lib: Any = None
) -> Callable:
    """A kernel of an operator for some kinds of device; a decorator without ``func``."""
    return _find(op).register_kernel(device_types, func)


def register_fake(
    op: str | CustomOpDef,
    func: Callable | None = None,
    /,
    *,
    lib: Any = None,
    _stacklevel: int = 1,
    allow_override: bool = True,
) -> Callable:
    """What an operator's result looks like, which jtorch knows from its kernel; a decorator without ``func``."""
    return _find(op).register_fake if func is None else _find(op).register_fake(func)


def register_autograd(
    op: str | CustomOpDef, backward: Callable, /, *, setup_context: Callable | None = None, lib: Any = None
) -> None:
    """The derivative of an operator; see :meth:`CustomOpDef.register_autograd`."""
    _find(op).register_autograd(backward, setup_context=setup_context)
