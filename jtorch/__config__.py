"""torch.__config__: what jtorch runs on, as text."""

import jax
import jaxlib
import numpy as np

from jtorch import version
from jtorch.settings import get_num_interop_threads, get_num_threads

__all__ = ["parallel_info", "show"]


def show() -> str:
    """The versions of jtorch and of what is below it, and the devices of JAX."""
    found = ", ".join(f"{d.platform}:{d.id} ({d.device_kind})" for d in jax.devices())
    return (
        f"jtorch {version.jtorch}, with the API of PyTorch {version.torch}, on:\n"
        f"  - JAX {jax.__version__}\n  - jaxlib {jaxlib.__version__}\n  - NumPy {np.__version__}\n"
        f"  - XLA devices: {found}\n"
    )


def parallel_info() -> str:
    """The numbers of threads that were asked for; XLA sizes its own pools."""
    return f"get_num_threads() : {get_num_threads()}\nget_num_interop_threads() : {get_num_interop_threads()}\n"
