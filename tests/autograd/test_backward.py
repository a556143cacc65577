"""backward and grad: values by formula, accumulation, freeing, and the memo of a pass."""

import gc
import weakref

import numpy as np
import pytest

import jtorch
from jtorch.engine import record
from jtorch.tensor.fused import flush


def leaf(*values):
    return jtorch.tensor(values, requires_grad=True)


@pytest.fixture(autouse=True)
def clean():
    flush("test")
    yield
    flush("test")


def test_gradients_accumulate():
    x = leaf(1.0, 2.0)
    for n in range(1, 4):
        (x * x).sum().backward()
        assert x.grad.tolist() == [2.0 * n, 4.0 * n]


def test_the_same_pass_again_is_one_lookup(monkeypatch):
    monkeypatch.setattr(record, "eager", False)
    x = leaf(1.0, 2.0)
    for _ in range(5):
        x.grad = None
        loss = (x * x).sum()
        start = jtorch.engine.trace.state().trace.cursor
        loss.backward()
        assert x.grad.tolist() == [2.0, 4.0]
    assert len(start.backwards) == 1


def test_a_hook_that_comes_later_is_not_missed():
    x = leaf(1.0, 2.0)
    for _ in range(3):
        (x * 3).sum().backward()
    x.grad = None
    y = x * 3
    y.register_hook(lambda g: g * 10)
    y.sum().backward()
    assert x.grad.tolist() == [30.0, 30.0]
    x.grad = None
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_a_node_hook_that_comes_later_is_not_missed():
    x = leaf(1.0, 2.0)
    for _ in range(3):
        (x * 3).sum().backward()
    x.grad = None
    y = x * 3
    y.grad_fn.register_hook(lambda grads, cts: (grads[0] * 10, None))
    y.sum().backward()
    assert x.grad.tolist() == [30.0, 30.0]


def test_a_hook_on_the_accumulation_of_a_leaf_is_not_missed():
    x = leaf(1.0, 2.0)
    seen = []
    for _ in range(3):
        (x * 3).sum().backward()
    x.grad = None
    node = (x * 3).grad_fn.next_functions[0][0]
    node.register_prehook(lambda cts: (cts[0] * 2,))
    node.register_hook(lambda grads, cts: seen.append(cts[0].tolist()))
    (x * 3).sum().backward()
    assert x.grad.tolist() == [6.0, 6.0] and seen == [[6.0, 6.0]]


@pytest.mark.parametrize("look", [False, True])
def test_a_graph_that_outlives_its_flush(look):
    x = leaf(0.5, 1.0)
    y = x.sin() * x
    if look:
        y.tolist()
    y.sum().backward()
    expected = np.cos([0.5, 1.0]) * [0.5, 1.0] + np.sin([0.5, 1.0])
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-6)
    with pytest.raises(RuntimeError, match="second time"):
        y.sum().backward()


def test_what_saves_nothing_can_go_backward_twice():
    x = leaf(1.0)
    y = x + 1
    y.backward()
    y.backward()
    assert x.grad.item() == 2


def test_retain_graph():
    x = leaf(2.0)
    y = x.exp()
    y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_allclose(x.grad.item(), 2 * np.exp(2), rtol=1e-6)


def test_grad_leaves_grads_alone():
    x, w = leaf(2.0), leaf(3.0)
    assert [g.item() for g in jtorch.autograd.grad(x * w, [x, w])] == [3, 2]
    assert x.grad is None and w.grad is None


def test_third_derivatives():
    x = leaf(2.0)
    y = x**4
    for expected in (32, 48, 48):
        (y,) = jtorch.autograd.grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(expected)


def test_a_linear_gradient_is_no_part_of_a_graph():
    x = leaf(2.0)
    (g,) = jtorch.autograd.grad(x * 3, x, create_graph=True)
    assert not g.requires_grad
    (g,) = jtorch.autograd.grad(x * x, x, create_graph=True)
    assert g.requires_grad


def test_gradients_of_views_and_writes_through_them():
    x = leaf(1.0, 2.0, 3.0, 4.0)
    y = x * 1
    y.view(2, 2)[0].mul_(10)
    y[3] = x[0]
    y.sum().backward()
    assert x.grad.tolist() == [11, 10, 1, 0]


def test_a_write_to_what_was_saved_is_told():
    x = leaf(1.0, 2.0)
    y = x * 1
    z = y * y
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation.*is at version 1; expected version 0"):
        z.sum().backward()


def test_inputs_take_the_gradients():
    x, w = leaf(2.0), leaf(3.0)
    y = x * w
    z = y * y
    z.backward(inputs=[w, y])
    assert x.grad is None and w.grad.item() == 24 and y.grad.item() == 12


def test_inputs_may_be_a_dict():
    x, w = leaf(2.0), leaf(3.0)
    found = jtorch.autograd.grad(x * w, {"w": w, "x": x})
    assert {k: g.item() for k, g in found.items()} == {"w": 2, "x": 3}


def test_a_tensor_hook_sees_the_gradient_that_grad_returns():
    x = leaf(2.0)
    x.register_hook(lambda g: g * 100)
    assert jtorch.autograd.grad(x * 3, x)[0].item() == 300


def test_batches_of_cotangents():
    x = leaf(1.0, 2.0)
    (jacobian,) = jtorch.autograd.grad(x**2, x, jtorch.eye(2), is_grads_batched=True)
    assert jacobian.tolist() == [[2, 0], [0, 4]]


def test_complex_gradients_are_conjugated_as_torch_has_it():
    z = jtorch.tensor([1 + 2j], requires_grad=True)
    (z * z.conj()).real.sum().backward()
    assert z.grad.tolist() == [2 + 4j]


def test_a_freed_graph_lets_its_tensors_go():
    x = leaf(1.0, 2.0)
    big = x * 2
    ref = weakref.ref(big._v)
    loss = (big * big).sum()
    loss.item()
    loss.backward()
    x.grad.tolist()
    del big
    gc.collect()
    assert ref() is None and loss.grad_fn is not None


def test_gradients_of_nothing_are_zeros_where_asked_for():
    x, w = leaf(1.0), leaf(2.0)
    assert jtorch.autograd.grad(x * 1, [w], allow_unused=True) == (None,)
    assert jtorch.autograd.grad(x * 1, [w], materialize_grads=True)[0].item() == 0
    with pytest.raises(RuntimeError, match="at index 1 appears to not have been used"):
        jtorch.autograd.grad(x * 1, [x, w])
