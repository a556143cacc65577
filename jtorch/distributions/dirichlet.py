"""Dirichlet's distribution (torch.distributions.Dirichlet)."""

from typing import Any

import jtorch
from jtorch.distributions import constraints
from jtorch.distributions.exp_family import ExponentialFamily

__all__ = ["Dirichlet"]


class _Dirichlet(jtorch.autograd.Function):
    """Draws ``x`` that move with their concentrations."""

    @staticmethod
    def forward(ctx: Any, x: Any, concentration: Any) -> Any:
        ctx.save_for_backward(x, concentration)
        return x.clone()

    @staticmethod
    @jtorch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_output: Any) -> Any:
        x, concentration = ctx.saved_tensors
        total = concentration.sum(-1, True).expand_as(concentration)
        moved = jtorch._dirichlet_grad(x, concentration, total)
        return None, moved * (grad_output - (x * grad_output).sum(-1, True))


class Dirichlet(ExponentialFamily):
    """Dirichlet over the last dim of ``concentration``."""

    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex
    has_rsample = True
    _parts = {"concentration": 1}

    def __init__(self, concentration: Any, validate_args: Any = None) -> None:
        if concentration.dim() < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args=validate_args)

    def rsample(self, sample_shape: Any = ()) -> Any:
        concentration = self.concentration.expand(self._extended_shape(sample_shape))
        return _Dirichlet.apply(jtorch._sample_dirichlet(concentration.detach()), concentration)

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        a = self.concentration
        return jtorch.xlogy(a - 1.0, value).sum(-1) + jtorch.lgamma(a.sum(-1)) - jtorch.lgamma(a).sum(-1)

    @property
    def mean(self) -> Any:
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def mode(self) -> Any:
        over = (self.concentration - 1).clamp(min=0.0)
        mode = over / over.sum(-1, True)
        flat = (self.concentration < 1).all(dim=-1, keepdim=True)  # then all mass goes to the corners
        largest = jtorch.nn.functional.one_hot(mode.argmax(dim=-1), self.concentration.shape[-1]).to(mode)
        return jtorch.where(flat, largest, mode)

    @property
    def variance(self) -> Any:
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total.pow(2) * (total + 1))

    def entropy(self) -> Any:
        a, k = self.concentration, self.concentration.size(-1)
        total = a.sum(-1)
        log_beta = jtorch.lgamma(a).sum(-1) - jtorch.lgamma(total)
        return log_beta - (k - total) * jtorch.digamma(total) - ((a - 1.0) * jtorch.digamma(a)).sum(-1)

    @property
    def _natural_params(self) -> tuple[Any, ...]:
        return (self.concentration,)

    def _log_normalizer(self, x: Any) -> Any:  # type: ignore[override]
        return x.lgamma().sum(-1) - jtorch.lgamma(x.sum(-1))
