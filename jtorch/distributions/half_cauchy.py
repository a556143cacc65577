"""The half-Cauchy distribution (torch.distributions.HalfCauchy)."""

from typing import Any

import jtorch
from jtorch.distributions.cauchy import Cauchy
from jtorch.distributions.folded import Folded

__all__ = ["HalfCauchy"]


class HalfCauchy(Folded):
    """The size of a Cauchy number of median 0 and half width ``scale``."""

    _of = Cauchy
    _parts = {}

    @property
    def mean(self) -> Any:
        return jtorch.full_like(self.scale, jtorch.inf)

    @property
    def variance(self) -> Any:
        return self.base_dist.variance
