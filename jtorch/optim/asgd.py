"""Averaged stochastic gradient descent (torch.optim.ASGD)."""

from typing import Any

import jax
import jax.numpy as jnp

from jtorch.optim._options import as_scalar, check_lr, nonnegative, zeros
from jtorch.optim.planned import PlannedOptimizer
from jtorch.optim.rule import Rule


def _schedule(h: Any, c: Any, f: Any) -> tuple:
    step = c.step + 1
    return {"now": c.eta, "left": 1 - h.lambd * c.eta, "part": c.mu}, {
        "step": step,
        # torch rounds it to float32, whatever it is kept as.
        "eta": jax.lax.reduce_precision(h.lr / (1 + h.lambd * h.lr * step) ** h.alpha, 8, 23),
        "mu": 1 / jnp.maximum(1.0, step - h.t0),
    }


def _update(p: Any, g: Any, s: dict, h: Any, f: Any) -> tuple:
    p = p * h.left - h.now * g
    return p, {"ax": jnp.where(h.part == 1, p, s["ax"] + (p - s["ax"]) * h.part)}


class ASGD(PlannedOptimizer):
    """Gradient descent with decay ``lambd`` and a falling rate; ``ax`` in its state is the mean since ``t0``."""

    _rule = Rule(
        lambda p, group: {"step": 0.0, "eta": float(as_scalar(group["lr"])), "mu": 1.0, "ax": zeros},
        _update,
        numbers=("lr", "lambd", "alpha", "t0", "weight_decay"),
        flags=("weight_decay", "maximize"),
        counters=("step", "eta", "mu"),
        schedule=_schedule,
    )
    _host_counters = False

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        nonnegative("weight_decay value", weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "lambd": lambd,
                "alpha": alpha,
                "t0": t0,
                "weight_decay": weight_decay,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "capturable": capturable,
            },
        )
