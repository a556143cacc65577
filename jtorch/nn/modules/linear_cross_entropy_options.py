"""Options of the linear cross entropy loss (``torch.nn.LinearCrossEntropyOptions``)."""

import re
from dataclasses import dataclass
from typing import Any

import jtorch

__all__ = ["LinearCrossEntropyOptions"]


@dataclass(frozen=True)
class LinearCrossEntropyOptions:
    """How torch's chunked implementation of ``linear_cross_entropy`` is to work.

    Arguments:
        allow_retain_graph: whether backward may run twice.
        batch_chunk_size: number of samples handled at once.
        chunking_method: ``"auto"``, ``"aspect_ratio:<number>"`` or None.
        acc_policy: ``"accurate"``, ``"balanced"``, ``"compact"`` or ``"auto"``.
        acc_dtype: floating dtype of the sums.
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: Any = None

    def __post_init__(self) -> None:
        size, method = self.batch_chunk_size, self.chunking_method
        if size is not None and not (isinstance(size, int) and size > 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {size}")
        if method not in (None, "auto") and not re.fullmatch(r"aspect_ratio:\d+(\.\d+)?", method):
            raise ValueError(f"invalid chunking_method: {method!r}")
        if self.acc_policy not in ("accurate", "balanced", "compact", "auto"):
            raise ValueError(f"invalid acc_policy: {self.acc_policy!r}")
        if self.acc_dtype not in (None, jtorch.float16, jtorch.bfloat16, jtorch.float32, jtorch.float64):
            raise ValueError(
                "acc_dtype must be one of {None, torch.float16, torch.bfloat16, torch.float32, torch.float64}, got "
                f"{self.acc_dtype!r}. Pass acc_dtype=None to let the op pick automatically."
            )
