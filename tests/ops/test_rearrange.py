"""Shuffles of pixels and channels, element by element."""

import numpy as np
import pytest

from jtorch.ops.table import TABLE
from tests.ops.running import run, same

X = np.arange(2 * 8 * 3 * 2.0).reshape(2, 8, 3, 2)


def test_pixel_shuffle_puts_channels_side_by_side():
    got = run("pixel_shuffle", X, 2)
    assert got.shape == (2, 2, 6, 4)
    for c, h, w in np.ndindex(2, 6, 4):
        assert got[1, c, h, w] == X[1, c * 4 + h % 2 * 2 + w % 2, h // 2, w // 2]


def test_unshuffle_is_the_inverse():
    same(run("pixel_unshuffle", run("pixel_shuffle", X, 2), 2), X)
    same(run("pixel_unshuffle", run("pixel_shuffle", X[0], 2), 2), X[0])
    assert run("pixel_shuffle", X[:0], 2).shape == (0, 2, 6, 4)


def test_channel_shuffle_takes_groups_in_turn():
    same(run("channel_shuffle", X, 2), X[:, [0, 4, 1, 5, 2, 6, 3, 7]])
    same(run("channel_shuffle", X, 4), X[:, [0, 2, 4, 6, 1, 3, 5, 7]])


@pytest.mark.parametrize(
    ("name", "shape", "factor", "words"),
    [
        ("pixel_shuffle", (4, 3), 2, "at least 3 dimensions"),
        ("pixel_shuffle", (4, 3, 3), 0, "positive upscale_factor"),
        ("pixel_shuffle", (6, 3, 3), 2, r"input.size\(-3\)=6 is not divisible by 4"),
        ("pixel_unshuffle", (4, 3, 4), 2, r"height to be divisible.*input.size\(-2\)=3"),
        ("pixel_unshuffle", (4, 4, 3), 2, r"width to be divisible.*input.size\(-1\)=3"),
        ("channel_shuffle", (4, 3), 2, "> 2 dims"),
        ("channel_shuffle", (4, 3, 3), 0, "must be positive"),
        ("channel_shuffle", (4, 4, 3), 3, "Got 4 channels and 3 groups"),
    ],
)
def test_misfits_raise(name, shape, factor, words):
    with pytest.raises(RuntimeError, match=words):
        TABLE[name](np.ones(shape, np.float32), factor)
