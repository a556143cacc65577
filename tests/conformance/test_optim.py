"""Every optimizer and schedule on both libraries: values, state, groups, texts, errors."""

import copy
import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import jtorch
import jtorch.optim

# Many small programs are compiled at one line here.
pytestmark = pytest.mark.filterwarnings("ignore::jtorch.engine.report.RecompileWarning")

SHAPES = [(5, 3), (3, 4), (7,), ()]
MATRICES = SHAPES[:2]
STEPS = 10

_flags: list[dict[str, Any]] = [{"maximize": True}, {"foreach": True}, {"foreach": False}]
_means: list[dict[str, Any]] = [{}, {"lr": 0.1}, {"lr": 0.1, "weight_decay": 0.1}, {"betas": (0.3, 0.9), "eps": 1e-3}]
_decoupled: list[dict[str, Any]] = [{"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}]

CASES: dict[str, list[dict[str, Any]]] = {
    "SGD": [
        {"lr": 0.1},
        {"lr": 0.1, "momentum": 0.9},
        {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "maximize": True},
        {"lr": 0.1, "momentum": 0.9, "fused": True},
        *_flags,
    ],
    "Adam": [*_means, *_decoupled, *_flags, {"amsgrad": True, "lr": 0.1}, {"fused": True}],
    "AdamW": [*_means, *_flags, {"amsgrad": True, "lr": 0.1}, {"fused": True}],
    "Adamax": [*_means, *_flags],
    "NAdam": [*_means, *_decoupled, *_flags, {"momentum_decay": 0.1}],
    "RAdam": [*_means, *_decoupled, *_flags],
    "RMSprop": [
        {},
        {"momentum": 0.9},
        {"centered": True, "weight_decay": 0.1},
        {"momentum": 0.5, "centered": True, "alpha": 0.4},
        *_flags,
    ],
    "Adagrad": [
        {},
        {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.2},
        *_flags,
        {"fused": True},
    ],
    "Adadelta": [{}, {"lr": 0.5, "rho": 0.3, "weight_decay": 0.1}, *_flags],
    "ASGD": [{}, {"lr": 0.1, "lambd": 0.01, "t0": 4, "weight_decay": 0.1}, *_flags],
    "Rprop": [{}, {"etas": (0.3, 1.5), "step_sizes": (1e-3, 0.02)}, *_flags],
    "Adafactor": [{}, {"lr": 0.1, "weight_decay": 0.1}, {"eps": (1e-5, 1e-2), "d": 2.0, "beta2_decay": -0.5}, *_flags],
    "Muon": [{}, {"lr": 0.1, "nesterov": False}, {"adjust_lr_fn": "match_rms_adamw", "ns_steps": 3}],
}
ALL = [
    pytest.param(name, options, id=f"{name}-{i}") for name, cases in CASES.items() for i, options in enumerate(cases)
]


def numpy(t: Any) -> np.ndarray:
    return np.asarray(t.detach().numpy())


def start(lib: Any, name: str, options: dict, dtype: str) -> tuple[Any, list[Any]]:
    rng = np.random.default_rng(0)
    shapes = MATRICES if name == "Muon" else SHAPES
    # Away from zero, where a relative error would mean nothing.
    params = [lib.tensor((rng.standard_normal(s) + 4).tolist(), dtype=getattr(lib, dtype)) for s in shapes]
    params = [p.requires_grad_() for p in params]
    return getattr(lib.optim, name)(params, **options), params


def go(lib: Any, opt: Any, params: list[Any], steps: int = STEPS, seed: int = 1) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        for p in params:
            p.grad = lib.tensor(rng.standard_normal(tuple(p.shape)).tolist(), dtype=p.dtype)
        opt.step()


def same_state(a: dict, b: dict, tolerance: float) -> None:
    """Two state dicts, of torch and of jtorch."""
    assert list(a) == list(b)
    assert a["param_groups"] == b["param_groups"]
    assert [list(g) for g in a["param_groups"]] == [list(g) for g in b["param_groups"]]
    assert list(a["state"]) == list(b["state"])
    for key in a["state"]:
        x, y = a["state"][key], b["state"][key]
        assert list(x) == list(y)
        for name in x:
            assert str(x[name].dtype) == str(y[name].dtype) and str(x[name].device) == str(y[name].device)
            near = max(tolerance, 1e-6) if x[name].dtype is torch.float32 else tolerance
            scale = np.abs(numpy(x[name])).max()
            np.testing.assert_allclose(numpy(y[name]), numpy(x[name]), rtol=near, atol=near * scale)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), ALL)
