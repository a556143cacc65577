"""Learning rates by their formulas, and weight averages."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import jtorch
from jtorch import nn, optim
from jtorch.optim import lr_scheduler as schedules
from jtorch.optim import swa_utils


def optimizer(lr: float = 1.0, **options: Any) -> Any:
    return optim.SGD([jtorch.tensor([1.0]).requires_grad_()], lr=lr, **options)


def rates(make: Callable[[Any], Any], count: int = 12) -> list[float]:
    opt = optimizer()
    schedule = make(opt)
    seen = []
    for _ in range(count):
        seen.append(schedule.get_last_lr()[0])
        opt.step()
        schedule.step()
    return seen


FORMULAS: dict[str, tuple[Callable[[Any], Any], Callable[[int], float]]] = {
    "lambda": (lambda o: schedules.LambdaLR(o, lambda e: 0.9**e), lambda e: 0.9**e),
    "multiplicative": (lambda o: schedules.MultiplicativeLR(o, lambda e: 0.9), lambda e: 0.9**e),
    "step": (lambda o: schedules.StepLR(o, 3, gamma=0.5), lambda e: 0.5 ** (e // 3)),
    "multistep": (lambda o: schedules.MultiStepLR(o, [2, 2, 5], gamma=0.5), lambda e: 0.5 ** (2 * (e >= 2) + (e >= 5))),
    "constant": (lambda o: schedules.ConstantLR(o, 0.5, 4), lambda e: 0.5 if e < 4 else 1.0),
    "linear": (lambda o: schedules.LinearLR(o, 0.2, 1.0, 4), lambda e: 0.2 + 0.8 * min(e, 4) / 4),
    "exponential": (lambda o: schedules.ExponentialLR(o, 0.8), lambda e: 0.8**e),
    "polynomial": (lambda o: schedules.PolynomialLR(o, 5, 2.0), lambda e: (1 - min(e, 5) / 5) ** 2),
    "cosine": (
        lambda o: schedules.CosineAnnealingLR(o, 4, 0.1),
        lambda e: 0.1 + 0.45 * (1 + math.cos(math.pi * e / 4)),
    ),
    "restarts": (
        lambda o: schedules.CosineAnnealingWarmRestarts(o, 4),
        lambda e: 0.5 * (1 + math.cos(math.pi * (e % 4) / 4)),
    ),
    "cyclic": (
        lambda o: schedules.CyclicLR(o, 0.0, 1.0, 3, cycle_momentum=False),
        lambda e: 1 - abs(e % 6 - 3) / 3,
    ),
    "swa": (lambda o: swa_utils.SWALR(o, 0.2, 5, "linear"), lambda e: 1 - 0.8 * min(e, 5) / 5),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_formulas(name: str) -> None:
    make, formula = FORMULAS[name]
    assert rates(make) == pytest.approx([formula(e) for e in range(12)], abs=1e-12)


def test_one_cycle() -> None:
    opt = optimizer(momentum=0.9)
    schedule = schedules.OneCycleLR(opt, 1.0, total_steps=10, pct_start=0.5)
    seen = []
    for i in range(10):
        seen.append((opt.param_groups[0]["lr"], opt.param_groups[0]["momentum"]))
        opt.step()
        if i < 9:
            schedule.step()
    assert seen[0] == pytest.approx((1 / 25, 0.95))
    assert seen[4] == pytest.approx((1.0, 0.85))
    assert seen[9] == pytest.approx((1 / 25 / 1e4, 0.95))
    schedule.step()
    with pytest.raises(ValueError, match="Tried to step 11 times"):
        schedule.step()


def test_plateau() -> None:
    opt = optimizer()
    schedule = schedules.ReduceLROnPlateau(opt, factor=0.5, patience=1, cooldown=1, min_lr=0.2)
    seen = []
    for metric in (3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0):
        schedule.step(jtorch.tensor(metric))
        seen.append(schedule.get_last_lr()[0])
    assert seen == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2, 0.2]


def test_sequential_and_chained() -> None:
    def sequence(o: Any) -> Any:
        parts = [schedules.ConstantLR(o, 0.1, 3), schedules.ExponentialLR(o, 0.5)]
        return schedules.SequentialLR(o, parts, [3])

    assert rates(sequence, 6) == pytest.approx([0.1, 0.1, 0.1, 1.0, 0.5, 0.25])

    def chain(o: Any) -> Any:
        return schedules.ChainedScheduler([schedules.ConstantLR(o, 0.1, 2), schedules.ExponentialLR(o, 0.5)])

    assert rates(chain, 4) == pytest.approx([0.1, 0.05, 0.25, 0.125])


def test_errors_of_composition() -> None:
    opt = optimizer()
    part = schedules.StepLR(opt, 1)
    with pytest.raises(ValueError, match="one more than the number of milestone"):
        schedules.SequentialLR(opt, [part], [3])
    with pytest.raises(ValueError, match="same optimizer"):
        schedules.SequentialLR(optimizer(), [part], [])
    with pytest.raises(ValueError, match="does not support `ReduceLROnPlateau`"):
        schedules.ChainedScheduler([schedules.ReduceLROnPlateau(opt)])


def test_warnings() -> None:
    opt = optimizer()
    schedule = schedules.StepLR(opt, 2)
    with pytest.warns(UserWarning, match=r"`lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        schedule.step()
    with pytest.warns(UserWarning, match="please use `get_last_lr"):
        schedule.get_lr()
    with pytest.warns(UserWarning, match="epoch parameter"):
        schedule.step(6)
    assert schedule.get_last_lr() == [pytest.approx(1e-3)]
    with pytest.raises(TypeError, match="int is not an Optimizer"):
        schedules.StepLR(1, 1)
    with pytest.raises(KeyError, match="initial_lr"):
        schedules.StepLR(optimizer(), 1, last_epoch=3)


def test_state_dict() -> None:
    opt = optimizer()
    schedule = schedules.LambdaLR(opt, lambda e: 0.5**e)
    for _ in range(3):
        opt.step()
        schedule.step()
    saved = schedule.state_dict()
    assert saved["last_epoch"] == 3 and saved["lr_lambdas"] == [None] and "optimizer" not in saved
    other = schedules.LambdaLR(optimizer(), lambda e: 0.5**e)
    other.load_state_dict(saved)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other.step()
    assert other.get_last_lr() == [0.5**4]


def test_a_tensor_is_filled() -> None:
    lr = jtorch.tensor(1.0)
    opt = optim.SGD([jtorch.tensor([1.0]).requires_grad_()], lr=lr)
    schedule = schedules.ExponentialLR(opt, 0.5)
    opt.step()
    schedule.step()
    assert lr.item() == 0.5 and opt.param_groups[0]["lr"] is lr


def model(weight: float) -> Any:
    m = nn.Linear(1, 1, bias=False)
    with jtorch.no_grad():
        m.weight.fill_(weight)
    return m


def test_averaged_model() -> None:
    mean = swa_utils.AveragedModel(model(0.0))
    moving = swa_utils.AveragedModel(model(0.0), multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.5))
    single = swa_utils.AveragedModel(model(0.0), avg_fn=swa_utils.get_ema_avg_fn(0.5))
    for weight in (1.0, 2.0, 6.0):
        for averaged in (mean, moving, single):
            averaged.update_parameters(model(weight))
    assert mean.module.weight.item() == pytest.approx(3.0) and mean.n_averaged.item() == 3
    assert moving.module.weight.item() == single.module.weight.item() == pytest.approx(3.75)
    assert mean(jtorch.ones(1, 1)).item() == pytest.approx(3.0)


def test_update_bn() -> None:
    norm = nn.BatchNorm1d(1)
    batches = [jtorch.tensor([[0.0], [2.0]]), jtorch.tensor([[4.0], [6.0]])]
    swa_utils.update_bn(batches, norm)
    assert norm.running_mean.item() == 3.0 and norm.momentum == 0.1 and norm.training
