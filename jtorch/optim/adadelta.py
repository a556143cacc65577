"""Steps in the units of the parameters (torch.optim.Adadelta)."""

from typing import Any

import jax.numpy as jnp

from jtorch.optim._options import check_lr, nonnegative, zeros
from jtorch.optim.planned import PlannedOptimizer
from jtorch.optim.rule import Rule


def _update(p: Any, g: Any, s: dict, h: Any, f: Any) -> tuple:
    square = s["square_avg"] * h.rho + h.fresh * g * g
    delta = jnp.sqrt(s["acc_delta"] + h.eps) / jnp.sqrt(square + h.eps) * g
    change = s["acc_delta"] * h.rho + h.fresh * delta * delta
    return p - h.lr * delta, {"square_avg": square, "acc_delta": change}


class Adadelta(PlannedOptimizer):
    """``p -= lr * g * rms(past changes) / rms(gradients)``, where both are moving means by ``rho``."""

    _rule = Rule(
        lambda p, group: {"step": 0.0, "square_avg": zeros, "acc_delta": zeros},
        _update,
        numbers=("lr", "rho", "eps", "weight_decay"),
        flags=("weight_decay", "maximize"),
        counters=("step",),
        schedule=lambda h, c, f: ({"fresh": 1 - h.rho}, {"step": c.step + 1}),
    )

    def __init__(
        self,
        params: Any,
        lr: Any = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        nonnegative("epsilon value", eps)
        nonnegative("weight_decay value", weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "rho": rho,
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
                "capturable": capturable,
                "foreach": foreach,
                "differentiable": differentiable,
            },
        )
