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
