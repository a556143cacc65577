"""Adam with a rectified start (torch.optim.RAdam)."""

from typing import Any

import jax.numpy as jnp

from jtorch.optim._options import check_betas, check_lr, nonnegative, zeros
from jtorch.optim.planned import PlannedOptimizer
from jtorch.optim.rule import Rule, lerp


def _schedule(h: Any, c: Any, f: Any) -> tuple:
    step = c.step + 1
    beta1, beta2 = h.betas
    correction2 = 1 - beta2**step
    length = 2 / (1 - beta2) - 1
    now = length - 2 * step * beta2**step / correction2
    ratio = (now - 4) * (now - 2) * length / ((length - 4) * (length - 2) * now)
    adaptive = now > 5.0
    return {
        "fresh1": 1 - beta1,
        "keep2": beta2,
        "fresh2": 1 - beta2,
        "correction1": 1 - beta1**step,
        "root": jnp.sqrt(correction2),
        "rectified": jnp.sqrt(jnp.where(adaptive, ratio, 1.0)),
        "adaptive": adaptive,
    }, {"step": step}


def _update(p: Any, g: Any, s: dict, h: Any, f: Any) -> tuple:
    average = lerp(s["exp_avg"], g, h.fresh1)
    square = s["exp_avg_sq"] * h.keep2 + h.fresh2 * g * g
    plain = average / h.correction1 * h.lr
    adapted = plain * (h.root / (jnp.sqrt(square) + h.eps)) * h.rectified
    return p - jnp.where(h.adaptive != 0, adapted, plain), {"exp_avg": average, "exp_avg_sq": square}


class RAdam(PlannedOptimizer):
    """Adam that is plain momentum as long as the mean of squares rests on too few steps, and then grows into Adam."""

    _rule = Rule(
        lambda p, group: {"step": 0.0, "exp_avg": zeros, "exp_avg_sq": zeros},
        _update,
        numbers=("lr", "betas", "eps", "weight_decay"),
        flags=("weight_decay", "maximize", "decoupled_weight_decay"),
        counters=("step",),
        schedule=_schedule,
    )
    _late_options = {**PlannedOptimizer._late_options, "decoupled_weight_decay": False}

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
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
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "decoupled_weight_decay": decoupled_weight_decay,
                "differentiable": differentiable,
            },
        )
