"""Matrix norms and condition numbers, low-rank decompositions, and the older names of linear algebra."""

import warnings
from collections.abc import Sequence
from math import inf
from typing import Any

import jtorch
from jtorch.composite.table import composite
from jtorch.ops import linalg_decompositions, linalg_solvers, linalg_spectral, matmul, norms, promotion
from jtorch.ops.dims import wrap_dim
from jtorch.ops.errors import scalar_type
from jtorch.ops.promotion import COMPLEX, FLOAT, category
from jtorch.tensor import bind, call
from jtorch.tensor.dtype import OF_NUMPY, to_numpy_dtype

_vector_norm, _svdvals, _svd, _qr, _inv_ex, _lu_factor_ex, _multi_dot = (
    bind.generate(op, function=True)
    for op in (
        norms.vector_norm, linalg_spectral.linalg_svdvals, linalg_spectral.linalg_svd, linalg_decompositions.linalg_qr,
        linalg_solvers.linalg_inv_ex, linalg_decompositions.linalg_lu_factor_ex, matmul.linalg_multi_dot,
    )
)  # fmt: skip


def _into(out: Any, made: Any, name: str, casts: bool = False) -> Any:
    return made if out is None else call.write_out(out, made, name, casts=casts)


# -- norms


def _in_dtype(x: Any, dtype: Any) -> Any:
    """``x`` in the dtype that a matrix norm is computed in."""
    name, have = "linalg.matrix_norm", x._aval().dtype
    if category(have) < FLOAT:
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {scalar_type(have)}")
    if dtype is None:
        return x
    want = to_numpy_dtype(dtype)
    if category(want) < FLOAT:
        raise RuntimeError(f"{name}: dtype should be floating point or complex, but got {scalar_type(want)}")
    if (category(have) == COMPLEX) != (category(want) == COMPLEX):
        kind = "complex" if category(have) == COMPLEX else "real"
        raise RuntimeError(f"{name}: dtype should be {kind} for {kind} inputs, but got {scalar_type(want)}")
    if promotion.promote_types(have, want) != want:
        raise RuntimeError(
            f"{name}: the dtype of the input ({scalar_type(have)}) should be convertible without narrowing to the "
            f"specified dtype ({scalar_type(want)})"
        )
    return x.to(OF_NUMPY[want])


def _singular_values(x: Any, rows: int, columns: int) -> Any:
    """Those of the matrices in two dimensions, put in place of the columns; the rows' dimension becomes 1."""
    if x._aval().dtype.itemsize < 4:
        raise RuntimeError(
            f"linalg.matrix_norm: Low precision dtypes not supported. Got {scalar_type(x._aval().dtype)}"
        )
    values = _svdvals(x.movedim((rows, columns), (-2, -1)))
    return values.unsqueeze(-2).movedim((-2, -1), (rows, columns))


def _matrix_norm(x: Any, order: Any, rows: int, columns: int) -> Any:
    """The norm with both dimensions kept, of size 1."""
    if order == "fro":
        return _vector_norm(x, 2, (rows, columns), True)
    if order == "nuc":
        return _singular_values(x, rows, columns).sum(columns, keepdim=True)
    if abs(order) == 2:
        return _extreme(_singular_values(x, rows, columns), columns, order)
    across, along = (rows, columns) if abs(order) == 1 else (columns, rows)
    return _extreme(_vector_norm(x, 1, across, True), along, order)


def _extreme(sizes: Any, dim: int, order: float) -> Any:
    """The largest along ``dim``, 0 of none, or for a negative order the smallest."""
    if order < 0:
        return sizes.amin(dim, keepdim=True)
    return sizes.amax(dim, keepdim=True) if sizes.shape[dim] else sizes.sum(dim, keepdim=True)


