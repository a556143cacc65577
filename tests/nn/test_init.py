"""Initial values: draws from a seed, shapes of distributions, and errors."""

import math
from typing import Any

import pytest

import jtorch
from jtorch.nn import init


def empty(*shape: int) -> jtorch.Tensor:
    return jtorch.empty(*shape)


def test_the_same_seed_gives_torchs_weights() -> None:
    # Recorded from torch 2.13.
    jtorch.manual_seed(0)
    linear = jtorch.nn.Linear(2, 3)
    drawn = [
        linear.weight,
        linear.bias,
        init.normal_(empty(3)),
        init.trunc_normal_(empty(3), std=0.02),
        init.xavier_uniform_(empty(2, 2)),
    ]
    expected = [
        [-0.005293981, 0.3793229, -0.5819808, -0.5203875, -0.2723452, 0.1896159],
        [-0.01401003, 0.5606575, -0.06275152],
        [0.647248, 0.2490022, -0.3353951],
        [0.009127055, -0.01250932, 0.009077584],
        [1.017013, -0.2520527, 0.916491, -0.1974085],
    ]
    for got, want in zip(drawn, expected, strict=True):
        assert got.flatten().tolist() == pytest.approx(want, abs=1e-6)


def test_gains() -> None:
    assert init.calculate_gain("linear") == init.calculate_gain("conv2d") == init.calculate_gain("sigmoid") == 1
    assert init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("relu") == math.sqrt(2)
    assert init.calculate_gain("leaky_relu", 0.2) == math.sqrt(2 / 1.04)
    assert init.calculate_gain("selu") == 0.75


@pytest.mark.parametrize(
    ("fill", "bound"),
    [
        (lambda t: init.kaiming_uniform_(t, a=math.sqrt(5)), 1 / math.sqrt(40)),
        (lambda t: init.kaiming_uniform_(t, mode="fan_out", nonlinearity="relu"), math.sqrt(6 / 30)),
        (lambda t: init.xavier_uniform_(t, gain=2.0), 2 * math.sqrt(6 / 70)),
        (lambda t: init.uniform_(t, -0.25, 0.25), 0.25),
    ],
)
def test_uniform_bounds(fill: Any, bound: float) -> None:
    t = fill(empty(30, 40))
    largest = t.abs().max().item()
    assert 0.95 * bound < largest <= bound
    assert not t.requires_grad


@pytest.mark.parametrize(
    ("fill", "std"),
    [
        (lambda t: init.kaiming_normal_(t), math.sqrt(2 / 40)),
        (lambda t: init.xavier_normal_(t), math.sqrt(2 / 70)),
        (lambda t: init.normal_(t, 0.0, 3.0), 3.0),
    ],
)
def test_normal_deviations(fill: Any, std: float) -> None:
    jtorch.manual_seed(1)
    assert fill(empty(30, 40)).std().item() == pytest.approx(std, rel=0.1)


def test_trunc_normal_stays_within_its_bounds() -> None:
    for mean, std, a, b in ((0.0, 1.0, -2.0, 2.0), (0.0, 1.0, 1.5, 3.0), (0.5, 0.2, 0.4, 0.45)):
        t = init.trunc_normal_(empty(200), mean, std, a, b)
        assert a <= t.min().item() and t.max().item() <= b
        assert t.std().item() > 0
    with pytest.warns(UserWarning, match="mean is more than 2 std"):
        init.trunc_normal_(empty(2), mean=5.0)


def test_constants() -> None:
    assert init.constant_(empty(2), 3.0).tolist() == [3.0, 3.0]
    assert init.ones_(empty(1)).item() == 1.0 and init.zeros_(empty(1)).item() == 0.0
    assert init.eye_(empty(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]


def test_dirac_passes_channels_on() -> None:
    weight = init.dirac_(empty(4, 2, 3), groups=2)
    expected = jtorch.zeros(4, 2, 3)
    for out, channel in ((0, 0), (1, 1), (2, 0), (3, 1)):
        expected[out, channel, 1] = 1
    assert jtorch.equal(weight, expected)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4), (4, 2, 3)])
def test_orthogonal(shape: tuple) -> None:
    t = init.orthogonal_(empty(*shape), gain=2.0).flatten(1)
    gram = t @ t.mT if t.shape[0] <= t.shape[1] else t.mT @ t
    assert jtorch.allclose(gram, 4 * jtorch.eye(len(gram)), atol=1e-5)


def test_sparse_zeroes_its_share_of_each_column() -> None:
    t = init.sparse_(empty(10, 4), sparsity=0.35)
    assert (t == 0).sum(0).tolist() == [4, 4, 4, 4]


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: init.eye_(empty(2)), "Only tensors with 2 dimensions are supported"),
        (lambda: init.sparse_(empty(2), 0.1), "Only tensors with 2 dimensions are supported"),
        (lambda: init.dirac_(empty(2, 2)), "Only tensors with 3, 4, or 5 dimensions are supported"),
        (lambda: init.dirac_(empty(3, 2, 1), 2), "dim 0 must be divisible by groups"),
        (lambda: init.orthogonal_(empty(2)), "Only tensors with 2 or more dimensions are supported"),
        (lambda: init.xavier_uniform_(empty(2)), "fewer than 2 dimensions"),
        (lambda: init.kaiming_uniform_(empty(2, 2), mode="sideways"), "Mode sideways not supported"),
        (lambda: init.calculate_gain("gelu"), "Unsupported nonlinearity gelu"),
        (lambda: init.calculate_gain("leaky_relu", True), "negative_slope True not a valid number"),
    ],
)
def test_errors(act: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        act()


def test_nothing_to_draw_warns() -> None:
    with pytest.warns(UserWarning, match="zero-element tensors is a no-op"):
        init.kaiming_uniform_(empty(0, 3))


def test_older_names_warn() -> None:
    with pytest.warns(FutureWarning, match="`nn.init.uniform` is now deprecated in favor of `nn.init.uniform_`"):
        init.uniform(empty(2))
    assert {name for name in init.__all__ if not name.endswith("_")} - {"calculate_gain"} == {
        "uniform", "normal", "constant", "eye", "dirac", "xavier_uniform", "xavier_normal", "kaiming_uniform",
        "kaiming_normal", "orthogonal", "sparse",
    }  # fmt: skip
