"""torch.distributions against torch: a seed gives the same samples, and all that is computed of them is alike."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import jtorch
from tests.distributions.cases import BY_NAME, CASES, Case

pytestmark = pytest.mark.filterwarnings("ignore::jtorch.engine.report.RecompileWarning")

LIBS = torch, jtorch
NAMES = [case.name for case in CASES]
SHAPES = (), (5,), (2, 3)


def array(x: Any) -> np.ndarray:
    return x.detach().numpy()


def outcome(f: Callable[[], Any]) -> Any:
    """A tensor as an array, or the class of an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = f()
        except (NotImplementedError, ValueError, RuntimeError) as error:
            return type(error)
    return array(found) if hasattr(found, "detach") else found


def alike(ours: Any, theirs: Any, rtol: float = 2e-5, atol: float = 2e-6) -> None:
    if isinstance(theirs, np.ndarray) and isinstance(ours, np.ndarray):
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol)
    else:
        assert ours is theirs or ours == theirs, f"{ours} is not {theirs}"


def made(case: Case, **options: Any) -> list[Any]:
    return [case.build(lib, **options)[0] for lib in LIBS]


def samples(case: Case, shape: tuple[int, ...], dtype: str = "float32", method: str = "sample") -> list[Any]:
    drawn = []
    for lib in LIBS:
        d, _ = case.build(lib, dtype)
        lib.manual_seed(11)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            drawn.append(getattr(d, method)(shape))
    return drawn


