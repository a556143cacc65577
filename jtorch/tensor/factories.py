"""Functions that make tensors from data or from another tensor's shape: torch.tensor, *_like, new_*, from_numpy."""

import warnings
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jtorch.engine.devices import jax_device
from jtorch.engine.value import from_array
from jtorch.ops import promotion
from jtorch.ops.scalars import checked
from jtorch.tensor.convert import device_of, host_array
from jtorch.tensor.device import engine_name
from jtorch.tensor.dtype import OF_NUMPY, to_numpy_dtype
from jtorch.tensor.overriding import asking
from jtorch.tensor.tensor import Tensor, tensor_from, wrap


def place(array: np.ndarray, device: str, requires_grad: bool = False) -> Tensor:
    """A tensor around a NumPy array on a device, as a leaf."""
    return leaf(wrap(from_array(array, device)), requires_grad)


def leaf(made: Tensor, requires_grad: bool) -> Tensor:
    """A new tensor, which may require a gradient; raises RuntimeError where its dtype has none."""
    if requires_grad:
        if not made._v.aval.inexact:
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        made.requires_grad = True
    return made


def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False
) -> Tensor:
    """A new tensor with a copy of ``data``: numbers, nested sequences, NumPy or JAX arrays (torch.tensor).

    Raises ValueError for ragged sequences, TypeError for what is no number.
    """
    np_dtype = None if dtype is None else to_numpy_dtype(dtype)
    if isinstance(data, Tensor):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
        out = data.detach().clone()  # type: ignore[attr-defined]
        out = out.to(device=device, dtype=dtype)
        return leaf(out, requires_grad)
    if isinstance(data, jax.core.Tracer):
        made = wrap(from_array(data))
        return made if dtype is None else made.to(dtype)  # type: ignore[attr-defined]
    if isinstance(data, jax.Array):
        kept = jax.numpy.array(data, dtype=np_dtype, copy=True)
        made = wrap(from_array(kept, device_of(data)))
        if device is not None:
            made = made.to(device)  # type: ignore[attr-defined]
        return leaf(made, requires_grad)
    return place(host_array(data, np_dtype), engine_name(device), requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor of ``data``; a tensor that already fits is returned as it is (torch.as_tensor)."""
    if isinstance(data, Tensor):
        return data.to(device=device, dtype=dtype)  # type: ignore[attr-defined]
    return tensor(data, dtype=dtype, device=device)


def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool | None = None
) -> Tensor:
    """A tensor of an array-like, itself if it is one that fits (torch.asarray)."""
    if isinstance(obj, Tensor):
        out = obj.to(device=device, dtype=dtype, copy=bool(copy))  # type: ignore[attr-defined]
        return out if requires_grad in (None, out.requires_grad) else leaf(out.detach(), bool(requires_grad))
    return tensor(obj, dtype=dtype, device=device, requires_grad=bool(requires_grad))


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor with the array's elements; raises TypeError for what is no array or has a dtype torch lacks.

    Departs from torch in that memory is not shared: XLA's arrays are immutable.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    return tensor_from(host_array(array, None), "cpu")


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor from any object with ``__dlpack__``, without a copy where JAX can do so."""
    made = wrap(from_array(jax.numpy.from_dlpack(ext_tensor, copy=copy)))
    return made if device is None else made.to(device)  # type: ignore[attr-defined]


def frombuffer(buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A 1-d tensor with the bytes of a buffer (copied)."""
    size = len(memoryview(buffer).cast("B"))
    np_dtype = to_numpy_dtype(dtype)
    if size == 0 or count == 0:
        raise ValueError(f"both buffer length ({size}) and count ({count}) must not be 0")
    if not 0 <= offset < size:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({size} bytes) - 1"
        )
    if count > 0 and offset + count * np_dtype.itemsize > size:
        raise ValueError(
            f"requested buffer length ({count} * {np_dtype.itemsize} bytes) after offset ({offset} bytes) must not be "
            "greater "
            f"than actual buffer length ({size} bytes)"
        )
    if count < 0 and (size - offset) % np_dtype.itemsize:
        raise ValueError(
            f"buffer length ({size - offset} bytes) after offset ({offset} bytes) must be a multiple of element size "
            f"({np_dtype.itemsize})"
        )
    return place(np.frombuffer(buffer, np_dtype, count, offset).copy(), "cpu", requires_grad)


# -- shapes of other tensors


def sizes(args: tuple, name: str = "empty") -> tuple[int, ...]:
    """``f(2, 3)`` or ``f((2, 3))`` as a shape; raises RuntimeError for negative sizes, TypeError for other things."""
    given = args[0] if len(args) == 1 and isinstance(args[0], (tuple, list, Tensor, np.ndarray)) else args
    try:
        shape = tuple([x if type(x) is int else x.__index__() for x in given])
    except AttributeError:
        kind = type(next(x for x in given if not hasattr(x, "__index__"))).__name__
        if given is args:
            raise TypeError(f"{name}(): argument 'size' (position 1) must be tuple of ints, not {kind}") from None
        raise TypeError(f"{name}(): argument 'size' must be tuple of ints, but found element of type {kind}") from None
    for x in shape:
        if x < 0:
            if name == "zeros":
                raise RuntimeError("zeros: Dimension size must be non-negative.")
            raise RuntimeError(f"Trying to create tensor with negative dimension {x}: {list(shape)}")
    return shape


def _full(shape: tuple, value: Any, dtype: np.dtype, device: str, requires_grad: bool) -> Tensor:
    if value not in (0, 1):
        value = checked(value.item() if isinstance(value, np.generic) else value, dtype)
    if device == "meta":
        from jtorch.engine.aval import aval
        from jtorch.engine.value import Value

        out = wrap(Value(None, aval(shape, dtype, "meta"), None, -1, False))
        return leaf(out, requires_grad)
    if device != "cpu" and np.prod(shape, dtype=np.int64) > 1024:
        with jax.default_device(jax_device(device)):
            return leaf(wrap(from_array(jax.numpy.full(shape, value, dtype), device)), requires_grad)
    array = np.zeros(shape, dtype) if value == 0 else np.full(shape, value, dtype)
    return place(array, device, requires_grad)


def _filled(name: str, value: Any) -> Callable:
    def make(
        *size: Any, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
        pin_memory: bool = False, requires_grad: bool = False, memory_format: Any = None, names: Any = None, **kw: Any,
    ) -> Tensor:  # fmt: skip
        from jtorch.engine import config

        if "size" in kw and not size:
            size = (kw.pop("size"),)
        if kw:
            raise TypeError(f"got an unexpected keyword argument '{next(iter(kw))}'")
        np_dtype = config.default_dtype if dtype is None else to_numpy_dtype(dtype)
        made = _full(sizes(size, name), value, np_dtype, engine_name(device), requires_grad)
        if out is None:
            return made
        from jtorch.tensor.call import write_out

        return write_out(out, made if dtype is not None else made.to(out.dtype), name)  # type: ignore[attr-defined]

    make.__name__ = make.__qualname__ = name
    return make


zeros, ones, empty = _filled("zeros", 0), _filled("ones", 1), _filled("empty", 0)
zeros.__doc__ = "A tensor of zeros (torch.zeros)."
ones.__doc__ = "A tensor of ones (torch.ones)."
empty.__doc__ = "A tensor whose elements say nothing; here zeros, since XLA has no uninitialised memory (torch.empty)."


def full(
    size: Any, fill_value: Any, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of one number; without ``dtype`` the number's type decides (torch.full)."""
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    np_dtype = promotion.result_type(_number(fill_value)) if dtype is None else to_numpy_dtype(dtype)
    made = _full(sizes((size,), "full"), fill_value, np_dtype, engine_name(device), requires_grad)
    if out is None:
        return made
    from jtorch.tensor.call import write_out

    return write_out(out, made, "full")


def _number(x: Any) -> Any:
    return x.item() if isinstance(x, np.generic) else x


def _like(value: Any, name: str = "full_like") -> Callable:
    def make(
        input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
        memory_format: Any = None, pin_memory: bool = False,
    ) -> Tensor:  # fmt: skip
        if not isinstance(input, Tensor):
            kind = type(input).__name__
            raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {kind}")
        aval = input._aval()
        np_dtype = aval.dtype if dtype is None else to_numpy_dtype(dtype)
        where = aval.device if device is None else engine_name(device)
        return _full(aval.shape, value, np_dtype, where, requires_grad)

    return asking(make)


zeros_like, ones_like, empty_like = _like(0, "zeros_like"), _like(1, "ones_like"), _like(0, "empty_like")
zeros_like.__name__, ones_like.__name__, empty_like.__name__ = "zeros_like", "ones_like", "empty_like"
zeros_like.__doc__ = "Zeros of a tensor's shape, dtype and device (torch.zeros_like)."
ones_like.__doc__ = "Ones of a tensor's shape, dtype and device (torch.ones_like)."
empty_like.__doc__ = "A tensor of another's shape, dtype and device, here zeros (torch.empty_like)."


def full_like(input: Tensor, fill_value: Any, **kwargs: Any) -> Tensor:
    """One number in a tensor's shape, dtype and device (torch.full_like)."""
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    return _like(fill_value)(input, **kwargs)


def empty_strided(size: Any, stride: Any, **kwargs: Any) -> Tensor:
    """An empty tensor; strides are XLA's (torch.empty_strided)."""
    return empty(tuple(size), **kwargs)


def empty_permuted(size: Any, physical_layout: Any, **kwargs: Any) -> Tensor:
    """An empty tensor; the physical layout is checked, and then it is XLA's (torch.empty_permuted)."""
    size, layout = tuple(size), tuple(physical_layout)
    if len(size) != len(layout):
        raise RuntimeError(
            "Number of dimensions in size does not match the length of the physical_layout; i.e. "
            f"len(size) = {len(size)} is not equal to len(physical_layout) = {len(layout)}"
        )
    for i, dim in enumerate(layout):
        if not 0 <= dim < len(size):
            raise RuntimeError(
                f"Dimension out of range (expected to be between 0 and {len(size) - 1}, but got {dim} at index {i}).  "
                "NB: negative dims not currently supported; file an issue if you want it."
            )
        if dim in layout[:i]:
            raise RuntimeError("Duplicate dim not allowed")
    return empty(size, **kwargs)


def new_tensor(
    self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """torch.tensor with this tensor's dtype and device as defaults."""
    return tensor(data, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad)


def _new(value: Any) -> Callable:
    def make(
        self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **kw: Any
    ) -> Tensor:
        if "size" in kw:
            size = (kw["size"],)
        aval = self._aval()
        np_dtype = aval.dtype if dtype is None else to_numpy_dtype(dtype)
        return _full(
            sizes(size), value, np_dtype, aval.device if device is None else engine_name(device), requires_grad
        )

    return make


def new_full(
    self: Tensor,
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **_: Any,
) -> Tensor:
    """torch.full with this tensor's dtype and device as defaults."""
    fill = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    return _new(fill)(self, tuple(size), dtype=dtype, device=device, requires_grad=requires_grad)


def scalar_tensor(s: Any, *, dtype: Any = None, device: Any = None, layout: Any = None, **_: Any) -> Tensor:
    """A 0-d tensor of the default dtype (torch.scalar_tensor)."""
    from jtorch.tensor.dtype import get_default_dtype

    return tensor(s, dtype=dtype or get_default_dtype(), device=device)


def complex_dtype_of(t: Tensor) -> Any:
    """The complex dtype with parts of a tensor's dtype."""
    return OF_NUMPY[t._aval().dtype].to_complex()


FUNCTIONS: dict[str, Callable] = {
    f.__name__: f
    for f in (
        tensor, as_tensor, asarray, from_numpy, from_dlpack, frombuffer, full, full_like, empty_strided, empty_permuted,
        scalar_tensor, zeros, ones, empty,
    )
} | {"zeros_like": zeros_like, "ones_like": ones_like, "empty_like": empty_like}  # fmt: skip
METHODS: dict[str, Callable] = {
    "new_tensor": new_tensor, "new_full": new_full, "new_zeros": _new(0), "new_ones": _new(1), "new_empty": _new(0),
}  # fmt: skip
