"""Inverses and linear systems.

Where a matrix has to be regular, the check that it is runs the same LU factorisation; XLA merges the two.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jtorch.ops.dims import wrap_dims
from jtorch.ops.errors import LinAlgError, scalar_type, unsupported
from jtorch.ops.linalg_checks import (
    adjoint,
    need_fitting,
    need_inexact,
    need_kernel,
    need_matrix,
    need_same_dtype,
    need_square,
    same_batch,
    singular,
    transpose,
    triangular_solve,
    zero_pivot,
)
from jtorch.ops.linalg_decompositions import _zero_on_diagonal, rows_of
from jtorch.ops.linalg_spectral import cutoff, svd_of
from jtorch.ops.matmul import broadcast_batch, product
from jtorch.ops.promotion import FLOAT, category
from jtorch.ops.table import op

# --- general matrices


def inverse(a: Any, name: str = "linalg.inv") -> Any:
    """The inverses of square matrices."""
    need_square(a, name)
    need_inexact(a, name)
    return jnp.linalg.inv(a) if a.size else a


@op("linalg_inv(Tensor A) -> Tensor", expose="linalg:inv torch:inverse Tensor:inverse", saves="result",
    check=lambda A: singular(A, "linalg.inv"), grad_name="LinalgInvExBackward0")  # fmt: skip
def linalg_inv(A: Any) -> Any:
    """The inverse. Raises LinAlgError for singular matrices."""
    return inverse(A)


def _info(a: Any) -> Any:
    """LAPACK's ``info`` of an LU factorisation, one a matrix."""
    if 0 in a.shape:
        return jnp.zeros(a.shape[:-2], np.int32)
    return _zero_on_diagonal(lax.linalg.lu(lax.stop_gradient(a))[0])


@op("linalg_inv_ex(Tensor A, *, bool check_errors=False) -> (Tensor inverse, Tensor info)", expose="linalg:inv_ex",
    check=lambda A, *, check_errors: singular(A, "linalg.inv_ex") if check_errors else [])  # fmt: skip
def linalg_inv_ex(A: Any, *, check_errors: bool) -> tuple:
    """The inverse, with LAPACK's ``info`` instead of an error."""
    return inverse(A, "linalg.inv_ex"), _info(A)


def is_vector_rhs(a: Any, b: Any) -> bool:
    """Whether the right side of ``AX = B`` is (a batch of) vectors rather than matrices."""
    return b.ndim == 1 or (a.ndim - 1 == b.ndim and b.shape == a.shape[:-1])


def _solve(a: Any, b: Any, left: bool, name: str) -> Any:
    need_square(a, name)
    need_inexact(a, name)
    need_same_dtype(a, b, name)
    vector = is_vector_rhs(a, b)
    b = b[..., None] if vector else b
    need_fitting(a, b, name, left=left or vector)
    if vector and not left:
        raise RuntimeError(f"{name}: Vector broadcasting of the left hand side is not supported for left=False")
    batch = broadcast_batch(b.shape[:-2], a.shape[:-2])
    b = jnp.broadcast_to(b, (*batch, *b.shape[-2:]))
    if not b.size:
        x = b
    elif left:
        x = jnp.linalg.solve(a, b)
    else:
        x = transpose(jnp.linalg.solve(transpose(a), transpose(b)))
    return x[..., 0] if vector else x


def _unsolvable(a: Any, name: str) -> list:
    return [(zero_pivot(a), LinAlgError, f"{name}: The solver failed because the input matrix is singular.")]


@op("linalg_solve(Tensor A, Tensor B, *, bool left=True) -> Tensor", expose="linalg:solve", saves="A result",
    check=lambda A, B, *, left: _unsolvable(A, "torch.linalg.solve"), grad_name="LinalgSolveExBackward0")  # fmt: skip
def linalg_solve(A: Any, B: Any, *, left: bool) -> Any:
    """``X`` with ``A X = B``, or ``X A = B``; ``B`` may be (a batch of) vectors. LinAlgError where A is singular."""
    return _solve(A, B, left, "linalg.solve")


@op("linalg_solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False) -> (Tensor result, Tensor info)",
    expose="linalg:solve_ex",
    check=lambda A, B, *, left, check_errors: (
        _unsolvable(A, "torch.linalg.solve_ex") if check_errors else []
    ))  # fmt: skip
def linalg_solve_ex(A: Any, B: Any, *, left: bool, check_errors: bool) -> tuple:
    """``solve`` with LAPACK's ``info`` instead of an error."""
    result = _solve(A, B, left, "linalg.solve")
    vector = is_vector_rhs(A, B)
    batch = result.shape[: -1 if vector else -2]
    return result, jnp.broadcast_to(_info(A), batch)


# --- triangular matrices and factors


