"""One step of each rule against its formula, and what the fused step promises."""

import copy
import math
import pickle
from typing import Any

import numpy as np
import optax
import pytest

import jtorch
from jtorch import optim
from jtorch.engine import report

# Many small programs are compiled at one line here.
pytestmark = pytest.mark.filterwarnings("ignore::jtorch.engine.report.RecompileWarning")


def parameter(*values: float, dtype: Any = None) -> Any:
    return jtorch.tensor(list(values), dtype=dtype or jtorch.float64).requires_grad_()


def stepped(opt: Any, p: Any, grads: list[list[float]]) -> np.ndarray:
    for g in grads:
        p.grad = jtorch.tensor(g, dtype=p.dtype)
        opt.step()
    return p.detach().numpy()


def test_sgd() -> None:
    p = parameter(1.0, 2.0)
    opt = optim.SGD([p], lr=0.5, momentum=0.9, weight_decay=0.1)
    first = np.array([1.0, 2.0]) - 0.5 * (np.array([1.0, -1.0]) + 0.1 * np.array([1.0, 2.0]))
    np.testing.assert_allclose(stepped(opt, p, [[1.0, -1.0]]), first, rtol=1e-14)
    buffer = 0.9 * (np.array([1.0, -1.0]) + 0.1 * np.array([1.0, 2.0])) + np.array([0.5, 0.5]) + 0.1 * first
    np.testing.assert_allclose(stepped(opt, p, [[0.5, 0.5]]), first - 0.5 * buffer, rtol=1e-14)
    np.testing.assert_allclose(opt.state[p]["momentum_buffer"].numpy(), buffer, rtol=1e-14)


def test_dampening_spares_the_first_step() -> None:
    p = parameter(0.0)
    opt = optim.SGD([p], lr=1.0, momentum=0.5, dampening=0.25)
    assert stepped(opt, p, [[1.0]]) == [-1.0]
    assert stepped(opt, p, [[1.0]]) == [-1.0 - (0.5 + 0.75)]


def test_nesterov_and_maximize() -> None:
    p = parameter(0.0)
    assert stepped(optim.SGD([p], lr=1.0, momentum=0.5, nesterov=True, maximize=True), p, [[1.0], [1.0]]) == [
        1.5 + 1.0 + 0.75
    ]


def test_the_first_step_of_adam_has_the_length_of_the_rate() -> None:
    p = parameter(1.0, 2.0)
    np.testing.assert_allclose(stepped(optim.Adam([p], lr=0.1), p, [[3.0, -0.2]]), [0.9, 2.1], rtol=1e-7)


def test_adamw_shrinks() -> None:
    p = parameter(2.0)
    np.testing.assert_allclose(stepped(optim.AdamW([p], lr=0.1, weight_decay=0.5), p, [[0.0]]), [2.0 * 0.95])


def test_amsgrad_keeps_the_largest() -> None:
    p = parameter(0.0)
    opt = optim.Adam([p], amsgrad=True)
    stepped(opt, p, [[10.0], [0.0], [0.0]])
    largest = 0.001 * 100.0
    np.testing.assert_allclose(opt.state[p]["max_exp_avg_sq"].numpy(), [largest], rtol=1e-12)
    assert opt.state[p]["exp_avg_sq"].item() < largest


def test_rmsprop_adagrad_adadelta_adamax() -> None:
    p = parameter(0.0)
    np.testing.assert_allclose(stepped(optim.RMSprop([p], lr=0.1), p, [[2.0]]), [-0.1 * 2 / (0.2 + 1e-8)])
    p = parameter(0.0)
    np.testing.assert_allclose(
        stepped(optim.Adagrad([p], lr=0.1, lr_decay=1.0), p, [[2.0], [2.0]]), [-0.1 - 0.05 / math.sqrt(2)]
    )
    p = parameter(0.0)
    expected = -math.sqrt(1e-6) / math.sqrt(0.1 * 4 + 1e-6) * 2
    np.testing.assert_allclose(stepped(optim.Adadelta([p]), p, [[2.0]]), [expected])
    p = parameter(0.0)
    np.testing.assert_allclose(stepped(optim.Adamax([p], lr=0.1), p, [[2.0]]), [-0.1], rtol=1e-7)


def test_rprop_grows_and_shrinks_its_steps() -> None:
    p = parameter(0.0)
    opt = optim.Rprop([p], lr=0.1)
    np.testing.assert_allclose(stepped(opt, p, [[1.0], [5.0]]), [-0.1 - 0.12])
    np.testing.assert_allclose(stepped(opt, p, [[-1.0]]), [-0.22])
    np.testing.assert_allclose(opt.state[p]["step_size"].numpy(), [0.06])


