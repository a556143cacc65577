"""Transforms and constraints: inverses, log determinants, shapes, and the registry."""

import pickle
from typing import Any

import numpy as np
import pytest

import jtorch
import jtorch.distributions as D  # noqa: N812
from jtorch.distributions import constraints
from jtorch.distributions.utils import lazy_property, tril_matrix_to_vec, vec_to_tril_matrix

pytestmark = pytest.mark.filterwarnings("ignore::jtorch.engine.report.RecompileWarning")

ELEMENTWISE = {
    "exp": D.ExpTransform(),
    "sigmoid": D.SigmoidTransform(),
    "tanh": D.TanhTransform(),
    "softplus": D.SoftplusTransform(),
    "affine": D.AffineTransform(1.0, -2.5),
    "affine_tensor": D.AffineTransform(jtorch.tensor(1.0), jtorch.tensor([-2.5, 0.5, 3.0], dtype=jtorch.float64)),
    "exp_power": D.ComposeTransform([D.ExpTransform(), D.PowerTransform(jtorch.tensor(1.7, dtype=jtorch.float64))]),
    "falling": D.ComposeTransform([D.AffineTransform(0.5, -2.0), D.SigmoidTransform()]),
    "level": D.CumulativeDistributionTransform(D.Normal(jtorch.tensor(0.5, dtype=jtorch.float64), 2.0)),
    "inverse": D.SigmoidTransform().inv.inv,
    "stacked": D.StackTransform([D.ExpTransform(), D.TanhTransform(), D.identity_transform], dim=-1),
    "joined": D.CatTransform([D.ExpTransform(), D.TanhTransform()], dim=-1, lengths=[1, 2]),
}
JOINT = {
    "stick": (D.StickBreakingTransform(), 3),
    "correlation": (D.CorrCholeskyTransform(), 3),
    "reshape": (D.ReshapeTransform((4,), (2, 2)), 4),
    "independent": (D.IndependentTransform(D.ExpTransform(), 1), 3),
}
DIRECTIONS = ["real", "positive", "unit_interval", "simplex", "corr_cholesky", "nonnegative"]


def numbers(*shape: int) -> Any:
    return jtorch.tensor(np.random.RandomState(0).randn(*shape))


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise(name: str) -> None:
    t = ELEMENTWISE[name]
    x = numbers(4, 3).requires_grad_()
    y = t(x)
    assert t.codomain.check(y.detach()).all()
    np.testing.assert_allclose(t.inv(y).detach().numpy(), x.detach().numpy(), rtol=1e-6)
    (slope,) = jtorch.autograd.grad(y.sum(), x)
    log = t.log_abs_det_jacobian(x, y).detach().numpy()
    np.testing.assert_allclose(np.broadcast_to(log, (4, 3)), slope.abs().log().numpy(), rtol=1e-6, atol=1e-9)
    back = t.inv.log_abs_det_jacobian(y, x).detach().numpy()
    np.testing.assert_allclose(back, -log, rtol=1e-12)
    if name not in ("stacked", "joined"):
        sign = t.sign
        assert (slope.sign() == sign).all()


