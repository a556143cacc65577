"""Functions that carry their own derivatives, where torch's convention is not the one JAX would take."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero


def with_partials(*partials: Callable | None) -> Callable[[Callable], Callable]:
    """Decorate an elementwise function: ``partials`` says, for each argument, the partial derivative by it.

    A partial is called as ``partial(result, *arguments)``; None stands for a derivative that is 0 everywhere. Each is
    only computed for an argument that is differentiated, so that a NaN in one does not spoil the others.
    """

    def decorate(fn: Callable) -> Callable:
        def rule(primals: tuple, tangents: tuple) -> tuple[Any, Any]:
            result: Any = function(*primals)
            step = jnp.zeros_like(result)
            for partial, tangent in zip(partials, tangents, strict=True):
                if partial is not None and not isinstance(tangent, SymbolicZero):
                    step += (partial(result, *primals) * tangent).astype(result.dtype)
            return result, step

        function = jax.custom_jvp(fn)
        function.defjvp(rule, symbolic_zeros=True)
        return wraps(fn)(lambda *args: function(*args))

    return decorate


def without_derivative(error: Exception) -> Callable[[Callable], Callable]:
    """Decorate a function of arrays that has no derivative: differentiating it raises ``error``.

    Of an operator's own implementation the engine knows it too, and raises at the call of ``backward``.
    """

    def decorate(fn: Callable) -> Callable:
        guarded = jax.custom_jvp(fn)

        @guarded.defjvp
        def refuse(primals: tuple, tangents: tuple) -> Any:
            raise error

        guarded.no_derivative = error  # type: ignore[attr-defined]
        return guarded

    return decorate
