"""The CPU's random numbers, against real torch: the same bits, and the same generator state afterwards."""

import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import jtorch

# randint's bounds beyond a dtype's significand warn, in both libraries alike.
pytestmark = pytest.mark.filterwarnings("ignore:.*is out of bounds:UserWarning")

FLOATS = ("float32", "float64", "float16", "bfloat16")
INTS = ("int64", "int32", "int16", "int8", "uint8", "bool")
SIZES = (1, 3, 15, 16, 17, 40, 1000)
_INTEGER = {1: "uint8", 2: "int16", 4: "int32", 8: "int64"}


def bits(lib: Any, t: Any) -> list:
    """The elements as integers of the same bits."""
    if t.is_complex():
        t = lib.view_as_real(t)
    return t.detach().contiguous().view(getattr(lib, _INTEGER[t.element_size()])).tolist()


def compare(run: Callable[[Any], Any], seed: int = 5) -> None:
    """``run(lib)`` in both libraries from one seed: results to the bit, and the states that are left."""
    results, states = [], []
    for lib in (torch, jtorch):
        lib.manual_seed(seed)
        out = run(lib)
        outs = out if isinstance(out, (tuple, list)) else [out]
        results.append([(str(t.dtype), tuple(t.shape), bits(lib, t)) for t in outs])
        states.append(lib.get_rng_state().tolist())
    assert results[0] == results[1]
    assert states[0] == states[1]


def of(lib: Any, dtype: str) -> Any:
    return getattr(lib, dtype)


FILLS = [
    ("uniform_", (), FLOATS),
    ("uniform_", (-0.3, 2.5), FLOATS),
    ("uniform_", (1000, 1000.0003), FLOATS),
    ("normal_", (), FLOATS),
    ("normal_", (-0.3, 2.5), FLOATS),
    ("bernoulli_", (0.3,), FLOATS + INTS),
    ("exponential_", (), FLOATS),
    ("exponential_", (3.0,), FLOATS),
    ("geometric_", (0.3,), FLOATS + INTS[:-1]),
    ("cauchy_", (), FLOATS),
    ("cauchy_", (-0.3, 2.5), FLOATS),
    ("log_normal_", (), FLOATS),
    ("log_normal_", (-0.3, 2.5), FLOATS),
    ("random_", (), FLOATS + INTS),
    ("random_", (3, None), FLOATS + INTS[:-1]),
    ("random_", (2,), FLOATS + INTS),
    ("random_", (-5, 100), FLOATS + INTS[:-2]),
    ("random_", (0, 1 << 24), ("float32", "float64", "bfloat16", "int64", "int32")),
    ("random_", (0, 1 << 28), ("float32", "float64", "bfloat16", "int64", "int32")),
    ("random_", (0, (1 << 32) - 1), ("float32", "float64", "bfloat16", "int64")),
    ("random_", (-(1 << 40), 1 << 40), ("float32", "float64", "bfloat16", "int64")),
    ("random_", (0, (1 << 63) - 1), ("float32", "float64", "bfloat16", "int64")),
    ("random_", (-(1 << 63), None), ("float32", "float64", "bfloat16", "int64")),
]


@pytest.mark.parametrize(("name", "args", "dtypes"), FILLS, ids=lambda x: str(x) if isinstance(x, (str, tuple)) else "")
def test_fills(name: str, args: tuple, dtypes: tuple) -> None:
    for dtype in dtypes:
        compare(lambda lib: [getattr(lib.zeros(n, dtype=of(lib, dtype)), name)(*args) for n in SIZES])  # noqa: B023


@pytest.mark.parametrize("name", ["uniform_", "normal_"])
def test_complex_fills(name: str) -> None:
    for dtype in ("complex64", "complex128"):
        compare(lambda lib: [getattr(lib.zeros(n, dtype=of(lib, dtype)), name)() for n in SIZES])  # noqa: B023


