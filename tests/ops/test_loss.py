"""Losses: formulas in every reduction, slopes where torch has its own, checks of the data, refusals; CTC by hand."""

import itertools
import math

import ml_dtypes
import numpy as np
import pytest

from jtorch.ops.table import TABLE
from tests.ops.running import f32, f64, failed_checks, i64, run, same, slopes

INF = math.inf
NONE, MEAN, SUM = 0, 1, 2
X, Y = f64(0.5, -1, 3), f64(0, 1, 1)
P = np.log(np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]]))


@pytest.mark.parametrize(
    ("name", "options", "formula"),
    [
        ("mse_loss", (), (X - Y) ** 2),
        ("smooth_l1_loss", (), f64(0.125, 1.5, 1.5)),
        ("smooth_l1_loss", (4.0,), (X - Y) ** 2 / 8),
        ("smooth_l1_loss", (0.0,), abs(X - Y)),
        ("huber_loss", (), f64(0.125, 1.5, 1.5)),
        ("huber_loss", (0.5,), f64(0.125, 0.875, 0.875)),
        ("soft_margin_loss", (), np.log1p(np.exp(-X * Y))),
    ],
)
def test_pairs(name, options, formula):
    for reduction, expected in ((NONE, formula), (MEAN, formula.mean()), (SUM, formula.sum())):
        same(run(name, X, Y, reduction, *options), np.asarray(expected))


def test_pairs_promote_and_keep_halves():
    assert run("mse_loss", f32(1), f64(2)).dtype == np.float64
    assert run("huber_loss", f32(1), f64(2)).dtype == np.float32
    half = np.full(3000, 0.3, ml_dtypes.bfloat16)
    got = run("mse_loss", half, half * 0, SUM)
    assert got.dtype == half.dtype
    assert abs(float(got) - 3000 * float(half[0]) ** 2) < 1


def test_slopes_at_kinks():
    same(slopes("smooth_l1_loss", f64(0, 1), f64(0, 0), SUM), f64(0, 1))
    same(slopes("huber_loss", f64(0, 2), f64(0, 0), SUM), f64(0, 1))
    same(slopes("multi_margin_loss", np.array([[1.0, 0.0]]), i64(0)), np.array([[0.0, 0.0]]))


def test_binary_cross_entropy():
    x, y, w = f64(0.25, 0.5, 1), f64(0.5, 1, 0), f64(2, 1, 1)
    expected = f64(-0.5 * (math.log(0.25) + math.log(0.75)), math.log(2), 100)
    same(run("binary_cross_entropy", x, y, None, NONE), expected)
    same(run("binary_cross_entropy", x, y, w, SUM), np.asarray((w * expected).sum()))
    same(slopes("binary_cross_entropy", f64(0, 0.25), f64(0, 1), None, SUM), f64(0, -4))
    assert failed_checks("binary_cross_entropy", f32(0, 1), f32(0, 1)) == []
    assert failed_checks("binary_cross_entropy", f32(0, 2), f32(0, -1)) == [
        "all elements of input should be between 0 and 1",
        "all elements of target should be between 0 and 1",
    ]


def test_binary_cross_entropy_with_logits():
    name = "binary_cross_entropy_with_logits"
    s = 1 / (1 + np.exp(-X))
    same(run(name, X, Y, None, None, NONE), -(Y * np.log(s) + (1 - Y) * np.log(1 - s)))
    same(
        run(name, X, Y, f64(2), f64(3, 4, 5), SUM),
        np.asarray((-2 * (f64(3, 4, 5) * Y * np.log(s) + (1 - Y) * np.log(1 - s))).sum()),
    )
    same(run(name, f64(1000, -1000), f64(0, 1), None, None, NONE), f64(1000, 1000))
    same(slopes(name, f64(1000, -1000, 0), f64(0, 1, 1), None, None, SUM), f64(1, -1, -0.5))


