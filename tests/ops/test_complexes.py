"""Complex numbers: making them, their parts and views, what writing through a view does, angles."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from jtorch.ops.table import TABLE
from tests.ops.running import f32, f64, i64, run, same, slopes

Z = np.array([1 + 2j, 3 - 4j], np.complex64)


def test_made_of_parts():
    same(run("complex", f32(1, 3), f32(2, -4)), Z)
    same(run("complex", f64(1), np.float64(2)), np.array([1 + 2j]))
    same(run("polar", f64(2), f64(math.pi / 2)), np.array([2j]))


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("real", Z, f32(1, 3)),
        ("real", i64(1), i64(1)),
        ("imag", Z, f32(2, -4)),
        ("view_as_real", Z, np.array([[1, 2], [3, -4]], np.float32)),
        ("view_as_complex", np.array([[1, 2], [3, -4]], np.float32), Z),
        ("conj", Z, Z.conj()),
        ("conj", f32(1), f32(1)),
        ("conj_physical", Z, Z.conj()),
        ("resolve_conj", Z, Z),
        ("angle", np.array([1j, -1]), f64(math.pi / 2, math.pi)),
        ("angle", f32(-2, -0.0, 3, math.nan), f32(math.pi, 0, 0, math.nan)),
        ("angle", i64(-1), f32(math.pi)),
    ],
)
def test_parts_and_views(name, x, expected):
    same(run(name, x), expected)


@pytest.mark.parametrize(
    ("name", "base", "new", "expected"),
    [
        ("real", Z, f32(7, 8), np.array([7 + 2j, 8 - 4j], np.complex64)),
        ("real", f32(1, 2), f32(7, 8), f32(7, 8)),
        ("imag", Z, f32(7, 8), np.array([1 + 7j, 3 + 8j], np.complex64)),
        ("view_as_real", Z, np.array([[5, 6], [7, 8]], np.float32), np.array([5 + 6j, 7 + 8j], np.complex64)),
        ("view_as_complex", np.zeros((2, 2), np.float32), Z, np.array([[1, 2], [3, -4]], np.float32)),
        ("conj", Z, np.array([1j, 2]), np.array([-1j, 2])),
    ],
)
def test_writing_through_a_view(name, base, new, expected):
    write = TABLE[name].write
    assert write is not None
    same(np.asarray(write(jnp.asarray(base), jnp.asarray(new))), expected)


def test_angle_turns_across_and_not_at_zero():
    # By JAX's convention, that of a function of the parts x and y: d/dx - i d/dy.
    z = np.array([1 + 1j, 0])
    same(slopes("angle", z), np.array([-0.5 - 0.5j, 0]))
    same(slopes("angle", f64(-1, 2)), f64(0, 0))


@pytest.mark.parametrize(
    ("name", "args", "error", "words"),
    [
        ("complex", (i64(1), i64(1)), RuntimeError, "Half, Float or Double tensors but got Long and Long"),
        ("complex", (f32(1), f64(1)), RuntimeError, "scalar type Float but got scalar type Double for second argument"),
        ("imag", (f32(1),), RuntimeError, "imag is not implemented for tensors with non-complex dtypes."),
        ("view_as_real", (f32(1),), RuntimeError, "view_as_real is only supported for complex tensors"),
        ("view_as_complex", (i64(1, 2),), RuntimeError, "but got a tensor of scalar type: Long"),
        ("view_as_complex", (f32(1, 2, 3),), RuntimeError, "Tensor must have a last dimension of size 2"),
        ("view_as_complex", (np.float32(1),), RuntimeError, "Input tensor must have one or more dimensions"),
    ],
)
def test_refusals(name, args, error, words):
    with pytest.raises(error) as raised:
        TABLE[name](*(jnp.asarray(a) for a in args))
    assert words in str(raised.value)
