"""What shares storage with what: aliasing, versions, leaves, bases and strides, in both libraries.

Each row of :data:`VIEWS` is an expression of ``x``, some of which alias it and some not; torch says which.
"""

import warnings
from typing import Any

import pytest
import torch

import jtorch
from tests.conformance.alike import compare
from tests.conformance.opinfo import back

VIEWS = [
    "x", "x.view(12)", "x.view(2, -1)", "x.view(3, 4)", "x.view(3, 2, 2)", "x.view_as(x)", "x.reshape(12)",
    "x.reshape(3, 4)", "x.t().reshape(12)", "x.t().reshape(4, 3)", "x.reshape_as(x)", "x.t()", "x.T", "x.mT",
    "x.transpose(0, 1)", "x.swapaxes(0, 1)", "x.permute(1, 0)", "x.movedim(0, 1)", "x.moveaxis(0, 0)", "x.adjoint()",
    "x.unsqueeze(0)", "x.unsqueeze(-1)", "x.squeeze()", "x[:1].squeeze(0)", "x[:, :1].squeeze()", "x.flatten()",
    "x.flatten(0, 0)", "x.t().flatten()", "x.ravel()", "x.unflatten(1, (2, 2))", "x.expand(2, 3, 4)",
    "x.expand(3, 4)", "x.expand_as(x)", "x[:, :1].expand(3, 4)", "x.broadcast_to(1, 3, 4)", "x.contiguous()",
    "x.t().contiguous()", "x[1:].contiguous()", "x[:, 1:].contiguous()", "x.clone()", "x.detach()", "x.data",
    "x.to(torch.float32)", "x.to('cpu')", "x.float()", "x.double()", "x.to(torch.float32, copy=True)", "x.type_as(x)",
    "x.cpu()", "x.view(-1)", "x[0]", "x[-1]", "x[1:]", "x[:, 1]", "x[::2]", "x[:, ::2]", "x[1:, 1:3]", "x[...]",
    "x[:]", "x[None]", "x[0, 0]", "x[1:1]", "x[[0, 1]]", "x[torch.tensor([0, 1])]", "x[x > 0]", "x[:, [0]]",
    "x[True]", "x[None, 0, ..., None]", "x[()]", "x.select(0, 1)", "x.narrow(1, 1, 2)", "x.diagonal()",
    "x.diagonal(1)", "x.diag()", "torch.diagonal(x, -1)", "x.diagonal_scatter(x[0, :3])", "x.unfold(0, 2, 2)",
    "x.as_strided((2, 2), (4, 1))", "x.as_strided((2, 2), (4, 1), 3)", "x[1:].as_strided((2,), (1,))",
    "x.split(2)[1]", "x.chunk(2)[0]", "x.chunk(2, 1)[1]", "x.unbind()[2]", "x.unbind(1)[0]", "x.tensor_split(2)[1]",
    "x.hsplit(2)[1]", "x.vsplit(3)[1]", "torch.split(x, [1, 2])[1]", "list(x)[1]",
    "x.index_select(0, torch.tensor([0]))", "x.gather(0, x.long() * 0)", "x.masked_select(x > 0)",
    "x.take(torch.tensor([0]))", "x.real", "torch.real(x)", "x.conj()", "x.resolve_conj()", "x.positive()", "+x",
    "torch.atleast_1d(x)", "torch.atleast_2d(x)", "torch.atleast_3d(x)", "x.repeat(1, 1)", "x.tile(1)", "x.flip(0)",
    "x.roll(0)", "x.sum()", "x.abs()", "x + 0", "x * 1", "x.clamp(min=-100)", "torch.relu(x + 100)", "x.sort()[0]",
    "torch.cat([x])", "torch.stack([x])", "torch.tensor(x)", "torch.as_tensor(x)", "torch.asarray(x)",
    "x.new_tensor(x)", "torch.squeeze(x, 0)", "torch.unsqueeze(x, 0)", "x.H", "torch.broadcast_tensors(x, x)[0]",
    "torch.meshgrid(x[0], x[0], indexing='ij')[0]", "x.view(torch.int32)", "x.view(torch.float32)",
    "x[:, :2].view(torch.float64)", "x.t().t()", "x.t()[1:]", "x[1:].t()", "x[1:].view(8)",
    "x.view(2, 6)[1].view(3, 2).t()", "x.swapdims(0, 1)", "torch.nn.functional.dropout(x, 0.0)",
    "torch.nn.functional.dropout(x, 0.5, training=False)", "torch.nn.Flatten(0)(x)", "torch.nn.Identity()(x)",
    "torch.nn.functional.pad(x, (0, 0))", "x.narrow_copy(0, 0, 2)", "torch.view_copy(x, (12,))",
    "torch.where(x > 0, x, x)", "x.squeeze((0, 1))", "x.type(torch.float32)", "x.requires_grad_(False)",
    "x.cumsum(0)", "x.tril()",
]  # fmt: skip


