"""Every operator of torch's own database: values, gradients, methods, in-place and ``out=`` forms, and errors."""

import contextlib
import warnings
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

import pytest
import torch

import jtorch
from tests.conformance.opinfo import (
    OPS,
    back,
    cases,
    clone,
    convert,
    defined,
    flat,
    function,
    gap,
    nearer,
    samples,
    tolerance,
    turned,
)

pytestmark = pytest.mark.filterwarnings("ignore")


def _marked(kind: str, case: str, *values: Any) -> Any:
    """A test's parameters, expected to fail where the list of gaps has the case."""
    reason = gap(kind, case)
    marks = [] if reason is None else [pytest.mark.xfail(strict=True, reason=reason)]
    return pytest.param(*values, id=case, marks=marks)


def parametrize(kind: str) -> Any:
    """One test an operator and dtype."""
    return pytest.mark.parametrize(("op", "dtype"), [_marked(kind, case, op, dtype) for case, op, dtype in cases(kind)])


def compare(ours: Any, theirs: Any, op: Any, what: str) -> None:
    """Values, dtypes, shapes and structure."""
    ours, theirs = list(flat(back(ours))), list(flat(theirs))
    assert len(ours) == len(theirs), f"{what}: {len(ours)} results, torch gives {len(theirs)}"
    for mine, right in zip(ours, theirs, strict=True):
        if isinstance(right, torch.Tensor):
            torch.testing.assert_close(
                mine,
                right.detach().resolve_conj().resolve_neg(),
                equal_nan=True,
                msg=lambda m: f"{what}: {m}",
                **tolerance(op, right),
            )
        else:
            assert mine == right or (mine != mine and right != right), f"{what}: {mine}, torch gives {right}"


def describe(sample: Any) -> str:
    def short(x: Any) -> Any:
        if isinstance(x, torch.Tensor):
            return f"{str(x.dtype).removeprefix('torch.')}{list(x.shape)}"
        if isinstance(x, (list, tuple)):
            return [short(i) for i in x]
        return x

    kwargs = {k: short(v) for k, v in sample.kwargs.items()}
    return f"input={short(sample.input)} args={short(list(sample.args))} kwargs={kwargs}"


@contextlib.contextmanager
def seeded() -> Iterator[None]:
    """Both generators from the same seed."""
    torch.manual_seed(1)
    jtorch.manual_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@parametrize("forward")
def test_forward(op: Any, dtype: torch.dtype) -> None:
    """The results, and what is left in the inputs."""
    made = []  # looked at in the end: until then jtorch records, and compiles one program
    for sample in samples(op, dtype):
        with seeded():
            given = clone([sample.input, list(sample.args)])
            theirs = op(given[0], *given[1], **clone(sample.kwargs))
            mine = convert([sample.input, list(sample.args)])
            ours = function(op)(mine[0], *mine[1], **convert(sample.kwargs))
        made.append((sample, [ours, mine], [theirs, given]))
    for sample, (ours, mine), (theirs, given) in made:
        got, wanted = [defined(op, back(ours), dtype), back(mine)], [defined(op, theirs, dtype), given]
        try:
            compare(got, wanted, op, describe(sample))
        except AssertionError:
            if dtype != torch.bfloat16:
                raise
            compare(got, nearer(op, sample, got, wanted), op, describe(sample))


def _leaves(x: Any, kind: type) -> list:
    if isinstance(x, kind):
        return [x] if x.requires_grad else []
    if isinstance(x, dict):
        x = list(x.values())
    return [leaf for each in x for leaf in _leaves(each, kind)] if isinstance(x, (list, tuple)) else []


def _outputs(result: Any, kind: type) -> list:
    return [r for r in flat(result) if isinstance(r, kind) and r.requires_grad]


def _weight(like: torch.Tensor, seed: int) -> torch.Tensor:
    """What an output's gradient is taken to be: other numbers at each place."""
    angle = (torch.arange(like.numel(), dtype=torch.float64) * 0.7 + seed).reshape(like.shape)
    return (torch.polar(torch.ones_like(angle), angle) if like.is_complex() else angle.cos()).to(like.dtype)


class Gradients:
    """Gradients of several calls of an operator, taken all at once: one program instead of one a call."""

    def __init__(self, op: Any) -> None:
        self.op = op
        self.outs: tuple[list, list] = ([], [])
        self.leaves: tuple[list, list] = ([], [])
        self.whose: list[str] = []

    def add(self, what: str, ours: Any, theirs: Any, mine: list, given: list) -> None:
        """Remember the results and the arguments of a call: jtorch's, then torch's."""
        mine_out, given_out = _outputs(ours, jtorch.Tensor), _outputs(theirs, torch.Tensor)
        count, right = len(mine_out), len(given_out)
        assert count == right, f"{what}: {count} results have a gradient, in torch {right}"
        if right:
            self.outs[0].extend(mine_out)
            self.outs[1].extend(given_out)
            self.leaves[0].extend(_leaves(mine, jtorch.Tensor))
            self.leaves[1].extend(_leaves(given, torch.Tensor))
            self.whose += [what] * (len(self.leaves[1]) - len(self.whose))

    def compare(self) -> None:
        if not self.whose:
            return
        weights = [_weight(o, i) for i, o in enumerate(self.outs[1])]
        wanted = torch.autograd.grad(self.outs[1], self.leaves[1], weights, allow_unused=True)
        got = jtorch.autograd.grad(self.outs[0], self.leaves[0], convert(weights), allow_unused=True)
        for what, g, w in zip(self.whose, got, wanted, strict=True):
            if w is None or g is None:  # an input without influence: None and zeros say the same
                assert (g is None or not g.any()) and (w is None or not w.any()), what
            else:
                compare(g, w, self.op, f"{what}: gradient")


