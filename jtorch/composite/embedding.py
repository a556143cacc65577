"""Linear maps, embeddings and one-hot codes as torch has them: which operator stands for a call, writes in place."""

from typing import Any

import jtorch
from jtorch.composite.table import composite
from jtorch.engine.op import T
from jtorch.ops.linear import BILINEAR, LINEAR
from jtorch.ops.table import TABLE
from jtorch.tensor.bind import generate
from jtorch.tensor.call import check_inplace, straight, write_out, write_result

_linear = {kind: generate(op, function=True) for kind, op in LINEAR.items()}
_bilinear = {kind: generate(op, function=True) for kind, op in BILINEAR.items()}
_THREE = (T, T, T)
_one_hot, _renorm = (generate(TABLE[name], function=True) for name in ("_one_hot", "_embedding_renorm"))


@composite("_nn nn.functional")
def linear(input: Any, weight: Any, bias: Any = None, *, out: Any = None) -> Any:
    """``input @ weight.T + bias``: (*, in), (out, in) or (in,), (out,) -> (*, out).

    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.linear.html
    """
    if out is not None:
        return write_out(out, linear(input, weight, bias), "linear")
    ndim = getattr(input, "ndim", 2)
    if bias is not None:
        kind = "" if ndim == 2 else "view"
        made = straight(LINEAR[kind], _THREE, input, weight, bias)
        if made is not None:
            return made
    elif getattr(weight, "ndim", 2) == 1:
        kind = "mv"
    else:
        kind = "mm" if ndim == 2 else "squeeze" if ndim == 1 else "unsafe_view"
    return _linear[kind](input, weight, bias)


@composite("torch nn.functional")
def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """``input1 @ weight[k] @ input2 + bias[k]`` for each k: (*, i), (*, j), (o, i, j), (o,) -> (*, o).

    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.bilinear.html
    """
    return _bilinear["view" if bias is None else ""](input1, input2, weight, bias)


@composite("torch")
def embedding_renorm_(input: Any, indices: Any, max_norm: float, norm_type: float) -> Any:
    """Scale the rows of ``input`` at ``indices`` down to ``max_norm`` where they pass it, in place."""
    check_inplace(input)
    return write_result(input, _renorm(input, indices, max_norm, norm_type), "embedding_renorm_")


@composite("_nn nn.functional")
def one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """(*) -> (*, num_classes) of 0 and 1; without ``num_classes`` there are as many as the largest element says.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.one_hot.html
    """
    if num_classes == -1:
        if tensor.dtype is not jtorch.int64:
            raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
        if tensor.numel() == 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        if int(tensor.min()) < 0:
            raise RuntimeError("Class values must be non-negative.")
        num_classes = int(tensor.max()) + 1
    elif num_classes < 1:
        problem = (
            "Class values must be smaller than num_classes." if tensor.numel() else "num_classes should be positive"
        )
        raise RuntimeError(problem)
    return _one_hot(tensor, num_classes)
