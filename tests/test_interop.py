"""Modules as pure functions under jit, grad and vmap; JAX functions as torch operators; export."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jtorch
from jtorch import nn


def model():
    jtorch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))


def batch(n=5):
    return np.random.default_rng(0).standard_normal((n, 3)).astype(np.float32)


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["plain", "jit"])
def test_apply_returns_the_output_and_the_buffers(wrap):
    m, x = model(), batch()
    apply, params, buffers = jtorch.to_jax(m)
    assert set(params) == {n for n, _ in m.named_parameters()} and set(buffers) == {n for n, _ in m.named_buffers()}
    out, new = wrap(apply)(params, buffers, x)
    assert int(m[1].num_batches_tracked) == 0  # the module itself is left alone
    expected = m(jtorch.from_numpy(x))
    np.testing.assert_allclose(out, expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    assert int(new["1.num_batches_tracked"]) == 1 and int(buffers["1.num_batches_tracked"]) == 0
    np.testing.assert_allclose(new["1.running_mean"], m[1].running_mean.numpy(), rtol=1e-5)


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["plain", "jit"])
def test_gradients_are_those_of_backward(wrap):
    m, x = model(), batch()
    apply, params, buffers = jtorch.to_jax(m)
    grads = wrap(jax.grad(lambda p: (apply(p, buffers, x)[0] ** 2).sum()))(params)
    (m(jtorch.from_numpy(x)) ** 2).sum().backward()
    for name, p in m.named_parameters():
        np.testing.assert_allclose(grads[name], p.grad.numpy(), rtol=1e-3, atol=1e-4)


def test_vmap_over_samples_and_over_parameters():
    m, x = model().eval(), batch()
    apply, params, buffers = jtorch.to_jax(m)
    each = jax.vmap(lambda row: apply(params, buffers, row[None])[0][0])(x)
    np.testing.assert_allclose(each, m(jtorch.from_numpy(x)).detach().numpy(), rtol=1e-4, atol=1e-6)
    stacked = jax.tree_util.tree_map(lambda a: jnp.stack([a, 2 * a]), params)
    assert jax.vmap(lambda p: apply(p, buffers, x)[0])(stacked).shape == (2, 5, 2)


def test_parameters_without_a_gradient_are_buffers():
    m = model()
    m[0].weight.requires_grad_(False)
    _, params, buffers = jtorch.to_jax(m)
    assert "0.weight" in buffers and "0.weight" not in params


def test_no_grad_inside_stops_jax_too():
    class Held(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(jtorch.ones(()))

        def forward(self, x):
            with jtorch.no_grad():
                held = self.w * x
            return (held * self.w + self.w.detach() * x).sum()

    apply, params, buffers = jtorch.to_jax(Held())
    assert float(jax.grad(lambda p: apply(p, buffers, jnp.float32(3))[0])(params)["w"]) == 3


def test_arrays_come_in_without_a_copy():
    a = jnp.arange(3.0)
    t = jtorch.from_jax(a)
    assert t._array() is a and t.dtype is jtorch.float64
    with pytest.raises(TypeError, match="expected a JAX array or a function of them, but got str"):
        jtorch.from_jax("x")


def test_a_jax_function_is_a_torch_operator():
    @jtorch.from_jax
    def f(x, d, scale=1.0):
        """Doc."""
        return {"sin": jnp.sin(x) * scale, "count": (d["y"] > 0).sum()}

    assert f.__name__ == "f" and f.__doc__ == "Doc."
    x = jtorch.tensor([0.5, -1.0], requires_grad=True)
    for scale in (2.0, 3.0, 2.0):
        made = f(x, {"y": x}, scale=scale)
        assert made["count"].item() == 1 and made["sin"].grad_fn.name() == "fBackward"
        made["sin"].sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), scale * np.cos([0.5, -1.0]), rtol=1e-6)
        x.grad = None


def test_its_second_derivative():
    x = jtorch.tensor([0.5], requires_grad=True)
    (g,) = jtorch.autograd.grad(jtorch.from_jax(jnp.sin)(x), x, create_graph=True)
    (h,) = jtorch.autograd.grad(g, x)
    np.testing.assert_allclose(h.numpy(), -np.sin([0.5]), rtol=1e-6)


def test_it_works_within_transformations_and_jit():
    f = jtorch.from_jax(lambda x: jnp.sin(x))
    x = jtorch.tensor([0.5, 1.0])
    np.testing.assert_allclose(jtorch.func.vmap(jtorch.func.grad(f))(x).numpy(), np.cos([0.5, 1.0]), rtol=1e-6)
    through = jax.jit(lambda a: f(jtorch.from_jax(a) * 2)._array())
    np.testing.assert_allclose(through(jnp.ones(2)), np.sin([2.0, 2.0]), rtol=1e-6)


def test_arrays_among_its_arguments_are_inputs():
    f = jtorch.from_jax(lambda x, a, b: x * a + b)
    assert f(jtorch.ones(2), np.array([1.0, 2.0], np.float32), jnp.ones(2, jnp.float32)).tolist() == [2, 3]


SHARDED = """
import jax, jax.numpy as jnp, numpy as np, optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
import jtorch