def test_ten_steps(name: str, options: dict, dtype: str) -> None:
    tolerance = 1e-6 if dtype == "float32" else 1e-14
    if name == "ASGD" and options.get("foreach"):
        tolerance = max(tolerance, 1e-8)  # torch takes eta as a float32 tensor there
    theirs, expected = start(torch, name, options, dtype)
    mine, actual = start(jtorch, name, options, dtype)
    go(torch, theirs, expected)
    go(jtorch, mine, actual)
    for x, y in zip(expected, actual, strict=True):
        np.testing.assert_allclose(numpy(y), numpy(x), rtol=tolerance)
    assert repr(mine) == repr(theirs)
    same_state(theirs.state_dict(), mine.state_dict(), tolerance)


def carried(state: Any, lib: Any) -> Any:
    """A state dict with tensors of the other library."""
    if isinstance(state, dict):
        return {key: carried(value, lib) for key, value in state.items()}
    if isinstance(state, (torch.Tensor, jtorch.Tensor)):
        made = numpy(state)
        return lib.tensor(made.tolist(), dtype=getattr(lib, str(made.dtype)))
    return copy.copy(state)


@pytest.mark.parametrize("name", CASES)
def test_states_cross_over(name: str) -> None:
    theirs, expected = start(torch, name, CASES[name][1], "float32")
    mine, actual = start(jtorch, name, CASES[name][1], "float32")
    go(torch, theirs, expected, 3)
    go(jtorch, mine, actual, 3)
    crossed, there = start(torch, name, {}, "float32")
    back, here = start(jtorch, name, {}, "float32")
    for sources, targets, lib in ((actual, there, torch), (expected, here, jtorch)):
        for source, target in zip(sources, targets, strict=True):
            target.data = lib.tensor(numpy(source).tolist())
    crossed.load_state_dict(carried(mine.state_dict(), torch))
    back.load_state_dict(carried(theirs.state_dict(), jtorch))
    for lib, opt, params in ((torch, theirs, expected), (torch, crossed, there), (jtorch, back, here)):
        go(lib, opt, params, 3, seed=2)
    for x, y, z in zip(expected, there, here, strict=True):
        np.testing.assert_allclose(numpy(y), numpy(x), rtol=1e-6)
        np.testing.assert_allclose(numpy(z), numpy(x), rtol=1e-6)