def test_asgd_averages_from_t0() -> None:
    p = parameter(0.0)
    opt = optim.ASGD([p], lr=1.0, lambd=0.0, t0=1.0)
    stepped(opt, p, [[1.0], [1.0], [1.0], [1.0]])
    # The weight of a step is 1 until one later than t0 + 1, then 1/2: the mean of -3 and -4.
    np.testing.assert_allclose(opt.state[p]["ax"].numpy(), [-3.5])


def test_radam_starts_as_momentum() -> None:
    p = parameter(0.0)
    np.testing.assert_allclose(stepped(optim.RAdam([p], lr=0.1), p, [[2.0]]), [-0.2])


def test_adafactor_factors_matrices() -> None:
    p = jtorch.ones(2, 3, requires_grad=True)
    opt = optim.Adafactor([p])
    p.grad = jtorch.ones(2, 3)
    opt.step()
    assert tuple(opt.state[p]["row_var"].shape) == (2, 1) and tuple(opt.state[p]["col_var"].shape) == (1, 3)
    np.testing.assert_allclose(p.detach().numpy(), np.full((2, 3), 0.99), rtol=1e-6)


def test_muon_steps_are_near_orthogonal() -> None:
    p = jtorch.zeros(3, 3, requires_grad=True)
    opt = optim.Muon([p], lr=1.0, weight_decay=0.0)
    p.grad = jtorch.tensor([[3.0, 0.0, 0.0], [0.0, 1.0, 0.5], [0.2, 0.0, 2.0]])
    opt.step()
    values = np.linalg.svd(p.detach().numpy())[1]
    assert np.all((values > 0.6) & (values < 1.3))
    with pytest.raises(ValueError, match="2D parameters"):
        optim.Muon([parameter(1.0)])


def test_lbfgs_minimises() -> None:
    p = parameter(-1.5, 2.0)
    opt = optim.LBFGS([p], line_search_fn="strong_wolfe", max_iter=60)

    def closure() -> Any:
        opt.zero_grad()
        loss = 100 * (p[1] - p[0] ** 2) ** 2 + (1 - p[0]) ** 2
        loss.backward()
        return loss

    assert opt.step(closure).item() == pytest.approx(100 * 0.25**2 + 2.5**2)
    np.testing.assert_allclose(p.detach().numpy(), [1.0, 1.0], rtol=1e-5)


def test_from_optax() -> None:
    p, q = parameter(1.0, 2.0), parameter(3.0)
    transformation = optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.5))
    opt = optim.from_optax(transformation)([p, q])
    p.grad, q.grad = jtorch.tensor([3.0, 0.0], dtype=p.dtype), jtorch.tensor([4.0], dtype=p.dtype)
    opt.step()
    np.testing.assert_allclose(p.detach().numpy(), [1 - 0.5 * 0.6, 2.0])
    np.testing.assert_allclose(q.detach().numpy(), [3 - 0.5 * 0.8])


def test_from_optax_keeps_its_state() -> None:
    p = parameter(1.0, 2.0)
    opt = optim.from_optax(optax.adam(0.1))([p])
    reference = parameter(1.0, 2.0)
    mine = stepped(opt, p, [[1.0, 2.0], [0.5, -1.0]])
    np.testing.assert_allclose(
        mine, stepped(optim.Adam([reference], lr=0.1), reference, [[1.0, 2.0], [0.5, -1.0]]), rtol=1e-5
    )
    saved = copy.deepcopy(opt.state_dict())
    ahead = stepped(opt, p, [[1.0, 1.0]])
    r = jtorch.tensor(mine).requires_grad_()
    again = optim.from_optax(optax.adam(0.1))([r])
    again.load_state_dict(saved)
    np.testing.assert_array_equal(stepped(again, r, [[1.0, 1.0]]), ahead)


# -- the fused step


def test_a_schedule_compiles_nothing_new() -> None:
    p = parameter(1.0)
    opt = optim.AdamW([p])
    stepped(opt, p, [[1.0]] * 3)
    before = report.counts()["compiled"]
    for i in range(5):
        opt.param_groups[0].update(
            lr=0.1 / (i + 1), betas=(0.8 - 0.01 * i, 0.99), weight_decay=0.1 + i, eps=1e-7 * (i + 1)
        )
        stepped(opt, p, [[1.0]])
    assert report.counts()["compiled"] == before