@op("linalg_solve_triangular(Tensor self, Tensor B, *, bool upper, bool left=True, bool unitriangular=False) -> Tensor",
    expose="linalg:solve_triangular", saves="self result")  # fmt: skip
def linalg_solve_triangular(self: Any, B: Any, *, upper: bool, left: bool, unitriangular: bool) -> Any:
    """``X`` with ``A X = B`` (``left``) or ``X A = B`` for triangular ``A``, whose other triangle is not read."""
    need_fitting(self, B, "linalg.solve_triangular", left=left)
    need_same_dtype(self, B, "linalg.solve_triangular")
    need_kernel(self, "triangular_solve_cpu")
    return triangular_solve(self, B, lower=not upper, left=left, unit=unitriangular)


def _need_older_solver(b: Any, a: Any, name: str) -> None:
    """What the solvers from before ``torch.linalg`` ask: the right side comes first."""
    if a.dtype != b.dtype:
        raise RuntimeError(
            f"Expected b and A to have the same dtype, but found b of type {scalar_type(b.dtype)} and A of type "
            f"{scalar_type(a.dtype)} instead."
        )
    if a.shape[-2] != b.shape[-2]:
        raise RuntimeError(
            f"Incompatible matrix sizes for {name}: each A matrix is {a.shape[-1]} by {a.shape[-1]} but each b matrix "
            f"is {b.shape[-2]} by {b.shape[-1]}"
        )
    if a.shape[-2] != a.shape[-1]:
        raise RuntimeError(
            f"A must be batches of square matrices, but they are {a.shape[-2]} by {a.shape[-1]} matrices"
        )
    broadcast_batch(b.shape[:-2], a.shape[:-2])


@op("triangular_solve(Tensor self, Tensor A, bool upper=True, bool transpose=False, bool unitriangular=False)"
    " -> (Tensor solution, Tensor cloned_coefficient)")  # fmt: skip
def triangular_solve_older(self: Any, A: Any, upper: bool, transpose: bool, unitriangular: bool) -> tuple:
    """``linalg.solve_triangular`` under its older name, with the right side first and a copy of ``A`` returned."""
    for x, name in ((self, "b"), (A, "A")):
        if x.ndim < 2:
            raise RuntimeError(
                f"torch.triangular_solve: Expected {name} to have at least 2 dimensions, but it has {x.ndim} "
                "dimensions instead"
            )
    _need_older_solver(self, A, "triangular_solve")
    need_kernel(A, "triangular_solve")
    a, b = same_batch(A, self)
    return triangular_solve(a, b, lower=not upper, unit=unitriangular, trans=transpose), a


@op("cholesky_solve(Tensor self, Tensor input2, bool upper=False) -> Tensor", saves="self input2 result")
def cholesky_solve(self: Any, input2: Any, upper: bool) -> Any:
    """``X`` with ``A X = self`` for ``A = L L^H`` (``upper``: ``U^H U``) given by its factor ``input2``."""
    for x, name in ((self, "b"), (input2, "u")):
        if x.ndim < 2:
            raise RuntimeError(f"{name} should have at least 2 dimensions, but has {x.ndim} dimensions instead")
    _need_older_solver(self, input2, "cholesky_solve")
    need_kernel(self, "cholesky_solve_cpu")
    return _cholesky_solve(self, input2, upper)


def _cholesky_solve(b: Any, factor: Any, upper: bool) -> Any:
    half = triangular_solve(factor, b, lower=not upper, trans=upper, conj=upper)
    return triangular_solve(factor, half, lower=not upper, trans=not upper, conj=not upper)


@op("cholesky_inverse(Tensor self, bool upper=False) -> Tensor", saves="self result")
def cholesky_inverse(self: Any, upper: bool) -> Any:
    """The inverse of ``L L^H`` (``upper``: ``U^H U``) given by its factor."""
    need_square(self, "cholesky_inverse")
    need_kernel(self, "cholesky_inverse_out_cpu")
    return _cholesky_solve(jnp.broadcast_to(jnp.eye(self.shape[-1], dtype=self.dtype), self.shape), self, upper)


def _need_pivots(lu: Any, pivots: Any) -> None:
    if pivots.dtype != np.int32:
        raise RuntimeError("linalg.lu_solve: pivots should be a Tensor of scalar type torch.int32")
    need_square(lu, "torch.linalg.lu_solve")
    if not pivots.ndim or pivots.shape[-1] != lu.shape[-1]:
        raise RuntimeError("linalg.lu_solve: Number of pivots per batch should be same as the dimension of the matrix")
    if lu.shape[:-1] != pivots.shape:
        raise RuntimeError(
            "linalg.lu_solve: Expected LU.shape[:-1] and pivots.shape to be the same, but got pivots with shape "
            f"{list(pivots.shape)} instead"
        )


