"""The half-normal distribution (torch.distributions.HalfNormal)."""

import math
from typing import Any

from jtorch.distributions.folded import Folded
from jtorch.distributions.normal import Normal

__all__ = ["HalfNormal"]


class HalfNormal(Folded):
    """The size of a normal number of mean 0 and deviation ``scale``."""

    _of = Normal
    _parts = {}

    @property
    def mean(self) -> Any:
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self) -> Any:
        return self.scale.pow(2) * (1 - 2 / math.pi)
