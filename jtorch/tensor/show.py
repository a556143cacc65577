"""``repr`` of a tensor: gathers what the printer needs."""

from jtorch.tensor.printing import tensor_repr
from jtorch.tensor.tensor import Tensor


def show(t: Tensor) -> str:
    """Torch's text for a tensor."""
    v = t._value
    grad_fn = None
    if v.requires_grad and v.owner is None:
        grad_fn = t.grad_fn.name()
    return tensor_repr(
        None if t.is_meta else t._host("print"),
        shape=tuple(t.shape),
        dtype_name=t.dtype.name,
        device=str(t.device),
        requires_grad=t.requires_grad,
        grad_fn_name=grad_fn,
        is_parameter=t._is_param,
    )
