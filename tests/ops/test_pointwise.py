"""Arithmetic: promotion, division, powers, bounds; torch's gradient conventions; refusals."""

import math

import ml_dtypes
import numpy as np
import pytest

from jtorch.ops.table import TABLE
from tests.ops.running import f32, f64, failed_checks, i64, run, same, slopes

INF, NAN = math.inf, math.nan
BOOLS = np.array([True, False])


@pytest.mark.parametrize(
    ("name", "x", "y", "expected"),
    [
        ("add", i64(1), f32(0.5), f32(1.5)),
        ("add", f32(1), np.float64(0.5), f32(1.5)),
        ("add", i64(1), 0.5, f32(1.5)),
        ("add", np.ones(1, np.float16), 2, np.array([3], np.float16)),
        ("add", BOOLS, BOOLS, BOOLS),
        ("add", np.ones(1, np.float16), np.ones(1, ml_dtypes.bfloat16), f32(2)),
        ("sub", i64(1), 0.5, f32(0.5)),
        ("rsub", i64(1), 3, i64(2)),
        ("mul", BOOLS, True, BOOLS),
        ("mul", f32(2), 1j, np.array([2j], np.complex64)),
        ("div", i64(1), i64(2), f32(0.5)),
        ("div", np.array([1], np.uint8), 4, f32(0.25)),
        ("maximum", i64(1, 5), f32(2, NAN), f32(2, NAN)),
        ("fmax", f32(NAN, 1), f32(2, NAN), f32(2, 1)),
        ("fmin", f32(NAN, 1), f32(2, 0), f32(2, 0)),
        ("remainder", 5, i64(3, -3), i64(2, -1)),
        ("remainder", f64(-7, 7, -1), f64(3, -3, INF), f64(2, -2, INF)),
        ("fmod", f64(-7, 7), f64(3, -3), f64(-1, 1)),
        ("fmod", i64(-7), 3, i64(-1)),
        ("floor_divide", i64(-7), 2, i64(-4)),
        ("floor_divide", f64(-7, 1, -1, 0.5), f64(2, 0, 0, 0.1), f64(-4, INF, -INF, 4)),
        ("copysign", i64(3), -0.0, f32(-3)),
        ("atan2", i64(1), i64(0), f32(math.pi / 2)),
        ("hypot", f64(3e200), f64(4e200), f64(5e200)),
        ("logaddexp", f64(-INF, 1000), f64(-INF, 1000), f64(-INF, 1000 + math.log(2))),
        ("logaddexp2", f64(3), f64(3), f64(4)),
        ("gcd", i64(12, 0), i64(-18, 5), i64(6, 5)),
        ("lcm", i64(4), i64(6), i64(12)),
        ("heaviside", f32(-1, 0, 2), f32(0.5), f32(0, 0.5, 1)),
        ("ldexp.Tensor", np.ones(1, np.float16), i64(3), np.array([8], np.float16)),
        ("ldexp.Tensor", f64(3), f64(0.5), f64(3 * math.sqrt(2))),
        ("nextafter", f64(1), f64(2), f64(1 + 2**-52)),
        ("pow.Tensor_Scalar", i64(2, -3), 3, i64(8, -27)),
        ("pow.Tensor_Scalar", i64(4), 0.5, f32(2)),
        ("pow.Tensor_Scalar", BOOLS, 2, i64(1, 0)),
        ("pow.Tensor_Scalar", f64(-2, 4), -2, f64(0.25, 1 / 16)),
        ("pow.Tensor_Scalar", f64(-8), 1 / 3, f64(NAN)),
        ("pow.Tensor_Tensor", i64(3, -1, 1, 5), i64(-1, -3, -2, 2), i64(0, -1, 1, 25)),
        ("pow.Scalar", 2, i64(3, -2), i64(8, 0)),
        ("float_power", i64(2), 0.5, f64(math.sqrt(2))),
        ("float_power", 2, i64(-1), f64(0.5)),
        ("float_power", np.array([1j], np.complex64), 2, np.array([-1 + 0j])),
    ],
)
def test_values_and_dtypes(name, x, y, expected):
    same(run(name, x, y), expected)


@pytest.mark.parametrize(
    ("name", "alpha", "expected"),
    [("add", 3, i64(16, -5)), ("sub", 2, i64(-9, 5)), ("rsub", 2, i64(3, -4))],
)
def test_alpha(name, alpha, expected):
    same(run(name, i64(1, 1), i64(5, -2), alpha=alpha), expected)


def test_alpha_wraps_around_in_unsigned_integers():
    same(run("add", np.array([1], np.uint8), np.array([1], np.uint8), alpha=-3), np.array([254], np.uint8))


