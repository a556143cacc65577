"""Bunch-Kaufman factorisation of symmetric and Hermitian matrices, which JAX does not offer.

Written over JAX's loops, unblocked (LAPACK's sytf2; Bunch and Kaufman, 1977), with LAPACK's results: the columns of
``L`` as they were made, ``D`` with blocks of size 1 and 2 on the diagonals, and pivots from 1, which are negative in
pairs.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jtorch.ops.derivatives import without_derivative
from jtorch.ops.errors import scalar_type
from jtorch.ops.linalg_checks import (
    need_inexact,
    need_square,
    same_batch,
    triangular_solve,
)
from jtorch.ops.promotion import COMPLEX, category
from jtorch.ops.table import op

_ALPHA = (1 + 17**0.5) / 8


def _swapped(i: Any, j: Any, n: int) -> Any:
    """The order of ``range(n)`` with i and j exchanged."""
    order = jnp.arange(n)
    return jnp.where(order == i, j, jnp.where(order == j, i, order))


def _pick(a: Any, k: Any, hermitian: bool) -> tuple[Any, Any, Any]:
    """For step k: the row to exchange, whether the block has size 2, and whether the column is zero."""
    n = a.shape[0]
    index = jnp.arange(n)
    size = jnp.abs(a.real) + jnp.abs(a.imag) if category(a.dtype) == COMPLEX else jnp.abs(a)
    on_diagonal = jnp.abs(jnp.diagonal(a).real) if hermitian else jnp.diagonal(size)
    column = jnp.where(index > k, size[:, k], -1)
    row = jnp.argmax(column)
    below = jnp.maximum(column[row], 0)
    here = on_diagonal[k]
    row_max = jnp.where((index >= k) & (index != row), size[row], 0).max()
    ratio = below / jnp.where(row_max == 0, 1, row_max)
    stay = (here >= _ALPHA * below) | (here >= _ALPHA * below * ratio)
    single = stay | (on_diagonal[row] >= _ALPHA * row_max)
    zero = (jnp.maximum(here, below) == 0) | jnp.isnan(here)
    return jnp.where(stay | zero, k, row), ~(single | zero), zero


def _factor_one(a: Any, hermitian: bool) -> tuple[Any, Any, Any]:
    """One matrix, both triangles filled: ``(packed, pivots, info)``."""
    n = a.shape[0]
    index = jnp.arange(n)
    turn = jnp.conj if hermitian else lambda x: x

    def step(state: tuple) -> tuple:
        a, pivots, info, k = state
        row, double, zero = _pick(a, k, hermitian)
        last = k + double
        order = _swapped(last, row, n)
        trailing = (index[:, None] >= k) & (index >= k)
        a = jnp.where(trailing, a[order][:, order], a)
        # Column k alone, or columns k and k + 1: the multipliers W with W D = a[:, block].
        first, second = a[:, k], a[:, jnp.minimum(k + 1, n - 1)]
        d11 = a[k, k].real.astype(a.dtype) if hermitian else a[k, k]
        at = jnp.minimum(k + 1, n - 1)
        d21, d22 = a[at, k], a[at, at]
        d12 = turn(d21)
        det = d11 * d22 - d21 * d12
        det = jnp.where(double, det, 1)
        single = first / jnp.where(zero | (d11 == 0), 1, d11)
        one = jnp.where(double, (first * d22 - second * d21) / det, single)
        two = jnp.where(double, (second * d11 - first * d12) / det, 0)
        left = index > last
        one, two = jnp.where(left, one, 0), jnp.where(left, two, 0)
        change = one[:, None] * turn(first) + two[:, None] * turn(second)
        rest = left[:, None] & left
        a = jnp.where(rest & ~zero, a - change, a)
        write = left & ~zero
        a = a.at[:, k].set(jnp.where(write, one, a[:, k]))
        a = a.at[:, at].set(jnp.where(write & double, two, a[:, at]))
        sign = jnp.where(double, -(row + 1), row + 1)
        pivots = jnp.where((index == k) | (double & (index == k + 1)), sign, pivots)
        return a, pivots, jnp.where(zero & (info == 0), k + 1, info), last + 1

    start = (a, jnp.zeros(n, np.int64), jnp.asarray(0), jnp.asarray(0))
    packed, pivots, info, _ = lax.while_loop(lambda state: state[-1] < n, step, start)
    return packed, pivots.astype(np.int32), info.astype(np.int32)


@without_derivative(RuntimeError("derivative for aten::linalg_ldl_factor_ex is not implemented"))
def _factor(a: Any) -> tuple:
    return _factor_batch(a, False)


@without_derivative(RuntimeError("derivative for aten::linalg_ldl_factor_ex is not implemented"))
def _factor_hermitian(a: Any) -> tuple:
    return _factor_batch(a, True)


def _factor_batch(a: Any, hermitian: bool) -> tuple:
    *batch, n, _ = a.shape
    if not a.size:
        return a, jnp.zeros((*batch, n), np.int32), jnp.zeros(batch, np.int32)
    strict = jnp.tril(a, -1)
    mirrored = jnp.swapaxes(strict, -1, -2)
    whole = jnp.tril(a) + (mirrored.conj() if hermitian else mirrored)
    flat = whole.reshape(-1, n, n)
    packed, pivots, info = jax.vmap(lambda m: _factor_one(m, hermitian))(flat)
    return jnp.tril(packed).reshape(a.shape), pivots.reshape(*batch, n), info.reshape(batch)


def _ldl(a: Any, hermitian: bool) -> tuple:
    need_square(a, "torch.linalg.ldl_factor_ex")
    need_inexact(a, "torch.linalg.ldl_factor_ex")
    return _factor_hermitian(a) if hermitian and category(a.dtype) == COMPLEX else _factor(a)


def _bad_block(a: Any, hermitian: bool, name: str) -> list:
    info = _ldl(lax.stop_gradient(a), hermitian)[2]
    return [(jnp.any(info > 0), RuntimeError, f"{name}: D has a zero on its diagonal: the matrix is singular.")]


@op("linalg_ldl_factor(Tensor self, *, bool hermitian=False) -> (Tensor LD, Tensor pivots)", expose="linalg:ldl_factor",
    check=lambda self, *, hermitian: _bad_block(self, hermitian, "torch.linalg.ldl_factor"))  # fmt: skip
def linalg_ldl_factor(self: Any, *, hermitian: bool) -> tuple:
    """``A = L D L^T`` (``hermitian``: ``L^H``), reading the lower triangle: ``L`` and ``D`` in one matrix, and int32
    pivots.
    """
    return _ldl(self, hermitian)[:2]


@op("linalg_ldl_factor_ex(Tensor self, *, bool hermitian=False, bool check_errors=False)"
    " -> (Tensor LD, Tensor pivots, Tensor info)", expose="linalg:ldl_factor_ex",
    check=lambda self, *, hermitian, check_errors: (
        _bad_block(self, hermitian, "torch.linalg.ldl_factor_ex") if check_errors else []
    ))  # fmt: skip
def linalg_ldl_factor_ex(self: Any, *, hermitian: bool, check_errors: bool) -> tuple:
    """``ldl_factor`` with LAPACK's ``info`` instead of an error."""
    return _ldl(self, hermitian)


