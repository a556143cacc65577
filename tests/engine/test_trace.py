"""The trace: one path per program, found again; what is dead costs nothing; what varies becomes an input."""

import gc
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jtorch
from jtorch.engine import record, report, trace
from jtorch.tensor.fused import flush


@pytest.fixture(autouse=True)
def clean():
    flush("test")
    report.reset()
    yield
    flush("test")


def device_array(*shape):
    return jtorch.from_jax(jnp.ones(shape, jnp.float32))


def test_a_loop_compiles_once():
    x = device_array(300, 300)
    for _ in range(5):
        y = (x * 2 + 1).exp()
        assert float(y._host("t")[0, 0]) == pytest.approx(np.exp(3.0))
    assert report.counts() == {"compiled": 1, "hits": 4}


def test_dead_intermediates_are_no_outputs():
    x = device_array(300, 300)
    a = x + 1
    b = a * 2
    del a
    b._host("t")
    programs = [p for n in _nodes(trace.root_of("cpu")) for p in n.programs.values()]
    assert [len(p.outputs) for p in programs][-1] == 1


def _nodes(node):
    found = [node]
    for children in node.children:
        for child in children.values():
            found += _nodes(child)
    return found


def test_a_float_that_varies_becomes_an_input_once():
    x = device_array(300, 300)
    for i in range(6):
        got = (x * (0.5 + i))._host("t")
        assert got[0, 0] == 0.5 + i
    assert report.counts()["compiled"] == 2  # the first value, then the runtime input


def test_numbers_that_are_equal_as_keys_stay_apart():
    x = jtorch.from_jax(jnp.ones((300, 300), jnp.int32))
    assert (x * 1).dtype is jtorch.int32
    assert (x * 1.0).dtype is jtorch.float32
    flush("t")
    y = device_array(300, 300)
    assert np.signbit((y * -0.0)._host("t")[0, 0])
    assert not np.signbit((y * 0.0)._host("t")[0, 0])


def test_two_leaves_of_equal_value_are_not_merged():
    for second in (2.0, 3.0):
        a = jtorch.from_jax(jnp.full((70000,), 2.0, jnp.float32))
        b = jtorch.from_jax(jnp.full((70000,), second, jnp.float32))
        assert (a + b)._host("t")[0] == 2.0 + second
    assert report.counts() == {"compiled": 1, "hits": 1}


def test_a_dead_leaf_is_donated_and_a_held_one_is_not():
    x = jtorch.from_jax(jnp.ones((70000,), jnp.float32))
    held = jtorch.from_jax(jnp.ones((70000,), jnp.float32))
    dead, kept = x._v.array, held._v.array
    pointer = dead.unsafe_buffer_pointer()
    del dead
    x = x + held
    flush("t")
    assert x._v.array.unsafe_buffer_pointer() == pointer
    assert not kept.is_deleted()


def test_a_buffer_that_the_user_holds_is_never_donated():
    mine = jnp.ones((70000,), jnp.float32)
    x = jtorch.from_jax(mine)
    x = x + 1
    flush("t")
    assert not mine.is_deleted()
    assert x._host("t")[0] == 2


def test_divergence_is_reported_with_its_line():
    x = device_array(307, 311)
    (x + 1)._host("t")
    (x * 2)._host("t")
    text = jtorch.report()
    assert "got mul" in text and "test_trace.py" in text and "add[(307, 311)]" in text.partition("known there:")[2]


def test_many_programs_for_one_line_warn_once():
    x = jtorch.from_jax(jnp.arange(70000, dtype=jnp.float32))
    with pytest.warns(report.RecompileWarning, match="different programs were compiled for this line"):
        for n in range(1, report.RECOMPILES_BEFORE_WARNING + 2):
            (x.reshape(1, 70000) + jtorch.from_jax(jnp.ones((n, 1), jnp.float32)))._host("t")


def test_values_pending_in_another_thread_are_computed():
    found = {}

    def work():
        found["tensor"] = device_array(300, 300) + 41

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert (found["tensor"] + 1)._host("t")[0, 0] == 43


def test_threads_record_at_the_same_time():
    failures = []

    def work(k):
        x = device_array(300, 300)
        for i in range(30):
            got = ((x + k) * 2 - 1)._host("t")[0, 0]
            if got != (1 + k) * 2 - 1:
                failures.append((k, i, got))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


def test_eager_mode_flushes_after_every_op(monkeypatch):
    monkeypatch.setattr(record, "eager", True)
    x = device_array(300, 300)
    y = x + 1
    assert y._v.array is not None
    assert (y * 2)._host("t")[0, 0] == 4


def test_errors_surface_at_the_user_line():
    with pytest.raises(RuntimeError, match="must match the size"):
        device_array(3) + device_array(4)
    assert (device_array(3) + 1)._host("t").tolist() == [2, 2, 2]  # nothing of the failed op remains


def test_direct_way_composes_with_jax():
    def f(a):
        t = jtorch.from_jax(a)
        return ((t * t + 1).exp())._array()

    a = jnp.arange(3, dtype=jnp.float32)
    np.testing.assert_allclose(jax.jit(f)(a), np.exp(np.arange(3) ** 2 + 1), rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(jax.grad(f))(a), 2 * np.arange(3) * np.exp(np.arange(3) ** 2 + 1), rtol=1e-6)


def test_nothing_stays_alive_after_a_flush():
    x = device_array(300, 300)
    y = x + 1
    import weakref

    ref = weakref.ref(y._v)
    y._host("t")
    del y
    gc.collect()
    assert ref() is None
