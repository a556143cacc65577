"""A distribution of each family: how it is made, and its parameters."""

from collections.abc import Callable
from typing import Any, NamedTuple

EYE = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
COVARIANCE = [[2.0, 0.5, 0.1], [0.5, 1.0, -0.3], [0.1, -0.3, 1.5]]
TRIL = [[1.0, 0.0, 0.0], [0.5, 1.5, 0.0], [-0.3, 0.2, 0.7]]
FACTOR = [[1.0, 0.2], [0.5, -0.4], [0.3, 0.8]]


class Case(NamedTuple):
    """``make(distributions, *parameters)`` with the parameters as tensors."""

    name: str
    make: Callable[..., Any]
    parameters: tuple[Any, ...]

    def build(self, lib: Any, dtype: str = "float32", requires_grad: bool = False) -> tuple[Any, list[Any]]:
        """The distribution in ``lib``, torch or jtorch, and its parameters."""
        options = {"dtype": getattr(lib, dtype), "requires_grad": requires_grad}
        tensors = [lib.tensor(p, **options) for p in self.parameters]
        return self.make(lib.distributions, *tensors), tensors


CASES = [
    Case(name, make, parameters)
    for name, make, *parameters in (
        ("bernoulli", lambda D, p: D.Bernoulli(p), [0.1, 0.5, 0.8]),
        ("bernoulli_logits", lambda D, x: D.Bernoulli(logits=x), [-1.0, 0.0, 2.5]),
        ("beta", lambda D, a, b: D.Beta(a, b), [0.5, 2.0, 8.0], [[1.5], [9.0]]),
        ("binomial", lambda D, p: D.Binomial(5, p), [0.1, 0.5, 0.9]),
        ("binomial_logits", lambda D, x: D.Binomial(40, logits=x), [-1.0, 0.3, 2.0]),
        ("binomial_counts", lambda D, n, p: D.Binomial(n, p), [2.0, 5.0], [0.3, 0.6]),
        ("categorical", lambda D, p: D.Categorical(p), [[0.2, 0.3, 0.5], [1.0, 4.0, 0.0]]),
        ("categorical_logits", lambda D, x: D.Categorical(logits=x), [0.1, -1.0, 2.0]),
        ("cauchy", lambda D, a, b: D.Cauchy(a, b), [0.0, 1.0], [1.0, 2.5]),
        ("chi2", lambda D, n: D.Chi2(n), [0.7, 3.0, 10.0]),
        ("continuous_bernoulli", lambda D, p: D.ContinuousBernoulli(p), [0.1, 0.5, 0.4995, 0.9]),
        ("continuous_bernoulli_logits", lambda D, x: D.ContinuousBernoulli(logits=x), [-2.0, 0.0, 1.0]),
        ("dirichlet", lambda D, a: D.Dirichlet(a), [[0.5, 1.5, 3.0], [0.2, 0.3, 0.4]]),
        ("exponential", lambda D, r: D.Exponential(r), [0.5, 1.0, 4.0]),
        ("fisher_snedecor", lambda D, a, b: D.FisherSnedecor(a, b), [1.5, 3.0, 8.0], [2.5, 3.5, 9.0]),
        ("gamma", lambda D, a, b: D.Gamma(a, b), [0.3, 1.0, 6.0], [2.0, 1.0, 0.5]),
        (
            "generalized_pareto",
            lambda D, a, b, c: D.GeneralizedPareto(a, b, c),
            [0.0, 1.0, -1.0],
            [1.0, 2.0, 0.5],
            [0.3, 0.0, -0.4],
        ),
        ("geometric", lambda D, p: D.Geometric(p), [0.2, 0.7, 1.0]),
        ("geometric_logits", lambda D, x: D.Geometric(logits=x), [-1.0, 0.5]),
        ("gumbel", lambda D, a, b: D.Gumbel(a, b), [0.0, 1.0], [1.0, 2.5]),
        ("half_cauchy", lambda D, s: D.HalfCauchy(s), [1.0, 2.5]),
        ("half_normal", lambda D, s: D.HalfNormal(s), [1.0, 2.5]),
        ("independent", lambda D, a, b: D.Independent(D.Normal(a, b), 1), [[0.0, 1.0], [2.0, 3.0]], [1.0, 2.0]),
        ("independent_bernoulli", lambda D, p: D.Independent(D.Bernoulli(p), 0), [0.1, 0.4]),
        ("inverse_gamma", lambda D, a, b: D.InverseGamma(a, b), [0.8, 1.5, 4.0], [1.0, 2.0, 0.5]),
        ("kumaraswamy", lambda D, a, b: D.Kumaraswamy(a, b), [1.5, 2.0, 0.5], [1.2, 3.0, 2.0]),
        ("laplace", lambda D, a, b: D.Laplace(a, b), [0.0, 1.0], [1.0, 2.5]),
        ("lkj", lambda D, c: D.LKJCholesky(3, c), [0.5, 1.0, 3.0]),
        ("log_normal", lambda D, a, b: D.LogNormal(a, b), [0.0, 0.5], [1.0, 0.3]),
        ("logistic_normal", lambda D, a, b: D.LogisticNormal(a, b), [[0.0, 0.5], [1.0, -1.0]], [1.0, 0.3]),
        (
            "low_rank_normal",
            lambda D, m, w, d: D.LowRankMultivariateNormal(m, w, d),
            [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]],
            FACTOR,
            [0.5, 1.0, 2.0],
        ),
        (
            "mixture",
            lambda D, p, a, b: D.MixtureSameFamily(D.Categorical(p), D.Normal(a, b)),
            [[0.2, 0.8], [0.5, 0.5]],
            [[0.0, 1.0], [2.0, 3.0]],
            [1.0, 2.0],
        ),
        (
            "mixture_events",
            lambda D, p, a: D.MixtureSameFamily(D.Categorical(p), D.Independent(D.Normal(a, 1.0), 1)),
            [0.2, 0.8],
            [[0.0, 1.0, 2.0], [2.0, 3.0, 4.0]],
        ),
        ("multinomial", lambda D, p: D.Multinomial(6, p), [[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]]),
        ("multinomial_logits", lambda D, x: D.Multinomial(3, logits=x), [0.1, -1.0, 2.0]),
        ("normal_covariance", lambda D, m, c: D.MultivariateNormal(m, c), [[0.0, 1.0, 2.0]], COVARIANCE),
        (
            "normal_precision",
            lambda D, m, c: D.MultivariateNormal(m, precision_matrix=c),
            [0.0, 1.0, 2.0],
            [COVARIANCE, EYE],
        ),
        (
            "normal_tril",
            lambda D, m, c: D.MultivariateNormal(m, scale_tril=c),
            [[0.0, 1.0, 2.0], [1.0, 1.0, 1.0]],
            TRIL,
        ),
        ("negative_binomial", lambda D, n, p: D.NegativeBinomial(n, p), [2.0, 5.5, 1.0], [0.2, 0.7, 0.5]),
        ("negative_binomial_logits", lambda D, x: D.NegativeBinomial(3, logits=x), [-1.0, 0.5]),
        ("normal", lambda D, a, b: D.Normal(a, b), [0.0, 1.0, -2.0], [1.0, 2.5, 0.1]),
        ("one_hot", lambda D, p: D.OneHotCategorical(p), [[0.2, 0.3, 0.5], [1.0, 4.0, 2.0]]),
        ("straight_through", lambda D, x: D.OneHotCategoricalStraightThrough(logits=x), [0.2, 0.3, -0.5]),
        ("pareto", lambda D, a, b: D.Pareto(a, b), [1.0, 0.5, 2.0], [0.5, 1.5, 3.0]),
        ("poisson", lambda D, r: D.Poisson(r), [0.5, 4.0, 25.0]),
        ("relaxed_bernoulli", lambda D, t, p: D.RelaxedBernoulli(t, p), 0.7, [0.1, 0.6]),
        ("relaxed_bernoulli_logits", lambda D, t, x: D.RelaxedBernoulli(t, logits=x), 0.7, [-1.0, 0.6]),
        ("relaxed_one_hot", lambda D, t, p: D.RelaxedOneHotCategorical(t, p), 0.7, [[0.1, 0.6, 0.3]]),
        ("relaxed_one_hot_logits", lambda D, t, x: D.RelaxedOneHotCategorical(t, logits=x), 2.0, [-1.0, 0.6, 0.0]),
        ("student_t", lambda D, n, a, b: D.StudentT(n, a, b), [0.5, 1.5, 7.0], [0.0, 1.0, 2.0], [1.0, 2.0, 0.5]),
        ("uniform", lambda D, a, b: D.Uniform(a, b), [0.0, -1.0], [1.0, 2.5]),
        ("von_mises", lambda D, a, b: D.VonMises(a, b), [0.0, 1.0, -3.0], [0.5, 4.0, 100.0]),
        ("weibull", lambda D, a, b: D.Weibull(a, b), [1.0, 2.0, 0.5], [1.5, 2.5, 4.0]),
        ("wishart_covariance", lambda D, n, c: D.Wishart(n, c), 4.0, COVARIANCE),
        ("wishart_tril", lambda D, n, c: D.Wishart(n, scale_tril=c), [4.0, 5.5], TRIL),
        ("wishart_precision", lambda D, n, c: D.Wishart(n, precision_matrix=c), 6.0, [COVARIANCE, EYE]),
        (
            "transformed",
            lambda D, a, b: D.TransformedDistribution(
                D.Normal(a, b), [D.AffineTransform(1.0, -2.0), D.SigmoidTransform()]
            ),
            [0.0, 1.0],
            [1.0, 2.5],
        ),
    )
]
BY_NAME = {case.name: case for case in CASES}
