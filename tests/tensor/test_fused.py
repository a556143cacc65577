"""What optimizers and loaders take from the engine: one operator over many tensors, rebinding, storages let go."""

import jax.numpy as jnp
import pytest

import jtorch as torch
from jtorch.engine import report
from jtorch.tensor.fused import assign, flush, fused, prepared, runtime_scalar, settle, update


def step(a, b, statics):
    """a + statics * b, and their product; an array that is absent counts as nothing."""
    b = 0 if b is None else b
    return a + statics * b, a * b


def test_one_operator_over_many_tensors():
    a, b = torch.ones(3), torch.full((3,), 2.0)
    total, product = fused("step", step, 10, [a, b])
    assert total.tolist() == [21] * 3 and product.tolist() == [2] * 3 and not total.requires_grad
    alone, _ = fused("step", step, 10, [a, None])
    assert alone.tolist() == [1] * 3


def test_the_static_part_is_a_key():
    op, spec = prepared("step", step, (1, "a"), (False, False))
    assert prepared("step", step, (1, "a"), (False, False)) == (op, spec)
    assert prepared("step", step, (2, "a"), (False, False))[1] != spec
    assert prepared("step", step, (1, "a"), (False, True))[1] != spec


def test_assign_keeps_the_place_in_the_graph():
    p = torch.ones(2, requires_grad=True)
    new, _ = fused("step", step, 1, [p, torch.ones(2)])
    assign(p, new)
    assert p.is_leaf and p.requires_grad and p.tolist() == [2, 2] and p._version == 1
    (p * p).sum().backward()
    assert p.grad.tolist() == [4, 4]


def test_views_see_what_is_assigned():
    p = torch.ones(4)
    v = p.view(2, 2)
    assign(p, torch.zeros(4))
    assert v.sum().item() == 0


def test_update_writes_the_first_results():
    a, b = torch.ones(2), torch.full((2,), 3.0)
    op, spec = prepared("step", step, 2, (False, False))
    (product,) = update(op, spec, [a, b], [a])
    assert a.tolist() == [7, 7] and product.tolist() == [3, 3] and a._version == 1


def test_a_storage_that_nobody_else_looks_at_is_let_go():
    p = torch.nn.Parameter(torch.ones(2))
    settle(p)
    assert p._alias is None and p.is_leaf and p.tolist() == [1, 1]
    base = torch.ones(2)
    q = torch.nn.Parameter(base)
    settle(q)
    assert q._alias is not None
    base.zero_()
    assert q.tolist() == [0, 0]


def test_numbers_at_run_time():
    x = torch.from_jax(jnp.ones(70000))
    flush("a test begins")
    report.reset()
    for lr in (0.1, 0.2, 0.3):
        rate = runtime_scalar(lr, "float32", "cpu")
        made = (x * rate)[0]
        assert made.item() == pytest.approx(lr)
    assert report.counts() == {"compiled": 1, "hits": 2}
