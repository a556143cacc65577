"""Resampling: known values, what every mode keeps, and gradients."""

import numpy as np
import pytest

from jtorch.ops.interpolate import upsampler
from jtorch.ops.table import TABLE
from tests.ops.running import f32, f64, run, same, slopes


def line(*values):
    return f64(*values).reshape(1, 1, -1)


@pytest.mark.parametrize(
    ("name", "x", "args", "expected"),
    [
        ("upsample_nearest1d", line(1, 2, 3), ((6,),), line(1, 1, 2, 2, 3, 3)),
        ("upsample_nearest1d", line(1, 2, 3, 4, 5), ((3,),), line(1, 2, 4)),
        ("upsample_nearest1d", line(1, 2, 3, 4, 5), ((3,), (0.6,)), line(1, 2, 4)),
        ("_upsample_nearest_exact1d", line(1, 2, 3, 4, 5), ((3,),), line(1, 3, 5)),
        ("upsample_linear1d", line(0, 4), ((4,), False), line(0, 1, 3, 4)),
        ("upsample_linear1d", line(0, 3), ((4,), True), line(0, 1, 2, 3)),
        ("upsample_linear1d", line(0, 4, 8, 12), ((2,), False), line(2, 10)),
        ("upsample_linear1d", line(7, 8), ((1,), True), line(7)),
    ],
)
def test_known_values(name, x, args, expected):
    same(run(name, x, *args), expected, 1e-6)


def test_a_scale_says_more_than_the_sizes():
    x = line(0, 1, 2, 3)
    assert not np.allclose(run("upsample_linear1d", x, (6,), False, (1.7,)), run("upsample_linear1d", x, (6,), False))


@pytest.mark.parametrize(
    ("mode", "n", "antialias"),
    [
        ("nearest", 2, False), ("nearest-exact", 3, False), ("bilinear", 2, False), ("trilinear", 3, False),
        ("bicubic", 2, False), ("bilinear", 2, True), ("bicubic", 2, True), ("lanczos", 2, True),
    ],
)  # fmt: skip
def test_constants_stay_and_gradients_keep_the_sum(mode, n, antialias):
    name = upsampler(mode, n, antialias)
    x = np.full((2, 1, 5, 4, 6)[: n + 2], 3.0)
    new = (7, 3, 4)[:n]
    extra = () if mode.startswith("nearest") else (False,)
    same(run(name, x, new, *extra), np.full((2, 1, *new), 3.0), 1e-6)
    np.testing.assert_allclose(slopes(name, x, new, *extra).sum(), 2 * np.prod(new), rtol=1e-6)


def test_cubic_goes_through_the_elements():
    x = np.random.default_rng(0).standard_normal((1, 1, 3, 6))
    got = run("upsample_bicubic2d", x, (5, 11), True)
    same(got[..., ::2, ::2], x, 1e-12)
    step = run("upsample_bicubic2d", f64(0, 0, 0, 1, 1, 1).reshape(1, 1, 1, 6), (1, 11), True).reshape(-1)
    same(step[[3, 5, 7]], f64(-0.09375, 0.5, 1.09375), 1e-12)  # it overshoots on both sides


def test_antialias_averages_where_it_shrinks():
    x = np.zeros((1, 1, 1, 12))
    x[..., ::2] = 2.0
    plain = run("upsample_bilinear2d", x, (1, 3), False)
    smooth = run("_upsample_bilinear2d_aa", x, (1, 3), False)
    assert abs(smooth - 1).max() < 0.1
    same(plain, line(1, 1, 1)[None], 1e-12)
    same(run("upsample_nearest2d", x, (1, 3)), line(2, 2, 2)[None])


def test_an_infinity_stays_where_it_is():
    x = line(1, np.inf, 3, 4, 5)
    got = run("upsample_nearest1d", x, (7,))
    assert np.isinf(got).sum() == 1
    assert np.isfinite(run("upsample_linear1d", x, (10,), False)[..., 5:]).all()


def test_bytes_round_after_each_axis():
    x = np.array([[0, 255], [255, 0]], np.uint8)[None, None]
    got = run("upsample_bilinear2d", x, (3, 3), False)
    assert got.dtype == np.uint8
    same(got[0, 0], np.array([[0, 128, 255], [128, 128, 128], [255, 128, 0]], np.uint8))


@pytest.mark.parametrize(
    ("name", "shape", "args", "error", "words"),
    [
        ("upsample_nearest1d", (1, 1, 4), ((0,),), RuntimeError, r"got input \(W: 4\) and output \(W: 0\)"),
        ("upsample_bilinear2d", (1, 1, 4, 0), ((2, 3), False), RuntimeError, r"\(H: 4, W: 0\) output \(H: 2, W: 3\)"),
        ("upsample_nearest2d", (1, 0, 4, 4), ((2, 3),), RuntimeError, "Non-empty 4D data tensor expected"),
        ("upsample_nearest2d", (1, 4, 4), ((2, 3),), RuntimeError, "input_size equals to 4"),
        ("upsample_nearest2d", (1, 1, 4, 4), ((2,),), RuntimeError, "output_size equals to 2"),
    ],
)
def test_misfits_raise(name, shape, args, error, words):
    with pytest.raises(error, match=words):
        TABLE[name](np.ones(shape, np.float32), *args)


def test_integers_have_no_kernel():
    with pytest.raises(NotImplementedError, match="not implemented for 'Long'"):
        TABLE["upsample_linear1d"](np.ones((1, 1, 3), np.int64), (2,), False)


def test_halves_compute_in_float32():
    x = f32(*np.linspace(0, 1, 7)).reshape(1, 1, 7).astype(np.float16)
    want = run("upsample_linear1d", x.astype(np.float32), (5,), False).astype(np.float16)
    np.testing.assert_array_equal(run("upsample_linear1d", x, (5,), False), want)
