"""Factorisations that end in triangles: Cholesky, LU, QR and its Householder pieces.

Results are LAPACK's, as torch's are, through JAX's public ``jax.lax.linalg``. Pivots are counted from 1.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jtorch.ops.derivatives import without_derivative
from jtorch.ops.errors import LinAlgError, scalar_type
from jtorch.ops.linalg_checks import (
    adjoint,
    need_inexact,
    need_kernel,
    need_matrix,
    need_square,
    transpose,
    triangular_solve,
)
from jtorch.ops.matmul import product
from jtorch.ops.table import op

# --- Cholesky


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def from_triangle(a: Any, lower: bool) -> Any:
    """The Hermitian matrix of which ``a`` holds one triangle; the other one is not read.

    The derivative is that of ``(a + a^H) / 2``, so that gradients come out Hermitian as torch's do.
    """
    strict = jnp.tril(a, -1) if lower else jnp.triu(a, 1)
    diagonal = jnp.diagonal(a, axis1=-2, axis2=-1).real.astype(a.dtype)
    return strict + adjoint(strict) + diagonal[..., None] * jnp.eye(a.shape[-1], dtype=a.dtype)


@from_triangle.defjvp
def _from_triangle_jvp(lower: bool, primals: tuple, tangents: tuple) -> tuple:
    (a,), (da,) = primals, tangents
    return from_triangle(a, lower), (da + adjoint(da)) / 2


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _cholesky(a: Any, upper: bool) -> Any:
    factor = lax.linalg.cholesky(from_triangle(a, not upper), symmetrize_input=False)
    return adjoint(factor) if upper else factor


@_cholesky.defjvp
def _cholesky_jvp(upper: bool, primals: tuple, tangents: tuple) -> tuple:
    """``dL = L tril((M + M^H) / 2)`` for ``M = L^-1 dA L^-H``, with half of the diagonal of ``M`` as it is."""
    (a,), (da,) = primals, tangents
    factor = _cholesky(a, upper)
    lower = adjoint(factor) if upper else factor
    m = triangular_solve(lower, adjoint(triangular_solve(lower, da, lower=True)), lower=True)
    step = product(lower, (jnp.tril(adjoint(m)) + jnp.tril(m, -1)) / 2)
    return factor, adjoint(step) if upper else step


def _need_definite(a: Any, name: str) -> None:
    need_square(a, name)
    if a.dtype.kind not in "fc" and a.dtype.itemsize > 2:
        need_inexact(a, name, low=True)
    need_kernel(a, "cholesky_cpu")


def _not_definite(a: Any, upper: bool, name: str) -> list:
    message = (
        f"{name}: The factorization could not be completed because the input is not positive-definite "
        "(a leading minor is not positive-definite)."
    )
    return [(jnp.any(jnp.isnan(_cholesky(lax.stop_gradient(a), upper))), LinAlgError, message)]


@op("linalg_cholesky(Tensor A, *, bool upper=False) -> Tensor", expose="linalg:cholesky", saves="result",
    check=lambda A, *, upper: _not_definite(A, upper, "linalg.cholesky"),
    grad_name="LinalgCholeskyExBackward0")  # fmt: skip
def linalg_cholesky(A: Any, *, upper: bool) -> Any:
    """Lower ``L`` with ``A = L L^H`` (``upper``: ``U``, ``A = U^H U``). Raises LinAlgError unless positive-definite."""
    _need_definite(A, "linalg.cholesky")
    return _cholesky(A, upper)


@op("cholesky(Tensor self, bool upper=False) -> Tensor", saves="result",
    check=lambda self, upper: _not_definite(self, upper, "cholesky"))  # fmt: skip
def cholesky(self: Any, upper: bool) -> Any:
    """``linalg.cholesky`` under its older name."""
    _need_definite(self, "cholesky")
    return _cholesky(self, upper)


def _failed_minor(a: Any) -> Any:
    """The order of the first leading minor that is not positive, for one Hermitian matrix; 0 where all are."""
    n = a.shape[-1]

    def step(j: Any, state: tuple) -> tuple:
        rest, order = state
        pivot = rest[j, j].real
        order = jnp.where((order == 0) & ~(pivot > 0), j + 1, order)
        column = rest[:, j]
        return rest - column[:, None] * column.conj() / jnp.where(pivot > 0, pivot, 1), order

    return lax.fori_loop(0, n, step, (a, jnp.asarray(0)))[1].astype(np.int32)


def _minor_info(a: Any, factor: Any, upper: bool) -> Any:
    """LAPACK's ``info`` for a Cholesky factorisation, worked out only where it failed."""
    batch = a.shape[:-2]
    if 0 in a.shape:
        return jnp.zeros(batch, np.int32)
    whole = from_triangle(lax.stop_gradient(a), not upper).reshape(-1, *a.shape[-2:])
    failed = jnp.any(jnp.isnan(lax.stop_gradient(factor)))
    zeros = jnp.zeros(whole.shape[0], np.int32)
    return lax.cond(failed, lambda w: jax.vmap(_failed_minor)(w), lambda w: zeros, whole).reshape(batch)


