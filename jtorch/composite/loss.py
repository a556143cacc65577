"""Losses that torch makes of other operators, and the choice among those it has one for.

``reduction`` is 0 for none, 1 for the mean, 2 for the sum, as in the operators of ``ops/loss.py``.
"""

import math
from typing import Any

import numpy as np

import jtorch
from jtorch.composite.table import composite
from jtorch.ops.table import TABLE
from jtorch.tensor.bind import generate
from jtorch.tensor.dtype import SCALAR_NAMES
from jtorch.tensor.tensor import Tensor

_nll_loss, _nll_loss2d, _ctc_loss = (
    generate(TABLE[name], function=True) for name in ("nll_loss", "nll_loss2d", "_ctc_loss")
)
NONE, MEAN, SUM = 0, 1, 2


def _reduced(loss: Any, reduction: int) -> Any:
    return loss if reduction == NONE else loss.mean() if reduction == MEAN else loss.sum()


# --- classes --------------------------------------------------------------------------------------------------------


@composite("_nn")
def nll_loss_nd(input: Any, target: Any, weight: Any = None, reduction: int = 1, ignore_index: int = -100) -> Any:
    """``-weight[target] * input[target]`` of log probabilities (N, C, *) or (C,) and classes (N, *) or ()."""
    run = _nll_loss if input.ndim <= 2 else _nll_loss2d
    return run(input, target, weight, reduction, ignore_index)


@composite("_nn")
def cross_entropy_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    reduction: int = 1,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Any:
    """The negative log likelihood of ``log_softmax(input)``: (N, C, *) or (C,) and classes or probabilities."""
    dim = 0 if input.ndim == 1 else 1
    if input.shape == target.shape:
        return _of_probabilities(input, target, weight, reduction, ignore_index, label_smoothing, dim)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    log_prob = jtorch.log_softmax(input, dim)
    loss = nll_loss_nd(log_prob, target, weight, reduction, ignore_index)
    if label_smoothing == 0.0:
        return loss
    return loss * (1 - label_smoothing) + _smooth(log_prob, target, weight, reduction, ignore_index, dim) * (
        label_smoothing / input.shape[dim]
    )


def _smooth(log_prob: Any, target: Any, weight: Any, reduction: int, ignore_index: int, dim: int) -> Any:
    """The loss of a target that is spread evenly over all classes, times their number."""
    spread = -(log_prob if weight is None else log_prob * _over_classes(weight, log_prob, dim)).sum(dim)
    ignored = (target == ignore_index).reshape(spread.shape)
    spread = spread.masked_fill(ignored, 0.0)
    if reduction != MEAN:
        return _reduced(spread, reduction)
    if weight is None:
        return spread.sum() / (~ignored).sum()
    return spread.sum() / weight[target.masked_fill(target == ignore_index, 0)].masked_fill(ignored, 0.0).sum()


def _over_classes(weight: Any, input: Any, dim: int) -> Any:
    return weight.view([-1 if d == dim else 1 for d in range(input.ndim)])


def _of_probabilities(
    input: Any, target: Any, weight: Any, reduction: int, ignore_index: int, label_smoothing: float, dim: int
) -> Any:
    if not target.is_floating_point():
        raise RuntimeError(
            f"Expected floating point type for target with class probabilities, got {SCALAR_NAMES[target.dtype.name]}"
        )
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    classes = input.shape[dim]
    if weight is not None and (weight.ndim != 1 or weight.numel() != classes):
        raise RuntimeError(
            f"cross_entropy: weight tensor should be defined either for all {classes} classes or no classes but got "
            f"weight tensor of shape: {list(weight.shape)}"
        )
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    log_prob = jtorch.log_softmax(input, dim)
    if label_smoothing > 0.0:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    product = log_prob * target
    if weight is not None:
        product = product * _over_classes(weight, input, dim)
    if reduction == NONE:
        return -product.sum(dim)
    total = -product.sum()
    return total if reduction == SUM or not input.numel() else total / (input.numel() // classes)


# --- distances and margins ------------------------------------------------------------------------------------------


@composite("_nn")
def l1_loss(input: Any, target: Any, reduction: int = 1) -> Any:
    """``|input - target|``."""
    return _reduced((input - target).abs(), reduction)


@composite("torch")
def hinge_embedding_loss(input: Any, target: Any, margin: float = 1.0, reduction: int = 1) -> Any:
    """``input`` where ``target`` is 1, ``max(0, margin - input)`` where it is -1 (and both where it is neither)."""
    short = jtorch.where(target != 1, (margin - input).clamp_min(0), 0)
    return _reduced(short + jtorch.where(target != -1, input, 0), reduction)


@composite("torch")
def margin_ranking_loss(input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: int = 1) -> Any:
    """``max(0, margin - target * (input1 - input2))``."""
    return _reduced((-target * (input1 - input2) + margin).clamp_min(0), reduction)


@composite("torch")
def cosine_embedding_loss(input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: int = 1) -> Any:
    """``1 - cos`` of (N, D) and (N, D) where ``target`` (N,) is 1, ``max(0, cos - margin)`` where it is -1."""
    if target.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if not input1.ndim == input2.ndim == target.ndim + 1:
        raise RuntimeError(
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found inputs with sizes "
            f"{list(input1.shape)} and {list(input2.shape)}."
        )
    dim = target.ndim
    square1, square2 = ((x * x).sum(dim) + 1e-12 for x in (input1, input2))
    cos = (input1 * input2).sum(dim) / (square1 * square2).sqrt()
    near = jtorch.where(target == 1, 1 - cos, 0)
    return _reduced(near + jtorch.where(target == -1, (cos - margin).clamp_min(0), 0), reduction)


@composite("torch")
def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: int = 1,
) -> Any:
    """``max(0, margin + d(anchor, positive) - d(anchor, negative))`` with d the ``p``-norm distance.

    ``swap`` takes d(positive, negative) in place of d(anchor, negative) where that is smaller.
    """
    same_dims(anchor, positive, negative)
    near, far = (jtorch.pairwise_distance(anchor, x, p, eps) for x in (positive, negative))
    if swap:
        far = jtorch.minimum(far, jtorch.pairwise_distance(positive, negative, p, eps))
    return _reduced((margin + near - far).clamp_min(0), reduction)


