"""torch._C: of torch's compiled part, the two names that classes with ``__torch_function__`` use."""

from jtorch.tensor.overriding import DisableTorchFunctionSubclass
from jtorch.tensor.overriding import disabled as _disabled_torch_function_impl

__all__ = ["DisableTorchFunctionSubclass", "_disabled_torch_function_impl"]