jtorch.manual_seed(0)
model = jtorch.nn.Sequential(jtorch.nn.Linear(4, 8), jtorch.nn.Tanh(), jtorch.nn.Linear(8, 2))
apply, params, buffers = jtorch.to_jax(model)
assert len(jax.devices()) == 4
mesh = Mesh(np.array(jax.devices()), ("batch",))
x = jnp.arange(32, dtype=jnp.float32).reshape(8, 4) / 10


def loss(params, x):
    return (apply(params, buffers, x)[0] ** 2).mean()


split = jax.shard_map(
    lambda p, x: jax.lax.pmean(loss(p, x), "batch"), mesh=mesh, in_specs=(P(), P("batch")), out_specs=P()
)
np.testing.assert_allclose(jax.jit(split)(params, x), loss(params, x), rtol=1e-5)
whole, parts = jax.grad(loss)(params, x), jax.jit(jax.grad(split))(params, x)
for name in params:
    np.testing.assert_allclose(parts[name], whole[name], rtol=1e-4, atol=1e-6)
by_device = jax.pmap(lambda x: apply(params, buffers, x)[0])(x.reshape(4, 2, 4))
np.testing.assert_allclose(by_device.reshape(8, 2), apply(params, buffers, x)[0], rtol=1e-5)
sharded = jax.device_put(x, NamedSharding(mesh, P("batch")))
assert jax.jit(lambda x: apply(params, buffers, x)[0])(sharded).sharding.spec[0] == "batch"
optimizer = optax.adam(1e-2)
state = optimizer.init(params)
before = loss(params, x)
for _ in range(3):
    updates, state = optimizer.update(jax.grad(split)(params, sharded), state, params)
    params = optax.apply_updates(params, updates)
assert loss(params, x) < before
"""


def test_several_devices_and_optax():
    env = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", SHARDED], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_arrays_go_both_ways_without_a_copy():
    array = jnp.arange(1000, dtype=jnp.float32)
    t = jtorch.from_jax(array)
    assert jnp.asarray(t) is array
    where = array.unsafe_buffer_pointer()
    assert jnp.from_dlpack(t).unsafe_buffer_pointer() == where
    assert jtorch.from_dlpack(array)._array().unsafe_buffer_pointer() == where
    doubled = jax.tree_util.tree_map(lambda a: a * 2, {"t": jtorch.ones(2)})
    assert isinstance(doubled["t"], jtorch.Tensor) and doubled["t"].tolist() == [2.0, 2.0]


def test_export_runs_without_the_module():
    m, x = model().eval(), batch()
    exported = jtorch.export(m, (jtorch.from_numpy(x),))
    np.testing.assert_allclose(exported.call(x), m(jtorch.from_numpy(x)).detach().numpy(), rtol=1e-5, atol=1e-6)
