"""Student's t distribution (torch.distributions.StudentT)."""

import math
from typing import Any

import jtorch
from jtorch.distributions import constraints
from jtorch.distributions.chi2 import Chi2
from jtorch.distributions.distribution import Distribution
from jtorch.distributions.utils import _standard_normal

__all__ = ["StudentT"]


class StudentT(Distribution):
    """Student's t of ``df`` degrees of freedom, moved by ``loc`` and spread by ``scale``."""

    arg_constraints = {"df": constraints.positive, "loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True
    _parts = {"df": 0, "loc": 0, "scale": 0, "_chi2": 0}

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: Any = None) -> None:
        self._broadcast(validate_args, df=df, loc=loc, scale=scale)
        self._chi2 = Chi2(self.df)

    @property
    def mean(self) -> Any:
        return self.loc.where(self.df > 1, jtorch.nan)

    @property
    def mode(self) -> Any:
        return self.loc

    @property
    def variance(self) -> Any:
        spread = self.scale.pow(2) * self.df / (self.df - 2)
        return spread.where(self.df > 2, jtorch.inf).where(self.df > 1, jtorch.nan)

    def rsample(self, sample_shape: Any = ()) -> Any:
        noise = _standard_normal(self._extended_shape(sample_shape), self.df.dtype, self.df.device)
        return self.loc + self.scale * noise * jtorch.rsqrt(self._chi2.rsample(sample_shape) / self.df)

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        y = (value - self.loc) / self.scale
        half = 0.5 * self.df
        normalizer = (
            self.scale.log()
            + 0.5 * self.df.log()
            + 0.5 * math.log(math.pi)
            + jtorch.lgamma(half)
            - jtorch.lgamma(half + 0.5)
        )
        return -(half + 0.5) * jtorch.log1p(y**2.0 / self.df) - normalizer

    def entropy(self) -> Any:
        half = 0.5 * self.df
        log_beta = jtorch.lgamma(half) + math.lgamma(0.5) - jtorch.lgamma(half + 0.5)
        spread = (half + 0.5) * (jtorch.digamma(half + 0.5) - jtorch.digamma(half))
        return self.scale.log() + spread + 0.5 * self.df.log() + log_beta