def tensor(lib: Any) -> Any:
    """A tensor with its own storage."""
    return (lib.arange(12, dtype=lib.float32) - 3).reshape(3, 4).clone()


def of(lib: Any, expression: str, x: Any) -> Any:
    """The expression's value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(expression, {"torch": lib, "x": x})


def facts(lib: Any, expression: str) -> dict[str, Any]:
    """What there is to know of ``y``, the expression, and ``x``."""
    x = tensor(lib)
    y = of(lib, expression, x)
    found: dict[str, Any] = {
        "is": y is x,
        "shape": tuple(y.shape),
        "dtype": str(y.dtype),
        "contiguous": y.is_contiguous(),
    }
    shares = y.untyped_storage().data_ptr() == x.untyped_storage().data_ptr() and y.numel() > 0
    found["shares"] = shares
    if shares:
        found |= {"stride": y.stride(), "offset": y.storage_offset(), "address": y.data_ptr() - x.data_ptr()}
    found |= {"leaf": y.is_leaf, "version": y._version, "is_view": y._is_view() if y.dtype == x.dtype else None}
    found["base"] = y._base is not None and y._base.data_ptr() == x.data_ptr() if y.dtype == x.dtype else None
    if (
        y.is_floating_point()
        and y.numel()
        and not any(n > 1 and s == 0 for n, s in zip(y.shape, y.stride(), strict=True))
    ):
        y.fill_(7)
        found["x after y"] = x.tolist()
        found["versions"] = (x._version, y._version)
        x.mul_(2)
        found["y after x"] = y.tolist()
        y += 1
        found["x at last"] = x.tolist()
        found["versions at last"] = (x._version, y._version)
    else:
        x.zero_()
        found["y after x"] = y.tolist()
    return found


@pytest.mark.parametrize("expression", VIEWS)
def test_what_is_shared(expression: str) -> None:
    """Writes are seen through every alias, and versions, strides and addresses are torch's."""
    theirs, ours = facts(torch, expression), facts(jtorch, expression)
    assert ours == theirs


def gradients(lib: Any, expression: str) -> list[Any]:
    """Leaves, views and gradients where ``x`` is a computed tensor, ``y`` a look at it, and ``y`` is written to."""
    leaf = tensor(lib).requires_grad_()
    other = lib.full((), 3.0, requires_grad=True)
    x = leaf * 2
    y = of(lib, expression, x)
    if not y.is_floating_point():
        return []
    found: list[Any] = [y.requires_grad, y.is_leaf, x.is_leaf]
    try:
        y.mul_(other)
    except RuntimeError as error:
        return [*found, type(error).__name__]
    found += [y.requires_grad, y.is_leaf, x.requires_grad, x._version]
    if not y.requires_grad:
        return found
    (x * x).sum().backward(retain_graph=True)
    found += [leaf.grad, other.grad]
    (y * y).sum().backward()
    return [*found, leaf.grad, other.grad]


ALIASES = (
    "x.view",
    "x.t",
    "x[",
    "x.un",
    "x.squeeze",
    "x.detach",
    "x.data",
    "x.permute",
    "x.split",
    "x.diag",
    "x.clone",
    "x.re",
)


@pytest.mark.parametrize("expression", [e for e in VIEWS if e.startswith(ALIASES) and "requires_grad" not in e])
def test_writing_with_gradients(expression: str) -> None:
    """A look at a computed tensor is multiplied in place: the gradients of both, or the error."""
    theirs, ours = gradients(torch, expression), gradients(jtorch, expression)
    assert len(ours) == len(theirs)
    for mine, right in zip(ours, theirs, strict=True):
        if isinstance(right, torch.Tensor):
            torch.testing.assert_close(back(mine), right)
        else:
            assert mine == right or isinstance(right, str)


