"""Puts the operators on the Tensor class: methods from the op table, composites, and Python's own operators."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jtorch.engine.op import NUMBERS
from jtorch.engine.value import Value, from_array
from jtorch.tensor import call, factories, getitem, legacy, methods, overriding, random
from jtorch.tensor.bind import Mismatch, composites, namespace
from jtorch.tensor.tensor import Tensor

# Python's operator -> the method behind it; those with a reflected form are marked
_BINARY = {
    "add": "add", "mul": "mul", "sub": "sub", "truediv": "div", "floordiv": "floor_divide", "mod": "remainder",
    "pow": "pow", "matmul": "matmul", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
    "lshift": "bitwise_left_shift", "rshift": "bitwise_right_shift",
}  # fmt: skip
_COMPARE = {"eq": "eq", "ne": "ne", "lt": "lt", "le": "le", "gt": "gt", "ge": "ge"}
_UNARY = {"neg": "neg", "pos": "positive", "abs": "abs"}
_OPERANDS = (Tensor, *NUMBERS, np.generic, np.ndarray, jax.Array, jax.core.Tracer)


def _binary(method: Callable) -> Callable:
    def apply(self: Tensor, other: Any) -> Any:
        try:
            return method(self, other)
        except Mismatch:
            return NotImplemented

    quick: Any = getattr(method, "quick", None)
    return apply if quick is None else call.fast(quick[0], quick[1], apply)


def _inplace_operator(name: str) -> Callable:
    def apply(self: Tensor, other: Any) -> Tensor:
        return getattr(self, name)(other)

    return apply


def install() -> None:
    """Complete the Tensor class."""
    Tensor.__new__ = legacy.new  # type: ignore[assignment, method-assign]
    Tensor.new = legacy.new_like  # type: ignore[attr-defined]
    table = namespace("Tensor")
    for name, fn in table.items():
        setattr(Tensor, name, fn)
    for name, fn in {**factories.METHODS, **methods.METHODS, **getitem.METHODS, **random.METHODS}.items():
        fn.__name__ = name
        setattr(Tensor, name, fn)
    for name, fn in methods.PROPERTIES.items():
        setattr(Tensor, name, property(fn))
    for name, fn in composites("Tensor").items():
        setattr(Tensor, name, fn)
    functions = namespace("torch")
    for name in ("real", "imag"):
        setattr(Tensor, name, property(functions[name], _part_setter(name)))
    for python, name in {**_BINARY, **_COMPARE}.items():
        if name in table:
            setattr(Tensor, f"__{python}__", _binary(table[name]))
    for python, name in _BINARY.items():
        if name in functions:
            reflected = functions.get("r" + name)
            setattr(Tensor, f"__r{python}__", _swapped(functions[name]) if reflected is None else _binary(reflected))
            setattr(Tensor, f"__i{python}__", _inplace_operator(name + "_"))
    for kind in ("", "r", "i"):  # Python 2's names, which torch has kept
        setattr(Tensor, f"__{kind}div__", getattr(Tensor, f"__{kind}truediv__"))
    for python, name in _UNARY.items():
        if name in table:
            setattr(Tensor, f"__{python}__", _unary(table[name]))
    setattr(Tensor, "__invert__", _inverted(table["bitwise_not"]))  # noqa: B010
    Tensor.__torch_function__ = classmethod(overriding.torch_function)  # type: ignore[attr-defined]
    Tensor.__init_subclass__ = classmethod(overriding.subclassed)  # type: ignore[method-assign, assignment]
    Tensor.__hash__ = lambda self: id(self)  # type: ignore[method-assign]
    jax.tree_util.register_pytree_node(Tensor, flatten, _unflatten_as(Tensor))


def _swapped(function: Callable) -> Callable:
    def apply(self: Tensor, other: Any) -> Any:
        if not isinstance(self, Tensor):
            raise TypeError(f"a reflected operator is the method of a Tensor, not of {type(self).__name__}")
        if not isinstance(other, _OPERANDS):
            return NotImplemented
        return function(other, self)

    return apply


def _unary(method: Callable) -> Callable:
    def apply(self: Tensor) -> Any:
        return method(self)

    return apply


def _inverted(method: Callable) -> Callable:
    def apply(self: Tensor) -> Any:
        if self._v.aval.inexact:
            raise TypeError("~ (operator.invert) is only implemented on integer and Boolean-type tensors")
        return method(self)

    return apply


def _part_setter(name: str) -> Callable:
    def put(self: Tensor, value: Any) -> None:
        getattr(self, name).copy_(value if isinstance(value, Tensor) else factories.tensor(value))

    return put


# -- as a pytree node


def flatten(t: Tensor) -> tuple[tuple[Any], tuple]:
    """A Tensor as a JAX pytree: one leaf, its array."""
    v = t._value
    return (v.array if v.array is not None else t._array(),), (v.requires_grad, v.aval.device)


def _unflatten_as(cls: type) -> Callable:
    def unflatten(aux: tuple, children: tuple) -> Any:
        (array,) = children
        requires_grad, device = aux
        out: Any = object.__new__(cls)
        if not hasattr(array, "dtype") or not hasattr(array, "shape"):  # JAX passes placeholders through
            out._v = Value(array, None, None, -1, False)  # type: ignore[arg-type]
            return out
        on = device if isinstance(array, (jax.core.Tracer, np.ndarray)) else None
        out._v = from_array(array, on)
        if requires_grad and out._v.aval.inexact:
            out.requires_grad = True
        return out

    return unflatten


def register_subclass(cls: type) -> None:
    """Make a Tensor subclass a pytree node too."""
    jax.tree_util.register_pytree_node(cls, flatten, _unflatten_as(cls))