def test_nll():
    t, w = i64(2, 0), f64(1, 2, 4)
    each = -f64(P[0, 2], P[1, 0])
    same(run("nll_loss", P, t, None, NONE), each)
    same(run("nll_loss", P, t), np.asarray(each.mean()))
    same(run("nll_loss", P, t, w), np.asarray((each * f64(4, 1)).sum() / 5))
    same(run("nll_loss", P, t, w, SUM, 2), np.asarray(each[1]))
    same(run("nll_loss", P, i64(2, -100), None, NONE), f64(each[0], 0))
    same(run("nll_loss", P[0], i64(2)[0]), np.asarray(each[0]))
    assert np.isnan(run("nll_loss", P, i64(-100, -100)))
    same(run("nll_loss", np.array([[0.0, -INF]]), i64(0)), np.asarray(0.0))
    same(slopes("nll_loss", P, t, w, SUM), np.array([[0, 0, -4.0], [-1, 0, 0]]))


def test_nll_in_space():
    x, t = np.arange(12.0).reshape(1, 2, 2, 3), i64(0, 1, 0, 1, 0, 1).reshape(1, 2, 3)
    same(run("nll_loss2d", x, t, None, NONE), -np.where(t == 0, x[:, 0], x[:, 1]))
    same(run("nll_loss2d", x.reshape(1, 2, 6), t.reshape(1, 6)), np.asarray(-np.where(t == 0, x[:, 0], x[:, 1]).mean()))


def test_classes_are_checked():
    words = ["Target is out of bounds: there are 3 classes."]
    assert failed_checks("nll_loss", P, i64(0, 3)) == words
    assert failed_checks("nll_loss", P, i64(0, -1)) == words
    assert failed_checks("nll_loss", P, i64(0, -1), None, 1, -1) == []
    assert failed_checks("multi_margin_loss", P, i64(0, 3)) == ["target out of range"]
    assert failed_checks("multilabel_margin_loss", P, i64(0, 3, -1)) == ["argument #2 'target' is out of range"]


def test_margins():
    x = np.array([[0.1, 0.4, 0.2]])
    same(run("multi_margin_loss", x, i64(1)), np.asarray((0.7 + 0.8) / 3))
    same(run("multi_margin_loss", x, i64(1), 2, 0.5, f64(1, 2, 1)), np.asarray(2 * (0.2**2 + 0.3**2) / 3))
    # labels 2 and 0, what follows -1 does not count: only class 1 is compared with them
    same(
        run("multilabel_margin_loss", np.tile(x, (2, 1)), i64(2, 0, -1, 2, 0, -1).reshape(2, 3), NONE),
        f64(*[(1.2 + 1.3) / 3] * 2),
    )
    same(run("multilabel_margin_loss", x[0], i64(-1, 1, 1)), np.asarray(0.0))


def test_distances():
    a, b = f64(1, 2, 2), f64(1, 0, 0)
    same(run("pairwise_distance", a, b, 2.0, 0.0), np.asarray(math.sqrt(8)))
    same(run("pairwise_distance", a[None], b, 1.0, 0.5, True), np.array([[0.5 + 2.5 + 2.5]]))
    assert run("pairwise_distance", i64(1), i64(3)).dtype == np.float32
    same(run("cosine_similarity", a, b, 0), np.asarray(1 / 3))
    same(run("cosine_similarity", a[None], a[None] * 0, 1), f64(0))
    same(slopes("cosine_similarity", a * 0, b, 0), f64(1e8, 0, 0))
    assert run("cosine_similarity", f32(1), f64(1), 0).dtype == np.float64


def _by_enumeration(logs, target, blank=0):
    """The CTC loss as a sum over all paths."""
    total = 0.0
    for path in itertools.product(range(logs.shape[1]), repeat=logs.shape[0]):
        merged = [k for k, _ in itertools.groupby(path)]
        if [k for k in merged if k != blank] == list(target):
            total += math.exp(sum(logs[t, k] for t, k in enumerate(path)))
    return -math.log(total) if total else INF


