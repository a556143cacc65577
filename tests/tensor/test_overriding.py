"""Subclasses of Tensor and __torch_function__: who is asked, with what, and what the results are."""

import pytest

import jtorch
from jtorch import overrides
from jtorch.nn import functional as F


class Plain(jtorch.Tensor):
    """A subclass that says nothing of calls."""


class Log(jtorch.Tensor):
    """Keeps the names of the calls it takes part in."""

    calls: list = []

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.calls.append(func.__name__)
        return super().__torch_function__(func, types, args, kwargs)


class Length:
    """No tensor at all."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return (func, types, args, kwargs or {})


class Refuses(Length):
    """Has no answer."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return NotImplemented


def made(kind):
    return jtorch.tensor([3.0, 1.0, 2.0]).as_subclass(kind)


@pytest.mark.parametrize(
    "program",
    [
        lambda x: x + 1, lambda x: 1 - x, lambda x: jtorch.ones(3) * x, lambda x: x.sum(), lambda x: jtorch.add(1, x),
        lambda x: x[0], lambda x: x.view(3, 1), lambda x: jtorch.stack([x, x]), lambda x: x.split(1)[0],
        lambda x: F.relu(x), lambda x: jtorch.sort(x).values, lambda x: x.to(jtorch.float64), lambda x: x.add_(1),
        lambda x: jtorch.zeros_like(x), lambda x: x[None].T, lambda x: list(x)[0], lambda x: x.detach(),
        lambda x: F.cross_entropy(x[None], jtorch.tensor([0])), lambda x: jtorch.linalg.vector_norm(x),
    ],
)  # fmt: skip
def test_results_are_of_the_subclass(program):
    for kind in (Plain, Log):
        assert type(program(made(kind))) is kind
    with jtorch._C.DisableTorchFunctionSubclass():
        assert type(program(made(Plain))) in (jtorch.Tensor, Plain)  # in-place, the tensor itself


def test_the_handler_sees_each_call_once():
    x = made(Log)
    for program, names in (
        (lambda: x + 1, ["add"]),
        (lambda: 1 + x, ["add"]),
        (lambda: x.shape, ["__get__"]),
        (lambda: x[0], ["__getitem__"]),
        (lambda: F.softmax(x, dim=0), ["softmax"]),
        (lambda: len(x), ["__len__"]),
        (lambda: jtorch.matmul(x, x), ["matmul"]),
        (lambda: jtorch.ones(3) - x, ["sub"]),
    ):
        Log.calls.clear()
        program()
        assert Log.calls == names


def test_gradients_flow_through_the_subclass():
    w = jtorch.ones(3, requires_grad=True)
    loss = (w.as_subclass(Plain) * made(Plain)).sum()
    loss.backward()
    assert w.grad.tolist() == [3.0, 1.0, 2.0]


def test_objects_that_are_no_tensors():
    x, plain = Length(), jtorch.ones(2)
    assert jtorch.add(plain, x) == (jtorch.add, (Length,), (plain, x), {})
    assert jtorch.mean(x, dim=1) == (jtorch.mean, (Length,), (x,), {"dim": 1})
    assert F.conv1d(x, plain)[0] is F.conv1d and plain.add(x)[0] == (jtorch.Tensor.add)
    assert jtorch.sum(x, 1, keepdim=True) == (jtorch.sum, (Length,), (x, 1), {"keepdim": True})
    assert jtorch.stack([plain, x], 1) == (jtorch.stack, (Length,), ([plain, x], 1), {})
    with pytest.raises(TypeError, match="Multiple dispatch failed for 'torch.add'; all __torch_function__ handlers"):
        jtorch.add(Refuses(), 1)
    assert jtorch.add(Length(), Refuses())[1] == (Refuses, Length)  # a subclass is asked first


def test_overrides():
    assert overrides.is_tensor_like(Length()) and overrides.is_tensor_like(jtorch.ones(1))
    assert not overrides.is_tensor_like(3)
    assert overrides.has_torch_function([jtorch.ones(1), made(Plain)]) and overrides.has_torch_function((Length(),))
    parameter = jtorch.nn.Parameter(jtorch.ones(1))
    assert not overrides.has_torch_function([jtorch.ones(1), parameter, 3])
    assert type(parameter + 1) is jtorch.Tensor
    assert overrides.is_tensor_method_or_property(jtorch.Tensor.add)
    assert overrides.is_tensor_method_or_property(jtorch.Tensor.shape.__get__)
    assert not overrides.is_tensor_method_or_property(len)

    def double(x):
        if overrides.has_torch_function((x,)):
            return overrides.handle_torch_function(double, (x,), x)
        return x * 2

    wrapped = overrides.wrap_torch_function(lambda x: (x,))(lambda x: x * 2)
    assert double(3) == wrapped(3) == 6
    assert double(Length())[0] is double and wrapped(Length())[0] is wrapped


class Switched(jtorch.Tensor):
    """A plain tensor in calls."""

    __torch_function__ = jtorch._C._disabled_torch_function_impl


def test_a_class_that_does_not_take_part():
    assert type(made(Switched) + 1) is jtorch.Tensor
    assert not overrides.has_torch_function((made(Switched),))
