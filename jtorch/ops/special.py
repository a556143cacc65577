"""Special functions (``torch.special``): gamma and its kin, error functions, zeta, ``x log y``.

https://docs.pytorch.org/docs/stable/special.html. Bessel functions and orthogonal polynomials have files of their own.
"""

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import jax.scipy.special as jsp
import numpy as np
from jax import lax

from jtorch.ops.derivatives import with_partials
from jtorch.ops.elementary import unary
from jtorch.ops.errors import FLOATS, REAL, only, unsupported
from jtorch.ops.pointwise import binary
from jtorch.ops.precision import wide, widened
from jtorch.ops.promotion import COMPLEX, category
from jtorch.ops.table import op


def real_unary(name: str, fn: Callable, doc: str, **fields: Any) -> None:
    """Declare ``special_name`` (or, with ``expose``, a ``name`` that ``torch`` has too) of one real tensor."""
    fields = {"saves": "self"} | fields
    if "expose" not in fields:
        fields = {"expose": f"special:{name}", "inplace": False} | fields
        unary(f"special_{name}", only(REAL, f"{name}_cpu")(widened(fn)), None, doc, **fields)
    else:
        unary(name, only(REAL, fields.pop("kernel", f"{name}_cpu"))(widened(fn)), None, doc, **fields)


# --- the gamma function ---------------------------------------------------------------------------------------------


def polygamma_of(n: int, x: Any) -> Any:
    """The n-th derivative of digamma: digamma itself, else by the zeta function of Hurwitz."""
    if n == 0:
        return _digamma(x)
    if n == 1:
        return _trigamma(x)
    sign = 1 if n % 2 else -1
    return sign * math.factorial(n) * zeta_of(jnp.full_like(x, n + 1), x)


@with_partials(lambda result, x: polygamma_of(1, x))
def _digamma(x: Any) -> Any:
    """Infinite at 0, by its sign; NaN at the other poles."""
    return jnp.where(x == 0, jnp.copysign(np.inf, -x).astype(x.dtype), lax.digamma(jnp.where(x == 0, 1, x)))


@with_partials(lambda result, x: polygamma_of(2, x))
def _trigamma(x: Any) -> Any:
    """Below 0.5 by reflection, ``psi1(x) + psi1(1 - x) = (pi / sin(pi x))**2``."""
    low = x < 0.5
    value = jnp.where(x == np.inf, 0, lax.zeta(jnp.full_like(x, 2), jnp.where(low, 1 - x, x)))
    return jnp.where(low, lax.square(math.pi / lax.sin(math.pi * x)) - value, value)


@with_partials(lambda result, x: _digamma(x))
def _lgamma(x: Any) -> Any:
    return lax.lgamma(x)


@with_partials(None, lambda result, s, q: -s * zeta_of(s + 1, q))
def zeta_of(s: Any, q: Any) -> Any:
    """The zeta function of Hurwitz, ``sum((k + q)**-s)``: infinite at its poles, NaN where a power is not real."""
    s, q = jnp.broadcast_arrays(s, q)
    low, whole = q <= 0, q == lax.floor(q)
    # The terms of a negative q are those of 1 - q with the sign (-1)**s, up to q's fraction; s has to be whole there.
    rest = jnp.where(low, q - lax.floor(q), q)
    mirrored = lax.zeta(s, jnp.where(low, 1 - rest, 1)) - lax.zeta(s, jnp.where(low, 1 - q, 1))
    value = lax.zeta(s, rest) + jnp.where(low, jnp.where(s % 2 == 0, mirrored, -mirrored), 0)
    value = jnp.where(low & (s != lax.floor(s)), np.nan, value)
    value = jnp.where(s == np.inf, jnp.where(q < 1, np.inf, jnp.where(q == 1, 1, q * 0)), value)
    value = jnp.where(low & whole, np.inf, value)
    return jnp.where(s == 1, np.inf, jnp.where(s < 1, np.nan, value)).astype(s.dtype)


def _incomplete(inner: Callable, at_zero: int) -> Callable:
    """``inner``, P or Q, with its limits: P is 0 and Q is 1 at x = 0 and a = inf; the other way round at x = inf."""

    def value(a: Any, x: Any) -> Any:
        a, x = jnp.broadcast_arrays(a, x)
        inside = (a > 0) & (x > 0) & (a < np.inf) & (x < np.inf)
        limit = jnp.where((a == np.inf) | (x == 0), at_zero, 1 - at_zero).astype(x.dtype)
        undefined = (a < 0) | (x < 0) | jnp.isnan(a + x) | ((a == 0) & (x == 0)) | ((a == np.inf) & (x == np.inf))
        return jnp.where(
            undefined, np.nan, jnp.where(inside, inner(jnp.where(inside, a, 1), jnp.where(inside, x, 1)), limit)
        )

    return value


def _density(a: Any, x: Any) -> Any:
    """The derivative by x of the regularised incomplete gamma function."""
    return lax.exp((a - 1) * lax.log(x) - x - lax.lgamma(a))


_gammainc = with_partials(
    lambda result, a, x: lax.igamma_grad_a(a, x),
    lambda result, a, x: _density(a, x),
)(_incomplete(lax.igamma, 0))
_gammaincc = with_partials(
    lambda result, a, x: -lax.igamma_grad_a(a, x),
    lambda result, a, x: -_density(a, x),
)(_incomplete(lax.igammac, 1))

