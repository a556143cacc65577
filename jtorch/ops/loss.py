"""Losses that torch has an operator for (https://docs.pytorch.org/docs/stable/nn.functional.html#loss-functions).

``reduction`` is 0 for none, 1 for the mean, 2 for the sum. Halves are computed in float32 and rounded once.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jtorch.ops import promotion
from jtorch.ops.derivatives import with_partials
from jtorch.ops.errors import scalar_type, unsupported
from jtorch.ops.indices import Check, fetch
from jtorch.ops.matmul import broadcast_batch
from jtorch.ops.precision import is_half, wide
from jtorch.ops.promotion import BOOL, FLOAT, INT, category
from jtorch.ops.table import OpDef, op

NONE, MEAN, SUM = 0, 1, 2


def reduced(loss: Any, reduction: int) -> Any:
    """``loss``, its mean or its sum."""
    return loss if reduction == NONE else loss.mean() if reduction == MEAN else loss.sum()


def _only_floats(kernel: str, x: Any) -> None:
    if category(x.dtype) != FLOAT:
        raise unsupported(kernel, x.dtype)


# --- losses of pairs of elements ------------------------------------------------------------------------------------


def _pairwise(schema: str, kernel: str, fn: Callable, doc: str, *, own_dtype: bool = False, **fields: Any) -> OpDef:
    """Declare ``fn(input, target, ...)``, elementwise and then reduced, in their common dtype (or ``input``'s own)."""

    def loss(self: Any, target: Any, *args: Any) -> Any:
        common = promotion.result_type(self, target)
        if category(common) != FLOAT:
            raise unsupported(kernel, common)
        broadcast_batch(self.shape, target.shape)
        reduction, *rest = args
        made = fn(*(wide(promotion.cast(x, common)) for x in (self, target)), *rest)
        return reduced(made, reduction).astype(self.dtype if own_dtype else common)

    loss.__doc__ = doc
    return op(schema, **{"expose": "_nn", "saves": "self target", **fields})(loss)


def _smooth_l1(x: Any, y: Any, beta: float) -> Any:
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    away = jnp.abs(x - y)
    if beta == 0:
        return away
    return jnp.where(away < beta, 0.5 * away * away / beta, away - 0.5 * beta)


def _huber(x: Any, y: Any, delta: float) -> Any:
    if not delta > 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    away = jnp.abs(x - y)
    return jnp.where(away <= delta, 0.5 * away * away, delta * (away - 0.5 * delta))


mse_loss = _pairwise(
    "mse_loss(Tensor self, Tensor target, int reduction=1) -> Tensor",
    "mse_cpu",
    lambda x, y: lax.square(x - y),
    "``(self - target) ** 2``.",
)
smooth_l1_loss = _pairwise(
    "smooth_l1_loss(Tensor self, Tensor target, int reduction=1, float beta=1.0) -> Tensor",
    "smooth_l1_cpu",
    _smooth_l1,
    "``d ** 2 / (2 * beta)`` where the distance d is below ``beta``, else ``d - beta / 2``.",
    grad_name="SmoothL1LossBackward0",
)
huber_loss = _pairwise(
    "huber_loss(Tensor self, Tensor target, int reduction=1, float delta=1.0) -> Tensor",
    "huber_cpu",
    _huber,
    "``d ** 2 / 2`` up to a distance d of ``delta``, and from there on ``delta * (d - delta / 2)``.",
    own_dtype=True,
)


@op("soft_margin_loss(Tensor self, Tensor target, int reduction=1) -> Tensor", expose="_nn",
    saves="self target")  # fmt: skip
def soft_margin_loss(self, target, reduction=1):
    """``log(1 + exp(-target * self))``, in the dtype of ``self``."""
    if category(self.dtype) == BOOL:
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use "
            "the `~` or `logical_not()` operator instead."
        )
    if category(self.dtype) != FLOAT:
        raise RuntimeError(f"result type Float can't be cast to the desired output type {scalar_type(self.dtype)}")
    broadcast_batch(self.shape, target.shape)
    x, y = wide(self), wide(target)
    loss = jax.nn.softplus(-y.astype(promotion.promote_types(x.dtype, y.dtype)) * x)
    return reduced(loss, reduction).astype(self.dtype)


