"""Adam with Nesterov momentum (torch.optim.NAdam)."""

from typing import Any

import jax.numpy as jnp

from jtorch.optim._options import check_betas, check_lr, nonnegative, zeros
from jtorch.optim.planned import PlannedOptimizer
from jtorch.optim.rule import Rule, lerp


def _schedule(h: Any, c: Any, f: Any) -> tuple:
    step = c.step + 1
    beta1, beta2 = h.betas
    mu = beta1 * (1.0 - 0.5 * 0.96 ** (step * h.momentum_decay))
    mu_next = beta1 * (1.0 - 0.5 * 0.96 ** ((step + 1) * h.momentum_decay))
    product = (c.mu_product * mu.astype(c.mu_product.dtype)).astype(jnp.float64)
    return {
        "fresh1": 1 - beta1,
        "keep2": beta2,
        "fresh2": 1 - beta2,
        "correction2": 1 - beta2**step,
        "rate_now": h.lr * (1.0 - mu) / (1.0 - product),
        "rate_next": h.lr * mu_next / (1.0 - product * mu_next),
    }, {"step": step, "mu_product": product}


def _update(p: Any, g: Any, s: dict, h: Any, f: Any) -> tuple:
    average = lerp(s["exp_avg"], g, h.fresh1)
    square = s["exp_avg_sq"] * h.keep2 + h.fresh2 * g * g
    denominator = jnp.sqrt(square / h.correction2) + h.eps
    p = p - h.rate_now * g / denominator
    return p - h.rate_next * average / denominator, {"exp_avg": average, "exp_avg_sq": square}


class NAdam(PlannedOptimizer):
    """Adam that steps along the gradient and the mean as it will be, with a momentum that grows over the steps."""

    _rule = Rule(
        lambda p, group: {"step": 0.0, "mu_product": 1.0, "exp_avg": zeros, "exp_avg_sq": zeros},
        _update,
        numbers=("lr", "betas", "eps", "weight_decay", "momentum_decay"),
        flags=("weight_decay", "maximize", "decoupled_weight_decay"),
        counters=("step", "mu_product"),
        schedule=_schedule,
    )
    _late_options = {**PlannedOptimizer._late_options, "decoupled_weight_decay": False}

    def __init__(
        self,
        params: Any,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        nonnegative("momentum_decay value", momentum_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum_decay": momentum_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "differentiable": differentiable,
            },
        )
