"""Clipping gradients (``torch.nn.utils.clip_grad``).

The norm of all gradients is one recorded operator and so is their scaling; nothing waits for a value unless
``error_if_nonfinite`` asks a question about one. ``foreach`` chooses between kernels in torch and means nothing here.
"""

import types
import warnings
from collections.abc import Iterable
from typing import Any

import jax.numpy as jnp

import jtorch
from jtorch.tensor.fused import assign, fused
from jtorch.tensor.tensor import Tensor

__all__ = ["clip_grad_norm_", "clip_grad_norm", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


def _wide(x: Any) -> Any:
    return x.astype(jnp.float32) if x.dtype.itemsize < 4 else x


def _norm(x: Any, order: float) -> Any:
    """The vector norm of all elements, computed at least in float32, in the dtype of ``x``."""
    size = jnp.abs(_wide(x.reshape(-1)))
    if order == float("inf"):
        norm = size.max(initial=0)
    elif order == float("-inf"):
        norm = size.min()
    elif order == 2:
        norm = jnp.sqrt((size * size).sum())
    elif order == 0:
        norm = (size != 0).sum().astype(size.dtype)
    else:
        norm = (size**order).sum() ** (1.0 / order)
    return norm.astype(jnp.zeros((), x.dtype).real.dtype)


def _total_norm(*args: Any) -> tuple:
    *arrays, order = args
    return (_norm(jnp.stack([_norm(x, order) for x in arrays]), order),)


def _scaled(*args: Any) -> tuple:
    *arrays, factor, _ = args
    return tuple((_wide(x) * factor.astype(_wide(x).dtype)).astype(x.dtype) for x in arrays)


def _clamped(*args: Any) -> tuple:
    *arrays, bound = args
    return tuple(jnp.clip(x, jnp.asarray(-bound, x.dtype), jnp.asarray(bound, x.dtype)) for x in arrays)


def _by_device(tensors: list) -> dict[Any, list]:
    groups: dict[Any, list] = {}
    for t in tensors:
        groups.setdefault(t.device, []).append(t)
    return groups


def _listed(parameters: Any) -> list:
    """The parameters as a list: what came as a generator can be walked only once."""
    if isinstance(parameters, Tensor):
        return [parameters]
    listed = list(parameters)
    if not listed and isinstance(parameters, types.GeneratorType):
        warnings.warn("`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=3)
    return listed


def _gradients(parameters: Any) -> list:
    return [p.grad for p in _listed(parameters) if p.grad is not None]


def get_total_norm(
    tensors: Any, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Any:
    """The norm of all tensors together, as if they were one vector: a 0-d tensor, on the first one's device.

    ``error_if_nonfinite`` looks at the value, and raises RuntimeError if it is infinite or NaN.
    """
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    order = float(norm_type)
    if not tensors:
        return jtorch.zeros(())
    norms: list[Any] = [fused("total_norm", _total_norm, order, group)[0] for group in _by_device(tensors).values()]
    total = norms[0]
    if len(norms) > 1:
        total = fused("total_norm", _total_norm, order, [n.to(tensors[0].device) for n in norms])[0]
    if error_if_nonfinite and not bool(jtorch.isfinite(total)):
        raise RuntimeError(
            f"The total norm of order {order} for gradients from `parameters` is non-finite, so it cannot be clipped. "
            "To disable this error and scale the gradients by the non-finite norm anyway, set "
            "`error_if_nonfinite=False`"
        )
    return total


def clip_grads_with_norm_(
    parameters: Iterable[Any] | Any, max_norm: float, total_norm: Any, foreach: bool | None = None
) -> None:
    """Scale the gradients in place by ``max_norm / total_norm``, if that is less than 1."""
    grads = _gradients(parameters)
    if not grads:
        return
    with jtorch.no_grad():
        # Scaling by 1 where nothing is to be clipped avoids asking whether it is.
        factor = (max_norm / (total_norm + 1e-6)).clamp(max=1.0)
        for device, group in _by_device(grads).items():
            for grad, new in zip(group, fused("clip_grads", _scaled, (), [*group, factor.to(device)]), strict=True):
                assign(grad, new)


def clip_grad_norm_(
    parameters: Iterable[Any] | Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """Scale the gradients in place so that their common norm is at most ``max_norm``. Returns the norm before.

    Arguments:
        parameters: a tensor or an iterable of tensors, those without gradient being left out.
        max_norm: the largest norm allowed.
        norm_type: order of the norm, ``inf`` included.
        error_if_nonfinite: raise RuntimeError if the norm is infinite or NaN.
    """
    parameters = _listed(parameters)
    total_norm = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(parameters, max_norm, total_norm, foreach)
    return total_norm


def clip_grad_norm(
    parameters: Iterable[Any] | Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """Deprecated: use :func:`clip_grad_norm_`."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of `torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def clip_grad_value_(parameters: Iterable[Any] | Any, clip_value: float, foreach: bool | None = None) -> None:
    """Clamp every gradient in place to [-clip_value, clip_value]."""
    bound = float(clip_value)
    for group in _by_device(_gradients(parameters)).values():
        for grad, new in zip(group, fused("clip_grad_value", _clamped, bound, group), strict=True):
            assign(grad, new)
