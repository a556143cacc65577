"""Which GPU an argument means."""

from typing import Any

import jax

from jtorch.engine.devices import devices
from jtorch.tensor import device as _device
from jtorch.tensor.device import device as device_class

__all__ = ["gpu", "index_of"]


def index_of(d: Any) -> int:
    """The index of a GPU given as an int, a string or a device; None is the current one."""
    if d is None:
        return _device.current_cuda()
    if isinstance(d, int):
        return d
    found = device_class(d)
    if found.type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {found}")
    return _device.current_cuda() if found.index is None else found.index


def gpu(d: Any) -> jax.Device:
    """JAX's device of a GPU; raises RuntimeError where there is none."""
    found = devices("cuda")
    i = index_of(d)
    if not found:
        raise RuntimeError("No CUDA GPUs are available")
    if not 0 <= i < len(found):
        raise RuntimeError("CUDA error: invalid device ordinal")
    return found[i]