PROGRAMS = [
    "x = tensor(); y = x.t(); z = y[1]; z.zero_(); r = x, y, z, x._version",
    "x = tensor(); y = x.view(12)[2:8].view(2, 3).t(); y[0] = 1; r = x, y",
    "x = tensor(); y = x.expand(2, 3, 4); y[0, 0] = 9; r = x, y",
    "x = tensor(); y = x[:, :1].expand(3, 4); x[0, 0] = 5; r = x, y, y.stride()",
    "x = tensor(); y = x.detach(); y.add_(1); r = x, y, x._version, y._version",
    "x = tensor(); y = x.data; y.add_(1); r = x, y, y._version",
    "x = tensor(); y = x[0]; x.data = torch.zeros(3, 4); y.add_(1); r = x, y",
    "x = tensor(); y = x[0]; x.set_(torch.ones(2)); r = x, y, x.shape",
    "x = tensor(); y = x.view(12); x.t_(); x[0] = 7; r = x, y, x.stride(), x.is_contiguous()",
    "x = tensor(); y = x.view(12); x.transpose_(0, 1).unsqueeze_(0); r = x, x.shape, x.stride(), y",
    "x = tensor(); y = x[:1]; y.squeeze_(); y.zero_(); r = x, y, y.shape",
    "x = tensor(); y = x.clone(); y.zero_(); r = x, y",
    "x = tensor(); a, b = x.chunk(2, 1); a.zero_(); b.add_(1); r = x, a, b",
    "x = tensor(); a, b, c = x; a.zero_(); c[0] = 9; r = x, a, c",
    "x = tensor(); x[0], x[1] = x[1], x[0]; r = x",
    "x = tensor(); x[0], x[1] = x[1].clone(), x[0].clone(); r = x",
    "x = tensor(); x += x; r = x, x._version",
    "x = tensor(); y = x; y += 1; r = x is y, x",
    "x = tensor(); y = x; y = y + 1; r = x is y, x",
    "x = tensor(); y = torch.zeros(3, 4); torch.add(x, 1, out=y[:]); r = y",
    "x = tensor(); torch.add(x, 1, out=x); r = x, x._version",
    "x = tensor(); y = torch.zeros(12); torch.add(x[0], 1, out=y[2:6]); r = y",
    "x = tensor(); y = x.real; y.zero_(); r = x",
    "x = torch.complex(tensor(), tensor()); x.real.zero_(); x.imag[0] = 1; r = x",
    "x = torch.complex(tensor(), tensor()); y = torch.view_as_real(x); y[..., 0] = 2; r = x, y",
    "x = torch.complex(tensor(), tensor()); y = x.conj(); y[0] = 1j; r = x, y, y.is_conj()",
    "x = torch.zeros(3, 4, dtype=torch.int32); y = x.view(torch.float32); y.fill_(1.0); r = x, y",
    "x = tensor(); y = x.view(torch.int32); x[0] = 1.5; r = y",
    "x = tensor(); y = x.diagonal(); y.add_(10); r = x",
    "x = tensor(); y = x.unfold(1, 2, 2); y[..., 0] = 0; r = x",
    "x = tensor(); y = x.as_strided((3,), (5,)); y.fill_(9); r = x",
    "x = tensor(); x.fill_diagonal_(5); r = x",
    "x = tensor(); y = x.flatten(); x.resize_(2, 2); r = x, y",
    "x = tensor(); y = x[1:]; x[0].copy_(y[0]); r = x, y",
    "x = tensor(); y = x[0].expand(3, 4); x.copy_(y.clone()); r = x",
    "x = tensor(); x.index_put_((torch.tensor([0]),), torch.tensor(5.0)); r = x, x._version",
    "x = tensor(); y = x[1]; y.masked_fill_(y > 2, 0); r = x",
    "x = tensor(); y = x.T; y.index_fill_(0, torch.tensor([1]), 0.0); r = x",
    "x = tensor(); y = x.T; y.scatter_(0, torch.tensor([[0, 1, 2]]), 0.0); r = x",
    "x = tensor(); x[x > 3] *= 2; r = x",
    "x = tensor(); x[torch.tensor([0, 0])] += 1; r = x",
    "x = tensor(); x[1:][1:][0][0] = 50; r = x",
    "x = tensor(); x[[0, 1]][0] = 50; r = x",
    "x = tensor(); y = x[0]; del x; y.add_(1); r = y, y._base",
    "x = tensor(); y = x[0]; z = y.clone(); y.zero_(); r = z, x",
    "x = tensor(); r = [t.data_ptr() == x.data_ptr() for t in (x.view(12), x.t(), x[1], x.detach(), x.clone())]",
    "x = tensor(); r = x[1].is_set_to(x[1]), x.is_set_to(x.t()), x.t().is_set_to(x.t()), x.is_set_to(x.clone())",
    (
        "x = tensor(); y = x[1]; "
        "r = y._base is not None, y._base.equal(x), x._base, y.detach()._base, y.detach()._is_view()"
    ),
    (
        "x = tensor().requires_grad_(); y = x.detach(); y.requires_grad_(); (y * 2).sum().backward(); "
        "r = x.grad, y.grad, y.is_leaf"
    ),
    (
        "x = tensor().requires_grad_(); y = x * 2; z = y.detach(); z.add_(1); "
        "r = y, z, y.requires_grad, z.requires_grad, y._version"
    ),
    "x = tensor().requires_grad_(); y = (x * 2).view(12); y.requires_grad, y[0].backward(); r = x.grad, y.is_leaf",
    (
        "x = tensor(); w = torch.ones(4, requires_grad=True); x[0] = w; x.sum().backward(); "
        "r = x.requires_grad, x.is_leaf, w.grad"
    ),
    (
        "x = tensor(); w = torch.ones(4, requires_grad=True); y = x[0]; x[0].mul_(w); y.sum().backward(); "
        "r = y.requires_grad, w.grad"
    ),
    (
        "x = tensor(); w = torch.ones(4, requires_grad=True); x[:, 1:].add_(w[1:]); x.mul_(2); x.sum().backward(); "
        "r = w.grad, x.is_leaf"
    ),
    (
        "x = tensor().requires_grad_()\nwith torch.no_grad(): x.mul_(2); x[0] = 0\n"
        "r = x, x.is_leaf, x.requires_grad, x._version"
    ),
    "x = tensor().requires_grad_()\nx.data.mul_(2)\n(x * x).sum().backward()\nr = x, x.grad, x._version",
    "x = tensor().requires_grad_()\nx.detach().mul_(2)\n(x * x).sum().backward()\nr = x, x.grad, x._version",
    (
        "x = tensor(); d = x.detach(); w = torch.ones(4, requires_grad=True); d[1].mul_(w); d.sum().backward(); "
        "r = x.requires_grad, d.requires_grad, w.grad"
    ),
    (
        "x = tensor(); w = torch.ones((), requires_grad=True); y = x.detach(); y.mul_(w); x.zero_(); v = y[0]; "
        "r = v.requires_grad, y.requires_grad, v"
    ),
    (
        "x = tensor().requires_grad_(); d = x.detach().requires_grad_(); v = d[0]\nwith torch.no_grad(): x.mul_(2)\n"
        "(v * v).sum().backward(); r = d.grad, x.grad, v.detach()"
    ),
    (
        "x = tensor().requires_grad_(); y = x * 1; v = y[0]\nwith torch.no_grad(): v.mul_(2)\ny.sum().backward(); "
        "r = x.grad, y, v.detach(), v.requires_grad"
    ),
    "x = tensor().requires_grad_(); y = x * 1; y.t_().mul_(2); y.sum().backward(); r = x.grad, y.shape",
    "x = tensor().requires_grad_(); y = x * 1; y[0] = y[1] * 2; y.sum().backward(); r = x.grad",
    "x = tensor().requires_grad_(); y = x * 1; y += y.t().reshape(3, 4); y.sum().backward(); r = x.grad",
    "x = tensor().requires_grad_(); y = x * 1; y.copy_(torch.ones(3, 4)); y.sum().backward(); r = x.grad",
    (
        "x = tensor().requires_grad_(); y = torch.zeros(3, 4); y.copy_(x * 3); y.sum().backward(); "
        "r = x.grad, y.requires_grad"
    ),
    "import copy\nx = tensor(); y = copy.deepcopy(x); y.zero_(); r = x, y",
    "import copy\nx = tensor(); y = copy.copy(x); y.zero_(); r = x, y",
    "import copy\nx = tensor(); a, b = copy.deepcopy([x, x[0]]); b.zero_(); r = a, x",
    (
        "import copy\nx = tensor().requires_grad_(); x.grad = torch.ones(3, 4); y = copy.deepcopy(x); "
        "r = y.requires_grad, y.grad, y.is_leaf"
    ),
    "import pickle\nx = tensor(); a, b = pickle.loads(pickle.dumps((x, x[0]))); b.zero_(); r = a.sum(0)[0], x",
    (
        "x = torch.nn.Parameter(tensor()); y = x.view(12)\nwith torch.no_grad(): x.zero_()\n"
        "r = y.detach(), y.requires_grad"
    ),
    "w = tensor(); x = torch.nn.Parameter(w); w.zero_(); r = x",
    "w = tensor(); m = torch.nn.Linear(4, 3); m.weight = torch.nn.Parameter(w); m.weight.data[0] = 5; r = w",
    "m = torch.nn.BatchNorm1d(4); b = m.running_mean; m(tensor()); r = b is m.running_mean, b",
    "m = torch.nn.Linear(2, 2); s = m.state_dict()\nwith torch.no_grad(): m.weight.fill_(3)\nr = s['weight']",
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs(program: str) -> None:
    """Straight lines of code about shared storage, which leave the same in ``r``."""

    def run(lib: Any) -> Any:
        names = {"torch": lib, "tensor": lambda: tensor(lib)}
        exec(program, names)
        return names["r"]

    compare(run)