@pytest.mark.parametrize("name", [n for n in CASES if n not in ("Adafactor", "Muon")])
def test_complex_parameters(name: str) -> None:
    values = []
    for lib in (torch, jtorch):
        z = lib.tensor([1 + 2j, 3 - 1j]).requires_grad_()
        opt = getattr(lib.optim, name)([z], lr=0.1)
        for i in range(5):
            z.grad = lib.tensor([0.3 + 0.1j * i, -0.2 + 0.4j])
            opt.step()
        values.append(numpy(z))
    np.testing.assert_allclose(values[1], values[0], rtol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_half_precision(name: str) -> None:
    theirs, expected = start(torch, name, {}, "bfloat16")
    mine, actual = start(jtorch, name, {}, "bfloat16")
    go(torch, theirs, expected)
    go(jtorch, mine, actual)
    for x, y in zip(expected, actual, strict=True):
        assert str(y.dtype) == "torch.bfloat16"
        np.testing.assert_allclose(numpy(y.float()), numpy(x.float()), rtol=0.02)


@pytest.mark.parametrize(
    "options",
    [
        {"lr": 1e-3},
        {"line_search_fn": "strong_wolfe"},
        {"line_search_fn": "strong_wolfe", "history_size": 3, "max_iter": 8},
    ],
)
@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")  # torch's own step does so
def test_lbfgs(options: dict) -> None:
    seen = []
    for lib in (torch, jtorch):
        x = lib.tensor([-1.5, 2.0], dtype=lib.float64).requires_grad_()
        y = lib.tensor([[1.0]], dtype=lib.float64).requires_grad_()
        opt = lib.optim.LBFGS([x, y], **options)

        def closure(opt: Any = opt, x: Any = x, y: Any = y) -> Any:
            opt.zero_grad()
            loss = 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2 + ((y - x[0]) ** 2).sum()
            loss.backward()
            return loss

        losses = [float(opt.step(closure)) for _ in range(3)]
        state = opt.state_dict()["state"][0]
        seen.append((losses, x.tolist(), state["func_evals"], state["n_iter"], sorted(state)))
    assert seen[1][2:] == seen[0][2:]
    assert seen[1][0] == pytest.approx(seen[0][0], rel=1e-6, abs=1e-12)
    assert seen[1][1] == pytest.approx(seen[0][1], rel=1e-7)


@pytest.mark.parametrize("name", [*CASES, "LBFGS", "Optimizer", "SparseAdam"])
def test_signatures(name: str) -> None:
    assert parameters(getattr(jtorch.optim, name)) == parameters(getattr(torch.optim, name))


def parameters(cls: Any) -> list[tuple]:
    given = inspect.signature(cls.__init__).parameters.values()
    return [(p.name, p.kind, p.default) for p in given]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"lr": -1}),
        ("SGD", {"momentum": -0.1}),
        ("SGD", {"nesterov": True}),
        ("SGD", {"fused": True, "foreach": True}),
        ("SGD", {"fused": True, "differentiable": True}),
        ("Adam", {"betas": (0.9, 1.0)}),
        ("Adam", {"betas": (0, 0.9)}),
        ("Adam", {"weight_decay": -1}),
        ("Adam", {"fused": True, "foreach": True}),
        ("Adagrad", {"lr_decay": -1}),
        ("Adagrad", {"initial_accumulator_value": -1}),
        ("NAdam", {"momentum_decay": -1}),
        ("RMSprop", {"alpha": -1}),
        ("Rprop", {"etas": (1.5, 2.0)}),
        ("Adafactor", {"lr": -1}),
        ("Adafactor", {"beta2_decay": 1}),
        ("Adafactor", {"eps": (-1, 0)}),
        ("Muon", {"momentum": -1}),
        ("Muon", {"adjust_lr_fn": "no"}),
        ("Muon", {}),
        ("LBFGS", {"lr": -1}),
        ("SparseAdam", {"lr": 0}),
        ("SparseAdam", {"eps": 0}),
    ],
)
def test_errors(name: str, options: dict) -> None:
    raised = []
    for lib in (torch, jtorch):
        with pytest.raises((ValueError, RuntimeError)) as error:
            getattr(lib.optim, name)([lib.tensor([1.0]).requires_grad_()], **options)
        raised.append((error.type, str(error.value)))
    assert raised[0] == raised[1]


def test_sparse_adam_takes_no_dense_gradient() -> None:
    raised = []
    for lib in (torch, jtorch):
        p = lib.tensor([1.0]).requires_grad_()
        opt = lib.optim.SparseAdam([p])
        assert opt.step(lambda: 3) == 3
        p.grad = lib.tensor([1.0])
        with pytest.raises(RuntimeError) as error:
            opt.step()
        raised.append((str(error.value), repr(opt)))
    assert raised[0] == raised[1]


def test_repr_of_groups() -> None:
    assert repr(two_groups(jtorch, "SGD")) == repr(two_groups(torch, "SGD"))


