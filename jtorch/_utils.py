"""torch._utils: the functions that saved tensors are rebuilt by, under the names that files call them."""

import sys
import traceback
from collections.abc import Sequence
from math import prod
from typing import Any

import jtorch
from jtorch.storage import TypedStorage
from jtorch.tensor import storage_io
from jtorch.tensor.tensor import Tensor

# A view may show its storage's numbers many times over (expand); it is made real here, so not without end.
_FREE_ELEMENTS, _MAX_REPEATS = 1 << 28, 64


def _check_layout(available: int, offset: Any, size: Any, stride: Any) -> None:
    """Raise RuntimeError unless a tensor of this layout lies within a storage of ``available`` elements."""
    for what, numbers in (("sizes", size), ("strides", stride), ("storage offset", (offset,))):
        if not isinstance(numbers, (tuple, list)) or any(type(x) is not int for x in numbers):
            raise RuntimeError(f"Tensor: {what} must be integers")
    if len(size) != len(stride):
        raise RuntimeError("mismatch in length of strides and shape")
    if len(size) > 64:
        raise RuntimeError(f"Tensor: {len(size)} dimensions are more than the 64 there can be")
    if offset < 0:
        raise RuntimeError(f"Tensor: invalid storage offset {offset}")
    if any(x < 0 for x in size):
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(size)}: {list(size)}")
    if any(x < 0 for x in stride):
        raise RuntimeError(f"as_strided: Negative strides are not supported at the moment, got strides: {list(stride)}")
    numel = prod(size)
    needed = 0 if not numel else offset + 1 + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if needed > available:
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, requiring a storage "
            "size of "
            f"{needed} elements are out of bounds for storage of {available} elements"
        )
    if numel > max(_FREE_ELEMENTS, _MAX_REPEATS * available):
        raise RuntimeError(
            f"Tensor: sizes {list(size)} repeat a storage of {available} elements too often to be loaded"
        )


def _rebuild_tensor(
    storage: TypedStorage, storage_offset: int, size: Sequence[int], stride: Sequence[int], dtype: Any = None
) -> Tensor:
    """The tensor that looks at ``storage`` in this way; raises RuntimeError where it would look beyond it."""
    if not isinstance(storage, TypedStorage):
        raise RuntimeError(f"expected a storage to rebuild a tensor from, but got {type(storage).__name__}")
    seen_as = dtype or storage.dtype
    if storage.location == "meta":
        return jtorch.empty_strided(tuple(size), tuple(stride), dtype=seen_as, device="meta")
    _check_layout(storage.untyped().nbytes() // seen_as.itemsize, storage_offset, size, stride)
    return storage_io.rebuild(storage.shared(seen_as), storage_offset, tuple(size), tuple(stride), False)


def _rebuild_tensor_v2(
    storage: TypedStorage, storage_offset: int, size: Sequence[int], stride: Sequence[int], requires_grad: bool,
    backward_hooks: Any, metadata: dict | None = None,
) -> Tensor:  # fmt: skip
    """A tensor from its storage and layout; ``metadata`` says whether its numbers are conjugated or negated."""
    return _rebuild_tensor_v3(
        storage, storage_offset, size, stride, requires_grad, backward_hooks, storage.dtype, metadata
    )


def _rebuild_tensor_v3(
    storage: TypedStorage, storage_offset: int, size: Sequence[int], stride: Sequence[int], requires_grad: bool,
    backward_hooks: Any, dtype: Any, metadata: dict | None = None,
) -> Tensor:  # fmt: skip
    """A tensor from bytes, its dtype and layout."""
    if backward_hooks:
        raise RuntimeError("the file holds hooks of a tensor, which are no longer saved and cannot be loaded")
    made = _rebuild_tensor(storage, storage_offset, size, stride, dtype)
    if metadata:
        if metadata.get("conj"):
            made = made.conj().resolve_conj()  # type: ignore[attr-defined]
        if metadata.get("neg"):
            made = -made  # type: ignore[operator]
    return made.requires_grad_(True) if requires_grad else made


def _rebuild_parameter(data: Tensor, requires_grad: bool, backward_hooks: Any) -> Any:
    """A Parameter over ``data``."""
    return jtorch.nn.Parameter(data, requires_grad)


def _rebuild_parameter_with_state(data: Tensor, requires_grad: bool, backward_hooks: Any, state: Any) -> Any:
    """A Parameter with the attributes that its user gave it."""
    return _set_obj_state(_rebuild_parameter(data, requires_grad, backward_hooks), state)


def _rebuild_meta_tensor_no_storage(
    dtype: Any, size: Sequence[int], stride: Sequence[int], requires_grad: bool
) -> Tensor:
    """A tensor on the meta device."""
    made = jtorch.empty_strided(tuple(size), tuple(stride), dtype=dtype, device="meta")
    return made.requires_grad_(True) if requires_grad else made


def _rebuild_device_tensor_from_numpy(data: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    """A tensor of an accelerator that torch saves as a NumPy array."""
    made = jtorch.from_numpy(data).to(dtype=dtype, device=device)
    return made.requires_grad_(True) if requires_grad else made


_PYTHON_STATE = ("_is_param", "_is_buffer", "persistent")


def _set_obj_state(obj: Any, state: Any) -> Any:
    """Give a tensor back the attributes that its user set on it.

    Raises RuntimeError for names that the class itself has: those are no user's.
    """
    parts = state if isinstance(state, tuple) else (state,)
    if len(parts) > 2 or not all(part is None or isinstance(part, dict) for part in parts):
        raise RuntimeError(f"Invalid serialized state of a {type(obj).__name__}")
    for part in parts:
        for name, value in (part or {}).items():
            if type(name) is not str or (
                name not in _PYTHON_STATE
                and (name in obj.__dict__ or name.startswith("__") or hasattr(type(obj), name))
            ):
                raise RuntimeError(
                    f"Invalid serialized state: {name!r} is no attribute to set on a {type(obj).__name__}"
                )
            obj.__dict__[name] = value
    return obj


class KeyErrorMessage(str):
    """The message of a KeyError, which shows its argument by ``repr``: this one reads as it is."""

    def __repr__(self) -> str:
        return str(self)


class ExceptionWrapper:
    """The exception that is being handled, in a form that can go to another thread or process."""

    def __init__(self, exc_info: Any = None, where: str = "in background") -> None:
        info = exc_info or sys.exc_info()
        self.exc_type: Any = info[0]
        self.exc_msg = "".join(traceback.format_exception(*info))
        self.where = where

    def reraise(self) -> None:
        """Raise it again, of its own class, with the traceback of where it came from in its message.

        RuntimeError takes the place of a class that cannot be made from a message alone.
        """
        kind = self.exc_type
        text = f"Caught {kind.__name__} {self.where}.\nOriginal {self.exc_msg}"
        if kind is KeyError:
            text = KeyErrorMessage(text)
        try:
            error = kind(message=text) if getattr(kind, "message", None) else kind(text)
        except Exception:
            error = RuntimeError(text)
        try:
            raise error
        finally:
            del error  # the traceback holds this frame
