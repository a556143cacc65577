"""Optimizers (torch.optim)."""

from jtorch.optim.adam import Adam, AdamW
from jtorch.optim.optimizer import Optimizer
from jtorch.optim.sgd import SGD

__all__ = ["Adam", "AdamW", "Optimizer", "SGD"]