@composite("linalg")
def matrix_norm(
    A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None, out: Any = None
) -> Any:
    """The norm of the matrices in two dimensions: ``"fro"``, ``"nuc"``, 1, -1, 2, -2, inf or -inf.

    https://docs.pytorch.org/docs/stable/generated/torch.linalg.matrix_norm.html
    """
    if A.ndim < 2:
        raise RuntimeError("linalg.matrix_norm: The input tensor A must have at least 2 dimensions.")
    x = _in_dtype(A, dtype)
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    if len(dims) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {' '.join(map(str, dims))}")
    rows, columns = (wrap_dim(d, x.ndim) for d in dims)
    if rows == columns:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got ({rows}, {columns})")
    known = ord in ("fro", "nuc") if isinstance(ord, str) else abs(ord) in (1, 2, inf)
    if not known:
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    made = _matrix_norm(x, ord, rows, columns)
    return _into(out, made if keepdim else made.squeeze((rows, columns)), "linalg_matrix_norm")


@composite("linalg")
def norm(A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, out: Any = None, dtype: Any = None) -> Any:
    """A vector norm (one dimension, or no ``ord``) or a matrix norm (two dimensions).

    https://docs.pytorch.org/docs/stable/generated/torch.linalg.norm.html
    """
    dims = (dim,) if isinstance(dim, int) else None if dim is None else tuple(dim)
    if dims is not None and len(dims) not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dims)}")
    if dims is None and ord is not None and A.ndim not in (1, 2):
        raise RuntimeError(
            f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D."
        )
    if ord is not None and (isinstance(ord, str) or len(dims or A.shape) == 2):
        matrix = (-2, -1) if dims is None else dims
        return matrix_norm(A, ord, matrix, keepdim, dtype=dtype, out=out)
    return _into(out, _vector_norm(A, 2 if ord is None else ord, dims, keepdim, dtype=dtype), "linalg_norm")


@composite("torch")
def nuclear_norm(input: Any, dim: Any = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """The sum of the singular values of matrices: ``linalg.matrix_norm(input, "nuc", ...)``."""
    if isinstance(dim, bool):
        dim, keepdim = None, dim
    return matrix_norm(input, "nuc", (-2, -1) if dim is None else dim, keepdim, out=out)


@composite("torch")
def frobenius_norm(input: Any, dim: Any, keepdim: bool = False, *, out: Any = None) -> Any:
    """The 2-norm along one or two dimensions."""
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    if len(dims) > 2:
        raise RuntimeError(f"Expected at most 2 dimensions, but got {len(dims)} dimensions instead.")
    return _into(out, _vector_norm(input, 2, dims, keepdim), "frobenius_norm")


@composite("linalg")
def cond(A: Any, p: Any = None, *, out: Any = None) -> Any:
    """The condition number of matrices in a norm; infinity where a matrix is singular.

    https://docs.pytorch.org/docs/stable/generated/torch.linalg.cond.html
    """
    if A.ndim < 2:
        raise RuntimeError("linalg.cond: The input tensor must have at least 2 dimensions.")
    known = p in ("fro", "nuc") if isinstance(p, str) else p is None or abs(p) in (1, 2, inf)
    if not known:
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    if p in (None, 2, -2):
        values = _svdvals(A)
        if not values.shape[-1]:
            return _into(out, values.sum(-1), "linalg_cond", True)
        most, least = values[..., 0], values[..., -1]
        return _into(out, least / most if p == -2 else most / least, "linalg_cond", True)
    if A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            f"linalg.cond(ord={p}): A must be batches of square matrices, but they are {A.shape[-2]} by {A.shape[-1]} "
            "matrices"
        )
    inverse, info = _inv_ex(A)
    made = matrix_norm(A, p) * matrix_norm(inverse, p)
    return _into(out, made.masked_fill(info != 0, inf), "linalg_cond", True)


# -- products and decompositions under older names


@composite("torch")
def chain_matmul(*matrices: Any, out: Any = None) -> Any:
    """The product of matrices in the cheapest order; deprecated in torch for ``linalg.multi_dot``.

    https://docs.pytorch.org/docs/stable/generated/torch.chain_matmul.html
    """
    warnings.warn(
        "torch.chain_matmul is deprecated and will be removed in a future PyTorch release. Use torch.linalg.multi_dot "
        "instead, which accepts a list of two or more tensors rather than multiple parameters.",
        UserWarning,
        stacklevel=2,
    )
    if not matrices:
        raise RuntimeError("chain_matmul(): Expected one or more matrices")
    for m in matrices:
        if m.ndim != 2:
            raise RuntimeError(f"Tensor dimension is {m.ndim}, expected 2 instead.")
    return _into(out, matrices[0] if len(matrices) == 1 else _multi_dot(matrices), "chain_matmul")