def _arguments(sample: Any) -> tuple[list, list]:
    """A sample's arguments, fresh: jtorch's, then torch's."""
    given = [sample.input, list(sample.args), sample.kwargs]
    return convert(given), clone(given)


SLOW = ("grid_sampler_3d", "linalg.eig*", "linalg.lu_factor*", "nn.functional.grid_sample", "pca_lowrank", "svd*")
"""Operators whose gradients take long to compile: fewer samples are taken."""


@parametrize("gradient")
def test_gradient(op: Any, dtype: torch.dtype) -> None:
    """Gradients of all inputs that torch differentiates."""
    gradients = Gradients(op)
    few = dtype.is_complex or any(fnmatch(op.name, pattern) for pattern in SLOW)
    for sample in samples(op, dtype, grad=True, count=2 if few else 4):
        mine, given = _arguments(sample)
        with seeded():
            theirs = sample.output_process_fn_grad(op(given[0], *given[1], **given[2]))
            ours = turned(sample.output_process_fn_grad)(function(op)(mine[0], *mine[1], **mine[2]))
        gradients.add(describe(sample), ours, theirs, mine, given)
    gradients.compare()


@parametrize("method")
def test_method(op: Any, dtype: torch.dtype) -> None:
    """The Tensor method of the same name."""
    name = op.method_variant.__name__
    method = turned(op.method_variant) if name == "<lambda>" else getattr(jtorch.Tensor, name)
    made = []
    for sample in samples(op, dtype)[:4]:
        with seeded():
            theirs = op.method_variant(clone(sample.input), *clone(sample.args), **clone(sample.kwargs))
            ours = method(convert(sample.input), *convert(sample.args), **convert(sample.kwargs))
        made.append((describe(sample), ours, theirs))
    for what, ours, theirs in made:
        compare(defined(op, back(ours), dtype), defined(op, theirs, dtype), op, what)


@parametrize("inplace")
def test_inplace(op: Any, dtype: torch.dtype) -> None:
    """``x.op_()``: the same object back, with the same elements; the same error where torch raises."""
    ours = turned(op.inplace_variant)
    made = []
    for sample in samples(op, dtype)[:6]:
        if sample.broadcasts_input:
            continue
        given, mine = clone(sample.input), convert(sample.input)
        with seeded():
            try:
                op.inplace_variant(given, *clone(sample.args), **clone(sample.kwargs))
            except Exception as error:
                with pytest.raises(type(error)):
                    ours(mine, *convert(sample.args), **convert(sample.kwargs))
                continue
            assert ours(mine, *convert(sample.args), **convert(sample.kwargs)) is mine
        made.append((describe(sample), mine, given))
    for what, mine, given in made:
        compare(mine, given, op, what)


@parametrize("inplace_gradient")
def test_inplace_gradient(op: Any, dtype: torch.dtype) -> None:
    """Gradients through ``x.op_()``."""
    written = turned(op.inplace_variant)
    gradients = Gradients(op)
    for sample in samples(op, dtype, grad=True, count=3):
        if sample.broadcasts_input:
            continue
        mine, given = _arguments(sample)
        with seeded():
            try:
                theirs = op.inplace_variant(given[0] * 1, *given[1], **given[2])
            except RuntimeError as error:
                with pytest.raises(type(error)):
                    written(mine[0] * 1, *mine[1], **mine[2])
                continue
            ours = written(mine[0] * 1, *mine[1], **mine[2])
        gradients.add(describe(sample), ours, theirs, mine, given)
    gradients.compare()


@parametrize("out")
def test_out(op: Any, dtype: torch.dtype) -> None:
    """``out=`` tensors of the right shape are written, and come back."""
    made = []
    for sample in samples(op, dtype)[:3]:
        with seeded():
            theirs = op(clone(sample.input), *clone(sample.args), **clone(sample.kwargs))
        several = isinstance(theirs, (tuple, list))
        parts = list(theirs) if several else [theirs]
        if not all(isinstance(p, torch.Tensor) for p in parts):
            continue
        mine = [convert(torch.zeros_like(p.detach().resolve_conj())) for p in parts]
        target = tuple(mine) if several else mine[0]
        with seeded():
            returned = function(op)(
                convert(sample.input), *convert(sample.args), **{**convert(sample.kwargs), "out": target}
            )
        assert all(a is b for a, b in zip(flat(returned), mine, strict=True)), describe(sample)
        made.append((describe(sample), target, theirs))
    for what, ours, theirs in made:
        compare(defined(op, back(ours), dtype), defined(op, theirs, dtype), op, what)


_WITH_ERRORS = {name: op for name, op in OPS.items() if op.error_inputs_func is not None}


@pytest.mark.parametrize("name", [_marked("errors", name, name) for name in _WITH_ERRORS])
def test_errors(name: str) -> None:
    """The database's wrong inputs raise what they raise in torch."""
    op = _WITH_ERRORS[name]
    torch.manual_seed(0)
    for error in op.error_inputs("cpu"):
        sample = error.sample_input
        if isinstance(sample.input, torch.Tensor) and sample.input.ndim > 64:
            continue  # more dimensions than an array of NumPy can have
        with seeded():
            try:
                op(clone(sample.input), *clone(sample.args), **clone(sample.kwargs))
            except Exception as raised:
                kind = type(raised)
            else:
                continue  # raises on another device only
            with pytest.raises(kind):
                made = function(op)(convert(sample.input), *convert(sample.args), **convert(sample.kwargs))
                for each in flat(made):  # what only the data can tell is raised when it is looked at
                    if isinstance(each, jtorch.Tensor):
                        each.tolist()