@pytest.mark.parametrize(
    "run",
    [
        lambda lib: [lib.rand(n) for n in SIZES],
        lambda lib: [lib.randn(n) for n in SIZES],
        lambda lib: lib.rand(2, 3, dtype=lib.float64),
        lambda lib: lib.randn((4, 5), dtype=lib.float16),
        lambda lib: lib.rand(size=(3,), dtype=lib.complex64),
        lambda lib: lib.randn(20, dtype=lib.complex128),
        lambda lib: lib.rand(0, 3),
        lambda lib: lib.randint(10, (40,)),
        lambda lib: lib.randint(3, 10, (40,), dtype=lib.int32),
        lambda lib: lib.randint(low=-3, high=10, size=(4, 4), dtype=lib.float32),
        lambda lib: lib.randint(5, size=(2,)),
        lambda lib: lib.randint(0, 1 << 30, (5,)),
        lambda lib: [lib.randperm(n) for n in (0, 1, 2, 10, 1000)],
        lambda lib: [lib.randperm(100, dtype=of(lib, d)) for d in ("int32", "int16", "uint8", "float32", "float64")],
        lambda lib: lib.rand_like(lib.zeros(3, 4, dtype=lib.float64)),
        lambda lib: lib.randn_like(lib.zeros(3, 7)),
        lambda lib: lib.randn_like(lib.zeros(3, 7), dtype=lib.float64),
        lambda lib: lib.randint_like(lib.zeros(30), 5),
        lambda lib: lib.randint_like(lib.zeros(30), -5, 5, dtype=lib.int16),
        lambda lib: lib.rand(3, out=lib.zeros(3, dtype=lib.float64)),
        lambda lib: lib.randint(10, (3,), out=lib.zeros(3)),
        lambda lib: lib.randperm(5, out=lib.zeros(5, dtype=lib.int32)),
        lambda lib: lib.normal(0.0, lib.arange(1.0, 31.0)),
        lambda lib: lib.normal(lib.arange(1.0, 31.0), 2.0),
        lambda lib: lib.normal(lib.arange(1.0, 31.0)),
        lambda lib: lib.normal(lib.arange(1.0, 4.0), lib.arange(1.0, 9.0)[:, None]),
        lambda lib: lib.normal(lib.arange(4.0), lib.arange(4.0, dtype=lib.float64)),
        lambda lib: lib.normal(2, 3, (40,)),
        lambda lib: lib.normal(2, 3, (4, 2), dtype=lib.float64),
        lambda lib: lib.bernoulli(lib.linspace(0, 1, 50)),
        lambda lib: lib.bernoulli(lib.linspace(0, 1, 50, dtype=lib.float64)),
        lambda lib: lib.bernoulli(lib.linspace(0, 1, 50).half()),
        lambda lib: lib.bernoulli(lib.zeros(50, dtype=lib.int32), 0.3),
        lambda lib: lib.zeros(50).bernoulli(0.3),
        lambda lib: lib.zeros(4, 50, dtype=lib.int64).bernoulli_(lib.linspace(0, 1, 50)),
    ],
)
def test_functions(run: Callable) -> None:
    compare(run)


def test_poisson() -> None:
    for dtype in ("float32", "float64", "float16"):
        compare(lambda lib: lib.poisson(lib.linspace(0, 40, 2000).to(of(lib, dtype))))  # noqa: B023
    compare(lambda lib: lib.poisson(lib.tensor([0.0, 1e-3, 9.999, 10.0, 1e3, 1e6])))
    compare(lambda lib: lib.poisson(lib.linspace(0, 40, 20).view(4, 5).t()))


def test_binomial() -> None:
    for dtype in ("float32", "float64"):
        compare(
            lambda lib: lib.binomial(
                lib.arange(100, dtype=of(lib, dtype))[:, None].expand(100, 21),  # noqa: B023
                lib.linspace(0, 1, 21, dtype=of(lib, dtype)),  # noqa: B023
            )
        )
    compare(lambda lib: lib.binomial(lib.tensor([-1.0, 3.0, 5.0]), lib.tensor([0.5, float("nan"), 1.5])))


@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("n", [1, 3, 8])
def test_multinomial(n: int, replacement: bool) -> None:
    for dtype in ("float32", "float64"):
        compare(lambda lib: lib.multinomial(lib.arange(1, 41, dtype=of(lib, dtype)), n, replacement))  # noqa: B023
        compare(
            lambda lib: (lib.arange(24, dtype=of(lib, dtype)) % 7 + 1).view(3, 8).multinomial(n, replacement)  # noqa: B023
        )


@pytest.mark.parametrize("name", ["uniform_", "normal_", "bernoulli_", "exponential_", "random_"])
def test_views_are_filled_in_the_order_of_memory(name: str) -> None:
    args = (0.5,) if name == "bernoulli_" else ()

    def run(lib: Any) -> list:
        base = lib.zeros(6, 5, 4)
        getattr(base.permute(2, 0, 1), name)(*args)
        wide = lib.zeros(6, 40)
        getattr(wide[:, ::2], name)(*args)
        column = lib.zeros(3, 30)
        getattr(column[1], name)(*args)
        return [base, wide, column]

    compare(run)


