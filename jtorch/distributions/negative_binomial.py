"""The negative binomial distribution (torch.distributions.NegativeBinomial)."""

from typing import Any

import jtorch
from jtorch.distributions import constraints
from jtorch.distributions.distribution import Distribution
from jtorch.distributions.gamma import Gamma
from jtorch.distributions.odds import Odds
from jtorch.nn.functional import logsigmoid

__all__ = ["NegativeBinomial"]


class NegativeBinomial(Odds, Distribution):
    """Successes of probability ``probs`` before ``total_count`` failures."""

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer
    _parts = {"total_count": 0, "probs": 0, "logits": 0}
    total_count: Any

    def __init__(self, total_count: Any, probs: Any = None, logits: Any = None, validate_args: Any = None) -> None:
        given = self._take(probs, logits, total_count=total_count)
        self.total_count = self.total_count.type_as(given)
        super().__init__(given.size(), validate_args=validate_args)

    @property
    def mean(self) -> Any:
        return self.total_count * jtorch.exp(self.logits)

    @property
    def mode(self) -> Any:
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    def variance(self) -> Any:
        return self.mean / jtorch.sigmoid(-self.logits)

    def sample(self, sample_shape: Any = ()) -> Any:
        rates = Gamma(self.total_count, jtorch.exp(-self.logits), validate_args=False)
        with jtorch.no_grad():
            return jtorch.poisson(rates.sample(sample_shape))

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        n = self.total_count
        odds = n * logsigmoid(-self.logits) + value * logsigmoid(self.logits)
        choices = -jtorch.lgamma(n + value) + jtorch.lgamma(1.0 + value) + jtorch.lgamma(n)
        return odds - choices.where(n + value != 0, 0.0)
