"""The continuous Bernoulli distribution (torch.distributions.ContinuousBernoulli)."""

import math
from typing import Any

import jtorch
from jtorch.distributions import constraints
from jtorch.distributions.exp_family import ExponentialFamily
from jtorch.distributions.odds import Odds
from jtorch.distributions.utils import all_true, broadcast_all, clamp_probs, lazy_property, logits_to_probs
from jtorch.nn.functional import binary_cross_entropy_with_logits

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(Odds, ExponentialFamily):
    """On [0, 1] with a density proportional to probs**x (1 - probs)**(1 - x) (arXiv:1907.06845).

    Formulas that are 0 / 0 at ``probs`` = 1/2 are replaced by Taylor polynomials between the two ``lims``.
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True
    _mean_carrier_measure = 0
    _parts = {"probs": 0, "logits": 0}
    _kept = ("_given", "_lims")

    def __init__(
        self, probs: Any = None, logits: Any = None, lims: tuple[float, float] = (0.499, 0.501),
        validate_args: Any = None,
    ) -> None:  # fmt: skip
        given = self._take(probs, logits)
        if probs is not None:
            if validate_args is not None and not all_true(constraints.unit_interval.check(given)):
                raise ValueError("The parameter probs has invalid values")
            self.probs = clamp_probs(given)
        self._lims = lims
        super().__init__(given.size(), validate_args=validate_args)

    @lazy_property
    def probs(self) -> Any:
        """The probabilities, off 0 and 1."""
        return clamp_probs(logits_to_probs(self.logits, is_binary=True))

    def _apart(self, x: Any, middle: float) -> Any:
        """Where ``x`` is off the region around ``middle`` = 1/2 that is left to the polynomials."""
        low, high = self._lims
        return (x <= low - (0.5 - middle)) | (x > high - (0.5 - middle))

    def _either(self, exact: Any, near: Any) -> Any:
        """``exact(probs, log odds)`` off 1/2, ``near(probs - 1/2)`` around it."""
        apart = self._apart(self.probs, 0.5)
        p = self.probs.where(apart, self._lims[0])
        return jtorch.where(apart, exact(p, jtorch.log(p) - jtorch.log1p(-p)), near(self.probs - 0.5))

    def _cont_bern_log_norm(self) -> Any:
        return self._either(
            lambda p, odds: odds.abs().log() - (1 - 2 * p).abs().log(),
            lambda x: math.log(2.0) + (4 / 3 + 104 / 45 * x**2) * x**2,
        )

    @property
    def mean(self) -> Any:
        return self._either(
            lambda p, odds: p / (2 * p - 1) - 1 / odds,
            lambda x: 0.5 + (1 / 3 + 16 / 45 * x**2) * x,
        )

    @property
    def variance(self) -> Any:
        return self._either(
            lambda p, odds: p * (p - 1) / (1 - 2 * p) ** 2 + 1 / odds**2,
            lambda x: 1 / 12 - (1 / 15 - 128 / 945 * x**2) * x**2,
        )

    @property
    def stddev(self) -> Any:
        return self.variance.sqrt()

    def sample(self, sample_shape: Any = ()) -> Any:
        with jtorch.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        return self.icdf(jtorch.rand(shape, dtype=self.probs.dtype, device=self.probs.device))

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return self._cont_bern_log_norm() - binary_cross_entropy_with_logits(logits, value, reduction="none")

    def cdf(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        inside = self._either(
            lambda p, odds: (p.pow(value) * (1 - p).pow(1 - value) + p - 1) / (2 * p - 1), lambda x: value
        )
        return inside.where(value > 0, 0.0).where(value < 1, 1.0)

    def icdf(self, value: Any) -> Any:
        return self._either(
            lambda p, odds: (jtorch.log1p(value * (2 * p - 1) - p) - jtorch.log1p(-p)) / odds, lambda x: value
        )

    def entropy(self) -> Any:
        miss, hit = jtorch.log1p(-self.probs), jtorch.log(self.probs)
        return self.mean * (miss - hit) - self._cont_bern_log_norm() - miss

    @property
    def _natural_params(self) -> tuple[Any, ...]:
        return (self.logits,)

    def _log_normalizer(self, x: Any) -> Any:  # type: ignore[override]
        apart = self._apart(x, 0.0)
        far = x.where(apart, self._lims[0] - 0.5)
        near = 0.5 * x + x.pow(2) / 24.0 - x.pow(4) / 2880.0
        return jtorch.where(apart, far.expm1().abs().log() - far.abs().log(), near)
