"""Wishart's distribution (torch.distributions.Wishart)."""

import math
import warnings
from numbers import Number
from typing import Any

import jtorch
from jtorch.distributions import constraints
from jtorch.distributions.chi2 import Chi2
from jtorch.distributions.exp_family import ExponentialFamily
from jtorch.distributions.multivariate_normal import Spread, one_matrix
from jtorch.distributions.utils import all_true

__all__ = ["Wishart"]

_LOG_2 = math.log(2)


def _mvdigamma(x: Any, p: int) -> Any:
    """The derivative of ``mvlgamma``."""
    return jtorch.digamma(x.unsqueeze(-1) - jtorch.arange(p, dtype=x.dtype, device=x.device) / 2).sum(-1)


class Wishart(Spread, ExponentialFamily):
    """The sum of the outer products of ``df`` normal vectors, of a covariance given by one of three matrices."""

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0
    _parts = {
        "df": 0, "_unbroadcasted_scale_tril": 2, "covariance_matrix": 2, "scale_tril": 2, "precision_matrix": 2,
    }  # fmt: skip

    def __init__(
        self, df: Any, covariance_matrix: Any = None, precision_matrix: Any = None, scale_tril: Any = None,
        validate_args: Any = None,
    ) -> None:  # fmt: skip
        name, matrix = one_matrix(
            AssertionError,
            covariance_matrix=covariance_matrix,
            precision_matrix=precision_matrix,
            scale_tril=scale_tril,
        )
        if matrix.dim() < 2:
            raise ValueError("scale_tril must be at least two-dimensional, with optional leading batch dimensions")
        batch_shape = matrix.shape[:-2]
        if isinstance(df, Number):
            self.df = matrix.new_tensor(df)
        else:
            batch_shape = jtorch.broadcast_shapes(batch_shape, df.shape)
            self.df = df.expand(batch_shape)
        n = matrix.shape[-1]
        if not all_true(self.df > n - 1):
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {n - 1}.")
        if not all_true(self.df >= n):
            warnings.warn(
                "Low df values detected. Singular samples are highly likely to occur for ndim - 1 < df < ndim.",
                stacklevel=2,
            )
        self._take_spread(matrix, name, batch_shape)
        super().__init__(batch_shape, matrix.shape[-2:], validate_args=validate_args)
        self._factorize(matrix, name)

    @property
    def arg_constraints(self) -> dict[str, Any]:
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self.event_shape[-1] - 1),
        }

    def _scaled(self, factor: Any, matrix: Any) -> Any:
        return factor.view(self._batch_shape + (1, 1)) * matrix

    @property
    def mean(self) -> Any:
        return self._scaled(self.df, self.covariance_matrix)

    @property
    def mode(self) -> Any:
        factor = self.df - self._event_shape[-1] - 1
        return self._scaled(factor.where(factor > 0, jtorch.nan), self.covariance_matrix)

    @property
    def variance(self) -> Any:
        scale = self.covariance_matrix
        diagonal = scale.diagonal(dim1=-2, dim2=-1)
        return self._scaled(self.df, scale.pow(2) + diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2))

    def _bartlett_sampling(self, sample_shape: Any = ()) -> Any:
        """L A A^T L^T for a lower triangular A of chi numbers on the diagonal and normals below it."""
        n = self._event_shape[-1]
        like = {"dtype": self._unbroadcasted_scale_tril.dtype, "device": self._unbroadcasted_scale_tril.device}
        degrees = self.df.unsqueeze(-1) - jtorch.arange(n, **like).expand(self._batch_shape + (-1,))
        lengths = Chi2(degrees).rsample(sample_shape).sqrt()
        triangle = lengths.clamp(min=jtorch.finfo(lengths.dtype).eps).diag_embed()
        row, column = jtorch.tril_indices(n, n, offset=-1)
        normals = jtorch.randn(jtorch.Size(sample_shape) + self._batch_shape + (n * (n - 1) // 2,), **like)
        triangle[..., row, column] = normals
        factor = self._unbroadcasted_scale_tril @ triangle
        return factor @ factor.mT

    def _any(self, flags: Any) -> Any:
        """[*sample_shape]: whether a flag holds somewhere in the batch."""
        return flags.amax([-1 - d for d in range(len(self._batch_shape))]) if self._batch_shape else flags

    def rsample(self, sample_shape: Any = (), max_try_correction: int | None = None) -> Any:
        """Samples; some are drawn again, up to ``max_try_correction`` (10) times.

        Torch takes the regular ones for the singular ones at its first look, so that these are drawn twice.
        """
        sample = self._bartlett_sampling(sample_shape)
        again = self._any(self.support.check(sample))
        for _ in range(10 if max_try_correction is None else max_try_correction):
            count = int(again.sum())
            if not count:
                break
            new = self._bartlett_sampling((count,))
            sample[again] = new
            still = self._any(~self.support.check(new))
            again = again.masked_scatter(again, still)
        return sample

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        df, n = self.df, self._event_shape[-1]
        solved = jtorch.cholesky_solve(value, self._unbroadcasted_scale_tril)
        return (
            (df - n - 1) / 2 * jtorch.linalg.slogdet(value).logabsdet
            - solved.diagonal(dim1=-2, dim2=-1).sum(-1) / 2
            - df * (n * _LOG_2 / 2 + self._half_log_det())
            - jtorch.mvlgamma(df / 2, p=n)
        )

    def entropy(self) -> Any:
        half, n = self.df / 2, self._event_shape[-1]
        return (
            (n + 1) * (n * _LOG_2 / 2 + self._half_log_det())
            + jtorch.mvlgamma(half, p=n)
            - (half - (n + 1) / 2) * _mvdigamma(half, p=n)
            + half * n
        )

    @property
    def _natural_params(self) -> tuple[Any, ...]:
        return -self.precision_matrix / 2, (self.df - self._event_shape[-1] - 1) / 2

    def _log_normalizer(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        n = self._event_shape[-1]
        half = y + (n + 1) / 2
        return half * (n * _LOG_2 - jtorch.linalg.slogdet(-2 * x).logabsdet) + jtorch.mvlgamma(half, p=n)
