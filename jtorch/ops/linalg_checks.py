"""What every linear algebra operator asks of its matrices, and small pieces they share."""

from typing import Any

import jax.numpy as jnp
from jax import lax

from jtorch.ops.errors import LinAlgError, scalar_type, unsupported
from jtorch.ops.matmul import broadcast_batch
from jtorch.ops.promotion import FLOAT, category


def transpose(x: Any) -> Any:
    """``x.mT``."""
    return jnp.swapaxes(x, -1, -2)


def adjoint(x: Any) -> Any:
    """``x.mH``."""
    return jnp.swapaxes(x, -1, -2).conj()


def need_matrix(x: Any, name: str, arg: str = "A") -> None:
    """Raise RuntimeError for fewer than two dimensions."""
    if x.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor {arg} must have at least 2 dimensions.")


def need_square(x: Any, name: str, arg: str = "A") -> None:
    """Raise RuntimeError for anything but (batches of) square matrices."""
    need_matrix(x, name, arg)
    rows, columns = x.shape[-2:]
    if rows != columns:
        raise RuntimeError(
            f"{name}: {arg} must be batches of square matrices, but they are {rows} by {columns} matrices"
        )


def need_inexact(x: Any, name: str, *, low: bool = False) -> None:
    """Raise RuntimeError for integers, and for halves too unless ``low``."""
    if category(x.dtype) < FLOAT:
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {scalar_type(x.dtype)}")
    if not low and x.dtype.itemsize < 4:
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {scalar_type(x.dtype)}")


def need_kernel(x: Any, kernel: str) -> None:
    """Raise NotImplementedError for dtypes that LAPACK has no routine for."""
    if category(x.dtype) < FLOAT or x.dtype.itemsize < 4:
        raise unsupported(kernel, x.dtype)


def need_same_dtype(a: Any, b: Any, name: str, args: tuple[str, str] = ("A", "B")) -> None:
    """Raise RuntimeError where the two dtypes differ."""
    if a.dtype != b.dtype:
        one, two = args
        raise RuntimeError(
            f"{name}: Expected {one} and {two} to have the same dtype, but found {one} of type {scalar_type(a.dtype)} "
            f"and {two} of type {scalar_type(b.dtype)} instead"
        )


def need_fitting(a: Any, b: Any, name: str, *, left: bool = True) -> None:
    """Raise RuntimeError where ``AX = B`` (or ``XA = B``) cannot hold for the shapes at hand."""
    need_square(a, name)
    need_matrix(b, name, "B")
    if a.shape[-2] != b.shape[-2 if left else -1]:
        sizes = "x".join(map(str, a.shape[-2:])), "x".join(map(str, b.shape[-2:]))
        equation = "AX = B" if left else "XA = B"
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {equation} ({sizes[0]} and {sizes[1]})"
        )


def same_batch(a: Any, b: Any) -> tuple[Any, Any]:
    """Two batches of matrices broadcast to one batch shape."""
    batch = broadcast_batch(a.shape[:-2], b.shape[:-2])
    return jnp.broadcast_to(a, (*batch, *a.shape[-2:])), jnp.broadcast_to(b, (*batch, *b.shape[-2:]))


def triangular_solve(
    a: Any, b: Any, *, lower: bool, left: bool = True, unit: bool = False, trans: bool = False, conj: bool = False
) -> Any:
    """``a^-1 b`` (or ``b a^-1``) for a triangular ``a``; ``trans`` and ``conj`` take its transpose and conjugate."""
    a, b = same_batch(a, b)
    if not b.size:
        return b
    return lax.linalg.triangular_solve(
        a, b, left_side=left, lower=lower, unit_diagonal=unit, transpose_a=trans, conjugate_a=conj
    )


def not_finite(x: Any) -> Any:
    """Whether any element is NaN or infinite."""
    return ~jnp.all(jnp.isfinite(x))


def zero_pivot(a: Any) -> Any:
    """Whether elimination of any of the matrices meets a zero pivot: they are singular."""
    if 0 in a.shape:
        return jnp.asarray(False)
    lu, _, _ = lax.linalg.lu(lax.stop_gradient(a))
    return jnp.any(jnp.diagonal(lu, axis1=-2, axis2=-1) == 0)


def singular(a: Any, name: str) -> list:
    """The ``check`` of operators that invert: it fails for singular matrices."""
    message = (
        f"{name}: A diagonal element is zero, the inversion could not be completed because the input matrix is "
        "singular."
    )
    return [(zero_pivot(a), LinAlgError, message)]


def reciprocal(x: Any) -> Any:
    """``1 / x``, and 0 where x is 0: for gaps between eigenvalues, whose zeros meet zero in gauge-invariant losses."""
    zero = x == 0
    return jnp.where(zero, 0, 1 / jnp.where(zero, 1, x))
