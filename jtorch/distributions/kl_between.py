"""Kullback-Leibler divergences between families.

KL(p || q) is minus the entropy of p minus the mean of log q under p. Which means that takes, of x, log x, exp(-x) and
so on, is up to q; what they are, to p. Where p has mass outside the support of q the divergence is infinite.
"""

import math
from collections.abc import Callable
from typing import Any

import jtorch
from jtorch.distributions.bernoulli import Bernoulli
from jtorch.distributions.beta import Beta
from jtorch.distributions.binomial import Binomial
from jtorch.distributions.continuous_bernoulli import ContinuousBernoulli
from jtorch.distributions.exponential import Exponential
from jtorch.distributions.gamma import Gamma
from jtorch.distributions.gumbel import Gumbel
from jtorch.distributions.kl import register_kl
from jtorch.distributions.laplace import Laplace
from jtorch.distributions.normal import Normal
from jtorch.distributions.pareto import Pareto
from jtorch.distributions.poisson import Poisson
from jtorch.distributions.uniform import Uniform
from jtorch.distributions.utils import euler_constant

# -- means under p


def _beta_digamma(concentration: Any, p: Any) -> Any:
    return concentration.digamma() - (p.concentration1 + p.concentration0).digamma()


def _x_log_x(x: Any) -> Any:
    return jtorch.special.xlogy(x, x)


def _uniform_log(low: Any, high: Any) -> Any:
    return (_x_log_x(high) - _x_log_x(low)) / (high - low) - 1


_MEAN_LOG: dict[type, Callable] = {  # of log x
    Beta: lambda p: _beta_digamma(p.concentration1, p),
    Exponential: lambda p: -p.rate.log() - euler_constant,
    Gamma: lambda p: p.concentration.digamma() - p.rate.log(),
    Pareto: lambda p: p.scale.log() + p.alpha.reciprocal(),
    Uniform: lambda p: _uniform_log(p.low, p.high),
}

_MEAN_LOG_REST: dict[type, Callable] = {  # of log(1 - x)
    Beta: lambda p: _beta_digamma(p.concentration0, p),
    Uniform: lambda p: _uniform_log(1 - p.high, 1 - p.low),
}

_MEAN_EXP: dict[type, Callable] = {  # of exp(-(x - loc) / scale)
    Exponential: lambda p, loc, scale: (loc / scale).exp() / (1 + (p.rate * scale).reciprocal()),
    Gamma: lambda p, loc, scale: (loc / scale).exp() * (1 + (p.rate * scale).reciprocal()) ** -p.concentration,
    Normal: lambda p, loc, scale: ((loc - p.loc) / scale + 0.5 * (p.scale / scale).pow(2)).exp(),
    Uniform: lambda p, loc, scale: (
        scale / (p.high - p.low) * (((loc - p.low) / scale).exp() - ((loc - p.high) / scale).exp())
    ),
}


def _mean_distance(p: Any, loc: Any) -> Any:
    """Of |x - loc|, for a normal p."""
    away = (p.loc - loc) / p.scale
    density = (2 / math.pi) ** 0.5 * (-0.5 * away.pow(2)).exp()
    return p.scale * (density + away * jtorch.erf(0.5**0.5 * away))


# -- the mean of log q under p


def _of_beta(p: Any, q: Any) -> Any:
    a, b = q.concentration1, q.concentration0
    log_beta = a.lgamma() + b.lgamma() - (a + b).lgamma()
    return (a - 1) * _MEAN_LOG[_kind(p)](p) + (b - 1) * _MEAN_LOG_REST[_kind(p)](p) - log_beta


def _of_gamma(p: Any, q: Any) -> Any:
    a = q.concentration
    return a * q.rate.log() - a.lgamma() + (a - 1) * _MEAN_LOG[_kind(p)](p) - q.rate * p.mean


def _of_gumbel(p: Any, q: Any) -> Any:
    return -q.scale.log() - (p.mean - q.loc) / q.scale - _MEAN_EXP[_kind(p)](p, q.loc, q.scale)