def _lu_solve(lu: Any, pivots: Any, b: Any, left: bool, trans: bool) -> Any:
    """Solve with ``A = P L U``; ``trans`` for ``A^H``."""
    if not left:
        return adjoint(_lu_solve(lu, pivots, adjoint(b), True, not trans))
    batch = broadcast_batch(b.shape[:-2], lu.shape[:-2])
    b = jnp.broadcast_to(b, (*batch, *b.shape[-2:]))
    if not b.size:
        return b
    rows = jnp.broadcast_to(rows_of(pivots, lu.shape[-1]), (*batch, lu.shape[-1]))
    if trans:
        half = triangular_solve(lu, b, lower=False, trans=True, conj=True)
        x = triangular_solve(lu, half, lower=True, unit=True, trans=True, conj=True)
        return jnp.take_along_axis(x, jnp.argsort(rows, -1)[..., None], -2)
    b = jnp.take_along_axis(b, rows[..., None], -2)
    half = triangular_solve(lu, b, lower=True, unit=True)
    return triangular_solve(lu, half, lower=False)


def _bad_pivots(pivots: Any) -> list:
    n = pivots.shape[-1] if pivots.ndim else 0
    advice = "Did you properly pass the result of lu_factor?"
    return [
        (jnp.any(pivots < 1), RuntimeError,
         f"Pivots given to lu_solve must all be greater or equal to 1. {advice}"),
        (jnp.any(pivots > n), RuntimeError,
         f"Pivots given to lu_solve must all be smaller or equal to LU.size(-2). {advice}"),
    ]  # fmt: skip


@op("linalg_lu_solve(Tensor LU, Tensor pivots, Tensor B, *, bool left=True, bool adjoint=False) -> Tensor",
    expose="linalg:lu_solve", saves="LU pivots result",
    check=lambda LU, pivots, B, *, left, adjoint: _bad_pivots(pivots))  # fmt: skip
def linalg_lu_solve(LU: Any, pivots: Any, B: Any, *, left: bool, adjoint: bool) -> Any:
    """``X`` with ``A X = B`` for ``lu_factor(A)``'s results; ``adjoint``: for ``A^H``; not ``left``: ``X A = B``."""
    need_kernel(LU, "linalg.lu_solve")
    need_same_dtype(LU, B, "linalg.lu_solve", ("LU", "B"))
    _need_pivots(LU, pivots)
    need_fitting(LU, B, "linalg.lu_solve", left=left)
    return _lu_solve(LU, pivots, B, left, adjoint)


@op("lu_solve(Tensor self, Tensor LU_data, Tensor LU_pivots) -> Tensor", grad_name="LinalgLuSolveBackward0",
    check=lambda self, LU_data, LU_pivots: _bad_pivots(LU_pivots))  # fmt: skip
def lu_solve(self: Any, LU_data: Any, LU_pivots: Any) -> Any:
    """``linalg.lu_solve`` under its older name, with the right side first."""
    return linalg_lu_solve(LU_data, LU_pivots, self)


# --- least squares

_DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


@jax.custom_jvp
def _least_squares(a: Any, b: Any, rcond: Any) -> tuple:
    """The solution of least norm, the singular values and the rank."""
    u, s, vh = svd_of(a, False)
    kept = s > cutoff(s, 0.0, rcond)[..., None]
    inverse = jnp.where(kept, 1 / jnp.where(kept, s, 1), 0).astype(a.dtype)
    x = product(adjoint(vh), inverse[..., None] * product(adjoint(u), b))
    return x, s, kept.sum(-1, dtype=np.int64)


@_least_squares.defjvp
def _least_squares_jvp(primals: tuple, tangents: tuple) -> tuple:
    """The derivative of ``pinv(a) @ b`` for a rank that stays what it is; singular values and rank have none here."""
    (a, b, rcond), (da, db, _) = primals, tangents
    u, s, vh = svd_of(a, False)
    kept = s > cutoff(s, 0.0, rcond)[..., None]
    inverse = jnp.where(kept, 1 / jnp.where(kept, s, 1), 0).astype(a.dtype)
    p = product(adjoint(vh) * inverse[..., None, :], adjoint(u))
    x, values, rank = _least_squares(a, b, rcond)
    dah, ph = adjoint(da), adjoint(p)
    right = product(dah, product(ph, x))
    dx = product(p, db) - product(p, product(da, x)) + product(p, product(ph, product(dah, b - product(a, x))))
    dx = dx + right - product(p, product(a, right))
    return (x, values, rank), (dx, jnp.zeros_like(values), np.zeros(rank.shape, jax.dtypes.float0))


@op("linalg_lstsq(Tensor self, Tensor b, float? rcond=None, *, str? driver=None)"
    " -> (Tensor solution, Tensor residuals, Tensor rank, Tensor singular_values)", expose="linalg:lstsq",
    still="singular_values")  # fmt: skip
