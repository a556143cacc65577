"""torch._C: of torch's compiled part, what classes with ``__torch_function__`` use, and one name more."""

from jtorch.tensor.overriding import DisableTorchFunctionSubclass
from jtorch.tensor.overriding import disabled as _disabled_torch_function_impl

__all__ = ["DisableTorchFunctionSubclass", "_disabled_torch_function_impl", "_log_api_usage_once"]


def _log_api_usage_once(event: str) -> None:
    """Tells whoever listens that ``event`` was used: here, as in torch outside its makers' house, nobody."""
