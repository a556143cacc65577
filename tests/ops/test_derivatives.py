"""Functions that carry their own derivatives."""

import jax
import jax.numpy as jnp
import numpy as np

import jtorch  # noqa: F401  (sets float64 up)
from jtorch.ops.derivatives import with_partials

TWO, THREE, ZERO = jnp.asarray(2.0), jnp.asarray(3.0), jnp.asarray(0.0)


@with_partials(lambda result, x, y, z: jnp.where(x == 0, 7, y), lambda result, x, y, z: x / (y - y), None)
def product(x, y, z):
    return x * y


def test_only_the_partials_asked_for_are_computed():
    # The partial by y is infinite everywhere, and must not reach the gradient by x, or the step along it.
    by_x = jax.grad(lambda x: product(x, THREE, ZERO))
    assert (by_x(TWO), by_x(ZERO)) == (3, 7)
    assert jax.jvp(lambda x: product(x, THREE, ZERO), (TWO,), (jnp.ones(()),))[1] == 3
    assert np.isinf(jax.grad(product, argnums=1)(TWO, THREE, ZERO))
    assert jax.grad(product, argnums=2)(TWO, THREE, ZERO) == 0


def test_they_go_through_broadcasting_and_further_derivatives():
    x, y = jnp.ones((2, 1)), jnp.array([1.0, 2.0, 3.0])
    slope = jax.grad(lambda x: jnp.sum(product(x, y, ZERO)))(x)
    np.testing.assert_array_equal(slope, [[6], [6]])
    square = with_partials(lambda result, x: 2 * x)(lambda x: x * x)
    assert jax.grad(jax.grad(square))(THREE) == 2
    assert jax.jit(jax.vmap(jax.grad(square)))(y).tolist() == [2, 4, 6]