def test_ctc():
    logs = np.log(np.random.default_rng(0).dirichlet(np.ones(3), (5, 4)))
    targets = i64(1, 2, 0, 1, 1, 0, 2, 0, 0, 0, 0, 0).reshape(4, 3)
    steps, lengths = i64(5, 4, 3, 2), i64(2, 2, 1, 0)
    for blank, rows in ((0, targets), (2, np.where(targets == 2, 0, targets))):
        expected = [
            _by_enumeration(logs[:n, i], rows[i, :k], blank)
            for i, (n, k) in enumerate(zip(steps, lengths, strict=True))
        ]
        same(run("_ctc_loss", logs, rows, steps, lengths, blank), f64(*expected))
    assert run("_ctc_loss", logs[:, :1], i64(1, 1, 1)[None], i64(4), i64(3), 0)[0] == INF
    assert np.isfinite(slopes("_ctc_loss", logs, targets, steps, lengths, 0)).all()
    assert len(failed_checks("_ctc_loss", logs, targets, steps + 1, lengths + 2, 0)) == 2
    assert len(failed_checks("_ctc_loss", logs, targets, steps - 3, lengths - 1, 0)) == 2


@pytest.mark.parametrize(
    ("name", "args", "error", "words"),
    [
        ("mse_loss", (i64(1), i64(1)), NotImplementedError, "\"mse_cpu\" not implemented for 'Long'"),
        ("mse_loss", (f32(1, 2), f32(1, 2, 3)), RuntimeError, "The size of tensor a (2) must match"),
        ("huber_loss", (X, Y, 1, 0.0), RuntimeError, "non-positive values for delta"),
        ("smooth_l1_loss", (X, Y, 1, -1.0), RuntimeError, "negative values for beta"),
        ("soft_margin_loss", (i64(1), i64(1)), RuntimeError, "can't be cast to the desired output type Long"),
        ("binary_cross_entropy", (f32(1), f64(1)), RuntimeError, "Found dtype Double but expected Float"),
        ("binary_cross_entropy_with_logits", (f32(1), i64(1)), RuntimeError, "can't be cast"),
        ("nll_loss", (P, i64(1)), ValueError, "Expected input batch_size (2) to match target batch_size (1)."),
        ("nll_loss", (P, f32(1, 2)), RuntimeError, "expected target dtype to be Long or Byte, but got Float"),
        ("nll_loss", (P, i64(1, 2)[:, None]), RuntimeError, "multi-target not supported"),
        ("nll_loss", (P, i64(1, 2), f64(1, 2)), RuntimeError, "all 3 classes or no classes"),
        ("nll_loss", (P[0], i64(1, 2)), ValueError, "1D target must have size 1, but got target size: 2"),
        ("multi_margin_loss", (P, i64(1)), RuntimeError, "Expected target size [2], but got [1]"),
        ("multi_margin_loss", (P, i64(1, 2), 3), RuntimeError, "only p == 1 and p == 2 supported"),
        ("multilabel_margin_loss", (P, i64(1, 2)), RuntimeError, "inconsistent target size: [2]"),
        (
            "_ctc_loss",
            (P[None], i64(1, 2)[:, None], i64(1, 1), i64(1, 1), 3),
            RuntimeError,
            "blank must be in label range",
        ),
        (
            "_ctc_loss",
            (P[None], i64(1, 2)[:, None], i64(1), i64(1, 1), 0),
            RuntimeError,
            "input_lengths must be of size",
        ),
        ("cosine_similarity", (i64(1), i64(1), 0), RuntimeError, "yet common dtype is Long"),
    ],
)
def test_refusals(name, args, error, words):
    with pytest.raises(error) as raised:
        TABLE[name](*args)
    assert words in str(raised.value)