def linalg_lstsq(self: Any, b: Any, rcond: float | None, *, driver: str | None) -> tuple:
    """``X`` of least norm that minimises ``|A X - B|``, found through singular values whatever the driver.

    The residuals come back for the drivers "gels", "gelsd" and "gelss" and more rows than columns, else they are empty.
    Unlike torch's they are there for rank-deficient matrices too, as a shape cannot depend on the data.
    """
    name, a = "torch.linalg.lstsq", self
    if a.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if not b.ndim:
        raise RuntimeError(f"{name}: other must have at least 1 dimension.")
    if a.dtype != b.dtype:
        raise RuntimeError(
            f"{name}: Expected input and other to have the same dtype, but got input's dtype {scalar_type(a.dtype)} "
            f"and other's dtype {scalar_type(b.dtype)}"
        )
    driver = driver or "gelsy"
    if driver not in _DRIVERS:
        raise RuntimeError(f"{name}: parameter `driver` should be one of ({', '.join(_DRIVERS)})")
    if category(a.dtype) < FLOAT or a.dtype.itemsize < 4:
        raise unsupported("linalg_lstsq_cpu", a.dtype)
    vector = a.ndim - 1 == b.ndim and b.shape == a.shape[:-1]
    rhs = b[..., None] if vector else b
    if rhs.ndim < 2 or a.shape[-2] != rhs.shape[-2]:
        kind = "other.size(-1)" if vector or rhs.ndim < 2 else "other.size(-2)"
        raise RuntimeError(f"{name}: input.size(-2) should match {kind}")
    a, rhs = same_batch(a, rhs)
    (*batch, m, n), empty = a.shape, jnp.zeros((0,), a.real.dtype)
    if rcond is None:
        rcond = float(jnp.finfo(a.dtype).eps) * max(m, n)
    if not a.size or not rhs.size:
        x = jnp.zeros((*batch, n, rhs.shape[-1]), a.dtype)
        values, rank = jnp.zeros((*batch, min(m, n)), a.real.dtype), jnp.zeros(batch, np.int64)
    else:
        x, values, rank = _least_squares(a, rhs, rcond)
    residuals = empty
    if m > n and driver != "gelsy":
        residuals = (jnp.abs(product(a, x) - rhs) ** 2).sum(-2)
        residuals = residuals[..., 0] if vector else residuals
    return (
        x[..., 0] if vector else x,
        residuals,
        jnp.zeros((0,), np.int64) if driver == "gels" else rank,
        values if driver in ("gelsd", "gelss") else empty,
    )


# --- tensors read as matrices


def _need_balanced(rows: int, columns: int, split: str) -> None:
    if rows != columns:
        raise RuntimeError(
            f"Expected self to satisfy the requirement prod(self.shape[{split}:]) == prod(self.shape[:{split}]), "
            f"but got {columns} != {rows}"
        )


@op("linalg_tensorinv(Tensor self, int ind=2) -> Tensor", expose="linalg:tensorinv",
    check=lambda self, ind: singular(self.reshape(math.prod(self.shape[:ind]), -1), "inv"),
    grad_name="ReshapeAliasBackward0")  # fmt: skip
def linalg_tensorinv(self: Any, ind: int) -> Any:
    """The inverse of a tensor read as a matrix whose rows are its first ``ind`` dimensions."""
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', but got {ind}")
    rows, columns = math.prod(self.shape[:ind]), math.prod(self.shape[ind:])
    _need_balanced(rows, columns, "ind")
    return inverse(self.reshape(rows, columns)).reshape(self.shape[ind:] + self.shape[:ind])


def _tensor_system(a: Any, b: Any, dims: tuple[int, ...] | None) -> tuple[Any, tuple[int, ...]]:
    if dims is not None:
        last = wrap_dims(dims, a.ndim)
        a = jnp.transpose(a, [d for d in range(a.ndim) if d not in last] + list(last))
    shape = a.shape[b.ndim :]
    rows, columns = math.prod(a.shape[: b.ndim]), math.prod(shape)
    _need_balanced(rows, columns, "other.ndim")
    return a.reshape(rows, columns), shape


@op("linalg_tensorsolve(Tensor self, Tensor other, int[]? dims=None) -> Tensor", expose="linalg:tensorsolve",
    check=lambda self, other, dims: _unsolvable(_tensor_system(self, other, dims)[0], "torch.linalg.solve"),
    grad_name="ReshapeAliasBackward0")  # fmt: skip
def linalg_tensorsolve(self: Any, other: Any, dims: tuple[int, ...] | None) -> Any:
    """``X`` with ``tensordot(self, X, X.ndim) = other``; ``dims`` of ``self`` are moved to its end first."""
    matrix, shape = _tensor_system(self, other, dims)
    need_matrix(matrix, "linalg.solve")
    return _solve(matrix, other.reshape(-1), True, "linalg.solve").reshape(shape)