def _unpack_one(packed: Any, pivots: Any) -> tuple[Any, Any, Any]:
    """``L`` with all later exchanges applied to its columns, the order of rows, and where blocks of size 2 start."""
    n = packed.shape[0]
    index = jnp.arange(n)

    def step(k: Any, state: tuple) -> tuple:
        lower, order, starts, inside = state
        double = (pivots[k] < 0) & ~inside
        row = jnp.abs(pivots[k]) - 1
        # A block of size 2 exchanges its second row, once, at its second column.
        swap = _swapped(k, jnp.where(double, k, row), n)
        earlier = index < k - inside
        lower = jnp.where(earlier, lower[swap], lower)
        return lower, order[swap], starts | (double & (index == k)), double

    strict = jnp.tril(packed, -1)
    start = (strict, index, jnp.zeros(n, bool), jnp.asarray(False))
    lower, order, starts, _ = lax.fori_loop(0, n, step, start)
    coupled = (index[:, None] == index + 1) & starts
    return jnp.where(coupled, 0, lower) + jnp.eye(n, dtype=packed.dtype), order, starts


def _solve_blocks(packed: Any, starts: Any, b: Any, hermitian: bool) -> Any:
    """``D^-1 b`` for the block diagonal ``D`` of a packed factorisation."""
    diagonal = jnp.diagonal(packed, axis1=-2, axis2=-1)
    diagonal = diagonal.real.astype(packed.dtype) if hermitian else diagonal
    below = jnp.pad(jnp.diagonal(packed, -1, axis1=-2, axis2=-1), [(0, 0)] * (packed.ndim - 2) + [(0, 1)])
    e = jnp.where(starts, below, 0)[..., None]
    above = e.conj() if hermitian else e
    d = diagonal[..., None]
    ends = jnp.roll(starts, 1, -1)[..., None]
    starts = starts[..., None]
    following, preceding = (lambda x: jnp.roll(x, -1, -2)), (lambda x: jnp.roll(x, 1, -2))
    det = jnp.where(starts, d * following(d) - e * above, 1)
    first = (following(d) * b - above * following(b)) / det
    second = (preceding(d) * b - preceding(e) * preceding(b)) / preceding(det)
    alone = starts | ends
    return jnp.where(starts, first, jnp.where(ends, second, b / jnp.where(alone, 1, d)))


