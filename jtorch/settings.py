"""Functions of the torch namespace that ask or set something, and small predicates."""

from importlib import import_module
from typing import Any

import numpy as np

from jtorch.engine import config
from jtorch.ops import promotion
from jtorch.tensor.device import device as device_class
from jtorch.tensor.dtype import OF_NUMPY
from jtorch.tensor.dtype import dtype as dtype_class
from jtorch.tensor.size import Size
from jtorch.tensor.tensor import Tensor

__all__ = [
    "are_deterministic_algorithms_enabled", "broadcast_shapes", "get_deterministic_debug_mode",
    "get_float32_matmul_precision", "get_num_interop_threads", "get_num_threads", "is_complex", "is_floating_point",
    "is_nonzero", "is_signed", "is_storage", "is_tensor", "numel", "result_type", "set_deterministic_debug_mode",
    "set_float32_matmul_precision", "set_num_interop_threads", "set_num_threads", "set_warn_always",
    "use_deterministic_algorithms", "is_warn_always_enabled", "is_deterministic_algorithms_warn_only_enabled",
    "set_flush_denormal", "get_device_module", "is_same_size", "compiled_with_cxx11_abi", "typename",
]  # fmt: skip

_PRECISIONS = {"highest": "highest", "high": "high", "medium": "default"}


def set_float32_matmul_precision(precision: str) -> None:
    """``highest`` (float32), ``high`` (TF32 or three bfloat16 passes) or ``medium`` (bfloat16), for float32
    products.
    """
    if precision not in _PRECISIONS:
        raise RuntimeError(f"Invalid float32 matmul precision: {precision}; expected one of {', '.join(_PRECISIONS)}")
    config.set_matmul_precision(_PRECISIONS[precision])


def get_float32_matmul_precision() -> str:
    """The setting of set_float32_matmul_precision."""
    return next(name for name, value in _PRECISIONS.items() if value == config.matmul_precision)


def is_tensor(obj: Any, /) -> bool:
    """Whether ``obj`` is a Tensor."""
    return isinstance(obj, Tensor)


def is_storage(obj: Any, /) -> bool:
    """Whether ``obj`` is a storage."""
    return type(obj).__name__ in ("UntypedStorage", "TypedStorage")


def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is a floating one."""
    return input.is_floating_point()


def is_complex(input: Tensor) -> bool:
    """Whether the dtype is complex."""
    return input.is_complex()


def is_signed(input: Tensor) -> bool:
    """Whether the dtype has a sign."""
    return input.is_signed()


def is_nonzero(input: Tensor) -> bool:
    """Whether a tensor of one element is not zero; raises RuntimeError for other sizes."""
    if input.numel() != 1:
        if not input.numel():
            raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
        raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
    return bool(input)


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape."""
    return input.shape == other.shape


def numel(input: Tensor) -> int:
    """The number of elements."""
    return input.numel()


def result_type(tensor1: Any, tensor2: Any) -> dtype_class:
    """The dtype of an arithmetic operation on two tensors or numbers."""
    operands = [t._aval() if isinstance(t, Tensor) else t for t in (tensor1, tensor2)]
    return OF_NUMPY[promotion.result_type(*operands)]


def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that tensors of these shapes broadcast to; raises RuntimeError where they do not."""
    given = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    try:
        return Size(np.broadcast_shapes(*given))
    except ValueError:
        raise RuntimeError("Shape mismatch: objects cannot be broadcast to a single shape") from None


def typename(obj: Any, /) -> str:
    """The name of an object's type, as ``torch.FloatTensor``."""
    if isinstance(obj, Tensor):
        return obj.type()  # type: ignore[attr-defined]
    return f"{type(obj).__module__}.{type(obj).__qualname__}".removeprefix("builtins.")


_threads = {"intra": 0, "inter": 0}
_deterministic = {"on": False, "warn": False, "mode": 0}


def get_num_threads() -> int:
    """The number asked for by set_num_threads, or the machine's cores: XLA sizes its own pool."""
    import os

    return _threads["intra"] or os.cpu_count() or 1


def set_num_threads(n: int) -> None:
    """Keep the number; XLA sizes its own thread pool at start-up. Raises RuntimeError for less than one."""
    if n < 1:
        raise RuntimeError("set_num_threads expects a positive integer")
    _threads["intra"] = int(n)


def get_num_interop_threads() -> int:
    """The number asked for, or one."""
    return _threads["inter"] or 1


def set_num_interop_threads(n: int) -> None:
    """Keep the number; XLA sizes its own thread pool."""
    if n < 1:
        raise RuntimeError("set_num_interop_threads expects a positive integer")
    _threads["inter"] = int(n)


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Keep the switch. XLA's programs are deterministic on the CPU; on GPUs set ``--xla_gpu_deterministic_ops``."""
    _deterministic.update(on=bool(mode), warn=warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    """The switch of use_deterministic_algorithms."""
    return bool(_deterministic["on"])


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether the switch of use_deterministic_algorithms was set with ``warn_only``."""
    return bool(_deterministic["warn"])


def set_deterministic_debug_mode(debug_mode: Any) -> None:
    """``default``, ``warn`` or ``error`` (or 0, 1, 2)."""
    number = {"default": 0, "warn": 1, "error": 2}.get(debug_mode, debug_mode)
    if number not in (0, 1, 2):
        raise RuntimeError(
            f"invalid value of debug_mode, expected 0 (default), 1 (warn) or 2 (error), got {debug_mode}"
        )
    _deterministic.update(mode=number, on=number > 0, warn=number == 1)


def get_deterministic_debug_mode() -> int:
    """The mode as a number."""
    return int(_deterministic["mode"])


_warn = {"always": False}


def set_warn_always(b: bool, /) -> None:
    """Whether warnings that come once come each time."""
    _warn["always"] = bool(b)


def is_warn_always_enabled() -> bool:
    """The switch of set_warn_always."""
    return _warn["always"]


def compiled_with_cxx11_abi() -> bool:
    """True: there is no C++ of jtorch's own."""
    return True


def set_flush_denormal(mode: bool) -> bool:
    """False: XLA decides whether denormal numbers are flushed to zero, and cannot be told."""
    return False


def get_device_module(device: Any = None) -> Any:
    """The module of a device type (``torch.cuda``, ``torch.cpu``); of the accelerator there is, else of the CPU."""
    from jtorch.accelerator import current_accelerator

    kind = device_class(device).type if device is not None else (current_accelerator() or device_class("cpu")).type
    try:
        return import_module(f"jtorch.{kind}")
    except ModuleNotFoundError:
        raise RuntimeError(f"Invalid device '{kind}' is specified: jtorch has no module of that name") from None
