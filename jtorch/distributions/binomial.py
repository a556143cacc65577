"""The binomial distribution (torch.distributions.Binomial)."""

from typing import Any

import jtorch
from jtorch.distributions import constraints
from jtorch.distributions.distribution import Distribution
from jtorch.distributions.odds import Odds
from jtorch.nn.functional import logsigmoid

__all__ = ["Binomial"]


class Binomial(Odds, Distribution):
    """Successes of probability ``probs`` among ``total_count`` trials."""

    arg_constraints = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True
    _parts = {"total_count": 0, "probs": 0, "logits": 0}
    total_count: Any

    def __init__(self, total_count: Any = 1, probs: Any = None, logits: Any = None, validate_args: Any = None) -> None:
        given = self._take(probs, logits, total_count=total_count)
        self.total_count = self.total_count.type_as(given)
        super().__init__(given.size(), validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Any:
        return self.total_count * self.probs

    @property
    def mode(self) -> Any:
        return ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count)

    @property
    def variance(self) -> Any:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        with jtorch.no_grad():
            return jtorch.binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        n, x = self.total_count, self.logits
        choices = jtorch.lgamma(n + 1) - jtorch.lgamma(value + 1) - jtorch.lgamma(n - value + 1)
        return value * x + choices + n * logsigmoid(-x)

    def _one_count(self, problem: str) -> int:
        """The number of trials; raises NotImplementedError where it differs over the batch."""
        count = int(self.total_count.max())
        if not self.total_count.min() == count:
            raise NotImplementedError(problem)
        return count

    def entropy(self) -> Any:
        self._one_count("Inhomogeneous total count not supported by `entropy`.")
        log_prob = self.log_prob(self.enumerate_support(False))
        return -(jtorch.exp(log_prob) * log_prob).sum(0)

    def enumerate_support(self, expand: bool = True) -> Any:
        count = self._one_count("Inhomogeneous total count not supported by `enumerate_support`.")
        return self._enumerated(jtorch.arange(1 + count, dtype=self._param.dtype, device=self._param.device), expand)
