"""Distributions seen through transforms (torch.distributions.TransformedDistribution)."""

from typing import Any

import jtorch
from jtorch.distributions import constraints
from jtorch.distributions.distribution import Distribution
from jtorch.distributions.independent import Independent
from jtorch.distributions.transforms import ComposeTransform, Transform
from jtorch.distributions.utils import _sum_rightmost

__all__ = ["TransformedDistribution"]


class TransformedDistribution(Distribution):
    """What one or several ``transforms``, one after the other, make of the samples of another distribution."""

    arg_constraints = {}
    _parts = {}

    def __init__(self, base_distribution: Any, transforms: Any, validate_args: Any = None) -> None:
        if isinstance(transforms, Transform):
            self.transforms = [transforms]
        elif isinstance(transforms, list):
            if not all(isinstance(t, Transform) for t in transforms):
                raise ValueError("transforms must be a Transform or a list of Transforms")
            self.transforms = transforms
        else:
            raise ValueError(f"transforms must be a Transform or list, but was {transforms}")
        shape = base_distribution.batch_shape + base_distribution.event_shape
        whole = ComposeTransform(self.transforms)
        inside = whole.domain.event_dim
        if len(shape) < inside:
            raise ValueError(f"base_distribution needs to have shape with size at least {inside}, but got {shape}.")
        seen = whole.forward_shape(shape)
        needed = whole.inverse_shape(seen)
        events = len(base_distribution.event_shape)
        if shape != needed:
            base_distribution = base_distribution.expand(needed[: len(needed) - events])
        if inside > events:
            base_distribution = Independent(base_distribution, inside - events)
        self.base_dist = base_distribution
        cut = len(seen) - (whole.codomain.event_dim + max(events - inside, 0))
        super().__init__(seen[:cut], seen[cut:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        shape = new._batch_shape + new._event_shape
        for t in reversed(self.transforms):
            shape = t.inverse_shape(shape)
        new.base_dist = self.base_dist.expand(shape[: len(shape) - len(self.base_dist.event_shape)])
        new.transforms = self.transforms
        return new

    @constraints.dependent_property(is_discrete=False)
    def support(self) -> Any:
        if not self.transforms:
            return self.base_dist.support
        support = self.transforms[-1].codomain
        more = len(self._event_shape) - support.event_dim
        return constraints.independent(support, more) if more > 0 else support

    @property
    def has_rsample(self) -> Any:  # type: ignore[override]
        return self.base_dist.has_rsample

    def _forward(self, x: Any) -> Any:
        for t in self.transforms:
            x = t(x)
        return x

    def sample(self, sample_shape: Any = ()) -> Any:
        with jtorch.no_grad():
            return self._forward(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self._forward(self.base_dist.rsample(sample_shape))

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        dims = len(self._event_shape)
        stretch: Any = 0.0
        for t in reversed(self.transforms):
            before = t.inv(value)
            dims += t.domain.event_dim - t.codomain.event_dim
            stretch = stretch + _sum_rightmost(t.log_abs_det_jacobian(before, value), dims - t.domain.event_dim)
            value = before
        return _sum_rightmost(self.base_dist.log_prob(value), dims - len(self.base_dist.event_shape)) - stretch

    def _monotonize_cdf(self, value: Any) -> Any:
        """``1 - value`` where the transforms fall."""
        sign: Any = 1
        for t in self.transforms:
            sign = sign * t.sign
        return value if isinstance(sign, int) and sign == 1 else sign * (value - 0.5) + 0.5

    def cdf(self, value: Any) -> Any:
        for t in reversed(self.transforms):
            value = t.inv(value)
        if self._validate_args:
            self.base_dist._validate_sample(value)
        return self._monotonize_cdf(self.base_dist.cdf(value))

    def icdf(self, value: Any) -> Any:
        return self._forward(self.base_dist.icdf(self._monotonize_cdf(value)))
