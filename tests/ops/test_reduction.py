"""Reductions: dims, dtypes, empty inputs, NaN; torch's gradient conventions; refusals."""

import math

import ml_dtypes
import numpy as np
import pytest

from jtorch.ops.table import TABLE
from tests.ops.running import f32, f64, i64, run, same, slopes

INF, NAN = math.inf, math.nan
GRID = np.arange(6, dtype=np.float32).reshape(2, 3)
BOOLS = np.array([[True, False], [True, True]])


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "expected"),
    [
        ("sum", (GRID,), {}, np.float32(15)),
        ("sum", (BOOLS,), {}, np.int64(3)),
        ("sum", (np.array([200, 100], np.uint8),), {}, np.int64(300)),
        ("sum", (GRID,), {"dtype": np.dtype(np.int32)}, np.int32(15)),
        ("sum", (BOOLS,), {"dtype": np.dtype(np.bool_)}, np.bool_(True)),
        ("sum.dim_IntList", (GRID, (-1,)), {}, f32(3, 12)),
        ("sum.dim_IntList", (GRID, (0, 1), True), {}, np.array([[15]], np.float32)),
        ("sum.dim_IntList", (GRID, ()), {}, np.float32(15)),
        ("sum.dim_IntList", (np.float32(4), (0,)), {}, np.float32(4)),
        ("sum", (np.zeros((0, 2), np.float32),), {}, np.float32(0)),
        ("nansum", (f32(1, NAN, 2),), {}, np.float32(3)),
        ("mean", (GRID,), {}, np.float32(2.5)),
        ("mean.dim", (GRID, (1,)), {}, f32(1, 4)),
        ("mean", (i64(1, 2),), {"dtype": np.dtype(np.float64)}, np.float64(1.5)),
        ("mean", (np.zeros(0, np.float32),), {}, np.float32(NAN)),
        ("nanmean", (f32(1, NAN, 3),), {}, np.float32(2)),
        ("prod", (i64(2, 3),), {}, np.int64(6)),
        ("prod.dim_int", (GRID, 0), {}, f32(0, 4, 10)),
        ("amax", (GRID, (0,)), {}, f32(3, 4, 5)),
        ("amin", (GRID,), {}, np.float32(0)),
        ("amax", (f32(1, NAN),), {}, np.float32(NAN)),
        ("amax", (BOOLS, (0,)), {}, np.array([True, True])),
        ("max", (i64(3, 7),), {}, np.int64(7)),
        ("min", (f32(1, NAN),), {}, np.float32(NAN)),
        ("max.other", (i64(1, 5), f32(2)), {}, f32(2, 5)),
        ("argmax", (f32(1, NAN, 3, NAN),), {}, np.int64(1)),
        ("argmax", (i64(3, 3, 1),), {}, np.int64(0)),
        ("argmin", (GRID, 1, True), {}, i64(0, 0).reshape(2, 1)),
        ("argmax", (np.float32(2),), {}, np.int64(0)),
        ("any", (f32(0, NAN),), {}, np.bool_(True)),
        ("all.dim", (BOOLS, 1), {}, np.array([False, True])),
        ("any.dims", (GRID, (0, 1)), {}, np.bool_(True)),
        ("any.dims", (f32(0, 2), ()), {}, np.array([False, True])),
        ("all", (np.array([2, 3], np.uint8),), {}, np.uint8(1)),
        ("all", (np.zeros(0, np.float32),), {}, np.bool_(True)),
        ("count_nonzero", (GRID,), {}, np.int64(5)),
        ("count_nonzero.dim_IntList", (GRID, (0,)), {}, i64(1, 2, 2)),
        ("var", (f64(1, 2, 4),), {}, np.float64(7 / 3)),
        ("var", (f64(1, 2, 4), False), {}, np.float64(14 / 9)),
        ("var.dim", (GRID, (0,), True, True), {}, np.full((1, 3), 4.5, np.float32)),
        ("var.correction", (f64(1, 2, 4),), {"correction": 5}, np.float64(INF)),
        ("var", (f64(1),), {}, np.float64(NAN)),
        ("std.correction", (np.array([1j, -1j]),), {"correction": 0}, np.float64(1)),
    ],
)
def test_values_and_dtypes(name, args, kwargs, expected):
    got = run(name, *args, **kwargs)
    assert got.shape == np.shape(expected)
    same(got, np.asarray(expected))


@pytest.mark.parametrize(
    ("name", "x", "dim", "values", "indices"),
    [
        ("max.dim", f32(1, 3, 3), 0, np.float32(3), np.int64(1)),
        ("min.dim", np.array([[2, 1], [2, 3]]), 0, i64(2, 1), i64(0, 0)),
        ("max.dim", f32(1, NAN, NAN), -1, np.float32(NAN), np.int64(1)),
        ("max.dim", np.float32(3), 0, np.float32(3), np.int64(0)),
    ],
)
def test_extremes_with_their_indices(name, x, dim, values, indices):
    got = run(name, x, dim)
    same(got[0], np.asarray(values))
    same(got[1], np.asarray(indices))


