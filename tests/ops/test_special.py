"""Special functions against known values, at their poles and limits, and their derivatives."""

import math

import ml_dtypes
import numpy as np
import pytest

from jtorch.ops.table import TABLE
from tests.ops.running import f32, f64, i64, run, same, slopes

INF, NAN = math.inf, math.nan
EULER = 0.5772156649015329
ZETA3 = 1.2020569031595942


@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        ("lgamma", (f64(0, -1, 0.5, 5),), f64(INF, INF, math.log(math.pi) / 2, math.log(24))),
        ("lgamma", (i64(4),), f32(math.log(6))),
        ("digamma", (f64(0, -0.0, -1, 1, INF),), f64(-INF, INF, NAN, -EULER, INF)),
        ("polygamma", (0, f64(1)), f64(-EULER)),
        ("polygamma", (1, f64(1, -0.5, INF)), f64(math.pi**2 / 6, math.pi**2 / 2 + 4, 0)),
        ("polygamma", (2, f64(1, -9.5, 0)), f64(-2 * ZETA3, -0.00997514424771517, -INF)),
        ("mvlgamma", (f64(3.5), 2), f64(2.4664857258317197)),
        (
            "igamma",
            (f64(2, 0.5, 0, 1, 1, -1), f64(1, 3, 1, 0, INF, 1)),
            f64(0.2642411176571153, 0.9856941215645704, 1, 0, 1, NAN),
        ),
        ("igammac", (f64(2, 0, 1, INF), f64(1, 1, 0, 1)), f64(0.7357588823428847, 0, 1, 1)),
        ("special_entr", (f64(-1, 0, 1, math.e),), f64(-INF, 0, 0, -math.e)),
        ("special_erfcx", (f64(0, 30, INF),), f64(1, 0.018795888861416754, 0)),
        ("special_ndtr", (f64(0, 1.959963984540054, -INF),), f64(0.5, 0.975, 0)),
        ("special_ndtri", (f64(0, 0.975, 1, 2),), f64(-INF, 1.959963984540054, INF, NAN)),
        ("special_log_ndtr", (f64(-40, 0, INF),), f64(-804.6084420137539, -math.log(2), 0)),
        ("xlogy", (f64(0, 0, 2, 0), f64(0, NAN, math.e, -1)), f64(0, NAN, 2, 0)),
        ("xlogy", (2, i64(1)), f32(0)),
        ("special_xlog1py", (f64(0, 2), f64(-1, math.e - 1)), f64(0, 2)),
        (
            "special_zeta",
            (f64(2, 3, 3, 1, 0.5), f64(1, 0.5, -9.5, 1, 1)),
            f64(math.pi**2 / 6, 7 * ZETA3, 0.004987572123857579, INF, NAN),
        ),
        ("special_zeta", (f64(2, 1.5, 2), f64(-1, -0.5, 0)), f64(INF, NAN, INF)),
        ("special_zeta", (2, i64(1)), f32(math.pi**2 / 6)),
    ],
)
def test_values(name, args, expected):
    same(run(name, *args), expected, 1e-9 if expected.dtype == np.float64 else 1e-6)


@pytest.mark.parametrize("name", ["lgamma", "digamma", "special_ndtr", "special_erfcx"])
def test_half_precision_computes_in_float32(name):
    x = np.linspace(0.5, 3, 20).astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(run(name, x), run(name, x.astype(np.float32)).astype(ml_dtypes.bfloat16))


@pytest.mark.parametrize(
    ("name", "args", "wrt", "slope"),
    [
        ("lgamma", (f64(1),), 0, f64(-EULER)),
        ("digamma", (f64(1, -0.5),), 0, f64(math.pi**2 / 6, math.pi**2 / 2 + 4)),
        ("polygamma", (1, f64(1)), 0, f64(-2 * ZETA3)),
        ("mvlgamma", (f64(3), 1), 0, f64(1.5 - EULER)),
        ("igamma", (f64(1), f64(2)), 1, f64(math.exp(-2))),
        ("igammac", (f64(1), f64(2)), 1, f64(-math.exp(-2))),
        ("special_entr", (f64(1),), 0, f64(-1)),
        ("special_erfcx", (f64(0),), 0, f64(-2 / math.sqrt(math.pi))),
        ("special_ndtri", (f64(0.5),), 0, f64(math.sqrt(2 * math.pi))),
        ("special_log_ndtr", (f64(0, -40),), 0, f64(2 / math.sqrt(2 * math.pi), 40.02496886)),
        ("xlogy", (f64(0, 0, 2), f64(0, 3, math.e)), 0, f64(0, math.log(3), 1)),
        ("xlogy", (f64(0, 2), f64(3, 4)), 1, f64(0, 0.5)),
        ("special_xlog1py", (f64(0, 2), f64(-1, 3)), 0, f64(0, math.log(4))),
        ("special_zeta", (f64(2), f64(1)), 1, f64(-2 * ZETA3)),
    ],
)
def test_derivatives(name, args, wrt, slope):
    same(slopes(name, *args, wrt=wrt), slope)


@pytest.mark.parametrize(
    ("name", "args", "error", "words"),
    [
        ("polygamma", (-1, f64(1)), RuntimeError, "polygamma(n, x) does not support negative n."),
        ("mvlgamma", (f64(1), 0), RuntimeError, "p has to be greater than or equal to 1"),
        ("lgamma", (np.ones(1, np.complex64),), NotImplementedError, '"lgamma_vml_cpu" not implemented'),
        ("igamma", (i64(1), i64(1)), NotImplementedError, "\"igamma_cpu\" not implemented for 'Long'"),
        ("special_zeta", (np.ones(1, np.complex64), 1), NotImplementedError, '"zeta_cpu" not implemented'),
    ],
)
def test_refusals(name, args, error, words):
    with pytest.raises(error) as raised:
        TABLE[name](*args)
    assert words in str(raised.value)
