"""Tensors used from several threads: each records for itself, values go from one to another."""

import threading
from concurrent.futures import ThreadPoolExecutor

import jax.numpy as jnp
import pytest

import jtorch as torch
from jtorch.engine import flush, trace


def big(value=1.0):
    return torch.from_jax(jnp.full((300, 300), value, jnp.float32))


def in_thread(work):
    """What ``work`` returns in a thread of its own."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def test_a_pending_value_is_read_elsewhere():
    x = big() * 2
    assert in_thread(lambda: x.sum().item()) == 180_000
    assert x[0, 0].item() == 2


def test_a_value_made_in_a_thread_that_has_ended():
    x = in_thread(lambda: big() + 4)
    assert (x * 2)[0, 0].item() == 10


def test_modes_are_each_threads_own():
    with torch.no_grad():
        assert in_thread(torch.is_grad_enabled) and not torch.is_grad_enabled()
    with torch.inference_mode():
        assert not in_thread(torch.is_inference_mode_enabled)


def test_traces_are_each_threads_own():
    x = big() * 2
    assert in_thread(lambda: len(trace.state().traces)) == 0
    in_thread(lambda: flush.flush_all("another thread"))
    assert x._v.array is None


def test_backward_in_another_thread():
    w = torch.ones(300, 300, requires_grad=True)
    loss = (w * w).sum()
    in_thread(loss.backward)
    assert w.grad[0, 0].item() == 2


def test_many_threads_train_their_own():
    failures = []

    def work(k):
        try:
            torch.manual_seed(0)
            w = torch.full((50,), float(k), requires_grad=True)
            optimizer = torch.optim.SGD([w], lr=0.1)
            for _ in range(5):
                optimizer.zero_grad()
                (w * w).sum().backward()
                optimizer.step()
            if w[0].item() != pytest.approx(k * 0.8**5, rel=1e-5):
                failures.append((k, w[0].item()))
        except Exception as error:
            failures.append((k, error))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


def test_one_tensor_read_by_many():
    x = (big() * 3).sin()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: x[1, 1].item(), range(16)))
    assert len(set(found)) == 1


def test_writes_from_another_thread_are_seen():
    x = big()
    view = x[0]
    in_thread(lambda: x.mul_(5))
    assert view[0].item() == 5 and x._version == 1
