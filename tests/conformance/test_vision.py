"""Padding, resampling, grids and rearrangements of ``torch.nn.functional`` on both libraries."""

import math

import numpy as np
import pytest

from tests.conformance.functional import check, f

# --- padding --------------------------------------------------------------------------------------------------------

_PADS = [
    (f(2, 3, 3), [(1,), (1, 1), (2, 2), (3, 3), (4, 4), (-1, 2), (2, -1), (-4, 0), (-3, 0), (0, 5), (-1, 2, 1, -1)]),
    (f(3, 4), [(1, 1), (1, 1, 1, 1), (1,) * 6]),
    (f(4), [(1, 1)]),
    (np.arange(12).reshape(1, 3, 4), [(1, 1)]),
    (np.arange(12).reshape(1, 3, 4) > 3, [(1, 1)]),
    (f(2, 3, 0), [(1, 1)]),
    (f(0, 3, 4), [(1, 1)]),
    (f(2, 3, 4, 5), [(1, 2, 3, 0), (1, 2), (0, 0, 1, 1), (4, 1, 1, 1), (1, 1, 4, 1), (-1, 2, 2, -2)]),
    (f(1, 2, 3, 4, 5), [(1, 2, 0, 1, 2, 0), (-1, 0, 2, -1, 0, 1), (1, 1, 1, 1, 4, 1), (-2, -2, 0, 1, 1, 1)]),
]


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_pad(mode):
    for x, pads in _PADS:
        for pad in pads:
            check("pad", x, pad, mode)
    check("pad", f(2, 3, 3), (1, 1), mode, 3)


def test_pad_values():
    check("pad", f(2, 3), (1, 2), value=2.5)
    check("pad", np.arange(3), (1, 1), value=1.7)
    check("pad", f(2, 3), (1, 1), "other")


# --- resampling -----------------------------------------------------------------------------------------------------

_SPACES = {1: f(2, 3, 5), 2: f(2, 3, 4, 5), 3: f(2, 2, 3, 4, 5)}
_ANY = ("nearest", "nearest-exact", "area")
_MODES = [(n, mode) for n, own in ((1, ("linear",)), (2, ("bilinear", "bicubic")), (3, ("trilinear",)))
          for mode in (*_ANY, *own)]  # fmt: skip


@pytest.mark.parametrize(("n", "mode"), _MODES)
def test_interpolate(n, mode):
    x = _SPACES[n]
    for align in (None,) if mode in _ANY else (None, True, False):
        for size in (1, 7, (8, 10, 15)[-n:]):
            check("interpolate", x, size, mode=mode, align_corners=align)
        for scale in (2, 0.6, (2.0, 0.5, 1.3)[-n:]):
            check("interpolate", x, scale_factor=scale, mode=mode, align_corners=align)
        check("interpolate", x, scale_factor=1.7, recompute_scale_factor=True, mode=mode, align_corners=align)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "lanczos"])
def test_antialias(mode):
    for align in (True, False):
        for size in (1, 7, (2, 9)):
            check("interpolate", _SPACES[2], size, mode=mode, align_corners=align, antialias=True)
        check("interpolate", _SPACES[2], scale_factor=0.45, mode=mode, align_corners=align, antialias=True)
    check("interpolate", f(1, 1, 20, 30), (5, 7), mode=mode, antialias=True)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic"])
def test_bytes(mode):
    x = np.random.default_rng(0).integers(0, 256, (2, 3, 9, 8)).astype(np.uint8)
    check("interpolate", x, (7, 11), mode=mode)
    if mode.startswith("bi"):
        check("interpolate", x, (12, 5), mode=mode, align_corners=True)
        check("interpolate", x, (4, 5), mode=mode, antialias=True)


@pytest.mark.parametrize(
    "given",
    [
        {}, {"size": 3, "scale_factor": 2}, {"size": (3,)}, {"size": (3.5, 2)}, {"size": (0, 3)},
        {"scale_factor": 0.1}, {"scale_factor": (1.0, 2.0, 3.0)}, {"size": 3, "recompute_scale_factor": True},
        {"size": 3, "align_corners": True}, {"size": 3, "mode": "linear"}, {"size": 3, "mode": "trilinear"},
        {"size": 3, "mode": "other"}, {"size": 3, "antialias": True}, {"size": 3, "mode": "lanczos"},
        {"size": (-1, 3), "mode": "bilinear"},
    ],
)  # fmt: skip
def test_interpolate_errors(given):
    check("interpolate", _SPACES[2], **given)


