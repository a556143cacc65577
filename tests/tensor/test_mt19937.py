"""The Mersenne Twister, its saved state, and the arithmetic on its numbers, against recorded values and formulas."""

import math
from fractions import Fraction

import numpy as np
import pytest

from jtorch.tensor import draws, rejection
from jtorch.tensor.boxmuller import normal_blocks
from jtorch.tensor.mt19937 import DEFAULT_SEED, STATE_BYTES, Mt19937

F32, F64 = np.dtype(np.float32), np.dtype(np.float64)


def test_numbers_of_the_reference_implementation() -> None:
    # Matsumoto and Nishimura's mt19937ar, init_genrand(5489): the first and the ten thousandth number.
    numbers = Mt19937(5489).raw(10000)
    assert numbers[0] == 3499211612
    assert numbers[-1] == 4123659995


def test_only_the_low_half_of_a_seed_counts() -> None:
    assert (Mt19937(3 + (7 << 32)).raw(9) == Mt19937(3).raw(9)).all()
    assert Mt19937().initial_seed == DEFAULT_SEED


def test_wide_numbers_are_two_draws_the_first_one_high() -> None:
    narrow = Mt19937(1).raw(6).tolist()
    assert Mt19937(1).raw64(3).tolist() == [(a << 32) | b for a, b in zip(narrow[::2], narrow[1::2], strict=True)]


@pytest.mark.parametrize("before", [0, 1, 623, 624, 625, 2000])
def test_states_carry_on(before: int) -> None:
    m, other = Mt19937(7), Mt19937()
    m.raw(before)
    draws.normal(m, 3, F32)
    state = m.state()
    assert state.dtype == np.uint8 and state.size == STATE_BYTES
    other.set_state(state)
    assert (other.state() == state).all()
    assert other.initial_seed == 7 and other.cached == m.cached
    assert (draws.normal(other, 5, F32) == draws.normal(m, 5, F32)).all()


def test_bad_states() -> None:
    with pytest.raises(RuntimeError, match="size 5056 but found the input RNG state size to be 3"):
        Mt19937().set_state(np.zeros(3, np.uint8))
    with pytest.raises(RuntimeError, match="Invalid mt19937 state"):
        Mt19937().set_state(np.zeros(STATE_BYTES, np.uint8))


def test_clones_go_their_own_way() -> None:
    m = Mt19937(2)
    other = m.clone()
    first = m.raw(5)
    assert (other.raw(5) == first).all()
    assert (m.raw(5) == other.raw(5)).all()


def test_a_fused_multiply_add_rounds_once() -> None:
    rng = np.random.default_rng(0)
    x = rng.random(2000)
    for factor, term in [(2.8, -0.3), (1e-3, 1e6), (3.0, 0.1), (1e5, -12345.678)]:
        made = draws._fma(x, factor, term)
        exact = [float(Fraction(a) * Fraction(factor) + Fraction(term)) for a in x.tolist()]
        assert made.tolist() == exact
    narrow = x.astype(np.float32)
    exact = [np.float32(float(Fraction(a) * Fraction(float(np.float32(2.8))) - 1)) for a in narrow.tolist()]
    assert (draws._fma(narrow, 2.8, -1.0) == np.array(exact)).all()


def test_uniforms_stay_below_the_upper_bound() -> None:
    for dtype in (F32, F64, np.dtype(np.float16)):
        u = draws.uniform(Mt19937(0), 20000, dtype)
        assert u.dtype == dtype and u.min() >= 0 and u.max() < 1
    close = draws.uniform(Mt19937(0), 2000, F32, 1000.0, 1000.0003)
    assert set(close.tolist()) == {1000 + k * 2.0**-14 for k in range(5)}


def test_normal_blocks_are_box_and_muller() -> None:
    u = draws.unit(Mt19937(0), 16 * 500, F32)
    pairs = u.astype(np.float64).reshape(-1, 2, 8)
    radius, angle = np.sqrt(-2 * np.log(1 - pairs[:, 0])), 2 * np.pi * pairs[:, 1]
    expected = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1) * 3 + 1
    np.testing.assert_allclose(normal_blocks(u, 1.0, 3.0), expected, rtol=1e-5, atol=1e-5)


def test_the_second_of_a_pair_waits() -> None:
    whole, m = draws.normal(Mt19937(0), 8, F64), Mt19937(0)
    parts = np.concatenate([draws.normal(m, n, F64) for n in (1, 2, 0, 3, 2)])
    assert (parts == whole).all()
    assert m.cached is None


@pytest.mark.parametrize(
    ("low", "last"), [(0, 0), (-5, 5), (0, (1 << 28) - 1), (0, 1 << 28), (-(1 << 63), (1 << 63) - 1)]
)
def test_integers_lie_within_bounds(low: int, last: int) -> None:
    made = draws.integers(Mt19937(0), 1000, np.dtype(np.int64), low, last).tolist()
    assert low <= min(made) and max(made) <= last
    if last - low < 100:
        assert set(made) == set(range(low, last + 1))


def test_permutations_hold_every_number_once() -> None:
    for n in (0, 1, 2, 100):
        assert sorted(draws.permutation(Mt19937(0), n, np.dtype(np.int32)).tolist()) == list(range(n))


MOMENTS = [
    (lambda m, n: draws.bernoulli(m, n, F32, 0.3), 0.3, 0.21),
    (lambda m, n: draws.exponential(m, n, F32, 2.0), 0.5, 0.25),
    (lambda m, n: draws.geometric(m, n, F32, 0.25), 4.0, 12.0),
    (lambda m, n: np.log(draws.log_normal(m, n, F64, 0.5, 0.7)), 0.5, 0.49),
    (lambda m, n: draws.normal_scattered(m, n, F32, 1.0, 2.0), 1.0, 4.0),
    (lambda m, n: draws.normal(m, n, np.dtype(np.float16), 1.0, 2.0).astype(F64), 1.0, 4.0),
    (lambda m, n: rejection.poisson(m, np.full(n, 4.0)), 4.0, 4.0),
    (lambda m, n: rejection.poisson(m, np.full(n, 50.0)), 50.0, 50.0),
    (lambda m, n: rejection.binomial(m, np.full(n, 9.0), np.full(n, 0.4)), 3.6, 2.16),
    (lambda m, n: rejection.binomial(m, np.full(n, 90.0), np.full(n, 0.7)), 63.0, 18.9),
]


@pytest.mark.parametrize(("draw", "mean", "variance"), MOMENTS)
def test_moments(draw, mean: float, variance: float) -> None:
    n = 20000
    made = draw(Mt19937(3), n).astype(np.float64)
    assert abs(made.mean() - mean) < 5 * math.sqrt(variance / n)
    assert abs(made.var() / variance - 1) < 0.1


def test_cauchy_quartiles() -> None:
    made = draws.cauchy(Mt19937(0), 20000, F64, 1.0, 2.0)
    np.testing.assert_allclose(np.quantile(made, [0.25, 0.5, 0.75]), [-1, 1, 3], atol=0.1)


def test_rejection_takes_what_it_needs() -> None:
    m = Mt19937(0)
    rejection.poisson(m, np.zeros(5))
    rejection.binomial(m, np.array([0.0, 5.0]), np.array([0.5, 1.0]))
    assert (m.state() == Mt19937(0).state()).all()
    with pytest.raises(RuntimeError, match="non-negative"):
        rejection.poisson(m, np.array([1.0, -1.0]))
