"""Adam in little memory (torch.optim.Adafactor)."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from jtorch.optim._options import check_lr, zeros
from jtorch.optim.planned import PlannedOptimizer
from jtorch.optim.rule import Rule, lerp


def _init(p: Any, group: dict) -> dict:
    if p.ndim < 2:
        return {"step": 0.0, "variance": zeros}
    return {"step": 0.0, "row_var": _rows, "col_var": _columns}


def _rows(p: Any) -> np.ndarray:
    return np.zeros((*p.shape[:-1], 1), p._aval().dtype)


def _columns(p: Any) -> np.ndarray:
    return np.zeros((*p.shape[:-2], 1, p.shape[-1]), p._aval().dtype)


def _schedule(h: Any, c: Any, f: Any) -> tuple:
    step = c.step + 1
    return {
        "fresh": step**h.beta2_decay,
        "rho": jnp.minimum(h.lr, 1 / jnp.sqrt(step.astype(jnp.float64))),
        "left": 1 - h.lr * h.weight_decay,
    }, {"step": step}


def _norm(x: Any) -> Any:
    return jnp.sqrt(jnp.sum(x * x))


def _update(p: Any, g: Any, s: dict, h: Any, f: Any) -> tuple:
    floor = jnp.finfo(f.dtype).eps if h.eps[0] is None else h.eps[0]
    rate = jnp.maximum(h.eps[1], _norm(p) / p.size**0.5) * h.rho
    p = p * h.left
    if g.ndim > 1:
        squares = g * g
        row = lerp(s["row_var"], squares.mean(-1, keepdims=True), h.fresh)
        column = lerp(s["col_var"], squares.mean(-2, keepdims=True), h.fresh)
        s = {"row_var": row, "col_var": column}
        variance = row * column / jnp.maximum(row.mean(-2, keepdims=True), floor)
    else:
        variance = lerp(s["variance"], g * g, h.fresh)
        s = {"variance": variance}
    change = g / jnp.sqrt(jnp.maximum(variance, floor * floor))
    return p - rate / jnp.maximum(1.0, _norm(change) / (change.size**0.5 * h.d)) * change, s


class Adafactor(PlannedOptimizer):
    """Adam without momentum, whose mean squares of matrices are products of those of their rows and columns.

    The rate is relative to the size of the parameter, at least ``eps[1]``; updates are clipped to a root mean square of
    ``d``.
    """

    _rule = Rule(
        _init,
        _update,
        numbers=("lr", "beta2_decay", "eps", "d", "weight_decay"),
        flags=("maximize",),
        counters=("step",),
        schedule=_schedule,
        decoupled=None,
    )
    _late_options = {"foreach": None}

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        check_lr(lr, "Learning rate should be >= 0 but is: {}")
        if not beta2_decay <= 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        for name, value in (("epsilon1", eps[0]), ("epsilon2", eps[1])):
            if value is not None and not value >= 0.0:
                raise ValueError(f"{name} should be >= 0 but is: {value}")
        if not d >= 1.0:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        super().__init__(
            params,
            {
                "lr": lr,
                "beta2_decay": beta2_decay,
                "eps": eps,
                "d": d,
                "weight_decay": weight_decay,
                "foreach": foreach,
                "maximize": maximize,
            },
        )

    def _check(self, p: Any, group: dict) -> None:
        if p.is_complex():
            raise RuntimeError("Adafactor does not support complex parameters")
