"""Singular values and eigenvalues.

Vectors come with an arbitrary phase (and, where values coincide, in an arbitrary basis), so only losses that do not
depend on it have a gradient. The derivatives here are those of such losses: a gap of zero between two values counts as
no contribution, where torch divides by it and gets NaN.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jtorch.ops.errors import LinAlgError, scalar_type
from jtorch.ops.linalg_checks import (
    adjoint,
    need_inexact,
    need_kernel,
    need_matrix,
    need_square,
    not_finite,
    reciprocal,
)
from jtorch.ops.linalg_decompositions import from_triangle
from jtorch.ops.matmul import product
from jtorch.ops.promotion import COMPLEX, category
from jtorch.ops.table import op

# --- singular values


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def svd_of(a: Any, full: bool) -> tuple:
    """``U, S, V^H`` with ``a = U S V^H``; ``full`` makes the outer factors square."""
    return tuple(lax.linalg.svd(a, full_matrices=full))


@svd_of.defjvp
def _svd_jvp(full: bool, primals: tuple, tangents: tuple) -> tuple:
    """Townsend, Differentiating the Singular Value Decomposition (2016). Columns past min(m, n) get no derivative."""
    (a,), (da,) = primals, tangents
    u, s, vh = svd_of(a, full)
    k = s.shape[-1]
    u1, v1 = u[..., :k], adjoint(vh[..., :k, :])
    inner = product(adjoint(u1), product(da, v1))
    diagonal = jnp.diagonal(inner, axis1=-2, axis2=-1)
    row, column = s[..., None, :], s[..., :, None]
    gap = reciprocal((row - column) * (row + column)).astype(a.dtype)
    du = product(u1, gap * (inner * row + column * adjoint(inner)))
    dv = product(v1, gap * (column * inner + adjoint(inner) * row))
    if category(a.dtype) == COMPLEX:
        phase = 1j * diagonal.imag * reciprocal(s)
        du = du + u1 * phase[..., None, :].astype(a.dtype)
    m, n = a.shape[-2:]
    inverse = reciprocal(row).astype(a.dtype)
    if m > n:
        du = du + _outside(u1, product(da, v1)) * inverse
    if n > m:
        dv = dv + _outside(v1, product(adjoint(da), u1)) * inverse
    du, dvh = _padded(du, u.shape), _padded(adjoint(dv), vh.shape)
    return (u, s, vh), (du, diagonal.real, dvh)


def _outside(basis: Any, x: Any) -> Any:
    """The part of ``x`` orthogonal to the columns of ``basis``."""
    return x - product(basis, product(adjoint(basis), x))


def _padded(x: Any, shape: tuple[int, ...]) -> Any:
    widths = [(0, n - k, 0) for n, k in zip(shape, x.shape, strict=True)]
    return lax.pad(x, jnp.zeros((), x.dtype), widths)


def _need_svd(a: Any, driver: str | None) -> None:
    need_matrix(a, "linalg.svd")
    need_inexact(a, "linalg.svd")
    if driver is not None:
        raise RuntimeError(
            "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend."
        )


def _no_convergence(a: Any, *args: Any, **kwargs: Any) -> list:
    message = "linalg.svd: The algorithm failed to converge because the input matrix contained non-finite values."
    return [(not_finite(a), LinAlgError, message)]


@op("linalg_svd(Tensor A, bool full_matrices=True, *, str? driver=None) -> (Tensor U, Tensor S, Tensor Vh)",
    expose="linalg:svd", saves="result", check=_no_convergence)  # fmt: skip
def linalg_svd(A: Any, full_matrices: bool, *, driver: str | None) -> tuple:
    """``A = U diag(S) Vh``, singular values descending. Raises LinAlgError for NaN or infinite input."""
    _need_svd(A, driver)
    return svd_of(A, full_matrices)


@op("linalg_svdvals(Tensor A, *, str? driver=None) -> Tensor", expose="linalg:svdvals", check=_no_convergence,
    grad_name="LinalgSvdBackward0")  # fmt: skip
def linalg_svdvals(A: Any, *, driver: str | None) -> Any:
    """The singular values, descending."""
    _need_svd(A, driver)
    return singular_values(A)


@jax.custom_jvp
def singular_values(a: Any) -> Any:
    """The singular values, descending; their derivative is ``Re diag(U^H da V)``, finite for equal ones too."""
    return lax.linalg.svd(a, full_matrices=False, compute_uv=False)


@singular_values.defjvp
def _singular_values_jvp(primals: tuple, tangents: tuple) -> tuple:
    (a,), (da,) = primals, tangents
    u, s, vh = svd_of(a, False)
    return s, jnp.einsum("...ji,...jk,...ik->...i", u.conj(), da, vh.conj()).real


@op("svd(Tensor self, bool some=True, bool compute_uv=True) -> (Tensor U, Tensor S, Tensor V)", check=_no_convergence,
    grad_name="LinalgSvdBackward0")  # fmt: skip
def svd(self: Any, some: bool, compute_uv: bool) -> tuple:
    """``linalg.svd`` under its older name, with ``V`` for ``Vh``; without ``compute_uv`` the vectors are zeros."""
    if self.ndim < 2:
        raise RuntimeError(
            f"linalg.svd: input should have at least 2 dimensions, but has {self.ndim} dimensions instead"
        )
    need_inexact(self, "linalg.svd")
    if compute_uv:
        u, s, vh = svd_of(self, not some)
        return u, s, adjoint(vh)
    m, n = self.shape[-2:]
    u, v = (jnp.zeros((*self.shape[:-2], size, size), self.dtype) for size in (m, n))
    return u, singular_values(self), v


# --- eigenvalues of Hermitian matrices


@jax.custom_jvp
def _eigh(a: Any) -> tuple:
    vectors, values = lax.linalg.eigh(a, symmetrize_input=False)
    return values, vectors


@_eigh.defjvp
def _eigh_jvp(primals: tuple, tangents: tuple) -> tuple:
    (a,), (da,) = primals, tangents
    w, v = _eigh(a)
    inner = product(adjoint(v), product(da, v))
    gap = reciprocal(w[..., None, :] - w[..., :, None]).astype(a.dtype)
    return (w, v), (jnp.diagonal(inner, axis1=-2, axis2=-1).real, product(v, gap * inner))


def eigh_of(a: Any, uplo: str = "L") -> tuple:
    """Eigenvalues, ascending, and eigenvectors of the Hermitian matrix of which ``a`` holds the triangle ``uplo``."""
    if uplo.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {uplo}")
    need_square(a, "linalg.eigh")
    need_kernel(a, "linalg_eigh_cpu")
    return _eigh(from_triangle(a, uplo.upper() == "L"))


@op('linalg_eigh(Tensor self, str UPLO="L") -> (Tensor eigenvalues, Tensor eigenvectors)', expose="linalg:eigh",
    saves="result")  # fmt: skip
def linalg_eigh(self: Any, UPLO: str) -> tuple:
    """Eigenvalues (real, ascending) and eigenvectors (columns) of Hermitian matrices; ``UPLO`` is the triangle read."""
    return eigh_of(self, UPLO)


@op('linalg_eigvalsh(Tensor self, str UPLO="L") -> Tensor', expose="linalg:eigvalsh", grad_name="LinalgEighBackward0")
def linalg_eigvalsh(self: Any, UPLO: str) -> Any:
    """The eigenvalues of ``eigh``."""
    return eigh_of(self, UPLO)[0]


# --- eigenvalues of general matrices


@jax.custom_jvp
def _eig(a: Any) -> tuple:
    values, vectors = lax.linalg.eig(a, compute_left_eigenvectors=False)
    return values, vectors


@_eig.defjvp
def _eig_jvp(primals: tuple, tangents: tuple) -> tuple:
    """Perturbation theory, with vectors kept at unit length and their phase fixed."""
    (a,), (da,) = primals, tangents
    w, v = _eig(a)
    inner = jnp.linalg.solve(v, product(da.astype(v.dtype), v)) if v.size else jnp.zeros_like(v)
    dv = product(v, reciprocal(w[..., None, :] - w[..., :, None]) * inner)
    along = (v.conj() * dv).sum(-2, keepdims=True).real
    return (w, v), (jnp.diagonal(inner, axis1=-2, axis2=-1), dv - v * along.astype(v.dtype))


def _need_eig(a: Any) -> None:
    need_square(a, "linalg.eig")
    if a.dtype.kind not in "fc":
        raise RuntimeError(f"Unknown Complex ScalarType for {scalar_type(a.dtype)}")
    need_kernel(a, "linalg_eig")


def _bad_eig(self: Any) -> list:
    return [(not_finite(self), RuntimeError, "torch.linalg.eig: input tensor should not contain infs or NaNs.")]


@op("linalg_eig(Tensor self) -> (Tensor eigenvalues, Tensor eigenvectors)", expose="linalg:eig", saves="result",
    check=_bad_eig)  # fmt: skip
def linalg_eig(self: Any) -> tuple:
    """Eigenvalues and eigenvectors (columns of unit length) of square matrices; complex, in no particular order."""
    _need_eig(self)
    return _eig(self)


@op("linalg_eigvals(Tensor self) -> Tensor", expose="linalg:eigvals", check=_bad_eig,
    grad_name="LinalgEigBackward0")  # fmt: skip
def linalg_eigvals(self: Any) -> Any:
    """The eigenvalues of ``eig``."""
    _need_eig(self)
    return _eig(self)[0]


# --- generalised inverses, from singular values or eigenvalues


@partial(jax.custom_jvp, nondiff_argnums=(3,))
def pinv_of(a: Any, atol: Any, rtol: Any, hermitian: bool) -> Any:
    """The Moore-Penrose inverse; values up to ``max(atol, rtol * largest)`` (per matrix) count as zero."""
    if 0 in a.shape[-2:]:
        return jnp.zeros((*a.shape[:-2], a.shape[-1], a.shape[-2]), a.dtype)
    if hermitian:
        w, u = eigh_of(a)
        size, right = jnp.abs(w), u
    else:
        u, w, vh = svd_of(a, False)
        size, right = w, adjoint(vh)
    kept = size > cutoff(size, atol, rtol)[..., None]
    inverse = jnp.where(kept, 1 / jnp.where(kept, w, 1), 0).astype(a.dtype)
    return product(right * inverse[..., None, :], adjoint(u))


@pinv_of.defjvp
def _pinv_jvp(hermitian: bool, primals: tuple, tangents: tuple) -> tuple:
    """Golub and Pereyra (1973), for a rank that stays what it is."""
    a, da = primals[0], tangents[0]
    p = pinv_of(*primals, hermitian)
    dah = adjoint(da)
    left = product(product(p, adjoint(p)), dah)
    right = product(dah, product(adjoint(p), p))
    dp = -product(p, product(da, p)) + (left - product(left, product(a, p))) + (right - product(p, product(a, right)))
    return p, dp


def cutoff(size: Any, atol: Any, rtol: Any) -> Any:
    """``max(atol, rtol * largest)`` for the sizes along the last dimension."""
    return jnp.maximum(atol, rtol * size.max(-1)).astype(size.dtype)


def tolerances(a: Any, atol: Any, rtol: Any) -> tuple[Any, Any]:
    """Torch's defaults: ``rtol`` is ``max(m, n) * eps`` unless a positive ``atol`` is given, ``atol`` is 0."""
    eps = float(jnp.finfo(a.dtype).eps) * max(a.shape[-2:])
    if rtol is None:
        rtol = eps if atol is None else jnp.where(jnp.asarray(atol) > 0, 0.0, eps)
    return jnp.asarray(0.0 if atol is None else atol), jnp.asarray(rtol)


