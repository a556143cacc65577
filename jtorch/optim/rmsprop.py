"""Steps divided by the root of the mean square (torch.optim.RMSprop)."""

from typing import Any

import jax.numpy as jnp

from jtorch.optim._options import check_lr, nonnegative, zeros
from jtorch.optim.planned import PlannedOptimizer
from jtorch.optim.rule import Rule, lerp


def _init(p: Any, group: dict) -> dict:
    extra = (("momentum_buffer", group["momentum"] > 0), ("grad_avg", group["centered"]))
    return {"step": 0.0, "square_avg": zeros, **{name: zeros for name, wanted in extra if wanted}}


def _update(p: Any, g: Any, s: dict, h: Any, f: Any) -> tuple:
    square = s["square_avg"] * h.alpha + h.fresh * g * g
    s = {**s, "square_avg": square}
    if f.centered:
        mean = s["grad_avg"] = lerp(s["grad_avg"], g, h.fresh)
        square = square - mean * mean
    root = jnp.sqrt(square) + h.eps
    if not f.momentum:
        return p - h.lr * g / root, s
    buffer = s["momentum_buffer"] = s["momentum_buffer"] * h.momentum + g / root
    return p - h.lr * buffer, s


class RMSprop(PlannedOptimizer):
    """``p -= lr * g / (sqrt(v) + eps)`` with ``v`` the moving mean of squares; ``centered`` makes it the variance."""

    _rule = Rule(
        _init,
        _update,
        numbers=("lr", "alpha", "eps", "weight_decay", "momentum"),
        flags=("weight_decay", "momentum", "centered", "maximize"),
        counters=("step",),
        schedule=lambda h, c, f: ({"fresh": 1 - h.alpha}, {"step": c.step + 1}),
    )
    _late_options = {"momentum": 0, "centered": False, **PlannedOptimizer._late_options}

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        nonnegative("epsilon value", eps)
        nonnegative("momentum value", momentum)
        nonnegative("weight_decay value", weight_decay)
        nonnegative("alpha value", alpha)
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "alpha": alpha,
                "eps": eps,
                "centered": centered,
                "weight_decay": weight_decay,
                "capturable": capturable,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
            },
        )
