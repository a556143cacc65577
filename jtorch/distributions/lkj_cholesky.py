"""Cholesky factors of random correlation matrices (torch.distributions.LKJCholesky)."""

import math
from typing import Any

import jtorch
from jtorch.distributions import constraints
from jtorch.distributions.beta import Beta
from jtorch.distributions.distribution import Distribution
from jtorch.distributions.utils import broadcast_all

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """Factors of [dim, dim] correlation matrices with density det ** (concentration - 1).

    Lewandowski, Kurowicka and Joe, J. Multivariate Analysis 100 (2009).
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky
    _parts = {"concentration": 0}
    _kept = ("dim",)

    def __init__(self, dim: int, concentration: Any = 1.0, validate_args: Any = None) -> None:
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        super().__init__(self.concentration.size(), jtorch.Size((dim, dim)), validate_args)

    def sample(self, sample_shape: Any = ()) -> Any:
        """By the onion method: a row at a time, a direction of normals and a beta number for its length."""
        c = self.concentration
        steps = jtorch.arange(-1, self.dim - 1, dtype=c.dtype, device=c.device).clamp(min=0)
        squares = Beta(0.5 + steps, (c + 0.5 * (self.dim - 2)).unsqueeze(-1) - 0.5 * steps)
        with jtorch.no_grad():
            square = squares.sample(sample_shape).unsqueeze(-1)
            normals = jtorch.randn(self._extended_shape(sample_shape), dtype=c.dtype, device=c.device).tril(-1)
            below = jtorch.sqrt(square) * normals / normals.norm(dim=-1, keepdim=True)
            below = jtorch.cat([jtorch.zeros_like(below[..., :1, :]), below[..., 1:, :]], -2)
            rest = 1 - (below**2).sum(-1)
            return below + rest.clamp(min=jtorch.finfo(c.dtype).tiny).sqrt().diag_embed()

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        c, n = self.concentration, self.dim - 1
        powers = 2 * (c - 1).unsqueeze(-1) + jtorch.arange(n - 1, -1, -1, device=c.device)
        density = (powers * value.diagonal(dim1=-1, dim2=-2)[..., 1:].log()).sum(-1)
        half = c + 0.5 * n
        normalizer = 0.5 * n * math.log(math.pi) + jtorch.mvlgamma(half - 0.5, n) - n * jtorch.lgamma(half)
        return density - normalizer