# --- binary cross entropy -------------------------------------------------------------------------------------------


def _log(x: Any) -> Any:
    return jnp.maximum(jnp.log(x), -100)


@with_partials(lambda _, x, y: (x - y) / jnp.maximum(x * (1 - x), 1e-12), lambda _, x, y: jnp.log1p(-x) - jnp.log(x))
def _cross_entropy_of_chances(x: Any, y: Any) -> Any:
    return -(y * _log(x) + (1 - y) * jnp.maximum(jnp.log1p(-x), -100))


def _not_chances(self: Any, target: Any, *_: Any) -> Check:
    return [
        (~((x >= 0) & (x <= 1)).all(), RuntimeError, f"all elements of {name} should be between 0 and 1")
        for name, x in (("input", self), ("target", target))
    ]


@op("binary_cross_entropy(Tensor self, Tensor target, Tensor? weight=None, int reduction=1) -> Tensor", expose="_nn",
    saves="self target weight", check=_not_chances)  # fmt: skip
def binary_cross_entropy(self, target, weight=None, reduction=1):
    """``-(target * log(self) + (1 - target) * log(1 - self))``, with logarithms no less than -100."""
    if category(self.dtype) in (BOOL, INT):
        raise unsupported("binary_cross_entropy", self.dtype)
    if target.dtype != self.dtype:
        raise RuntimeError(f"Found dtype {scalar_type(target.dtype)} but expected {scalar_type(self.dtype)}")
    _only_floats("binary_cross_entropy", self)
    loss = _cross_entropy_of_chances(wide(self), wide(target))
    if weight is not None:
        loss = loss * weight.astype(loss.dtype)
    return reduced(loss, reduction).astype(self.dtype)


@op("binary_cross_entropy_with_logits(Tensor self, Tensor target, Tensor? weight=None, Tensor? pos_weight=None, "
    "int reduction=1) -> Tensor", expose="torch", out=False,
    saves="self target weight pos_weight")  # fmt: skip
def binary_cross_entropy_with_logits(self, target, weight=None, pos_weight=None, reduction=1):
    """``binary_cross_entropy`` of ``sigmoid(self)``, the term of ``target`` times ``pos_weight``."""
    _only_floats("log_sigmoid_cpu", self)
    if category(target.dtype) < FLOAT:
        raise RuntimeError(f"result type Float can't be cast to the desired output type {scalar_type(target.dtype)}")
    dtype = promotion.result_type(self, target, weight, pos_weight)
    given: list[Any] = [
        None if a is None else wide(promotion.cast(a, dtype)) for a in (self, target, weight, pos_weight)
    ]
    x, y, w, pos = given
    if pos is not None:
        broadcast_batch(pos.shape, x.shape)
    if w is not None:
        broadcast_batch(x.shape, w.shape)
    miss = jax.nn.softplus(-x)  # -log(sigmoid(x))
    loss = (1 - y) * x + (miss if pos is None else ((pos - 1) * y + 1) * miss)
    return reduced(loss if w is None else loss * w, reduction).astype(dtype)


# --- losses of classes ----------------------------------------------------------------------------------------------


