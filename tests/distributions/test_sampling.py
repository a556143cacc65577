"""Samples: as torch draws them, in the support, with gradients that follow from the distribution function."""

from typing import Any

import numpy as np
import pytest
from scipy import special

import jtorch
import jtorch.distributions as D  # noqa: N812
from tests.distributions.cases import BY_NAME, CASES

pytestmark = pytest.mark.filterwarnings("ignore::jtorch.engine.report.RecompileWarning")

RECORDED: dict[str, list[float]] = {  # by torch, after manual_seed(0)
    "bernoulli": [0.0, 0.0, 1.0],
    "beta": [0.00224778, 0.750269, 0.71771, 0.0055084, 0.133331, 0.486668],
    "binomial": [2.0, 3.0, 5.0],
    "binomial_logits": [12.0, 26.0, 36.0],
    "categorical": [2.0, 1.0],
    "cauchy": [10.5977, 2.91192],
    "chi2": [6.65857e-05, 0.700764, 10.0435],
    "continuous_bernoulli": [0.264795, 0.768222, 0.0884774, 0.328087],
    "dirichlet": [0.000240043, 0.106551, 0.893209, 0.00861301, 0.309785, 0.681602],
    "exponential": [7.01665, 1.23038, 0.153761],
    "fisher_snedecor": [0.0378279, 0.362442, 0.664194],
    "gamma": [2.95348e-06, 0.118984, 12.1142],
    "generalized_pareto": [0.761309, 3.92395, -0.954528],
    "geometric": [3.0, 0.0, 0.0],
    "gumbel": [0.355729, 4.33258],
    "half_cauchy": [10.5977, 1.91192],
    "half_normal": [1.541, 0.733572],
    "inverse_gamma": [70.276, 5.70805, 0.125552],
    "kumaraswamy": [0.580488, 0.29007, 0.493574],
    "laplace": [-0.00751493, 2.92207],
    "lkj": [
        1.0,
        0.0,
        0.0,
        -0.20728,
        0.978282,
        0.0,
        0.809013,
        0.32982,
        0.486535,
        1.0,
        0.0,
        0.0,
        -0.661996,
        0.749507,
        0.0,
        0.234925,
        -0.619972,
        0.748629,
        1.0,
        0.0,
        0.0,
        -0.5135,
        0.85809,
        0.0,
        0.216695,
        0.325567,
        0.920353,
    ],
    "log_normal": [4.66924, 1.50979],
    "logistic_normal": [0.700116, 0.180399, 0.119486, 0.133318, 0.263261, 0.603421],
    "low_rank_normal": [0.715437, 0.489274, 2.79797, 1.52747, 1.96398, 4.23069],
    "mixture": [-1.79719, 2.40335],
    "multinomial": [0.0, 1.0, 5.0, 0.0, 2.0, 4.0],
    "normal_tril": [1.541, 1.33035, -0.0461373, 1.56843, -0.342568, -0.366451],
    "negative_binomial": [1.0, 8.0, 0.0],
    "normal": [1.541, 0.266428, -2.21788],
    "one_hot": [0.0, 0.0, 1.0, 0.0, 1.0, 0.0],
    "pareto": [1115.05, 1.13554, 2.45509],
    "poisson": [2.0, 5.0, 22.0],
    "relaxed_bernoulli": [0.040688, 0.908136],
    "relaxed_one_hot": [0.0185004, 0.966416, 0.0150831],
    "student_t": [4.8712, 0.294218, 1.12761],
    "uniform": [0.496257, 1.68878],
    "von_mises": [-0.606836, 0.576337, -3.02851],
    "weibull": [2.30887, 2.17293, 0.442789],
    "wishart_covariance": [5.40624, -0.377397, -0.631144, -0.377397, 4.82088, -0.779015, -0.631144, -0.779015, 0.74802],
}


@pytest.mark.parametrize("name", RECORDED)
def test_recorded(name: str) -> None:
    jtorch.manual_seed(0)
    drawn = BY_NAME[name].build(jtorch)[0].sample()
    np.testing.assert_allclose(drawn.reshape(-1).numpy(), RECORDED[name], rtol=3e-5, atol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=[c.name for c in CASES])
