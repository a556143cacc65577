"""torch.func's derivatives by formula, composed with each other, with backward, and with closures."""

import numpy as np
import pytest

import jtorch
from jtorch.engine import report
from jtorch.func import grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, vjp, vmap

A = np.array([0.5, 1.5], np.float32)


def x():
    return jtorch.tensor(A.tolist())


def cubes(t):
    return (t**3).sum()


def close(found, expected):
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_gradients():
    close(grad(cubes)(x()), 3 * A**2)
    gradient, value = grad_and_value(cubes)(x())
    close(value, (A**3).sum())
    close(gradient, 3 * A**2)
    first, second = grad(lambda s, t: (s * t * t).sum(), argnums=(0, 1))(x(), x())
    close(first, A**2)
    close(second, 2 * A**2)


def test_aux_comes_as_it_is():
    gradient, aux = grad(lambda t: (cubes(t), {"twice": t * 2, "name": "kept"}), has_aux=True)(x())
    close(gradient, 3 * A**2)
    close(aux["twice"], 2 * A)
    assert aux["name"] == "kept"


def test_dicts_keep_their_order():
    params = {"weight": x(), "bias": x()}
    assert list(grad(lambda p: (p["weight"] * p["bias"]).sum())(params)) == ["weight", "bias"]


def test_pullbacks_and_pushforwards():
    out, pull = vjp(lambda t: t**2, x())
    close(out, A**2)
    for scale in (1.0, 2.0):
        close(pull(jtorch.full((2,), scale))[0], 2 * A * scale)
    out, push = linearize(lambda t: t**2, x())
    close(push(jtorch.ones(2)), 2 * A)
    out, along = jvp(lambda t: t**2, (x(),), (jtorch.ones(2),))
    close(along, 2 * A)


def test_a_function_runs_twice_for_its_pullback_and_never_again():
    calls = []

    def f(t):
        calls.append(1)
        return t**2

    _, pull = vjp(f, x())
    pull(jtorch.ones(2))
    pull(jtorch.ones(2))
    assert len(calls) == 2


@pytest.mark.parametrize("how", [jacrev, jacfwd, lambda f: jacrev(f, chunk_size=1)], ids=["rev", "fwd", "chunks"])
def test_jacobians(how):
    close(how(lambda t: t**2 * t.sum())(x()), np.diag(2 * A) * A.sum() + (A**2)[:, None])


def test_second_derivatives():
    close(hessian(cubes)(x()), np.diag(6 * A))
    close(jacrev(jacfwd(lambda t: t.sin()))(x()), -np.sin(A)[:, None, None] * np.eye(2)[:, None] * np.eye(2)[..., None])
    close(vmap(grad(grad(lambda t: t.sin())))(x()), -np.sin(A))
    close(vmap(hessian(cubes))(jtorch.stack([x(), x() + 1])), [np.diag(6 * A), np.diag(6 * (A + 1))])


def test_backward_goes_through():
    t = x().requires_grad_()
    (g,) = jtorch.autograd.grad(grad(cubes)(t).sum(), t)
    close(g, 6 * A)


def test_backward_reaches_what_a_closure_holds():
    w = x().requires_grad_()
    vmap(lambda t: (t * w).sum())(jtorch.ones(3, 2)).sum().backward()
    close(w.grad, [3, 3])


def test_detach_and_no_grad_stop_gradients():
    close(grad(lambda t: (t * t.detach()).sum())(x()), A)

    def held(t):
        with jtorch.no_grad():
            c = t * 2
        return (t * c).sum()

    close(grad(held)(x()), 2 * A)
    with jtorch.no_grad():
        close(grad(cubes)(x()), 3 * A**2)


def test_writes_inside():
    def f(t):
        y = t * 1
        y[0] = y[1] * 3
        y.mul_(2)
        return y.sum()

    close(grad(f)(x()), [0, 8])


def test_a_function_may_look_at_values():
    f = grad(lambda t: (t * t if t.sum() > 0 else t).sum())
    close(f(x()), 2 * A)
    close(f(-x()), [1, 1])
    close(grad(lambda t: (t * t.sum().item()).sum())(x()), [A.sum()] * 2)


def test_complex_gradients_are_conjugated_as_torch_has_it():
    assert grad(lambda z: (z * z.conj()).real.sum())(jtorch.tensor([1 + 2j])).tolist() == [2 + 4j]


def test_the_same_transformation_compiles_once():
    f = vmap(grad(lambda t: (t.relu() ** 3).sum()))
    batch = jtorch.ones(300, 300)
    f(batch).sum().item()
    before = report.counts()["compiled"]
    for _ in range(3):
        f(batch).sum().item()
    assert report.counts()["compiled"] == before


@pytest.mark.parametrize(
    "call,error,text",
    [
        (
            lambda: grad(lambda t: t)(x()),
            RuntimeError,
            "Expected f.* to return a scalar Tensor, got tensor with 1 dims",
        ),
        (lambda: grad(lambda t: 3)(x()), RuntimeError, "to return a Tensor, got <class 'int'>"),
        (lambda: grad(cubes, argnums=1)(x()), RuntimeError, "Got argnum=1, but only 1 positional inputs"),
        (lambda: grad(cubes, argnums=())(x()), RuntimeError, "argnums must be non-empty"),
        (lambda: grad(cubes)(3.0), ValueError, "must be Tensor, got <class 'float'>"),
        (lambda: grad(cubes)(jtorch.tensor([1])), RuntimeError, "floating point dtype can require gradients"),
        (lambda: grad(cubes, has_aux=True)(x()), RuntimeError, "should be a tuple: .output, aux. if has_aux"),
        (lambda: vjp(lambda t: t, x())[1](jtorch.ones(3)), RuntimeError, "Mismatch in shape"),
        (lambda: vjp(lambda t: (t, t), x())[1](x()), RuntimeError, "Expected pytree structure of cotangents"),
        (lambda: jvp(cubes, x(), x()), RuntimeError, "Expected primals to be a tuple"),
        (lambda: jvp(cubes, (x(),), (jtorch.ones(3),)), RuntimeError, "a forward gradient that has a different size"),
        (lambda: jvp(lambda t: jtorch.ones(2), (x(),), (x(),), strict=True), RuntimeError, "independent of the inputs"),
        (lambda: jacrev(cubes, chunk_size=0)(x()), ValueError, "`chunk_size` should be greater than 0"),
        (lambda: jacrev(lambda z: z)(jtorch.tensor([1j])), RuntimeError, "Expected all inputs to be real"),
        (lambda: jtorch.func.functionalize(cubes, remove="x"), RuntimeError, "received invalid argument for remove=x"),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()
