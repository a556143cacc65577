"""Adam by the infinity norm (torch.optim.Adamax)."""

from typing import Any

import jax.numpy as jnp

from jtorch.optim._options import check_betas, check_lr, nonnegative, zeros
from jtorch.optim.planned import PlannedOptimizer
from jtorch.optim.rule import Rule, lerp


def _schedule(h: Any, c: Any, f: Any) -> tuple:
    step = c.step + 1
    beta1, beta2 = h.betas
    return {"fresh": 1 - beta1, "keep": beta2, "rate": h.lr / (1 - beta1**step)}, {"step": step}


def _update(p: Any, g: Any, s: dict, h: Any, f: Any) -> tuple:
    average = lerp(s["exp_avg"], g, h.fresh)
    largest = jnp.maximum(s["exp_inf"] * h.keep, jnp.abs(g) + h.eps)
    return p - h.rate * average / largest, {"exp_avg": average, "exp_inf": largest}


class Adamax(PlannedOptimizer):
    """Steps along the mean of gradients over the largest of them, which decays by ``betas[1]``."""

    _rule = Rule(
        lambda p, group: {"step": 0.0, "exp_avg": zeros, "exp_inf": zeros},
        _update,
        numbers=("lr", "betas", "eps", "weight_decay"),
        flags=("weight_decay", "maximize"),
        counters=("step",),
        schedule=_schedule,
    )

    def __init__(
        self,
        params: Any,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        nonnegative("epsilon value", eps)
        check_betas(betas)
        nonnegative("weight_decay value", weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "capturable": capturable,
            },
        )