@pytest.mark.parametrize("name", [n for n, cases in CASES.items() if n not in ("SGD", "Adagrad", "Adafactor", "Muon")])
def test_capturable_needs_an_accelerator(name: str) -> None:
    for lib in (torch, jtorch):
        p = lib.tensor([1.0]).requires_grad_()
        opt = getattr(lib.optim, name)([p], capturable=True)
        p.grad = lib.tensor([1.0])
        with pytest.raises(AssertionError, match="If capturable=True, params"):
            opt.step()


SCHEDULES: list[tuple[str, dict[str, Any]]] = [
    ("LambdaLR", {"lr_lambda": lambda e: 0.9**e}),
    ("MultiplicativeLR", {"lr_lambda": [lambda e: 0.9, lambda e: 0.8]}),
    ("StepLR", {"step_size": 7, "gamma": 0.3}),
    ("MultiStepLR", {"milestones": [3, 3, 20], "gamma": 0.5}),
    ("ConstantLR", {}),
    ("LinearLR", {"total_iters": 13}),
    ("ExponentialLR", {"gamma": 0.97}),
    ("PolynomialLR", {"total_iters": 20, "power": 1.7}),
    ("CosineAnnealingLR", {"T_max": 11, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 4, "T_mult": 2, "eta_min": 0.01}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": [0.1, 0.3], "step_size_up": 5, "mode": "triangular2"}),
    (
        "CyclicLR",
        {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 5, "step_size_down": 3, "mode": "exp_range", "gamma": 0.9},
    ),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 5, "scale_fn": lambda x: 0.9**x}),
    ("OneCycleLR", {"max_lr": [0.3, 0.1], "total_steps": 52}),
    (
        "OneCycleLR",
        {"max_lr": 0.3, "epochs": 4, "steps_per_epoch": 15, "anneal_strategy": "linear", "three_phase": True},
    ),
    ("SWALR", {"swa_lr": 0.02, "anneal_epochs": 9}),
]


def two_groups(lib: Any, name: str) -> Any:
    a, b = lib.tensor([1.0, 2.0]).requires_grad_(), lib.tensor([3.0]).requires_grad_()
    extra = {"momentum": 0.9} if name == "SGD" else {}
    return getattr(lib.optim, name)([{"params": [a], "lr": 0.5}, {"params": [b]}], lr=0.1, **extra)


def sequence(opt: Any, schedule: Any, count: int, *args: Any) -> list[Any]:
    seen = []
    for _ in range(count):
        options = [g.get("momentum", g.get("betas")) for g in opt.param_groups]
        seen.append((schedule.get_last_lr(), [g["lr"] for g in opt.param_groups], options))
        opt.step()
        schedule.step(*args)
    return seen


def find(lib: Any, name: str) -> Any:
    return getattr(lib.optim.swa_utils if name == "SWALR" else lib.optim.lr_scheduler, name)


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize(("name", "options"), SCHEDULES, ids=[f"{n}-{i}" for i, (n, _) in enumerate(SCHEDULES)])
def test_schedules(name: str, options: dict, optimizer: str) -> None:
    made = []
    for lib in (torch, jtorch):
        opt = two_groups(lib, optimizer)
        schedule = find(lib, name)(opt, **options)
        made.append((sequence(opt, schedule, 50), schedule.state_dict()))
    assert made[0][0] == made[1][0]
    assert list(made[0][1]) == list(made[1][1])
    assert made[0][1] == made[1][1]
    other = two_groups(jtorch, optimizer)
    resumed = find(jtorch, name)(other, **options)
    resumed.load_state_dict(made[0][1])
    assert resumed.last_epoch == 50 and resumed.get_last_lr() == made[0][1]["_last_lr"]


@pytest.mark.parametrize(("name", "options"), SCHEDULES, ids=[f"{n}-{i}" for i, (n, _) in enumerate(SCHEDULES)])
def test_schedules_at_an_epoch(name: str, options: dict) -> None:
    made = []
    for lib in (torch, jtorch):
        opt = two_groups(lib, "SGD")
        schedule = find(lib, name)(opt, **options)
        seen = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for epoch in (3, 9, 1, 20, 21):
                schedule.step(epoch)
                seen.append(schedule.get_last_lr())
        made.append(seen)
    assert made[0] == made[1]


