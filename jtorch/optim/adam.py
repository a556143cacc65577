"""Adam and AdamW (torch.optim.Adam, torch.optim.AdamW)."""

from typing import Any

import jax.numpy as jnp

from jtorch.optim._options import as_scalar, check_betas, check_lr, nonnegative, zeros
from jtorch.optim.planned import PlannedOptimizer
from jtorch.optim.rule import Rule, lerp
from jtorch.tensor.tensor import Tensor


def _init(p: Any, group: dict) -> dict:
    names = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if group["amsgrad"] else ("exp_avg", "exp_avg_sq")
    return {"step": 0.0, **{name: zeros for name in names}}


def _schedule(h: Any, c: Any, f: Any) -> tuple:
    step = c.step + 1
    beta1, beta2 = h.betas
    return {
        "fresh1": 1 - beta1,
        "keep2": beta2,
        "fresh2": 1 - beta2,
        "step_size": h.lr / (1 - beta1**step),
        "root": jnp.sqrt(1 - beta2**step),
    }, {"step": step}


def _update(p: Any, g: Any, s: dict, h: Any, f: Any) -> tuple:
    average = lerp(s["exp_avg"], g, h.fresh1)
    square = s["exp_avg_sq"] * h.keep2 + h.fresh2 * g * g
    s = {"exp_avg": average, "exp_avg_sq": square, **{k: jnp.maximum(v, square) for k, v in s.items() if k[0] == "m"}}
    denominator = jnp.sqrt(s.get("max_exp_avg_sq", square)) / h.root + h.eps
    return p - h.step_size * average / denominator, s


_RULE = Rule(
    _init,
    _update,
    numbers=("lr", "betas", "eps", "weight_decay"),
    flags=("weight_decay", "amsgrad", "maximize", "decoupled_weight_decay"),
    counters=("step",),
    schedule=_schedule,
)


class Adam(PlannedOptimizer):
    """Steps along the mean of gradients over the root of the mean of their squares, corrected for starting at zero.

    ``amsgrad`` divides by the largest such root so far; ``decoupled_weight_decay`` makes it AdamW.
    """

    _rule = _RULE
    _late_options = {
        "amsgrad": False,
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
        "fused": None,
    }

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        bare = foreach and not capturable
        if isinstance(lr, Tensor) and bare:
            raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
        check_lr(lr)
        nonnegative("epsilon value", eps)
        check_betas(betas)
        nonnegative("weight_decay value", weight_decay)
        kinds = {float if isinstance(b, float) else Tensor if isinstance(b, Tensor) else None for b in betas}
        if None in kinds or len(kinds) != 1:
            raise ValueError("betas must be either both floats or both Tensors")
        for i, beta in enumerate(betas):
            if isinstance(beta, Tensor):
                if bare:
                    raise ValueError(f"betas[{i}] as a Tensor is not supported for capturable=False and foreach=True")
                if beta.numel() != 1:
                    raise ValueError(f"Tensor betas[{i}] must be 1-element")
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": tuple(map(as_scalar, betas)),
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "differentiable": differentiable,
                "fused": fused,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameters and does not enter the means."""

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
