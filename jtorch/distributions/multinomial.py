"""The multinomial distribution (torch.distributions.Multinomial)."""

from typing import Any

import jtorch
from jtorch.distributions import constraints
from jtorch.distributions.binomial import Binomial
from jtorch.distributions.categorical import Categorical
from jtorch.distributions.distribution import Distribution
from jtorch.distributions.utils import broadcast_all

__all__ = ["Multinomial"]


class Multinomial(Distribution):
    """How often each category comes up among ``total_count`` trials."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    total_count: int
    _parts = {"_categorical": 0}
    _kept = ("total_count",)

    def __init__(self, total_count: int = 1, probs: Any = None, logits: Any = None, validate_args: Any = None) -> None:
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._categorical = Categorical(probs=probs, logits=logits)
        super().__init__(self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> Any:
        return constraints.multinomial(self.total_count)

    @property
    def logits(self) -> Any:
        """The log probabilities."""
        return self._categorical.logits

    @property
    def probs(self) -> Any:
        """The probabilities."""
        return self._categorical.probs

    @property
    def param_shape(self) -> Any:
        """The shape of ``probs`` or ``logits``."""
        return self._categorical.param_shape

    def _new(self, *args: Any, **kwargs: Any) -> Any:
        return self._categorical._new(*args, **kwargs)

    @property
    def mean(self) -> Any:
        return self.probs * self.total_count

    @property
    def variance(self) -> Any:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Any:
        drawn = self._categorical.sample(jtorch.Size((self.total_count,)) + jtorch.Size(sample_shape)).movedim(0, -1)
        counts = drawn.new_zeros(self._extended_shape(sample_shape))
        return counts.scatter_add_(-1, drawn, jtorch.ones_like(drawn)).type_as(self.probs)

    def entropy(self) -> Any:
        n = self.total_count
        single = self._categorical.entropy()
        counts = Binomial(n, probs=self.probs)
        support = counts.enumerate_support(expand=False)[1:]  # log 0! and log 1! count for nothing
        weights = jtorch.exp(counts.log_prob(support))
        choices = (weights * jtorch.lgamma(support + 1)).sum([0, -1])
        return n * single - single.new_tensor(n + 1.0).lgamma() + choices

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        logits = logits.masked_fill((value == 0) & (logits == -jtorch.inf), 0)
        return jtorch.lgamma(value.sum(-1) + 1) - jtorch.lgamma(value + 1).sum(-1) + (logits * value).sum(-1)
