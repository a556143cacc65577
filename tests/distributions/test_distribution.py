"""What all distributions share: validation, expansion, description, and use under JAX's transformations."""

import copy
import pickle
from typing import Any

import jax
import numpy as np
import pytest

import jtorch
import jtorch.distributions as D  # noqa: N812
from tests.distributions.cases import CASES

pytestmark = pytest.mark.filterwarnings("ignore::jtorch.engine.report.RecompileWarning")


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_expand(case: Any) -> None:
    d, _ = case.build(jtorch)
    wide = d.expand((3, *d.batch_shape))
    assert type(wide) is type(d)
    assert wide.batch_shape == (3, *d.batch_shape)
    assert wide.event_shape == d.event_shape
    jtorch.manual_seed(0)
    x = d.sample()
    np.testing.assert_allclose(wide.log_prob(x)[1].numpy(), d.log_prob(x).numpy(), rtol=1e-6)
    assert wide.sample((2,)).shape == (2, 3, *d.batch_shape, *d.event_shape)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_copies(case: Any) -> None:
    d, _ = case.build(jtorch)
    jtorch.manual_seed(0)
    x = d.sample()
    assert (copy.deepcopy(d).log_prob(x) == d.log_prob(x)).all()


def test_pickle() -> None:
    d = pickle.loads(pickle.dumps(D.Gamma(jtorch.ones(2), 3.0)))
    assert repr(d) == "Gamma(concentration: torch.Size([2]), rate: torch.Size([2]))"


def test_repr() -> None:
    assert repr(D.Normal(0.0, 1.0)) == "Normal(loc: 0.0, scale: 1.0)"
    d = D.Bernoulli(0.5)
    assert repr(d) == "Bernoulli(probs: 0.5)"
    assert d.logits == 0
    assert repr(d) == "Bernoulli(probs: 0.5, logits: 0.0)"
    assert repr(D.Independent(D.Normal(jtorch.zeros(2), 1.0), 1)).endswith("scale: torch.Size([2])), 1)")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: D.Normal(0.0, -1.0),
            r"scale \(Tensor of shape \(\)\).*satisfy the constraint GreaterThan\(lower_bound=0.0\)",
        ),
        (lambda: D.Uniform(2.0, 1.0), r"satisfy the constraint LessThan\(upper_bound=1.0\)"),
        (lambda: D.Categorical(jtorch.tensor(0.5)), "at least one-dimensional"),
        (lambda: D.Bernoulli(), "Either `probs` or `logits` must be specified"),
        (lambda: D.Geometric(0.0), "to be positive but found invalid values"),
        (lambda: D.MultivariateNormal(jtorch.zeros(2), -jtorch.eye(2)), r"constraint PositiveDefinite\(\)"),
        (lambda: D.Wishart(1.0, jtorch.eye(3)), "expected to be greater than ndim - 1 = 2"),
        (lambda: D.Normal("a", 1.0), "must all be instances of Number"),
        (lambda: D.Normal(0.0, 1.0).log_prob(2), "must be a Tensor"),
        (lambda: D.Normal(jtorch.zeros(3), 1.0).log_prob(jtorch.zeros(2)), "not broadcastable with batch_shape"),
        (lambda: D.Dirichlet(jtorch.ones(3)).log_prob(jtorch.ones(2)), "must match event_shape"),
        (lambda: D.Uniform(0.0, 1.0).log_prob(jtorch.tensor(2.0)), r"within the support \(Interval"),
        (lambda: D.Independent(D.Normal(0.0, 1.0), 1), "Expected reinterpreted_batch_ndims"),
        (lambda: D.TransformedDistribution(D.Normal(0.0, 1.0), 3), "must be a Transform or list"),
    ],
)
def test_errors(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_validation_can_be_switched_off() -> None:
    assert D.Normal(0.0, -1.0, validate_args=False).loc == 0
    D.Distribution.set_default_validate_args(False)
    try:
        assert D.Uniform(2.0, 1.0).low == 2
    finally:
        D.Distribution.set_default_validate_args(True)
    with pytest.raises(ValueError, match="^$"):
        D.Distribution.set_default_validate_args(3)  # type: ignore[arg-type]


def test_subclasses() -> None:
    class Renamed(D.Normal):
        pass

    class Given(D.Normal):
        def __init__(self, loc: Any) -> None:
            super().__init__(loc, 1.0)

    class Bare(D.Distribution):
        def rsample(self, sample_shape: Any = ()) -> Any:
            return jtorch.ones(sample_shape)

    assert type(Renamed(0.0, 1.0).expand((2,))) is Renamed
    with pytest.raises(NotImplementedError, match="must also define a custom .expand"):
        Given(0.0).expand((2,))
    with pytest.warns(UserWarning, match="does not define `arg_constraints`"):
        bare = Bare()
    assert bare.sample((2,)).shape == (2,)
    with pytest.raises(NotImplementedError):
        bare.expand((2,))


class Density(jtorch.nn.Module):
    """Densities of several families at one point."""

    def __init__(self) -> None:
        super().__init__()
        self.m = jtorch.nn.Parameter(jtorch.zeros(3))

    def forward(self, x: Any) -> Any:
        near = D.Normal(self.m, 1.0).log_prob(x).sum() + D.Uniform(self.m - 2, self.m + 3).log_prob(x).sum()
        joint = D.MultivariateNormal(self.m, jtorch.eye(3)).log_prob(x)
        return near + joint + D.Gamma(self.m.exp(), 1.0).log_prob(x).sum()


def test_under_jax() -> None:
    """Validation passes what nobody can tell."""
    module = Density()
    apply, params, buffers = jtorch.to_jax(module)
    x = np.ones(3, np.float32)
    expected = module(jtorch.ones(3)).item()
    np.testing.assert_allclose(jax.jit(lambda p: apply(p, buffers, x)[0])(params), expected, rtol=1e-6)
    rows = jax.vmap(lambda row: apply(params, buffers, row)[0])(np.stack([x, x]))
    np.testing.assert_allclose(rows, [expected, expected], rtol=1e-6)


def test_fit() -> None:
    """A normal that is moved onto another."""
    loc = jtorch.zeros(2, requires_grad=True)
    log_scale = jtorch.zeros(2, requires_grad=True)
    optimizer = jtorch.optim.Adam([loc, log_scale], lr=0.1)
    target = D.Normal(jtorch.tensor([1.0, -1.0]), 0.5)
    for _ in range(120):
        optimizer.zero_grad()
        q = D.Normal(loc, log_scale.exp())
        D.kl_divergence(q, target).sum().backward()
        optimizer.step()
    np.testing.assert_allclose(loc.detach().numpy(), [1.0, -1.0], atol=0.05)
    np.testing.assert_allclose(log_scale.exp().detach().numpy(), [0.5, 0.5], atol=0.05)
