"""Parameters and buffers: the tensors that a :class:`~jtorch.nn.Module` keeps track of."""

from typing import Any

import jtorch
from jtorch.tensor.tensor import Tensor

__all__ = [
    "Parameter",
    "UninitializedParameter",
    "is_lazy",
    "Buffer",
    "UninitializedBuffer",
    "UninitializedTensorMixin",
]


class _ParameterMeta(type(Tensor)):  # type: ignore[misc]
    """Lets a tensor of the user's own subclass count as a Parameter: those carry the flag ``_is_param``."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if super().__instancecheck__(instance):
            return True
        return cls is Parameter and isinstance(instance, Tensor) and getattr(instance, "_is_param", False)


class Parameter(Tensor, metaclass=_ParameterMeta):
    """A tensor that becomes a parameter of the module it is assigned to (``torch.nn.parameter.Parameter``).

    Arguments:
        data: the tensor; the parameter shares its storage. Without it, an empty tensor.
        requires_grad: whether gradients are wanted. RuntimeError for ``True`` with an integer tensor.
    """

    _is_param = True

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Any:
        if data is None:
            data = jtorch.empty(0)
        if type(data) is Tensor or isinstance(data, cls):
            return Tensor._make_subclass(cls, data, requires_grad)
        t = data.detach().requires_grad_(requires_grad)
        if type(t) is not type(data):
            raise RuntimeError(
                f"Creating a Parameter from an instance of type {type(data).__name__} requires that detach() returns "
                f"an instance of the same type, but return type {type(t).__name__} was found instead."
            )
        t._is_param = True
        return t

    def __deepcopy__(self, memo: dict) -> "Parameter":
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.detach().clone(), self.requires_grad)  # type: ignore[attr-defined]
        return memo[id(self)]

    def __repr__(self, *args: Any, **kwargs: Any) -> str:  # type: ignore[override]
        return "Parameter containing:\n" + super().__repr__(*args, **kwargs)

    def __reduce_ex__(self, proto: Any) -> tuple:
        from jtorch.serialization.pickler import reduce_parameter

        return reduce_parameter(self)


class _BufferMeta(type(Tensor)):  # type: ignore[misc]
    def __instancecheck__(cls, instance: Any) -> bool:
        if super().__instancecheck__(instance):
            return True
        return cls is Buffer and isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False)


class Buffer(Tensor, metaclass=_BufferMeta):
    """A tensor that becomes a buffer of the module it is assigned to: part of its state, but not trained.

    The result is a plain tensor that carries a mark, as in torch. ``persistent=False`` keeps it out of ``state_dict``.
    """

    persistent: bool

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Any:
        if data is None:
            data = jtorch.empty(0)
        t = data.detach().requires_grad_(data.requires_grad)
        t.persistent = persistent
        t._is_buffer = True
        return t


class UninitializedTensorMixin:
    """What a tensor without a shape can do: say its dtype and device, move, and :meth:`materialize`.

    It has no value: whatever an operation would read raises ValueError.
    """

    cls_to_become: type = Tensor
    is_leaf = True
    grad: Any = None
    grad_fn = None
    _promised: dict[str, Any]  # what it will have: requires_grad, device, dtype

    @classmethod
    def _make(cls, requires_grad: bool, device: Any, dtype: Any) -> Any:
        # An empty tensor knows what the defaults are, and what goes together.
        empty = jtorch.empty(0, device=device, dtype=dtype).requires_grad_(requires_grad)
        t = object.__new__(cls)
        t._promised = {"requires_grad": requires_grad, "device": empty.device, "dtype": empty.dtype}
        return t

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Give the tensor its shape (its values are undefined, as from ``torch.empty``) and its final class."""
        promised = self.__dict__.pop("_promised")
        self.__class__ = self.cls_to_become  # type: ignore[assignment]
        self.data = jtorch.empty(shape, device=device or promised["device"], dtype=dtype or promised["dtype"])
        self.requires_grad_(promised["requires_grad"])

    @property
    def requires_grad(self) -> bool:
        """Whether gradients will be wanted."""
        return self._promised["requires_grad"]

    @requires_grad.setter
    def requires_grad(self, on: bool) -> None:
        self._promised["requires_grad"] = bool(on)

    @property
    def device(self) -> Any:
        """Where it will be."""
        return self._promised["device"]

    @property
    def dtype(self) -> Any:
        """The dtype it will have."""
        return self._promised["dtype"]

    @property
    def shape(self) -> Any:
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in "
            "`load_state_dict` when trying to load an uninitialized parameter into an initialized one. Call "
            "`forward` to initialize the parameters before accessing their attributes."
        )

    def __getattr__(self, name: str) -> Any:
        if name != "_v":  # what every operation reads
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        raise ValueError(
            "Attempted to use an uninitialized parameter. This error happens when you are using a `LazyModule` or "
            "explicitly manipulating `torch.nn.parameter.UninitializedParameter` objects. When using LazyModules Call "
            "`forward` with a dummy batch to initialize the parameters before calling torch functions"
        )

    @property
    def data(self) -> Any:
        """The tensor itself: it has no elements to share."""
        return self

    @data.setter
    def data(self, new: Any) -> None:
        self._promised.update(device=new.device, dtype=new.dtype)

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """The same on another device or of another dtype."""
        moved = jtorch.empty(0, device=self.device, dtype=self.dtype).to(*args, **kwargs)
        return self._make(self.requires_grad, moved.device, moved.dtype)

    def cpu(self) -> Any:
        """The same on the CPU."""
        return self.to("cpu")

    def cuda(self, device: Any = None) -> Any:
        """The same on the GPU."""
        return self.to("cuda" if device is None else device)

    def float(self) -> Any:
        """The same in float32."""
        return self.to(jtorch.float32)

    def double(self) -> Any:
        """The same in float64."""
        return self.to(jtorch.float64)

    def half(self) -> Any:
        """The same in float16."""
        return self.to(jtorch.float16)

    def bfloat16(self) -> Any:
        """The same in bfloat16."""
        return self.to(jtorch.bfloat16)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Say whether gradients will be wanted."""
        self.requires_grad = requires_grad
        return self

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating one."""
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        """Whether the dtype is complex."""
        return self.dtype.is_complex

    @property
    def is_meta(self) -> bool:
        """Whether it will have no data."""
        return self.device.type == "meta"

    def share_memory_(self) -> Any:
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to initialize the parameters "
            "before calling `module.share_memory()`."
        )

    def __repr__(self, *args: Any, **kwargs: Any) -> str:
        return f"<{type(self).__name__}>"

    def __deepcopy__(self, memo: dict) -> Any:
        if id(self) not in memo:
            memo[id(self)] = self._make(self.requires_grad, self.device, self.dtype)
        return memo[id(self)]

    def __reduce_ex__(self, proto: Any) -> tuple:
        return type(self), (self.requires_grad,)


def is_lazy(param: Any) -> bool:
    """Whether ``param`` still waits for its shape."""
    return isinstance(param, UninitializedTensorMixin)


class UninitializedParameter(UninitializedTensorMixin, Parameter):  # type: ignore[misc, metaclass]
    """A :class:`Parameter` whose shape is not known yet (``torch.nn.parameter.UninitializedParameter``)."""

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        return cls._make(requires_grad, device, dtype)


class UninitializedBuffer(UninitializedTensorMixin, Tensor):  # type: ignore[misc]
    """A :class:`Buffer` whose shape is not known yet (``torch.nn.parameter.UninitializedBuffer``)."""

    cls_to_become = Tensor

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> Any:
        t = cls._make(requires_grad, device, dtype)
        t.persistent = persistent
        t._is_buffer = True
        return t
