"""Orthogonal polynomials: known values, high degrees, and degrees that are no degrees."""

import numpy as np
import pytest

from jtorch.ops.table import TABLE
from tests.ops.running import f32, f64, i64, run, same

DEGREES = i64(-1, 0, 1, 2, 3)


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("chebyshev_polynomial_t", 1.5, f64(0, 1, 1.5, 3.5, 9)),
        ("chebyshev_polynomial_u", 1.5, f64(0, 1, 3, 8, 21)),
        ("chebyshev_polynomial_v", 1.5, f64(0, 1, 2, 5, 13)),
        ("chebyshev_polynomial_w", 1.5, f64(0, 1, 4, 11, 29)),
        ("shifted_chebyshev_polynomial_t", 1.25, f64(0, 1, 1.5, 3.5, 9)),
        ("shifted_chebyshev_polynomial_u", 1.25, f64(0, 1, 3, 8, 21)),
        ("shifted_chebyshev_polynomial_v", 1.25, f64(0, 1, 2, 5, 13)),
        ("shifted_chebyshev_polynomial_w", 1.25, f64(0, 1, 4, 11, 29)),
        ("hermite_polynomial_h", 0.5, f64(0, 1, 1, -1, -5)),
        ("hermite_polynomial_he", 0.5, f64(0, 1, 0.5, -0.75, -1.375)),
        ("laguerre_polynomial_l", 2.0, f64(0, 1, -1, -1, -1 / 3)),
        ("legendre_polynomial_p", 0.5, f64(0, 1, 0.5, -0.125, -0.4375)),
    ],
)
def test_first_degrees(name, x, expected):
    same(run(f"special_{name}", np.full(5, x), DEGREES), expected, 1e-12)
    assert not TABLE[f"special_{name}"].differentiable


@pytest.mark.parametrize(
    ("name", "x", "n", "expected"),
    [
        ("chebyshev_polynomial_t", 0.4, 9, -0.532929536),
        ("chebyshev_polynomial_u", 0.4, 9, -0.902223872),
        ("chebyshev_polynomial_t", 0.3, 10**6, np.cos(1e6 * np.arccos(0.3))),
        ("chebyshev_polynomial_t", 1.0, 100, 1),
        ("chebyshev_polynomial_u", -1.0, 101, -102),
        ("hermite_polynomial_h", 0.7, 4, -7.6784),
        ("laguerre_polynomial_l", 2.5, 6, 0.662000868055556),
        ("legendre_polynomial_p", 0.3, 5, 0.34538625),
        ("legendre_polynomial_p", -1.0, 51, -1),
    ],
)
def test_higher_degrees(name, x, n, expected):
    same(run(f"special_{name}", f64(x), i64(n)), f64(expected), 1e-9)


def test_numbers_dtypes_and_shapes():
    same(run("special_legendre_polynomial_p", f32(0.5, 2), 2), f32(-0.125, 5.5))
    same(run("special_legendre_polynomial_p", 0.5, i64(2)), f32(-0.125))
    same(run("special_chebyshev_polynomial_t", f64(2), 2.7), f64(7))  # the degree's fraction is cut off
    assert run("special_hermite_polynomial_h", np.ones((3, 1)), i64(1, 2)).shape == (3, 2)
    assert run("special_laguerre_polynomial_l", f64(), i64()).shape == (0,)


def test_complex_numbers_are_refused():
    with pytest.raises(NotImplementedError, match="\"legendre_polynomial_p_cpu\" not implemented for 'ComplexFloat'"):
        TABLE["special_legendre_polynomial_p"](np.ones(1, np.complex64), 1)
