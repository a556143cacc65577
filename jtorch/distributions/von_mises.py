"""The von Mises distribution (torch.distributions.VonMises)."""

import math
from typing import Any

import jtorch
from jtorch.distributions import constraints
from jtorch.distributions.distribution import Distribution
from jtorch.distributions.utils import lazy_property

__all__ = ["VonMises"]


class VonMises(Distribution):
    """Angles around ``loc``, the closer the larger ``concentration`` is."""

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real
    has_rsample = False
    _parts = {"loc": 0, "concentration": 0}

    def __init__(self, loc: Any, concentration: Any, validate_args: Any = None) -> None:
        self._broadcast(validate_args, loc=loc, concentration=concentration)

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    @lazy_property
    def variance(self) -> Any:
        """The circular variance."""
        return 1 - jtorch.special.i1e(self.concentration) / jtorch.special.i0e(self.concentration)

    def sample(self, sample_shape: Any = ()) -> Any:
        """By rejection from a wrapped Cauchy (Best and Fisher, Applied Statistics 28, 1979), in float64."""
        with jtorch.no_grad():
            kappa = self.concentration.double()
            tau = 1 + (1 + 4 * kappa**2).sqrt()
            rho = (tau - (2 * tau).sqrt()) / (2 * kappa)
            r = jtorch.where(kappa < 1e-5, 1 / kappa + kappa, (1 + rho**2) / (2 * rho))
            shape = self._extended_shape(sample_shape)
            angle = jtorch.zeros(shape, dtype=kappa.dtype, device=kappa.device)
            done = jtorch.zeros(shape, dtype=jtorch.bool, device=kappa.device)
            while not done.all():
                turn, level, side = jtorch.rand((3, *shape), dtype=kappa.dtype, device=kappa.device).unbind()
                z = jtorch.cos(math.pi * turn)
                cosine = (1 + r * z) / (r + z)
                c = kappa * (r - cosine)
                taken = (c * (2 - c) > level) | (jtorch.log(c / level) + 1 - c >= 0)
                angle = jtorch.where(taken, (side - 0.5).sign() * cosine.acos(), angle)
                done = done | taken
            wrapped = (angle + math.pi + self.loc.double()) % (2 * math.pi) - math.pi
            return wrapped.to(self.loc.dtype)

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        kappa = self.concentration
        bessel = jtorch.special.i0e(kappa).log() + kappa
        return kappa * jtorch.cos(value - self.loc) - math.log(2 * math.pi) - bessel
