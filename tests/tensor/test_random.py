"""Random functions, generators and dropout: torch's recorded numbers on the CPU, and draws from a JAX key."""

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
import pytest

import jtorch
from jtorch.engine import devices, record, report
from jtorch.ops import random as ops
from jtorch.random import key_scope
from jtorch.tensor import generator

# Draws one after the other from seed 0, as torch 2.13 prints them.
RECORDED = [
    (lambda: jtorch.rand(3), [0.49625658988952637, 0.7682217955589294, 0.08847743272781372]),
    (lambda: jtorch.randn(3), [0.3643381893634796, 0.13439632952213287, 0.16421625018119812]),
    (lambda: jtorch.randn(16)[:3], [-0.20410172641277313, -0.08853142708539963, 0.5238832831382751]),
    (lambda: jtorch.randint(100, (5,)), [69, 49, 80, 81, 12]),
    (lambda: jtorch.randperm(8), [3, 6, 0, 2, 1, 7, 5, 4]),
    (lambda: jtorch.empty(8).bernoulli_(0.3), [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
    (lambda: jtorch.randn(2, dtype=jtorch.float64), [0.3057610206599811, -1.3140253567233087]),
    (lambda: jtorch.rand(3, dtype=jtorch.float16), [0.24169921875, 0.72607421875, 0.701171875]),
    (lambda: jtorch.randn(17, dtype=jtorch.bfloat16)[:3], [0.5078125, -1.09375, -0.0849609375]),
    (lambda: jtorch.empty(3).exponential_(), [0.04192611947655678, 5.899937152862549, 2.1174683570861816]),
    (lambda: jtorch.poisson(jtorch.tensor([3.0, 20.0, 500.0])), [2.0, 18.0, 516.0]),
    (lambda: jtorch.binomial(jtorch.tensor([9.0, 300.0]), jtorch.tensor([0.4, 0.7])), [2.0, 208.0]),
    (lambda: jtorch.multinomial(jtorch.tensor([1.0, 2, 3, 4]), 3), [2, 3, 0]),
    (lambda: jtorch.multinomial(jtorch.tensor([1.0, 2, 3, 4]), 6, True), [3, 3, 2, 3, 0, 1]),
    (lambda: jtorch.randint(1 << 40, (2,)), [493833564715, 800407719295]),
    (
        lambda: jtorch.empty(3, dtype=jtorch.int64).random_(),
        [5462822468384970427, 2190139762903095673, 5865754221385014846],
    ),
    (lambda: jtorch.empty(3).geometric_(0.3), [3.0, 3.0, 5.0]),
    (lambda: jtorch.empty(2).cauchy_(), [-0.325729638338089, 0.05559432879090309]),
    (lambda: jtorch.empty(2).log_normal_(), [0.09265366941690445, 0.5966331362724304]),
    (
        lambda: jtorch.dropout(jtorch.ones(6), 0.4, True),
        [1.6666666269302368, 1.6666666269302368, 1.6666666269302368, 0.0, 0.0, 1.6666666269302368],
    ),
    (
        lambda: jtorch.rrelu(-jtorch.ones(3), 0.1, 0.3, True),
        [-0.24073489010334015, -0.13518251478672028, -0.13569742441177368],
    ),
    (lambda: jtorch.empty(3).random_(), [2475187.0, 3770770.0, 3500308.0]),
]


def test_recorded_stream() -> None:
    jtorch.manual_seed(0)
    for i, (draw, expected) in enumerate(RECORDED):
        assert draw().tolist() == expected, i
    assert jtorch.get_rng_state()[:9].tolist() == [0] * 8 + [172]


def test_seeds_and_states() -> None:
    assert jtorch.manual_seed(5) is jtorch.default_generator
    assert jtorch.initial_seed() == 5
    state = jtorch.get_rng_state()
    assert state.dtype is jtorch.uint8 and tuple(state.shape) == (5056,)
    first = jtorch.rand(3).tolist()
    jtorch.set_rng_state(state)
    assert jtorch.rand(3).tolist() == first
    assert jtorch.seed() == jtorch.initial_seed()
    jtorch.manual_seed(-1)
    assert jtorch.initial_seed() == 2**64 - 1
    with pytest.raises(TypeError, match="ByteTensor"):
        jtorch.set_rng_state(jtorch.zeros(5056))


def test_generators() -> None:
    g = jtorch.Generator().manual_seed(3)
    assert str(g.device) == "cpu" and g.initial_seed() == 3
    copies = [g.clone_state(), copy.deepcopy(g), pickle.loads(pickle.dumps(g))]
    first = jtorch.randn(4, generator=g).tolist()
    for other in copies:
        assert jtorch.randn(4, generator=other).tolist() == first
    jtorch.manual_seed(1)
    expected = jtorch.rand(2).tolist()
    jtorch.manual_seed(1)
    jtorch.rand(5, generator=g)
    assert jtorch.rand(2).tolist() == expected
    with pytest.raises(RuntimeError, match="does not use offset"):
        g.get_offset()
    with pytest.raises(TypeError, match="invalid combination"):
        jtorch.rand(2, generator=3)


def test_fork_rng() -> None:
    jtorch.manual_seed(2)
    with jtorch.random.fork_rng():
        first = jtorch.rand(3).tolist()
        jtorch.manual_seed(9)
    assert jtorch.rand(3).tolist() == first
    with jtorch.random.fork_rng(enabled=False):
        jtorch.manual_seed(9)
    assert jtorch.initial_seed() == 9


def test_options() -> None:
    x = jtorch.rand(2, 3, dtype=jtorch.float64, requires_grad=True)
    assert x.dtype is jtorch.float64 and x.requires_grad and x.is_leaf
    assert jtorch.rand(2, device="meta").device.type == "meta"
    assert jtorch.randperm(4, device="meta").shape == (4,)
    out = jtorch.zeros(3)
    assert jtorch.rand(3, out=out) is out and out.sum() > 0
    assert jtorch.randint_like(jtorch.zeros(2, dtype=jtorch.int16), 5).dtype is jtorch.int16
    assert jtorch.rand(0).shape == (0,) and jtorch.rand(()).shape == ()


def test_writing_through_views() -> None:
    jtorch.manual_seed(0)
    flat = jtorch.rand(20).tolist()
    base = jtorch.zeros(4, 5)
    jtorch.manual_seed(0)
    base.t().uniform_()
    assert base.reshape(-1).tolist() == flat
    version = base._version
    base[0].normal_()
    assert base._version == version + 1 and base[1:].reshape(-1).tolist() == flat[5:]


def test_parameters_are_filled_under_no_grad_only() -> None:
    weight = jtorch.zeros(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf Variable"):
        weight.normal_()
    with jtorch.no_grad():
        assert weight.normal_() is weight
    assert weight.requires_grad and weight.is_leaf and weight.abs().sum() > 0


def test_probabilities_that_are_pending_are_not_waited_for() -> None:
    p = jtorch.sigmoid(jtorch.zeros(4, requires_grad=True))
    drawn = jtorch.bernoulli(p)
    assert record.eager or (p._v.array is None and drawn._v.array is None)
    assert set(drawn.tolist()) <= {0.0, 1.0}
    drawn.sum().backward()


def test_gradients_of_draws_are_zero() -> None:
    mean, std = (jtorch.ones(5, requires_grad=True) for _ in range(2))
    jtorch.normal(mean, std).sum().backward()
    assert mean.grad.tolist() == std.grad.tolist() == [0.0] * 5


@pytest.mark.parametrize("name", ["dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"])
def test_dropout(name: str) -> None:
    drop = getattr(jtorch, name)
    x = jtorch.ones(50, 40, 3)
    assert drop(x, 0.5, False) is x and drop(x, 0.0, True) is x
    assert not drop(x, 1.0, True).any()
    made = drop(x, 0.5, True).numpy()
    assert len(np.unique(made)) == 2
    assert (made == made[:, :, :1]).all() == name.startswith("feature")
    if "alpha" not in name:
        assert abs(made.mean() - 1) < 0.1
    y = x.clone()
    assert getattr(jtorch, name + "_")(y, 0.5, True) is y and len(np.unique(y.numpy())) == 2


def test_alpha_dropout_keeps_the_moments() -> None:
    jtorch.manual_seed(0)
    made = jtorch.alpha_dropout(jtorch.randn(100000), 0.3, True)
    assert abs(made.mean().item()) < 0.02 and abs(made.std().item() - 1) < 0.02


def test_a_training_step_with_dropout_compiles_once() -> None:
    weight = jtorch.ones(6, 6, requires_grad=True)
    masks = set()
    for i in range(5):
        if i == 2:
            before = report.counts()["compiled"]
        out = jtorch.dropout(jtorch.ones(4, 6) @ weight, 0.5, True)
        out.sum().backward()
        masks.add(tuple((out != 0).reshape(-1).tolist()))
    assert len(masks) > 1
    assert report.counts()["compiled"] == before


# -- draws from a key: what an accelerator does

KINDS: list[tuple[Callable, float, float]] = [
    (lambda n: jtorch.rand(n), 0.5, 1 / 12),
    (lambda n: jtorch.randn(n), 0.0, 1.0),
    (lambda n: jtorch.randn(n, dtype=jtorch.bfloat16).float(), 0.0, 1.0),
    (lambda n: jtorch.rand(n, dtype=jtorch.complex64).imag, 0.5, 1 / 12),
    (lambda n: jtorch.randn(n, dtype=jtorch.complex64).real, 0.0, 0.5),
    (lambda n: jtorch.zeros(n).uniform_(-1, 3), 1.0, 16 / 12),
    (lambda n: jtorch.zeros(n).normal_(2, 3), 2.0, 9.0),
    (lambda n: jtorch.zeros(n).bernoulli_(0.3), 0.3, 0.21),
    (lambda n: jtorch.bernoulli(jtorch.full((n,), 0.3)), 0.3, 0.21),
    (lambda n: jtorch.zeros(n).exponential_(2.0), 0.5, 0.25),
    (lambda n: jtorch.zeros(n).geometric_(0.25), 4.0, 12.0),
    (lambda n: jtorch.zeros(n).log_normal_(0.5, 0.7).log(), 0.5, 0.49),
    (lambda n: jtorch.randint(-2, 3, (n,)).float(), 0.0, 2.0),
    (lambda n: jtorch.zeros(n, dtype=jtorch.int8).random_().float(), 63.5, (128**2 - 1) / 12),
    (lambda n: jtorch.poisson(jtorch.full((n,), 4.0)), 4.0, 4.0),
    (lambda n: jtorch.binomial(jtorch.full((n,), 9.0), jtorch.full((n,), 0.4)), 3.6, 2.16),
    (lambda n: jtorch.multinomial(jtorch.tensor([1.0, 2.0, 1.0]), n, True).float(), 1.0, 0.5),
    (lambda n: jtorch.normal(jtorch.full((n,), 2.0), 3.0), 2.0, 9.0),
    (lambda n: jtorch.dropout(jtorch.ones(n), 0.5, True), 1.0, 1.0),
]


@pytest.mark.parametrize(("make", "mean", "variance"), KINDS)
def test_draws_from_a_key(make: Callable, mean: float, variance: float) -> None:
    n = 5000
    with key_scope(jax.random.key(4)):
        made = make(n).numpy().astype(np.float64)
    with key_scope(jax.random.key(4)):
        assert (make(n).numpy() == made).all()
    assert abs(made.mean() - mean) < 5 * (variance / n) ** 0.5
    assert abs(made.var() / variance - 1) < 0.2


def test_a_key_leaves_the_generators_alone() -> None:
    before = jtorch.get_rng_state().tolist()
    with key_scope(jax.random.PRNGKey(0)):
        assert sorted(jtorch.randperm(9).tolist()) == list(range(9))
        picks = jtorch.multinomial(jtorch.ones(3, 6), 6)
        assert picks.sort(-1)[0].tolist() == [list(range(6))] * 3
        jtorch.rrelu(-jtorch.ones(3), 0.1, 0.3, True)
    assert jtorch.get_rng_state().tolist() == before


def test_a_key_under_jit() -> None:
    @jax.jit
    def step(key: Any, x: Any) -> tuple:
        with key_scope(key):
            t = jtorch.from_jax(x)
            return jtorch.dropout(t, 0.5, True)._array(), jtorch.randn(3)._array()

    x = np.ones(64, np.float32)
    one, two, again = (step(jax.random.key(k), x) for k in (0, 1, 0))
    assert (one[0] == again[0]).all() and (one[1] == again[1]).all()
    assert (one[0] != two[0]).any() and (one[1] != two[1]).all()


def test_states_follow_each_other() -> None:
    state = ops.state_of((3 << 32) + 1, (1 << 32) - 4)
    assert state.tolist() == [1, 3, 2**32 - 4, 0]
    following, first = ops.uniform(state, (4,), np.dtype(np.float32))
    assert following.tolist() == [1, 3, 0, 1]
    assert (ops.uniform(following, (4,), np.dtype(np.float32))[1] != first).all()


@pytest.fixture
def tpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The CPU under the name of an accelerator."""
    monkeypatch.setitem(devices.PLATFORMS, "tpu", "cpu")
    monkeypatch.setattr(generator, "_accelerators", {})
    found = (devices.devices, devices.jax_device, devices.sharding)
    for each in found:
        each.cache_clear()
    yield "tpu:0"
    for each in found:
        each.cache_clear()


def test_an_accelerators_generator(tpu: str) -> None:
    g = jtorch.Generator(tpu).manual_seed(11)
    assert str(g.device) == tpu and g.initial_seed() == 11 and g.get_offset() == 0
    state = g.get_state()
    assert tuple(state.shape) == (16,)

    def draw(source: Any) -> list:
        return jtorch.randn(5, device=tpu, generator=source).tolist()

    first, second = draw(g), draw(g)
    assert first != second and g.get_offset() == 2 * ops.STRIDE
    kept = g.clone_state()
    third = draw(g)
    assert draw(kept) == third
    g.set_state(state)
    assert draw(g) == first
    g.set_offset(ops.STRIDE)
    assert draw(g) == second
    g.graphsafe_set_state(g.graphsafe_get_state())
    assert draw(g) == third
    assert draw(g.manual_seed(11)) == first
    assert draw(pickle.loads(pickle.dumps(g))) == second
    with pytest.raises(RuntimeError, match="multiple of 4"):
        g.set_offset(3)
    with pytest.raises(RuntimeError, match="wrong size"):
        g.set_state(jtorch.get_rng_state())
    with pytest.raises(RuntimeError, match="Expected a 'tpu' device type for generator but found 'cpu'"):
        jtorch.rand(3, device=tpu, generator=jtorch.Generator())


def test_draws_on_an_accelerator(tpu: str) -> None:
    jtorch.manual_seed(3)
    made = jtorch.rand(4, device=tpu)
    assert str(made.device) == tpu and (record.eager or made._v.array is None)
    with jtorch.random.fork_rng([0], device_type="tpu"):
        ahead = jtorch.randn(4, device=tpu).tolist()
    assert jtorch.randn(4, device=tpu).tolist() == ahead
    jtorch.manual_seed(3)
    assert jtorch.rand(4, device=tpu).tolist() == made.tolist()
    assert sorted(jtorch.randperm(5, device=tpu).tolist()) == list(range(5))
    p = jtorch.full((3,), 0.5, device=tpu)
    for x in (jtorch.bernoulli(p), jtorch.poisson(p), jtorch.multinomial(p, 2), jtorch.rand_like(p), p.exponential_()):
        assert str(x.device) == tpu


def test_seeds_and_draws_compile_once(tpu: str) -> None:
    weight = jtorch.ones(6, 6, device=tpu, requires_grad=True)
    x = jtorch.ones(4, 6, device=tpu)
    masks = set()
    for i in range(6):
        if i == 4:
            before = report.counts()["compiled"]
            jtorch.manual_seed(i)
        out = jtorch.dropout(x @ weight, 0.5, True)
        out.sum().backward()
        masks.add(tuple((out != 0).reshape(-1).tolist()))
    assert len(masks) == 6
    assert report.counts()["compiled"] == before


def test_seeds_reach_accelerators_that_come_later(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    class Recorder:
        def __init__(self, device: str) -> None:
            made.append(self)

        def manual_seed(self, seed: int) -> "Recorder":
            self.seed = seed
            return self

    monkeypatch.setattr(generator, "Generator", Recorder)
    monkeypatch.setattr(generator, "_accelerators", {})
    monkeypatch.setattr(generator, "_accelerator_seed", 0)
    jtorch.manual_seed(8)
    assert generator.generator_of("cuda:1").seed == 8
    generator.seed_accelerator(9, 1)
    assert made[0].seed == 9
    assert generator.generator_of("cuda:0").seed == 8
    jtorch.manual_seed(10)
    assert [g.seed for g in made] == [10, 10]


def test_checks_in_a_program() -> None:
    p = jtorch.tensor([0.5, 2.0])
    with pytest.raises(RuntimeError, match="p_in >= 0"):
        jtorch.bernoulli(p).tolist()
    pending = p.requires_grad_(True) * 1
    drawn = jtorch.bernoulli(pending)
    with pytest.raises(RuntimeError, match="p_in >= 0"):
        drawn.tolist()
    with key_scope(jax.random.key(0)), pytest.raises(RuntimeError, match="non-negative"):
        jtorch.poisson(jtorch.tensor([1.0, -1.0])).tolist()