def test_parts_of_complex_tensors() -> None:
    def run(lib: Any) -> Any:
        x = lib.zeros(5, 8, dtype=lib.complex64)
        lib.view_as_real(x[1:]).uniform_()
        x.imag.normal_()
        return x

    compare(run)


def test_likes_of_transposed_tensors() -> None:
    compare(lambda lib: [lib.rand_like(lib.zeros(6, 5).t()), lib.randn_like(lib.zeros(6, 5).t())])


@pytest.mark.parametrize("name", ["dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"])
def test_dropout(name: str) -> None:
    for dtype in ("float32", "float64", "float16"):
        x = np.random.RandomState(0).randn(4, 5, 3, 2)
        for p in (0.1, 0.5, 1.0, 0.0):
            compare(lambda lib: getattr(lib, name)(lib.tensor(x, dtype=of(lib, dtype)), p, True))  # noqa: B023
        compare(lambda lib: getattr(lib, name + "_")(lib.tensor(x, dtype=of(lib, dtype)), 0.4, True))  # noqa: B023
    compare(lambda lib: getattr(lib, name)(lib.arange(20.0).view(4, 5).t(), 0.5, True))


def test_dropout_in_training() -> None:
    def run(lib: Any) -> list:
        x = lib.linspace(-1, 1, 48).view(6, 8).requires_grad_(True)
        lib.dropout(x, 0.3, True).pow(2).sum().backward()
        return [x.grad]

    compare(run)


def test_native_dropout() -> None:
    compare(lambda lib: lib.native_dropout(lib.linspace(-1, 1, 50), 0.3, True))
    compare(lambda lib: lib.native_dropout(lib.linspace(-1, 1, 50), 0.3, False))


def test_rrelu() -> None:
    for dtype in ("float32", "float64", "bfloat16"):
        compare(lambda lib: lib.rrelu(lib.linspace(-1, 1, 51).to(of(lib, dtype)), 0.1, 0.3, True))  # noqa: B023
    compare(lambda lib: lib.rrelu(lib.linspace(-1, 1, 50)))
    compare(lambda lib: lib.rrelu_(lib.linspace(-1, 1, 50), 0.1, 0.3, True))


# -- generators


def test_states_move_between_the_libraries() -> None:
    for before in (0, 1, 7, 623, 624, 1000):
        for last in (lambda lib: None, lambda lib: lib.randn(3)):
            torch.manual_seed(9)
            torch.rand(before)
            last(torch)
            jtorch.set_rng_state(jtorch.tensor(torch.get_rng_state().tolist(), dtype=jtorch.uint8))
            assert jtorch.initial_seed() == 9
            assert jtorch.randn(5).tolist() == torch.randn(5).tolist()
            torch.set_rng_state(torch.tensor(jtorch.get_rng_state().tolist(), dtype=torch.uint8))
            assert jtorch.rand(700).tolist() == torch.rand(700).tolist()


@pytest.mark.parametrize("seed", [0, 1, -1, -5, 2**32, 2**63, 2**64 - 1, -(2**63)])
def test_seeds(seed: int) -> None:
    for lib in (torch, jtorch):
        lib.manual_seed(seed)
    assert torch.initial_seed() == jtorch.initial_seed()
    assert torch.rand(3).tolist() == jtorch.rand(3).tolist()


def test_generators() -> None:
    def run(lib: Any) -> list:
        g = lib.Generator()
        out = [lib.rand(3, generator=g)]
        g.manual_seed(11)
        out += [lib.randn(20, generator=g), lib.randint(9, (4,), generator=g), lib.randperm(9, generator=g)]
        h = g.clone_state()
        out += [lib.zeros(4).normal_(generator=g), lib.zeros(4).normal_(generator=h)]
        out += [lib.multinomial(lib.ones(5), 2, generator=g), lib.poisson(lib.ones(5), generator=g)]
        state = g.get_state()
        out += [lib.bernoulli(lib.full((9,), 0.5), generator=g), lib.normal(lib.zeros(3), generator=g)]
        g.set_state(state)
        out += [lib.zeros(3).exponential_(generator=g), state]
        return [*out, lib.rand(2, generator=pickle.loads(pickle.dumps(g)))]

    compare(run)


