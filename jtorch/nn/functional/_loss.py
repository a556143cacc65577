"""Losses (``torch.nn.functional``): names of reductions, older arguments and checks around the operators.

The formulas are at https://docs.pytorch.org/docs/stable/nn.functional.html#loss-functions.
"""

import math
import warnings
from collections.abc import Callable
from typing import Any

import jtorch
from jtorch.amp.autocast_mode import is_autocast_enabled
from jtorch.composite import loss as _composite
from jtorch.nn import _reduction as _Reduction
from jtorch.nn.functional._kernels import nn

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cosine_embedding_loss",
    "cross_entropy",
    "ctc_loss",
    "gaussian_nll_loss",
    "hinge_embedding_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "linear_cross_entropy",
    "margin_ranking_loss",
    "mse_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]


def _chosen(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The name of the reduction, which the older arguments decide if they are given."""
    if size_average is None and reduce is None:
        return reduction
    return _Reduction.legacy_get_string(size_average, reduce)


def _number(size_average: bool | None, reduce: bool | None, reduction: str) -> int:
    return _Reduction.get_enum(_chosen(size_average, reduce, reduction))


def _by_name(loss: Any, reduction: str, problem: str = "{} is not valid") -> Any:
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(problem.format(reduction))
    return loss if reduction == "none" else loss.mean() if reduction == "mean" else loss.sum()


# --- pairs of elements ----------------------------------------------------------------------------------------------


def _expanded(input: Any, target: Any) -> tuple[Any, Any]:
    """Both, broadcast against each other; a warning where that is needed."""
    if target.size() == input.size():
        return input, target
    warnings.warn(
        f"Using a target size ({target.size()}) that is different to the input size ({input.size()}). This will likely "
        "lead to incorrect results due to broadcasting. Please ensure they have the same size.",
        stacklevel=3,
    )
    return tuple(jtorch.broadcast_tensors(input, target))


def _weighted(loss: Any, input: Any, weight: Any, reduction: str, by_weight: bool) -> Any:
    """``loss * weight`` reduced; the mean is one over the elements, or ``by_weight`` over the weights."""
    if weight.size() != input.size():
        raise ValueError("Weights and input must have the same size.")
    loss = loss * weight
    if reduction == "mean" and by_weight:
        return loss.sum() / weight.sum()
    return _by_name(loss, reduction, "Invalid reduction mode: {}. Expected one of 'none', 'mean', 'sum'.")


def mse_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Any:
    """``(input - target) ** 2``, elements times ``weight``."""
    x, y = _expanded(input, target)
    reduction = _chosen(size_average, reduce, reduction)
    if weight is not None:
        return _weighted((x - y).pow(2), input, weight, reduction, True)
    return nn.mse_loss(x, y, _Reduction.get_enum(reduction))


def l1_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Any:
    """``|input - target|``, elements times ``weight``."""
    x, y = _expanded(input, target)
    reduction = _chosen(size_average, reduce, reduction)
    if weight is not None:
        return _weighted((x - y).abs(), input, weight, reduction, True)
    return nn.l1_loss(x, y, _Reduction.get_enum(reduction))


def smooth_l1_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Any:
    """A square up to a distance of ``beta``, and linear beyond."""
    x, y = _expanded(input, target)
    number = _number(size_average, reduce, reduction)
    return nn.l1_loss(x, y, number) if beta == 0.0 else nn.smooth_l1_loss(x, y, number, beta)


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Any:
    """``delta`` times ``smooth_l1_loss`` with that ``beta``; elements times ``weight``."""
    x, y = _expanded(input, target)
    if weight is not None:
        return _weighted(nn.huber_loss(x, y, 0, delta), input, weight, reduction, False)
    return nn.huber_loss(x, y, _Reduction.get_enum(reduction), delta)


def soft_margin_loss(
    input: Any, target: Any, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
) -> Any:
    """``log(1 + exp(-target * input))``."""
    return nn.soft_margin_loss(input, target, _number(size_average, reduce, reduction))


def hinge_embedding_loss(
    input: Any,
    target: Any,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """``input`` where ``target`` is 1, ``max(0, margin - input)`` where it is -1."""
    return jtorch.hinge_embedding_loss(input, target, margin, _number(size_average, reduce, reduction))


def binary_cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """``-(target * log(input) + (1 - target) * log(1 - input))``."""
    number = _number(size_average, reduce, reduction)
    if is_autocast_enabled("cuda") and input.is_cuda:
        raise RuntimeError(
            "torch.nn.functional.binary_cross_entropy and torch.nn.BCELoss are unsafe to autocast.\n"
            "Use torch.nn.functional.binary_cross_entropy_with_logits or torch.nn.BCEWithLogitsLoss, which are safe to "
            "autocast."
        )
    if target.size() != input.size():
        raise ValueError(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}) is "
            "deprecated. Please ensure they have the same size."
        )
    if weight is not None:
        weight = weight.expand(jtorch.broadcast_shapes(target.size(), weight.size()))
    return nn.binary_cross_entropy(input, target, weight, number)


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Any:
    """``binary_cross_entropy`` of ``sigmoid(input)``, stable for large ``input``."""
    number = _number(size_average, reduce, reduction)
    if target.size() != input.size():
        raise ValueError(f"Target size ({target.size()}) must be the same as input size ({input.size()})")
    return jtorch.binary_cross_entropy_with_logits(input, target, weight, pos_weight, number)


# --- classes --------------------------------------------------------------------------------------------------------


def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """``-weight[target] * input[target]`` of log probabilities (N, C, *) or (C,) and classes (N, *) or ()."""
    return nn.nll_loss_nd(input, target, weight, _number(size_average, reduce, reduction), ignore_index)


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """The negative log likelihood of ``log_softmax(input)``; ``target`` holds classes, or probabilities as ``input``.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html
    """
    number = _number(size_average, reduce, reduction)
    return nn.cross_entropy_loss(input, target, weight, number, ignore_index, label_smoothing)


def linear_cross_entropy(
    input: Any,
    linear_weight: Any,
    target: Any,
    *,
    linear_bias: Any = None,
    weight: Any = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Any:
    """``cross_entropy`` of ``linear(input, linear_weight, linear_bias)``: (N, I) or (I,), (C, *, I), classes.

    ``options`` ask torch to work in chunks for the sake of memory; the result is the same, and XLA decides here.
    """
    if input.dim() not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.dim()}")
    if linear_weight.dim() < 2:
        raise RuntimeError(f"expected linear_weight with dimensionality at least 2, got {linear_weight.dim()}")
    (*batch, width), (*outer, depth) = input.shape, linear_weight.shape
    if width != depth:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), got "
            f"{width} and {depth}, respectively"
        )
    if linear_bias is not None and list(linear_bias.shape) != outer:
        raise RuntimeError(f"expected linear_bias shape {tuple(outer)}, got {tuple(linear_bias.shape)}")
    if len(outer) > 1 and not batch:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(linear_weight.shape)} requires batched input, "
            f"(N, {width}), got unbatched input with shape {tuple(input.shape)}"
        )
    if list(target.shape) == [*batch, *outer] and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    bias = None if linear_bias is None else linear_bias.reshape(-1)
    logits = jtorch.nn.functional.linear(input, linear_weight.reshape(-1, width), bias).reshape(*batch, *outer)
    return cross_entropy(
        logits,
        target,
        weight=weight,
        reduction=reduction,
        ignore_index=-100 if ignore_index is None else ignore_index,
        label_smoothing=label_smoothing,
    )


def multi_margin_loss(
    input: Any,
    target: Any,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """The mean over classes i other than y of ``max(0, margin - x[y] + x[i]) ** p``."""
    number = _number(size_average, reduce, reduction)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.dim() != 1:
        raise ValueError("weight must be one-dimensional")
    return nn.multi_margin_loss(input, target, p, margin, weight, number)


def multilabel_margin_loss(
    input: Any, target: Any, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
) -> Any:
    """Hinges between each label of a sample, up to the first -1, and each class that is none of them."""
    return nn.multilabel_margin_loss(input, target, _number(size_average, reduce, reduction))


def multilabel_soft_margin_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """``binary_cross_entropy_with_logits``, times ``weight``, averaged over classes (the last dimension)."""
    reduction = _chosen(size_average, reduce, reduction)
    log_sigmoid = jtorch.nn.functional.logsigmoid
    loss = -(target * log_sigmoid(input) + (1 - target) * log_sigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return _by_name(loss.sum(dim=input.dim() - 1) / input.size(input.dim() - 1), reduction)


# --- distributions --------------------------------------------------------------------------------------------------


def kl_div(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Any:
    """``target * (log(target) - input)`` of a logarithm ``input``; ``batchmean`` is the sum over the batch size."""
    if size_average is not None or reduce is not None:
        number = _number(size_average, reduce, reduction)
    else:
        if reduction == "mean":
            warnings.warn(
                "reduction: 'mean' divides the total loss by both the batch size and the support size.'batchmean' "
                "divides only by the batch size, and aligns with the KL div math definition.'mean' will be changed to "
                "behave the same as 'batchmean' in the next major release.",
                stacklevel=2,
            )
        number = _Reduction.get_enum("sum" if reduction == "batchmean" else reduction)
    loss = jtorch.kl_div(input, target, number, log_target=log_target)
    return loss / input.size(0) if reduction == "batchmean" and input.dim() else loss


def poisson_nll_loss(
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-08,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """``exp(input) - target * input``: of Poisson counts, where ``input`` is the logarithm of their rate."""
    number = _number(size_average, reduce, reduction)
    return jtorch.poisson_nll_loss(input, target, log_input, full, eps, number)


def gaussian_nll_loss(
    input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-06, reduction: str = "mean"
) -> Any:
    """``(log(var) + (input - target) ** 2 / var) / 2``, with ``var`` at least ``eps``."""
    if isinstance(var, float):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = var * jtorch.ones_like(input)
    elif jtorch.any(var < 0):
        raise ValueError("var has negative entry/entries")
    if var.size() != input.size():
        if input.size()[:-1] == var.size():
            var = var.unsqueeze(-1)
        elif input.ndim != var.ndim or sum(v for x, v in zip(input.shape, var.shape, strict=True) if x != v) != 1:
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    var = var.clone()
    with jtorch.no_grad():
        var.clamp_(min=eps)
    loss = 0.5 * (var.log() + (input - target) ** 2 / var)
    return _by_name(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Any:
    """Connectionist temporal classification of log probabilities (T, N, C) or (T, C).

    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.ctc_loss.html
    """
    number = _Reduction.get_enum(reduction)
    return jtorch.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, number, zero_infinity)


# --- several inputs -------------------------------------------------------------------------------------------------


def margin_ranking_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """``max(0, margin - target * (input1 - input2))``."""
    number = _number(size_average, reduce, reduction)
    if not input1.dim() == input2.dim() == target.dim():
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.size()}, input2: {input2.size()}, target: {target.size()} "
        )
    return jtorch.margin_ranking_loss(input1, input2, target, margin, number)


def cosine_embedding_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """``1 - cos`` of the inputs where ``target`` is 1, ``max(0, cos - margin)`` where it is -1."""
    number = _number(size_average, reduce, reduction)
    return jtorch.cosine_embedding_loss(input1, input2, target, margin, number)


def _check_margin(margin: float) -> None:
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-06,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """``max(0, margin + d(anchor, positive) - d(anchor, negative))`` with d the ``p``-norm distance."""
    number = _number(size_average, reduce, reduction)
    _check_margin(margin)
    return jtorch.triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, number)


def triplet_margin_with_distance_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    distance_function: Callable[[Any, Any], Any] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """``triplet_margin_loss`` with any distance."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    _check_margin(margin)
    _composite.same_dims(anchor, positive, negative)
    distance = distance_function or jtorch.pairwise_distance
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = jtorch.minimum(far, distance(positive, negative))
    return _by_name((margin + near - far).clamp_min(0), reduction)
