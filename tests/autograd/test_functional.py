"""autograd.functional by formula, and gradcheck of right and wrong derivatives."""

import numpy as np
import pytest

import jtorch
from jtorch.autograd import functional, gradcheck, gradgradcheck
from jtorch.autograd.gradcheck import GradcheckError

X = [0.5, 1.5]


def x():
    return jtorch.tensor(X)


def cubes(t):
    return (t**3).sum()


@pytest.mark.parametrize("how", [{}, {"vectorize": True}, {"vectorize": True, "strategy": "forward-mode"}])
def test_jacobian(how):
    found = functional.jacobian(lambda t: t**2 * t.sum(), x(), **how)
    a, b = X
    expected = [[2 * a * (a + b) + a**2, a**2], [b**2, 2 * b * (a + b) + b**2]]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("vectorize", [False, True])
def test_hessian(vectorize):
    found = functional.hessian(lambda s, t: (s * t * t).sum(), (x(), x()), vectorize=vectorize)
    np.testing.assert_allclose(found[0][0].numpy(), np.zeros((2, 2)))
    np.testing.assert_allclose(found[0][1].numpy(), np.diag(2 * np.array(X)), rtol=1e-6)
    np.testing.assert_allclose(found[1][1].numpy(), np.diag(2 * np.array(X)), rtol=1e-6)


def test_products():
    v = jtorch.tensor([1.0, -1.0])
    a = np.array(X)
    assert functional.vjp(cubes, x())[1].tolist() == pytest.approx((3 * a**2).tolist())
    assert functional.jvp(lambda t: t**2, x(), v)[1].tolist() == pytest.approx((2 * a * [1, -1]).tolist())
    for product in (functional.hvp, functional.vhp):
        out, found = product(cubes, x(), v)
        assert out.item() == pytest.approx((a**3).sum())
        assert found.tolist() == pytest.approx((6 * a * [1, -1]).tolist())


def test_results_can_be_differentiated():
    t = x().requires_grad_()
    (g,) = jtorch.autograd.grad(functional.jacobian(lambda t: t**3, t, create_graph=True).sum(), t)
    assert g.tolist() == pytest.approx((6 * np.array(X)).tolist())
    assert not functional.jacobian(lambda t: t**3, t).requires_grad


def test_strict_tells_of_independence():
    with pytest.raises(RuntimeError, match="Output 0 of the user-provided function is independent of input 1"):
        functional.jacobian(lambda s, t: s * 2, (x(), x()), strict=True)
    with pytest.raises(RuntimeError, match="the jacobian of the user-provided function with respect to input 0"):
        functional.hessian(lambda t: t.sum(), x(), strict=True)


class Wrong(jtorch.autograd.Function):
    """A cube whose derivative cannot be differentiated rightly, and with a factor can be wrong itself."""

    @staticmethod
    def forward(ctx, t, factor=1.0):
        ctx.save_for_backward(t)
        ctx.factor = factor
        return t**3

    @staticmethod
    def backward(ctx, g):
        (t,) = ctx.saved_tensors
        return (g * (3 * t**2).detach() * ctx.factor, None)[: len(ctx.needs_input_grad)]


def double():
    return jtorch.tensor(X, dtype=jtorch.float64, requires_grad=True)


@pytest.mark.parametrize("fast", [False, True])
def test_gradcheck(fast):
    t = double()
    assert gradcheck(lambda t: t.sin() * t.sum(), t, fast_mode=fast, check_forward_ad=True)
    assert gradcheck(Wrong.apply, t, fast_mode=fast)
    with pytest.raises(GradcheckError, match="Jacobian mismatch for output 0 with respect to input 0"):
        gradcheck(lambda t: Wrong.apply(t, 2.0), t, fast_mode=fast)
    assert not gradcheck(lambda t: Wrong.apply(t, 2.0), t, fast_mode=fast, raise_exception=False)


def test_gradcheck_of_complex_functions():
    z = jtorch.tensor([1 + 2j], dtype=jtorch.complex128, requires_grad=True)
    assert gradcheck(lambda z: z * z.conj() + z.abs(), z)
    assert gradgradcheck(lambda z: z * z * z.conj(), z)


def test_gradcheck_of_batches_and_dtypes():
    assert gradcheck(
        lambda t: t.exp(),
        double(),
        check_forward_ad=True,
        check_batched_grad=True,
        check_batched_forward_grad=True,
        check_grad_dtypes=True,
    )


def test_gradgradcheck():
    assert gradgradcheck(lambda t: t.sin(), double(), check_fwd_over_rev=True)
    with pytest.raises(GradcheckError):
        gradgradcheck(Wrong.apply, double())


def test_inputs_without_a_gradient():
    with pytest.raises(ValueError, match="at least one input tensor to require gradient"):
        gradcheck(lambda t: t, jtorch.ones(2))
    with pytest.raises(GradcheckError, match="expected to be zero"):
        gradcheck(lambda t: t.detach(), double())
