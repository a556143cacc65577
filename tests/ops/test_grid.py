"""Grid sampling at known points, at and beyond the border, and the grids of affine maps."""

import itertools

import numpy as np
import pytest

from jtorch.ops.grid import BICUBIC, BILINEAR, BORDER, NEAREST, REFLECTION, ZEROS
from jtorch.ops.table import TABLE
from tests.ops.running import f64, run, same, slopes

X = np.arange(1.0, 26.0).reshape(1, 1, 5, 5)


def at(*points):
    return f64(*itertools.chain(*points)).reshape(1, 1, len(points), 2)


def sample(x, grid, *how):
    return run("grid_sampler_2d", x, grid, *how)[0, 0, 0]


@pytest.mark.parametrize("mode", [BILINEAR, NEAREST, BICUBIC])
@pytest.mark.parametrize("padding", [ZEROS, BORDER, REFLECTION])
def test_elements_are_met_at_their_centres(mode, padding):
    centres = np.linspace(-1, 1, 5)
    points = at(*[(x, y) for y in centres for x in centres])
    same(sample(X, points, mode, padding, True), X.reshape(-1), 1e-12)
    inner = at(*[(x, y) for y in centres * 0.8 for x in centres * 0.8])
    same(sample(X, inner, mode, padding, False), X.reshape(-1), 1e-12)


@pytest.mark.parametrize(
    ("padding", "align", "expected"),
    [
        (ZEROS, True, (14, 7.5, 0)),
        (ZEROS, False, (14.25, 7.5, 0)),
        (BORDER, True, (14, 15, 15)),
        (BORDER, False, (14.25, 15, 15)),
        (REFLECTION, True, (14, 14.5, 11)),
        (REFLECTION, False, (14.25, 15, 11)),
    ],
)
def test_beyond_the_border(padding, align, expected):
    # between two elements, half a step outside, and a whole axis outside
    outside = 1.25 if align else 1.0
    points = at((0.5, 0), (outside, 0), (3, 0))
    same(sample(X, points, BILINEAR, padding, align), f64(*expected), 1e-12)


def test_not_a_number_is_outside():
    points = at((np.nan, 0))
    assert np.isnan(sample(X, points, BILINEAR, ZEROS, True)).all()
    same(sample(X, points, NEAREST, ZEROS, True), f64(0))
    same(sample(X, points, BILINEAR, BORDER, True), f64(11))


def test_x_comes_first_in_three_dimensions_too():
    x = np.arange(24.0).reshape(1, 1, 2, 3, 4)
    got = run("grid_sampler_3d", x, f64(1, -1, -1, -1, 1, -1, -1, -1, 1).reshape(1, 1, 1, 3, 3), 0, 0, True)
    same(got.reshape(-1), f64(3, 8, 12))


def test_gradients():
    points = at((0.3, 0.1), (-0.2, 0.6))
    same(slopes("grid_sampler_2d", X, points, 0, 0, True, wrt=1), np.tile(f64(2, 10), 2).reshape(1, 1, 2, 2), 1e-12)
    np.testing.assert_allclose(slopes("grid_sampler_2d", X, points, 0, 0, True).sum(), 2)
    assert not slopes("grid_sampler_2d", X, points, NEAREST, ZEROS, True, wrt=1).any()
    assert not slopes("grid_sampler_2d", X, at((1, 1), (2, -2)), BILINEAR, BORDER, True, wrt=1).any()


def test_affine_grids():
    eye = np.eye(2, 3)[None]
    same(run("affine_grid_generator", eye, (1, 1, 2, 3), True)[0, 1], f64(-1, 1, 0, 1, 1, 1).reshape(3, 2))
    same(run("affine_grid_generator", eye, (1, 1, 2, 2), False)[0, 0], f64(-0.5, -0.5, 0.5, -0.5).reshape(2, 2))
    moved = np.array([[[0.0, 1, 2], [1, 0, 3]]])
    same(run("affine_grid_generator", moved, (1, 1, 2, 2), True)[0, 0], f64(1, 2, 1, 4).reshape(2, 2))
    assert run("affine_grid_generator", np.ones((2, 3, 4)), (2, 1, 3, 4, 5), True).shape == (2, 3, 4, 5, 3)


@pytest.mark.parametrize(
    ("x", "grid", "mode", "words"),
    [
        ((2, 1, 3, 3), (1, 3, 3, 2), 0, "same batch size"),
        ((1, 1, 3, 3), (1, 3, 3, 3), 0, "size 2 in last dimension"),
        ((1, 1, 3, 3), (1, 1, 3, 3, 2), 0, "same number of dimensions"),
        ((1, 1, 3, 0), (1, 3, 3, 2), 0, "with dimension 3 being empty"),
        ((1, 1, 3, 3, 3), (1, 2, 2, 2, 3), 2, "bicubic interpolation only supports 4D input"),
    ],
)
def test_misfits_raise(x, grid, mode, words):
    with pytest.raises(RuntimeError, match=words):
        TABLE["grid_sampler"](np.ones(x, np.float32), np.ones(grid, np.float32), mode, 0, False)
