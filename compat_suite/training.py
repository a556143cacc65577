"""A few steps of training on one batch, for any model of the tutorial."""

import math
from collections.abc import Callable

import torch


def losses(
    model: torch.nn.Module,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    criterion: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    optimizer: torch.optim.Optimizer | None = None,
    steps: int = 6,
) -> list[float]:
    """The loss before each of ``steps`` updates and after the last."""
    if optimizer is None:
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    model.train()
    curve = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = criterion(model(inputs), targets)
        loss.backward()
        optimizer.step()
        curve.append(loss.item())
    with torch.no_grad():
        curve.append(criterion(model(inputs), targets).item())
    return curve


def learns(
    model: torch.nn.Module,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    criterion: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    steps: int = 6,
) -> str:
    """Train a new model and assert that every parameter moved and that the loss fell; returns a note for the report."""
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    curve = losses(model, inputs, targets, criterion, steps=steps)
    assert all(map(math.isfinite, curve)), f"the loss is not finite: {curve}"
    assert curve[-1] < curve[0], f"the loss did not fall: {curve}"
    for name, p in model.named_parameters():
        assert p.grad is not None, f"{name} has no gradient"
        assert not torch.equal(p, before[name]), f"{name} was not updated"
    return f"{type(model).__name__} loss {curve[0]:.3f} -> {curve[-1]:.3f}"