@op("linalg_ldl_solve(Tensor LD, Tensor pivots, Tensor B, *, bool hermitian=False) -> Tensor",
    expose="linalg:ldl_solve")  # fmt: skip
def linalg_ldl_solve(LD: Any, pivots: Any, B: Any, *, hermitian: bool) -> Any:
    """``X`` with ``A X = B`` for the results of ``ldl_factor(A)``."""
    name = "torch.linalg.ldl_solve"
    need_square(LD, name, "LD")
    need_inexact(LD, name)
    if B.ndim < 2:
        raise RuntimeError(f"{name}: Expected B to have at least 2 dimensions, but it has {B.ndim} dimensions instead")
    if LD.shape[:-1] != pivots.shape:
        raise RuntimeError(
            f"{name}: Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with shape "
            f"{list(pivots.shape)} instead"
        )
    if pivots.dtype.kind not in "iu":
        raise RuntimeError(f"{name}: Expected pivots to be integers. Got {scalar_type(pivots.dtype)}")
    n = LD.shape[-1]
    if LD.dtype != B.dtype:
        raise RuntimeError(
            f"Expected b and A to have the same dtype, but found b of type {scalar_type(B.dtype)} and A of type "
            f"{scalar_type(LD.dtype)} instead."
        )
    if B.shape[-2] != n:
        raise RuntimeError(
            f"Incompatible matrix sizes for {name}: each A matrix is {n} by {n} but each b matrix is {B.shape[-2]} by "
            f"{B.shape[-1]}"
        )
    hermitian = hermitian and category(LD.dtype) == COMPLEX
    packed, b = same_batch(LD, B)
    if not packed.size or not b.size:
        return b
    pivots = jnp.broadcast_to(pivots, packed.shape[:-1])
    lower, order, starts = jax.vmap(_unpack_one)(packed.reshape(-1, n, n), pivots.reshape(-1, n))
    lower, order, starts = lower.reshape(packed.shape), order.reshape(pivots.shape), starts.reshape(pivots.shape)
    b = jnp.take_along_axis(b, order[..., None], -2)
    half = triangular_solve(lower, b, lower=True, unit=True)
    half = _solve_blocks(packed, starts, half, hermitian)
    x = triangular_solve(lower, half, lower=True, unit=True, trans=True, conj=hermitian)
    return jnp.take_along_axis(x, jnp.argsort(order, -1)[..., None], -2)