def same_dims(anchor: Any, positive: Any, negative: Any) -> None:
    """RuntimeError unless the three tensors of a triplet have as many dimensions."""
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D inputs"
        )


# --- distributions --------------------------------------------------------------------------------------------------


@composite("torch")
def kl_div(input: Any, target: Any, reduction: int = 1, *, log_target: bool = False) -> Any:
    """``target * (log(target) - input)``, with ``log_target`` of a target that is a logarithm itself."""
    for x in (input, target):
        if x.is_complex():
            raise RuntimeError("kl_div: Complex inputs not supported.")
        if not x.is_floating_point():
            raise RuntimeError("kl_div: Integral inputs not supported.")
    if log_target:
        return _reduced(target.exp() * (target - input), reduction)
    return _reduced(jtorch.xlogy(target, target) - target * input, reduction)


@composite("torch")
def poisson_nll_loss(input: Any, target: Any, log_input: bool, full: bool, eps: float, reduction: int) -> Any:
    """``exp(input) - target * input``, or with ``log_input`` false ``input - target * log(input + eps)``.

    ``full`` adds Stirling's approximation of ``log(target!)`` where ``target`` is above 1.
    """
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        loss = loss + stirling.masked_fill(target <= 1, 0)
    return _reduced(loss, reduction)


# --- sequences ------------------------------------------------------------------------------------------------------


def _lengths(x: Any, name: str) -> list[int]:
    if isinstance(x, Tensor) and x.is_floating_point():
        raise RuntimeError(f"{name} must be integral")
    return x.tolist() if isinstance(x, Tensor) else list(x)


def _rectangle(targets: Any, lengths: list[int]) -> Any:
    """Targets that follow one another in one dimension, as the rows of a matrix."""
    total = sum(lengths)
    if targets.numel() != total:
        raise RuntimeError(
            f"Expected tensor to have size {total} at dimension 0, but got size {targets.numel()} for argument #2 "
            "'targets' (while checking arguments for ctc_loss_allocate_outputs)"
        )
    index = np.zeros((len(lengths), max(lengths, default=0)), np.int64)
    for i, n in enumerate(lengths):
        index[i, :n] = sum(lengths[:i]) + np.arange(n)
    if not total:
        return targets.new_zeros(index.shape)
    return targets[jtorch.from_numpy(index).to(targets.device)]


@composite("torch")
def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: int = 1,
    zero_infinity: bool = False,
) -> Any:
    """Connectionist temporal classification of (T, N, C) or (T, C): targets are (N, S) or, one after another, 1-d.

    The mean is one over samples of the loss divided by the target's length. ``zero_infinity`` turns infinite losses,
    and their gradients, to 0.
    """
    alone = log_probs.ndim == 2
    if alone:
        log_probs, targets = log_probs.unsqueeze(1), targets.unsqueeze(0)
    elif targets.ndim == 1:
        targets = _rectangle(targets, _lengths(target_lengths, "target_lengths"))
    on = log_probs.device
    in_len, out_len = (jtorch.as_tensor(x, device=on).reshape(-1) for x in (input_lengths, target_lengths))
    loss = _ctc_loss(log_probs, targets, in_len, out_len, blank)
    if zero_infinity:
        loss = jtorch.where(loss == math.inf, 0, loss)
    if reduction == MEAN:
        return (loss / out_len.clamp_min(1)).mean()
    return loss.sum() if reduction == SUM else loss.squeeze(0) if alone else loss
