"""Tensor methods that are no operator: conversions, copies, in-place fills, memory questions."""

import warnings
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jtorch.engine import autograd, trace
from jtorch.engine.devices import jax_device
from jtorch.engine.op import NUMBERS, T
from jtorch.engine.record import materialise, record
from jtorch.engine.segment import spoil
from jtorch.engine.value import Value, from_array
from jtorch.ops.casting import copy_into, to_copy
from jtorch.ops.errors import c_type
from jtorch.tensor import call, overlap, strides
from jtorch.tensor.device import device as device_class
from jtorch.tensor.device import engine_name, memory_format
from jtorch.tensor.dtype import BY_NAME, SCALAR_NAMES, TYPE_NAMES, get_default_dtype, to_numpy_dtype
from jtorch.tensor.dtype import dtype as dtype_class
from jtorch.tensor.tensor import Tensor, tensor_from, wrap

_TT = (T, T)


class ToCopyBackward0(autograd.GradNode):
    """The backward of a move to another device: moves the gradient back."""

    def __init__(self, source: Value, made: Value) -> None:
        super().__init__([autograd.edge_of(source)], (made.aval,), autograd.order())
        self.device = source.aval.device

    def apply(self, cts: list[Value | None], create_graph: bool) -> list[Value | None]:
        return [None if c is None else move(c, self.device) for c in cts]


def move(v: Value, device: str) -> Value:
    """The value's elements on another device; computes what is pending, and is itself asynchronous."""
    if device == "meta":
        from jtorch.engine.aval import aval

        return Value(None, aval(v.aval.shape, v.aval.dtype, "meta"), None, -1, False)
    array = v.array if v.array is not None else materialise(v, "moved to another device")
    if device == "cpu":
        array = wrap(Value(array, v.aval, None, -1, False))._host("moved to the CPU")
        made = from_array(array, "cpu")
    else:
        made = from_array(jax.device_put(array, jax_device(device)), device)
    if v.requires_grad and trace.state().grad:
        node = ToCopyBackward0(v, made)
        made.requires_grad, made.node = True, node
    return made


def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """This tensor in another dtype and/or on another device; itself where nothing changes (torch.Tensor.to)."""
    device, dtype, copy = parse_to(args, kwargs)
    aval = self._v.aval
    same = (dtype is None or dtype == aval.dtype) and (device is None or device == aval.device)
    if same:
        return self.clone() if copy else self  # type: ignore[attr-defined]
    out = self
    if device is not None and device != aval.device:
        out = wrap(move(self._value, device))
    if dtype is not None and dtype != aval.dtype:
        v = out._value
        if v.aval.dtype.kind == "c" and dtype.kind != "c" and dtype.kind != "b":
            warnings.warn("Casting complex values to real discards the imaginary part", UserWarning, stacklevel=2)
        out = call.run(to_copy, (T, dtype), (v,))
    return out


def parse_to(args: tuple, kwargs: dict) -> tuple[str | None, np.dtype | None, bool]:
    """The forms of ``to``: a dtype, a device, both, or another tensor; as engine device, NumPy dtype and copy flag."""
    device, dtype = kwargs.get("device"), kwargs.get("dtype")
    copy = bool(kwargs.get("copy", False))
    other = kwargs.get("other")
    unknown = set(kwargs) - {"device", "dtype", "copy", "non_blocking", "memory_format", "other"}
    if unknown:
        raise TypeError(f"to() got an unexpected keyword argument '{unknown.pop()}'")
    for position, arg in enumerate(args):
        if isinstance(arg, bool):  # non_blocking, then copy
            copy = arg if position and isinstance(args[position - 1], bool) else copy
        elif isinstance(arg, Tensor):
            other = arg
        elif isinstance(arg, dtype_class) or arg in (float, int, bool, complex):
            dtype = arg
        elif isinstance(arg, (str, int, device_class)):
            device = arg
        elif arg is not None and not isinstance(arg, memory_format):
            raise TypeError(f"to() received an invalid combination of arguments - got ({type(arg).__name__})")
    if isinstance(other, Tensor):
        return other._aval().device, other._aval().dtype, copy
    return (
        None if device is None else engine_name(device),
        None if dtype is None else to_numpy_dtype(dtype),
        copy,
    )


