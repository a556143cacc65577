"""Resilient backpropagation: steps by the sign of the gradient (torch.optim.Rprop)."""

from typing import Any

import jax.numpy as jnp

from jtorch.optim._options import check_lr, full, zeros
from jtorch.optim.planned import PlannedOptimizer
from jtorch.optim.rule import Rule


def _update(p: Any, g: Any, s: dict, h: Any, f: Any) -> tuple:
    agrees = jnp.sign(g * s["prev"])
    factor = jnp.where(agrees > 0, h.etas[1], jnp.where(agrees < 0, h.etas[0], 1))
    size = jnp.clip(s["step_size"] * factor, h.step_sizes[0], h.step_sizes[1])
    g = jnp.where(agrees < 0, 0, g)
    return p - jnp.sign(g) * size, {"prev": g, "step_size": size}


class Rprop(PlannedOptimizer):
    """Each element has its own step size, which grows while the gradient keeps its sign and shrinks when it turns."""

    _rule = Rule(
        lambda p, group: {"step": 0.0, "prev": zeros, "step_size": full(group["lr"])},
        _update,
        numbers=("lr", "etas", "step_sizes"),
        flags=("maximize",),
        counters=("step",),
        schedule=lambda h, c, f: ({}, {"step": c.step + 1}),
    )

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        super().__init__(
            params,
            {
                "lr": lr,
                "etas": etas,
                "step_sizes": step_sizes,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "capturable": capturable,
            },
        )