@composite("torch Tensor")
def lu(A: Any, pivot: bool = True, get_infos: bool = False, out: Any = None) -> tuple:
    """The packed LU factors, the pivots, and on request the infos; deprecated in torch for ``linalg.lu_factor``.

    https://docs.pytorch.org/docs/stable/generated/torch.lu.html
    """
    warnings.warn(
        "torch.lu is deprecated in favor of torch.linalg.lu_factor / torch.linalg.lu_factor_ex and will be removed in "
        "a future PyTorch release.",
        UserWarning,
        stacklevel=2,
    )
    made = tuple(_lu_factor_ex(A, pivot=pivot, check_errors=not get_infos))
    return _into(out, made if get_infos else made[:2], "lu", True)


def _approximate_basis(A: Any, q: int, niter: int, M: Any) -> Any:
    """An orthonormal basis (..., m, q) of most of the range of ``A - M``, by subspace iteration."""

    def shifted(X: Any, basis: Any) -> Any:
        moved = X(A) @ basis
        return moved if M is None else moved - X(M) @ basis

    start = jtorch.randn(A.shape[-1], q, dtype=A.dtype, device=A.device)
    basis = _qr(shifted(lambda x: x, start))[0]
    for _ in range(niter):
        basis = _qr(shifted(lambda x: x.mH, basis))[0]
        basis = _qr(shifted(lambda x: x, basis))[0]
    return basis


@composite("torch")
def svd_lowrank(A: Any, q: int | None = 6, niter: int | None = 2, M: Any = None) -> tuple:
    """``U (m, q), S (q), V (n, q)`` with ``U diag(S) V^H`` near ``A - M``, by a randomised subspace iteration.

    https://docs.pytorch.org/docs/stable/generated/torch.svd_lowrank.html
    """
    q = 6 if q is None else q
    wide = A.shape[-2] < A.shape[-1]
    M = None if M is None else M.broadcast_to(A.shape)
    if wide:
        A, M = A.mH, None if M is None else M.mH
    basis = _approximate_basis(A, q, 2 if niter is None else niter, M)
    small = basis.mH @ (A if M is None else A - M)
    U, S, Vh = _svd(small, False)
    left, right = basis @ U, Vh.mH
    return (right, S, left) if wide else (left, S, right)


@composite("torch")
def pca_lowrank(A: Any, q: int | None = None, center: bool = True, niter: int = 2) -> tuple:
    """The low-rank singular value decomposition of a matrix whose columns are centred first.

    https://docs.pytorch.org/docs/stable/generated/torch.pca_lowrank.html
    """
    m, n = A.shape[-2:]
    if q is None:
        q = min(6, m, n)
    elif not 0 <= q <= min(m, n):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return svd_lowrank(A - A.mean(-2, keepdim=True) if center else A, q, niter)


# -- what torch removed


def _removed(name: str, instead: str, spaces: str) -> None:
    def gone(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            f"This function was deprecated since version 1.9 and is now removed. Use `torch.linalg.{instead}` instead "
            f"of `{name}`."
        )

    gone.__name__ = gone.__qualname__ = name
    gone.__doc__ = f"Raises: torch has removed it for ``torch.linalg.{instead}``."
    composite(spaces)(gone)


_REMOVED: Sequence[tuple[str, str, str]] = (
    ("eig", "eig", "torch Tensor"),
    ("symeig", "eigh", "torch Tensor"),
    ("solve", "solve", "torch Tensor"),
    ("lstsq", "lstsq", "torch Tensor"),
    ("matrix_rank", "matrix_rank", "torch"),
)
for _gone in _REMOVED:
    _removed(*_gone)
