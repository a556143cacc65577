"""Batch, layer, group, instance and RMS norms: formulas, slopes, halves, refusals."""

import ml_dtypes
import numpy as np
import pytest

from jtorch.ops.table import TABLE
from tests.ops.running import f32, i64, run, same, slopes

_random = np.random.default_rng(3)
X = _random.standard_normal((4, 6, 5))
W, B, M = _random.standard_normal((3, 6))
V = _random.random(6) + 0.5


def _normal(x, axes, eps=1e-5):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def _spread(p):
    return p[:, None]


def _numeric(name, x, *args, wrt=0, step=1e-6):
    """Slopes by differences of the sum of the first result times its place."""
    given = [x, *args]
    out = np.zeros_like(given[wrt])
    for at in np.ndindex(out.shape):
        sides = []
        for sign in (1, -1):
            moved = given[wrt].copy()
            moved[at] += sign * step
            made = run(name, *given[:wrt], moved, *given[wrt + 1 :])
            sides.append((made[0] if isinstance(made, tuple) else made).sum())
        out[at] = (sides[0] - sides[1]) / (2 * step)
    return out


def test_batch_norm_by_its_own_statistics():
    out, mean, var = run("_batch_norm", X, W, B, M, V, True, 1e-5)
    same(out, _normal(X, (0, 2)) * _spread(W) + _spread(B))
    same(mean, X.mean((0, 2)))
    same(var, X.var((0, 2)))


def test_batch_norm_by_running_statistics():
    out, mean, var = run("_batch_norm", X, W, B, M, V, False, 1e-5)
    same(out, (X - _spread(M)) / np.sqrt(_spread(V) + 1e-5) * _spread(W) + _spread(B))
    assert mean.shape == var.shape == (0,)
    same(run("_batch_norm", X, None, None, M, V, False, 0.0)[0], (X - _spread(M)) / np.sqrt(_spread(V)))


def test_slopes_of_a_norm():
    cubes = X[:2, :2, :2] ** 3
    for wrt in range(3):
        args = (cubes, W[:2] * cubes[0, 0, 0], B[:2])
        got = slopes("_batch_norm", *args, None, None, True, 1e-2, wrt=wrt)
        same(got, _numeric("_batch_norm", *args, None, None, True, 1e-2, wrt=wrt), 1e-4)
    weight = np.array([[1.0, 2, 3], [0, -1, 4]])
    x = X[:2, :2, :3]
    same(
        slopes("_layer_norm", x, (2, 3), weight, None, 1e-2),
        _numeric("_layer_norm", x, (2, 3), weight, None, 1e-2),
        1e-5,
    )


def test_halves_are_computed_in_float32():
    large = (X * 3 + 300).astype(np.float16)
    out, mean, var = run("_batch_norm", large, None, None, None, None, True, 1e-5)
    assert out.dtype == np.float16 and mean.dtype == var.dtype == np.float32
    same(out.astype(np.float64), _normal(large.astype(np.float64), (0, 2)), 2e-3)
    half = X.astype(ml_dtypes.bfloat16)
    for made in (
        run("_layer_norm", half, (5,), f32(*range(5)), None, 1e-5),
        run("_group_norm", half, 3, W.astype(np.float32), None, 1e-5),
        run("_rms_norm.Mul", half, (5,)),
    ):
        assert made.dtype == half.dtype


def test_running_statistics():
    same(run("_running_stats", M, V, 0.25, 2.0), 0.75 * M + 0.25 * 2 * V)
    half = M.astype(np.float16)
    assert run("_running_stats", half, V.astype(np.float32), 0.25, 1.0).dtype == np.float16


def test_layer_norm():
    weight, bias = _random.standard_normal((2, 6, 5))
    out, mean, rstd = run("_native_layer_norm", X, (6, 5), weight, bias, 1e-5)
    same(out, _normal(X, (1, 2)) * weight + bias)
    same(mean, X.mean((1, 2), keepdims=True))
    same(rstd, 1 / np.sqrt(X.var((1, 2), keepdims=True) + 1e-5))
    same(run("_layer_norm", X, (6, 5), weight, bias, 1e-5), out)


def test_rms_norm():
    weight = _random.standard_normal(5)
    expected = X / np.sqrt((X**2).mean(-1, keepdims=True) + 0.1) * weight
    same(run("_rms_norm.Mul", X, (5,), weight, 0.1), expected)
    out, scale = run("_fused_rms_norm", X, (5,), weight, 0.1)
    same(out, expected)
    same(scale, 1 / np.sqrt((X**2).mean(-1, keepdims=True) + 0.1))
    same(run("_rms_norm.Mul", np.zeros((1, 2)), (2,)), np.zeros((1, 2)))


def test_group_norm():
    expected = _normal(X.reshape(4, 3, 10), (2,)).reshape(X.shape) * _spread(W) + _spread(B)
    same(run("_group_norm", X, 3, W, B, 1e-5), expected)
    out, mean, rstd = run("native_group_norm", X, W, B, 4, 6, 5, 3, 1e-5)
    same(out, expected)
    same(mean, X.reshape(4, 3, 10).mean(2))
    assert rstd.shape == (4, 3)


def test_instance_norm():
    out, mean, var = run("_instance_norm", X, W, B, M, V, True, 1e-5)
    same(out, _normal(X, (2,)) * _spread(W) + _spread(B))
    same(mean, X.mean(2).mean(0))
    same(var, X.var(2).mean(0))
    same(run("_instance_norm", X, W, B, M, V, False, 1e-5)[0], run("_batch_norm", X, W, B, M, V, False, 1e-5)[0])


@pytest.mark.parametrize(
    ("name", "args", "error", "words"),
    [
        ("_batch_norm", (X, None, None, None, V, False, 0.0), RuntimeError, "running_mean must be defined"),
        (
            "_batch_norm",
            (X, W[:5], None, None, None, True, 0.0),
            RuntimeError,
            "weight should contain 6 elements not 5",
        ),
        (
            "_batch_norm",
            (i64(1, 2), None, None, None, None, True, 0.0),
            NotImplementedError,
            "not implemented for 'Long'",
        ),
        ("_batch_norm", (X, f32(*W), None, None, None, True, 0.0), RuntimeError, "all inputs must share same datatype"),
        ("_batch_norm", (X, None, None, f32(*M), None, True, 0.0), RuntimeError, "scalar type Double but found Float"),
        ("_layer_norm", (X, (), None, None, 0.0), RuntimeError, "to be at least 1-dimensional"),
        ("_layer_norm", (X, (4,), None, None, 0.0), RuntimeError, "Given normalized_shape=[4]"),
        ("_layer_norm", (X, (5,), None, W, 0.0), RuntimeError, "Expected bias to be of same shape"),
        ("_rms_norm.Mul", (i64(1, 2), (2,)), NotImplementedError, '"rms_norm" not implemented'),
        ("_group_norm", (X, 4, None, None, 0.0), RuntimeError, "divisible by num_groups"),
        ("_group_norm", (X, 0, None, None, 0.0), RuntimeError, "num groups to be greater than 0"),
        ("_group_norm", (X, 2, W[:5], None, 0.0), RuntimeError, "Expected weight to be a vector"),
        ("_group_norm", (W, 2, None, None, 0.0), RuntimeError, "Expected at least 2 dimensions"),
        ("native_group_norm", (X, W, B, 4, 6, 4, 3, 0.0), RuntimeError, "is not 4 x 6 x 4"),
    ],
)
def test_refusals(name, args, error, words):
    with pytest.raises(error) as raised:
        TABLE[name](*args)
    assert words in str(raised.value)
