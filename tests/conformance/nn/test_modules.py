"""Every module of ``torch.nn``, run on both libraries: weights from the same seed, outputs, gradients, repr,
state dict.
"""

import copy
import pickle
import re
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import jtorch
from tests.conformance.nn.module_cases import CASES, UNCALLED, Case

# Older names and odd combinations warn, in both libraries alike.
pytestmark = pytest.mark.filterwarnings("ignore")


def _argument(lib: Any, x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return lib.tensor(x)
    return x(lib) if callable(x) else x


def _build(lib: Any, case: Case) -> Any:
    lib.manual_seed(7)
    args = [_argument(lib, a) for a in case.args]
    return getattr(lib.nn, case.name)(*args, **{k: _argument(lib, v) for k, v in case.kwargs.items()})


def _inputs(lib: Any, case: Case) -> list:
    made = [_argument(lib, x) for x in case.inputs]
    for t in made[: case.grad]:
        if isinstance(t, lib.Tensor) and t.is_floating_point():
            t.requires_grad_(True)
    return made


def _tensors(lib: Any, out: Any) -> Iterator[Any]:
    """The tensors in a result, in order."""
    if isinstance(out, lib.Tensor):
        yield out
    elif isinstance(out, (tuple, list)):
        for each in out:
            yield from _tensors(lib, each)


def _numpy(t: Any) -> np.ndarray:
    return np.asarray(t.detach().numpy())


def _run(lib: Any, case: Case, module: Any) -> tuple[list, dict]:
    """The results of a call, and the gradients of a fixed sum of them."""
    inputs = _inputs(lib, case)
    lib.manual_seed(11)
    outs = list(_tensors(lib, module(*inputs, **{k: _argument(lib, v) for k, v in case.call.items()})))
    results = [_numpy(t) for t in outs]
    grads = {}
    differentiable = [t for t in outs if t.requires_grad]
    if differentiable:
        weights = np.random.default_rng(3)
        total = sum(
            (t * lib.tensor(weights.uniform(0.5, 1.5, tuple(t.shape)).astype(np.float32))).sum() for t in differentiable
        )
        total.backward()
        named = {f"input{i}": t for i, t in enumerate(inputs) if isinstance(t, lib.Tensor)}
        named |= dict(module.named_parameters())
        grads = {name: None if t.grad is None else _numpy(t.grad) for name, t in named.items() if t.requires_grad}
    return results, grads


def _same(got: np.ndarray, want: np.ndarray, tol: float, what: str) -> None:
    assert got.dtype == want.dtype, what
    np.testing.assert_allclose(got, want, rtol=tol, atol=tol, err_msg=what)


def _same_state(ours: Any, theirs: Any, tol: float) -> None:
    got, want = ours.state_dict(), theirs.state_dict()
    assert list(got) == list(want)
    assert got._metadata == want._metadata
    for key in want:
        _same(_numpy(got[key]), _numpy(want[key]), tol, key)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_module(case: Case) -> None:
    theirs, ours = _build(torch, case), _build(jtorch, case)
    lazy = case.name.startswith("Lazy")
    assert repr(ours) == repr(theirs)
    if not lazy:
        _same_state(ours, theirs, 0)
    for training in (True, False):
        theirs.train(training)
        ours.train(training)
        if training or not lazy:
            ours.zero_grad()
            theirs.zero_grad()
        want, want_grads = _run(torch, case, theirs)
        got, got_grads = _run(jtorch, case, ours)
        assert len(got) == len(want)
        for i, (g, w) in enumerate(zip(got, want, strict=True)):
            _same(g, w, case.tol, f"result {i}, training={training}")
        assert got_grads.keys() == want_grads.keys()
        for name, w in want_grads.items():
            if w is None and case.unused:
                assert got_grads[name] is not None and not got_grads[name].any(), name
            elif w is None:
                assert got_grads[name] is None, name
            else:
                _same(got_grads[name], w, 10 * case.tol, f"gradient of {name}, training={training}")
        # Running statistics, and what a lazy module has drawn.
        _same_state(ours, theirs, case.tol)
        assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_state_dict_goes_both_ways(case: Case) -> None:
    if case.name.startswith("Lazy"):
        trained, theirs, ours = _build(torch, case), _build(torch, case), _build(jtorch, case)
        trained(*_inputs(torch, case))
        source = trained.state_dict()
        theirs.load_state_dict(source)
        ours.load_state_dict({k: jtorch.tensor(_numpy(v)) for k, v in source.items()})
        try:
            want = _run(torch, case, theirs.eval())[0]
        except ValueError as refusal:  # torch leaves num_features at 0 when the numbers come from a file
            with pytest.raises(ValueError, match=re.escape(str(refusal))):
                _run(jtorch, case, ours.eval())
            return
        got = _run(jtorch, case, ours.eval())[0]
        for g, w in zip(got, want, strict=True):
            _same(g, w, case.tol, "result")
        return
    theirs, ours = _build(torch, case), _build(jtorch, case)
    shifted = {k: v + 1 if v.is_floating_point() else v for k, v in theirs.state_dict().items()}
    theirs.load_state_dict(shifted)
    ours.load_state_dict({k: jtorch.tensor(_numpy(v)) for k, v in shifted.items()})
    _same_state(ours, theirs, 0)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_copies_are_the_same_and_apart(case: Case) -> None:
    module = _build(jtorch, case).eval()
    copies = [copy.deepcopy(module)]
    if "<lambda>" not in repr(vars(module)):  # which pickle refuses
        copies.append(pickle.loads(pickle.dumps(module)))
    ours = {id(x) for x in (*module.parameters(), *module.buffers())}
    for made in copies:
        assert type(made) is type(module) and repr(made) == repr(module)
        assert not ours & {id(x) for x in (*made.parameters(), *made.buffers())}
        if not case.name.startswith("Lazy"):
            _same_state(made, module, 0)
    want = _run(jtorch, case, module)[0]
    for made in copies:
        for g, w in zip(_run(jtorch, case, made)[0], want, strict=True):
            _same(g, w, 0, "result")


def test_the_table_has_every_class() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        classes = {name for name in torch.nn.modules.__all__ if isinstance(getattr(torch.nn, name), type)}
    assert classes - UNCALLED <= {case.name for case in CASES}
    for name in classes:
        assert hasattr(jtorch.nn, name), name
