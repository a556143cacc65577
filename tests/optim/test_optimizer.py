"""The base: groups, hooks, the dict form, errors."""

import warnings
from typing import Any

import pytest

import jtorch
from jtorch import optim


def one(value: float = 1.0) -> Any:
    return jtorch.tensor([value]).requires_grad_()


class Plain(optim.Optimizer):
    """As a user would write one."""

    def __init__(self, params: Any, lr: float = 0.5) -> None:
        super().__init__(params, {"lr": lr})

    @jtorch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.add_(p.grad, alpha=-group["lr"])
                    self.state[p]["count"] = self.state[p].get("count", 0) + 1


def test_a_users_own_optimizer() -> None:
    p = one()
    opt = Plain([p])
    (3 * p).sum().backward()
    opt.step()
    assert p.item() == -0.5 and opt.state_dict()["state"] == {0: {"count": 1}}


def test_groups_take_defaults() -> None:
    p, q = one(), one()
    opt = optim.SGD([{"params": p, "lr": 0.5}, {"params": (q,)}], momentum=0.9)
    assert [g["lr"] for g in opt.param_groups] == [0.5, 0.001]
    assert [g["momentum"] for g in opt.param_groups] == [0.9, 0.9]
    assert opt.param_groups[1]["params"] == [q]


def test_named_parameters() -> None:
    opt = optim.SGD([("a", one()), ("b", one())])
    assert opt.state_dict()["param_groups"][0]["param_names"] == ["a", "b"]
    with pytest.raises(ValueError, match="Some param names are missing"):
        optim.SGD([("a", one()), one()])
    with pytest.raises(ValueError, match="cannot add param group without names"):
        opt.add_param_group({"params": [one()]})


def test_errors_of_parameters() -> None:
    p = one()
    with pytest.raises(ValueError, match="empty parameter list"):
        optim.SGD([])
    with pytest.raises(TypeError, match="iterable of Tensors or dicts, but got torch.FloatTensor"):
        optim.SGD(p)
    with pytest.raises(TypeError, match="ordered collections"):
        optim.SGD([{"params": {p}}])
    with pytest.raises(TypeError, match="one of the params is float"):
        optim.SGD([1.0])
    with pytest.raises(ValueError, match="non-leaf"):
        optim.SGD([p * 2])
    with pytest.raises(ValueError, match="more than one parameter group"):
        optim.SGD([{"params": p}, {"params": p}])
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optim.SGD([p, p])
    with pytest.raises(TypeError, match="param_group must be a dict"):
        optim.SGD([p]).add_param_group([one()])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("SGD", {"lr": -1.0}, "Invalid learning rate: -1.0"),
        ("SGD", {"momentum": -1.0}, "Invalid momentum value: -1.0"),
        ("SGD", {"nesterov": True}, "Nesterov momentum requires"),
        ("Adam", {"betas": (1.0, 0.9)}, "Invalid beta parameter at index 0: 1.0"),
        ("Adam", {"eps": -1.0}, "Invalid epsilon value: -1.0"),
        ("Adadelta", {"rho": 2.0}, "Invalid rho value: 2.0"),
        ("Rprop", {"etas": (2.0, 3.0)}, "Invalid eta values: 2.0, 3.0"),
        ("Adafactor", {"d": 0.5}, "Clipping threshold d should be >= 1"),
    ],
)
def test_errors_of_options(name: str, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        getattr(optim, name)([one()], **options)


def test_zero_grad() -> None:
    p = one()
    opt = optim.SGD([p])
    p.grad = jtorch.ones(1)
    opt.zero_grad(set_to_none=False)
    assert p.grad.item() == 0.0
    opt.zero_grad()
    assert p.grad is None


def test_hooks_of_the_step() -> None:
    p = one()
    p.grad = jtorch.ones(1)
    opt = optim.SGD([p], lr=1.0)
    seen: list[str] = []
    before = opt.register_step_pre_hook(lambda o, args, kwargs: seen.append("before"))
    opt.register_step_post_hook(lambda o, args, kwargs: seen.append("after"))
    everywhere = optim.optimizer.register_optimizer_step_pre_hook(lambda o, args, kwargs: seen.append("all"))
    opt.step()
    everywhere.remove()
    before.remove()
    opt.step()
    assert seen == ["all", "before", "after", "after"]
    opt.register_step_pre_hook(lambda o, args, kwargs: 1)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        opt.step()


def test_hooks_of_the_state_dict() -> None:
    opt = optim.SGD([one()])
    opt.register_state_dict_post_hook(lambda o, d: {**d, "extra": 1})
    opt.register_load_state_dict_pre_hook(lambda o, d: {k: v for k, v in d.items() if k != "extra"})
    loaded: list[Any] = []
    opt.register_load_state_dict_post_hook(loaded.append)
    made = opt.state_dict()
    assert made["extra"] == 1
    opt.load_state_dict(made)
    assert loaded == [opt]


def test_state_dict_round_trip() -> None:
    p, q = one(), one(2.0)
    opt = optim.Adam([p, q], lr=0.1)
    p.grad, q.grad = jtorch.ones(1), jtorch.ones(1)
    opt.step()
    made = opt.state_dict()
    assert list(made["state"]) == [0, 1] and made["param_groups"][0]["params"] == [0, 1]
    assert made["state"][0]["step"] is not made["state"][1]["step"]
    r, s = p.detach().clone().requires_grad_(), q.detach().clone().requires_grad_()
    other = optim.Adam([r, s])
    other.load_state_dict(made)
    assert other.param_groups[0]["lr"] == 0.1
    for a in (p, q, r, s):
        a.grad = jtorch.ones(1)
    opt.step()
    other.step()
    assert (p.item(), q.item()) == (r.item(), s.item())


def test_loading_casts() -> None:
    p = one()
    opt = optim.Adam([p])
    p.grad = jtorch.ones(1)
    opt.step()
    half = jtorch.ones(1, dtype=jtorch.bfloat16).requires_grad_()
    other = optim.Adam([half])
    other.load_state_dict(opt.state_dict())
    assert other.state[half]["exp_avg"].dtype is jtorch.bfloat16 and other.state[half]["step"].dtype is jtorch.float32


def test_errors_of_loading() -> None:
    opt = optim.SGD([one()])
    with pytest.raises(ValueError, match="different number of parameter groups"):
        opt.load_state_dict({"state": {}, "param_groups": []})
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group"):
        opt.load_state_dict({"state": {}, "param_groups": [{"params": [0, 1]}]})


def test_repr() -> None:
    assert repr(Plain([{"params": one()}, {"params": one(), "lr": 1}])) == (
        "Plain (\nParameter Group 0\n    lr: 0.5\n\nParameter Group 1\n    lr: 1\n)"
    )


def test_no_warning_in_a_plain_loop() -> None:
    p = one()
    opt = optim.SGD([p], lr=0.1)
    schedule = optim.lr_scheduler.StepLR(opt, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            p.grad = jtorch.ones(1)
            opt.step()
            schedule.step()
