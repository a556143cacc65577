"""Lowering: the steps that a program needs, its text, and caches that stay bounded."""

import jax.numpy as jnp

import jtorch as torch
from jtorch.engine import flush, program, record, report, trace
from jtorch.engine.trace import Node


def big():
    return torch.from_jax(jnp.ones((300, 300), jnp.float32))


def end_of(x):
    """The trie node that a pending tensor's trace stands on."""
    return x._v.trace.cursor


def test_needed_steps():
    x = big()
    a = x + 1
    b = a * 2
    c = x.exp()
    d = b - 1
    path = end_of(d).path()
    assert [s.op.name for s in path] == ["add", "mul", "exp", "sub"]
    needed = program.needed_steps(path, (d._v.index,))
    assert [s.op.name for s in needed] == ["add", "mul", "sub"]
    assert [s.op.name for s in program.needed_steps(path, (c._v.index,))] == ["exp"]
    assert program.needed_steps(path, ()) == []


def test_steps_with_checks_are_always_needed():
    x = big()
    x[torch.tensor([0, 1]).requires_grad_(False) + 0]  # noqa: B018
    y = x.index_select(0, torch.tensor([1, 2]))
    del y
    end = next(iter(trace.state().traces.values())).cursor
    kept = program.needed_steps(end.path(), ())
    assert kept and all(step.op.check is not None for step in kept)


def test_a_backward_keeps_its_forward():
    w = big().requires_grad_()
    loss = (w * 3).sin().sum()
    loss.backward()
    grad = w.grad
    path = end_of(grad).path()
    needed = program.needed_steps(path, (grad._v.index,))
    names = [s.op.name for s in needed]
    assert "sin" in names and "pull" in names and names.index("sin") < names.index("pull")


def test_the_path_as_text():
    x = big()
    y = (x * 2.5).sum(0)
    text = program.describe(end_of(y))
    lines = text.split("\n")
    assert len(lines) == 2 and "= mul(%0)" in lines[0] and "2.5" in lines[0] and "test_program.py" in lines[0]
    assert "float32[300]" in lines[1]


def test_programs_are_dropped_when_there_are_many(monkeypatch):
    monkeypatch.setattr(program, "MAX_PROGRAMS", 5)
    program._recent.clear()
    for k in range(12):
        (big() + k)[0, : k + 1].tolist()
    assert len(program._recent) <= 5
    (big() + 0)[0, :1].tolist()


def test_tries_are_dropped_when_they_are_large(monkeypatch):
    monkeypatch.setattr(record, "MAX_NODES", 50)
    monkeypatch.setattr(record, "_node_count", 0)
    for k in range(60):
        assert big()[:, : k + 1].sum().item() == 300 * (k + 1)
    assert record._node_count <= 51


def test_host_functions_are_kept_by_spec():
    from jtorch.ops.table import TABLE

    op = TABLE["add"]
    for k in range(1500):
        torch.add(torch.ones(2), torch.ones(2), alpha=k)
    assert 0 < len(op._bound) <= 1025


def test_the_same_path_is_one_program():
    for _ in range(3):
        x = big()
        y = (x * 2 + 1).sum(1)
        assert y[0].item() == 900
        del x, y
    assert report.counts() == {"compiled": 1, "hits": 2} or report.counts()["compiled"] <= 2


def test_what_is_held_is_part_of_the_key():
    for keep in (True, False, True, False):
        x = big()
        a = x * 2
        b = a + 1
        if not keep:
            del a
        flush.flush_all("t")
        assert b[0, 0].item() == 3
        del x, b
        a = None
    assert isinstance(trace.root_of("cpu"), Node)
