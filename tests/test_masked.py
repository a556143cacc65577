"""torch.masked against the same functions of the elements that count."""

import math

import numpy as np
import pytest

import jtorch
from jtorch import masked

X = jtorch.tensor([[3.0, -1.0, 2.0, 5.0], [0.5, 4.0, -2.0, 1.0]], dtype=jtorch.float64)
MASK = jtorch.tensor([[True, False, True, True], [False, True, True, False]])
ROWS = [X[i][MASK[i]] for i in range(2)]  # what counts


def near(a, b):
    np.testing.assert_allclose(np.asarray(a.tolist()), np.asarray(b), atol=1e-12)


@pytest.mark.parametrize(
    ("name", "args", "plain"),
    [
        ("sum", (), lambda r: r.sum()),
        ("prod", (), lambda r: r.prod()),
        ("amax", (), lambda r: r.max()),
        ("amin", (), lambda r: r.min()),
        ("mean", (), lambda r: r.mean()),
        ("median", (), lambda r: r.median()),
        ("logsumexp", (), lambda r: r.exp().sum().log()),
        ("std", (), lambda r: r.std()),
        ("var", (), lambda r: r.var()),
        ("var", (False,), lambda r: r.var(unbiased=False)),
    ],
)
def test_reductions(name, args, plain):
    made = getattr(masked, name)(X, 1, *args, mask=MASK)
    near(made, [plain(r).item() for r in ROWS])
    assert getattr(masked, name)(X, 1, *args, mask=MASK, keepdim=True).shape == (2, 1)
    near(getattr(masked, name)(X, 1, *args), [plain(r).item() for r in X])


def test_norms():
    for order in (0.5, 1, 2, math.inf, -math.inf):
        near(masked.norm(X, order, 1, mask=MASK), [jtorch.linalg.vector_norm(r, order).item() for r in ROWS])
    unit = masked.normalize(X, 2.0, 1, mask=MASK)
    near(unit.norm(dim=1), [1, 1])
    assert not unit[~MASK].any()


def test_places():
    assert masked.argmax(X, 1, mask=MASK).tolist() == [3, 1]
    assert masked.argmin(X, 1, mask=MASK).tolist() == [2, 2]
    assert masked.argmax(X, 1, mask=MASK).dtype == X.dtype


def test_results_of_the_same_shape():
    near(masked.cumsum(X, 1, mask=MASK), [[3, 3, 5, 10], [0, 4, 2, 2]])
    near(masked.cumprod(X, 1, mask=MASK), [[3, 3, 6, 30], [1, 4, -8, -8]])
    soft = masked.softmax(X, 1, mask=MASK)
    near(soft[0][MASK[0]], ROWS[0].softmax(0).tolist())
    assert not soft[~MASK].any()
    near(masked.log_softmax(X, 1, mask=MASK)[1][MASK[1]], ROWS[1].log_softmax(0).tolist())
    near(masked.softmin(X, 1, mask=MASK)[1][MASK[1]], (-ROWS[1]).softmax(0).tolist())
    sums = masked.logaddexp(X, X, input_mask=MASK)
    near(sums, jtorch.where(MASK, X + math.log(2), X).tolist())


def test_all_dims_and_masks_that_broadcast():
    row = jtorch.tensor([True, False, False, True])
    assert masked.sum(X, mask=row).item() == 9.5
    assert masked.sum(X, (0, 1), mask=row).item() == masked.sum(X, (), mask=row).item() == 9.5
    near(masked.mean(X, 0, mask=jtorch.tensor([[True], [False]])), X[0].tolist())


def test_nothing_counts():
    none = jtorch.zeros(4, dtype=jtorch.bool)
    assert masked.sum(X, 1, mask=none).tolist() == [0, 0]
    assert masked.amax(X, 1, mask=none).tolist() == [-math.inf] * 2
    assert masked.mean(X, 1, mask=none).isnan().all()
    assert masked.median(X, 1, mask=none).isnan().all()
    assert masked.amin(X.long(), 1, mask=none).tolist() == [2**63 - 1] * 2


def test_dtypes():
    bytes_ = X.abs().to(jtorch.uint8)
    assert masked.sum(bytes_, 1, mask=MASK).dtype == jtorch.int64
    assert masked.amax(bytes_, 1, mask=MASK).dtype == jtorch.uint8
    assert masked.mean(bytes_, 1, mask=MASK, dtype=jtorch.float32).tolist() == [pytest.approx(10 / 3), 3.0]
    assert masked.std(bytes_, 1, mask=MASK).dtype == jtorch.float32


def test_gradient_only_of_what_counts():
    x = X.clone().requires_grad_()
    masked.sum(x, mask=MASK).backward()
    assert x.grad.tolist() == MASK.double().tolist()


def test_errors():
    for error, message, call in [
        (IndexError, "mask dimensionality higher than of the input", lambda: masked.sum(X[0], mask=MASK)),
        (ValueError, "mean\\(\\): Could not infer output dtype. Input", lambda: masked.mean(X.long(), mask=MASK)),
        (ValueError, "no fully masked out rows", lambda: masked.median(X.long(), mask=~MASK & MASK)),
        (NotImplementedError, "identity of amax on torch.bool input", lambda: masked.amax(X > 0, mask=MASK)),
        (RuntimeError, "dim=1 appears multiple times", lambda: masked.sum(X, (1, 1))),
        (IndexError, "Dimension out of range", lambda: masked.sum(X, 2)),
        (AssertionError, "Only one of unbiased and correction", lambda: masked.var(X, 1, True, correction=1)),
    ]:
        with pytest.raises(error, match=message):
            call()
