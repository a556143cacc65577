"""When what is pending runs, and what a flush leaves behind."""

import gc
import weakref

import jax.numpy as jnp
import numpy as np
import pytest

import jtorch as torch
from jtorch.engine import flush, program, report, trace


def big(value=1.0):
    """Too much data for the host way."""
    return torch.from_jax(jnp.full((300, 300), value, jnp.float32))


def pending():
    """How many values wait in this thread."""
    return sum(len(tr.values) for tr in trace.state().traces.values())


@pytest.mark.parametrize(
    "look",
    [
        lambda x: x.sum().item(),
        lambda x: x[0, :2].tolist(),
        lambda x: bool(x[0, 0]),
        lambda x: float(x[0, 0]),
        lambda x: x.numpy(),
        lambda x: repr(x),
        lambda x: x[x > 5],
        lambda x: x.nonzero(),
        lambda x: f"{x[0, 0]:.1f}",
        lambda x: np.asarray(x),
        lambda x: 2.0 in x,
    ],
)
def test_a_look_runs_what_is_pending(look):
    x = big() * 2
    assert pending() and x._v.array is None
    look(x)
    assert x._v.array is not None and x[0, 0].item() == 2


@pytest.mark.parametrize(
    "question",
    [
        lambda x: x.shape, lambda x: x.dtype, lambda x: len(x), lambda x: x.stride(), lambda x: x.view(-1).numel(),
        lambda x: x.requires_grad, lambda x: x.is_contiguous(), lambda x: x._version,
        lambda x: x.t()[1:].shape,
    ],
)  # fmt: skip
def test_questions_run_nothing(question):
    x = big() * 2
    question(x)
    assert x._v.array is None and report.counts()["compiled"] == 0


def test_places_between_steps():
    x = big() * 2
    flush.boundary("between steps")
    assert x._v.array is not None and not pending()
    assert "between steps" in report.report()


def test_only_what_is_held_is_computed():
    x = big()
    y = (x + 1) * 2
    z = y.exp()
    kept = y.sum()
    del y, z
    assert kept.item() == 360_000
    (last,) = [p for p in program._recent.values() if p.home.parent is not None][-1:]
    assert len(last.outputs) == 1 and last.steps == 3


def test_nothing_held_runs_nothing():
    big() * 2  # noqa: B018
    flush.flush_all("test")
    assert report.counts()["compiled"] == 0


def test_a_flush_lets_go():
    x = big()
    y = x * 2
    ref = weakref.ref(y._v)
    flush.flush_all("test")
    assert trace.state().traces == {} and y._v.trace is not None
    del y
    gc.collect()
    assert ref() is None


def test_a_graph_outlives_its_flush():
    x = torch.ones(300, 300, requires_grad=True)
    loss = (x * x * 3).mean()
    assert loss.item() == 3.0  # a look before backward
    loss.backward()
    np.testing.assert_allclose(x.grad[0, 0].item(), 6 / 90_000, rtol=1e-6)
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        loss.backward()


def test_a_program_that_fails_leaves_its_values_without_data():
    def refuse(a, statics):
        return (a.reshape(statics),)

    from jtorch.engine.op import Primitive
    from jtorch.engine.record import record
    from jtorch.tensor.tensor import wrap

    bad = Primitive("bad", lambda: lambda a: 1 / 0, infer=lambda spec, inputs: [inputs[0].aval.struct()])
    x = big() + 1
    y = wrap(record(bad, (), (x._value,)))
    with pytest.raises(ZeroDivisionError):
        y.sum().item()
    with pytest.raises(RuntimeError, match="the program that was to compute this value failed"):
        y.sum().item()
    assert (big() + 1).sum().item() == 180_000


def test_settings_are_no_part_of_a_key():
    x = torch.ones(300, 300)
    y = x @ x
    torch.set_float32_matmul_precision("high")
    try:
        assert y._v.array is not None  # computed under the old setting
        assert (x @ x)[0, 0].item() == 300
    finally:
        torch.set_float32_matmul_precision("highest")
