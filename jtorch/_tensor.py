"""torch._tensor: how tensors of subclasses, and tensors with attributes, are rebuilt."""

from collections.abc import Callable
from typing import Any

from jtorch._utils import _set_obj_state
from jtorch.tensor.tensor import Tensor

__all__ = ["Tensor"]


def _rebuild_from_type_v2(func: Callable, new_type: type, args: tuple, state: Any) -> Any:
    """``func(*args)`` as a ``new_type``, with the attributes in ``state``."""
    made = func(*args)
    if type(made) is not new_type:
        made = made.as_subclass(new_type)
    setter = getattr(new_type, "__setstate__", None)
    if setter is not None:
        setter(made, state)
        return made
    return _set_obj_state(made, state)