def _cholesky_ex_check(A: Any, *, upper: bool, check_errors: bool) -> list:
    return _not_definite(A, upper, "linalg.cholesky_ex") if check_errors else []


@op("linalg_cholesky_ex(Tensor A, *, bool upper=False, bool check_errors=False) -> (Tensor L, Tensor info)",
    expose="linalg:cholesky_ex", check=_cholesky_ex_check)  # fmt: skip
def linalg_cholesky_ex(A: Any, *, upper: bool, check_errors: bool) -> tuple:
    """``cholesky`` with LAPACK's ``info`` instead of an error; a factor that failed holds NaN."""
    _need_definite(A, "linalg.cholesky_ex")
    factor = _cholesky(A, upper)
    return factor, _minor_info(A, factor, upper)


# --- LU


def _need_lu(a: Any, name: str, pivot: bool) -> None:
    if a.ndim < 2:
        raise RuntimeError(f"{name}: Expected tensor with 2 or more dimensions. Got size: {list(a.shape)} instead")
    need_kernel(a, "lu_cpu")
    if not pivot:
        raise RuntimeError("linalg.lu_factor: LU without pivoting is not implemented")


def _zero_on_diagonal(lu: Any) -> Any:
    """LAPACK's ``info``: the number, from 1, of the first zero on the diagonal of ``U``; 0 where there is none."""
    zero = jnp.diagonal(lax.stop_gradient(lu), axis1=-2, axis2=-1) == 0
    if not zero.shape[-1]:
        return jnp.zeros(zero.shape[:-1], np.int32)
    return jnp.where(zero.any(-1), zero.argmax(-1) + 1, 0).astype(np.int32)


def _division_by_zero(a: Any, name: str) -> list:
    lu, _, _ = lax.linalg.lu(lax.stop_gradient(a))
    message = (
        f"{name}: U has a zero on its diagonal and using it on lu_solve would result in a division by zero. "
        "If you still want to perform the factorization, consider calling linalg.lu(A, pivot) or "
        "linalg.lu_factor_ex(A, pivot)"
    )
    return [(jnp.any(_zero_on_diagonal(lu) > 0), RuntimeError, message)]


@op("linalg_lu_factor(Tensor A, *, bool pivot=True) -> (Tensor LU, Tensor pivots)", expose="linalg:lu_factor",
    check=lambda A, *, pivot: _division_by_zero(A, "torch.linalg.lu_factor"),
    grad_name="LinalgLuFactorExBackward0")  # fmt: skip
def linalg_lu_factor(A: Any, *, pivot: bool) -> tuple:
    """``L`` (without its unit diagonal) and ``U`` in one matrix, and the rows exchanged, as int32 from 1."""
    _need_lu(A, "torch.lu_factor", pivot)
    lu, pivots, _ = lax.linalg.lu(A)
    return lu, pivots + 1


@op("linalg_lu_factor_ex(Tensor A, *, bool pivot=True, bool check_errors=False)"
    " -> (Tensor LU, Tensor pivots, Tensor info)", expose="linalg:lu_factor_ex",
    check=lambda A, *, pivot, check_errors: (
        _division_by_zero(A, "torch.linalg.lu_factor_ex") if check_errors else []
    ))  # fmt: skip
def linalg_lu_factor_ex(A: Any, *, pivot: bool, check_errors: bool) -> tuple:
    """``lu_factor`` with LAPACK's ``info`` instead of an error."""
    _need_lu(A, "torch.lu_factor", pivot)
    lu, pivots, _ = lax.linalg.lu(A)
    return lu, pivots + 1, _zero_on_diagonal(lu)


def _triangles(lu: Any) -> tuple[Any, Any]:
    m, n = lu.shape[-2:]
    k = min(m, n)
    lower = jnp.tril(lu[..., :k], -1) + jnp.eye(m, k, dtype=lu.dtype)
    return lower, jnp.triu(lu[..., :k, :])


