"""no_grad, enable_grad, set_grad_enabled, inference_mode, and forward mode."""

import numpy as np
import pytest

import jtorch
from jtorch.autograd import forward_ad
from jtorch.engine import record


def test_modes_nest_and_decorate():
    x = jtorch.ones(1, requires_grad=True)
    with jtorch.no_grad():
        assert not (x * 2).requires_grad
        with jtorch.enable_grad():
            assert (x * 2).requires_grad
        assert not jtorch.is_grad_enabled()
    assert not jtorch.no_grad()(lambda: x * 2)().requires_grad
    with jtorch.set_grad_enabled(False):
        assert not (x * 2).requires_grad
    with jtorch.inference_mode():
        assert not jtorch.is_grad_enabled() and jtorch.is_inference_mode_enabled()
        with jtorch.inference_mode(False):
            assert jtorch.is_grad_enabled()
    assert jtorch.is_grad_enabled() and not jtorch.is_inference_mode_enabled()


@pytest.mark.parametrize("size", [2, 70_000], ids=["on the host", "in the trace"])
def test_inference_tensors_stay_out_of_graphs(size):
    w = jtorch.ones(size, requires_grad=True)
    for _ in range(2):
        with jtorch.inference_mode():
            x = jtorch.ones(size) * 2
            y = w * 2
        assert x.is_inference() and y.is_inference() and jtorch.is_inference(x[0]) and not (x + 1).is_inference()
        with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
            w * x
        assert (w + x).requires_grad
        with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside InferenceMode"):
            x.add_(1)
        with pytest.raises(RuntimeError, match="Setting requires_grad=True on inference tensor"):
            x.requires_grad_()
        with pytest.raises(RuntimeError, match="do not track version counter"):
            x._version  # noqa: B018
        (w * x.clone()).sum().backward()
        assert w.grad[0].item() == 2
        w.grad = None


def test_normal_tensors_stay_normal_in_inference_mode():
    x = jtorch.ones(2)
    with jtorch.inference_mode():
        x.add_(1)
        view = x[0]
        inside = jtorch.zeros(2)
        inside.add_(1)
    assert not x.is_inference() and not view.is_inference() and inside.is_inference()
    x.add_(1)
    assert x.tolist() == [3, 3]


def test_multithreading_flag():
    with jtorch.autograd.set_multithreading_enabled(False):
        assert not jtorch.autograd.is_multithreading_enabled()
    assert jtorch.autograd.is_multithreading_enabled()


@pytest.mark.parametrize("device_sized", [False, True])
def test_tangents_go_along(device_sized):
    n = 70_000 if device_sized else 3
    with forward_ad.dual_level():
        x = forward_ad.make_dual(jtorch.full((n,), 0.5), jtorch.full((n,), 2.0))
        y = (x * x).sin()
        primal, tangent = forward_ad.unpack_dual(y)
        assert forward_ad.unpack_dual(jtorch.ones(2) + 1).tangent is None
    np.testing.assert_allclose(primal[0].item(), np.sin(0.25), rtol=1e-6)
    np.testing.assert_allclose(tangent[0].item(), np.cos(0.25) * 2, rtol=1e-6)
    with forward_ad.dual_level():
        assert forward_ad.unpack_dual(y).tangent is None


def test_tangents_follow_views_and_writes():
    with forward_ad.dual_level():
        x = forward_ad.make_dual(jtorch.tensor([1.0, 2.0]), jtorch.tensor([1.0, 3.0]))
        y = x.clone()
        y.mul_(3)
        y[0] = 5.0
        assert forward_ad.unpack_dual(x[1:]).tangent.tolist() == [3]
        assert forward_ad.unpack_dual(y).tangent.tolist() == [0, 9]


def test_backward_over_forward():
    x = jtorch.tensor([1.0, 2.0], requires_grad=True)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, jtorch.ones(2))
        tangent = forward_ad.unpack_dual((dual**3).sum()).tangent
    (g,) = jtorch.autograd.grad(tangent, x)
    assert tangent.item() == 15 and g.tolist() == [6, 12]


def test_levels_do_not_nest():
    with forward_ad.dual_level(), pytest.raises(RuntimeError, match="Nested forward mode AD is not supported"):
        forward_ad.enter_dual_level()
    with pytest.raises(RuntimeError, match="no level exists"):
        forward_ad.make_dual(jtorch.ones(1), jtorch.ones(1))


def test_recording_is_quick_again_after_a_level(monkeypatch):
    monkeypatch.setattr(record, "eager", False)
    with forward_ad.dual_level():
        pass
    x = jtorch.ones(70_000)
    x + 1
    assert jtorch.engine.trace.state().trace is not None
