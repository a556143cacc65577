"""The Kullback-Leibler divergence (torch.distributions.kl).

A divergence is found by the classes of both distributions. The ones within a family, and of composed distributions, are
here; those between families are in :mod:`jtorch.distributions.kl_between`.
"""

import warnings
from collections.abc import Callable
from typing import Any

import jtorch
from jtorch.distributions.bernoulli import Bernoulli
from jtorch.distributions.beta import Beta
from jtorch.distributions.binomial import Binomial
from jtorch.distributions.categorical import Categorical
from jtorch.distributions.cauchy import Cauchy
from jtorch.distributions.continuous_bernoulli import ContinuousBernoulli
from jtorch.distributions.dirichlet import Dirichlet
from jtorch.distributions.distribution import Distribution
from jtorch.distributions.exp_family import ExponentialFamily
from jtorch.distributions.exponential import Exponential
from jtorch.distributions.gamma import Gamma
from jtorch.distributions.geometric import Geometric
from jtorch.distributions.gumbel import Gumbel
from jtorch.distributions.half_normal import HalfNormal
from jtorch.distributions.independent import Independent
from jtorch.distributions.laplace import Laplace
from jtorch.distributions.lowrank_multivariate_normal import (
    LowRankMultivariateNormal,
    _batch_lowrank_mahalanobis,
)
from jtorch.distributions.multivariate_normal import MultivariateNormal, _batch_mahalanobis
from jtorch.distributions.normal import Normal
from jtorch.distributions.one_hot_categorical import OneHotCategorical
from jtorch.distributions.pareto import Pareto
from jtorch.distributions.poisson import Poisson
from jtorch.distributions.transformed_distribution import TransformedDistribution
from jtorch.distributions.uniform import Uniform
from jtorch.distributions.utils import _sum_rightmost, euler_constant
from jtorch.nn.functional import softplus

__all__ = ["kl_divergence", "register_kl"]

_KL_REGISTRY: dict[tuple[type, type], Callable] = {}
_KL_MEMOIZE: dict[tuple[type, type], Callable | None] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[Callable], Callable]:
    """Decorate ``f(p, q)`` as the divergence of a ``type_p`` from a ``type_q``, and from what is derived from them."""
    for name, kind in (("type_p", type_p), ("type_q", type_q)):
        if not issubclass(kind, Distribution):
            raise TypeError(f"Expected {name} to be a Distribution subclass but got {kind}")

    def register(fn: Callable) -> Callable:
        _KL_REGISTRY[type_p, type_q] = fn
        _KL_MEMOIZE.clear()
        return fn

    return register


def _dispatch_kl(type_p: type, type_q: type) -> Callable | None:
    """The most specific entry; warns where it is another one when the right class counts first."""
    matches = [m for m in _KL_REGISTRY if issubclass(type_p, m[0]) and issubclass(type_q, m[1])]
    if not matches:
        return None

    def rank(match: tuple[type, type]) -> tuple[int, int]:
        return type_p.__mro__.index(match[0]), type_q.__mro__.index(match[1])

    left = min(matches, key=rank)
    right = min(matches, key=lambda m: rank(m)[::-1])
    if _KL_REGISTRY[left] is not _KL_REGISTRY[right]:
        warnings.warn(
            f"Ambiguous kl_divergence({type_p.__name__}, {type_q.__name__}). "
            f"Please register_kl({left[0].__name__}, {right[1].__name__})",
            RuntimeWarning,
            stacklevel=3,
        )
    return _KL_REGISTRY[left]


def kl_divergence(p: Distribution, q: Distribution) -> Any:
    """KL(p || q), the mean under p of log p(x) / q(x), in the batch's shape.

    Raises NotImplementedError where no formula is known.
    """
    pair = type(p), type(q)
    if pair not in _KL_MEMOIZE:
        _KL_MEMOIZE[pair] = _dispatch_kl(*pair)
    fn = _KL_MEMOIZE[pair]
    if fn is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {pair[0].__name__} and q type {pair[1].__name__}"
        )
    return fn(p, q)


def _within(kind: type) -> Callable[[Callable], Callable]:
    return register_kl(kind, kind)


# -- discrete


def _certain(term: Any, p: Any, q: Any) -> Any:
    """A term of probability ``p``: infinite where ``q`` is 0, and 0 where ``p`` is."""
    return term.where(q != 0, jtorch.inf).where(p != 0, 0.0)


@_within(Bernoulli)
def _bernoulli(p: Any, q: Any) -> Any:
    hit = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    miss = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    return _certain(hit, p.probs, q.probs) + _certain(miss, 1 - p.probs, 1 - q.probs)


@_within(Binomial)
def _binomial(p: Any, q: Any) -> Any:
    if (p.total_count < q.total_count).any():
        raise NotImplementedError("KL between Binomials where q.total_count > p.total_count is not implemented")
    one = p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p()
    return (p.total_count * one).where(p.total_count <= q.total_count, jtorch.inf)


@_within(Categorical)
def _categorical(p: Any, q: Any) -> Any:
    return _certain(p.probs * (p.logits - q.logits), p.probs, q.probs).sum(-1)


@_within(OneHotCategorical)
def _one_hot_categorical(p: Any, q: Any) -> Any:
    return _categorical(p._categorical, q._categorical)


@_within(Geometric)
def _geometric(p: Any, q: Any) -> Any:
    return -p.entropy() - jtorch.log1p(-q.probs) / p.probs - q.logits


@_within(Poisson)
def _poisson(p: Any, q: Any) -> Any:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


# -- continuous


@_within(Beta)
def _beta(p: Any, q: Any) -> Any:
    return _dirichlet(p._dirichlet, q._dirichlet)


