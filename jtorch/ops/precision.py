"""Half precision: torch's kernels read and write float16 and bfloat16 but compute in float32, and so do these."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from jtorch.ops.promotion import FLOAT, category


def is_half(dtype: Any) -> bool:
    """Whether ``dtype`` is a float of fewer than 32 bits."""
    return category(dtype) == FLOAT and np.dtype(dtype).itemsize < 4


def wide(x: Any) -> Any:
    """``x`` in the dtype it is computed in: float32 for halves, else its own."""
    return x.astype(np.float32) if x is not None and is_half(x.dtype) else x


def widened(fn: Callable) -> Callable:
    """``fn(self, ...)`` computed in float32 where ``self`` is a half, and rounded once at the end."""

    @wraps(fn)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        out = fn(wide(self), *args, **kwargs)
        return out.astype(self.dtype) if is_half(self.dtype) else out

    return run