def _need_tolerance(x: Any, name: str, arg: str) -> None:
    if category(np.dtype(getattr(x, "dtype", np.float64))) == COMPLEX:
        raise RuntimeError(f"{name}: {arg} tensor of complex type is not supported. Got {scalar_type(x.dtype)}")


def _pinv(a: Any, atol: Any, rtol: Any, hermitian: bool) -> Any:
    if a.ndim < 2 or a.dtype.kind not in "fc" or a.dtype.itemsize < 4:
        raise RuntimeError(
            f"linalg.pinv({scalar_type(a.dtype)}{{{list(a.shape)}}}): expected a tensor with 2 or more dimensions of "
            "float, double, cfloat or cdouble types"
        )
    if hermitian:
        need_square(a, "linalg.eigh")
    for x, arg in ((atol, "atol"), (rtol, "rtol")):
        _need_tolerance(x, "torch.linalg.pinv", arg)
    atol, rtol = tolerances(a, atol, rtol)
    batch = jnp.broadcast_shapes(a.shape[:-2], atol.shape, rtol.shape)
    a = jnp.broadcast_to(a, (*batch, *a.shape[-2:]))
    return pinv_of(a, lax.stop_gradient(atol), lax.stop_gradient(rtol), hermitian)


@op("linalg_pinv.atol_rtol_tensor(Tensor self, *, Tensor? atol=None, Tensor? rtol=None, bool hermitian=False)"
    " -> Tensor", expose="linalg:pinv")  # fmt: skip