def cpu(self: Tensor, memory_format: Any = None) -> Tensor:
    """On the CPU."""
    return to(self, "cpu")


def cuda(self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Tensor:
    """On a GPU; raises RuntimeError where there is none."""
    return to(self, "cuda" if device is None else device)


def _caster(name: str) -> Callable:
    target = BY_NAME[name]

    def cast(self: Tensor, memory_format: Any = None) -> Tensor:
        return to(self, target)

    cast.__name__ = name
    cast.__doc__ = f"In dtype {target}."
    return cast


def type_(self: Tensor, dtype: Any = None, non_blocking: bool = False, **_: Any) -> Any:
    """The type's name, or the tensor in another type (a dtype, or a name such as ``torch.FloatTensor``)."""
    if dtype is None:
        prefix = "torch.cuda." if self.is_cuda else "torch."
        return f"{prefix}{SCALAR_NAMES[self.dtype.name]}Tensor"
    if isinstance(dtype, dtype_class):
        return to(self, dtype)
    if dtype is Tensor or dtype == "torch.Tensor":
        return to(self, "cpu", get_default_dtype())
    if isinstance(dtype, type):
        dtype = f"{dtype.__module__}.{dtype.__name__}"
    name = str(dtype).replace("torch.cuda.", "torch.")
    if name not in TYPE_NAMES:
        raise ValueError(f"invalid type: '{dtype}'")
    return to(self, "cpu" if name == dtype else "cuda", TYPE_NAMES[name])


def type_as(self: Tensor, other: Tensor) -> Tensor:
    """In another tensor's dtype."""
    return to(self, other.dtype)


def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Write ``src``'s elements (broadcast, cast) into this tensor."""
    call.check_inplace(self)
    if isinstance(src, NUMBERS):
        src = tensor_from(np.asarray(src), self._v.aval.device)
    if not isinstance(src, Tensor):
        raise TypeError(f"copy_(): argument 'other' (position 1) must be Tensor, not {type(src).__name__}")
    if src._aval().device != self._aval().device:
        src = wrap(move(src._value, self._aval().device))
    if src is not self:
        overlap.check(self, (src,), "copy_")
    made = call.run(copy_into, _TT, (self._value, src._value))
    return self._write(made._value)


def fill_(self: Tensor, value: Any) -> Tensor:
    """Set all elements to one number, or a 0-d tensor's."""
    call.check_inplace(self)
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(
                f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions."
            )
        return copy_(self, value)
    aval = self._v.aval
    from jtorch.tensor.factories import _full

    return self._write(_full(aval.shape, value, aval.dtype, aval.device, False)._value)


def zero_(self: Tensor) -> Tensor:
    """Set all elements to zero."""
    return fill_(self, 0)


def set_(self: Tensor, source: Tensor | None = None, *args: Any) -> Tensor:
    """Share ``source``'s storage and shape from now on."""
    if source is None:
        source = self.new_empty(0)  # type: ignore[attr-defined]
    if args:
        raise NotImplementedError("jtorch: Tensor.set_ with a storage offset and sizes")
    call.check_inplace(self)
    if source._v.aval.dtype != self._v.aval.dtype:
        raise RuntimeError(
            f"Could not set tensor of type {c_type(source._v.aval.dtype)} to a tensor of type "
            f"{c_type(self._v.aval.dtype)}"
        )
    self.data = source
    return self


def contiguous(self: Tensor, memory_format: Any = None) -> Tensor:
    """This tensor where its elements lie in order, a copy otherwise."""
    return self if strides.is_contiguous(self) else self.clone()  # type: ignore[attr-defined]


def is_contiguous(self: Tensor, memory_format: Any = None) -> bool:
    """Whether the elements lie in order."""
    return strides.is_contiguous(self)


def stride(self: Tensor, dim: int | None = None) -> Any:
    """The step, in elements, from one index of a dimension to the next."""
    found = strides.of(self)[0]
    return found if dim is None else found[dim]


def storage_offset(self: Tensor) -> int:
    """Where in the storage the first element lies."""
    return strides.of(self)[1]


def T_(self: Tensor) -> Tensor:
    """The dimensions reversed."""
    if self.ndim not in (0, 2):
        warnings.warn(
            "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and it will "
            "throw an "
            "error in a future release. Consider `x.mT` to transpose batches of matrices or "
            "`x.permute(*torch.arange(x.ndim - 1, -1, -1))` to reverse the dimensions of a tensor.",
            UserWarning,
            stacklevel=2,
        )
    return self.permute(tuple(range(self.ndim))[::-1])  # type: ignore[attr-defined]


def mT(self: Tensor) -> Tensor:
    """The last two dimensions swapped."""
    if not self.ndim:
        return self
    if self.ndim < 2:
        raise RuntimeError(f"tensor.mT is only supported on matrices or batches of matrices. Got {self.ndim}-D tensor.")
    return self.transpose(-2, -1)  # type: ignore[attr-defined]


def mH(self: Tensor) -> Tensor:
    """The last two dimensions swapped, conjugated."""
    return mT(self).conj()  # type: ignore[attr-defined]


def H(self: Tensor) -> Tensor:
    """A matrix transposed and conjugated."""
    if self.ndim not in (0, 2):
        raise RuntimeError(f"tensor.H is only supported on matrices (2-D tensors). Got {self.ndim}-D tensor.")
    return mH(self) if self.ndim else self.conj()  # type: ignore[attr-defined]


def retain_grad(self: Tensor) -> None:
    """Keep the gradient of this computed tensor in ``.grad``."""
    if not self.requires_grad:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if self.is_leaf or self._retain:
        return
    import weakref

    ref = weakref.ref(self)

    def keep(grad: Tensor) -> None:
        target = ref()
        if target is not None:
            target._grad = grad if target._grad is None else target._grad + grad  # type: ignore[operator]

    self._retain = _hook(self, keep, last=True)


def register_hook(self: Tensor, hook: Callable) -> Any:
    """Call ``hook`` with this tensor's gradient when it is computed; what it returns replaces the gradient."""
    return _hook(self, hook)


def _hook(self: Tensor, hook: Callable, *, last: bool = False) -> Any:
    """``last``: after all others, whenever they came."""
    from jtorch.utils.hooks import RemovableHandle

    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")

    def on_value(ct: Value) -> Value:
        made = hook(wrap(ct))
        if made is None:
            return ct
        if not isinstance(made, Tensor):
            raise TypeError(f"expected Tensor, but hook returned '{type(made).__name__}'")
        if made._aval().shape != ct.aval.shape:
            raise RuntimeError(f"hook '{getattr(hook, '__name__', hook)}' has changed the size of value")
        return made._value

    v = self._value
    if v.owner is not None:
        if self._hooks is None:
            self._hooks = {}
        hooks = self._hooks
    else:
        node = autograd.node_of(v)
        hooks = node.hooks.setdefault(autograd.node_output(v, node), {})
        mark_hooked(node)
    handle = RemovableHandle(hooks)
    if last:
        handle.id += LAST
    hooks[handle.id] = on_value
    return handle


LAST = 1 << 62  # what the hooks that come last have in their ids


def mark_hooked(node: autograd.GradNode) -> None:
    """Say in the path that a hook hangs on a node, so that no backward pass without it is taken for one with it."""
    spoil("a hook")
    if isinstance(node, autograd.OpNode) and node.home is not None and node.home[0].values:
        record(autograd.MARK, ("hook", node.home[1]), (node.home[0].values[node.home[1]],))  # type: ignore[arg-type]


def register_post_accumulate_grad_hook(self: Tensor, hook: Callable) -> Any:
    """Call ``hook(self)`` after backward has added to ``.grad``; leaves only."""
    from jtorch.utils.hooks import RemovableHandle

    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if not self.is_leaf:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    hooks = self.__dict__.setdefault("_post_accumulate", {})
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


def untyped_storage(self: Tensor) -> Any:
    """The bytes that this tensor and its views look at."""
    from jtorch.storage import of_tensor

    return of_tensor(self)


def storage(self: Tensor) -> Any:
    """The same, seen as numbers of this tensor's dtype."""
    from jtorch.storage import typed_of_tensor

    return typed_of_tensor(self)


def data_ptr(self: Tensor) -> int:
    """Where the first element lies, see ``UntypedStorage.data_ptr``: views of one storage differ by their offset.

    0 where there are no elements.
    """
    return untyped_storage(self).data_ptr() + strides.of(self)[1] * self.itemsize if self.numel() else 0


def is_set_to(self: Tensor, other: Tensor) -> bool:
    """Whether both look at the same storage in the same way."""
    return (
        self is other
        or (self._alias is not None and other._alias is not None and self._alias.storage is other._alias.storage)
    ) and strides.of(self) == strides.of(other)


def pin_memory(self: Tensor, device: Any = None) -> Tensor:
    """Itself: XLA pins its own transfer buffers."""
    return self


def is_pinned(self: Tensor, device: Any = None) -> bool:
    """False: jtorch pins no memory of its own."""
    return False


def is_shared(self: Tensor) -> bool:
    """Whether it lies in shared memory; never."""
    return False


def share_memory_(self: Tensor) -> Tensor:
    """Raises: XLA's arrays cannot be put into memory that processes share."""
    raise NotImplementedError(
        "jtorch: Tensor.share_memory_(); XLA's arrays are immutable, send them between processes instead"
    )


def is_inference(self: Tensor) -> bool:
    """Whether it was made under inference_mode."""
    return self._value.requires_grad is None


def dense_dim(self: Tensor) -> int:
    """The number of dimensions: all are dense."""
    return self.ndim


def sparse_dim(self: Tensor) -> int:
    """Zero: jtorch has no sparse tensors."""
    return 0


def record_stream(self: Tensor, stream: Any) -> None:
    """Nothing to do: XLA keeps buffers alive for as long as programs use them."""


def dlpack(self: Tensor, **kwargs: Any) -> Any:
    """A DLPack capsule of the JAX array behind it."""
    return jax.numpy.asarray(self._array()).__dlpack__(**kwargs)


def dlpack_device(self: Tensor) -> Any:
    """The DLPack device."""
    array: Any = jax.numpy.asarray(self._array())
    return array.__dlpack_device__()


def from_host(array: np.ndarray) -> Tensor:
    """A CPU tensor around a NumPy array."""
    return tensor_from(array, "cpu")


METHODS: dict[str, Callable] = {
    f.__name__.rstrip("_") if f.__name__ == "type_" else f.__name__: f
    for f in (
        to, cpu, cuda, type_, type_as, copy_, fill_, zero_, set_, contiguous, is_contiguous, stride,
        storage_offset, retain_grad, register_hook, register_post_accumulate_grad_hook, untyped_storage, storage,
        data_ptr, is_set_to, pin_memory, is_pinned, is_shared, share_memory_, is_inference, dense_dim, sparse_dim,
        record_stream,
    )
} | {"__dlpack__": dlpack, "__dlpack_device__": dlpack_device}  # fmt: skip
METHODS |= {
    name: _caster(name)
    for name in ("float", "double", "half", "bfloat16", "int", "long", "short", "bool", "cfloat", "cdouble")
}
METHODS |= {"byte": _caster("uint8"), "char": _caster("int8")}
for _short in ("byte", "char"):
    METHODS[_short].__name__ = _short
PROPERTIES = {"T": T_, "mT": mT, "mH": mH, "H": H}
