"""Kullback-Leibler divergences: by quadrature, by formula, and the choice of one."""

from typing import Any

import numpy as np
import pytest
from scipy import special

import jtorch
import jtorch.distributions as D  # noqa: N812
from jtorch.distributions import kl
from tests.distributions.cases import BY_NAME
from tests.distributions.test_densities import expectation

pytestmark = pytest.mark.filterwarnings("ignore::jtorch.engine.report.RecompileWarning")


def f64(x: float) -> Any:
    return jtorch.tensor(x, dtype=jtorch.float64)


PLAIN = {
    D.Bernoulli: (D.Bernoulli(f64(0.3)), D.Bernoulli(f64(0.6))),
    D.Beta: (D.Beta(f64(2.5), 1.7), D.Beta(f64(1.5), 3.0)),
    D.Binomial: (D.Binomial(5, f64(0.3)), D.Binomial(5, f64(0.7))),
    D.Categorical: (D.Categorical(jtorch.tensor([0.2, 0.8])), D.Categorical(jtorch.tensor([0.6, 0.4]))),
    D.Cauchy: (D.Cauchy(f64(0.3), 1.5), D.Cauchy(f64(1.0), 0.7)),
    D.ContinuousBernoulli: (D.ContinuousBernoulli(f64(0.3)), D.ContinuousBernoulli(f64(0.8))),
    D.Exponential: (D.Exponential(f64(1.3)), D.Exponential(f64(2.5))),
    D.Gamma: (D.Gamma(f64(2.3), 1.5), D.Gamma(f64(1.4), 0.7)),
    D.Geometric: (D.Geometric(f64(0.3)), D.Geometric(f64(0.6))),
    D.Gumbel: (D.Gumbel(f64(0.3), 1.5), D.Gumbel(f64(1.0), 2.7)),
    D.HalfNormal: (D.HalfNormal(f64(1.5)), D.HalfNormal(f64(0.8))),
    D.Laplace: (D.Laplace(f64(0.3), 1.5), D.Laplace(f64(1.0), 0.7)),
    D.Normal: (D.Normal(f64(0.3), 1.5), D.Normal(f64(1.0), 1.7)),
    D.Pareto: (D.Pareto(f64(1.5), 4.0), D.Pareto(f64(1.2), 3.0)),
    D.Poisson: (D.Poisson(f64(1.5)), D.Poisson(f64(2.5))),
    D.Uniform: (D.Uniform(f64(0.2), 0.7), D.Uniform(f64(-0.5), 1.5)),
}
WIDE = D.Uniform(f64(0.2), 0.7), D.Pareto(f64(0.1), 3.0)
PAIRS = [(p, q) for p, q in kl._KL_REGISTRY if p in PLAIN and q in PLAIN]


@pytest.mark.parametrize(("p", "q"), PAIRS, ids=lambda c: c.__name__)
def test_by_quadrature(p: type, q: type) -> None:
    one, other = PLAIN[p][0], PLAIN[q][1]
    if (p, q) == (D.Uniform, D.Pareto):
        one, other = WIDE
    found = jtorch.distributions.kl_divergence(one, other).numpy()
    other._validate_args = False
    if np.isinf(found):
        return

    def ratio(x: Any, log_prob: Any) -> Any:
        with jtorch.no_grad():
            log_q = other.log_prob(jtorch.tensor(x)).numpy()
        return np.where(np.isfinite(log_prob), log_prob - log_q, 0)

    np.testing.assert_allclose(found, expectation(one)(ratio), rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("p", "q"),
    [
        (D.Normal(0.0, 1.0), D.Exponential(1.0)),
        (D.Poisson(1.0), D.Bernoulli(0.5)),
        (D.Uniform(-1.0, 1.0), D.Gamma(1.0, 1.0)),
        (D.Uniform(0.0, 2.0), D.Beta(1.0, 1.0)),
        (D.Uniform(0.0, 2.0), D.Uniform(0.0, 1.0)),
        (D.Pareto(1.0, 2.0), D.Pareto(2.0, 2.0)),
        (D.Pareto(1.0, 0.5), D.Exponential(1.0)),
        (D.Beta(1.0, 2.0), D.Uniform(0.5, 1.0)),
        (D.Bernoulli(0.5), D.Bernoulli(0.0)),
        (D.Categorical(jtorch.tensor([0.5, 0.5])), D.Categorical(jtorch.tensor([0.0, 1.0]))),
    ],
)
def test_infinite(p: Any, q: Any) -> None:
    assert D.kl_divergence(p, q) == jtorch.inf