def linalg_pinv(self: Any, *, atol: Any, rtol: Any, hermitian: bool) -> Any:
    """The pseudo-inverse; the tolerances may be numbers or tensors with a value a matrix."""
    return _pinv(self, atol, rtol, hermitian)


@op("linalg_pinv.atol_rtol_float(Tensor self, *, float? atol=None, float? rtol=None, bool hermitian=False) -> Tensor",
    expose="linalg:pinv")  # fmt: skip
def linalg_pinv_float(self: Any, *, atol: float | None, rtol: float | None, hermitian: bool) -> Any:
    """The pseudo-inverse."""
    return _pinv(self, atol, rtol, hermitian)


@op("linalg_pinv(Tensor self, float rcond, bool hermitian=False) -> Tensor", expose="linalg:pinv")
def linalg_pinv_rcond(self: Any, rcond: float, hermitian: bool) -> Any:
    """The pseudo-inverse with ``rtol`` under its older name."""
    return _pinv(self, 0.0, rcond, hermitian)


@op("linalg_pinv.rcond_tensor(Tensor self, Tensor rcond, bool hermitian=False) -> Tensor", expose="linalg:pinv")
def linalg_pinv_rcond_tensor(self: Any, rcond: Any, hermitian: bool) -> Any:
    """The pseudo-inverse with a tolerance a matrix."""
    return _pinv(self, 0.0, rcond, hermitian)


