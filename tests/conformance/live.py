"""Runs one program on real torch and on jtorch and compares what comes out: values, dtypes, errors, gradients."""

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any

import ml_dtypes
import numpy as np
import torch

import jtorch
from jtorch.engine.report import RecompileWarning
from jtorch.tensor.tensor import tensor_from


def both(array: Any) -> tuple[Any, Any]:
    """The same tensor in torch and in jtorch."""
    array = np.asarray(array)
    if array.dtype.kind == "V" or hasattr(ml_dtypes, array.dtype.name):
        bits = torch.from_numpy(array.view(f"uint{8 * array.itemsize}").copy())
        return bits.view(getattr(torch, array.dtype.name)), tensor_from(array)
    return torch.from_numpy(array.copy()), tensor_from(array)


def outcome(lib: Any, program: Callable, tensors: list, grads: bool) -> tuple[Any, list, Any]:
    """What ``program(lib, *tensors)`` gives, the gradients it leaves, and its error."""
    leaves = [t for t in tensors if grads and (t.is_floating_point() or t.is_complex())]
    for leaf in leaves:
        leaf.requires_grad_(True)
    try:
        made = program(lib, *tensors)
    except Exception as error:
        return None, [], error
    results = made if isinstance(made, (tuple, list)) else (made,)
    if leaves:
        total = 0
        for r in results:
            if isinstance(r, lib.Tensor) and r.requires_grad:
                weights = both(np.cos(np.arange(1, r.numel() + 1.0)).reshape(tuple(r.shape)))[lib is jtorch]
                weighed = lib.view_as_real(r.resolve_conj()).sum(-1) * weights if r.is_complex() else r * weights
                total = total + weighed.sum()
        if isinstance(total, lib.Tensor):
            total.backward()
    return results, [leaf.grad for leaf in leaves], None


def array_of(t: Any) -> Any:
    """A tensor as a NumPy array of a type that can be compared."""
    t = t.detach().resolve_conj()
    if t.dtype in (torch.bfloat16, jtorch.bfloat16):
        t = t.float()
    return t.numpy()


def alike(ours: Any, theirs: Any, tolerance: float, what: str) -> None:
    """One result against torch's: the same kind of thing, shape and dtype, and close values."""
    if not isinstance(theirs, torch.Tensor):
        assert ours == theirs, what
        return
    assert isinstance(ours, jtorch.Tensor), f"{what}: {type(ours)}"
    assert tuple(ours.shape) == tuple(theirs.shape), f"{what}: shape {ours.shape}, torch has {theirs.shape}"
    assert str(ours.dtype) == str(theirs.dtype), f"{what}: {ours.dtype}, torch has {theirs.dtype}"
    np.testing.assert_allclose(array_of(ours), array_of(theirs), rtol=tolerance, atol=tolerance, err_msg=what)


def _in_a_table(compare: Callable) -> Callable:
    """Without the warning that many programs come from one line: that is where a table of cases runs."""

    @wraps(compare)
    def quiet(*args: Any, **kwargs: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RecompileWarning)
            compare(*args, **kwargs)

    return quiet


@_in_a_table
def same(
    program: Callable, *arrays: Any, grads: bool = True, tolerance: float = 1e-5, message: bool = True, what: str = ""
) -> None:
    """Compare ``program(lib, *tensors)`` in both libraries.

    Either both give results, which agree as their gradients do, or both raise the same class of error, and, with
    ``message``, the same first line.
    """
    pairs = [both(a) for a in arrays]
    theirs, their_grads, their_error = outcome(torch, program, [p[0] for p in pairs], grads)
    ours, our_grads, our_error = outcome(jtorch, program, [p[1] for p in pairs], grads)
    if our_error is not None and their_error is None:
        raise our_error
    assert isinstance(our_error, type(their_error)), f"{what}: {our_error!r}, torch raises {their_error!r}"
    if their_error is not None:
        if message:
            first, wanted = (str(e).split("\n")[0] for e in (our_error, their_error))
            assert first == wanted, what
        return
    assert len(ours) == len(theirs), what
    for mine, right in zip(ours, theirs, strict=True):
        alike(mine, right, tolerance, what)
    for i, (mine, right) in enumerate(zip(our_grads, their_grads, strict=True)):
        assert (mine is None) == (right is None), f"{what}: gradient {i} is {mine}, torch has {right}"
        if right is not None:
            alike(mine, right, 10 * tolerance, f"{what}: gradient {i}")