_GAMMA: dict[str, Any] = {"expose": "torch Tensor special:gammaln", "kernel": "lgamma_vml_cpu"}
_PSI: dict[str, Any] = {"expose": "torch Tensor special", "kernel": "digamma"}
real_unary("lgamma", _lgamma, "The logarithm of the size of the gamma function.", **_GAMMA)
real_unary("digamma", _digamma, "The derivative of ``lgamma``.", **_PSI)
real_unary("psi", _digamma, "``digamma``.", grad_name="DigammaBackward0")


def _pair_widened(fn: Callable) -> Callable:
    return widened(lambda a, x: fn(a, wide(x)))


for _name, _special, _fn, _doc in (
    (
        "igamma",
        "gammainc",
        _gammainc,
        "The regularised lower incomplete gamma function of order ``self`` at ``other``.",
    ),
    (
        "igammac",
        "gammaincc",
        _gammaincc,
        "The regularised upper incomplete gamma function of order ``self`` at ``other``.",
    ),
):
    binary(
        _name,
        only(FLOATS, f"{_name}_cpu")(_pair_widened(_fn)),
        None,
        _doc,
        expose=f"torch Tensor special:{_special}",
        saves="self other",
    )


@op(
    "polygamma(int n, Tensor self) -> Tensor",
    promote="float",
    expose="torch Tensor special",
    inplace=True,
    saves="self",
)
def polygamma(n, self):
    """The ``n``-th derivative of digamma."""
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    if category(self.dtype) == COMPLEX:
        raise unsupported("digamma" if n == 0 else "polygamma", self.dtype)
    return widened(lambda x: polygamma_of(n, x))(self)


@op(
    "mvlgamma(Tensor self, int p) -> Tensor",
    promote="float",
    expose="torch Tensor special:multigammaln",
    inplace=True,
    saves="self",
)
def mvlgamma(self, p):
    """The logarithm of the multivariate gamma function of dimension ``p``."""
    if category(self.dtype) == COMPLEX:
        raise unsupported("mvlgamma", self.dtype)
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    constant = p * (p - 1) / 4 * math.log(math.pi)
    return widened(lambda x: sum((_lgamma(x - i / 2) for i in range(p)), start=jnp.full_like(x, constant)))(self)


# --- error functions and the normal distribution --------------------------------------------------------------------


@with_partials(lambda result, x: 2 * x * result - 2 / math.sqrt(math.pi))
def _erfcx(x: Any) -> Any:
    return jsp.erfcx(x)


_ROOT_2PI = math.sqrt(2 * math.pi)


@with_partials(lambda result, x: lax.exp(-(result + x * x / 2)) / _ROOT_2PI)
def _log_ndtr(x: Any) -> Any:
    """In the tail by the scaled complement of the error function, which does not underflow."""
    tail = x < -1
    low = lax.log(_erfcx(jnp.where(tail, -x, 0) * math.sqrt(0.5)) / 2) - x * x / 2
    return jnp.where(tail, low, lax.log1p(-lax.erfc(jnp.where(tail, 0, x) * math.sqrt(0.5)) / 2))


@with_partials(lambda result, p: _ROOT_2PI * lax.exp(result * result / 2))
def _ndtri(p: Any) -> Any:
    return jsp.ndtri(p)


def _entr(x: Any) -> Any:
    """``-x log(x)``; 0 at 0, and -inf below."""
    inside = x > 0
    value = -x * lax.log(jnp.where(inside, x, 1))
    return jnp.where(inside | jnp.isnan(x), value, jnp.where(x == 0, 0, -np.inf))


real_unary("entr", with_partials(lambda result, x: -1 - lax.log(x))(_entr), "``-self log(self)``; 0 at 0.")
real_unary("erfcx", _erfcx, "``exp(self**2) erfc(self)``, without overflow.")
real_unary("ndtr", lambda x: lax.erfc(-x * math.sqrt(0.5)) / 2, "The distribution function of the normal distribution.")
real_unary("ndtri", _ndtri, "The quantile function of the normal distribution.")
real_unary("log_ndtr", _log_ndtr, "The logarithm of the normal distribution function, exact in the tail.")

# --- x log y, zeta --------------------------------------------------------------------------------------------------


def _times_log(log: Callable, pole: float, one: float) -> Callable:
    """``x log(y)``, 0 where x is 0 unless y is NaN. There x does not move it where y is at the pole or beyond."""

    def by_x(result: Any, x: Any, y: Any) -> Any:
        return jnp.where((x == 0) & (y <= pole), 0, log(y))

    def by_y(result: Any, x: Any, y: Any) -> Any:
        return x / (y - pole)

    @with_partials(by_x, by_y)
    def times_log(x: Any, y: Any) -> Any:
        return jnp.where(jnp.isnan(y), y, jnp.where(x == 0, 0, x * log(jnp.where(x == 0, one, y))))

    return times_log


binary(
    "xlogy",
    only(REAL, "xlogy_cpu")(_times_log(lax.log, 0, 1)),
    None,
    "``self * log(other)``; 0 where ``self`` is 0.",
    promote="float",
    numbers="self other",
    expose="torch Tensor special",
    saves="self other",
)
binary(
    "special_xlog1py",
    only(REAL, "xlog1py_cpu")(_times_log(lax.log1p, -1, 0)),
    None,
    "``self * log1p(other)``; 0 where ``self`` is 0.",
    promote="float",
    numbers="self other",
    expose="special:xlog1py",
    inplace=False,
    saves="self other",
    grad_name="SpecialXlog1PyBackward0",
)
binary(
    "special_zeta",
    only(REAL, "zeta_cpu")(zeta_of),
    None,
    "The zeta function of Hurwitz, of exponent ``self`` and offset ``other``.",
    promote="float",
    numbers="self other",
    expose="special:zeta",
    inplace=False,
    saves="self other",
)
