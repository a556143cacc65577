"""The older constructors: ``torch.Tensor(2, 3)``, ``torch.FloatTensor([1, 2])``, ``x.new(3)``."""

from typing import Any, NoReturn

import numpy as np

from jtorch.engine.devices import devices
from jtorch.tensor import factories
from jtorch.tensor.device import device as device_class
from jtorch.tensor.device import engine_name, strided
from jtorch.tensor.dtype import SCALAR_NAMES, TYPE_NAMES, get_default_dtype
from jtorch.tensor.dtype import dtype as dtype_class
from jtorch.tensor.size import Size
from jtorch.tensor.tensor import Tensor

__all__ = ["CUDA_TYPES", "TYPES", "new", "new_like", "tensortype"]


def _make(kind: Any, device: str, args: tuple, kwargs: dict[str, Any], any_dtype: bool = False) -> Tensor:
    """Sizes (the elements are zeros), a sequence of numbers, or a tensor, whose storage is shared."""
    given = kwargs.pop("device", None)
    if given is not None and device_class(given).type != device.partition(":")[0]:
        raise RuntimeError(
            f"legacy constructor expects device type: {device.partition(':')[0]} but device type: "
            f"{device_class(given).type} was passed"
        )
    on = device if given is None else engine_name(given)
    if len(kwargs) == 1 and not args and next(iter(kwargs)) in ("size", "data", "other"):
        name, value = kwargs.popitem()
        args = (Size(value) if name == "size" else value,)
    if kwargs:
        _refuse(args, kwargs)
    first = args[0] if len(args) == 1 else None
    if isinstance(first, Tensor):
        if not any_dtype and (first.dtype is not kind or first.device.type != device_class(on).type):
            raise TypeError(
                f"expected TensorOptions(dtype={SCALAR_NAMES[kind.name].lower()}, device={on}) (got "
                f"TensorOptions(dtype={SCALAR_NAMES.get(first.dtype.name, first.dtype.name).lower()}, "
                f"device={first.device}))"
            )
        return first.view_as(first)  # type: ignore[attr-defined]
    if not args or isinstance(first, Size) or all(isinstance(a, (int, np.integer)) for a in args):
        shape = first if isinstance(first, Size) else args or (0,)
        if any(n < 0 for n in shape):
            n = next(n for n in shape if n < 0)
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {[int(n) for n in shape]}")
        return factories.zeros(tuple(int(n) for n in shape), dtype=kind, device=on)
    if len(args) > 1:
        _refuse(args, kwargs)
    if isinstance(first, str):
        raise TypeError("new(): invalid data type 'str'")
    if not hasattr(first, "__getitem__") or not hasattr(first, "__len__") or isinstance(first, (dict, np.generic)):
        name = f"numpy.{type(first).__name__}" if isinstance(first, np.generic) else type(first).__name__
        raise TypeError(f"new(): data must be a sequence (got {name})")
    return factories.tensor(list(first) if isinstance(first, range) else first, dtype=kind, device=on)


def _refuse(args: tuple, kwargs: dict[str, Any]) -> NoReturn:
    shown = [type(a).__name__ for a in args]
    shown += [f"{k}={'torch.dtype' if isinstance(v, dtype_class) else type(v).__name__}" for k, v in kwargs.items()]
    raise TypeError(
        f"new() received an invalid combination of arguments - got ({', '.join(shown)}), but expected one of:\n"
        " * (*, torch.device device = None)\n * (Tensor other)\n"
        " * (tuple of ints size, *, torch.device device = None)\n * (object data, *, torch.device device = None)\n"
    )


def new(cls: type, *args: Any, **kwargs: Any) -> Any:
    """``torch.Tensor(...)``: sizes, numbers or a tensor, in the default dtype on the CPU (a tensor keeps its own)."""
    made = _make(get_default_dtype(), "cpu", args, kwargs, any_dtype=True)
    return made if cls is Tensor else made.as_subclass(cls)  # type: ignore[attr-defined]


def new_like(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """``torch.Tensor(...)`` with this tensor's dtype and device."""
    return _make(self.dtype, self._aval().device, args, kwargs)


class tensortype(type):
    """The class of torch.FloatTensor and its like: they make tensors of one dtype on one kind of device, and such
    tensors count as their instances.
    """

    dtype: Any
    is_cuda: bool
    layout = strided
    is_sparse = False

    def __new__(mcs, name: str, bases: tuple, members: dict[str, Any]) -> Any:
        if bases:
            raise TypeError(f"type '{bases[0].__module__}.{bases[0].__name__}' is not an acceptable base type")
        return super().__new__(mcs, name, bases, members)

    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, Tensor) and x.dtype is cls.dtype and (x.is_cuda if cls.is_cuda else x.is_cpu)

    def __call__(cls, *args: Any, **kwargs: Any) -> Tensor:
        if cls.is_cuda and not devices("cuda"):
            raise TypeError(f"type {cls.__module__}.{cls.__name__} not available. JAX has no GPU.")
        return _make(cls.dtype, engine_name("cuda") if cls.is_cuda else "cpu", args, kwargs)


tensortype.__module__ = "torch"


def _types(module: str, is_cuda: bool) -> dict[str, Any]:
    named = {name.removeprefix("torch."): kind for name, kind in TYPE_NAMES.items() if "UInt" not in name}
    return {
        name: tensortype(name, (), {"__module__": module, "dtype": kind, "is_cuda": is_cuda})
        for name, kind in named.items()
        if not kind.is_complex
    }


TYPES, CUDA_TYPES = _types("torch", False), _types("torch.cuda", True)
