"""Functions of one tensor: values, dtypes, torch's gradient conventions, refusals."""

import math

import ml_dtypes
import numpy as np
import pytest

from jtorch.ops.table import TABLE
from tests.ops.running import f32, f64, i64, run, same, slopes

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("neg", i64(1, -2), i64(-1, 2)),
        ("abs", np.array([3 - 4j], np.complex64), f32(5)),
        ("sign", f32(-3, -0.0, 0, 2, NAN), f32(-1, 0, 0, 1, 0)),
        ("sgn", np.array([3 - 4j, 0], np.complex64), np.array([0.6 - 0.8j, 0], np.complex64)),
        ("square", np.array([True, False]), i64(1, 0)),
        ("floor", f32(-1.5, 2.5), f32(-2, 2)),
        ("ceil", f32(-1.5, 2.5), f32(-1, 3)),
        ("trunc", f32(-1.5, 2.5), f32(-1, 2)),
        ("round", f32(-1.5, 0.5, 2.5, 3.5), f32(-2, 0, 2, 4)),
        ("round", i64(7), i64(7)),
        ("frac", f32(-1.25, 2.5), f32(-0.25, 0.5)),
        ("reciprocal", i64(4, 0), f32(0.25, INF)),
        ("rsqrt", f64(4, 0), f64(0.5, INF)),
        ("exp2", f64(-3, 13, 20), f64(0.125, 8192, 2**20)),
        ("log2", f64(8, 0, -1), f64(3, -INF, NAN)),
        ("log10", f64(1000), f64(3)),
        ("expm1", f64(1e-12), f64(1e-12)),
        ("sigmoid", f32(-200, 0, 200), f32(0, 0.5, 1)),
        ("sinc", f64(0, 0.5, 1), f64(1, 2 / math.pi, 0)),
        ("erfinv", f64(-1, 0, 1, 2), f64(-INF, 0, INF, NAN)),
        ("deg2rad", i64(180), f32(math.pi)),
        ("logit", f64(0, 0.5, 1), f64(-INF, 0, INF)),
        ("acosh", np.array([0.5 + 0j]), np.array([1.0471975511965979j])),
    ],
)
def test_values_and_dtypes(name, x, expected):
    same(run(name, x), expected)


def test_exp2_of_whole_numbers_is_exact():
    x = np.arange(-20, 40)
    np.testing.assert_array_equal(run("exp2", x.astype(np.float32)), np.exp2(x, dtype=np.float32))


@pytest.mark.parametrize("name", ["sqrt", "exp", "log1p", "sin", "tanh", "atan", "erf", "sinc"])
@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int64, np.float16, ml_dtypes.bfloat16, np.float64])
def test_floats_keep_their_dtype_and_others_get_the_default(name, dtype):
    expected = np.float32 if np.dtype(dtype).kind in "bui" else dtype
    assert run(name, np.ones(2, dtype)).dtype == expected


@pytest.mark.parametrize(
    ("decimals", "x", "expected"),
    [(0, 2.5, 2), (1, 0.25, 0.2), (2, 1.23456, 1.23), (-2, 250, 200), (-1, 26, 30)],
)
def test_round_to_decimals(decimals, x, expected):
    same(run("round.decimals", f64(x), decimals=decimals), f64(expected))


def test_frexp():
    mantissa, exponent = run("frexp", f32(0, 3, -0.25, INF))
    same(mantissa, f32(0, 0.75, -0.5, INF))
    same(exponent, np.array([0, 2, -1, 0], np.int32))
    same(slopes("frexp", f64(3, 0.25)), f64(0.25, 2))


def test_nan_to_num():
    x = f32(NAN, INF, -INF, 1)
    most = np.finfo(np.float32).max
    same(run("nan_to_num", x), f32(0, most, -most, 1))
    same(run("nan_to_num", x, 2.0, 3.0, 4.0), f32(2, 3, 4, 1))
    same(run("nan_to_num", np.array([complex(NAN, INF)]), 1.0, 2.0), np.array([1 + 2j]))
    same(slopes("nan_to_num", x), f32(0, 0, 0, 1))


def test_logit_clamps_to_eps():
    same(run("logit", f64(0, 0.5, 1), 0.1), f64(-math.log(9), 0, math.log(9)))
    same(slopes("logit", f64(0, 0.5, 1), 0.1), f64(0, 4, 0))
    same(slopes("logit", f64(-1, 0, 0.5)), f64(NAN, INF, 4))


@pytest.mark.parametrize(
    ("name", "x", "slope"),
    [
        ("abs", f64(-2, 0, 2), f64(-1, 0, 1)),
        ("sign", f64(-2, 0), f64(0, 0)),
        ("frac", f64(-1.5, 2.5), f64(1, 1)),
        ("floor", f64(1.5), f64(0)),
        ("round", f64(1.5), f64(0)),
        ("sqrt", f64(0, 4), f64(INF, 0.25)),
        ("sinc", f64(0, 1e-30, 1), f64(0, 0, -1)),
        ("sinc", f32(1e-30), f32(0)),
        ("exp2", f64(3), f64(8 * math.log(2))),
    ],
)
def test_gradients(name, x, slope):
    same(slopes(name, x), slope)


def test_the_size_of_a_complex_number_turns_it_only_across():
    z = np.array([3 + 4j, 0])
    # The real part of sgn moves by the part of a step that is orthogonal to z; JAX's gradient is not conjugated.
    along = slopes("sgn", z) * np.array([0.6 + 0.8j, 0])
    same(along.real, np.zeros(2))
    assert slopes("abs", z)[1] == 0


@pytest.mark.parametrize(
    ("name", "dtype", "error", "words"),
    [
        ("neg", np.bool_, RuntimeError, "use the `~` or `logical_not()` operator"),
        ("positive", np.bool_, RuntimeError, "on a bool tensor is not supported"),
        ("abs", np.bool_, NotImplementedError, "\"abs_cpu\" not implemented for 'Bool'"),
        ("sign", np.complex64, NotImplementedError, "Please use torch.sgn instead"),
        ("floor", np.complex64, NotImplementedError, "floor is not supported for complex inputs"),
        ("ceil", np.bool_, NotImplementedError, "\"ceil_vml_cpu\" not implemented for 'Bool'"),
        ("frac", np.int64, NotImplementedError, "\"frac_cpu\" not implemented for 'Long'"),
        ("erf", np.complex128, NotImplementedError, "\"erf_vml_cpu\" not implemented for 'ComplexDouble'"),
        ("deg2rad", np.complex64, RuntimeError, "deg2rad is not supported for complex tensors."),
        ("frexp", np.int32, RuntimeError, "only supports floating-point dtypes"),
        ("round.decimals", np.int64, NotImplementedError, "\"round_cpu\" not implemented for 'Long'"),
    ],
)
def test_refused_dtypes(name, dtype, error, words):
    kwargs = {"decimals": 1} if name == "round.decimals" else {}
    with pytest.raises(error) as raised:
        TABLE[name](np.ones(2, dtype), **kwargs)
    assert words in str(raised.value)
