"""Functions made of others, views and creation: values, dtypes, errors, gradients and aliasing beside real torch."""

from typing import Any

import numpy as np
import pytest
import torch

import jtorch
import jtorch.linalg
from tests.conformance.live import array_of, same

# Older names warn, in both libraries alike.
pytestmark = pytest.mark.filterwarnings("ignore")


def run(code: str, lib: Any) -> Any:
    """The value of an expression about ``torch``, tuples in it opened up."""

    def flat(x: Any) -> list:
        return [y for each in x for y in flat(each)] if isinstance(x, (tuple, list)) else [x]

    return flat(eval(code, {"torch": lib, "nan": float("nan"), "inf": float("inf")}))


def agree(code: str, **options: Any) -> None:
    same(lambda lib: run(code, lib), what=code, **options)


# -- creation

BOUNDS = [
    (5,), (0, 5), (0, 5, 2), (1, 2, 0.1), (0, 100, 0.37), (5, 0, -1), (-3.5, 17.25, 0.3), (0, 1000, 1),
    (0.1, 100.7, 0.123), (3, 3),
]  # fmt: skip
SPANS = [(0, 1, 5), (0, 1, 100), (-3, 7, 33), (1, 1, 3), (0, 10, 1), (0, 10, 0), (5, -5, 17), (0.1, 0.7, 1000)]
DTYPES = [None, "float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8"]