def test_fork_rng() -> None:
    def run(lib: Any) -> list:
        with lib.random.fork_rng():
            first = lib.rand(3)
        return [first, lib.rand(3)]

    compare(run)


# -- errors

ERRORS = {
    "uniform bounds": lambda lib: lib.zeros(2).uniform_(2, 1),
    "uniform nan": lambda lib: lib.zeros(2).uniform_(float("nan"), 1),
    "uniform range": lambda lib: lib.zeros(2).uniform_(-3e38, 3e38),
    "uniform half": lambda lib: lib.zeros(2, dtype=lib.half).uniform_(0, 1e6),
    "uniform ints": lambda lib: lib.zeros(2, dtype=lib.int64).uniform_(),
    "uniform arguments": lambda lib: lib.zeros(2).uniform_(1, 2, 3),
    "normal std": lambda lib: lib.zeros(2).normal_(0, -1),
    "normal nan": lambda lib: lib.zeros(2).normal_(0, float("nan")),
    "normal ints": lambda lib: lib.zeros(2, dtype=lib.int64).normal_(),
    "bernoulli p": lambda lib: lib.zeros(2).bernoulli_(1.5),
    "bernoulli str": lambda lib: lib.zeros(2).bernoulli_("a"),
    "bernoulli tensor": lambda lib: lib.bernoulli(lib.tensor([0.5, 2.0])),
    "bernoulli nan": lambda lib: lib.bernoulli(lib.tensor([float("nan")])),
    "bernoulli ints": lambda lib: lib.bernoulli(lib.tensor([1, 0])),
    "bernoulli shape": lambda lib: lib.zeros(3).bernoulli_(lib.ones(2)),
    "exponential": lambda lib: lib.zeros(2).exponential_(0),
    "exponential ints": lambda lib: lib.zeros(2, dtype=lib.int64).exponential_(),
    "geometric": lambda lib: lib.zeros(2).geometric_(1.0),
    "geometric missing": lambda lib: lib.zeros(2).geometric_(),
    "cauchy": lambda lib: lib.zeros(2).cauchy_(0, 0),
    "cauchy ints": lambda lib: lib.zeros(2, dtype=lib.int64).cauchy_(),
    "log_normal": lambda lib: lib.zeros(2).log_normal_(0, 0),
    "log_normal ints": lambda lib: lib.zeros(2, dtype=lib.int64).log_normal_(),
    "random empty": lambda lib: lib.zeros(2).random_(5, 5),
    "random to": lambda lib: lib.zeros(2).random_(0),
    "random int8": lambda lib: lib.zeros(2, dtype=lib.int8).random_(-200, 5),
    "random uint8": lambda lib: lib.zeros(2, dtype=lib.uint8).random_(0, 300),
    "random complex": lambda lib: lib.zeros(2, dtype=lib.complex64).random_(),
    "random float": lambda lib: lib.zeros(2).random_(1.5),
    "leaf": lambda lib: lib.zeros(3, requires_grad=True).uniform_(),
    "rand empty": lambda lib: lib.rand(),
    "rand negative": lambda lib: lib.rand(-1),
    "rand ints": lambda lib: lib.rand(2, dtype=lib.int64),
    "rand float size": lambda lib: lib.rand(2.5),
    "rand keyword": lambda lib: lib.rand(2, foo=1),
    "rand generator": lambda lib: lib.rand(2, generator=5),
    "rand out dtype": lambda lib: lib.rand(2, out=lib.zeros(2), dtype=lib.float64),
    "randint empty": lambda lib: lib.randint(5, 3, (2,)),
    "randint size": lambda lib: lib.randint(10, 3),
    "randint no size": lambda lib: lib.randint(10),
    "randint float": lambda lib: lib.randint(2.5, (2,)),
    "randint grad": lambda lib: lib.randint(10, (2,), requires_grad=True),
    "randint complex": lambda lib: lib.randint(10, (2,), dtype=lib.complex64),
    "randperm negative": lambda lib: lib.randperm(-1),
    "randperm uint8": lambda lib: lib.randperm(300, dtype=lib.uint8),
    "randperm bool": lambda lib: lib.randperm(3, dtype=lib.bool),
    "randperm half": lambda lib: lib.randperm(3000, dtype=lib.float16),
    "randperm float": lambda lib: lib.randperm(2.5),
    "rand_like int": lambda lib: lib.rand_like(5),
    "normal shapes": lambda lib: lib.normal(lib.ones(2), lib.ones(3)),
    "normal negative": lambda lib: lib.normal(lib.ones(2), -1.0),
    "normal negative tensor": lambda lib: lib.normal(0.0, lib.tensor([1.0, -1.0])),
    "normal two numbers": lambda lib: lib.normal(0.0, 1.0),
    "normal int size": lambda lib: lib.normal(0, 1, 2),
    "normal int tensor": lambda lib: lib.normal(lib.ones(2, dtype=lib.int64), 1.0),
    "multinomial zero": lambda lib: lib.multinomial(lib.ones(3), 0),
    "multinomial many": lambda lib: lib.multinomial(lib.ones(3), 4),
    "multinomial ints": lambda lib: lib.multinomial(lib.tensor([1, 2]), 1),
    "multinomial negative": lambda lib: lib.multinomial(lib.tensor([1.0, -1.0]), 1),
    "multinomial nan": lambda lib: lib.multinomial(lib.tensor([1.0, float("nan")]), 1),
    "multinomial sum": lambda lib: lib.multinomial(lib.zeros(3), 1),
    "multinomial replacement sum": lambda lib: lib.multinomial(lib.zeros(3), 2, True),
    "multinomial replacement negative": lambda lib: lib.multinomial(lib.tensor([1.0, -1.0]), 2, True),
    "multinomial replacement inf": lambda lib: lib.multinomial(lib.tensor([1.0, float("inf")]), 2, True),
    "multinomial dims": lambda lib: lib.multinomial(lib.ones(2, 2, 2), 1),
    "multinomial out": lambda lib: lib.multinomial(lib.ones(3), 2, out=lib.zeros(2)),
    "poisson negative": lambda lib: lib.poisson(lib.tensor([1.0, -1.0])),
    "poisson ints": lambda lib: lib.poisson(lib.tensor([1, 2])),
    "binomial ints": lambda lib: lib.binomial(lib.tensor([1, 2]), lib.tensor([0.5, 0.5])),
    "binomial dtypes": lambda lib: lib.binomial(lib.ones(2), lib.ones(2, dtype=lib.float64)),
    "binomial shapes": lambda lib: lib.binomial(lib.ones(3), lib.ones(2)),
    "dropout p": lambda lib: lib.dropout(lib.ones(2), 1.5, True),
    "dropout ints": lambda lib: lib.dropout(lib.tensor([1, 2]), 0.5, True),
    "dropout complex": lambda lib: lib.dropout(lib.ones(2, dtype=lib.complex64), 0.5, True),
    "dropout str": lambda lib: lib.dropout(lib.ones(2), "a", True),
    "dropout_ leaf": lambda lib: lib.dropout_(lib.ones(2, requires_grad=True), 0.5, True),
    "feature_dropout dims": lambda lib: lib.feature_dropout(lib.ones(2), 0.5, True),
    "rrelu bounds": lambda lib: lib.rrelu(lib.ones(2), 0.3, 0.1),
    "rrelu ints": lambda lib: lib.rrelu(lib.tensor([1, 2]), 0.1, 0.3, True),
    "rrelu nan": lambda lib: lib.rrelu(lib.ones(2), float("nan"), 0.1),
    "seed overflow": lambda lib: lib.manual_seed(2**64),
    "seed float": lambda lib: lib.Generator().manual_seed(1.5),
    "seed str": lambda lib: lib.manual_seed("a"),
    "state dtype": lambda lib: lib.set_rng_state(lib.zeros(5)),
    "state size": lambda lib: lib.set_rng_state(lib.zeros(5, dtype=lib.uint8)),
    "state invalid": lambda lib: lib.Generator().set_state(lib.zeros(5056, dtype=lib.uint8)),
    "state type": lambda lib: lib.Generator().set_state(5),
    "offset": lambda lib: lib.Generator().get_offset(),
    "set offset": lambda lib: lib.Generator().set_offset(4),
    "graphsafe": lambda lib: lib.Generator().graphsafe_get_state(),
    "meta generator": lambda lib: lib.Generator("meta"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    raised = []
    for lib in (torch, jtorch):
        with pytest.raises(Exception) as caught:  # noqa: PT011
            ERRORS[name](lib)
        message = re.sub(r" \(position \d\)", "", str(caught.value))
        raised.append((caught.type, re.split(r"\n|  \(| - got", message)[0]))
    assert issubclass(raised[1][0], raised[0][0])
    assert raised[0][1] == raised[1][1]
