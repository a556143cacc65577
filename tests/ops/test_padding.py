"""Padding against ``numpy.pad``, by negative amounts, and its gradients."""

import numpy as np
import pytest

from jtorch.ops.table import TABLE
from tests.ops.running import f32, i64, run, same, slopes

X = np.arange(1.0, 2 * 3 * 4 * 5 + 1).reshape(2, 3, 4, 5)
MODES = {"reflection_pad": "reflect", "replication_pad": "edge"}


@pytest.mark.parametrize("pad", [(1, 2), (0, 3, 2, 1), (1, 0, 0, 2, 3, 3)])
def test_constant_fills(pad):
    edges = [(0, 0)] * (4 - len(pad) // 2) + [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)][::-1]
    same(run("constant_pad_nd", X, pad, 2.5), np.pad(X, edges, constant_values=2.5))


def test_constant_takes_the_dtype_of_the_input():
    same(run("constant_pad_nd", i64(1, 2), (1, 0), 1.7), i64(1, 1, 2))


def test_negative_amounts_take_away():
    same(run("constant_pad_nd", f32(1, 2, 3), (-1, 2), 9), f32(2, 3, 9, 9))
    same(run("reflection_pad1d", f32(1, 2, 3)[None], (-1, 2)), f32(2, 3, 2, 1)[None])
    same(run("replication_pad1d", f32(1, 2, 3)[None], (2, -2)), f32(1, 1, 1)[None])
    same(run("_pad_circular", f32(1, 2, 3), (-1, 2)), f32(2, 3, 2, 3))


@pytest.mark.parametrize("kind", MODES)
@pytest.mark.parametrize(("n", "pad"), [(1, (1, 3)), (2, (2, 0, 1, 3)), (2, (0, 0, 1, 1))])
def test_borders(kind, n, pad):
    x = X if n == 2 else X[0]
    edges = [(0, 0)] * (x.ndim - n) + [(pad[i], pad[i + 1]) for i in range(0, 2 * n, 2)][::-1]
    same(run(f"{kind}{n}d", x, pad), np.pad(x, edges, MODES[kind]))


def test_circular_goes_around():
    same(run("_pad_circular", X, (2, 1, 0, 3)), np.pad(X, [(0, 0), (0, 0), (0, 3), (2, 1)], "wrap"))


def test_gradients_come_back_to_where_elements_came_from():
    same(slopes("reflection_pad1d", f32(1, 2, 3)[None], (2, 1)), f32(1, 3, 2)[None])
    same(slopes("replication_pad1d", f32(1, 2, 3)[None], (2, 1)), f32(3, 1, 2)[None])
    same(slopes("_pad_circular", f32(1, 2, 3), (2, 1)), f32(2, 2, 2))
    same(slopes("constant_pad_nd", f32(1, 2, 3), (-1, 4)), f32(0, 1, 1))


@pytest.mark.parametrize(
    ("name", "shape", "pad", "words"),
    [
        ("constant_pad_nd", (3,), (1,), "must be even"),
        ("constant_pad_nd", (3,), (1, 1, 1, 1), "no more than twice the number of dimensions"),
        ("constant_pad_nd", (3,), (-4, 0), "length must be non-negative"),
        ("reflection_pad1d", (2, 3), (3, 0), r"padding \(3, 0\) at dimension 1 of input \[2, 3\]"),
        ("reflection_pad2d", (2, 3, 3), (0, 0, 3, 0), r"Argument #6.*padding \(3, 0\) at dimension 1"),
        ("replication_pad1d", (2, 3), (-3, 0), "is too small. Calculated output W: 0"),
        ("replication_pad1d", (2, 0), (1, 1), "other non-zero dimensions"),
        ("replication_pad2d", (2, 3, 3), (-4, 0, 0, 0), "negative dimension -1"),
        ("_pad_circular", (2, 3), (4, 0), "wrapping around more than once"),
        ("_pad_circular", (2, 3), (-4, 0), "empty dimension"),
    ],
)
def test_misfits_raise(name, shape, pad, words):
    with pytest.raises(RuntimeError, match=words):
        TABLE[name](np.ones(shape, np.float32), pad)


def test_bool_has_no_border():
    with pytest.raises(NotImplementedError, match="\"reflection_pad1d\" not implemented for 'Bool'"):
        TABLE["reflection_pad1d"](np.ones((2, 3), bool), (1, 1))