def _of_normal(p: Any, q: Any) -> Any:
    spread = (p.variance + (p.mean - q.loc).pow(2)) / (2 * q.scale.pow(2))
    return -spread - q.scale.log() - 0.5 * math.log(2 * math.pi)


_MEAN_LOG_Q: dict[type, Callable] = {
    Beta: _of_beta,
    ContinuousBernoulli: lambda p, q: p.mean * q.logits + q._cont_bern_log_norm() + jtorch.log1p(-q.probs),
    Exponential: lambda p, q: q.rate.log() - q.rate * p.mean,
    Gamma: _of_gamma,
    Gumbel: _of_gumbel,
    Laplace: lambda p, q: -(2 * q.scale).log() - _mean_distance(p, q.loc) / q.scale,
    Normal: _of_normal,
    Pareto: lambda p, q: q.alpha.log() + q.alpha * q.scale.log() - (q.alpha + 1) * _MEAN_LOG[_kind(p)](p),
    Poisson: lambda p, q: p.mean * q.rate.log() - q.rate,  # for numbers up to 1, whose factorials are 1
    Uniform: lambda p, q: -(q.high - q.low).log(),
}


def _kind(p: Any) -> type:
    return next(c for c in type(p).__mro__ if c in _FINITE)


# -- the pairs


def _unit(p: Any, q: Any) -> Any:
    return (p.low >= 0) & (p.high <= 1)


def _nonnegative(p: Any, q: Any) -> Any:
    return p.low >= 0


def _everywhere(p: Any, q: Any) -> Any:
    return None


_FINITE: dict[type, dict[type, Callable]] = {  # p, then q: where the divergence is finite
    Bernoulli: {Poisson: _everywhere},
    Beta: {
        ContinuousBernoulli: _everywhere,
        Exponential: _everywhere,
        Gamma: _everywhere,
        Normal: _everywhere,
        Uniform: lambda p, q: (q.low <= 0) & (q.high >= 1),
    },
    ContinuousBernoulli: {
        Exponential: _everywhere,
        Normal: _everywhere,
        Uniform: lambda p, q: (q.low < 0) & (q.high > 1),  # torch's, without the ends
    },
    Exponential: {Gamma: _everywhere, Gumbel: _everywhere, Normal: _everywhere},
    Gamma: {Exponential: _everywhere, Gumbel: _everywhere, Normal: _everywhere},
    Gumbel: {Normal: _everywhere},
    Laplace: {Normal: _everywhere},
    Normal: {Gumbel: _everywhere, Laplace: _everywhere},
    Pareto: {
        Exponential: lambda p, q: p.alpha > 1,
        Gamma: lambda p, q: p.alpha > 1,
        Normal: lambda p, q: p.alpha > 2,
    },
    Uniform: {
        Beta: _unit,
        ContinuousBernoulli: _unit,
        Exponential: _nonnegative,
        Gamma: _nonnegative,
        Gumbel: _everywhere,
        Normal: _everywhere,
        Pareto: lambda p, q: p.low >= q.scale,
    },
}

_INFINITE: dict[type, tuple[type, ...]] = {  # p, then all q that p is never within
    Beta: (Pareto,),
    ContinuousBernoulli: (Pareto,),
    Exponential: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gamma: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gumbel: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Laplace: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Normal: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Pareto: (Beta, ContinuousBernoulli, Uniform),
    Poisson: (Bernoulli, Binomial),
}


def _divergence(mean_log_q: Callable, where: Callable) -> Callable:
    def divergence(p: Any, q: Any) -> Any:
        result = -p.entropy() - mean_log_q(p, q)
        finite = where(p, q)
        return result if finite is None else result.where(finite, jtorch.inf)

    return divergence


def _never(p: Any, q: Any) -> Any:
    return jtorch.full_like(p.mean, jtorch.inf)


for _p, _others in _FINITE.items():
    for _q, _where in _others.items():
        register_kl(_p, _q)(_divergence(_MEAN_LOG_Q[_q], _where))
for _p, _all in _INFINITE.items():
    for _q in _all:
        register_kl(_p, _q)(_never)
