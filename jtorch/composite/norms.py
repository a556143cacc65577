"""``torch.norm``, the older spelling of ``torch.linalg.vector_norm`` and ``matrix_norm``."""

from typing import Any

import jtorch
from jtorch.composite.table import composite


def _norm(input: Any, p: Any, dim: Any, keepdim: bool, dtype: Any) -> Any:
    dims = (dim,) if isinstance(dim, int) else tuple(dim) if dim else None
    if isinstance(p, str):
        if p != "fro" or len(dims or ()) > 2:
            matrix = dims if dims is not None else tuple(range(input.ndim))
            if len(matrix) != 2:
                shown = " ".join(str(d) for d in matrix)
                raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {shown}")
            return jtorch.linalg.matrix_norm(input, p, dim=matrix, keepdim=keepdim, dtype=dtype)
        p = 2
    return jtorch.linalg.vector_norm(input, 2 if p is None else p, dims, keepdim, dtype=dtype)


@composite("torch")
def norm(input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, out: Any = None, dtype: Any = None) -> Any:
    """The ``p``-norm along ``dim`` (or of all elements): a number, ``"fro"``, or ``"nuc"`` of matrices.

    https://docs.pytorch.org/docs/stable/generated/torch.norm.html
    """
    made = _norm(input, p, dim, keepdim, dtype)
    if out is None:
        return made
    return out.resize_(made.shape).copy_(made)


@composite("Tensor", name="norm")
def tensor_norm(self: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """See :func:`jtorch.norm`."""
    return _norm(self, p, dim, keepdim, dtype)
