"""What the functions of ``torch.nn.functional`` stand on: its operators and composites, and writes in place."""

from types import SimpleNamespace
from typing import Any

from jtorch.tensor import bind
from jtorch.tensor.call import check_inplace, write_result

nn = SimpleNamespace(**{**bind.namespace("_nn"), **bind.composites("_nn")})
"""The operators behind ``torch.nn.functional`` that no public namespace has under these names."""


def finish(input: Any, made: Any, inplace: bool, name: str) -> Any:
    """``made``, or with ``inplace`` the ``input`` it has been written to, as the operator ``name`` with ``_`` would."""
    if not inplace:
        return made
    check_inplace(input)
    return input if made is input else write_result(input, made, name + "_")
