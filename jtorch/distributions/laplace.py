"""The Laplace distribution (torch.distributions.Laplace)."""

from typing import Any

import jtorch
from jtorch.distributions import constraints
from jtorch.distributions.distribution import Distribution

__all__ = ["Laplace"]


class Laplace(Distribution):
    """Laplace around ``loc`` with mean distance ``scale``."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True
    _parts = {"loc": 0, "scale": 0}

    def __init__(self, loc: Any, scale: Any, validate_args: Any = None) -> None:
        self._broadcast(validate_args, loc=loc, scale=scale)

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    @property
    def variance(self) -> Any:
        return 2 * self.scale.pow(2)

    @property
    def stddev(self) -> Any:
        return 2**0.5 * self.scale

    def rsample(self, sample_shape: Any = ()) -> Any:
        # from the number after -1, so that the logarithm is finite
        u = self.loc.new_empty(self._extended_shape(sample_shape)).uniform_(jtorch.finfo(self.loc.dtype).eps - 1, 1)
        return self.loc - self.scale * u.sign() * jtorch.log1p(-u.abs())

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return -jtorch.log(2 * self.scale) - jtorch.abs(value - self.loc) / self.scale

    def cdf(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        away = value - self.loc
        return 0.5 - 0.5 * away.sign() * jtorch.expm1(-away.abs() / self.scale)

    def icdf(self, value: Any) -> Any:
        side = value - 0.5
        return self.loc - self.scale * side.sign() * jtorch.log1p(-2 * side.abs())

    def entropy(self) -> Any:
        return 1 + jtorch.log(2 * self.scale)
