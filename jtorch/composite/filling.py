"""Writing into tensors: ``fill``, ``fill_diagonal_``, ``float_power_``, Python functions applied element by element."""

from collections.abc import Callable
from math import trunc
from typing import Any

import jtorch
from jtorch.composite.table import composite
from jtorch.engine.op import T
from jtorch.ops import casting, shape
from jtorch.ops.errors import scalar_type
from jtorch.ops.promotion import BOOL, COMPLEX, FLOAT, INT, category
from jtorch.tensor import bind, call, methods
from jtorch.tensor.factories import tensor

_filled = bind.generate(shape.filled, function=True)


@composite("torch")
def fill(input: Any, value: Any) -> Any:
    """``value``, a number or a 0-d tensor, in ``input``'s shape and dtype (torch.fill)."""
    if not isinstance(value, jtorch.Tensor):
        return _filled(input, value)
    if value.ndim:
        raise RuntimeError(f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions.")
    number: Any = value
    return call.run(casting.copy_into, (T, T), (input._value, number.to(input.device)._value))


@composite("torch Tensor")
def fill_(input: Any, value: Any) -> Any:
    """Set all elements to a number, or to a 0-d tensor's (torch.Tensor.fill_)."""
    if not (input.requires_grad and jtorch.is_grad_enabled()):
        return methods.fill_(input, value)
    call.check_inplace(input)
    return input._write(fill(input, value)._value)


@composite("torch Tensor")
def zero_(input: Any) -> Any:
    """Set all elements to zero (torch.Tensor.zero_)."""
    return fill_(input, 0)


@composite("Tensor")
def fill_diagonal_(self: Any, fill_value: Any, wrap: bool = False) -> Any:
    """Write a number to the main diagonal, of a tensor with more than two dimensions where all indices are equal.

    With ``wrap`` the diagonal of a tall matrix begins again after each square block and a row between
    (torch.Tensor.fill_diagonal_).
    """
    if self.ndim < 2:
        raise RuntimeError("dimensions must larger than 1")
    if self.ndim > 2 and len(set(self.shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    call.check_inplace(self)
    step, width, start = sum(self.stride()), self.shape[-1], self.storage_offset()
    self.as_strided((min(self.shape),), (step,), start).fill_(fill_value)
    if wrap and self.ndim == 2 and self.shape[0] > width + 1:
        count = -(-self.numel() // (width + 1)) - width
        self.as_strided((count,), (step,), start + self.stride(0) * (width + 1)).fill_(fill_value)
    return self


@composite("Tensor")
def float_power_(self: Any, exponent: Any) -> Any:
    """``self ** exponent`` in place, of float64 or complex128 only (torch.Tensor.float_power_)."""
    call.check_inplace(self)
    made = self.float_power(exponent)
    if made.dtype is not self.dtype:
        have, want = scalar_type(self._aval().dtype), scalar_type(made._aval().dtype)
        raise RuntimeError(
            f"the base given to float_power_ has dtype {have} but the operation's result requires dtype {want}"
        )
    return call.write_result(self, made, "float_power_")


# -- Python functions


def _elementwise(name: str, others: int, doc: str) -> None:
    def method(self: Any, *args: Any) -> Any:
        *operands, function = args
        if self.requires_grad:
            raise RuntimeError(
                f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead."
            )
        if not self.is_cpu:
            raise TypeError(f"{name} is only implemented on CPU tensors")
        if len(operands) != others:
            raise TypeError(f"{name}() takes {others + 1} positional arguments but {len(args)} were given")
        for position, x in enumerate(operands):
            if not isinstance(x, jtorch.Tensor):
                kind = type(x).__name__
                raise TypeError(f"{name}(): argument 'other' (position {position + 1}) must be Tensor, not {kind}")
            other: Any = x
            if other.dtype != self.dtype:
                raise TypeError(f"{name}: expected {self.type()} for 'other' (got {other.type()})")
        rows = [self.reshape(-1).tolist(), *(x.expand(self.shape).reshape(-1).tolist() for x in operands)]
        number = _NUMBER[category(self._aval().dtype)]
        made = [number(function(*row)) for row in zip(*rows, strict=True)]
        new: Any = tensor(made, dtype=self.dtype)
        return self.copy_(new.view(self.shape))

    method.__name__ = method.__qualname__ = name
    method.__doc__ = doc
    composite("Tensor")(method)


_NUMBER: dict[int, Callable] = {BOOL: bool, INT: trunc, FLOAT: float, COMPLEX: complex}
_elementwise("apply_", 0, "Replace each element ``a`` by ``function(a)``; on the CPU (torch.Tensor.apply_).")
_elementwise("map_", 1, "Replace each element ``a`` by ``function(a, b)`` with ``b`` of ``other`` (torch.Tensor.map_).")
_elementwise("map2_", 2, "Replace each element ``a`` by ``function(a, b, c)`` with those of two tensors.")
