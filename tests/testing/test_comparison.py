"""assert_close: what is close, and what it says of what is not."""

import numpy as np
import pytest

import jtorch
from jtorch.testing import assert_allclose, assert_close

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("actual", "expected", "rules"),
    [
        (jtorch.ones(2), jtorch.ones(2) + 1e-6, {}),
        (1.0, 1.0 + 1e-9, {}),
        ({"a": [1, None, True]}, {"a": [1, None, True]}, {}),
        ([jtorch.tensor(1)], (jtorch.tensor(1),), {}),
        (jtorch.tensor([NAN, INF]), jtorch.tensor([NAN, INF]), {"equal_nan": True}),
        (jtorch.tensor([1]), jtorch.tensor([1.0]), {"check_dtype": False}),
        (np.float32(1.0), 1.0, {}),
        (np.ones(2), np.ones(2), {}),
        (jtorch.ones(2, requires_grad=True), jtorch.ones(2), {}),
        (jtorch.nn.Parameter(jtorch.ones(2)), jtorch.ones(2), {}),
        (jtorch.ones(2, dtype=jtorch.bfloat16), jtorch.ones(2, dtype=jtorch.bfloat16) * 1.01, {}),
        (jtorch.ones(0), jtorch.ones(0), {}),
        (1.0, 1.4, {"rtol": 0.3, "atol": 0}),
    ],
)
def test_close(actual, expected, rules):
    assert_close(actual, expected, **rules)


@pytest.mark.parametrize(
    ("actual", "expected", "rules", "message"),
    [
        (
            jtorch.tensor([[1.0, 2.0], [3.0, 4.0]]), jtorch.tensor([[1.0, 2.0], [3.0, 40.0]]), {},
            "Tensor-likes are not close!\n\nMismatched elements: 1 / 4 (25.0%)\n"
            "Greatest absolute difference: 36.0 at index (1, 1) (up to 1e-05 allowed)\n"
            "Greatest relative difference: 0.8999999761581421 at index (1, 1) (up to 1.3e-06 allowed)",
        ),
        (
            jtorch.tensor([1, 2]), jtorch.tensor([1, 3]), {},
            "Tensor-likes are not equal!\n\nMismatched elements: 1 / 2 (50.0%)\n"
            "Greatest absolute difference: 1 at index (1,)\n"
            "Greatest relative difference: 0.3333333432674408 at index (1,)",
        ),
        (
            [1.0, {"x": 2.0}], [1.0, {"x": 4.0}], {},
            "Scalars are not close!\n\nExpected 4.0 but got 2.0.\nAbsolute difference: 2.0 (up to 1e-07 allowed)\n"
            "Relative difference: 0.5 (up to 1e-07 allowed)\n\nThe failure occurred for item [1]['x']",
        ),
        (jtorch.tensor(NAN), jtorch.tensor(NAN), {}, "Expected nan but got nan."),
        (jtorch.ones(2), jtorch.ones(3), {}, "'shape' do not match: torch.Size([2]) != torch.Size([3])."),
        (jtorch.ones(2), jtorch.ones(2).long(), {}, "'dtype' do not match: torch.float32 != torch.int64."),
        (jtorch.ones(2), jtorch.ones(2, device="meta"), {}, "'device' do not match: cpu != meta."),
        (jtorch.ones(4)[::2], jtorch.ones(2), {"check_stride": True}, "'stride()' do not match: (2,) != (1,)."),
        (1, 1.0, {}, "The (d)types do not match: <class 'int'> != <class 'float'>."),
        (True, False, {}, "Booleans mismatch: True is not False"),
        (None, 1, {}, "None mismatch: None is not 1"),
        ([1, 2], [1], {}, "The length of the sequences mismatch: 2 != 1"),
        ({"a": 1}, {"b": 1}, {}, "Missing keys in the actual mapping: ['b']\nAdditional keys"),
        (1, 2, {"msg": "mine"}, "mine"),
        (1, 2, {"msg": lambda text: f"so: {text}"}, "so: Scalars are not equal!"),
    ],
)  # fmt: skip
def test_not_close(actual, expected, rules, message):
    with pytest.raises(AssertionError) as error:
        assert_close(actual, expected, **rules)
    assert message in str(error.value)


def test_what_cannot_be_compared():
    for actual, expected in (("a", "a"), (jtorch.ones(1), [1.0]), (object(), object()), ({}, [])):
        with pytest.raises(TypeError, match="No comparison pair was able to handle"):
            assert_close(actual, expected)
    with pytest.raises(TypeError, match="No comparison pair"):
        assert_close(jtorch.nn.Parameter(jtorch.ones(1)), jtorch.ones(1), allow_subclasses=False)
    with pytest.raises(ValueError, match="but got no atol"):
        assert_close(1.0, 1.0, rtol=1)


def test_the_older_one():
    with pytest.warns(FutureWarning, match="assert_close"):
        assert_allclose(jtorch.ones(2), jtorch.ones(2, dtype=jtorch.float64) + 5e-5)
    with pytest.warns(FutureWarning), pytest.raises(AssertionError, match="up to 0.0001 allowed"):
        assert_allclose([1.0], [2.0])
