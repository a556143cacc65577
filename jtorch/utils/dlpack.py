"""torch.utils.dlpack: arrays of other libraries as tensors and back, without a copy where that can be."""

from typing import Any

from jtorch.tensor.factories import from_dlpack
from jtorch.tensor.tensor import Tensor

__all__ = ["from_dlpack", "to_dlpack"]


def to_dlpack(tensor: Tensor) -> Any:
    """A DLPack capsule of a tensor's elements."""
    return tensor.__dlpack__()  # type: ignore[attr-defined]
