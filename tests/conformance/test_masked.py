"""torch.masked against torch, beyond what its operator database has: names, dtypes, masks, errors."""

import inspect

import numpy as np
import pytest
import torch
import torch.masked

import jtorch.masked
from tests.conformance.live import same

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3, 4, 5))
MASK = RNG.integers(0, 2, (3, 4, 5)).astype(bool)
REDUCTIONS = ["sum", "prod", "amax", "amin", "mean", "norm", "std", "var", "logsumexp"]
ALONG = ["argmax", "argmin", "median", "cumsum", "cumprod", "softmax", "log_softmax", "softmin"]


def check(name, x, mask, *args, message=True, **kwargs):
    def program(lib, t, *m):
        return getattr(lib.masked, name)(t, *args, mask=m[0] if m else None, **kwargs)

    what = f"{name} of {x.dtype}{list(x.shape)} with {args} {kwargs}"
    same(program, x, *([] if mask is None else [mask]), what=what, grads=False, message=message)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name):
    first = (3.0,) if name == "norm" else ()
    for dim in [None, 0, -1, (0, 2), (), (1, 1), 3, (-4,)]:
        for mask in (None, MASK, MASK[:, :1], MASK[0, 0], MASK * 0):
            check(name, X, mask, *first, dim)
    check(name, X, MASK, *first, 1, keepdim=True)
    check(name, X, MASK[None], *first)
    check(name, X, MASK.astype(np.int64), *first)
    check(name, np.asarray(2.0), np.asarray(True), *first)
    for dtype in ["int64", "uint8", "int8", "bool", "float32", "complex64"]:
        # torch's own error for the identity of complex numbers is an accident of its iinfo
        check(name, (X * 3).astype(dtype), MASK, *first, 1, message=dtype != "complex64")


@pytest.mark.parametrize("name", ALONG)
def test_along_a_dim(name):
    for dim in (0, -1, 2, 3):
        for mask in (None, MASK, MASK[:, :1]):
            check(name, X, mask, dim)
    check(name, X, MASK[None], 0)
    for dtype in ["int64", "uint8", "float32"]:  # torch's softmax names other kernels for other dims
        check(name, (X * 3).astype(dtype), MASK | True, 1, message="soft" not in name)


@pytest.mark.parametrize("name", ["std", "var"])
def test_corrections(name):
    for args, kwargs in [((1, True), {}), ((1, False), {}), ((1,), {"correction": 0}), ((1,), {"correction": 3})]:
        check(name, X, MASK, *args, **kwargs)
        check(name, X, None, *args, **kwargs)
    check(name, X, MASK, 1, True, correction=1)


def test_others():
    check("normalize", X, MASK, 2.0, 1)
    check("normalize", X, MASK * 0, 2.0, 1, eps=0.5)
    same(lambda lib, a, b, m: lib.masked.logaddexp(a, b, input_mask=m, other_mask=m[0]), X, X + 1, MASK, grads=False)


def test_the_same_names_and_arguments():
    tensors = {"MaskedTensor", "masked_tensor", "as_masked_tensor", "is_masked_tensor"}
    assert set(jtorch.masked.__all__) == set(torch.masked.__all__) - tensors
    for name in jtorch.masked.__all__:
        ours, theirs = (inspect.signature(getattr(lib.masked, name)) for lib in (jtorch, torch))
        assert list(ours.parameters) == list(theirs.parameters)
        for mine, right in zip(ours.parameters.values(), theirs.parameters.values(), strict=True):
            assert (mine.kind, mine.default) == (right.kind, right.default), f"{name}: {mine.name}"
