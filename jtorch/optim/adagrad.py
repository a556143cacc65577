"""Steps divided by the root of the sum of squares (torch.optim.Adagrad)."""

from typing import Any

import jax.numpy as jnp

from jtorch.optim._options import check_lr, full, nonnegative
from jtorch.optim.planned import PlannedOptimizer
from jtorch.optim.rule import Rule


def _update(p: Any, g: Any, s: dict, h: Any, f: Any) -> tuple:
    total = s["sum"] + g * g
    return p - h.rate * g / (jnp.sqrt(total) + h.eps), {"sum": total}


class Adagrad(PlannedOptimizer):
    """``p -= lr / (1 + steps * lr_decay) * g / (sqrt(sum of squares) + eps)``."""

    _rule = Rule(
        lambda p, group: {"step": 0.0, "sum": full(group["initial_accumulator_value"])},
        _update,
        numbers=("lr", "lr_decay", "eps", "weight_decay"),
        flags=("weight_decay", "maximize"),
        counters=("step",),
        schedule=lambda h, c, f: ({"rate": h.lr / (1 + c.step * h.lr_decay)}, {"step": c.step + 1}),
    )
    _late_options = {"foreach": None, "maximize": False, "differentiable": False, "fused": None}

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        nonnegative("lr_decay value", lr_decay)
        nonnegative("weight_decay value", weight_decay)
        nonnegative("initial_accumulator_value value", initial_accumulator_value)
        nonnegative("epsilon value", eps)
        super().__init__(
            params,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "eps": eps,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "fused": fused,
            },
        )
        counters: dict = {}
        for group in self.param_groups:
            for p in group["params"]:
                self._start(p, self._rule.init(p, group), p._aval().device, group, counters)

    def share_memory(self) -> None:
        """Move the state to shared memory."""
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["sum"].share_memory_()
