"""Mixtures of one family (torch.distributions.MixtureSameFamily)."""

from typing import Any

import jtorch
from jtorch.distributions import constraints
from jtorch.distributions.categorical import Categorical
from jtorch.distributions.constraints import MixtureSameFamilyConstraint
from jtorch.distributions.distribution import Distribution

__all__ = ["MixtureSameFamily"]


class MixtureSameFamily(Distribution):
    """``mixture_distribution``, a Categorical, picks along the last batch dim of ``component_distribution``."""

    arg_constraints = {}
    has_rsample = False
    _parts = {}

    def __init__(self, mixture_distribution: Any, component_distribution: Any, validate_args: Any = None) -> None:
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(" The Mixture distribution needs to be an  instance of torch.distributions.Categorical")
        if not isinstance(component_distribution, Distribution):
            raise ValueError("The Component distribution needs to be an instance of torch.distributions.Distribution")
        self._mixture_distribution = mixture_distribution
        self._component_distribution = component_distribution
        weights, batch = mixture_distribution.batch_shape, component_distribution.batch_shape[:-1]
        if any(1 != i != j != 1 for i, j in zip(reversed(weights), reversed(batch), strict=False)):
            raise ValueError(
                f"`mixture_distribution.batch_shape` ({weights}) is not "
                f"compatible with `component_distribution.batch_shape`({batch})"
            )
        k, have = mixture_distribution.logits.shape[-1], component_distribution.batch_shape[-1]
        if k != have:
            raise ValueError(
                f"`mixture_distribution component` ({k}) does not equal "
                f"`component_distribution.batch_shape[-1]` ({have})"
            )
        super().__init__(batch, component_distribution.event_shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        k = self._mixture_distribution._num_events
        new._component_distribution = self._component_distribution.expand(new.batch_shape + (k,))
        new._mixture_distribution = self._mixture_distribution.expand(new.batch_shape)
        return new

    @constraints.dependent_property
    def support(self) -> Any:
        return MixtureSameFamilyConstraint(self._component_distribution.support)

    @property
    def mixture_distribution(self) -> Any:
        """Which component is taken."""
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Any:
        """The components, along the last batch dim."""
        return self._component_distribution

    @property
    def _component_dim(self) -> int:
        return -1 - len(self._event_shape)

    def _mixed(self, values: Any) -> Any:
        """The mean of ``values`` ([..., k, *event]) by the components' weights."""
        probs = self._mixture_distribution.probs
        weights = probs.reshape(probs.shape + (1,) * len(self._event_shape))
        return (weights * values).sum(self._component_dim)

    @property
    def mean(self) -> Any:
        return self._mixed(self._component_distribution.mean)

    @property
    def variance(self) -> Any:
        means = self._component_distribution.mean
        between = means - self._mixed(means).unsqueeze(self._component_dim)
        return self._mixed(self._component_distribution.variance) + self._mixed(between.pow(2.0))

    def cdf(self, value: Any) -> Any:
        each = self._component_distribution.cdf(self._pad(value))
        return (each * self._mixture_distribution.probs).sum(-1)

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        each = self._component_distribution.log_prob(self._pad(value))
        return jtorch.logsumexp(each + jtorch.log_softmax(self._mixture_distribution.logits, dim=-1), dim=-1)

    def sample(self, sample_shape: Any = ()) -> Any:
        with jtorch.no_grad():
            picked = self._mixture_distribution.expand(self._batch_shape).sample(sample_shape)
            drawn = self._component_distribution.sample(sample_shape)
            at = picked.reshape(picked.shape + (1,) * (len(self._event_shape) + 1))
            at = at.expand(picked.shape + (1,) + self._event_shape)
            return drawn.gather(self._component_dim, at).squeeze(self._component_dim)

    def _pad(self, x: Any) -> Any:
        return x.unsqueeze(self._component_dim)

    def __repr__(self) -> str:
        return f"MixtureSameFamily(\n  {self.mixture_distribution},\n  {self.component_distribution})"
