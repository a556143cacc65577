"""torch.overrides: helpers for functions and classes that take part in ``__torch_function__``."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

from jtorch.tensor import overriding as _overriding
from jtorch.tensor.tensor import Tensor

__all__ = [
    "handle_torch_function", "has_torch_function", "is_tensor_like", "is_tensor_method_or_property",
    "wrap_torch_function",
]  # fmt: skip


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether some argument is of a class to be asked: a subclass of Tensor, or one with ``__torch_function__``."""
    return not _overriding._off.depth and bool(_overriding.overloaded(relevant_args))


def has_torch_function_unary(x: Any) -> bool:
    """``has_torch_function`` of one argument."""
    return has_torch_function((x,))


def has_torch_function_variadic(*args: Any) -> bool:
    """``has_torch_function`` of its arguments."""
    return has_torch_function(args)


def handle_torch_function(public_api: Callable, relevant_args: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
    """Ask the classes of ``relevant_args`` in turn; raises TypeError where none has an answer."""
    return _overriding.call(public_api, relevant_args, args, kwargs)


def wrap_torch_function(dispatcher: Callable[..., Iterable[Any]]) -> Callable[[Callable], Callable]:
    """Makes a function ask the classes of the arguments that ``dispatcher`` picks."""

    def wrap(func: Callable) -> Callable:
        @functools.wraps(func)
        def asking(*args: Any, **kwargs: Any) -> Any:
            relevant = dispatcher(*args, **kwargs)
            if has_torch_function(relevant):
                return handle_torch_function(asking, relevant, *args, **kwargs)
            return func(*args, **kwargs)

        return asking

    return wrap


def is_tensor_like(inp: Any) -> bool:
    """Whether it is a Tensor, or of a class with ``__torch_function__``."""
    return isinstance(inp, Tensor) or hasattr(inp, "__torch_function__")


def is_tensor_method_or_property(func: Callable) -> bool:
    """Whether it is a method of Tensor, or reads or writes one of its properties."""
    if getattr(func, "__name__", "") in ("__get__", "__set__"):
        return isinstance(getattr(func, "__self__", None), property)
    return getattr(Tensor, getattr(func, "__name__", ""), None) is func