@pytest.mark.parametrize("name", JOINT)
def test_joint(name: str) -> None:
    """The log determinant is that of the Jacobian to as many of the outputs as there are inputs."""
    t, n = JOINT[name]
    x = numbers(2, n)
    y = t(x)
    assert tuple(y.shape) == tuple(t.forward_shape(x.shape))
    assert tuple(t.inverse_shape(y.shape)) == (2, n)
    np.testing.assert_allclose(t.inv(y).numpy(), x.numpy(), rtol=1e-6)

    def free(v: Any) -> Any:
        out = t(v)
        if name == "stick":
            return out[:-1]
        return tril_matrix_to_vec(out, -1) if name == "correlation" else out.reshape(-1)

    for row, log in zip(x, t.log_abs_det_jacobian(x, y), strict=True):
        jacobian = jtorch.autograd.functional.jacobian(free, row)
        np.testing.assert_allclose(log.numpy(), np.linalg.slogdet(jacobian.numpy())[1], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("constraint", [getattr(constraints, n) for n in DIRECTIONS], ids=DIRECTIONS)
def test_biject_to(constraint: Any) -> None:
    t = D.biject_to(constraint)
    x = numbers(2, 6)
    y = t(x)
    assert constraint.check(y).all()
    assert t.bijective
    np.testing.assert_allclose(t.inv(y).numpy(), x.numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    "constraint",
    [
        constraints.simplex, constraints.lower_cholesky, constraints.positive_definite,
        constraints.positive_semidefinite, constraints.less_than(3.0), constraints.interval(-1.0, 4.0),
        constraints.half_open_interval(-1.0, 4.0), constraints.greater_than_eq(2.0), constraints.unit_interval,
        constraints.independent(constraints.positive, 1),
        constraints.stack([constraints.real, constraints.positive, constraints.unit_interval], -1),
        constraints.cat([constraints.positive, constraints.unit_interval], -1, [1, 2]),
    ],
    ids=repr,
)  # fmt: skip
def test_transform_to(constraint: Any) -> None:
    t = D.transform_to(constraint)
    y = t(numbers(3, 3))
    assert constraint.check(y).all()
    np.testing.assert_allclose(t(t.inv(y)).numpy(), y.numpy(), rtol=1e-6)


def test_registry_can_grow() -> None:
    class Even(constraints.Constraint):
        pass

    registry = D.constraint_registry.ConstraintRegistry()

    @registry.register(Even)
    def make(constraint: Any) -> Any:
        return D.ExpTransform()

    assert registry(Even()) == D.ExpTransform()
    registry.register(Even(), lambda constraint: D.TanhTransform())
    assert registry(Even()) == D.TanhTransform()
    with pytest.raises(NotImplementedError, match="Cannot transform _Real constraints"):
        registry(constraints.real)
    with pytest.raises(TypeError, match="Constraint subclass or instance"):
        registry.register(3, make)


@pytest.mark.parametrize(
    ("constraint", "good", "bad"),
    [
        (constraints.boolean, [0.0, 1.0], [0.5, 2.0]),
        (constraints.one_hot, [[0.0, 1.0]], [[1.0, 1.0]]),
        (constraints.nonnegative_integer, [0.0, 3.0], [-1.0, 0.5]),
        (constraints.positive_integer, [1.0], [0.0]),
        (constraints.integer_interval(1, 3), [1.0, 3.0], [0.0, 1.5]),
        (constraints.real, [1.0], [float("nan")]),
        (constraints.real_vector, [[1.0, 2.0]], [[1.0, float("nan")]]),
        (constraints.positive, [0.1], [0.0]),
        (constraints.nonnegative, [0.0], [-0.1]),
        (constraints.less_than(2.0), [1.9], [2.0]),
        (constraints.half_open_interval(0.0, 1.0), [0.0], [1.0]),
        (constraints.multinomial(3), [[1.0, 2.0]], [[2.0, 2.0]]),
        (constraints.simplex, [[0.5, 0.5]], [[0.5, 0.6]]),
        (constraints.lower_triangular, [[[1.0, 0.0], [2.0, 3.0]]], [[[1.0, 1.0], [2.0, 3.0]]]),
        (constraints.lower_cholesky, [[[1.0, 0.0], [2.0, 3.0]]], [[[1.0, 0.0], [2.0, -3.0]]]),
        (constraints.corr_cholesky, [[[1.0, 0.0], [0.6, 0.8]]], [[[1.0, 0.0], [0.6, 0.7]]]),
        (constraints.square, [[[1.0, 0.0], [2.0, 3.0]]], [[[1.0, 0.0]]]),
        (constraints.symmetric, [[[1.0, 2.0], [2.0, 3.0]]], [[[1.0, 0.0], [2.0, 3.0]]]),
        (constraints.positive_semidefinite, [[[2.0, 1.0], [1.0, 2.0]]], [[[1.0, 2.0], [2.0, 1.0]]]),
        (constraints.positive_definite, [[[2.0, 1.0], [1.0, 2.0]]], [[[1.0, 2.0], [2.0, 1.0]]]),
    ],
    ids=repr,
)
def test_check(constraint: Any, good: Any, bad: Any) -> None:
    assert constraint.check(jtorch.tensor(good)).all()
    assert not constraint.check(jtorch.tensor(bad)).any()


def test_cache() -> None:
    t = D.TanhTransform(cache_size=1)
    x = numbers(3)
    y = t(x)
    assert t.inv(y) is x
    assert t(x) is y
    assert D.TanhTransform().inv(y) is not x


def test_pickle() -> None:
    t = D.ComposeTransform([D.ExpTransform(), D.AffineTransform(1.0, 2.0)])
    assert t.inv is t.inv
    assert pickle.loads(pickle.dumps(t)) == t


def test_triangles() -> None:
    x = jtorch.arange(6.0)
    assert (tril_matrix_to_vec(vec_to_tril_matrix(x)) == x).all()
    assert vec_to_tril_matrix(x, diag=-1).shape == (4, 4)


def test_lazy_property() -> None:
    class Counted:
        calls = 0

        @lazy_property
        def twice(self) -> int:
            """Kept."""
            self.calls += 1
            return 2

    one = Counted()
    assert (one.twice, one.twice, one.calls) == (2, 2, 1)
    assert isinstance(Counted.twice, property)