def test_interpolate_shapes_and_dtypes():
    for shape in ((2, 3, 0, 5), (2, 0, 4, 5), (0, 3, 4, 5), (3, 4)):
        check("interpolate", f(*shape), 3)
    check("interpolate", f(2, 3, 4), 3, mode="bilinear")
    check("interpolate", _SPACES[2].astype(np.float64), (7, 3), mode="bicubic")
    check("interpolate", _SPACES[2].astype(np.int64), 3, mode="bilinear")


@pytest.mark.parametrize("name", ["upsample", "upsample_nearest", "upsample_bilinear"])
def test_older_names(name):
    check(name, _SPACES[2], scale_factor=2)


# --- grids ----------------------------------------------------------------------------------------------------------

_GRID = (np.random.default_rng(1).random((2, 6, 7, 2)) * 3 - 1.5).astype(np.float32)
_GRID_3D = (np.random.default_rng(2).random((2, 3, 4, 5, 3)) * 3 - 1.5).astype(np.float32)
_ODD = [[-1, -1], [1, 1], [0, 0], [-1.5, 0.3], [3.2, -4.7], [math.nan, 0], [math.inf, 0.2], [0.1, 0.1]]


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("align", [True, False])
def test_grid_sample(mode, padding, align):
    x = _SPACES[2]
    check("grid_sample", x, _GRID, mode, padding, align)
    check("grid_sample", _SPACES[3], _GRID_3D, mode, padding, align)
    check("grid_sample", x[:, :, :1, :1], _GRID, mode, padding, align, grads=False)
    odd = np.array(_ODD, np.float32).reshape(1, 1, -1, 2)
    check("grid_sample", np.arange(25, dtype=np.float32).reshape(1, 1, 5, 5), odd, mode, padding, align, grads=False)


def test_grid_sample_arguments():
    x, grid = _SPACES[2], _GRID
    check("grid_sample", x, grid)
    for a, g in [
        (x, grid[:1]), (x, grid[..., :1]), (x[0], grid), (x[..., :0], grid), (x.astype(np.float64), grid),
        (x.astype(np.int64), grid.astype(np.int64)), (x, grid[0]), (x[:0], grid[:0]), (x[:, :0], grid),
        (x, grid[:, :0]), (x, grid[:, None]),
    ]:  # fmt: skip
        check("grid_sample", a, g, align_corners=False)
    check("grid_sample", x, grid, "other")
    check("grid_sample", x, grid, "nearest", "other")


def test_affine_grid():
    for align in (True, False):
        check("affine_grid", f(2, 2, 3), (2, 3, 4, 5), align)
        check("affine_grid", f(2, 3, 4), (2, 3, 4, 5, 2), align)
        check("affine_grid", f(2, 3, 4), (2, 3, 1, 5, 2), align)
        check("affine_grid", f(2, 2, 3), (3, 3, 4, 5), align)
        check("affine_grid", f(2, 2, 3), (2, 3, 4), align)
    check("affine_grid", f(2, 3, 3), [2, 3, 4, 5])
    check("affine_grid", f(2, 2, 3), (2, 3, 0, 5), False)
    check("affine_grid", f(2, 2, 3).astype(np.int64), (2, 3, 4, 5), False)


# --- rearrangements -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pixel_shuffle", "pixel_unshuffle", "channel_shuffle"])
def test_shuffles(name):
    for factor in (1, 2, 0, -1, 3):
        check(name, f(2, 4, 3, 3), factor)
    for shape in ((3,), (8, 4, 6), (2, 3, 4, 4, 6)):
        check(name, f(*shape), 2)
    if name != "pixel_unshuffle":  # of no images torch makes no smaller ones
        check(name, f(0, 4, 2, 2), 2, grads=False)
    check("native_channel_shuffle", f(2, 4, 3, 3), 2, grads=False)


def test_fold_and_unfold():
    check("unfold", f(2, 3, 4, 5), (2, 3), padding=1)
    check("unfold", f(3, 4, 5), 2, stride=2, dilation=(1, 2))
    check("fold", f(2, 12, 12), (4, 5), (2, 2))
    check("fold", f(2, 12, 11), (4, 5), (2, 2))
    check("unfold", f(2, 3, 4, 5), 6)
    check("unfold", f(2, 3, 4, 5) > 0, 2)
    check("fold", f(2, 12, 12) > 0, (4, 5), (2, 2))
