"""The generalized Pareto distribution (torch.distributions.GeneralizedPareto)."""

from typing import Any

import jtorch
from jtorch.distributions import constraints
from jtorch.distributions.distribution import Distribution

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Distribution):
    """A tail from ``loc`` on, of size ``scale`` and shape ``concentration``: exponential where that is 0."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive, "concentration": constraints.real}
    has_rsample = True
    _parts = {"loc": 0, "scale": 0, "concentration": 0}

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: Any = None) -> None:
        self._broadcast(validate_args, loc=loc, scale=scale, concentration=concentration)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        end = self.loc - self.scale / self.concentration
        return constraints.interval(self.loc, end.where(self.concentration < 0, jtorch.inf))

    def _shape(self) -> tuple[Any, Any]:
        """Where the shape is 0, and the shape with ones there."""
        none = jtorch.isclose(self.concentration, jtorch.zeros_like(self.concentration))
        return none, self.concentration.where(~none, 1.0)

    def _distance(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return (value - self.loc) / self.scale

    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        return self.icdf(jtorch.rand(shape, dtype=self.loc.dtype, device=self.loc.device))

    def log_prob(self, value: Any) -> Any:
        z = self._distance(value)
        none, shape = self._shape()
        power = 1 / shape + jtorch.ones_like(z)
        steep = (power * jtorch.log1p(shape * z)).where(power != 0, 0.0)
        return -self.scale.log() - jtorch.where(none, z, steep)

    def log_survival_function(self, value: Any) -> Any:
        """The log probability of more than ``value``."""
        z = self._distance(value)
        none, shape = self._shape()
        return jtorch.where(none, -z, -jtorch.log1p(shape * z) / shape)

    def log_cdf(self, value: Any) -> Any:
        """The logarithm of :meth:`cdf`."""
        return jtorch.log1p(-jtorch.exp(self.log_survival_function(value)))

    def cdf(self, value: Any) -> Any:
        return jtorch.exp(self.log_cdf(value))

    def icdf(self, value: Any) -> Any:
        none, shape = self._shape()
        survival = jtorch.log1p(-value)
        steps = jtorch.where(none, -survival, jtorch.expm1(-shape * survival) / shape)
        return self.loc + self.scale * steps

    @property
    def mean(self) -> Any:
        k = self.concentration.where(self.concentration < 1, jtorch.nan)
        return self.loc + self.scale / (1 - k)

    @property
    def mode(self) -> Any:
        return self.loc

    @property
    def variance(self) -> Any:
        k = self.concentration.where(self.concentration < 0.5, jtorch.nan)
        return self.scale**2 / ((1 - k) ** 2 * (1 - 2 * k))

    def entropy(self) -> Any:
        return jtorch.log(self.scale) + self.concentration + 1
