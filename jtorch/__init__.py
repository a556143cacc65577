"""jtorch: the PyTorch API over JAX arrays. This module is what ``import torch`` gives under the alias."""

from typing import Any

from jtorch.engine.setup import setup

setup()

import jtorch.ops  # noqa: E402  (declares every operator)
from jtorch import composite as _composite  # noqa: E402
from jtorch.autograd.grad_mode import (  # noqa: E402
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from jtorch.engine.report import report  # noqa: E402
from jtorch.settings import *  # noqa: E402, F403
from jtorch.tensor import bind as _bind  # noqa: E402
from jtorch.tensor import factories as _factories  # noqa: E402
from jtorch.tensor import install as _install  # noqa: E402
from jtorch.tensor.device import (  # noqa: E402
    channels_last,
    channels_last_3d,
    contiguous_format,
    device,
    get_default_device,
    layout,
    memory_format,
    preserve_format,
    qscheme,
    set_default_device,
    sparse_coo,
    strided,
)
from jtorch.tensor.dtype import (  # noqa: E402
    BY_NAME as _DTYPES,
)
from jtorch.tensor.dtype import (  # noqa: E402
    can_cast,
    dtype,
    finfo,
    get_default_dtype,
    iinfo,
    promote_types,
    set_default_dtype,
    set_default_tensor_type,
)
from jtorch.tensor.factories import from_jax  # noqa: E402
from jtorch.tensor.printing import set_printoptions  # noqa: E402
from jtorch.tensor.size import Size  # noqa: E402
from jtorch.tensor.tensor import Tensor  # noqa: E402

inf, nan, e, pi = float("inf"), float("nan"), 2.718281828459045, 3.141592653589793
newaxis = None

_exports: dict[str, Any] = {**_bind.namespace("torch"), **_factories.FUNCTIONS, **_DTYPES}
globals().update(_exports)
_composite.load()
_install.install()
globals().update(_bind.composites("torch"))


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'torch' has no attribute '{name}' (jtorch has none)")