def _permutation_matrix(rows: Any, dtype: Any) -> Any:
    """The matrix that puts row ``rows[i]`` of its operand where row i of the factors' product is."""
    return (jnp.arange(rows.shape[-1])[:, None] == rows[..., None, :]).astype(dtype)


@op("linalg_lu(Tensor A, *, bool pivot=True) -> (Tensor P, Tensor L, Tensor U)", expose="linalg:lu", still="P")
def linalg_lu(A: Any, *, pivot: bool) -> tuple:
    """``A = P L U``."""
    _need_lu(A, "linalg.lu", pivot)
    lu, _, rows = lax.linalg.lu(A)
    return (_permutation_matrix(rows, A.dtype), *_triangles(lu))


def _pivot_range(LU_data: Any, LU_pivots: Any, unpack_data: bool, unpack_pivots: bool) -> list:
    message = (
        "pivots passed to lu_unpack must be between 1 and LU.size(-2) inclusive."
        "Did you properly pass the result of lu_factor?"
    )
    bad = (LU_pivots < 1) | (LU_pivots > LU_data.shape[-2])
    return [(jnp.any(bad), RuntimeError, message)] if unpack_pivots else []


@op("lu_unpack(Tensor LU_data, Tensor LU_pivots, bool unpack_data=True, bool unpack_pivots=True)"
    " -> (Tensor P, Tensor L, Tensor U)", expose="torch", still="P", check=_pivot_range)  # fmt: skip
def lu_unpack(LU_data: Any, LU_pivots: Any, unpack_data: bool, unpack_pivots: bool) -> tuple:
    """``P, L, U`` from the results of ``lu_factor``; what is not unpacked comes back empty."""
    if LU_data.ndim < 2:
        raise RuntimeError(
            f"torch.lu_unpack: Expected tensor with 2 or more dimensions. Got size: {list(LU_data.shape)} instead"
        )
    if unpack_pivots and LU_pivots.dtype != np.int32:
        raise RuntimeError(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.\n"
            "Note: this function is intended to be used with the output produced by torch.linalg.lu_factor"
        )
    empty = jnp.zeros((0,), LU_data.dtype)
    lower, upper = _triangles(LU_data) if unpack_data else (empty, empty)
    rows = rows_of(LU_pivots, LU_data.shape[-2]) if unpack_pivots else None
    return empty if rows is None else _permutation_matrix(rows, LU_data.dtype), lower, upper


def rows_of(pivots: Any, size: int) -> Any:
    """The order of rows that a list of exchanges (from 1) leads to."""
    return lax.linalg.lu_pivots_to_permutation(pivots - 1, size)


# --- QR

_COMPLETE = RuntimeError("The QR decomposition is not differentiable when mode='complete' and nrows > ncols.")


@without_derivative(_COMPLETE)
def _complete_qr(a: Any) -> tuple:
    return tuple(lax.linalg.qr(a, full_matrices=True))


def _qr(a: Any, complete: bool) -> tuple:
    m, n = a.shape[-2:]
    if complete and m > n:
        return _complete_qr(a)
    if m >= n:
        return tuple(lax.linalg.qr(a, full_matrices=False))
    # Of a wide matrix the first columns alone decide Q; written so, it can be differentiated.
    q, r = lax.linalg.qr(a[..., :m], full_matrices=False)
    return q, jnp.concatenate([r, product(adjoint(q), a[..., m:])], -1)


@op('linalg_qr(Tensor A, str mode="reduced") -> (Tensor Q, Tensor R)', expose="linalg:qr", saves="result")
def linalg_qr(A: Any, mode: str) -> tuple:
    """``A = Q R``; ``mode`` "reduced", "complete", or "r" for an empty ``Q``."""
    need_matrix(A, "linalg.qr")
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        )
    if A.dtype.itemsize != 2:
        need_inexact(A, "linalg.qr", low=True)
    need_kernel(A, "geqrf_cpu")
    q, r = _qr(A, mode == "complete")
    return (jnp.zeros((0,), A.dtype) if mode == "r" else q), r


@op("qr(Tensor self, bool some=True) -> (Tensor Q, Tensor R)", saves="result", grad_name="LinalgQrBackward0")
def qr(self: Any, some: bool) -> tuple:
    """``linalg.qr`` under its older name; ``some=False`` is mode "complete"."""
    return linalg_qr(self, "reduced" if some else "complete")


@without_derivative(NotImplementedError("the derivative for 'geqrf' is not implemented."))
def _raw_qr(a: Any) -> tuple:
    packed, tau = jnp.linalg.qr(a, mode="raw")
    return transpose(packed), tau


