"""Calling operators: on the host or in the trace, overloads, out=, errors, named results."""

import numpy as np
import pytest

import jtorch as torch
from jtorch.engine import record
from jtorch.tensor import call


def test_small_data_is_computed_at_once():
    x = torch.ones(4)
    y = x * 2 + 1
    assert type(y._v.array) is np.ndarray and y.tolist() == [3] * 4
    big = torch.ones(call.HOST_LIMIT + 1)
    assert (big * 2)._v.array is None
    assert (torch.ones(4, requires_grad=True) * 2)._v.array is None
    with torch.no_grad():
        assert (torch.ones(4, requires_grad=True) * 2)._v.array is not None
    assert (y + (big * 2)[:4])._v.array is None  # something is pending


@pytest.mark.parametrize(
    "program",
    [
        lambda x: x * 2 + 1, lambda x: x.sum(0), lambda x: x.max(1).values, lambda x: x[1:] - x[:-1],
        lambda x: x.t() @ x,
        lambda x: torch.cat([x, x * 2]), lambda x: x.float().softmax(-1), lambda x: x.sort(descending=True).indices,
        lambda x: torch.where(x > 2, x, -x), lambda x: x.clone().add_(5).clamp_(max=7), lambda x: x // 2 % 3,
        lambda x: x.argmax(),
        lambda x: x.cumsum(1), lambda x: x.double().std(0), lambda x: (x > 1).any(), lambda x: x.view(-1)[[0, -1]],
    ],
)  # fmt: skip
@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_both_ways_agree(program, dtype, monkeypatch):
    x = torch.arange(12).view(3, 4).to(getattr(torch, dtype))
    here = program(x)
    monkeypatch.setattr(call, "HOST_LIMIT", -1)
    there = program(x)
    monkeypatch.setattr(record, "eager", True)
    eager = program(x)
    for made in (there, eager):
        assert made.dtype is here.dtype and np.allclose(made.numpy(), here.numpy())


def test_overloads():
    x = torch.tensor([[3, 1], [2, 5]])
    assert (
        torch.max(x).item() == 5
        and torch.max(x, 0)[0].tolist() == [3, 5]
        and torch.max(x, x * 0 + 2).tolist() == [[3, 2], [2, 5]]
    )
    assert (
        x.sum().item() == 11
        and x.sum(0).tolist() == [5, 6]
        and x.sum((0, 1)).item() == 11
        and x.sum(dim=1).tolist() == [4, 7]
    )
    assert x.sum(axis=1, keepdims=True).shape == (2, 1) and torch.max(x, axis=0)[0].tolist() == [3, 5]
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'dim'"):
        x.cumsum()
    assert torch.pow(2, x).tolist() == [[8, 2], [4, 32]] and torch.pow(x, 2).tolist() == [[9, 1], [4, 25]]
    with pytest.raises(TypeError, match=r"max\(\) received an invalid combination of arguments - got \(Tensor, str\)"):
        torch.max(x, "a")


def test_named_results():
    made = torch.tensor([3, 1]).sort()
    values, indices = made
    assert made.values is values and made[1] is indices and isinstance(made, tuple)
    assert type(made).__name__ == "sort" and type(made).__module__ == "torch.return_types"
    assert repr(made).startswith("torch.return_types.sort(\nvalues=tensor([1, 3]),\nindices=tensor([1, 0])")


def test_sizes_may_be_spread():
    x = torch.arange(6)
    assert (
        x.view(2, 3).shape == x.view((2, 3)).shape == x.view([2, 3]).shape == x.view(torch.Size([2, 3])).shape == (2, 3)
    )
    assert x.reshape(3, -1).permute(1, 0).expand(2, 2, 3).shape == (2, 2, 3) and x.repeat(2, 1).shape == (2, 6)
    for name in ("reshape", "expand", "permute", "repeat", "flip"):
        with pytest.raises(TypeError, match=rf"{name}\(\) missing 1 required positional argument"):
            getattr(x, name)()


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda x: x + "a", TypeError, "unsupported operand"), (lambda x: x + None, TypeError, "unsupported operand"),
        (lambda x: "a" + x, TypeError, "concatenate str|unsupported operand"),
        (lambda x: torch.add(x, "a"), TypeError, r"add\(\)"),
        (lambda x: torch.sum("a"), TypeError, r"sum\(\)"), (lambda x: x.view("a"), TypeError, r"view\(\)"),
        (lambda x: torch.relu(x, 1, 2), TypeError, "positional argument"), (lambda x: x.sum(foo=1), TypeError, "foo"),
        (lambda x: torch.cat(x), TypeError, "must be tuple of Tensors, not Tensor"),
        (lambda x: torch.cat([x, 1]), TypeError, "element 1"),
        (lambda x: x.transpose(0, 1.5), TypeError, "must be int, not float"),
        (lambda x: x.nothing, AttributeError, "no attribute 'nothing'"),
        (lambda x: x + torch.ones(4), RuntimeError, r"size of tensor a \(3\) must match the size of tensor b \(4\)"),
        (lambda x: x @ torch.ones(4), RuntimeError, "size mismatch|inconsistent tensor size"),
    ],
)  # fmt: skip
def test_errors_come_at_the_call(use, error, message):
    for x in (torch.ones(3), torch.ones(3, requires_grad=True)):
        with pytest.raises(error, match=message):
            use(x)


def test_division_of_integers_by_zero():
    x = torch.tensor([1, 2])
    for use in (lambda: x // 0, lambda: x % 0, lambda: x // torch.tensor([1, 0])):
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            use()
    assert (x / 0).tolist() == [float("inf")] * 2


def test_numpy_and_jax_operands():
    x = torch.ones(2)
    assert (x + np.float32(1)).dtype is torch.float32 and (x * np.array([1.0, 2.0])).dtype is torch.float64
    import jax.numpy as jnp

    assert (x + jnp.ones(2)).tolist() == [2, 2] and (jnp.ones(2) + x.numpy()).tolist() == [2, 2]


def test_subscripts_of_results_stay_lazy():
    x = torch.ones(300, 300)
    y = (x * 2).sum(0)
    assert y._v.array is None and y[0].item() == 600 and y._v.array is not None
