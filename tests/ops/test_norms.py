"""Norms of every order with their slopes at 0, dist, renorm, logsumexp."""

import math

import ml_dtypes
import numpy as np
import pytest

from jtorch.ops.table import TABLE
from tests.ops.running import f32, f64, i64, run, same, slopes

INF = math.inf
NORM = "linalg_vector_norm"


@pytest.mark.parametrize(
    ("order", "x", "norm", "slope"),
    [
        (0, f64(0, 3), 1, f64(0, 0)),
        (0.5, f64(1, 4), 9, f64(3, 1.5)),
        (1, f64(0, -2), 2, f64(0, -1)),
        (2, f64(3, -4), 5, f64(0.6, -0.8)),
        (3, f64(1, 0), 1, f64(1, 0)),
        (-1, f64(1, 1), 0.5, f64(0.25, 0.25)),
        (-2, f64(0, 1), 0, f64(0, 0)),
        (INF, f64(-2, 1, 2), 2, f64(-0.5, 0, 0.5)),
        (-INF, f64(-2, 1), 1, f64(0, 1)),
        *((order, f64(0, 0), 0, f64(0, 0)) for order in (0, 0.5, 1, 1.5, 2, 3, -1, -0.5, INF, -INF)),
    ],
)
def test_vector_norm(order, x, norm, slope):
    same(run(NORM, x, order), np.asarray(float(norm)))
    same(slopes(NORM, x, order), slope)


def test_vector_norm_of_dims_and_dtypes():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    same(run(NORM, x, 1, (1,)), f32(3, 12))
    assert run(NORM, x, 2, (0, 1), True).shape == (1, 1)
    same(run(NORM, np.array([3j, 4], np.complex64)), np.asarray(np.float32(5)))
    same(run(NORM, x, dtype=np.dtype(np.float64)), np.asarray(math.sqrt(55)))
    half = np.full(4096, 0.1, ml_dtypes.bfloat16)
    got = run(NORM, half)
    assert got.dtype == half.dtype
    assert abs(float(got) - 6.4) < 0.05
    assert run(NORM, np.zeros((0, 3), np.float32), 2, (0,)).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("x", "args", "kwargs", "words"),
    [
        (i64(1), (), {}, "Expected a floating point or complex tensor as input. Got Long"),
        (f32(1), (), {"dtype": np.dtype(np.float16)}, "convertible without narrowing to the specified dtype (Half)"),
        (f32(1), (), {"dtype": np.dtype(np.complex64)}, "dtype should be real for real inputs, but got ComplexFloat"),
        (np.zeros(0, np.float32), (INF,), {}, "cannot compute the inf norm on an empty tensor"),
        (np.zeros((0, 2), np.float32), (-1, (0,)), {}, "cannot compute the -1 norm on the dimension 0"),
    ],
)
def test_vector_norm_refuses(x, args, kwargs, words):
    with pytest.raises(RuntimeError) as raised:
        TABLE[NORM](x, *args, **kwargs)
    assert words in str(raised.value)


def test_dist():
    same(run("dist", f64(1, 2), f64(4, 6)), np.asarray(5.0))
    same(run("dist", f32(1, 2), np.array([[4.0], [2.0]]), 1), np.asarray(6.0))
    same(slopes("dist", f64(1, 2), f64(1, 2)), f64(0, 0))
    with pytest.raises(RuntimeError, match="either floating point or complex. Got Long instead"):
        TABLE["dist"](i64(1), i64(2))


def test_renorm():
    x = np.array([[3.0, 4.0], [0.3, 0.4]])
    same(run("renorm", x, 2, 0, 1), np.array([[0.6, 0.8], [0.3, 0.4]]))
    with pytest.raises(RuntimeError, match="non-positive-norm not supported"):
        TABLE["renorm"](x, 0, 0, 1)
    with pytest.raises(RuntimeError, match="expected maxnorm to be >= 0 but got -1"):
        TABLE["renorm"](x, 2, 0, -1)
    with pytest.raises(RuntimeError, match="needs at least 2 dimensions, got 1 dimensions"):
        TABLE["renorm"](f64(1), 2, 0, 1)


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (f64(1000, 1000), 1000 + math.log(2)),
        (f64(-INF, -INF), -INF),
        (f64(-INF, 0), 0),
        (f64(INF, 0), INF),
        (f64(), -INF),
    ],
)
def test_logsumexp(x, expected):
    same(run("logsumexp", x, (0,)), np.asarray(float(expected)))


def test_logsumexp_of_integers_and_its_gradient():
    same(run("logsumexp", i64(0, 0), (0,)), np.asarray(np.float32(math.log(2))))
    same(slopes("logsumexp", f64(0, -INF, 0), (0,)), f64(0.5, 0, 0.5))
