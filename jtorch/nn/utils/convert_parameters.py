"""Parameters as one vector, and back (``torch.nn.utils.convert_parameters``)."""

from collections.abc import Iterable
from typing import Any

import jtorch
from jtorch.tensor.tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def _check_device(param: Any, seen: int | None) -> int:
    """The device of ``param`` as a number, -1 for the CPU; TypeError if it is not the one seen before."""
    device = param.get_device() if param.is_cuda else -1
    if seen is not None and device != seen:
        raise TypeError("Found two parameters on different devices, this is currently not supported.")
    return device


def parameters_to_vector(parameters: Iterable[Any]) -> Any:
    """All elements of all parameters, one after the other. TypeError if they are on different devices."""
    device = None
    flat = []
    for param in parameters:
        device = _check_device(param, device)
        flat.append(param.view(-1))
    return jtorch.cat(flat)


def vector_to_parameters(vec: Any, parameters: Iterable[Any]) -> None:
    """Give each parameter the next elements of ``vec`` as its data: a view of it, as in torch."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {jtorch.typename(vec)}")
    elements: Any = vec
    device = None
    begin = 0
    for param in parameters:
        device = _check_device(param, device)
        end = begin + param.numel()
        param.data = elements[begin:end].view_as(param).data
        begin = end
