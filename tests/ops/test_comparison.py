"""Comparisons, logic on bools and bits, and questions about numbers."""

import math

import numpy as np
import pytest

from jtorch.ops.table import TABLE
from tests.ops.running import f32, f64, i64, run, same

INF, NAN = math.inf, math.nan


def bools(*values: int) -> np.ndarray:
    return np.array(values, np.bool_)


@pytest.mark.parametrize(
    ("name", "x", "y", "expected"),
    [
        ("eq", i64(1, 2), 1, bools(1, 0)),
        ("eq", f32(NAN), f32(NAN), bools(0)),
        ("ne", np.array([1j, 1]), f32(1, 1), bools(1, 0)),
        ("lt", i64(1, 2), 1.5, bools(1, 0)),
        ("ge", bools(1, 0), 1, bools(1, 0)),
        ("logical_and", f32(2, 0), i64(1, 1), bools(1, 0)),
        ("logical_or", f32(0, 0), i64(1, 0), bools(1, 0)),
        ("logical_xor", bools(1, 1), f64(NAN, 0), bools(0, 1)),
        ("bitwise_and", i64(6), 3, i64(2)),
        ("bitwise_or", bools(1, 0), bools(0, 0), bools(1, 0)),
        ("bitwise_xor", np.array([6], np.uint8), i64(3), i64(5)),
        ("bitwise_left_shift", i64(1, 1), i64(3, 64), i64(8, 0)),
        ("bitwise_left_shift", i64(1), -1, i64(0)),
        ("bitwise_right_shift", i64(-8, -8, 8), i64(1, 70, 70), i64(-4, -1, 0)),
        ("bitwise_right_shift", np.array([255], np.uint8), np.array([1], np.uint8), np.array([127], np.uint8)),
    ],
)
def test_pairs(name, x, y, expected):
    same(run(name, x, y), expected)


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("logical_not", f32(0, NAN), bools(1, 0)),
        ("bitwise_not", bools(1, 0), bools(0, 1)),
        ("bitwise_not", i64(5), i64(-6)),
        ("isnan", np.array([complex(0, NAN), 1]), bools(1, 0)),
        ("isinf", i64(1), bools(0)),
        ("isfinite", f32(INF, NAN, 1), bools(0, 0, 1)),
        ("isfinite", bools(1), bools(1)),
        ("isposinf", f32(INF, -INF), bools(1, 0)),
        ("isneginf", f32(INF, -INF), bools(0, 1)),
        ("isreal", np.array([1j, 1]), bools(0, 1)),
        ("signbit", f32(-0.0, 0, -1), bools(1, 0, 1)),
        ("signbit", i64(-1, 1), bools(1, 0)),
    ],
)
def test_single(name, x, expected):
    same(run(name, x), expected)


@pytest.mark.parametrize(
    ("x", "y", "options", "expected"),
    [
        (f64(1, 1), f64(1 + 1e-6, 1 + 1e-4), {}, bools(1, 0)),
        (f64(0), f64(1e-9), {}, bools(1)),
        (f64(INF, INF, NAN), f64(INF, -INF, NAN), {}, bools(1, 0, 0)),
        (f64(NAN), f64(NAN), {"equal_nan": True}, bools(1)),
        (f64(1), f64(1 + 1e-12), {"rtol": 0.0, "atol": 0.0}, bools(0)),
        (i64(10), i64(11), {"rtol": 0.1}, bools(1)),
        (np.array([1 + 1j]), np.array([1 + 1.1j]), {"atol": 0.2}, bools(1)),
    ],
)
def test_isclose(x, y, options, expected):
    same(run("isclose", x, y, **options), expected)


@pytest.mark.parametrize(
    ("name", "args", "error", "words"),
    [
        ("lt", (np.ones(1, np.complex64), 1), NotImplementedError, "\"lt_cpu\" not implemented for 'ComplexFloat'"),
        ("bitwise_and", (f32(1), 1), NotImplementedError, "\"bitwise_and_cpu\" not implemented for 'Float'"),
        ("bitwise_not", (f32(1),), NotImplementedError, "\"bitwise_not_cpu\" not implemented for 'Float'"),
        ("bitwise_left_shift", (bools(1), bools(1)), NotImplementedError, "\"lshift_cpu\" not implemented for 'Bool'"),
        ("isposinf", (np.ones(1, np.complex64),), RuntimeError, "isposinf does not support complex inputs."),
        (
            "signbit",
            (np.ones(1, np.complex64),),
            NotImplementedError,
            "signbit is not implemented for complex tensors.",
        ),
        ("isclose", (f32(1), f64(1)), RuntimeError, "Float did not match Double"),
        ("isclose", (f32(1), f32(1), -1.0), RuntimeError, "rtol must be greater than or equal to zero, but got -1"),
    ],
)
def test_refusals(name, args, error, words):
    with pytest.raises(error) as raised:
        TABLE[name](*args)
    assert words in str(raised.value)
