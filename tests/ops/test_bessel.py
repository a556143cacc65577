"""Bessel functions and Airy's function: table values on every branch, limits, identities, derivatives."""

import math

import numpy as np
import pytest

from tests.ops.running import f32, f64, i64, run, same, slopes

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("bessel_j0", f64(0, 10, -10, INF), f64(1, -0.245935764451348, -0.245935764451348, NAN)),
        ("bessel_j1", f64(0, 1.5, -1.5), f64(0, 0.5579365079101, -0.5579365079101)),
        ("bessel_y0", f64(0, 30, -1), f64(-INF, -0.117295731686664, NAN)),
        ("bessel_y1", f64(0, 7, -1), f64(-INF, -0.302667237024185, NAN)),
        ("modified_bessel_i1", f64(2, -2), f64(1.59063685463733, -1.59063685463733)),
        ("modified_bessel_k0", f64(0, 5, INF, -1), f64(INF, 0.00369109833404259, 0, NAN)),
        ("modified_bessel_k1", f64(0, 0.5), f64(INF, 1.6564411200033)),
        (
            "scaled_modified_bessel_k0",
            f64(5, 0.5),
            f64(0.00369109833404259 * math.exp(5), 0.924419071227666 * math.exp(0.5)),
        ),
        (
            "airy_ai",
            f64(-20, -5, 0, 5, 110, INF),
            f64(-0.176406127077985, 0.350761009024114, 0.355028053887817, 0.000108344428136074, 0, NAN),
        ),
        ("spherical_bessel_j0", f64(0, math.pi / 2, INF), f64(1, 2 / math.pi, 0)),
        ("i0e", f64(0, 1000), f64(1, 0.012617240455891257)),
        ("i1", f64(2), f64(1.59063685463733)),
    ],
)
def test_values(name, x, expected):
    same(run("i0" if name == "i0" else f"special_{name}", x), expected, 1e-12)


def test_the_branches_meet_wronski_in_the_whole_range():
    x = np.concatenate([np.linspace(0.01, 40, 400), [1e3, 1e5]])
    j0, j1, y0, y1 = (run(f"special_bessel_{n}", x) for n in ("j0", "j1", "y0", "y1"))
    np.testing.assert_allclose((j1 * y0 - j0 * y1) * np.pi * x / 2, 1, rtol=1e-13)
    x = np.linspace(0.01, 40, 400)
    i0, i1 = run("special_i0e", x), run("special_i1e", x)
    k0, k1 = (run(f"special_scaled_modified_bessel_{n}", x) for n in ("k0", "k1"))
    np.testing.assert_allclose((i0 * k1 + i1 * k0) * x, 1, rtol=1e-13)


def test_airy_solves_its_equation():
    step = 1e-2
    x = np.linspace(-12, 6, 181)
    y = [run("special_airy_ai", x + k * step) for k in (-2, -1, 0, 1, 2)]
    second = (-y[0] + 16 * y[1] - 30 * y[2] + 16 * y[3] - y[4]) / (12 * step**2)
    np.testing.assert_allclose(second, x * y[2], atol=1e-6)


def test_dtypes():
    assert run("special_bessel_j0", i64(1)).dtype == np.float32
    assert run("special_airy_ai", f32(1)).dtype == np.float32


@pytest.mark.parametrize(
    ("name", "x", "slope"),
    [
        ("i0", f64(0, 2), f64(0, 1.59063685463733)),
        ("special_i1", f64(0, 2), f64(0.5, 2.27958530233607 - 1.59063685463733 / 2)),
        ("special_i0e", f64(2), f64((1.59063685463733 - 2.27958530233607) * math.exp(-2))),
        ("special_i1e", f64(0), f64(0.5)),
    ],
)
def test_derivatives(name, x, slope):
    same(slopes(name, x), slope)
