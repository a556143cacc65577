"""Covariance and correlation matrices of variables in rows."""

import warnings
from typing import Any

import jax.numpy as jnp
import numpy as np

from jtorch.ops.errors import scalar_type
from jtorch.ops.matmul import product
from jtorch.ops.promotion import COMPLEX, FLOAT, INT, category, promote_types, to_float
from jtorch.ops.table import op


def _check_weights(self: Any, weights: Any, name: str, wanted: int, kind: str) -> None:
    if weights.ndim > 1:
        raise RuntimeError(
            f"cov(): expected {name} to have one or fewer dimensions but got {name} with {weights.ndim} dimensions"
        )
    if category(weights.dtype) != wanted:
        raise RuntimeError(
            f"cov(): expected {name} to have {kind} dtype but got {name} with {scalar_type(weights.dtype)} dtype"
        )
    observations = self.shape[-1] if self.ndim else 1
    if weights.size != observations:
        raise RuntimeError(
            f"cov(): expected {name} to have the same numel as there are observations in the input but got "
            f"{weights.size} != {observations}"
        )


def _bad_weights(self: Any, *, correction: int, fweights: Any, aweights: Any) -> list:
    found = [
        (jnp.any(w < 0), RuntimeError, f"cov(): {name} cannot be negative")
        for w, name in ((fweights, "fweights"), (aweights, "aweights"))
        if w is not None
    ]
    weights = _weights(fweights, aweights)
    if weights is not None and self.size:
        found.append((weights.sum() == 0, RuntimeError, "cov(): weights sum to zero, can't be normalized"))
    return found


def _weights(fweights: Any, aweights: Any) -> Any:
    if fweights is None or aweights is None:
        return aweights if fweights is None else fweights
    return fweights.astype(aweights.dtype) * aweights


@op("cov(Tensor self, *, int correction=1, Tensor? fweights=None, Tensor? aweights=None) -> Tensor", out=False,
    check=_bad_weights, grad_name="SqueezeBackward0")  # fmt: skip
def cov(self: Any, *, correction: int, fweights: Any, aweights: Any) -> Any:
    """Covariance of the rows of ``self`` ``(variables, observations)``; 1-d input is one variable."""
    if self.ndim > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {self.ndim} dimensions"
        )
    if self.dtype == np.bool_:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    if fweights is not None:
        _check_weights(self, fweights, "fweights", INT, "integral")
    if aweights is not None:
        _check_weights(self, aweights, "aweights", FLOAT, "floating point")
    dtype = to_float(self.dtype) if aweights is None else promote_types(to_float(self.dtype), aweights.dtype)
    x = jnp.atleast_2d(self).astype(dtype)
    weights = _weights(fweights, aweights)
    n = x.shape[1]
    if weights is None:
        total: Any = n
        mean = x.mean(1, keepdims=True)
        freedom: Any = n - correction
        if freedom <= 0:
            warnings.warn(
                "cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of "
                "observations.",
                UserWarning,
                stacklevel=2,
            )
        freedom = max(freedom, 0)
    else:
        weights = weights.reshape(n).astype(dtype)
        total = weights.sum()
        mean = (x * weights).sum(1, keepdims=True) / total
        if aweights is None:
            freedom = total - correction
        else:
            freedom = total - correction * (weights * aweights.reshape(n).astype(dtype)).sum() / total
        freedom = jnp.maximum(freedom.real, 0)
    centred = x - mean
    weighted = centred if weights is None else centred * weights
    return jnp.squeeze(product(weighted, centred.T.conj()) / freedom)


@op("corrcoef(Tensor self) -> Tensor", out=False, grad_name="ClampBackward1")
def corrcoef(self: Any) -> Any:
    """Pearson correlation of the rows of ``self``, kept within [-1, 1]."""
    if self.ndim > 2:
        raise RuntimeError(
            f"corrcoef(): expected input to have two or fewer dimensions but got an input with {self.ndim} dimensions"
        )
    c = cov(self)
    if c.ndim == 0:
        return c / c
    spread = jnp.sqrt(jnp.diagonal(c).real)
    c = c / spread[:, None] / spread
    if category(c.dtype) == COMPLEX:
        return jnp.clip(c.real, -1, 1) + 1j * jnp.clip(c.imag, -1, 1)
    return jnp.clip(c, -1, 1)
