"""``torch.einsum`` and ``torch.tensordot``: their ways to say which dimensions are meant."""

from collections.abc import Sequence
from string import ascii_lowercase, ascii_uppercase
from typing import Any

import jtorch
from jtorch.composite.table import composite
from jtorch.ops import einsum as ops
from jtorch.tensor import bind, call

_LABELS = ascii_uppercase + ascii_lowercase
_contracting = bind.generate(ops.einsum_contracting, function=True)
_plain = bind.generate(ops.einsum_plain, function=True)
_tensordot = bind.generate(ops.tensordot, function=True)


def _written(subscripts: Sequence) -> str:
    """A list of numbers and ``...`` as the labels of an equation."""
    out = ""
    for s in subscripts:
        if s is not Ellipsis and not 0 <= s < len(_LABELS):
            raise ValueError("einsum(): subscript in subscript list is not within the valid range [0, 52)")
        out += "..." if s is Ellipsis else _LABELS[s]
    return out


@composite("torch")
def einsum(*args: Any) -> Any:
    """``einsum("ij,jk->ik", a, b)``, or ``einsum(a, [0, 1], b, [1, 2], [0, 2])``: the sum of products of the operands.

    Labels are letters; ``...`` stands for dimensions that broadcast. Without ``->`` the output has the labels that
    occur once, in order. https://docs.pytorch.org/docs/stable/generated/torch.einsum.html
    """
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand and its "
            "subscripts list"
        )
    equation, *operands = args
    if isinstance(equation, jtorch.Tensor):
        operands = list(args[:-1:2])
        equation = ",".join(_written(s) for s in args[1::2])
        if len(args) % 2:
            equation += "->" + _written(args[-1])
    elif not isinstance(equation, str):
        kind = type(equation).__name__
        raise TypeError(f"einsum(): argument 'equation' (position 1) must be str, not {kind}")
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = list(operands[0])
    return (_contracting if ops.contracts(equation) else _plain)(equation, operands)


def _pairs(a: Any, b: Any, dims: Any) -> tuple:
    """The dimensions of each tensor to sum over."""
    if isinstance(dims, jtorch.Tensor):
        dims = dims.tolist() if dims.numel() > 1 else int(dims.item())
    if isinstance(dims, (tuple, list)):
        return tuple(dims)
    if not isinstance(dims, int):
        raise RuntimeError(
            "tensordot expects dims to be int or tuple[list[int], list[int]] or list[list[int]] containing two lists, "
            f"but got dims={dims}"
        )
    if dims < 0:
        raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
    if dims > min(a.ndim, b.ndim):
        raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
    return range(-dims, 0), range(dims)


@composite("torch")
def tensordot(a: Any, b: Any, dims: Any = 2, out: Any = None) -> Any:
    """Products summed over the last ``dims`` dimensions of ``a`` and the first of ``b``, or over two lists of them.

    https://docs.pytorch.org/docs/stable/generated/torch.tensordot.html
    """
    made = _tensordot(a, b, *_pairs(a, b, dims))
    return made if out is None else call.write_out(out, made, "tensordot")
