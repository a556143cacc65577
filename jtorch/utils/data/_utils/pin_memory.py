"""``pin_memory=True``: batches of the user's own classes are asked for their ``pin_memory()``.

Tensors are left as they are: XLA moves them to the device through pinned buffers of its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from jtorch.engine.devices import devices
from jtorch.tensor.tensor import Tensor


def has_accelerator() -> bool:
    """Whether there is a device that memory would be pinned for."""
    return bool(devices("cuda") or devices("tpu"))


def pin_memory(data: Any, device: Any = None) -> Any:
    """``data`` with every object in it that has a ``pin_memory`` method replaced by what that returns."""
    if isinstance(data, (Tensor, str, bytes)):
        return data
    if hasattr(data, "pin_memory"):
        return data.pin_memory()
    if isinstance(data, Mapping):
        return type(data)({k: pin_memory(v) for k, v in data.items()})  # type: ignore[call-arg]
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(pin_memory, data))
    if isinstance(data, Sequence):
        return type(data)([pin_memory(v) for v in data])  # type: ignore[call-arg]
    return data
