"""The multivariate normal distribution (torch.distributions.MultivariateNormal)."""

import math
from typing import Any

import jtorch
from jtorch.distributions import constraints
from jtorch.distributions.distribution import Distribution
from jtorch.distributions.utils import _standard_normal, lazy_property

__all__ = ["MultivariateNormal"]


def _batch_mv(bmat: Any, bvec: Any) -> Any:
    """Matrices [..., n, m] times vectors [..., m]."""
    return jtorch.matmul(bmat, bvec.unsqueeze(-1)).squeeze(-1)


def _batch_mahalanobis(bL: Any, bx: Any) -> Any:  # noqa: N803  (torch's names)
    """x M^-1 x for M = L L^T: [*batch, n, n] and [*samples, *batch, n] give [*samples, *batch]."""
    n = bx.shape[-1]
    shape = jtorch.broadcast_shapes(bx.shape[:-1], bL.shape[:-2])
    batch = shape[len(shape) - (bL.dim() - 2) :]
    columns = bx.expand(shape + (n,)).reshape((-1,) + batch + (n,)).movedim(0, -1)
    solved = jtorch.linalg.solve_triangular(bL.expand(batch + (n, n)), columns, upper=False)
    return solved.pow(2).sum(-2).movedim(-1, 0).reshape(shape)


def _precision_to_scale_tril(P: Any) -> Any:  # noqa: N803
    """The Cholesky factor of the inverse of [..., n, n], without the inverse: flipped, the factor of P is upper."""
    upper = jtorch.linalg.cholesky(P.flip((-2, -1))).flip((-2, -1))
    eye = jtorch.eye(P.shape[-1], dtype=P.dtype, device=P.device)
    return jtorch.linalg.solve_triangular(upper.mT, eye, upper=False)


class Spread:
    """A spread given by one of three matrices, [*batch, n, n], from which the others follow."""

    def _take_spread(self, param: Any, name: str, batch_shape: Any) -> None:
        setattr(self, name, param.expand(batch_shape + (-1, -1)))

    def _factorize(self, param: Any, name: str) -> None:
        factor = {
            "scale_tril": lambda m: m,
            "covariance_matrix": jtorch.linalg.cholesky,
            "precision_matrix": _precision_to_scale_tril,
        }
        self._unbroadcasted_scale_tril = factor[name](param)

    def _full(self, matrix: Any) -> Any:
        return matrix.expand(self._batch_shape + self._event_shape[-1:] * 2)  # type: ignore[attr-defined]

    @lazy_property
    def scale_tril(self) -> Any:
        """The covariance's Cholesky factor."""
        return self._full(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Any:
        """The covariance, or for Wishart's the scale matrix."""
        return self._full(self._unbroadcasted_scale_tril @ self._unbroadcasted_scale_tril.mT)

    @lazy_property
    def precision_matrix(self) -> Any:
        """The inverse of the covariance."""
        return self._full(jtorch.cholesky_inverse(self._unbroadcasted_scale_tril))

    def _half_log_det(self) -> Any:
        return self._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def one_matrix(error: type[Exception], **given: Any) -> tuple[str, Any]:
    """Name and value of the one that is not None."""
    found = [(name, m) for name, m in given.items() if m is not None]
    if len(found) != 1:
        raise error("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
    return found[0]


class MultivariateNormal(Spread, Distribution):
    """Normal vectors of mean ``loc`` ([..., n]) and a covariance, given by one of three matrices."""

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True
    _parts = {"loc": 1, "covariance_matrix": 2, "scale_tril": 2, "precision_matrix": 2}
    _kept = ("_unbroadcasted_scale_tril",)

    def __init__(
        self, loc: Any, covariance_matrix: Any = None, precision_matrix: Any = None, scale_tril: Any = None,
        validate_args: Any = None,
    ) -> None:  # fmt: skip
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        name, matrix = one_matrix(
            ValueError,
            covariance_matrix=covariance_matrix,
            scale_tril=scale_tril,
            precision_matrix=precision_matrix,
        )
        if matrix.dim() < 2:
            raise ValueError(f"{name} must be at least two-dimensional, with optional leading batch dimensions")
        batch_shape = jtorch.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        self._take_spread(matrix, name, batch_shape)
        self.loc = loc.expand(batch_shape + (-1,))
        super().__init__(batch_shape, self.loc.shape[-1:], validate_args=validate_args)
        self._factorize(matrix, name)

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    @property
    def variance(self) -> Any:
        return self._unbroadcasted_scale_tril.pow(2).sum(-1).expand(self._batch_shape + self._event_shape)

    def rsample(self, sample_shape: Any = ()) -> Any:
        noise = _standard_normal(self._extended_shape(sample_shape), self.loc.dtype, self.loc.device)
        return self.loc + _batch_mv(self._unbroadcasted_scale_tril, noise)

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        distance = _batch_mahalanobis(self._unbroadcasted_scale_tril, value - self.loc)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + distance) - self._half_log_det()

    def entropy(self) -> Any:
        entropy = 0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + self._half_log_det()
        return entropy.expand(self._batch_shape)