@_within(Cauchy)
def _cauchy(p: Any, q: Any) -> Any:
    return ((p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)).log() - (4 * p.scale * q.scale).log()


@_within(ContinuousBernoulli)
def _continuous_bernoulli(p: Any, q: Any) -> Any:
    own, other = (d._cont_bern_log_norm() + jtorch.log1p(-d.probs) for d in (p, q))
    return p.mean * (p.logits - q.logits) + own - other


@_within(Dirichlet)
def _dirichlet(p: Any, q: Any) -> Any:
    a, b = p.concentration, q.concentration
    total = a.sum(-1)
    normalizers = total.lgamma() - b.sum(-1).lgamma() - (a.lgamma() - b.lgamma()).sum(-1)
    return normalizers + ((a - b) * (a.digamma() - total.digamma().unsqueeze(-1))).sum(-1)


@_within(Exponential)
def _exponential(p: Any, q: Any) -> Any:
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


@_within(Gamma)
def _gamma(p: Any, q: Any) -> Any:
    a, b = p.concentration, q.concentration
    shapes = jtorch.lgamma(b) - jtorch.lgamma(a) + (a - b) * jtorch.digamma(a)
    return shapes + b * (p.rate / q.rate).log() + (q.rate - p.rate) * (a / p.rate)


@_within(Gumbel)
def _gumbel(p: Any, q: Any) -> Any:
    ratio, away = p.scale / q.scale, (q.loc - p.loc) / q.scale
    return (away + (1 + ratio).lgamma()).exp() - ratio.log() - away + ratio * euler_constant - (1 + euler_constant)


@_within(HalfNormal)
def _half_normal(p: Any, q: Any) -> Any:
    return _normal(p.base_dist, q.base_dist)


@_within(Laplace)
def _laplace(p: Any, q: Any) -> Any:
    ratio, away = p.scale / q.scale, (p.loc - q.loc).abs()
    return away / q.scale + ratio * (-away / p.scale).exp() - ratio.log() - 1


@_within(Normal)
def _normal(p: Any, q: Any) -> Any:
    ratio = (p.scale / q.scale).pow(2)
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).pow(2) - 1 - ratio.log())


@_within(Pareto)
def _pareto(p: Any, q: Any) -> Any:
    ratio = q.alpha / p.alpha
    result = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return result.where(p.scale >= q.scale, jtorch.inf)


@_within(Uniform)
def _uniform(p: Any, q: Any) -> Any:
    inside = (q.low <= p.low) & (q.high >= p.high)
    return ((q.high - q.low) / (p.high - p.low)).log().where(inside, jtorch.inf)


# -- multivariate normals: a covariance is a factor times its transpose, and a diagonal or nothing


def _log_det(d: Any) -> Any:
    return d._log_det() if isinstance(d, LowRankMultivariateNormal) else 2 * d._half_log_det()


def _quadratic(d: Any, x: Any) -> Any:
    """x M^-1 x for the covariance M."""
    if isinstance(d, LowRankMultivariateNormal):
        parts = d._unbroadcasted_cov_factor, d._unbroadcasted_cov_diag, x, d._capacitance_tril
        return _batch_lowrank_mahalanobis(*parts)
    return _batch_mahalanobis(d._unbroadcasted_scale_tril, x)


def _inverse_diagonal(d: Any) -> Any:
    """The diagonal of M^-1."""
    if isinstance(d, LowRankMultivariateNormal):
        diagonal = d._unbroadcasted_cov_diag
        scaled = (d._unbroadcasted_cov_factor / diagonal.unsqueeze(-1)).mT
        return diagonal.reciprocal() - jtorch.linalg.solve_triangular(d._capacitance_tril, scaled, upper=False).pow(
            2
        ).sum(-2)
    eye = jtorch.eye(d._event_shape[0], dtype=d.loc.dtype, device=d.loc.device)
    return jtorch.linalg.solve_triangular(d._unbroadcasted_scale_tril, eye, upper=False).pow(2).sum(-2)


@register_kl(MultivariateNormal, MultivariateNormal)
@register_kl(MultivariateNormal, LowRankMultivariateNormal)
@register_kl(LowRankMultivariateNormal, MultivariateNormal)
@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
def _multivariate_normal(p: Any, q: Any) -> Any:
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two Multivariate Normals with different event shapes cannot be computed"
        )
    low_rank = isinstance(p, LowRankMultivariateNormal)
    factor = p.cov_factor if low_rank else p.scale_tril
    trace = _quadratic(q, factor.movedim(-1, 0)).sum(0)
    if low_rank:
        trace = trace + (p.cov_diag * _inverse_diagonal(q)).sum(-1)
    return 0.5 * (_log_det(q) - _log_det(p) + trace + _quadratic(q, q.loc - p.loc) - p.event_shape[0])


# -- composed distributions


@_within(ExponentialFamily)
def _exponential_family(p: Any, q: Any) -> Any:
    """Bregman's divergence of the log normalizers."""
    if type(p) is not type(q):
        raise NotImplementedError(
            "The cross KL-divergence between different exponential families cannot be computed using Bregman "
            "divergences"
        )
    ours = [x.detach().requires_grad_() for x in p._natural_params]
    normalizer = p._log_normalizer(*ours)
    slopes = jtorch.autograd.grad(normalizer.sum(), ours, create_graph=True)
    result = q._log_normalizer(*q._natural_params) - normalizer
    for own, other, slope in zip(ours, q._natural_params, slopes, strict=True):
        result = result - ((other - own) * slope).reshape(result.shape + (-1,)).sum(-1)
    return result


@_within(TransformedDistribution)
def _transformed(p: Any, q: Any) -> Any:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError
    return kl_divergence(p.base_dist, q.base_dist)


@_within(Independent)
def _independent(p: Any, q: Any) -> Any:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError
    return _sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)
