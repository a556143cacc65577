"""torch.backends.cudnn: cuDNN is XLA's affair, which picks and tunes algorithms itself. The switches are kept as set;
``allow_tf32`` is followed.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from jtorch.engine import config
from jtorch.engine.devices import devices

__all__ = [
    "allow_tf32", "benchmark", "benchmark_limit", "deterministic", "enabled", "flags", "is_available", "set_flags",
    "version",
]  # fmt: skip

enabled = True
benchmark = False
deterministic = False
benchmark_limit = 10
allow_tf32: bool  # of the module's class, below


def is_available() -> bool:
    """Whether there is a GPU."""
    return bool(devices("cuda"))


def version() -> int | None:
    """Unknown to JAX's public API."""
    return None


def set_flags(
    _enabled: bool | None = None,
    _benchmark: bool | None = None,
    _benchmark_limit: int | None = None,
    _deterministic: bool | None = None,
    _allow_tf32: bool | None = None,
    _fp32_precision: str = "none",
    _depthwise_kernel: str | None = None,
) -> tuple:
    """Set the switches that are given; the values before. Raises NotImplementedError for a precision or a kernel."""
    if _fp32_precision not in (None, "none") or _depthwise_kernel not in (None, "auto"):
        raise NotImplementedError("jtorch: backends.cudnn flags fp32_precision and depthwise_kernel; XLA decides")
    this: Any = sys.modules[__name__]
    before = (enabled, benchmark, benchmark_limit, deterministic, this.allow_tf32)
    given = (_enabled, _benchmark, _benchmark_limit, _deterministic, _allow_tf32)
    names = ("enabled", "benchmark", "benchmark_limit", "deterministic", "allow_tf32")
    for name, value in zip(names, given, strict=True):
        if value is not None:
            setattr(this, name, value)
    return before


@contextmanager
def flags(
    enabled: bool = False,
    benchmark: bool = False,
    benchmark_limit: int = 10,
    deterministic: bool = False,
    allow_tf32: bool = True,
    fp32_precision: str = "none",
    depthwise_kernel: str = "auto",
) -> Iterator[None]:
    """Within the block the switches are these."""
    before = set_flags(enabled, benchmark, benchmark_limit, deterministic, allow_tf32, fp32_precision, depthwise_kernel)
    try:
        yield
    finally:
        set_flags(*before)


class _Module(ModuleType):
    @property
    def allow_tf32(self) -> bool:
        """Whether convolutions of float32 may run in TF32."""
        return config.conv_tf32

    @allow_tf32.setter
    def allow_tf32(self, on: bool) -> None:
        config.set_conv_tf32(on)


sys.modules[__name__].__class__ = _Module