@op("geqrf(Tensor self) -> (Tensor a, Tensor tau)")
def geqrf(self: Any) -> tuple:
    """LAPACK's QR: ``R`` and the Householder vectors in one matrix, and their factors."""
    if self.ndim < 2:
        raise RuntimeError("torch.geqrf: input must have at least 2 dimensions.")
    need_kernel(self, "geqrf_cpu")
    return _raw_qr(self)


def _reflectors(packed: Any, tau: Any) -> tuple[Any, Any]:
    """``V, T`` with ``H_1 H_2 ... H_k = I - V T V^H``, the compact form (Schreiber and Van Loan, 1989)."""
    k = tau.shape[-1]
    v = jnp.tril(packed[..., :k], -1) + jnp.eye(packed.shape[-2], k, dtype=packed.dtype)
    cross = jnp.triu(product(adjoint(v), v), 1)
    # T (I + S D) = D for S the strict upper triangle of V^H V and D = diag(tau): well-defined for tau = 0 too.
    system = jnp.eye(k, dtype=packed.dtype) + cross * tau[..., None, :]
    scale = tau[..., None] * jnp.eye(k, dtype=packed.dtype)
    return v, triangular_solve(system, scale, lower=False, left=False, unit=True)


@op("linalg_householder_product(Tensor input, Tensor tau) -> Tensor",
    expose="linalg:householder_product torch:orgqr Tensor:orgqr", saves="input tau result")  # fmt: skip
def linalg_householder_product(input: Any, tau: Any) -> Any:
    """The first columns of a product of Householder reflections: ``Q`` of ``geqrf``'s results."""
    name = "torch.linalg.householder_product"
    if input.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if input.shape[-2] < input.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]")
    if input.shape[-1] < tau.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    _need_factors(input, tau, name)
    need_kernel(input, "orgqr_cpu")
    v, t = _reflectors(input, tau)
    n = input.shape[-1]
    return jnp.eye(input.shape[-2], n, dtype=input.dtype) - product(v, product(t, adjoint(v[..., :n, :])))


def _need_factors(packed: Any, tau: Any, name: str) -> None:
    if tau.ndim != packed.ndim - 1:
        raise RuntimeError(
            f"{name}: Expected tau to have one dimension less than input, but got tau.ndim equal to {tau.ndim} and "
            f"input.ndim is equal to {packed.ndim}"
        )
    if tau.shape[:-1] != packed.shape[:-2]:
        raise RuntimeError(
            f"{name}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got {list(tau.shape[:-1])}"
        )
    if tau.dtype != packed.dtype:
        raise RuntimeError(
            f"{name}: tau dtype {scalar_type(tau.dtype)} does not match input dtype {scalar_type(packed.dtype)}"
        )


@op("ormqr(Tensor self, Tensor input2, Tensor input3, bool left=True, bool transpose=False) -> Tensor",
    saves="self input2 input3")  # fmt: skip
def ormqr(self: Any, input2: Any, input3: Any, left: bool, transpose: bool) -> Any:
    """``Q input3``, or with ``left=False`` ``input3 Q``, for the square ``Q`` of ``geqrf``'s ``self, input2``."""
    packed, tau, other = self, input2, input3
    for x, arg in ((packed, "input"), (other, "other")):
        if x.ndim < 2:
            raise RuntimeError(f"torch.ormqr: {arg} must have at least 2 dimensions.")
    side = -2 if left else -1
    if other.shape[side] < tau.shape[-1]:
        raise RuntimeError(f"torch.ormqr: other.shape[{side}] must be greater than or equal to tau.shape[-1]")
    if tau.shape[-1] != min(other.shape[side], packed.shape[-1]):
        raise RuntimeError(f"torch.ormqr: tau.shape[-1] must be equal to min(other.shape[{side}], input.shape[-1])")
    if other.shape[side] != packed.shape[-2]:
        raise RuntimeError(f"torch.ormqr: other.shape[{side}] must be equal to input.shape[-2]")
    _need_factors(packed, tau, "torch.ormqr")
    if other.dtype != packed.dtype:
        raise RuntimeError(
            f"torch.ormqr: Expected input and other to have the same dtype, but input has dtype"
            f"{scalar_type(packed.dtype)} and other has dtype {scalar_type(other.dtype)}"
        )
    need_kernel(packed, "ormqr_cpu")
    v, t = _reflectors(packed, tau)
    t = adjoint(t) if transpose else t
    if left:
        return other - product(v, product(t, product(adjoint(v), other)))
    return other - product(product(product(other, v), t), adjoint(v))
