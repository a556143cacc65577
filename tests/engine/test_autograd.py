"""The backward pass in the trace: remembered, shared with its forward, and taken node by node where that cannot be."""

import gc
import weakref

import numpy as np
import pytest

import jtorch as torch
from jtorch.engine import autograd, flush, report, trace


def weights(value=2.0):
    return torch.full((300, 300), value, requires_grad=True)


def test_the_second_pass_is_remembered():
    w = weights()
    walks = []
    walk = autograd.run_backward

    def counted(*args, **kwargs):
        walks.append(1)
        return walk(*args, **kwargs)

    import jtorch.autograd.backward as module

    for name in dir(module):
        if getattr(module, name) is walk:
            setattr(module, name, counted)
    try:
        autograd.run_backward = counted
        for _ in range(4):
            w.grad = None
            (w * w).sum().backward()
            assert w.grad[0, 0].item() == 4
    finally:
        autograd.run_backward = walk
        for name in dir(module):
            if getattr(module, name) is counted:
                setattr(module, name, walk)
    assert len(walks) <= 2


def test_forward_backward_and_update_are_one_program():
    w = weights()
    optimizer = torch.optim.SGD([w], lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        (w * w).mean().backward()
        optimizer.step()
    assert report.counts()["compiled"] == 1


def test_gradients_accumulate():
    w = weights()
    for n in range(1, 4):
        (w * 3).sum().backward()
        assert w.grad[0, 0].item() == 3 * n
    w.grad.zero_()
    assert w.grad[0, 0].item() == 0
    first = w.grad
    (w * 3).sum().backward()
    assert w.grad is first  # in place, as torch does


def test_a_value_used_twice():
    w = weights()
    y = w * 2
    (y * y + y).sum().backward()
    assert w.grad[0, 0].item() == 2 * (2 * 4) + 2


def test_backward_from_several_ends():
    w = weights()
    a, b = w * 2, w.exp()
    torch.autograd.backward([a.sum(), b.sum()])
    assert w.grad[0, 0].item() == pytest.approx(2 + np.exp(2), rel=1e-6)


@pytest.mark.parametrize("cut", [False, True])
def test_before_and_after_a_flush(cut):
    w = weights()
    y = w.sin()
    if cut:
        flush.flush_all("t")
    z = (y * 3).sum()
    if cut:
        z.item()
    z.backward()
    assert w.grad[0, 0].item() == pytest.approx(3 * np.cos(2), rel=1e-5)


def test_what_was_saved_is_freed():
    w = weights()
    y = w.exp()
    z = (y * y).sum()
    flush.flush_all("t")
    ref = weakref.ref(y._v)
    del y
    z.backward()
    flush.flush_all("t")
    gc.collect()
    assert ref() is None


def test_hooks_see_gradients_and_change_them():
    w = weights()
    seen = []
    y = w * 2
    handle = y.register_hook(lambda g: seen.append(g[0, 0].item()) or g * 10)
    y.sum().backward()
    assert seen == [1] and w.grad[0, 0].item() == 20
    handle.remove()
    w.grad = None
    (w * 2).sum().backward()
    assert w.grad[0, 0].item() == 2 and len(seen) == 1


def test_higher_derivatives():
    w = weights()
    (g,) = torch.autograd.grad((w**3).sum(), w, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), w, create_graph=True)
    (k,) = torch.autograd.grad(h.sum(), w)
    assert [t[0, 0].item() for t in (g, h, k)] == [12, 12, 6]


def test_leaves_that_are_gone():
    w, v = weights(), weights()
    loss = (w * v).sum()
    del v
    gc.collect()
    loss.backward()
    assert w.grad[0, 0].item() == 2


def test_no_grad_parts_are_constants():
    w = weights()
    with torch.no_grad():
        c = w * 5
    (w * c).sum().backward()
    assert w.grad[0, 0].item() == 10 and not c.requires_grad


def test_an_error_in_backward_leaves_the_trace_usable():
    w = weights()
    y = (w // 2).sum()
    with pytest.raises(RuntimeError, match="derivative for aten::floor_divide is not implemented"):
        y.backward()
    (w * 2).sum().backward()
    assert w.grad[0, 0].item() == 2 and len(trace.state().traces) <= 1


def test_other_losses_in_between():
    """Two losses in turn: each has its own remembered pass."""
    w = weights()
    for _ in range(3):
        for scale, loss in ((4, lambda: (w * w).sum()), (3, lambda: (w * 3).sum())):
            w.grad = None
            loss().backward()
            assert w.grad[0, 0].item() == scale
    assert report.counts()["compiled"] <= 4
