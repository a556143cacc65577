"""GradScaler: scaled losses, skipped steps, the growth of the scale, its states and errors."""

import math
import pickle

import pytest

import jtorch
from jtorch.amp import GradScaler
from jtorch.engine import report


def scaler(**options):
    return GradScaler("cpu", **{"init_scale": 8.0, "growth_interval": 2, **options})


def one_step(s, optimizer, w, factor=1.0):
    optimizer.zero_grad()
    s.scale((w * factor).sum()).backward()
    s.step(optimizer)
    s.update()


def weight_and(make):
    w = jtorch.ones(2, requires_grad=True)
    return w, make([w])


def test_scale():
    s = scaler()
    loss = jtorch.tensor(2.0)
    assert s.scale(loss).item() == 16.0
    assert [x.item() for x in s.scale([loss, loss])] == [16.0, 16.0]
    assert [x.item() for x in s.scale(iter((loss,)))] == [16.0]
    assert isinstance(s.scale((loss,)), tuple)
    with pytest.raises(ValueError, match="Tensor or an iterable"):
        s.scale(3)


def test_the_scale_grows_and_shrinks():
    s = scaler()
    w, optimizer = weight_and(lambda p: jtorch.optim.SGD(p, 0.5))
    seen = []
    for factor in (1.0, 1.0, math.inf, 1.0, math.nan, 1.0, 1.0):
        one_step(s, optimizer, w, factor)
        seen.append((s.get_scale(), s.state_dict()["_growth_tracker"], w[0].item()))
    assert seen == [
        (8.0, 1, 0.5), (16.0, 0, 0.0), (8.0, 0, 0.0), (8.0, 1, -0.5), (4.0, 0, -0.5), (4.0, 1, -1.0), (8.0, 0, -1.5),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Adagrad", "Adadelta", "NAdam", "Rprop", "ASGD"])
def test_a_step_that_overflowed_leaves_no_trace(name):
    def run(factors):
        s = scaler(growth_interval=100)
        w, optimizer = weight_and(lambda p: getattr(jtorch.optim, name)(p, lr=0.1))
        for factor in factors:
            one_step(s, optimizer, w, factor)
        return [w, *(x for x in optimizer.state[w].values() if isinstance(x, jtorch.Tensor))]

    for mine, right in zip(run([1.0, math.inf, 0.5]), run([1.0, 0.5]), strict=True):
        assert jtorch.allclose(mine, right)


def test_an_optimizer_of_ones_own_is_not_stepped():
    class Own(jtorch.optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {})
            self.steps = 0

        def step(self):
            self.steps += 1
            return 3.0

    s = scaler()
    w, optimizer = weight_and(Own)
    for factor in (1.0, math.inf):
        one_step(s, optimizer, w, factor)
    assert optimizer.steps == 1


def test_gradients_unscaled_by_hand():
    s = scaler()
    w, optimizer = weight_and(lambda p: jtorch.optim.SGD(p, 1.0))
    s.scale((3 * w).sum()).backward()
    assert w.grad.tolist() == [24.0, 24.0]
    s.unscale_(optimizer)
    assert w.grad.tolist() == [3.0, 3.0]
    jtorch.nn.utils.clip_grad_value_(w, 1.0)
    s.step(optimizer)
    s.update()
    assert w.tolist() == [0.0, 0.0]


def test_two_optimizers_share_the_scale():
    s = scaler()
    (u, first), (w, second) = (weight_and(lambda p: jtorch.optim.SGD(p, 0.5)) for _ in range(2))
    s.scale((u * math.inf).sum() + w.sum()).backward()
    s.step(first)
    s.step(second)
    s.update()
    assert u.tolist() == [1.0, 1.0] and w.tolist() == [0.5, 0.5] and s.get_scale() == 4.0


def test_nothing_is_read_within_a_step():
    s = scaler()
    w, optimizer = weight_and(lambda p: jtorch.optim.Adam(p, 0.1))
    for _ in range(4):
        one_step(s, optimizer, w)
    report.reset()
    for _ in range(10):
        one_step(s, optimizer, w)
    assert report.counts() == {"compiled": 0, "hits": 10} and {why for why, *_ in report.reasons} == {
        "optimizer.step()"
    }


def test_states():
    s = scaler()
    w, optimizer = weight_and(lambda p: jtorch.optim.SGD(p, 0.5))
    one_step(s, optimizer, w)
    state = s.state_dict()
    assert state == {
        "scale": 8.0, "growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 2, "_growth_tracker": 1,
    }  # fmt: skip
    for other in (GradScaler("cpu"), pickle.loads(pickle.dumps(GradScaler("cpu")))):
        other.load_state_dict(state)
        assert other.state_dict() == state
        one_step(other, optimizer, w)
        assert other.get_scale() == 16.0
    s.load_state_dict({**state, "scale": 2.0})
    assert s.get_scale() == 2.0
    with pytest.raises(RuntimeError, match="source state dict is empty"):
        s.load_state_dict({})


def test_settings():
    s = scaler()
    s.set_growth_factor(3.0)
    s.set_backoff_factor(0.25)
    s.set_growth_interval(1)
    assert (s.get_growth_factor(), s.get_backoff_factor(), s.get_growth_interval()) == (3.0, 0.25, 1)
    w, optimizer = weight_and(lambda p: jtorch.optim.SGD(p, 0.5))
    one_step(s, optimizer, w)
    assert s.get_scale() == 24.0
    one_step(s, optimizer, w, math.inf)
    assert s.get_scale() == 6.0
    s.update(5.0)
    assert s.get_scale() == 5.0
    s.update(jtorch.tensor([7.0]))
    assert s.get_scale() == 7.0
    with pytest.raises(AssertionError, match="1-element"):
        s.update(jtorch.ones(2))


def test_disabled_it_passes_things_on():
    s = GradScaler("cpu", enabled=False)
    w, optimizer = weight_and(lambda p: jtorch.optim.SGD(p, 0.5))
    loss = w.sum()
    assert s.scale(loss) is loss and s.get_scale() == 1.0 and s.state_dict() == {} and not s.is_enabled()
    loss.backward()
    s.unscale_(optimizer)
    s.step(optimizer)
    s.update()
    s.load_state_dict({})
    assert w.tolist() == [0.5, 0.5]


def test_the_order_of_calls():
    s = scaler()
    w, optimizer = weight_and(lambda p: jtorch.optim.SGD(p, 0.5))
    for call in (lambda: s.step(optimizer), lambda: s.unscale_(optimizer), lambda: s.update()):
        with pytest.raises(AssertionError, match="_scale is None"):
            call()
    s.scale(w.sum())
    with pytest.raises(AssertionError, match="No inf checks were recorded prior to update"):
        s.update()
    with pytest.raises(AssertionError, match="No inf checks were recorded for this optimizer"):
        s.step(optimizer)
    s.update(8.0)
    loss = s.scale(w.sum())
    loss.backward()
    s.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already been called on this optimizer since the last update"):
        s.unscale_(optimizer)
    s.step(optimizer)
    with pytest.raises(RuntimeError, match="being called after step"):
        s.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already been called since the last update"):
        s.step(optimizer)
    with pytest.raises(RuntimeError, match="Closure use"):
        s.step(optimizer, closure=lambda: loss)


def test_gradients_in_half_are_refused():
    w = jtorch.ones(1, dtype=jtorch.float16, requires_grad=True)
    s = scaler()
    s.scale(w.sum()).backward()
    with pytest.raises(ValueError, match="Attempting to unscale FP16 gradients"):
        s.unscale_(jtorch.optim.SGD([w], 0.1))


@pytest.mark.skipif(jtorch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_its_scaler_is_off():
    with pytest.warns(UserWarning, match="CUDA is not available"):
        assert not GradScaler().is_enabled()
    with pytest.warns((FutureWarning, UserWarning)) as caught:
        jtorch.cuda.amp.GradScaler()
    assert caught[0].category is FutureWarning
