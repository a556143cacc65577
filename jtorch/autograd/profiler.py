"""Naming a stretch of the program in JAX's profiler (torch.autograd.profiler); traces are taken by ``jax.profiler``."""

import functools
from collections.abc import Callable
from typing import Any

import jax

__all__ = ["record_function"]


class record_function:
    """Gives what happens within the context, or in the decorated function, a name in a trace of ``jax.profiler``."""

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name
        self.args = args

    def __enter__(self) -> "record_function":
        self._annotation = jax.profiler.TraceAnnotation(self.name, **({} if self.args is None else {"args": self.args}))
        self._annotation.__enter__()
        return self

    def __exit__(self, *exc: Any) -> None:
        self._annotation.__exit__(*exc)

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name, self.args):
                return function(*args, **kwargs)

        return wrapped