@pytest.mark.parametrize("name", NAMES)
def test_description(name: str) -> None:
    theirs, ours = made(BY_NAME[name])
    assert repr(ours) == repr(theirs)
    for attribute in (
        "batch_shape",
        "event_shape",
        "has_rsample",
        "has_enumerate_support",
        "support",
        "arg_constraints",
    ):
        assert repr(getattr(ours, attribute)) == repr(getattr(theirs, attribute)), attribute
    assert ours.support.event_dim == theirs.support.event_dim
    assert ours.support.is_discrete == theirs.support.is_discrete


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_moments(name: str, dtype: str) -> None:
    theirs, ours = made(BY_NAME[name], dtype=dtype)
    rtol = 6e-4 if name == "von_mises" else 1e-4  # torch's Bessel functions are approximations
    for attribute in ("mean", "mode", "variance", "stddev"):
        alike(*(outcome(lambda d=d, a=attribute: getattr(d, a)) for d in (ours, theirs)), rtol=rtol)
    alike(*(outcome(d.entropy) for d in (ours, theirs)), rtol=1e-4, atol=1e-5)
    alike(*(outcome(d.perplexity) for d in (ours, theirs)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_samples(name: str) -> None:
    case = BY_NAME[name]
    for shape in SHAPES:
        theirs, ours = samples(case, shape)
        alike(array(ours), array(theirs))
        assert not ours.requires_grad
    theirs, ours = samples(case, (4,), "float64")
    alike(array(ours), array(theirs), rtol=1e-10)
    alike(*(outcome(lambda m=m: m) for m in reversed(samples(case, (20,)))))


@pytest.mark.parametrize("name", NAMES)
def test_densities(name: str) -> None:
    case = BY_NAME[name]
    theirs, ours = made(case)
    values = array(samples(case, (6,))[0])
    for method in ("log_prob", "cdf"):
        results = [
            outcome(lambda d=d, lib=lib, m=method: getattr(d, m)(lib.tensor(values.copy())))
            for lib, d in zip(LIBS, (theirs, ours), strict=True)
        ]
        alike(*reversed(results), rtol=1e-4, atol=2e-5)
    levels = np.linspace(0.05, 0.95, 4, dtype=np.float32).reshape(-1, *[1] * len(theirs.batch_shape))
    results = [
        outcome(lambda d=d, lib=lib: d.icdf(lib.tensor(levels))) for lib, d in zip(LIBS, (theirs, ours), strict=True)
    ]
    alike(*reversed(results), rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_log_prob(name: str) -> None:
    case = BY_NAME[name]
    dtype = "float32" if name == "generalized_pareto" else "float64"  # of which torch's takes only that
    values = array(samples(case, (6,), dtype)[0])
    grads = []
    for lib in LIBS:
        d, parameters = case.build(lib, dtype, requires_grad=True)
        d.log_prob(lib.tensor(values.copy())).sum().backward()
        grads.append([None if p.grad is None else array(p.grad) for p in parameters])
    for theirs, ours in zip(*grads, strict=True):
        if name == "wishart_tril" and theirs.ndim == 2:  # torch's has something above the diagonal
            theirs = np.tril(theirs)  # noqa: PLW2901
        alike(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", [n for n in NAMES if made(BY_NAME[n])[0].has_rsample and "wishart" not in n])
def test_gradients_of_samples(name: str) -> None:
    """Torch's gradients of gamma and Dirichlet numbers are approximations, good to about three digits.

    It has none of Wishart's: what it draws again it writes over what backward needs.
    """
    case, grads = BY_NAME[name], []
    for lib in LIBS:
        d, parameters = case.build(lib, "float64", requires_grad=True)
        lib.manual_seed(5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            drawn = d.rsample((3,))
        weights = lib.arange(1.0, drawn.numel() + 1, dtype=lib.float64).reshape(drawn.shape)
        (drawn * weights).sum().backward()
        grads.append([None if p.grad is None else array(p.grad) for p in parameters])
    for theirs, ours in zip(*grads, strict=True):
        alike(ours, theirs, rtol=5e-3, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_expand(name: str) -> None:
    theirs, ours = made(BY_NAME[name])
    larger = (4, *theirs.batch_shape)
    values = array(samples(BY_NAME[name], (4,))[0])
    results = []
    for lib, d in zip(LIBS, (theirs, ours), strict=True):
        wide = d.expand(larger)
        lib.manual_seed(2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            drawn = wide.sample((2,))
        results.append(
            (repr(wide), str(wide.batch_shape), array(drawn), array(wide.log_prob(lib.tensor(values.copy()))))
        )
    assert results[0][:2] == results[1][:2]
    alike(results[1][2], results[0][2])
    alike(results[1][3], results[0][3], rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("name", NAMES)
def test_support(name: str) -> None:
    theirs, ours = made(BY_NAME[name])
    for expand in (True, False):
        alike(*(outcome(lambda d=d, e=expand: d.enumerate_support(e)) for d in (ours, theirs)))


def _pairs() -> list[tuple[str, str]]:
    """Cases for all pairs of families that torch has a divergence for, and each family's cases with each other."""
    registry = torch.distributions.kl._KL_REGISTRY
    built = {case.name: case.build(torch)[0] for case in CASES}
    pairs = {}
    for a, p in built.items():
        for b, q in built.items():
            batches = "wishart" in a and a != b and (p.batch_shape or q.batch_shape)  # torch adds up over the batch
            if any(isinstance(p, x) and isinstance(q, y) for x, y in registry) and not batches:
                same = type(p) is type(q) and p.event_shape == q.event_shape
                pairs.setdefault((a, b) if same else (type(p), type(q)), (a, b))
    return list(pairs.values())


@pytest.mark.parametrize(("p", "q"), _pairs())
def test_divergences(p: str, q: str) -> None:
    results = []
    for lib in LIBS:
        D = lib.distributions  # noqa: N806
        results.append(
            outcome(lambda lib=lib, D=D: D.kl_divergence(BY_NAME[p].build(lib)[0], BY_NAME[q].build(lib)[0]))
        )
    alike(*reversed(results), rtol=2e-4, atol=5e-5)


# -- errors, and what else is to print alike


PROGRAMS: dict[str, Callable[[Any, Any], Any]] = {
    text: eval(f"lambda t, D: {text}")
    for text in """
D.Uniform(2., 1.)
D.Uniform(t.tensor([1., 2.]), 3.).arg_constraints
D.Wishart(t.tensor(1.), t.eye(3))
D.Wishart(t.tensor(5.))
D.Wishart(t.tensor(5.), t.ones(2))
D.Normal(0., -1.)
D.Normal(t.zeros(2), t.zeros(3))
D.Normal("a", 1.)
D.Normal(0, 1)
D.Normal(0., 1., validate_args=False)
D.Normal(0., -1., validate_args=False).log_prob(t.tensor(1.))
D.Normal(0., 1.).log_prob(2)
D.Normal(t.zeros(3), 1.).log_prob(t.zeros(2))
D.Normal(0., 1.).log_prob(t.tensor(t.nan))
D.Normal(0., 1.).enumerate_support()
D.Normal(0., 1.).expand([2, 3])
D.Normal(0., 1.).expand([2, 3]).sample().shape
D.Normal(t.zeros(2), 1.).expand([3])
D.Uniform(0., 1.).log_prob(t.tensor(2.))
D.Uniform(0., 1., validate_args=False).log_prob(t.tensor(2.))
D.Categorical(t.tensor([.5, .7])).probs
D.Categorical(t.tensor([-.5, .7]))
D.Categorical(t.tensor(.7))
D.Categorical(logits=t.tensor(.7))
D.Categorical()
D.Categorical(logits=t.ones(2)).log_prob(t.tensor(2))
D.Categorical(logits=t.ones(2)).log_prob(t.tensor([0, 1, 1]))
D.Categorical(t.ones(4)).param_shape
D.Bernoulli()
D.Bernoulli(probs=.5, logits=.2)
D.Bernoulli(1)
D.Bernoulli(2)
D.Bernoulli(.3).logits
D.Bernoulli(logits=.3).probs
D.Bernoulli(.3).log_prob(t.tensor(.5))
D.Bernoulli(t.tensor([.3, .4])).sample((2,)).shape
D.Binomial(3.5, t.tensor(.5))
D.Binomial(-1, t.tensor(.5))
D.Binomial(t.tensor([3, 4]), t.tensor([.2, .3])).enumerate_support()
D.Binomial(t.tensor([3, 4]), t.tensor([.2, .3])).entropy()
D.Binomial(3, t.tensor(.5)).log_prob(t.tensor(4.))
D.Multinomial(t.tensor([1, 2]), t.ones(3))
D.Multinomial(3, t.ones(2)).log_prob(t.tensor([2., 2.]))
D.Multinomial(3, t.ones(2)).log_prob(t.tensor([2., 1.]))
D.Multinomial(3, t.ones(2))
D.OneHotCategorical(t.ones(2)).log_prob(t.tensor([1., 1.]))
D.OneHotCategorical(t.ones(2))
D.Geometric(0.)
D.Geometric(t.tensor([0., .5]))
D.Distribution()
D.Distribution(validate_args=False).mean
D.Distribution(validate_args=False).mode
D.Distribution(validate_args=False).support
D.Distribution(validate_args=False).sample()
D.Distribution(validate_args=False).expand([2])
D.Distribution.set_default_validate_args(3)
D.Dirichlet(t.tensor(1.))
D.Dirichlet(t.tensor([1., -1.]))
D.Dirichlet(t.ones(2)).log_prob(t.tensor([.5, .6]))
D.Beta(1., -1.)
D.Beta(1., 2.)
D.Chi2(t.tensor(3.))
D.MultivariateNormal(t.zeros(3))
D.MultivariateNormal(t.tensor(0.), t.eye(2))
D.MultivariateNormal(t.zeros(2), t.ones(2))
D.MultivariateNormal(t.zeros(2), -t.eye(2))
D.MultivariateNormal(t.zeros(2), t.eye(2), t.eye(2))
D.MultivariateNormal(t.zeros(2), scale_tril=t.ones(2, 2))
D.MultivariateNormal(t.zeros(2), t.eye(2)).log_prob(t.zeros(3))
D.MultivariateNormal(t.zeros(2), t.tensor([[4., 1.], [1., 2.]])).precision_matrix
D.MultivariateNormal(t.zeros(2), t.tensor([[4., 1.], [1., 2.]])).scale_tril
D.MultivariateNormal(t.zeros(2), precision_matrix=t.tensor([[4., 1.], [1., 2.]])).covariance_matrix
D.LowRankMultivariateNormal(t.zeros(2), t.ones(2, 1), t.ones(2)).scale_tril
D.LowRankMultivariateNormal(t.zeros(2), t.ones(2, 1), t.ones(2)).covariance_matrix
D.LowRankMultivariateNormal(t.zeros(2), t.ones(2, 1), t.ones(2)).precision_matrix
D.LowRankMultivariateNormal(t.zeros(2), t.ones(3, 1), t.ones(2))
D.LowRankMultivariateNormal(t.zeros(2), t.ones(2), t.ones(2))
D.LowRankMultivariateNormal(t.zeros(2), t.ones(2, 1), t.ones(3))
D.LowRankMultivariateNormal(t.tensor(0.), t.ones(2, 1), t.ones(3))
D.LowRankMultivariateNormal(t.zeros(2, 2), t.ones(3, 2, 1), t.ones(2))
D.Independent(D.Normal(0., 1.), 1)
D.Independent(D.Normal(t.zeros(2), 1.), 1)
D.Independent(D.Bernoulli(t.ones(2)), 1).enumerate_support()
D.MixtureSameFamily(1, 2)
D.MixtureSameFamily(D.Categorical(t.ones(3)), 2)
D.MixtureSameFamily(D.Categorical(t.ones(3)), D.Normal(t.zeros(2), 1.))
D.MixtureSameFamily(D.Categorical(t.ones(2, 3)), D.Normal(t.zeros(5, 3), 1.))
D.LKJCholesky(1)
D.VonMises(t.tensor(0.), t.tensor(1.)).rsample()
D.Poisson(-1.)
D.Poisson(2.).log_prob(t.tensor(1.5))
D.ContinuousBernoulli(.5)
D.ContinuousBernoulli(1.5, validate_args=True)
D.GeneralizedPareto(0., 1., .25)
D.GeneralizedPareto(0., 1., -.25).support
D.GeneralizedPareto(0., 1., .25).log_survival_function(t.tensor(2.))
D.NegativeBinomial(-1., t.tensor(.5))
D.NegativeBinomial(1., t.tensor(1.))
D.HalfNormal(1.).log_prob(t.tensor(-1.))
D.HalfNormal(1., validate_args=False).log_prob(t.tensor(-1.))
D.LogNormal(0., 1.)
D.LogNormal(0., 1.).support
D.LogNormal(0., 1.).log_prob(t.tensor(-1.))
D.Gumbel(0., 1.)
D.Gumbel(0., 1.).has_rsample
D.Pareto(1., 2.).support
D.Weibull(1., 2.)
D.Kumaraswamy(1., 2.)
D.RelaxedBernoulli(t.tensor(1.), .5)
D.RelaxedOneHotCategorical(t.tensor(1.), t.ones(2))
D.LogisticNormal(0., 1.)
D.LogisticNormal(0., 1.).event_shape
D.TransformedDistribution(D.Normal(0., 1.), 3)
D.TransformedDistribution(D.Normal(0., 1.), [3])
D.TransformedDistribution(D.Normal(0., 1.), [])
D.TransformedDistribution(D.Normal(0., 1.), D.StickBreakingTransform())
D.TransformedDistribution(D.Normal(t.zeros(2), 1.), D.StickBreakingTransform()).event_shape
D.TransformedDistribution(D.Normal(0., 1.), D.AffineTransform(t.zeros(3), 2.)).batch_shape
D.TransformedDistribution(D.Normal(t.zeros(2, 3), 1.), D.ExpTransform()).support
D.TransformedDistribution(D.Normal(t.zeros(3), 1.), D.ReshapeTransform((3,), (3, 1))).support
D.TransformedDistribution(D.Normal(0., 1.), D.AbsTransform()).cdf(t.tensor(1.))
D.kl_divergence(D.Normal(0., 1.), D.Cauchy(0., 1.))
D.kl_divergence(D.Normal(0., 1.), 3)
D.kl_divergence(D.Poisson(1.), D.Normal(0., 1.))
D.kl_divergence(D.Chi2(3.), D.Chi2(4.))
D.kl_divergence(D.LogNormal(0., 1.), D.LogNormal(0., 2.))
D.kl_divergence(D.LogNormal(0., 1.), D.HalfNormal(1.))
D.kl_divergence(D.Binomial(2, t.tensor(.5)), D.Binomial(3, t.tensor(.5)))
D.kl_divergence(D.Independent(D.Normal(t.zeros(2), 1.), 1), D.Independent(D.Normal(t.zeros(2), 1.), 0))
D.kl_divergence(D.MultivariateNormal(t.zeros(2), t.eye(2)), D.MultivariateNormal(t.zeros(3), t.eye(3)))
D.biject_to(D.constraints.lower_cholesky)
D.biject_to(D.constraints.dependent)
D.biject_to(D.constraints.unit_interval)
D.biject_to(D.constraints.simplex)
D.biject_to(D.constraints.independent(D.constraints.positive, 1))
D.transform_to(D.constraints.boolean)
D.transform_to(D.constraints.simplex)
D.transform_to(D.constraints.less_than(2.))(t.tensor(1.))
D.transform_to(D.constraints.interval(2., 5.))(t.tensor(1.))
D.transform_to(D.constraints.interval(2., 5.)).domain
D.transform_to(D.constraints.stack([D.constraints.real, D.constraints.positive]))(t.ones(2))
D.transform_to(D.constraints.cat([D.constraints.real, D.constraints.positive], 0, [1, 2]))(t.ones(3))
D.biject_to.register(3, lambda x: x)
D.register_kl(3, 4)
D.StackTransform([1])
D.CatTransform([D.ExpTransform()], 0, [2]).domain
D.ReshapeTransform((2,), (3,))
D.ReshapeTransform((2,), (2, 1)).forward_shape((3,))
D.ReshapeTransform((2,), (2, 1)).forward_shape(())
D.StickBreakingTransform().forward_shape(())
D.CorrCholeskyTransform()(t.ones(2))
D.CorrCholeskyTransform().forward_shape((4,))
D.CorrCholeskyTransform().inverse_shape((4, 3))
D.ExpTransform(cache_size=2)
D.ExpTransform(cache_size=1).with_cache(3)
D.ExpTransform().inv
D.ExpTransform().inv.inv
D.ExpTransform() == D.ExpTransform()
D.ExpTransform() == D.TanhTransform()
D.ExpTransform().inv == D.ExpTransform().inv
D.AffineTransform(1., 2.) == D.AffineTransform(1., 2.)
D.AffineTransform(1., 2.) == D.AffineTransform(1., t.tensor(3.))
D.AffineTransform(1., -2.).sign
D.AffineTransform(1., t.tensor([-2., 3.])).sign
D.PowerTransform(2.).sign
D.PowerTransform(2.) == D.PowerTransform(2.)
D.AbsTransform().sign
D.AbsTransform().log_abs_det_jacobian(t.ones(2), t.ones(2))
D.StickBreakingTransform().event_dim
D.ReshapeTransform((2,), (2, 1)).event_dim
D.IndependentTransform(D.ExpTransform(), 1)
D.IndependentTransform(D.ExpTransform(), 1)(t.tensor(1.))
D.ComposeTransform([D.ExpTransform(), D.AffineTransform(1., 2.)])
D.ComposeTransform([D.ExpTransform(), D.AffineTransform(1., -2.)]).sign
D.ComposeTransform([D.ExpTransform(), D.StickBreakingTransform()]).domain
D.ComposeTransform([D.ExpTransform(), D.StickBreakingTransform()]).inv
D.ComposeTransform([D.ExpTransform(), D.AffineTransform(t.zeros(2), 2.)]).forward_shape((1,))
D.identity_transform
D.identity_transform.inv
D.constraints.stack([D.constraints.real, D.constraints.positive])
D.constraints.cat([D.constraints.real, D.constraints.positive])
D.constraints.independent(D.constraints.real, 2)
D.constraints.independent(D.constraints.real, 2).check(t.ones(2))
D.constraints.integer_interval(0, 3).check(t.tensor([0., 1.5, 3., 4.]))
D.constraints.half_open_interval(0, 1).check(t.tensor([0., 1.]))
D.constraints.multinomial(3)
D.constraints.multinomial(3).check(t.tensor([[1., 2.], [3., 3.]]))
D.constraints.dependent
D.constraints.dependent.check(t.ones(2))
D.constraints.dependent.event_dim
D.constraints.dependent(event_dim=1).event_dim
D.constraints.is_dependent(D.Uniform.support)
D.constraints.corr_cholesky.check(t.tensor([[1., 0.], [.6, .8]]))
D.constraints.lower_cholesky.check(t.tensor([[[1., 0.], [.6, .8]], [[1., 2.], [3., 4.]]]))
D.constraints.symmetric.check(t.tensor([[1., 2.], [2., 4.]]))
D.constraints.square.check(t.ones(3, 2, 4))
D.constraints.positive_semidefinite.check(t.ones(2, 2))
D.constraints.positive_definite.check(t.ones(2, 2))
D.constraints.one_hot.check(t.eye(3))
D.constraints.positive_integer
D.constraints.real_vector.event_dim
D.constraints.MixtureSameFamilyConstraint(D.constraints.real)
D.utils.broadcast_all(1., t.ones(2))
D.utils.broadcast_all(1., "a")
D.utils.probs_to_logits(t.tensor([0., .5, 1.]))
D.utils.probs_to_logits(t.tensor([0., .5, 1.]), is_binary=True)
D.utils.logits_to_probs(t.tensor([0., .5, 1.]))
D.utils.clamp_probs(t.tensor([0., .5, 1.]))
D.utils.vec_to_tril_matrix(t.arange(6.))
D.utils.vec_to_tril_matrix(t.arange(5.))
D.utils.tril_matrix_to_vec(t.arange(9.).view(3, 3), diag=-1)
D.utils.tril_matrix_to_vec(t.arange(9.).view(3, 3), diag=4)
D.utils.euler_constant
""".strip().splitlines()
}


def said(program: Callable[[Any, Any], Any], lib: Any) -> tuple[str | None, str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return None, repr(program(lib, lib.distributions)).replace("jtorch", "torch")
        except Exception as error:
            return type(error).__name__, " ".join(str(error).replace("jtorch", "torch").split())


@pytest.mark.parametrize("text", PROGRAMS)
def test_program(text: str) -> None:
    theirs, ours = (said(PROGRAMS[text], lib) for lib in LIBS)
    assert ours == theirs
