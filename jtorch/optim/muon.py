"""Momentum made orthogonal, for matrices (torch.optim.Muon)."""

import math
from typing import Any

import jax.numpy as jnp

from jtorch.optim._options import check_lr, zeros
from jtorch.optim.planned import PlannedOptimizer
from jtorch.optim.rule import Rule, lerp, rounded


def _orthogonal(g: Any, coefficients: tuple, steps: int, eps: Any) -> Any:
    """Near the closest orthogonal matrix, by Newton-Schulz iterations in bfloat16."""
    a, b, c = [x.astype(jnp.float32) for x in coefficients]
    tall = g.shape[0] > g.shape[1]
    x = _rounded((g.T if tall else g).astype(jnp.float32))
    x = _rounded(x / jnp.maximum(_rounded(jnp.sqrt(jnp.sum(x * x))), _rounded(eps.astype(jnp.float32))))
    for _ in range(steps):
        gram = _rounded(_product(x, x.T))
        x = _rounded(a * x + _product(_rounded(b * gram + c * _product(gram, gram)), x))
    return x.T if tall else x


def _rounded(x: Any) -> Any:
    return rounded(x, jnp.bfloat16)


def _product(a: Any, b: Any) -> Any:
    return jnp.matmul(a.astype(jnp.bfloat16), b.astype(jnp.bfloat16), preferred_element_type=jnp.float32)


def _ratio(shape: tuple[int, ...], kind: str | None) -> float:
    """By how much the rate grows with the shape."""
    rows, columns = shape
    if kind == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1, rows / columns))


def _update(p: Any, g: Any, s: dict, h: Any, f: Any) -> tuple:
    buffer = lerp(s["momentum_buffer"], g, h.fresh)
    change = lerp(g, buffer, h.momentum) if f.nesterov else buffer
    change = _orthogonal(change, h.ns_coefficients, f.ns_steps, h.eps).astype(p.dtype)
    return p * h.left - h.lr * _ratio(p.shape, f.adjust_lr_fn) * change, {"momentum_buffer": buffer}


class Muon(PlannedOptimizer):
    """Steps along the momentum with all its singular values made about one; for parameters that are matrices."""

    _rule = Rule(
        lambda p, group: {"momentum_buffer": zeros},
        _update,
        numbers=("lr", "weight_decay", "momentum", "ns_coefficients", "eps"),
        flags=("nesterov",),
        constants=("ns_steps", "adjust_lr_fn"),
        schedule=lambda h, c, f: ({"fresh": 1 - h.momentum, "left": 1 - h.lr * h.weight_decay}, {}),
        decoupled=None,
    )
    _late_options: dict[str, Any] = {}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        check_lr(lr, "Learning rate should be >= 0 but is: {}")
        if not momentum >= 0.0:
            raise ValueError(f"momentum should be >= 0 but is: {momentum}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        super().__init__(
            params,
            {
                "lr": lr,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "nesterov": nesterov,
                "ns_coefficients": ns_coefficients,
                "eps": eps,
                "ns_steps": ns_steps,
                "adjust_lr_fn": adjust_lr_fn,
            },
        )
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ValueError(
                        f"Muon only supports 2D parameters whereas we found a parameter with size: {p.size()}"
                    )

    def _check(self, p: Any, group: dict) -> None:
        if p.is_complex():
            raise RuntimeError("Muon does not support complex parameters")
        if group["ns_steps"] >= 100:
            raise ValueError("Number of steps must be less than 100 for computational efficiency")
        if len(group["ns_coefficients"]) != 3:
            raise ValueError("Coefficients must be a tuple of exactly 3 values")
