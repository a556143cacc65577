"""Densities integrate to one, and moments, entropies and distribution functions follow from them."""

from typing import Any

import numpy as np
import pytest

import jtorch
from jtorch.distributions import constraints, transform_to
from tests.distributions.cases import BY_NAME, CASES

pytestmark = pytest.mark.filterwarnings("ignore::jtorch.engine.report.RecompileWarning")

DISCRETE = {"geometric", "geometric_logits", "negative_binomial", "negative_binomial_logits", "poisson"}
BUILT = {case.name: case.build(jtorch, "float64")[0] for case in CASES}
SCALAR = {name: d for name, d in BUILT.items() if not d.event_shape}
APART = {"von_mises", "generalized_pareto", "mixture", "binomial_counts"}  # supports of their own
CONTINUOUS = [name for name, d in SCALAR.items() if not d.support.is_discrete and name not in APART]
COUNTED = [name for name, d in BUILT.items() if (d.has_enumerate_support or name in DISCRETE) and name not in APART]
NO_MOMENTS = {"relaxed_bernoulli", "relaxed_bernoulli_logits", "transformed"}
NO_CDF = NO_MOMENTS - {"transformed"} | {"beta", "chi2", "student_t", "fisher_snedecor", "inverse_gamma"}
WITH_CDF = [*(n for n in CONTINUOUS if n not in NO_CDF), "generalized_pareto"]


def points(d: Any) -> tuple[np.ndarray, np.ndarray]:
    """Points over the support, [n, *batch], and the weights of an integral over them."""
    whole = d.support is constraints.real
    w = np.linspace(-25, 25, 8001) if whole else np.linspace(-4.4, 4.4, 4001)
    shape = (-1,) + (1,) * len(d.batch_shape)
    z = np.sinh(w).reshape(shape) * np.ones(tuple(d.batch_shape))
    dz = (np.cosh(w) * (w[1] - w[0])).reshape(shape)
    move = transform_to(d.support)
    at = jtorch.tensor(z)
    x = move(at)
    return x.numpy(), dz * move.log_abs_det_jacobian(at, x).exp().numpy() if not whole else dz


def expectation(d: Any) -> Any:
    """A function that takes the mean of ``f(x, log_prob)``."""
    if d.has_enumerate_support:
        x = d.enumerate_support().numpy()
        weights: Any = 1.0
    elif d.support.is_discrete:
        x = np.arange(400.0).reshape((-1,) + (1,) * len(d.batch_shape)) * np.ones(tuple(d.batch_shape))
        weights = 1.0
    else:
        x, weights = points(d)
    log_prob = d.log_prob(jtorch.tensor(x)).numpy()
    density = np.where(weights == 0, 0, np.exp(log_prob) * weights)

    def mean(f: Any) -> np.ndarray:
        with np.errstate(all="ignore"):
            value = np.broadcast_to(f(x, log_prob), density.shape)
            return np.where(density == 0, 0, value * density).sum(0)

    return mean


@pytest.mark.parametrize("name", CONTINUOUS)
def test_density_integrates_to_one(name: str) -> None:
    total = expectation(SCALAR[name])(lambda x, log_prob: np.ones_like(x))
    np.testing.assert_allclose(total, np.ones(total.shape), rtol=2e-4)


@pytest.mark.parametrize("name", [n for n in COUNTED if not BUILT[n].event_shape])
def test_probabilities_add_up_to_one(name: str) -> None:
    total = expectation(SCALAR[name])(lambda x, log_prob: np.ones_like(x))
    np.testing.assert_allclose(total, np.ones(total.shape), rtol=1e-6)


@pytest.mark.parametrize("name", [n for n in CONTINUOUS + COUNTED if n in SCALAR and "categorical" not in n])
def test_moments(name: str) -> None:
    d = SCALAR[name]
    mean = expectation(d)
    if name in NO_MOMENTS:
        for moment in ("mean", "variance"):
            with pytest.raises(NotImplementedError):
                getattr(d, moment)
        return
    expected, variance = d.mean.numpy(), d.variance.numpy()
    found = mean(lambda x, log_prob: x)
    np.testing.assert_allclose(found[np.isfinite(variance)], expected[np.isfinite(variance)], rtol=2e-3, atol=1e-6)
    spread = mean(lambda x, log_prob: (x - expected) ** 2)
    tame = np.isfinite(variance) & (name not in {"fisher_snedecor", "pareto", "inverse_gamma"})
    np.testing.assert_allclose(spread[tame], variance[tame], rtol=2e-3, atol=1e-6)
    np.testing.assert_allclose(d.stddev.numpy()[tame] ** 2, variance[tame], rtol=1e-6)


