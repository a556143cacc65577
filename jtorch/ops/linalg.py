"""Determinants, functions of matrices, and a few that only arrange numbers."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jtorch.ops.dims import wrap_dim
from jtorch.ops.linalg_checks import need_inexact, need_square, singular
from jtorch.ops.linalg_solvers import inverse
from jtorch.ops.matmul import product
from jtorch.ops.promotion import COMPLEX, category
from jtorch.ops.table import op


@op("linalg_det(Tensor A) -> Tensor", expose="linalg:det torch:det Tensor:det", saves="A result")
def linalg_det(A: Any) -> Any:
    """The determinants of square matrices."""
    need_square(A, "linalg.det")
    need_inexact(A, "linalg.det")
    return jnp.linalg.det(A) if A.shape[-1] else jnp.ones(A.shape[:-2], A.dtype)


def _slogdet(a: Any, name: str) -> tuple:
    need_square(a, name)
    need_inexact(a, name)
    return tuple(jnp.linalg.slogdet(a))


@op("linalg_slogdet(Tensor A) -> (Tensor sign, Tensor logabsdet)", expose="linalg:slogdet", saves="A")
def linalg_slogdet(A: Any) -> tuple:
    """Sign and logarithm of the absolute value of the determinant: 0 and -inf for singular matrices."""
    return _slogdet(A, "linalg.slogdet")


@op("slogdet(Tensor self) -> (Tensor sign, Tensor logabsdet)", saves="self", grad_name="LinalgSlogdetBackward0")
def slogdet(self: Any) -> tuple:
    """``linalg.slogdet`` under its older name."""
    return _slogdet(self, "linalg.slogdet")


@op("logdet(Tensor self) -> Tensor", out=False, grad_name="WhereBackward0")
def logdet(self: Any) -> Any:
    """The logarithm of the determinant: -inf where it is 0, NaN where it is negative."""
    sign, size = _slogdet(self, "logdet")
    if category(self.dtype) == COMPLEX:
        return jnp.log(sign) + size
    return jnp.where(sign == -1, jnp.nan, size)


@op("linalg_matrix_exp(Tensor self) -> Tensor", expose="linalg:matrix_exp torch:matrix_exp Tensor:matrix_exp",
    out=False)  # fmt: skip
def linalg_matrix_exp(self: Any) -> Any:
    """The exponential of square matrices."""
    need_square(self, "linalg.matrix_exp")
    need_inexact(self, "linalg.matrix_exp", low=True)
    if not self.size:
        return self
    wide = self.astype(np.float32) if self.dtype.itemsize < 4 else self
    return jax.scipy.linalg.expm(wide, max_squarings=64).astype(self.dtype)


def _power_check(self: Any, n: int) -> list:
    return singular(self, "linalg.inv") if n < 0 else []


@op("linalg_matrix_power(Tensor self, int n) -> Tensor",
    expose="linalg:matrix_power torch:matrix_power Tensor:matrix_power", check=_power_check,
    grad_name="MmBackward0")  # fmt: skip
def linalg_matrix_power(self: Any, n: int) -> Any:
    """``self`` multiplied n times by itself, through squares; a negative n inverts first."""
    need_square(self, "linalg.matrix_power")
    if n < 0:
        return linalg_matrix_power(inverse(self), -n)
    if n == 0:
        return jnp.broadcast_to(jnp.eye(self.shape[-1], dtype=self.dtype), self.shape)
    result, square = None, self
    while True:
        if n % 2:
            result = square if result is None else product(result, square)
        n //= 2
        if not n:
            return result
        square = product(square, square)


@op("linalg_vander(Tensor x, *, int? N=None) -> Tensor", expose="linalg:vander", out=False, grad_name="CatBackward0")
def linalg_vander(x: Any, *, N: int | None) -> Any:
    """Powers of ``x`` from 0 to ``N - 1`` (default: as many as ``x`` is long) along a new last dimension."""
    if x.dtype == np.bool_:
        raise RuntimeError("linalg.vander supports floating point, complex, and integer tensors, but got Bool")
    x = x if x.ndim else x[None]
    count = x.shape[-1] if N is None else N
    if count <= 1:
        raise RuntimeError("N must be greater than 1.")
    x = x.astype(np.int64) if x.dtype.kind in "iu" else x
    repeated = jnp.broadcast_to(x[..., None], (*x.shape, count - 1))
    return jnp.concatenate([jnp.ones((*x.shape, 1), x.dtype), jnp.cumprod(repeated, -1)], -1)


@op("linalg_diagonal(Tensor(a) A, *, int offset=0, int dim1=-2, int dim2=-1) -> Tensor(a)", expose="linalg:diagonal",
    grad_name="DiagonalBackward0")  # fmt: skip
def linalg_diagonal(A: Any, *, offset: int, dim1: int, dim2: int) -> Any:
    """A view of the diagonals over the last two dimensions, which become the last one."""
    one, two = wrap_dim(dim1, A.ndim), wrap_dim(dim2, A.ndim)
    if one == two:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return jnp.diagonal(A, offset, one, two)
