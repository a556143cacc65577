"""Running sums, products and extremes; differences; the trapezoid rule."""

import math

import ml_dtypes
import numpy as np
import pytest

from jtorch.ops.table import TABLE
from tests.ops.running import f32, f64, i64, run, same, slopes

INF, NAN = math.inf, math.nan
BOOLS = np.array([True, True, False])


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "expected"),
    [
        ("cumsum", (BOOLS, 0), {}, i64(1, 2, 2)),
        ("cumsum", (np.ones((2, 2), np.float32), -1), {}, np.array([[1, 2], [1, 2]], np.float32)),
        ("cumsum", (f32(1, 2), 0), {"dtype": np.dtype(np.float64)}, f64(1, 3)),
        ("cumsum", (np.float32(3), 0), {}, np.asarray(np.float32(3))),
        ("cumprod", (i64(2, 3, 4), 0), {}, i64(2, 6, 24)),
        ("logcumsumexp", (f64(-INF, 0, 1000), 0), {}, f64(-INF, 0, 1000)),
        ("diff", (i64(1, 4, 9),), {}, i64(3, 5)),
        ("diff", (i64(1, 4, 9), 2), {}, i64(2)),
        ("diff", (i64(1, 4, 9), 5), {}, i64()),
        ("diff", (BOOLS,), {}, np.array([False, True])),
        ("diff", (i64(1, 4),), {"prepend": i64(0), "append": i64(9)}, i64(1, 3, 5)),
        ("trapezoid.dx", (f64(1, 2, 4),), {}, np.asarray(4.5)),
        ("trapezoid.dx", (i64(1, 2, 4),), {"dx": 2}, np.asarray(np.float32(9))),
        ("trapezoid.x", (f64(1, 2, 4), i64(0, 1, 3)), {}, np.asarray(7.5)),
        ("trapezoid.x", (np.ones((2, 3)), f64(0, 2)), {"dim": 0}, f64(2, 2, 2)),
        ("trapezoid.dx", (f64(),), {}, np.asarray(0.0)),
        ("cumulative_trapezoid.dx", (f64(1, 2, 4),), {"dx": 0.5}, f64(0.75, 2.25)),
        ("cumulative_trapezoid.x", (f64(1, 2, 4), f64(0, 1, 3)), {}, f64(1.5, 7.5)),
    ],
)
def test_values_and_dtypes(name, args, kwargs, expected):
    same(run(name, *args, **kwargs), expected)


@pytest.mark.parametrize(
    ("name", "x", "values", "indices"),
    [
        ("cummax", f32(1, 3, 3, 2), f32(1, 3, 3, 3), i64(0, 1, 2, 2)),
        ("cummin", f32(1, 1, 0, 0, 1), f32(1, 1, 0, 0, 0), i64(0, 1, 2, 3, 3)),
        ("cummax", f32(1, NAN, 2, NAN, 3), f32(1, NAN, NAN, NAN, NAN), i64(0, 1, 1, 3, 3)),
        ("cummin", f32(1, NAN, 0), f32(1, NAN, NAN), i64(0, 1, 1)),
        ("cummax", BOOLS, np.array([True, True, True]), i64(0, 1, 1)),
    ],
)
def test_running_extremes(name, x, values, indices):
    got = run(name, x, 0)
    same(got[0], values)
    same(got[1], indices)


@pytest.mark.parametrize(
    ("name", "args", "slope"),
    [
        ("cumsum", (f64(1, 2, 3), 0), f64(3, 2, 1)),
        ("cumprod", (f64(2, 0, 3), 0), f64(1, 8, 0)),
        ("cumprod", (f64(0, 0, 3), 0), f64(1, 0, 0)),
        ("cummax", (f64(1, 3, 3, 2), 0), f64(1, 1, 2, 0)),
        ("logcumsumexp", (f64(0, 0), 0), f64(1.5, 0.5)),
    ],
)
def test_gradients(name, args, slope):
    same(slopes(name, *args), slope)


def test_half_precision_runs_in_float32():
    ones = np.ones(1000, ml_dtypes.bfloat16)
    assert run("cumsum", ones, 0)[-1] == 1000


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "error", "words"),
    [
        ("cumsum", (f32(1), 1), {}, IndexError, "(expected to be in range of [-1, 0], but got 1)"),
        ("cumsum", (f32(1), 0), {"dtype": np.dtype(np.bool_)}, NotImplementedError, "not implemented for 'Bool'"),
        ("cummax", (np.ones(1, np.complex64), 0), {}, NotImplementedError, '"cummax_cpu" not implemented'),
        ("logcumsumexp", (i64(1), 0), {}, NotImplementedError, "\"logcumsumexp_out_cpu\" not implemented for 'Long'"),
        ("diff", (np.float32(1),), {}, RuntimeError, "diff expects input to be at least one-dimensional"),
        ("diff", (f32(1), -1), {}, RuntimeError, "order must be non-negative but got -1"),
        ("diff", (f32(1),), {"prepend": np.ones((1, 1))}, RuntimeError, "to be the same dimension as input"),
        ("trapezoid.x", (f32(1, 2), f32(1, 2, 3)), {}, RuntimeError, "one `x` value for each sample point"),
        ("trapezoid.dx", (BOOLS,), {}, RuntimeError, "received a bool input for `y`"),
        ("trapezoid.dx", (np.float32(1),), {}, IndexError, "Dimension specified as -1 but tensor has no dimensions"),
    ],
)
def test_refusals(name, args, kwargs, error, words):
    with pytest.raises(error) as raised:
        TABLE[name](*args, **kwargs)
    assert words in str(raised.value)