@pytest.mark.parametrize("name", CONTINUOUS + [n for n in COUNTED if n in SCALAR])
def test_entropy(name: str) -> None:
    d = SCALAR[name]
    try:
        entropy = d.entropy().numpy()
    except NotImplementedError:
        assert name in {
            "fisher_snedecor", "negative_binomial", "negative_binomial_logits", "poisson", *NO_MOMENTS,
        }  # fmt: skip
        return
    if name != "poisson":  # torch leaves out the mean of log x!
        found = expectation(d)(lambda x, log_prob: np.where(np.isfinite(log_prob), -log_prob, 0))
        np.testing.assert_allclose(found, entropy, rtol=2e-3, atol=1e-5)
    np.testing.assert_allclose(d.perplexity().numpy(), np.exp(entropy), rtol=1e-6)


@pytest.mark.parametrize("name", WITH_CDF)
def test_distribution_function(name: str) -> None:
    """Its derivative is the density, and ``icdf`` undoes it."""
    d = SCALAR[name]
    jtorch.manual_seed(1)
    x = d.sample((5,)).requires_grad_()
    level = d.cdf(x)
    if name != "gamma":
        np.testing.assert_allclose(d.icdf(level.detach()).numpy(), x.detach().numpy(), rtol=1e-5, atol=1e-6)
    (slope,) = jtorch.autograd.grad(level.sum(), x)
    np.testing.assert_allclose(slope.numpy(), d.log_prob(x.detach()).exp().numpy(), rtol=1e-3)


def test_von_mises_on_its_circle() -> None:
    d = BUILT["von_mises"]
    x = np.linspace(-np.pi, np.pi, 2001)[:-1, None] * np.ones(3)
    density = d.log_prob(jtorch.tensor(x)).exp().numpy() * (2 * np.pi / 2000)
    np.testing.assert_allclose(density.sum(0), np.ones(3), rtol=1e-6)
    away = 1 - (density * np.cos(x - d.loc.numpy())).sum(0)
    np.testing.assert_allclose(d.variance.numpy(), away, rtol=1e-6)


def test_multivariate_normals_agree() -> None:
    """One normal given in four ways."""
    loc = jtorch.tensor([0.5, -1.0, 2.0], dtype=jtorch.float64)
    factor = jtorch.tensor([[1.0], [0.5], [-0.3]], dtype=jtorch.float64)
    diagonal = jtorch.tensor([0.5, 1.0, 2.0], dtype=jtorch.float64)
    matrix = factor @ factor.T + jtorch.diag(diagonal)
    D = jtorch.distributions  # noqa: N806
    all_four = [
        D.MultivariateNormal(loc, matrix),
        D.MultivariateNormal(loc, precision_matrix=jtorch.linalg.inv(matrix)),
        D.MultivariateNormal(loc, scale_tril=jtorch.linalg.cholesky(matrix)),
        D.LowRankMultivariateNormal(loc, factor, diagonal),
    ]
    x = np.random.RandomState(0).randn(4, 3)
    m = matrix.numpy()
    away = x - loc.numpy()
    quadratic = np.einsum("ni,ij,nj->n", away, np.linalg.inv(m), away)
    expected = -0.5 * (quadratic + 3 * np.log(2 * np.pi) + np.linalg.slogdet(m)[1])
    entropy = 0.5 * (3 * (1 + np.log(2 * np.pi)) + np.linalg.slogdet(m)[1])
    for d in all_four:
        np.testing.assert_allclose(d.log_prob(jtorch.tensor(x)).numpy(), expected, rtol=1e-8)
        np.testing.assert_allclose(d.entropy().numpy(), entropy, rtol=1e-8)
        np.testing.assert_allclose(d.covariance_matrix.numpy(), m, rtol=1e-8)
        np.testing.assert_allclose(d.precision_matrix.numpy(), np.linalg.inv(m), rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(d.scale_tril.numpy(), np.linalg.cholesky(m), rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(d.variance.numpy(), np.diagonal(m), rtol=1e-8)
        for other in all_four:
            np.testing.assert_allclose(jtorch.distributions.kl_divergence(d, other).numpy(), 0, atol=1e-9)


def test_mixture_of_vectors() -> None:
    d = BY_NAME["mixture_events"].build(jtorch, "float64")[0]
    x = np.random.RandomState(0).randn(4, 3)
    means = np.array([[0.0, 1.0, 2.0], [2.0, 3.0, 4.0]])
    each = np.exp(-0.5 * ((x[:, None] - means) ** 2).sum(-1)) / (2 * np.pi) ** 1.5
    np.testing.assert_allclose(d.log_prob(jtorch.tensor(x)).exp().numpy(), each @ [0.2, 0.8], rtol=1e-8)
    np.testing.assert_allclose(d.mean.numpy(), [0.2, 0.8] @ means)
    np.testing.assert_allclose(d.variance.numpy(), np.full(3, 1 + 0.16 * 4))