def _check_nll(x: Any, target: Any, weight: Any) -> None:
    if x.ndim < 1:
        raise ValueError(f"Expected 1 or more dimensions (got {x.ndim})")
    if target.dtype not in (np.int64, np.uint8):
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {scalar_type(target.dtype)}")
    if x.ndim == 1 and target.ndim == 1 and target.shape[0] != 1:
        raise ValueError(f"For 1D input, 1D target must have size 1, but got target size: {target.shape[0]}")
    if x.ndim != 1 and target.ndim == 0:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    if x.ndim != 1 and x.shape[0] != target.shape[0]:
        raise ValueError(f"Expected input batch_size ({x.shape[0]}) to match target batch_size ({target.shape[0]}).")
    if x.ndim <= 2 and target.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if x.ndim == 4 and target.ndim != 3:
        raise RuntimeError(
            f"only batches of spatial targets supported (3D tensors) but got targets of dimension: {target.ndim}"
        )
    want = (*x.shape[:1], *x.shape[2:])
    if x.ndim == 4 and target.shape != want:
        raise RuntimeError(f"size mismatch (got input: {list(x.shape)} , target: {list(target.shape)}")
    if x.ndim > 2 and target.shape != want:
        raise RuntimeError(f"Expected target size {list(want)}, got {list(target.shape)}")
    classes = x.shape[1 if x.ndim > 1 else 0]
    if weight is not None and (weight.ndim != 1 or weight.size != classes):
        if x.ndim > 2:
            raise RuntimeError("weight tensor should be defined either for all or no classes")
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or no classes but got weight tensor of "
            f"shape: {list(weight.shape)}"
        )
    if weight is not None and weight.dtype != x.dtype:
        raise RuntimeError(f"expected scalar type {scalar_type(x.dtype)} but found {scalar_type(weight.dtype)}")
    if x.ndim > 2 and target.dtype != np.int64:
        raise RuntimeError(f"expected scalar type Long but found {scalar_type(target.dtype)}")
    _only_floats("nll_loss_out_frame", x)


def _target_checks(self: Any, target: Any, weight: Any = None, reduction: int = 1, ignore_index: int = -100) -> Check:
    classes = self.shape[1 if self.ndim > 1 else 0]
    bad = ((target < 0) | (target >= classes)) & (target != ignore_index)
    return [(bad.any(), IndexError, f"Target is out of bounds: there are {classes} classes.")]


def _of_class(x: Any, target: Any, axis: int) -> Any:
    """``x`` at the class that ``target`` names along ``axis``: a comparison, which fuses with what is around it."""
    places = lax.broadcasted_iota(np.int32, x.shape, axis)
    return jnp.where(places == jnp.expand_dims(target.astype(np.int32), axis), x, 0).sum(axis)


def _nll(self: Any, target: Any, weight: Any = None, reduction: int = 1, ignore_index: int = -100) -> Any:
    """``-weight[target] * self[target]`` of log probabilities (N, C, *) or (C,) and classes (N, *) or ().

    The mean is weighted. Raises ValueError and RuntimeError for shapes and dtypes that do not fit, and IndexError for a
    class out of range once the data is known.
    """
    _check_nll(self, target, weight)
    axis = 1 if self.ndim > 1 else 0
    x, target = wide(self), target.reshape(()) if self.ndim == 1 else target
    counts = target != ignore_index
    share = counts.astype(x.dtype)
    if weight is not None:
        share = jnp.where(counts, fetch(wide(weight), (jnp.where(counts, target, 0),)), 0)
    loss = jnp.where(counts, -_of_class(x, target, axis) * share, 0)
    if reduction == MEAN:
        loss = loss.sum() / share.sum()
    elif reduction == SUM:
        loss = loss.sum()
    return loss.astype(self.dtype)


_NLL = "(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, int ignore_index=-100) -> Tensor"
_FIELDS: dict[str, Any] = {
    "expose": "_nn",
    "saves": "self target weight",
    "check": _target_checks,
}
nll_loss = op(f"nll_loss{_NLL}", **_FIELDS)(_nll)
nll_loss2d = op(f"nll_loss2d{_NLL}", grad_name="NllLoss2DBackward0", **_FIELDS)(_nll)


def _above_zero(x: Any) -> Any:
    """``max(x, 0)``, whose derivative at 0 is 0."""
    return jnp.where(x > 0, x, 0)


def _check_matrix(x: Any) -> None:
    if x.ndim > 2 or x.shape[-1:] == (0,):
        raise RuntimeError(
            f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {list(x.shape)}"
        )