@pytest.mark.parametrize(
    "name", ["dirichlet", "one_hot", "independent", "log_normal", "low_rank_normal", "wishart_tril"]
)
def test_of_itself(name: str) -> None:
    d = BY_NAME[name].build(jtorch, "float64")[0]
    found = D.kl_divergence(d, d)
    assert found.shape == d.batch_shape
    np.testing.assert_allclose(found.detach().numpy(), np.zeros(tuple(d.batch_shape)), atol=1e-9)


def test_multivariate_normals() -> None:
    a, b = np.random.RandomState(0).randn(2, 3, 3)
    a, b = a @ a.T + np.eye(3), b @ b.T + np.eye(3)
    away = np.array([1.0, -0.5, 2.0])
    p = D.MultivariateNormal(jtorch.tensor(away), jtorch.tensor(a))
    q = D.MultivariateNormal(jtorch.zeros(3, dtype=jtorch.float64), jtorch.tensor(b))
    inverse = np.linalg.inv(b)
    logs = np.linalg.slogdet(b)[1] - np.linalg.slogdet(a)[1]
    expected = 0.5 * (np.trace(inverse @ a) + away @ inverse @ away - 3 + logs)
    np.testing.assert_allclose(D.kl_divergence(p, q).numpy(), expected, rtol=1e-9)


def test_wisharts() -> None:
    """In a batch too, where torch adds up over the batch."""
    a, b = np.random.RandomState(0).randn(2, 2, 3, 3)
    a, b = a @ a.transpose(0, 2, 1) + np.eye(3), b @ b.transpose(0, 2, 1) + np.eye(3)
    n, m = np.array([4.0, 6.5]), np.array([5.5, 5.0])
    found = D.kl_divergence(
        D.Wishart(jtorch.tensor(n), jtorch.tensor(a)), D.Wishart(jtorch.tensor(m), jtorch.tensor(b))
    )
    digammas = sum(special.digamma((n - i) / 2) for i in range(3))
    trace = np.trace(np.linalg.inv(b) @ a, axis1=1, axis2=2)
    expected = (
        0.5 * (m * (np.linalg.slogdet(b)[1] - np.linalg.slogdet(a)[1]) + n * trace - 3 * n + (n - m) * digammas)
        + [special.multigammaln(x / 2, 3) for x in m]
        - np.array([special.multigammaln(x / 2, 3) for x in n])
    )
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-8)


def test_the_most_specific_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kl, "_KL_REGISTRY", dict(kl._KL_REGISTRY))
    monkeypatch.setattr(kl, "_KL_MEMOIZE", {})

    class Own(D.Normal):
        pass

    assert D.kl_divergence(Own(0.0, 1.0), D.Normal(0.0, 1.0)) == 0
    D.register_kl(Own, D.Normal)(lambda p, q: "own")
    assert D.kl_divergence(Own(0.0, 1.0), D.Normal(0.0, 1.0)) == "own"
    D.register_kl(D.Normal, Own)(lambda p, q: "other")
    with pytest.warns(RuntimeWarning, match="Ambiguous kl_divergence"):
        assert D.kl_divergence(Own(0.0, 1.0), Own(0.0, 1.0)) == "own"


def test_unknown() -> None:
    with pytest.raises(NotImplementedError, match="p type Normal and q type Cauchy"):
        D.kl_divergence(D.Normal(0.0, 1.0), D.Cauchy(0.0, 1.0))
    with pytest.raises(NotImplementedError, match="Bregman"):
        D.kl_divergence(D.Poisson(1.0), D.Normal(0.0, 1.0))
