"""torch.special: functions of mathematics and statistics (https://docs.pytorch.org/docs/stable/special.html)."""

from typing import Any

from jtorch.tensor import bind as _bind

globals().update({**_bind.namespace("special"), **_bind.composites("special")})


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'torch.special' has no attribute '{name}' (jtorch has none)")
