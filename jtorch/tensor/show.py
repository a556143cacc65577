"""``repr`` of a tensor: gathers what the printer needs."""

import jax

from jtorch.tensor.printing import tensor_repr
from jtorch.tensor.tensor import Tensor


def show(t: Tensor, contents: str | None = None) -> str:
    """Torch's text for a tensor; with ``contents`` in place of the elements."""
    v = t._value
    cls = type(t)
    plain = "_is_param" in vars(cls)  # Tensor and Parameter themselves, which say so; their subclasses are named
    array = v.array
    if isinstance(array, jax.core.Tracer):
        contents = contents or str(array)
    elif not t.is_meta:
        array = t._host("print")
    text = tensor_repr(
        array,
        shape=tuple(t.shape),
        dtype=t.dtype,
        device=str(t.device),
        requires_grad=t.requires_grad,
        grad_fn_name=type(t.grad_fn).__name__ if v.requires_grad and v.owner is None else None,
        class_name="tensor" if plain else cls.__name__,
        contents=contents,
    )
    return f"Parameter({text})" if t._is_param and not plain else text