def exactly(name: str, args: tuple, dtype: str | None) -> None:
    """To the bit."""
    theirs = getattr(torch, name)(*args, dtype=dtype and getattr(torch, dtype))
    ours = getattr(jtorch, name)(*args, dtype=dtype and getattr(jtorch, dtype))
    assert str(ours.dtype) == str(theirs.dtype)
    assert array_of(ours).tobytes() == array_of(theirs).tobytes(), (name, args, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("args", BOUNDS)
def test_arange(args: tuple, dtype: str | None) -> None:
    if dtype == "int64" and 0 < args[-1] < 1:  # the step is 0 as an int64
        same(lambda lib: lib.arange(*args, dtype=lib.int64))
        return
    exactly("arange", args, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("args", SPANS)
def test_linspace(args: tuple, dtype: str | None) -> None:
    exactly("linspace", args, dtype)


CREATION = """
torch.range(1, 5)
torch.range(0, 1, 0.1)
torch.range(0, 5, 2, dtype=torch.int64)
torch.range(5, 0)
torch.arange(end=4)
torch.arange(1, end=4)
torch.arange(start=1, end=4, step=2)
torch.arange(torch.tensor(3))
torch.arange(5, 0)
torch.arange(0, 1, 0)
torch.arange(nan)
torch.arange(5, dtype=torch.bool)
torch.arange(5, out=torch.empty(0))
torch.arange(5, out=torch.empty(0), dtype=torch.int64)
torch.linspace(torch.tensor(0), torch.tensor(4), 3)
torch.linspace(torch.ones(2), 1, 3)
torch.linspace(0, 1, -1)
torch.linspace(0, 1j, 5)
torch.logspace(0, 2, 7)
torch.logspace(0, 4, 5, 2, dtype=torch.int32)
torch.eye(3)
torch.eye(2, 3, dtype=torch.bool)
torch.eye(0, 5)
torch.eye(-1)
torch.tril_indices(3, 4, 1)
torch.triu_indices(4, 3, -1, dtype=torch.int32)
torch.triu_indices(-4, 3)
torch.meshgrid(torch.arange(3), torch.arange(2))
torch.meshgrid(torch.arange(3), torch.tensor(2), indexing='xy')
torch.meshgrid([torch.arange(3), torch.arange(2), torch.arange(4)], indexing='xy')
torch.meshgrid(torch.arange(3), torch.ones(2), indexing='ij')
torch.meshgrid(indexing='ij')
torch.meshgrid(torch.arange(3), indexing='abc')
torch.cartesian_prod(torch.arange(3), torch.arange(2))
torch.cartesian_prod(torch.arange(3))
torch.cartesian_prod(torch.ones(2, 2))
torch.combinations(torch.arange(4), 3)
torch.combinations(torch.arange(3), with_replacement=True)
torch.block_diag(torch.arange(3), torch.ones(2, 2), torch.tensor(7))
torch.block_diag()
torch.broadcast_tensors(torch.ones(2, 1), torch.arange(3))
torch.broadcast_tensors(torch.ones(2), torch.ones(3))
torch.vander(torch.arange(3), 4)
"""


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


@pytest.mark.parametrize("code", lines(CREATION))
def test_creation(code: str) -> None:
    agree(code)


def test_creation_options() -> None:
    x = jtorch.arange(3.0, requires_grad=True)
    assert x.requires_grad and x.is_leaf
    assert jtorch.arange(3, device="meta").device.type == "meta"
    assert jtorch.eye(2, device="meta", dtype=jtorch.int8).dtype == jtorch.int8
    with pytest.raises(RuntimeError, match="[Oo]nly Tensors of floating point"):
        jtorch.arange(3, requires_grad=True)


# -- pieces and views

PIECES = """
torch.arange(6.).split(4)
torch.arange(6.).split([1, 5])
torch.arange(6.).split(0)
torch.arange(6.).split(-1)
torch.arange(6.).split([1, 2])
torch.arange(6.).split([7, -1])
torch.split(torch.arange(6.), 2, 1)
torch.split(torch.arange(6.), split_size_or_sections=4)
torch.arange(6.).split(split_size=4)
torch.tensor(1.).split(1)
torch.ones(0, 3).split(0)
torch.split_with_sizes(torch.arange(6.), [1, 5])
torch.arange(6.).chunk(4)
torch.arange(6.).chunk(0)
torch.ones(0).chunk(3)
torch.tensor(1.).chunk(1)
torch.arange(6.).tensor_split(4)
torch.arange(6.).tensor_split(0)
torch.arange(6.).tensor_split([1, 4])
torch.arange(6.).tensor_split([-2, 10])
torch.arange(6.).tensor_split([4, 1])
torch.arange(6.).tensor_split(torch.tensor([1, 4]))
torch.arange(6.).tensor_split(torch.tensor(3))
torch.arange(6.).tensor_split(torch.tensor([1.]))
torch.arange(6.).tensor_split(sections=2)
torch.tensor(1).tensor_split(2)
torch.arange(6.).hsplit(4)
torch.ones(2, 3).hsplit([1])
torch.ones(2, 3).hsplit(2)
torch.arange(6.).vsplit(2)
torch.ones(4, 3).vsplit(2)
torch.ones(2, 2, 4).dsplit(2)
torch.ones(2, 3).dsplit(2)
torch.arange(6.).view(2, 3).unbind(-1)
torch.tensor(1).unbind()
torch.arange(6.).unbind(1)
torch.ones(0, 2).unbind()
torch.arange(6.).unsafe_split(4)
torch.arange(6.).unsafe_chunk(4)
torch.arange(6.).unsafe_split_with_sizes([1, 5])
torch.split_copy(torch.arange(6.), 4)
torch.unbind_copy(torch.arange(6.))
torch.atleast_1d(torch.tensor(1.), torch.ones(2))
torch.atleast_2d(torch.ones(2))
torch.atleast_3d([torch.ones(2), torch.ones(2, 3)])
torch.unravel_index(torch.tensor([5, 3]), (2, 3))
torch.unravel_index(torch.tensor([6, -1]), (2, 3))
torch.unravel_index(torch.tensor([5, 3]), 6)
torch.unravel_index(torch.tensor([1.]), (2, 3))
torch.unravel_index(torch.tensor([1]), (2, -3))
torch.adjoint(torch.tensor([[1 + 2j, 3], [4, 5j]]))
torch.adjoint(torch.ones(2))
torch.arange(6.).view_as(torch.ones(2, 3))
torch.ones(1, 3).expand_as(torch.ones(2, 3))
torch.arange(6.).reshape_as(torch.ones(3, 2))
torch.arange(6.).narrow(0, torch.tensor(1), 2)
torch.arange(6.).narrow(0, torch.tensor([1]), 2)
torch.arange(12.).view(3, 4).t().as_strided((2, 2), (1, 2))
torch.arange(12.).view(3, 4)[1].as_strided((2, 2), (1, 2))
torch.arange(12.).view(3, 4)[1].as_strided((2, 2), (1, 2), 0)
torch.arange(12.).as_strided((2, 2), (1, 2), 20)
torch.arange(12.).as_strided((2,), (1, 2))
torch.as_strided_copy(torch.arange(6.), (2,), (2,))
torch.view_as_real_copy(torch.tensor([1 + 2j]))
torch.ones(2, 3).sum_to_size(2, 1)
torch.ones(2, 3).sum_to_size(2, 2)
torch.ones(2, 3).sum_to_size(())
torch.tensor([1 + 2j]).conj().is_conj()
torch.tensor([1 + 2j]).conj().imag.is_neg()
torch.arange(6).dim_order()
torch.ones(2, 3).t().dim_order()
"""


@pytest.mark.parametrize("code", lines(PIECES))
def test_pieces(code: str) -> None:
    agree(code)


VIEWS = {
    "split": lambda lib, x: x.split(1),
    "split_with_sizes": lambda lib, x: x.split([1, 2], 1),
    "chunk": lambda lib, x: x.chunk(2, 2),
    "unsafe_chunk": lambda lib, x: x.unsafe_chunk(2, 2),
    "unbind": lambda lib, x: x.unbind(1),
    "tensor_split": lambda lib, x: x.tensor_split([1], 1),
    "hsplit": lambda lib, x: x.hsplit(3),
    "vsplit": lambda lib, x: x.vsplit(2),
    "dsplit": lambda lib, x: x.dsplit(2),
    "atleast_3d": lambda lib, x: [lib.atleast_3d(x[0])],
    "meshgrid": lambda lib, x: lib.meshgrid(x[0, 0], x[1, 0], indexing="xy"),
    "broadcast_tensors": lambda lib, x: lib.broadcast_tensors(x, x[:1]),
    "adjoint": lambda lib, x: [x.adjoint()],
    "as_strided": lambda lib, x: [x[1].t().as_strided((2, 2), (4, 1))],
    "narrow": lambda lib, x: [x.narrow(1, lib.tensor(1), 2)],
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_share_storage(name: str) -> None:
    """A write through the base shows in the views, and one through a view in the base."""

    def program(lib: Any) -> list:
        x = lib.arange(24.0).view(2, 3, 4)
        views = VIEWS[name](lib, x)
        x.mul_(2)
        places = [(v.stride(), v.storage_offset()) for v in views]
        if name not in ("meshgrid", "broadcast_tensors"):  # one element in several places: torch refuses the write
            views[-1].add_(100)
        return [x, *views, *places]

    same(program)


@pytest.mark.parametrize("name", ["split", "chunk", "unbind"])
def test_pieces_under_autograd_refuse_writes(name: str) -> None:
    same(lambda lib: VIEWS[name](lib, lib.ones(2, 3, 4, requires_grad=True) * 2)[0].zero_())
    same(lambda lib: VIEWS[name](lib, lib.ones(2, 3, 4, requires_grad=True))[0].zero_())
    same(lambda lib: VIEWS[name](lib, lib.ones(2, 3, 4, requires_grad=True) * 2)[0].detach().zero_())


@pytest.mark.parametrize("name", [n for n in VIEWS if n != "as_strided"])
def test_gradients_of_views(name: str) -> None:
    def program(lib: Any, x: Any) -> Any:
        return sum((v * (i + 1)).square().sum() for i, v in enumerate(VIEWS[name](lib, x)))

    same(program, np.arange(24.0).reshape(2, 3, 4))


# -- in place

INPLACE = """
torch.arange(6.).view(2, 3).t_()
torch.ones(2, 1, 3).squeeze_()
torch.ones(2, 1, 1).squeeze_((1, 2))
torch.ones(2, 3).swapaxes_(0, 1)
torch.ones(2, 3).transpose_(0, 5)
torch.ones(2, 2, 2).t_()
torch.ones(2, 2).unsqueeze_(5)
torch.ones(2, 2, requires_grad=True).unsqueeze_(0)
torch.arange(12.).as_strided_((2, 2), (1, 2))
torch.arange(12.).view(3, 4).resize_(20)[:12]
torch.arange(12.).resize_((2, 2))
torch.ones(3, requires_grad=True).resize_(2)
torch.resize_as_(torch.arange(4.), torch.ones(2))
torch.ones(2).resize_as_(3)
torch.arange(3).map_(torch.ones(3).long(), lambda a, b: (a + b) * 2)
torch.arange(3).map_(torch.ones(3), lambda a, b: a + b)
torch.arange(3.).map2_(torch.ones(3), torch.ones(3), lambda a, b, c: a + b + c)
torch.arange(3).apply_(lambda a: a * .5)
torch.ones(3, requires_grad=True).apply_(lambda a: a)
torch.zeros(7, 3).fill_diagonal_(5)
torch.zeros(7, 3).fill_diagonal_(5, True)
torch.zeros(3, 7).fill_diagonal_(1, True)
torch.zeros(2, 2, 2).fill_diagonal_(1)
torch.zeros(3, 4, 3).fill_diagonal_(1)
torch.zeros(3).fill_diagonal_(1)
torch.fill(torch.ones(2).long(), 2.5)
torch.fill(torch.ones(2), torch.tensor(3))
torch.fill(torch.ones(2), torch.ones(2))
torch.fill_(torch.ones(2), 2)
torch.zero_(torch.ones(2))
torch.ones(2).new([1, 2])
torch.ones(2).new((1, 2))
torch.ones(2).long().new([1.5])
torch.ones(2).new('a')
"""


@pytest.mark.parametrize("code", lines(INPLACE))
def test_in_place(code: str) -> None:
    agree(code)


def test_a_tensor_laid_out_anew_goes_on_sharing() -> None:
    def program(lib: Any) -> list:
        x = lib.arange(6.0).view(2, 3).clone()
        row = x[0]
        x.t_()
        x.unsqueeze_(0)
        x[0, 2, 0] = 50
        other = row.resize_(2)
        other.zero_()
        return [x, row, x.stride(), x.is_contiguous()]

    same(program)


def test_gradients_through_layout_and_fills() -> None:
    def program(lib: Any, x: Any) -> list:
        turned = x * 2
        turned.t_()
        turned.unsqueeze_(0)
        cleared = (x * 3).clone()
        cleared.fill_diagonal_(0)
        filled = x * 2
        filled.fill_(3)
        return [turned.square(), cleared.square(), filled, lib.fill(x, 2), x.square()[1:].as_strided((2,), (2,), 3)]

    same(program, np.arange(9.0).reshape(3, 3))


# -- contractions

CONTRACTIONS = """
torch.einsum('ij,jk', torch.ones(2, 3), torch.ones(3, 2))
torch.einsum('ij,jk', torch.ones(2, 3), torch.ones(3, 2).double())
torch.einsum('ij,jk', torch.ones(2, 3), torch.ones(4, 2))
torch.einsum('ij,kj->ik', torch.ones(2, 1), torch.ones(2, 3))
torch.einsum('ii->i', torch.arange(9.).view(3, 3))
torch.einsum('ii', torch.ones(2, 3))
torch.einsum('i->ij', torch.ones(2))
torch.einsum('i,j', torch.ones(2))
torch.einsum('ij', torch.ones(2, 3), torch.ones(2, 3))
torch.einsum('ij', torch.ones(2))
torch.einsum('i1', torch.ones(2, 2))
torch.einsum('ij->ii', torch.ones(2, 2))
torch.einsum('i..j', torch.ones(5, 2))
torch.einsum('a......', torch.ones(2, 3))
torch.einsum('a->......', torch.ones(2))
torch.einsum('...i->...', torch.ones(2, 2))
torch.einsum('bA', torch.arange(6.).view(2, 3))
torch.einsum('a...->...a', torch.ones(2, 3, 4))
torch.einsum('...ij,...jk->...ik', torch.ones(5, 2, 3), torch.ones(3, 4))
torch.einsum('...a,a...->...', torch.ones(5, 2, 3), torch.ones(3, 2))
torch.einsum(torch.ones(2, 3), [0, 1], torch.ones(3, 4), [1, 2], [0, 2])
torch.einsum(torch.ones(2, 3), [0, Ellipsis], torch.ones(4), [5])
torch.einsum(torch.ones(2, 3), [0, 52])
torch.einsum('ij,jk', [torch.ones(2, 3), torch.ones(3, 4)])
torch.einsum('ij,jk->i k', torch.ones(3, 4), torch.ones(4, 2))
torch.einsum('ij,jk->ik->', torch.ones(3, 4), torch.ones(4, 2))
torch.einsum('i->', torch.ones(3).int())
torch.einsum('i,j->ij', torch.ones(2), torch.ones(3).long())
torch.einsum('i,j->', torch.ones(3).int(), torch.ones(3).int())
torch.einsum('ij,jk,kl->il', torch.ones(2, 3).int(), torch.ones(3, 2).int(), torch.ones(2, 5).int())
torch.einsum('i,i->i', torch.ones(3).bool(), torch.ones(3).bool())
torch.einsum('i,i->', torch.ones(3).bool(), torch.ones(3).bool())
torch.einsum(',->', torch.tensor(1.), torch.tensor(2.))
torch.einsum('ij')
torch.tensordot(torch.ones(2, 3), torch.ones(2, 3), 2)
torch.tensordot(torch.ones(2, 3), torch.ones(4, 3), 2)
torch.tensordot(torch.arange(6.).view(2, 3), torch.ones(2, 3), ([0], [0]))
torch.tensordot(torch.ones(2, 3), torch.ones(2, 3), ([0, 1], [0]))
torch.tensordot(torch.ones(2, 3), torch.ones(2, 3), 3)
torch.tensordot(torch.ones(2, 3), torch.ones(2, 3), -1)
torch.tensordot(torch.ones(2, 3), torch.ones(1, 3), torch.tensor([[0], [0]]))
torch.tensordot(torch.ones(2, 3), torch.ones(3).double(), 1)
torch.tensordot(torch.ones(2, 3).bool(), torch.ones(3, 2).bool(), 1)
torch.chain_matmul(torch.ones(2, 3), torch.ones(3, 4), torch.ones(4, 1))
torch.chain_matmul(torch.ones(2, 3), torch.ones(3))
torch.chain_matmul()
"""


@pytest.mark.parametrize("code", lines(CONTRACTIONS))
def test_contractions(code: str) -> None:
    agree(code)


@pytest.mark.parametrize("equation", ["ij,jk->ik", "ij,kj->", "ij,ij->j", "ij,kl->ljik", "...j,kj->k..."])
def test_gradients_of_contractions(equation: str) -> None:
    a, b = np.arange(9.0).reshape(3, 3), np.cos(np.arange(9.0)).reshape(3, 3)
    same(lambda lib, x, y: lib.einsum(equation, x, y), a, b)
    same(lambda lib, x, y: lib.tensordot(x, y, ([1], [0])), a, b)


# -- as many results as the data says

DATA = """
torch.arange(6.).masked_select(torch.arange(6.) > 2)
torch.arange(6.).masked_select(torch.ones(2, 6).bool())
torch.arange(6.).masked_select(torch.ones(5).bool())
torch.arange(6.).masked_select(torch.ones(6).byte())
torch.tensor(1.).masked_select(torch.tensor(True))
torch.nonzero(torch.arange(6.))
torch.nonzero(torch.eye(3), as_tuple=True)
torch.tensor(1).nonzero()
torch.tensor(1).nonzero(as_tuple=True)
torch.nonzero(torch.arange(6.), out=torch.empty(0))
torch.argwhere(torch.eye(2))
torch.tensor([3, 1, 2, 1, 3]).unique()
torch.tensor([3, 1, 2, 1, 3]).unique(return_inverse=True)
torch.unique(torch.tensor([3, 1, 2, 1, 3]), return_counts=True)
torch.unique(torch.tensor([[3, 1], [2, 1], [3, 1]]), True, True, True, 0)
torch.unique(torch.tensor([[3, 1, 3]]), dim=1)
torch.unique(torch.ones(2), dim=2)
torch.unique(torch.tensor([1., nan, nan]))
torch.unique(torch.ones(0, 2), dim=0, return_inverse=True)
torch.unique(torch.tensor([1j]))
torch.unique_consecutive(torch.tensor([3, 3, 2, 3]), True, True)
torch.unique_consecutive(torch.tensor([[3, 3], [3, 3]]), dim=0)
torch.repeat_interleave(torch.tensor([1, 0, 2]))
torch.repeat_interleave(torch.tensor([1, 0, 2]), output_size=3)
torch.repeat_interleave(torch.tensor([1.]))
torch.repeat_interleave(torch.tensor([1, 2], dtype=torch.int32))
torch.arange(6.).repeat_interleave(2)
torch.arange(6.).repeat_interleave(-2)
torch.arange(6.).view(2, 3).repeat_interleave(2, 1)
torch.arange(6.).view(2, 3).repeat_interleave(torch.tensor([1, 2]), 0)
torch.arange(6.).view(2, 3).repeat_interleave(torch.tensor([1, 2]), 1)
torch.arange(6.).view(2, 3).repeat_interleave(torch.tensor([[1, 2]]), 1)
torch.arange(6.).view(2, 3).repeat_interleave(torch.tensor([1, 2]), 0, output_size=3)
torch.arange(3.).repeat_interleave(torch.tensor([1, -2, 1]))
torch.arange(6.).repeat_interleave(2, output_size=11)
torch.histogramdd(torch.arange(24.).view(2, 4, 3), [2, 3, 2])
torch.histogramdd(torch.arange(24.).view(2, 4, 3), [2, 3, 2], density=True, weight=torch.arange(8.).view(2, 4))
torch.histogramdd(torch.tensor([[0., 1], [1, 0], [2, 2]]), 2, range=[0., 1, 0, 2])
torch.histogramdd(torch.tensor([[0., 1], [1, 0]]), [torch.tensor([0., 1, 2]), torch.tensor([0., 2])])
torch.histogramdd(torch.tensor([[0., 1]]), [3, 2, 1])
torch.histogramdd(torch.tensor([0., 1]), [3, 2])
torch.histogramdd(torch.tensor([[0., 1]]), [3, 0])
torch.segment_reduce(torch.arange(6.), 'sum', lengths=torch.tensor([2, 0, 4]))
torch.segment_reduce(torch.arange(6.), 'mean', lengths=torch.tensor([2, 0, 4]))
torch.segment_reduce(torch.arange(6.), 'mean', lengths=torch.tensor([2, 0, 4]), initial=1)
torch.segment_reduce(torch.arange(6.), 'max', offsets=torch.tensor([0, 2, 2, 6]), initial=3)
torch.segment_reduce(torch.arange(24.).view(2, 3, 4), 'min', lengths=torch.tensor([[1, 2], [3, 0]]), axis=1)
torch.segment_reduce(torch.arange(6.), 'sum', lengths=torch.tensor([2, 0, 3]))
torch.segment_reduce(torch.arange(6.), 'sum')
torch.segment_reduce(torch.arange(6.), 'foo', lengths=torch.tensor([6]))
torch.segment_reduce(torch.arange(6), 'sum', lengths=torch.tensor([6]))
torch.hash_tensor(torch.ones(2, 3, dtype=torch.bfloat16), 1)
torch.hash_tensor(torch.tensor([1., 2, 3]))
torch.hash_tensor(torch.ones(0))
"""


@pytest.mark.parametrize("code", lines(DATA))
def test_data_dependent(code: str) -> None:
    agree(code)


def test_gradients_of_selections() -> None:
    def program(lib: Any, x: Any) -> list:
        repeats = lib.tensor([1, 2, 0, 1, 1, 3])
        return [
            x.masked_select(x > 2).square(),
            x.repeat_interleave(2).square(),
            x.repeat_interleave(repeats).square(),
            x.repeat_interleave(repeats, output_size=8).square(),
        ]

    same(program, np.arange(6.0))


@pytest.mark.parametrize("reduce", ["sum", "mean", "max", "min", "prod"])
def test_gradients_of_segments(reduce: str) -> None:
    same(lambda lib, x: lib.segment_reduce(x, reduce, lengths=lib.tensor([2, 1, 3])), np.arange(1, 7.0))


# -- norms

NORMS = """
torch.linalg.matrix_norm(torch.ones(2, 2), 3)
torch.linalg.matrix_norm(torch.ones(3))
torch.linalg.matrix_norm(torch.ones(2, 2), dim=(0, 0))
torch.linalg.matrix_norm(torch.ones(2, 2).long())
torch.linalg.matrix_norm(torch.ones(2, 2), dtype=torch.float16)
torch.linalg.matrix_norm(torch.ones(2, 2).half(), 2)
torch.linalg.matrix_norm(torch.ones(2, 0), 'nuc')
torch.linalg.matrix_norm(torch.ones(0, 2), 2)
torch.linalg.norm(torch.ones(2, 3, 4))
torch.linalg.norm(torch.ones(2, 3, 4), 2)
torch.linalg.norm(torch.ones(2, 2), dim=(0, 1, 0))
torch.linalg.norm(torch.ones(2, 2), 'nuc', dim=0)
torch.linalg.norm(torch.ones(2, 2), 2, dim=-1, out=torch.empty(0))
torch.linalg.cond(torch.ones(2, 3), 1)
torch.linalg.cond(torch.ones(2, 2), 1)
torch.linalg.cond(torch.ones(2))
torch.linalg.cond(torch.ones(2, 2), 'x')
torch.linalg.cond(torch.ones(0, 2, 2), 1)
torch.nuclear_norm(torch.ones(2, 3, 3), dim=(1, 2), keepdim=True)
torch.frobenius_norm(torch.ones(2, 2, 2), dim=(0, 1), keepdim=True)
torch.frobenius_norm(torch.ones(2, 2, 2), dim=(0, 1, 2))
torch.norm_except_dim(torch.arange(12.).view(3, 4), 2, 1)
torch.lu(torch.tensor([[1., 2], [3, 4]]), get_infos=True)
"""


@pytest.mark.parametrize("code", lines(NORMS))
def test_norms(code: str) -> None:
    agree(code)


@pytest.mark.parametrize("order", ["fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
def test_matrix_norms_and_condition_numbers(order: Any) -> None:
    a = np.cos(np.arange(24.0) ** 2).reshape(2, 3, 4)
    same(lambda lib, x: lib.linalg.matrix_norm(x, order, dim=(2, 0), keepdim=True), a)
    same(lambda lib, x: lib.linalg.norm(x[0], order), a)
    # Torch's own backward of the other condition numbers fails: it writes into the inverse that it saved.
    same(lambda lib, x: lib.linalg.cond(x[..., :3], order), a, grads=order in (2, -2))


def test_low_rank_decompositions() -> None:
    a = (np.arange(12.0).reshape(4, 3) @ np.ones((3, 5))).astype(np.float64)
    for lib in (torch, jtorch):
        x = lib.from_numpy(a)
        u, s, v = lib.svd_lowrank(x, q=2)
        assert (u.shape, s.shape, v.shape) == ((4, 2), (2,), (5, 2))
        np.testing.assert_allclose(array_of((u * s) @ v.mT), a, atol=1e-9)
        u, s, v = lib.pca_lowrank(x, q=2)
        np.testing.assert_allclose(array_of((u * s) @ v.mT), a - a.mean(0), atol=1e-9)
    agree("torch.pca_lowrank(torch.ones(3, 4), q=9)")


# -- names


@pytest.mark.parametrize("name", ["eig", "symeig", "solve", "lstsq", "matrix_rank"])
def test_what_torch_removed_raises(name: str) -> None:
    for lib in (torch, jtorch):
        with pytest.raises(RuntimeError, match="deprecated since version 1.9 and is now removed"):
            getattr(lib, name)(lib.eye(2), lib.eye(2)) if name in ("solve", "lstsq") else getattr(lib, name)(lib.eye(2))


@pytest.mark.parametrize("space", ["linalg", "special"])
def test_namespaces(space: str) -> None:
    theirs, ours = getattr(torch, space), getattr(jtorch, space)
    names = [n for n in dir(theirs) if n[0] != "_" and callable(getattr(theirs, n)) and not isinstance(theirs, type)]
    missing = [n for n in names if n != "Tensor" and not hasattr(ours, n)]
    assert not missing
    with pytest.raises(AttributeError, match=f"torch.{space}' has no attribute 'nothing'"):
        ours.nothing  # noqa: B018
