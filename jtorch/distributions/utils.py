"""Helpers of the distributions (torch.distributions.utils)."""

import math
from collections.abc import Callable
from functools import update_wrapper
from numbers import Number
from typing import Any

import jax

import jtorch

euler_constant = 0.57721566490153286060

__all__ = [
    "all_true", "broadcast_all", "clamp_probs", "euler_constant", "lazy_property", "logits_to_probs",
    "probs_to_logits", "tril_matrix_to_vec", "vec_to_tril_matrix",
]  # fmt: skip


def broadcast_all(*values: Any) -> tuple[Any, ...]:
    """The values in their common shape. Numbers become tensors like the first tensor, or of the default dtype.

    Raises ValueError for what is neither a tensor nor a number.
    """
    if not all(isinstance(v, (jtorch.Tensor, Number)) for v in values):
        raise ValueError(
            "Input arguments must all be instances of Number, torch.Tensor or objects implementing __torch_function__."
        )
    like = next((v for v in values if isinstance(v, jtorch.Tensor)), None)
    options = {"dtype": jtorch.get_default_dtype()} if like is None else {"dtype": like.dtype, "device": like.device}
    return tuple(
        jtorch.broadcast_tensors(
            *[v if isinstance(v, jtorch.Tensor) else jtorch.as_tensor(v, **options) for v in values]
        )
    )


def all_true(valid: Any) -> bool:
    """Whether a bool tensor holds True alone; what nobody can tell, under ``jax.jit``, counts as true."""
    try:
        return bool(valid.all())
    except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError):
        return True


def _standard_normal(shape: Any, dtype: Any, device: Any) -> Any:
    return jtorch.randn(shape, dtype=dtype, device=device)


def _sum_rightmost(value: Any, dim: int) -> Any:
    """The sum over the last ``dim`` dims."""
    return value if dim == 0 else value.reshape(value.shape[: value.dim() - dim] + (-1,)).sum(-1)


def logits_to_probs(logits: Any, is_binary: bool = False) -> Any:
    """Probabilities from log odds (``is_binary``), or from unnormalized log probabilities over the last dim."""
    return jtorch.sigmoid(logits) if is_binary else jtorch.softmax(logits, dim=-1)


def clamp_probs(probs: Any) -> Any:
    """Probabilities kept off 0 and 1 by the dtype's epsilon."""
    eps = jtorch.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Any, is_binary: bool = False) -> Any:
    """What :func:`logits_to_probs` undoes; of probabilities 0 and 1 finite numbers too."""
    clamped = clamp_probs(probs)
    return jtorch.log(clamped) - jtorch.log1p(-clamped) if is_binary else jtorch.log(clamped)


class lazy_property:  # noqa: N801  (torch's name)
    """A property that is computed when first asked for, and kept in the instance."""

    def __init__(self, wrapped: Callable) -> None:
        self.wrapped = wrapped
        update_wrapper(self, wrapped)  # type: ignore[arg-type]

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return _LazyOfClass(self.wrapped)
        with jtorch.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value


class _LazyOfClass(lazy_property, property):
    """What the class shows of a lazy property: a property too, for tools that look at classes."""

    def __init__(self, wrapped: Callable) -> None:
        property.__init__(self, wrapped)
        self.wrapped = wrapped


def tril_matrix_to_vec(mat: Any, diag: int = 0) -> Any:
    """The lower triangles of [..., D, D] up to the diagonal ``diag``, row by row, as [..., N]."""
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    row, column = jtorch.tril_indices(n, n, diag, device=mat.device)
    return mat[..., row, column]


def vec_to_tril_matrix(vec: Any, diag: int = 0) -> Any:
    """What :func:`tril_matrix_to_vec` undoes, zeros above; raises ValueError where no matrix has N such elements."""
    size = (math.sqrt((1 + 2 * diag) ** 2 + 8 * vec.shape[-1] + 4 * abs(diag) * (diag + 1)) - (1 + 2 * diag)) / 2
    n = round(size)
    if abs(size - n) > jtorch.finfo(vec.dtype).eps:
        raise ValueError(
            f"The size of last dimension is {vec.shape[-1]} which cannot be expressed as "
            "the lower triangular part of a square D x D matrix."
        )
    row, column = jtorch.tril_indices(n, n, diag, device=vec.device)
    mat = jtorch.zeros((*vec.shape[:-1], n, n), dtype=vec.dtype, device=vec.device)
    mat[..., row, column] = vec
    return mat
