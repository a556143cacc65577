"""Choosing attention kernels, and causal masks (``torch.nn.attention``)."""

import contextlib
import enum
from collections.abc import Iterator
from typing import Any

__all__ = ["SDPBackend", "sdpa_kernel"]


class SDPBackend(enum.Enum):
    """The kernels torch has for scaled dot product attention."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4

    def __repr__(self) -> str:
        return f"<SDPBackend.{self.name}: {self.value}>"

    def __str__(self) -> str:
        return f"SDPBackend.{self.name}"


_ALL: list[SDPBackend] = [backend for backend in SDPBackend if backend is not SDPBackend.ERROR]
_allowed: list[SDPBackend] = _ALL


def _cur_sdpa_kernel_backends() -> list[SDPBackend]:
    """The backends allowed here, in the order given."""
    return list(_allowed)


@contextlib.contextmanager
def sdpa_kernel(backends: Any, set_priority: bool = False) -> Iterator[dict]:
    """Allow only these backends within the context.

    All backends compute the same function, and XLA has one implementation of it, which it uses whichever is allowed.
    The choice is kept for those who ask for it, and checked: it must be a :class:`SDPBackend` or a list of them.
    """
    global _allowed
    chosen = [backends] if isinstance(backends, SDPBackend) else backends
    if not isinstance(chosen, (list, tuple)) or not all(isinstance(b, SDPBackend) for b in chosen):
        raise AssertionError(
            "Backend must be an instance of SDPBackend or a list of SDPBackend instances, got "
            f"{type(backends).__name__}"
        )
    before, _allowed = _allowed, list(dict.fromkeys(chosen))
    try:
        yield {}
    finally:
        _allowed = before
