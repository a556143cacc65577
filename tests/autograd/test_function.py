"""Custom functions: eager, in forward mode, and as JAX's rules under its transformations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jtorch


class Round(jtorch.autograd.Function):
    """Rounds; its derivatives are made up, to be recognised."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x, scale):
        return (x * scale).round()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])
        ctx.scale = inputs[1]

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * ctx.scale * x, None

    @staticmethod
    def jvp(ctx, t, _):
        return t * ctx.saved_tensors[0] * 100


def test_backward_is_the_function_s_own():
    x = jtorch.tensor([1.25, 2.5], requires_grad=True)
    y = Round.apply(x, 2.0)
    assert y.tolist() == [2, 5] and type(y.grad_fn).__name__ == "RoundBackward"
    y.sum().backward()
    assert x.grad.tolist() == [2.5, 5]


def test_jvp_is_the_function_s_own():
    with jtorch.autograd.forward_ad.dual_level():
        x = jtorch.autograd.forward_ad.make_dual(jtorch.tensor([1.25]), jtorch.tensor([1.0]))
        assert jtorch.autograd.forward_ad.unpack_dual(Round.apply(x, 2.0)).tangent.tolist() == [125]


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["plain", "jit"])
def test_its_rules_hold_under_jax(wrap):
    def f(a):
        return Round.apply(jtorch.from_jax(a), 2.0)._array().sum()

    x = jnp.asarray([1.25, 2.5], jnp.float32)
    np.testing.assert_array_equal(wrap(jax.grad(f))(x), [2.5, 5])
    np.testing.assert_array_equal(wrap(jax.vmap(jax.grad(f)))(x[:, None]), [[2.5], [5]])


def test_static_arguments_tell_calls_apart():
    for scale in (2.0, 3.0):
        found = jtorch.func.vmap(jtorch.func.grad(lambda x, s=scale: Round.apply(x, s)))(jtorch.tensor([1.0, 2.0]))
        assert found.tolist() == [scale, 2 * scale]


def test_a_vmap_rule_is_used():
    class Own(jtorch.autograd.Function):
        @staticmethod
        def forward(x):
            return x * 2

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def backward(ctx, g):
            return g * 5

        @staticmethod
        def vmap(info, in_dims, x):
            assert info.batch_size == 3 and in_dims == (0,)
            return Own.apply(x) + 100, 0

    assert jtorch.func.vmap(Own.apply)(jtorch.ones(3)).tolist() == [102] * 3
    Own.vmap = jtorch.autograd.Function.vmap
    with pytest.raises(RuntimeError, match="does not have vmap support"):
        jtorch.func.vmap(Own.apply)(jtorch.ones(3))


def test_gradients_of_what_is_no_tensor_are_refused():
    class Wrong(jtorch.autograd.Function):
        @staticmethod
        def forward(ctx, x, k):
            return x * k

        @staticmethod
        def backward(ctx, g):
            return g, g

    x = jtorch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="different than None at position 2"):
        Wrong.apply(x, 2).sum().backward()


def test_a_dirty_input_is_the_output():
    class Double(jtorch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.mul_(2)

        @staticmethod
        def backward(ctx, g):
            return g * 7

    x = jtorch.tensor([1.0], requires_grad=True)
    y = x * 1
    assert Double.apply(y) is y and y.tolist() == [2]
    y.sum().backward()
    assert x.grad.tolist() == [7]
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad has been used in an in-place operation"):
        Double.apply(x)


def test_once_differentiable():
    class Once(jtorch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**2

        @staticmethod
        @jtorch.autograd.function.once_differentiable
        def backward(ctx, g):
            return 2 * ctx.saved_tensors[0] * g

    x = jtorch.tensor([3.0], requires_grad=True)
    (g,) = jtorch.autograd.grad((Once.apply(x) ** 2).sum(), x, create_graph=True)
    assert g.tolist() == [108]
    with pytest.raises(RuntimeError, match="trying to differentiate twice"):
        g.sum().backward()
