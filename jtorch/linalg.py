"""torch.linalg: linear algebra on matrices and batches of them (https://docs.pytorch.org/docs/stable/linalg.html)."""

from typing import Any

from jtorch.ops.errors import LinAlgError
from jtorch.tensor import bind as _bind

__all__ = ["LinAlgError"]
globals().update({**_bind.namespace("linalg"), **_bind.composites("linalg")})


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'torch.linalg' has no attribute '{name}' (jtorch has none)")
