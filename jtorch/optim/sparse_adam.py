"""Adam for sparse gradients (torch.optim.SparseAdam)."""

from collections.abc import Callable
from typing import Any

import jtorch
from jtorch.optim._options import check_betas, check_lr
from jtorch.optim.optimizer import Optimizer

__all__ = ["SparseAdam"]


class SparseAdam(Optimizer):
    """Adam that updates only the rows a sparse gradient has.

    Every gradient of jtorch is dense, and for a dense one ``step`` raises RuntimeError, as torch's does.
    """

    def __init__(
        self, params: Any, lr: Any = 1e-3, betas: Any = (0.9, 0.999), eps: float = 1e-8, maximize: bool = False
    ) -> None:
        check_lr(lr)
        _positive("learning rate", lr)
        _positive("epsilon value", eps)
        check_betas(betas)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})

    @jtorch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """The loss of ``closure``, if there is one; RuntimeError where a parameter has a gradient."""
        loss = None
        if closure is not None:
            with jtorch.enable_grad():
                loss = closure()
        if any(p.grad is not None for group in self.param_groups for p in group["params"]):
            raise RuntimeError("SparseAdam does not support dense gradients, please consider Adam instead")
        return loss


def _positive(name: str, value: Any) -> None:
    if not value > 0.0:
        raise ValueError(f"Invalid {name}: {value}")