@pytest.mark.parametrize("name", [n for n in torch.optim.lr_scheduler.__all__ if n != "LRScheduler"])
def test_signatures_of_schedules(name: str) -> None:
    assert parameters(find(jtorch, name)) == parameters(find(torch, name))


@pytest.mark.parametrize(
    "options",
    [{}, {"mode": "max", "threshold_mode": "abs"}, {"threshold": 0.1, "cooldown": 2, "min_lr": [0.01, 0.05]}],
)
def test_plateau(options: dict) -> None:
    made = []
    for lib in (torch, jtorch):
        opt = two_groups(lib, "SGD")
        schedule = lib.optim.lr_scheduler.ReduceLROnPlateau(opt, factor=0.5, patience=2, **options)
        seen = []
        for metric in np.cos(np.arange(50) / 3):
            schedule.step(lib.tensor(float(metric)))
            seen.append(schedule.get_last_lr())
        made.append((seen, schedule.state_dict()))
    assert made[0] == made[1] and list(made[0][1]) == list(made[1][1])


def composed(lib: Any, opt: Any) -> dict[str, Callable[[], Any]]:
    s = lib.optim.lr_scheduler
    return {
        "sequential": lambda: s.SequentialLR(
            opt, [s.LinearLR(opt, total_iters=5), s.CosineAnnealingLR(opt, 20), s.StepLR(opt, 4)], [5, 25]
        ),
        "chained": lambda: s.ChainedScheduler([s.ConstantLR(opt, 0.1, 4), s.ExponentialLR(opt, 0.9)]),
        "nested": lambda: s.ChainedScheduler(
            [s.SequentialLR(opt, [s.LinearLR(opt), s.ExponentialLR(opt, 0.9)], [3]), s.StepLR(opt, 5)]
        ),
    }


@pytest.mark.parametrize("kind", ["sequential", "chained", "nested"])
def test_composed_schedules(kind: str) -> None:
    made = []
    for lib in (torch, jtorch):
        opt = two_groups(lib, "SGD")
        schedule = composed(lib, opt)[kind]()
        made.append((sequence(opt, schedule, 50), schedule.state_dict()))
    assert made[0] == made[1] and list(made[0][1]) == list(made[1][1])


@pytest.mark.parametrize(
    ("kind", "use_buffers"),
    [
        (None, False),
        (None, True),
        ("get_swa_avg_fn", True),
        ("get_ema_avg_fn", True),
        ("get_ema_multi_avg_fn", True),
        ("get_swa_multi_avg_fn", False),
    ],
)
def test_averaged_model(kind: str | None, use_buffers: bool) -> None:
    made = []
    for lib in (torch, jtorch):
        swa = lib.optim.swa_utils
        net = lib.nn.Sequential(lib.nn.Linear(2, 3), lib.nn.BatchNorm1d(3))
        options = {} if kind is None else {"multi_avg_fn" if "multi" in kind else "avg_fn": getattr(swa, kind)()}
        averaged = swa.AveragedModel(net, use_buffers=use_buffers, **options)
        rng = np.random.default_rng(0)
        for _ in range(4):
            with lib.no_grad():
                for p in net.parameters():
                    p.copy_(lib.tensor(rng.standard_normal(tuple(p.shape)), dtype=lib.float32))
            net(lib.tensor(rng.standard_normal((4, 2)), dtype=lib.float32))
            averaged.update_parameters(net)
        swa.update_bn([lib.tensor(rng.standard_normal((4, 2)), dtype=lib.float32) for _ in range(3)], averaged)
        made.append({key: numpy(value) for key, value in averaged.state_dict().items()})
    assert list(made[0]) == list(made[1])
    for key in made[0]:
        np.testing.assert_allclose(made[1][key], made[0][key], rtol=1e-5, atol=1e-6, err_msg=key)
