"""What a tensor says of itself, and ``torch.f(x)`` for what the Tensor class answers as ``x.f()``."""

from typing import Any

import jtorch
from jtorch.composite.table import composite
from jtorch.ops.dims import reduce_dims


def _function_of(name: str) -> None:
    def function(input: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(input, jtorch.Tensor):
            raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
        return getattr(input, name)(*args, **kwargs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"``input.{name}(...)``: see :meth:`jtorch.Tensor.{name}`."
    composite("torch")(function)


for _name in ("detach", "detach_", "get_device"):
    _function_of(_name)


def _flags(x: Any) -> tuple[bool, bool]:
    """Whether a tensor is a conjugated, and a negated, look at its storage."""
    conjugated = negated = False
    for step in x._alias.steps if x._alias is not None else ():
        name = step.op.name
        if name == "conj":
            conjugated = not conjugated
        elif name in ("real", "imag", "view_as_real"):
            negated, conjugated = negated or (conjugated and name == "imag"), False
        elif name in ("resolve_conj", "resolve_neg"):
            conjugated, negated = conjugated and name != "resolve_conj", negated and name != "resolve_neg"
    return conjugated, negated


@composite()
def is_conj(input: Any) -> bool:
    """Whether it is the conjugated look at its storage that ``conj()`` gives (torch.is_conj)."""
    return _flags(input)[0]


@composite()
def is_neg(input: Any) -> bool:
    """Whether it is a negated look at its storage, as the imaginary part of a ``conj()`` is (torch.is_neg)."""
    return _flags(input)[1]


@composite()
def is_nonzero(input: Any) -> bool:
    """Whether the only element is not zero; RuntimeError where there is not exactly one (torch.is_nonzero)."""
    if not isinstance(input, jtorch.Tensor):
        raise TypeError(f"is_nonzero(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    return bool(input)


@composite()
def is_same_size(input: Any, other: Any) -> bool:
    """Whether two tensors have the same shape."""
    return input.shape == other.shape


@composite()
def is_distributed(input: Any) -> bool:
    """False: jtorch has no distributed tensors."""
    return False


@composite("Tensor")
def const_data_ptr(self: Any) -> int:
    """``data_ptr()``."""
    return self.data_ptr()


@composite("Tensor")
def sum_to_size(self: Any, *size: Any) -> Any:
    """Summed over dimensions until the shape is ``size``, which must be one that broadcasts to this tensor's.

    https://docs.pytorch.org/docs/stable/generated/torch.Tensor.sum_to_size.html
    """
    given = size[0] if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
    want, have = tuple(given), tuple(self.shape)
    extra = len(have) - len(want)
    if extra < 0 or any(w not in (1, h) for w, h in zip(want, have[max(extra, 0) :], strict=True)):
        raise RuntimeError(f"size {{{list(want)}}} is not expandable to size {{{list(have)}}}.")
    dims = [d for d, h in enumerate(have) if d < extra or (want[d - extra] == 1 and h != 1)]
    return (self.sum(dims, keepdim=True) if dims or not want else self).view(want)


@composite("torch")
def norm_except_dim(v: Any, pow: int = 2, dim: int = 0) -> Any:
    """The ``pow``-norm of each slice of ``dim``, its shape kept; of all elements where ``dim`` is -1."""
    if dim == -1:
        return jtorch.norm(v, pow)
    kept = reduce_dims(dim, v.ndim)
    return jtorch.norm(v, pow, [d for d in range(v.ndim) if d not in kept], True)


# -- tensors like this one, and this one as another


@composite("Tensor")
def new_empty_strided(self: Any, size: Any, stride: Any, **options: Any) -> Any:
    """An empty tensor of this dtype and device; its strides are XLA's (torch.Tensor.new_empty_strided)."""
    return self.new_empty(tuple(size), **options)


@composite("Tensor")
def module_load(self: Any, other: Any, assign: bool = False) -> Any:
    """What takes this parameter's place when ``other`` is loaded from a state dictionary (torch.Tensor.module_load)."""
    return other.detach() if assign else self.copy_(other).detach()