@pytest.mark.parametrize(
    ("mode", "x", "y", "expected"),
    [
        ("floor", i64(-7, 7), i64(2, -2), i64(-4, -4)),
        ("trunc", i64(-7, 7), i64(2, -2), i64(-3, -3)),
        (None, i64(-7, 7), i64(2, -2), f32(-3.5, -3.5)),
        ("trunc", f64(-7.5), 2, f64(-3)),
        ("floor", f64(-0.0, INF, 1), f64(1, 1, INF), f64(0, NAN, 0)),
    ],
)
def test_division_with_rounding(mode, x, y, expected):
    same(run("div.Tensor_mode", x, y, rounding_mode=mode), expected)


@pytest.mark.parametrize("name", ["floor_divide", "remainder", "fmod"])
def test_integers_divided_by_zero(name):
    assert failed_checks(name, i64(1, 2), i64(1, 0)) == ["ZeroDivisionError"]
    assert failed_checks(name, i64(1, 2), i64(1, 3)) == []
    assert failed_checks(name, f64(1), f64(0)) == []
    assert failed_checks("div.Tensor_mode", i64(1), i64(0), rounding_mode="floor") == ["ZeroDivisionError"]
    assert failed_checks("div.Tensor_mode", i64(1), i64(0), rounding_mode=None) == []


@pytest.mark.parametrize(
    ("bounds", "x", "expected"),
    [
        ((0, 1), f32(-1, 0.5, 2), f32(0, 0.5, 1)),
        ((2, 1), f32(0, 3), f32(1, 1)),
        ((None, 0.5), i64(0, 2), f32(0, 0.5)),
        ((NAN, None), f32(1), f32(NAN)),
        ((0, None), BOOLS, i64(1, 0)),
        ((-1, None), np.array([5], np.uint8), np.array([255], np.uint8)),  # the bound wraps around
    ],
)
def test_clamp_to_numbers(bounds, x, expected):
    same(run("clamp", x, *bounds), expected)


def test_clamp_to_tensors():
    same(run("clamp.Tensor", f32(-1, 3, NAN), f32(0, 0, 0), f32(1)), f32(0, 1, NAN))
    same(run("clamp_min.Tensor", i64(1, 5), f32(2.5)), f32(2.5, 5))
    same(run("clamp_max", i64(1, 5), 3), i64(1, 3))


@pytest.mark.parametrize(
    ("name", "args", "wrt", "slope"),
    [
        ("maximum", (f64(1, 2, 3), f64(2, 2, 2)), 0, f64(0, 0.5, 1)),
        ("minimum", (f64(1, 2, 3), f64(2, 2, 2)), 1, f64(0, 0.5, 1)),
        ("fmax", (f64(2, NAN), f64(2, 1)), 0, f64(1, 0)),
        ("fmax", (f64(2, NAN), f64(2, 1)), 1, f64(0, 1)),
        ("clamp", (f64(-1, 0, 0.5, 1, 2), 0.0, 1.0), 0, f64(0, 1, 1, 1, 0)),
        ("clamp.Tensor", (f64(-1, 0, 2), f64(0, 0, 0), f64(1, 1, 1)), 1, f64(1, 0, 0)),
        ("pow.Tensor_Scalar", (f64(0, -2), 0), 0, f64(0, 0)),
        ("pow.Tensor_Scalar", (f64(0, -2), 1), 0, f64(1, 1)),
        ("pow.Tensor_Scalar", (f64(0), 0.5), 0, f64(INF)),
        ("pow.Tensor_Scalar", (f64(-2), 9.0), 0, f64(2304)),
        ("pow.Tensor_Tensor", (f64(0, 0, 2), f64(0, 2, 3)), 1, f64(0, 0, 8 * math.log(2))),
        ("pow.Tensor_Tensor", (f64(0, -2), f64(0, 3)), 0, f64(0, 12)),
        ("pow.Scalar", (0.0, f64(0, 2)), 0, f64(0, 0)),
        ("atan2", (f64(0, 1), f64(0, 1)), 0, f64(0, 0.5)),
        ("hypot", (f64(3, 0), f64(4, 0)), 0, f64(0.6, NAN)),
        ("copysign", (f64(-2, 0), f64(1, -1)), 0, f64(-1, 0)),
        ("remainder", (f64(7), f64(-3)), 1, f64(3)),
        ("fmod", (f64(7), f64(-3)), 1, f64(2)),
        ("logaddexp", (f64(0, -INF), f64(0, 0)), 0, f64(0.5, 0)),
        ("ldexp.Tensor", (f64(0, 3), i64(2, 2)), 0, f64(4, 4)),
        ("nextafter", (f64(1, 2), f64(2, 2)), 0, f64(1, 0)),
        ("lerp.Scalar", (f64(1), f64(5), 0.75), 0, f64(0.25)),
    ],
)
def test_gradients(name, args, wrt, slope):
    same(slopes(name, *args, wrt=wrt), slope)


