"""Dropout and randomised ReLU: a mask from the generator, and one recorded operator that applies it.

On the CPU the mask is what torch's generator gives, drawn at once; it enters the program as data.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

import jtorch
from jtorch.composite.table import composite
from jtorch.engine.op import T
from jtorch.engine.value import DIRECT, Value, from_array
from jtorch.ops import random as ops
from jtorch.ops.errors import scalar_type, unsupported
from jtorch.ops.promotion import FLOAT, category
from jtorch.ops.table import OpDef
from jtorch.tensor import call, draws
from jtorch.tensor.bind import float_arg
from jtorch.tensor.generator import chosen, scopes
from jtorch.tensor.sampling import checked_generator, draw, memory_order

_BOOL = np.dtype(np.bool_)


def _checked(name: str, input: Any, p: Any) -> float:
    if not isinstance(input, jtorch.Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    if isinstance(p, str) or not hasattr(p, "__float__"):
        raise TypeError(f"{name}(): argument 'p' (position 2) must be float, not {type(p).__name__}")
    return float(p)


def _mask(input: Any, keep: float, features: bool) -> Value:
    a = input._aval()
    if not features:
        return draw("bernoulli", a.shape, _BOOL, a.device, None, keep, order=memory_order(input))
    if a.ndim < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return draw("bernoulli", (*a.shape[:2], *[1] * (a.ndim - 2)), _BOOL, a.device, None, keep)


def _drop(name: str, op: OpDef, features: bool, input: Any, p: Any, train: Any) -> Any:
    p = _checked(name, input, p)
    if not 0 <= p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p:g}")
    if p == 0 or not train or not input.numel():
        return input
    if p == 1:
        return input * 0
    dtype = input._aval().dtype
    if category(dtype) < FLOAT:
        raise RuntimeError(f"result type Float can't be cast to the desired output type {scalar_type(dtype)}")
    if category(dtype) > FLOAT:
        raise unsupported("bernoulli_scalar_cpu_", dtype)
    mask = _mask(input, 1 - p, features)
    return call.run(op, (T, T, p if op is ops.alpha_dropout else 1 - p), (input._value, mask))


def _declare(name: str, op: OpDef, features: bool, doc: str) -> None:
    def function(input: Any, p: float, train: bool) -> Any:
        return _drop(name, op, features, input, p, train)

    def inplace(input: Any, p: float, train: bool) -> Any:
        return _written(input, _drop(name, op, features, input, p, train))

    for made, title in ((function, name), (inplace, name + "_")):
        made.__name__ = made.__qualname__ = title
        made.__doc__ = doc
        composite("torch")(made)


def _written(input: Any, made: Any) -> Any:
    if made is input:
        return input
    call.check_inplace(input)
    return call.write_result(input, made, "dropout_")


_declare("dropout", ops.dropout, False, "Zero elements with probability ``p`` and divide the others by ``1 - p``.")
_declare("feature_dropout", ops.dropout, True, "Dropout of whole channels, those of (N, C, ...).")
_declare("alpha_dropout", ops.alpha_dropout, False, "Dropout that keeps mean and variance of a SELU's output.")
_declare("feature_alpha_dropout", ops.alpha_dropout, True, "Alpha dropout of whole channels, those of (N, C, ...).")


@composite("torch")
def native_dropout(input: Any, p: float, train: bool | None) -> tuple[Any, Any]:
    """Dropout, and the mask of what was kept (bool)."""
    p = _checked("native_dropout", input, p)
    if not input.numel():
        return input, jtorch.empty_like(input)
    if train is not None and not train:
        return input.clone(), jtorch.ones_like(input, dtype=jtorch.bool)
    mask = jtorch.empty_like(input, dtype=jtorch.bool).bernoulli_(1 - p)
    return input * mask * (0.0 if p == 1 else 1 / (1 - p)), mask


# -- randomised ReLU


def _slopes(x: Any, lower: float, upper: float, generator: Any) -> Value:
    """The slope an element. Torch's CPU kernel draws for elements that are not positive alone, so there it waits."""
    a = x._aval()
    wide = np.dtype(np.float64 if a.dtype == np.float64 else np.float32)
    if a.device != "cpu" or scopes.state is not None or x._value.trace is DIRECT:
        return draw("uniform", a.shape, wide, a.device, generator, lower, upper)
    below = x._host("rrelu") <= 0
    engine: Any = chosen(generator, "cpu").mt
    out = np.ones(a.shape, wide)
    low, high = (float(wide.type(bound)) for bound in (lower, upper))
    out[below] = draws.unit(engine, int(below.sum()), np.dtype(np.float64)) * (high - low) + low
    return from_array(out, "cpu")


def _rrelu(name: str, finish: Callable) -> Callable:
    def function(
        input: Any, lower: float = 0.125, upper: float = 1 / 3, training: bool = False, generator: Any = None
    ) -> Any:
        low, high = float_arg(lower, "lower", name), float_arg(upper, "upper", name)
        for label, bound in (("lower", low), ("upper", high)):
            if not np.isfinite(bound):
                raise RuntimeError(f"rrelu: {label} bound must be finite, got {bound:g}")
        if low > high:
            raise RuntimeError("Lower bound should be less than or equal to the upper bound")
        if not training:
            return finish(input, jtorch.nn.functional.leaky_relu(input, (low + high) / 2))
        dtype = input._aval().dtype
        if category(dtype) != FLOAT or (dtype == np.float16 and input.is_cpu):
            raise unsupported("rrelu_with_noise_out_cpu", dtype)
        noise = _slopes(input, low, high, checked_generator(name, generator))
        return finish(input, call.run(ops.rrelu, (T, T), (input._value, noise)))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        "Leaky ReLU whose slope is drawn from [lower, upper] an element in training, and is their mean otherwise."
    )
    return composite("torch")(function)


rrelu = _rrelu("rrelu", lambda input, made: made)
rrelu_ = _rrelu("rrelu_", _written)
