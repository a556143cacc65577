"""Leaves that nothing holds any more lend their memory to the results; those that somebody holds never do."""

import jax.numpy as jnp
import numpy as np
import pytest

import jtorch as torch
from jtorch.engine import flush, program


def on_device(value=1.0, n=70_000):
    return torch.from_jax(jnp.full((n,), value, jnp.float32))


def pointer(x):
    return x._v.array.unsafe_buffer_pointer()


def test_a_loop_uses_one_buffer():
    x = on_device()
    x = x + 1
    flush.flush_all("t")
    seen = set()
    for _ in range(4):
        x = x + 1
        flush.flush_all("t")
        seen.add(pointer(x))
    assert len(seen) == 1 and x[0].item() == 6


@pytest.mark.parametrize(
    "hold",
    [
        lambda x: x, lambda x: x.detach(), lambda x: x[1:], lambda x: x._v.array, lambda x: x._v, lambda x: [x],
        lambda x: x.view(2, -1).t(), lambda x: torch.nn.Parameter(x), lambda x: (x.__jax_array__(),),
    ],
)  # fmt: skip
def test_what_is_held_keeps_its_values(hold):
    x = on_device(5.0)
    held = hold(x)
    x = x * 0
    flush.flush_all("t")
    assert x[0].item() == 0
    held = held[0] if isinstance(held, (list, tuple)) else held
    if isinstance(held, torch.Tensor):
        held = held.detach()
    elif hasattr(held, "aval") and not hasattr(held, "devices"):  # a value of the engine's
        held = held.array
    array = np.asarray(held)
    assert (array == 5).all()


def test_what_backward_needs_is_kept():
    w = on_device(2.0).requires_grad_()
    x = on_device(3.0)
    loss = (w * x).sum()
    x = x * 0
    assert x[0].item() == 0
    loss.backward()
    assert w.grad[0].item() == 3


def test_an_in_place_write_takes_the_old_buffer():
    x = on_device()
    x.add_(1)
    flush.flush_all("t")
    before = pointer(x)
    x.mul_(3).add_(1)
    flush.flush_all("t")
    assert pointer(x) == before and x[0].item() == 7


def test_only_leaves_that_fit_are_donated():
    """XLA warns of donated buffers that no result can take: there are none."""
    x, y = on_device(), on_device(n=50_000)
    total = x.sum() + y.sum()
    del x, y
    assert total.item() == 120_000
    made = list(program._recent.values())[-1]
    assert len(made.outputs) == 1


def test_host_arrays_that_the_user_can_see_are_not_lent():
    array = np.ones(70_000, np.float32)
    x = torch.from_numpy(array)
    x = x * 2
    flush.flush_all("t")
    array += 1
    assert x[0].item() == 2 and array[0] == 2


def test_optimizers_reuse_the_parameters():
    p = torch.nn.Parameter(on_device())
    optimizer = torch.optim.SGD([p], lr=1.0)
    seen = set()
    for _ in range(4):
        optimizer.zero_grad()
        (p * 2).sum().backward()
        optimizer.step()
        flush.flush_all("t")
        seen.add(pointer(p))
    assert p[0].item() == -7 and len(seen) <= 2