def test_samples_are_in_the_support(case: Any) -> None:
    d, _ = case.build(jtorch)
    jtorch.manual_seed(3)
    drawn = d.sample((4, 2))
    assert drawn.shape == (4, 2, *d.batch_shape, *d.event_shape)
    assert not drawn.requires_grad
    assert d.support.check(drawn).all()
    assert d.log_prob(drawn).shape == (4, 2, *d.batch_shape)


@pytest.mark.parametrize("case", [c for c in CASES if c.build(jtorch)[0].has_rsample], ids=lambda c: c.name)
def test_rsample_moves_with_the_parameters(case: Any) -> None:
    d, parameters = case.build(jtorch, "float64", requires_grad=True)
    jtorch.manual_seed(3)
    drawn = d.rsample((3,))
    assert drawn.requires_grad
    (drawn * jtorch.arange(1.0, drawn.numel() + 1, dtype=drawn.dtype).reshape(drawn.shape)).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in parameters)


@pytest.mark.parametrize("name", ["normal", "gamma", "beta", "binomial", "binomial_logits", "poisson", "laplace"])
def test_means_of_many(name: str) -> None:
    d, _ = BY_NAME[name].build(jtorch)
    jtorch.manual_seed(7)
    away = d.sample((4000,)).numpy().mean(0) - d.mean.numpy()
    assert (np.abs(away) < 5 * d.stddev.numpy() / np.sqrt(4000)).all()


def test_gradient_of_gamma_numbers() -> None:
    """A number keeps its level as the shape changes."""
    shape, step = np.array([0.1, 0.7, 2.0, 30.0, 500.0]), 1e-5
    level = np.array([0.2, 0.5, 0.9, 0.4, 0.99])
    at = special.gammaincinv(shape, level)
    moved = (special.gammaincinv(shape * (1 + step), level) - special.gammaincinv(shape * (1 - step), level)) / (
        2 * step * shape
    )
    found = jtorch._standard_gamma_grad(jtorch.tensor(shape), jtorch.tensor(at))
    np.testing.assert_allclose(found.numpy(), moved, rtol=1e-5)


def test_gradient_of_beta_numbers() -> None:
    a = np.array([0.3, 2.0, 40.0, 0.5, 700.0, 5.0])
    b = np.array([0.6, 5.0, 30.0, 9.0, 900.0, 0.2])
    level, step = np.array([0.3, 0.8, 0.5, 0.9, 0.05, 0.4]), 1e-5
    at = special.betaincinv(a, b, level)
    moved = (special.betaincinv(a * (1 + step), b, level) - special.betaincinv(a * (1 - step), b, level)) / (
        2 * step * a
    )
    found = jtorch._dirichlet_grad(jtorch.tensor(at), jtorch.tensor(a), jtorch.tensor(a + b)).numpy() * (1 - at)
    np.testing.assert_allclose(found, moved, rtol=1e-4)


def test_gradient_of_dirichlet_numbers_stays_on_the_simplex() -> None:
    a = jtorch.tensor([[0.5, 1.5, 4.0]], dtype=jtorch.float64, requires_grad=True)
    D.Dirichlet(a).rsample((5,)).sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), np.zeros((1, 3)), atol=1e-9)


def test_expanded_and_shaped() -> None:
    d = D.Normal(jtorch.zeros(3), 1.0).expand((2, 3))
    assert d.batch_shape == (2, 3)
    assert d.sample((4,)).shape == (4, 2, 3)
    assert D.Categorical(jtorch.ones(5)).expand((2,)).sample((3,)).shape == (3, 2)
    assert D.MultivariateNormal(jtorch.zeros(2), jtorch.eye(2)).expand((4,)).rsample().shape == (4, 2)
    assert D.Beta(1.0, 2.0).expand((2,)).sample().shape == (2,)


def test_straight_through() -> None:
    x = jtorch.zeros(3, requires_grad=True)
    drawn = D.OneHotCategoricalStraightThrough(logits=x).rsample()
    assert drawn.sum() == 1
    (drawn * jtorch.tensor([1.0, 2.0, 3.0])).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.array([-1.0, 0.0, 1.0]) / 3, rtol=1e-5)


def test_sample_n() -> None:
    with pytest.warns(FutureWarning, match="sample_n"):
        assert D.Normal(0.0, 1.0).sample_n(3).shape == (3,)