def _margin_target_checks(self: Any, target: Any, *_: Any) -> Check:
    bad = ((target < 0) | (target >= math.prod(self.shape[-1:]))).any()
    return [(bad, RuntimeError, "target out of range")]


@op("multi_margin_loss(Tensor self, Tensor target, Scalar p=1, Scalar margin=1, Tensor? weight=None, int reduction=1)"
    " -> Tensor", expose="_nn", static=("p", "margin"), saves="self target weight",
    check=_margin_target_checks)  # fmt: skip
def multi_margin_loss(self, target, p=1, margin=1, weight=None, reduction=1):
    """The mean over classes i other than y of ``max(0, margin - x[y] + x[i]) ** p * weight[y]``: (N, C), (N,)."""
    if p not in (1, 2):
        raise RuntimeError("only p == 1 and p == 2 supported")
    _check_matrix(self)
    rows = self.shape[0] if self.ndim == 2 else 1
    if target.ndim > 1 or target.size != rows:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input samples (batch "
            f"size). Expected target size [{rows}], but got {list(target.shape)}. Input has shape {list(self.shape)}."
        )
    classes = math.prod(self.shape[-1:])
    if weight is not None and (weight.ndim != 1 or weight.size != classes):
        raise RuntimeError(f"inconsistent weight size, expected {classes} but got {list(weight.shape)}")
    if target.dtype != np.int64:
        raise RuntimeError(f"expected scalar type Long but found {scalar_type(target.dtype)}")
    if weight is not None and weight.dtype != self.dtype:
        raise RuntimeError(f"expected scalar type {scalar_type(self.dtype)} but found {scalar_type(weight.dtype)}")
    if category(self.dtype) != FLOAT or is_half(self.dtype):
        raise unsupported("multi_margin_loss_cpu_kernel", self.dtype)
    x, y = self.reshape(rows, classes), target.reshape(rows)
    own = _of_class(x, y, 1)[:, None]
    short = _above_zero(margin - own + x) ** int(p)
    if weight is not None:
        short = short * fetch(weight, (y,))[:, None]
    loss = jnp.where(jnp.arange(classes) == y[:, None], 0, short).sum(1) / classes
    return reduced(loss if self.ndim == 2 or target.ndim else loss[0], reduction)


def _label_checks(self: Any, target: Any, *_: Any) -> Check:
    bad = ((target < -1) | (target >= math.prod(self.shape[-1:]))).any()
    return [(bad, RuntimeError, "argument #2 'target' is out of range")]


@op("multilabel_margin_loss(Tensor self, Tensor target, int reduction=1) -> Tensor", expose="_nn",
    saves="self target", check=_label_checks)  # fmt: skip
def multilabel_margin_loss(self, target, reduction=1):
    """The sum over labels y (up to a -1) and other classes i of ``max(0, 1 - x[y] + x[i]) / C``: (N, C) and (N, C)."""
    _check_matrix(self)
    if target.shape != self.shape:
        raise RuntimeError(f"inconsistent target size: {list(target.shape)} for input of size: {list(self.shape)}")
    if target.dtype != np.int64:
        raise RuntimeError(f"expected scalar type Long but found {scalar_type(target.dtype)}")
    if category(self.dtype) != FLOAT or is_half(self.dtype):
        raise unsupported("multilabel_margin_loss_forward_out_frame", self.dtype)
    x, y = jnp.atleast_2d(self), jnp.atleast_2d(target)
    classes = x.shape[1]
    given = jnp.cumsum(y < 0, 1) == 0
    labels = jnp.where(given, y, 0)
    is_label = ((labels[:, :, None] == jnp.arange(classes)) & given[:, :, None]).any(1)
    short = _above_zero(1 - jnp.take_along_axis(x, labels, 1)[:, :, None] + x[:, None, :])
    loss = jnp.where(given[:, :, None] & ~is_label[:, None, :], short, 0).sum((1, 2)) / classes
    return reduced(loss if self.ndim == 2 else loss[0], reduction)
