"""Buffers of dropped gradients are used again; those that somebody holds are not."""

import numpy as np

import jtorch as torch
from jtorch import nn
from jtorch.engine import program, spares


def loop(keep):
    """Four steps of a linear model whose gradient of the weight is the mean input, and what ``keep`` got to hold."""
    model = nn.Linear(200, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    held = []
    for k in range(4):
        optimizer.zero_grad()
        model(torch.full((3, 200), float(k))).mean().backward()
        optimizer.step()
        keep(held, model.weight.grad)
    return held, model


def test_a_gradient_that_is_held_keeps_its_values():
    held, _ = loop(lambda held, grad: held.append(grad))
    for k, grad in enumerate(held):
        np.testing.assert_array_equal(grad.numpy(), np.full((1, 200), k, np.float32))


def test_values_are_right_where_buffers_are_used_again():
    held, _ = loop(lambda held, grad: held.append(grad.numpy()))
    for k, grad in enumerate(held):
        np.testing.assert_array_equal(grad, np.full((1, 200), k, np.float32))


def test_a_dropped_gradient_leaves_its_buffer():
    def keep(held, grad):
        held.append(grad._array().unsafe_buffer_pointer())

    held, _ = loop(keep)
    assert len(set(held[1:])) == 1


def test_one_program_keeps_buffers_and_drop_lets_them_go():
    loop(lambda held, grad: None)
    owners = [p.spares for p in program._recent.values() if p.spares is not None and p.spares.arrays]
    assert len(owners) == 1
    spares.drop()
    assert not owners[0].arrays