def test_pairs_of_results():
    low, high = run("aminmax", GRID, dim=1)
    same(low, f32(0, 3))
    same(high, f32(2, 5))
    variance, mean = run("var_mean.dim", GRID, (1,))
    same(variance, f32(1, 1))
    same(mean, f32(1, 4))
    deviation, mean = run("std_mean.correction", f64(1, 3), correction=0)
    assert (deviation, mean) == (1, 2)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("name", ["sum", "mean", "var"])
def test_half_precision_adds_up_in_float32(name, dtype):
    x = np.ones(4096, dtype)
    x[::2] = 3
    got = run(name, x)
    assert got.dtype == dtype
    assert float(got) == {"sum": 8192, "mean": 2, "var": 1}[name]


@pytest.mark.parametrize(
    ("name", "args", "slope"),
    [
        ("amax", (f64(3, 1, 3),), f64(0.5, 0, 0.5)),
        ("max", (f64(3, 1, 3),), f64(0.5, 0, 0.5)),
        ("min", (f64(NAN, 1, NAN, 0),), f64(0.5, 0, 0.5, 0)),
        ("max.dim", (f64(3, 1, 3), 0), f64(1, 0, 0)),
        ("aminmax", (f64(1, 1, 2),), f64(0.5, 0.5, 0)),
        ("prod", (f64(0, 2, 3),), f64(6, 0, 0)),
        ("prod", (f64(0, 0, 3),), f64(0, 0, 0)),
        ("nansum", (f64(1, NAN),), f64(1, 0)),
        ("mean", (f64(1, 2),), f64(0.5, 0.5)),
        ("nanmean", (f64(1, NAN, 2),), f64(0.5, 0, 0.5)),
        ("var", (f64(0, 2, 4),), f64(-2, 0, 2)),
        ("std", (f64(0, 2),), f64(-math.sqrt(0.5), math.sqrt(0.5))),
        ("std", (f64(5, 5),), f64(0, 0)),
    ],
)
def test_gradients(name, args, slope):
    same(slopes(name, *args), slope)


NOTHING = np.zeros((0, 2), np.float32)
C64 = np.ones(2, np.complex64)


@pytest.mark.parametrize(
    ("name", "args", "error", "words"),
    [
        ("sum.dim_IntList", (GRID, (3,)), IndexError, "(expected to be in range of [-2, 1], but got 3)"),
        ("sum.dim_IntList", (GRID, (0, -2)), RuntimeError, "dim 0 appears multiple times in the list of dims"),
        ("mean", (i64(1),), RuntimeError, "Input dtype must be either a floating point or complex dtype. Got: Long"),
        ("nanmean", (i64(1),), RuntimeError, "expected input to have floating point or complex dtype but got Long"),
        ("nansum", (C64,), RuntimeError, "nansum on CPU does not support complex inputs"),
        ("amax", (NOTHING,), RuntimeError, "amax(): Expected reduction dim to be specified for input.numel() == 0."),
        ("amax", (NOTHING, (0,)), IndexError, "amax(): Expected reduction dim 0 to have non-zero size."),
        ("max", (NOTHING,), RuntimeError, "max(): Expected reduction dim to be specified for input.numel() == 0."),
        ("max.dim", (NOTHING, 0), IndexError, "max(): Expected reduction dim 0 to have non-zero size."),
        ("argmax", (NOTHING,), IndexError, "argmax(): Expected reduction dim to be specified for input.numel() == 0."),
        ("argmin", (NOTHING, 0), IndexError, "argmin(): Expected reduction dim 0 to have non-zero size."),
        ("argmax", (BOOLS,), RuntimeError, "argmax(): does not support bool input"),
        ("aminmax", (NOTHING,), RuntimeError, "cannot compute aminmax over an empty dimension"),
        ("max", (C64,), NotImplementedError, "\"max_all\" not implemented for 'ComplexFloat'"),
        ("amax", (C64,), NotImplementedError, "\"max_values_cpu\" not implemented for 'ComplexFloat'"),
        ("var", (i64(1),), RuntimeError, "std and var only support floating point and complex dtypes"),
        ("std_mean", (i64(1),), RuntimeError, "std_mean only support floating point and complex dtypes"),
    ],
)
def test_refusals(name, args, error, words):
    with pytest.raises(error) as raised:
        TABLE[name](*args)
    assert words in str(raised.value)


def test_a_dim_without_elements_may_stay():
    same(run("argmax", NOTHING, 1).astype(np.float32), np.zeros(0, np.float32))
    assert run("amax", NOTHING, (1,)).shape == (0,)
