"""``torch.nn.utils.init``: building a module without drawing its initial weights."""

import inspect
from typing import Any

import jtorch

__all__ = ["skip_init"]


def skip_init(module_cls: type, *args: Any, **kwargs: Any) -> Any:
    """``module_cls(*args, **kwargs)`` with undefined parameter values.

    The module is built on the meta device and then given memory on ``device``. RuntimeError for a class that is no
    module or has no ``device`` argument.
    """
    if not issubclass(module_cls, jtorch.nn.Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    final_device = kwargs.pop("device", "cpu")
    return module_cls(*args, **{**kwargs, "device": "meta"}).to_empty(device=final_device)