def test_rounded_division_has_no_slope():
    same(slopes("div.Tensor_mode", f64(7), f64(2), rounding_mode="floor"), f64(0))


def test_addcmul_and_addcdiv():
    same(run("addcmul", f32(1), f32(2), f32(3), value=0.5), f32(4))
    same(run("addcmul", i64(1), i64(2), i64(3), value=2), i64(13))
    same(run("addcdiv", f32(1), f32(2), f32(4), value=2), f32(2))


def test_formulas_round_half_precision_once():
    one, small = np.ones(1, np.float16), np.array([2**-6], np.float16)
    # 1 + 3 * 2**-12 lies above the middle between 1 and the next half, though neither product alone reaches it.
    same(run("addcmul", one, small, small, value=3), np.array([1 + 2**-10], np.float16))


def test_lerp_ends_at_its_ends():
    start, end = f32(1e8, -3), f32(1, 0.1)
    same(run("lerp.Scalar", start, end, 1.0), end)
    same(run("lerp.Tensor", start, end, f32(0, 0)), start)
    same(run("lerp.Tensor", start, end, np.array(0.0)), start)  # a 0-d weight may have another dtype


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "error", "words"),
    [
        ("sub", (BOOLS, BOOLS), {}, RuntimeError, "with two bool tensors is not supported. Use the `^`"),
        ("sub", (f32(1), BOOLS), {}, RuntimeError, "with a bool tensor is not supported"),
        ("rsub", (BOOLS, 1), {}, RuntimeError, "with a bool tensor is not supported"),
        ("add", (i64(1), i64(1)), {"alpha": 0.5}, RuntimeError, "argument alpha must not be a floating point number"),
        ("add", (i64(1), i64(1)), {"alpha": True}, RuntimeError, "Boolean alpha only supported for Boolean results"),
        ("add", (f32(1), f32(1)), {"alpha": 1j}, RuntimeError, "argument alpha must not be a complex number"),
        ("addcdiv", (i64(1), i64(1), i64(1)), {}, RuntimeError, "Integer division with addcdiv"),
        ("lerp.Scalar", (f32(1), f64(1), 0.5), {}, RuntimeError, "expected dtype float for `end` but got dtype double"),
        ("lerp.Scalar", (i64(1), i64(1), 0.5), {}, NotImplementedError, "not implemented for 'Long'"),
        ("remainder", (BOOLS, BOOLS), {}, NotImplementedError, "\"remainder_cpu\" not implemented for 'Bool'"),
        ("floor_divide", (BOOLS, BOOLS), {}, NotImplementedError, "\"div_floor_cpu\" not implemented for 'Bool'"),
        ("div.Tensor_mode", (f32(1), f32(1)), {"rounding_mode": "up"}, RuntimeError, "but found 'up'"),
        ("pow.Tensor_Scalar", (i64(2), -1), {}, RuntimeError, "Integers to negative integer powers are not allowed."),
        ("pow.Tensor_Tensor", (BOOLS, BOOLS), {}, NotImplementedError, "\"pow\" not implemented for 'Bool'"),
        (
            "maximum",
            (f32(1), np.ones(1, np.complex64)),
            {},
            RuntimeError,
            "maximum not implemented for complex tensors.",
        ),
        ("clamp", (f32(1),), {}, RuntimeError, "At least one of 'min' or 'max' must not be None"),
        (
            "clamp",
            (np.ones(1, np.uint8), 0, 300),
            {},
            RuntimeError,
            "cannot be converted to type uint8_t without overflow",
        ),
        ("add", (np.ones(1, np.int8),) * 2, {"alpha": 200}, RuntimeError, "converted to type int8_t without overflow"),
        ("clamp", (np.ones(1, np.float16), 1e6), {}, RuntimeError, "converted to type c10::Half without overflow"),
        ("clamp", (np.ones(1, np.complex64), 0), {}, NotImplementedError, "clamp is not supported for complex types"),
        ("hypot", (i64(1), i64(1)), {}, NotImplementedError, "\"hypot_cpu\" not implemented for 'Long'"),
        ("gcd", (f32(1), f32(1)), {}, NotImplementedError, "\"gcd_cpu\" not implemented for 'Float'"),
        ("heaviside", (f32(1), f64(1)), {}, RuntimeError, "tensors with different dtypes"),
    ],
)
def test_refusals(name, args, kwargs, error, words):
    with pytest.raises(error) as raised:
        TABLE[name](*args, **kwargs)
    assert words in str(raised.value)
