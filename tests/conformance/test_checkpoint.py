"""Checkpointed gradients against torch's, with dropout: the random numbers are torch's to the bit."""

import pytest
import torch
import torch.utils.checkpoint

import jtorch
from tests.conformance.live import alike


def gradients(lib, reentrant, preserve=True, sequential=False):
    lib.manual_seed(0)
    nn, utils = lib.nn, lib.utils.checkpoint
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 4))
    x = lib.randn(3, 4, requires_grad=True)
    options = {"use_reentrant": reentrant, "preserve_rng_state": preserve}
    y = utils.checkpoint_sequential(net, 2, x, **options) if sequential else utils.checkpoint(net, x, **options)
    loss = y.square().sum() + lib.rand(())
    loss.backward()
    return [loss, x.grad, *[p.grad for p in net.parameters()], lib.rand(3)]


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("sequential", [False, True])
def test_gradients(reentrant, sequential):
    for mine, right in zip(
        gradients(jtorch, reentrant, sequential=sequential),
        gradients(torch, reentrant, sequential=sequential),
        strict=True,
    ):
        alike(mine, right, 1e-5, "checkpoint")


@pytest.mark.parametrize("reentrant", [False, True])
def test_gradients_with_other_random_numbers(reentrant):
    for mine, right in zip(
        gradients(jtorch, reentrant, preserve=False), gradients(torch, reentrant, preserve=False), strict=True
    ):
        alike(mine, right, 1e-5, "checkpoint")


def written_over(lib, checkpoint):
    x = lib.ones(2, requires_grad=True)
    a = x.exp()
    y = checkpoint(lambda a: a.sin(), a, use_reentrant=False)
    a.add_(1)
    y.sum().backward()


def other_shapes(lib, checkpoint):
    runs = []

    def f(x):
        runs.append(x)
        return (x if len(runs) == 1 else lib.cat([x, x])).sin()

    checkpoint(f, lib.ones(2, requires_grad=True), use_reentrant=False).sum().backward()


def reentrant_grad(lib, checkpoint):
    x = lib.ones(2, requires_grad=True)
    lib.autograd.grad(checkpoint(lambda x: x.sin().sum(), x, use_reentrant=True), x)


def reentrant_inputs(lib, checkpoint):
    x = lib.ones(2, requires_grad=True)
    checkpoint(lambda x: x.sin().sum(), x, use_reentrant=True).backward(inputs=[x])


@pytest.mark.parametrize("program", [written_over, other_shapes, reentrant_grad, reentrant_inputs])
def test_errors(program):
    with pytest.raises(RuntimeError) as theirs:
        program(torch, torch.utils.checkpoint.checkpoint)
    with pytest.raises(RuntimeError) as ours:
        program(jtorch, jtorch.utils.checkpoint.checkpoint)
    assert type(ours.value).__name__ == type(theirs.value).__name__
    same = 60 if program is written_over else 300  # torch calls the value by the operation that wrote over it
    assert str(ours.value)[:same].rstrip(".\n ") == str(theirs.value)[:same].partition("\n.\n")[0][:same].rstrip(".\n ")
