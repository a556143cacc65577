"""Stochastic gradient descent with momentum (torch.optim.SGD)."""

from typing import Any

from jtorch.optim._options import check_lr, nonnegative, zeros
from jtorch.optim.planned import PlannedOptimizer
from jtorch.optim.rule import Rule


def _init(p: Any, group: dict) -> dict:
    if not group["momentum"]:
        return {}
    # Without dampening a buffer of zeros takes up the first gradient as it is.
    return {"momentum_buffer": None if group["dampening"] else zeros}


def _update(p: Any, g: Any, s: dict, h: Any, f: Any) -> tuple:
    if f.momentum:
        before = s["momentum_buffer"]
        buffer = g if before is None else before * h.momentum + g * h.fresh
        s = {"momentum_buffer": buffer}
        g = g + buffer * h.momentum if f.nesterov else buffer
    return p - g * h.lr, s


_RULE = Rule(
    _init,
    _update,
    numbers=("lr", "momentum", "dampening", "weight_decay"),
    flags=("momentum", "dampening", "weight_decay", "nesterov", "maximize"),
    schedule=lambda h, c, f: ({"fresh": 1 - h.dampening}, {}),
)


class SGD(PlannedOptimizer):
    """``p -= lr * b`` where ``b = momentum * b + (1 - dampening) * g``; nesterov: ``p -= lr * (g + momentum * b)``."""

    _rule = _RULE
    _late_options = {"nesterov": False, "maximize": False, "foreach": None, "differentiable": False, "fused": False}

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: Any = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        nonnegative("momentum value", momentum)
        nonnegative("weight_decay value", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
                "foreach": foreach,
                "differentiable": differentiable,
                "fused": fused,
            },
        )
