"""Modules called with parameters from outside, and the stacked parameters of an ensemble."""

from collections.abc import Sequence
from typing import Any

import jtorch
from jtorch.nn.utils import stateless

__all__ = ["functional_call", "replace_all_batch_norm_modules_", "stack_module_state"]


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call ``module`` with the given tensors in the place of its own (torch.func.functional_call).

    ``parameter_and_buffer_dicts``: a dict by qualified name, or a sequence of dicts without a name in common (else
    ValueError). With ``tie_weights`` a tensor that has several names is replaced under all of them.
    """
    given = parameter_and_buffer_dicts
    if isinstance(given, Sequence) and not isinstance(given, dict):
        merged: dict[str, Any] = {}
        for each in given:
            if not isinstance(each, dict):
                raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
            twice = sorted(merged.keys() & each.keys())
            if twice:
                raise ValueError(f"{twice} appeared in multiple dictionaries; behavior of functional call is ambiguous")
            merged |= each
        given = merged
    elif not isinstance(given, dict):
        raise ValueError(
            f"Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got {type(given)}"
        )
    return stateless._functional_call(module, given, args, kwargs, tie_weights=tie_weights, strict=strict)


def stack_module_state(models: Sequence[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and buffers of models of one class, stacked along a new first dimension.

    Raises RuntimeError for no models, models of several classes, or a mix of train and eval mode.
    """
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if any(m.training != models[0].training for m in models):
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if any(type(m) is not type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")

    def stacked(named: list[dict[str, Any]], leaves: bool) -> dict[str, Any]:
        out = {}
        for name, first in named[0].items():
            made = jtorch.stack([each[name] for each in named])  # type: ignore[attr-defined]
            out[name] = made.detach().requires_grad_(first.requires_grad) if leaves else made
        return out

    return (
        stacked([dict(m.named_parameters()) for m in models], leaves=True),
        stacked([dict(m.named_buffers()) for m in models], leaves=False),
    )


def replace_all_batch_norm_modules_(root: Any) -> Any:
    """Have the batch norms in ``root`` (returned) track no running statistics, which vmap cannot write to.

    They then normalise by the batch in evaluation, too.
    """
    from jtorch.nn.modules.batchnorm import _BatchNorm

    for module in root.modules():
        if isinstance(module, _BatchNorm):
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root
