"""Operators that a program adds."""

import pytest

import jtorch


def test_an_operator_with_a_derivative():
    @jtorch.library.custom_op("here::scaled_sin", mutates_args=())
    def scaled_sin(x: jtorch.Tensor, scale: float = 2.0) -> jtorch.Tensor:
        return x.sin() * scale

    @scaled_sin.register_fake
    def _(x, scale=2.0):
        return jtorch.empty_like(x)

    def setup(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])
        ctx.scale = inputs[1]

    scaled_sin.register_autograd(lambda ctx, g: (g * ctx.saved_tensors[0].cos() * ctx.scale, None), setup_context=setup)
    x = jtorch.tensor([0.0, 1.0], requires_grad=True)
    out = jtorch.ops.here.scaled_sin(x, scale=3.0)
    out.sum().backward()
    jtorch.testing.assert_close(out.detach(), x.detach().sin() * 3)
    jtorch.testing.assert_close(x.grad, x.detach().cos() * 3)
    assert scaled_sin(x).tolist() == jtorch.ops.here.scaled_sin.default(x).tolist()


def test_without_a_derivative_backward_says_so():
    op = jtorch.library.custom_op("here::twice", lambda x: x * 2, mutates_args=())
    out = op(jtorch.ones(2, requires_grad=True)).sum()
    with pytest.raises(NotImplementedError, match="no autograd formula was registered"):
        out.backward()


def test_an_operator_that_writes_and_kernels_by_device():
    @jtorch.library.custom_op("here::fill", mutates_args={"x"}, device_types="cuda")
    def fill(x):
        x.fill_(1)

    x = jtorch.zeros(2)
    with pytest.raises(NotImplementedError, match="no kernel"):
        fill(x)
    jtorch.library.register_kernel("here::fill", "cpu", lambda x: x.fill_(5))
    fill(x)
    assert x.tolist() == [5, 5]


def test_errors():
    with pytest.raises(RuntimeError, match="operator here::missing does not exist"):
        jtorch.library.register_fake("here::missing", len)
    with pytest.raises(ValueError, match="namespace::name"):
        jtorch.library.custom_op("plain", len, mutates_args=())
