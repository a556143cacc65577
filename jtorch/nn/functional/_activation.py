"""Activation functions (``torch.nn.functional``): checks and options around the operators of ``ops/activation.py``.

With ``inplace`` the result is written to ``input``, which is also returned.
"""

import math
import warnings
from collections.abc import Callable
from typing import Any

import jtorch
from jtorch.nn.functional._kernels import finish, nn

__all__ = [
    "celu",
    "celu_",
    "elu",
    "elu_",
    "glu",
    "gumbel_softmax",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "leaky_relu",
    "leaky_relu_",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "relu_",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
]


def relu(input: Any, inplace: bool = False) -> Any:
    """``max(input, 0)``."""
    return jtorch.relu_(input) if inplace else jtorch.relu(input)


def relu6(input: Any, inplace: bool = False) -> Any:
    """``min(max(input, 0), 6)``."""
    return finish(input, nn.relu6(input), inplace, "relu6")


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """``input`` above 0, else ``alpha * (exp(input) - 1)``."""
    return finish(input, nn.elu(input, alpha), inplace, "elu")


def selu(input: Any, inplace: bool = False) -> Any:
    """:func:`elu` with the scale and alpha of arXiv:1706.02515."""
    return jtorch.selu_(input) if inplace else jtorch.selu(input)


def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """``max(0, input) + min(0, alpha * (exp(input / alpha) - 1))``."""
    return jtorch.celu_(input, alpha) if inplace else jtorch.celu(input, alpha)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """``input`` above 0, else ``negative_slope * input``."""
    return finish(input, nn.leaky_relu(input, negative_slope), inplace, "leaky_relu")


def rrelu(input: Any, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False) -> Any:
    """:func:`leaky_relu` with slopes drawn uniformly from [lower, upper) in training, their mean otherwise."""
    for name, bound in (("lower", lower), ("upper", upper)):
        if not math.isfinite(bound):
            raise RuntimeError(f"rrelu: {name} bound must be finite, got {bound}")
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if not training:
        made = nn.leaky_relu(input, (lower + upper) / 2)
    else:
        made = jtorch.where(input > 0, input, input * _slopes(input.detach(), lower, upper))
    return finish(input, made, inplace, "rrelu")


def _slopes(input: Any, lower: float, upper: float) -> Any:
    """A random slope for each element that is not above 0. On the CPU the generator is asked for no more than these,
    in torch's order, which takes their number: the recording is flushed.
    """
    if input.device.type != "cpu":
        return jtorch.empty_like(input).uniform_(lower, upper)
    below = (input <= 0).flatten()
    drawn = jtorch.empty(int(below.sum()), dtype=jtorch.float64).uniform_(lower, upper).to(input.dtype)
    return jtorch.ones_like(input).flatten().masked_scatter(below, drawn).view(input.shape)


def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    """``input`` where it is above ``threshold``, else ``value``."""
    return jtorch.threshold_(input, threshold, value) if inplace else jtorch.threshold(input, threshold, value)


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    """``input`` clamped to [min_val, max_val]. Raises ValueError where that is empty."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return finish(input, nn.hardtanh(input, min_val, max_val), inplace, "hardtanh")


def hardsigmoid(input: Any, inplace: bool = False) -> Any:
    """``relu6(input + 3) / 6``."""
    return finish(input, nn.hardsigmoid(input), inplace, "hardsigmoid")


def hardswish(input: Any, inplace: bool = False) -> Any:
    """``input * relu6(input + 3) / 6``."""
    return finish(input, nn.hardswish(input), inplace, "hardswish")


def silu(input: Any, inplace: bool = False) -> Any:
    """``input * sigmoid(input)``."""
    return finish(input, nn.silu(input), inplace, "silu")


def mish(input: Any, inplace: bool = False) -> Any:
    """``input * tanh(softplus(input))``."""
    return finish(input, nn.mish(input), inplace, "mish")


def glu(input: Any, dim: int = -1) -> Any:
    """``a * sigmoid(b)`` with a and b the halves of ``input`` along ``dim``."""
    return nn.glu(input, dim)


def sigmoid(input: Any) -> Any:
    """``1 / (1 + exp(-input))``."""
    return input.sigmoid()


def tanh(input: Any) -> Any:
    """The hyperbolic tangent."""
    return input.tanh()


def softsign(input: Any) -> Any:
    """``input / (1 + |input|)``."""
    return input / (input.abs() + 1)


def tanhshrink(input: Any) -> Any:
    """``input - tanh(input)``."""
    return input - input.tanh()


def _always_inplace(function: Callable, name: str) -> Callable:
    def apply(input: Any, *args: Any, **kwargs: Any) -> Any:
        return function(input, *args, **kwargs, inplace=True)

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = f":func:`{function.__name__}`, written to ``input``."
    return apply


relu_ = _always_inplace(relu, "relu_")
elu_ = _always_inplace(elu, "elu_")
selu_ = _always_inplace(selu, "selu_")
celu_ = _always_inplace(celu, "celu_")
leaky_relu_ = _always_inplace(leaky_relu, "leaky_relu_")
rrelu_ = _always_inplace(rrelu, "rrelu_")
threshold_ = _always_inplace(threshold, "threshold_")
hardtanh_ = _always_inplace(hardtanh, "hardtanh_")


# --- softmax --------------------------------------------------------------------------------------------------------


def _implicit_dim(name: str, ndim: int, stacklevel: int) -> int:
    """The dim that torch chose before one had to be given: 0 for 0, 1 or 3 dimensions, else 1. Warns."""
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=stacklevel + 1,
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """``exp(input)``, scaled to sum to 1 along ``dim``; computed in ``dtype`` where that is given."""
    if dim is None:
        dim = _implicit_dim("softmax", input.dim(), _stacklevel)
    return input.softmax(dim, dtype=dtype)


def softmin(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """``softmax(-input)``."""
    if dim is None:
        dim = _implicit_dim("softmin", input.dim(), _stacklevel)
    return (-input).softmax(dim, dtype=dtype)


def log_softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """The logarithm of :func:`softmax`, computed as one step."""
    if dim is None:
        dim = _implicit_dim("log_softmax", input.dim(), _stacklevel)
    return input.log_softmax(dim, dtype=dtype)


def gumbel_softmax(logits: Any, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Any:
    """A sample from the Gumbel-softmax distribution (arXiv:1611.01144) along ``dim`` at temperature ``tau``.

    With ``hard`` it is one-hot, but has the gradient of the soft sample.
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    noise = -jtorch.empty_like(logits).exponential_().log()
    soft = ((logits + noise) / tau).softmax(dim)
    if not hard:
        return soft
    chosen = soft.max(dim, keepdim=True)[1]
    return jtorch.zeros_like(logits).scatter_(dim, chosen, 1.0) - soft.detach() + soft