@op("pinverse(Tensor self, float rcond=1e-15) -> Tensor", grad_name="LinalgPinvBackward0", out=False)
def pinverse(self: Any, rcond: float) -> Any:
    """``linalg.pinv`` under its older name."""
    return _pinv(self, 0.0, rcond, False)


def _rank(a: Any, atol: Any, rtol: Any, hermitian: bool) -> Any:
    need_matrix(a, "torch.linalg.matrix_rank", "input")
    for x, arg in ((atol, "atol"), (rtol, "rtol")):
        _need_tolerance(x, "torch.linalg.matrix_rank", arg)
    if hermitian:
        need_square(a, "linalg.eigh")
    need_inexact(a, "linalg.svd")
    atol, rtol = tolerances(a, atol, rtol)
    batch = jnp.broadcast_shapes(a.shape[:-2], atol.shape, rtol.shape)
    if 0 in a.shape[-2:]:
        return jnp.zeros(batch, np.int64)
    a = lax.stop_gradient(a)
    size = jnp.abs(eigh_of(a)[0]) if hermitian else singular_values(a)
    return (size > cutoff(size, atol, rtol)[..., None]).sum(-1, dtype=np.int64)


@op("linalg_matrix_rank.atol_rtol_tensor(Tensor input, *, Tensor? atol=None, Tensor? rtol=None,"
    " bool hermitian=False) -> Tensor", expose="linalg:matrix_rank", differentiable=False)  # fmt: skip
def linalg_matrix_rank(input: Any, *, atol: Any, rtol: Any, hermitian: bool) -> Any:
    """How many singular values (``hermitian``: absolute eigenvalues) exceed ``max(atol, rtol * largest)``; int64."""
    return _rank(input, atol, rtol, hermitian)


@op("linalg_matrix_rank.atol_rtol_float(Tensor self, *, float? atol=None, float? rtol=None, bool hermitian=False)"
    " -> Tensor", expose="linalg:matrix_rank", differentiable=False)  # fmt: skip
def linalg_matrix_rank_float(self: Any, *, atol: float | None, rtol: float | None, hermitian: bool) -> Any:
    """The numerical rank."""
    return _rank(self, atol, rtol, hermitian)


@op("linalg_matrix_rank(Tensor self, float tol, bool hermitian=False) -> Tensor", expose="linalg:matrix_rank",
    differentiable=False)  # fmt: skip
def linalg_matrix_rank_tol(self: Any, tol: float, hermitian: bool) -> Any:
    """The numerical rank with an absolute tolerance."""
    return _rank(self, tol, 0.0, hermitian)


@op("linalg_matrix_rank.tol_tensor(Tensor input, Tensor tol, bool hermitian=False) -> Tensor",
    expose="linalg:matrix_rank", differentiable=False)  # fmt: skip
def linalg_matrix_rank_tol_tensor(input: Any, tol: Any, hermitian: bool) -> Any:
    """The numerical rank with an absolute tolerance a matrix."""
    return _rank(input, tol, 0.0, hermitian)