def test_parameters_without_gradients_stand_still() -> None:
    ps = [parameter(1.0) for _ in range(3)]
    opt = optim.Adam(ps, lr=0.1)
    for active in ([0, 1, 2], [0], [0, 1, 2], [1, 2]):
        opt.zero_grad()
        for i in active:
            ps[i].grad = jtorch.ones(1, dtype=jtorch.float64)
        opt.step()
    assert [opt.state[p]["step"].item() for p in ps] == [3.0, 3.0, 3.0]
    opt.zero_grad()
    ps[0].grad = jtorch.ones(1, dtype=jtorch.float64)
    opt.step()
    assert [opt.state[p]["step"].item() for p in ps] == [4.0, 3.0, 3.0]


def test_what_the_user_changes_is_noticed() -> None:
    p, q = parameter(0.0), parameter(0.0)
    opt = optim.SGD([p], lr=1.0)
    assert stepped(opt, p, [[1.0]]) == [-1.0]
    opt.param_groups[0]["momentum"] = 0.5
    assert stepped(opt, p, [[1.0], [1.0]]) == [-1.0 - 1.0 - 1.5]
    opt.add_param_group({"params": [q], "lr": 0.5})
    q.grad = jtorch.ones(1, dtype=jtorch.float64)
    stepped(opt, p, [[0.0]])
    assert q.item() == -0.5
    opt.param_groups[1]["params"][0] = r = parameter(7.0)
    r.grad = jtorch.ones(1, dtype=jtorch.float64)
    opt.step()
    assert r.item() == 6.5 and q.item() == -0.5
    opt.state.clear()
    before = p.item()
    assert stepped(opt, p, [[1.0]]) == [before - 1.0]


def test_a_tensor_as_learning_rate() -> None:
    p = parameter(0.0)
    lr = jtorch.tensor(0.5)
    opt = optim.SGD([p], lr=lr)
    assert stepped(opt, p, [[1.0]]) == [-0.5]
    lr.fill_(0.25)
    assert stepped(opt, p, [[1.0]]) == [-0.75]


def test_an_overflow_keeps_everything() -> None:
    p = parameter(1.0)
    opt = optim.Adam([p], lr=0.1)
    before = stepped(opt, p, [[1.0]])
    opt.found_inf = jtorch.tensor(1.0)
    np.testing.assert_array_equal(stepped(opt, p, [[float("inf")]]), before)
    assert opt.state[p]["step"].item() == 1.0
    del opt.found_inf
    assert stepped(opt, p, [[1.0]]) < before


def test_loss_scale() -> None:
    p = parameter(0.0)
    opt = optim.SGD([p], lr=1.0)
    opt.grad_scale = jtorch.tensor(4.0)
    assert stepped(opt, p, [[1.0]]) == [-0.25]


def test_half_precision_is_computed_in_single() -> None:
    p = parameter(1.0, dtype=jtorch.bfloat16)
    opt = optim.SGD([p], lr=0.001)
    assert stepped_bfloat(opt, p, 1.0) == 1.0  # 0.999 rounds to 1
    assert opt.state_dict()["state"] == {}


def stepped_bfloat(opt: Any, p: Any, g: float) -> float:
    p.grad = jtorch.tensor([g], dtype=jtorch.bfloat16)
    opt.step()
    return p.float().item()


def test_complex_parameters_are_pairs_of_reals() -> None:
    z = jtorch.tensor([1 + 2j]).requires_grad_()
    x, y = parameter(1.0, dtype=jtorch.float32), parameter(2.0, dtype=jtorch.float32)
    opts = [optim.Adam([z], lr=0.1), optim.Adam([x, y], lr=0.1)]
    for _ in range(3):
        z.grad, x.grad, y.grad = jtorch.tensor([0.5 - 2j]), jtorch.tensor([0.5]), jtorch.tensor([-2.0])
        for opt in opts:
            opt.step()
    assert z.item() == complex(x.item(), y.item())


def test_closure() -> None:
    p = parameter(2.0)
    opt = optim.SGD([p], lr=0.25)

    def closure() -> Any:
        opt.zero_grad()
        loss = (p**2).sum()
        loss.backward()
        return loss

    with jtorch.no_grad():
        assert opt.step(closure).item() == 4.0
    assert p.item() == 1.0


def test_differentiable_is_named() -> None:
    with pytest.raises(NotImplementedError, match=r"Adam\(differentiable=True\)"):
        optim.Adam([parameter(1.0)], differentiable=True)


def test_copies_go_on_alone() -> None:
    p = parameter(1.0)
    opt = optim.Adam([p], lr=0.1)
    stepped(opt, p, [[1.0]])
    for other in (copy.deepcopy(opt), pickle.loads(pickle.dumps(opt))):
        q = other.param_groups[0]["params"][0]
        assert other.state[q]["step"].item() == 1.0
        stepped(other, q, [[1.0]])
        assert other.state[q]["step"].item() == 2.0 and opt.state[p]["step"].item() == 1.0
