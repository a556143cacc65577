"""Index forms, read and written, with gradients, against torch."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch

import jtorch
from jtorch.engine.report import RecompileWarning
from tests.conformance.opinfo import back

SHAPES = [(3, 4, 5), (4,), (), (1, 4), (0, 3), (2, 3, 4, 2)]

INDICES = [
    # numbers and slices
    "0", "-1", "3", "-4", "0, 0", "0, -1, 2", "-1, ..., 0", "...", "(...,)", "()", "None", "None, 0", "..., None",
    "0, None", "None, ..., None", ":", "1:", ":2", "-2:", ":-1", "1:3", "::2", "1::2", "::3", "5:2", "-100:100",
    "2:2", ":, 1", ":, ::2", "..., 1", "..., ::2", "..., 1:3, :", "0:2, 1:3, ::2", "None, :, None, 0", ":, None",
    "..., -1, :2", "slice(None)", "slice(1, None, 2)", "np.int64(1)", "np.int64(-1), 0", "True", "False", "True, 0",
    "None, True", "..., True", "...,  False", "torch.tensor(1)", "torch.tensor(-1), 0", "torch.tensor(1):",
    ":torch.tensor(2)", "np.int32(1):", "0, 0, 0, 0, 0", "..., ...", "::-1", "::0", "1.5", "'a'", "1:'a'", "{}",
    "torch.tensor(0.5)",
    # integer tensors, lists and arrays
    "torch.tensor([0, 2])", "torch.tensor([0, -1])", "torch.tensor([[0, 1], [1, 0]])",
    "torch.tensor([], dtype=torch.long)", "torch.tensor([0, 1], dtype=torch.int32)",
    "torch.tensor([0, 1], dtype=torch.int16)", "torch.tensor([0, 1], dtype=torch.int8)", "torch.tensor([5])",
    "torch.tensor([-6])", "[0, 1]", "[[0, 1], [1, 0]]", "[0, -1]", "[]", "[0]", "[[0]]", "(0, 1)", "[0, 1], 0",
    "np.array([0, 1])", "np.array([[0, 1]])", "np.array(1)", "np.array([0, 1], dtype=np.int32)",
    "np.array([], dtype=np.int64)", "range(2)", "[True, False]", "[0, True]", "[torch.tensor(0), torch.tensor(1)]",
    "[slice(0, 2), 0]", "[None, 0]", "[..., 0]", "[1.5]", "['a']", "[[0, 1], [1]]", "[0, [1, 0]]",
    # several, and mixed with slices
    "torch.tensor([0, 1]), torch.tensor([1, 0])", "torch.tensor([0, 1]), 0", "0, torch.tensor([0, 1])",
    "torch.tensor([[0], [1]]), torch.tensor([0, 1])", "torch.tensor([0, 1]), torch.tensor([0, 1, 2])",
    ":, torch.tensor([0, 2])", "..., torch.tensor([0, 1])", "torch.tensor([0, 1]), ...",
    "torch.tensor([0, 1]), :, torch.tensor([1, 0])", "0, :, torch.tensor([1, 0])", "torch.tensor([0, 1]), :, 0",
    ":, torch.tensor([1, 0]), torch.tensor([1, 0])", ":, torch.tensor([0, 1]), 1:3", "1:, torch.tensor([0, 1])",
    "torch.tensor([0, 1]), 1:3", "torch.tensor([0, 1]), ::2, None", "None, torch.tensor([0, 1])",
    "torch.tensor([0, 1]), None, torch.tensor([0, 1])", "torch.tensor(0), torch.tensor([0, 1])",
    "torch.tensor(0), :, torch.tensor([0, 1])", "torch.tensor([0, 1]), torch.tensor(1)", ":, [0, 1]",
    "[0, 1], [1, 0]", "[0, 1], :, [0, 1]", "[[0, 1]], [[1, 0]]", "np.array([0, 1]), [1, 0]", "..., [0, 1], 0",
    "[0, 1], ..., [0, 1]", "torch.tensor([[0, 1], [1, 0]]), torch.tensor([[0, 1], [1, 0]])",
    "torch.tensor([0, 1]), True", "True, torch.tensor([0, 1])", "torch.tensor([0, 0, 0])",
    "torch.tensor([0, 0]), torch.tensor([1, 1])",
    # masks
    "x > 0", "x > 100", "x < 100", "x > 0, None", "x[..., 0] > 0", "x[0] > 0", "torch.tensor([True, False, True])",
    "torch.tensor([True, False, True]), 0", "torch.tensor([True, False, True]), 1:",
    ":, torch.tensor([True, False, True, True])", "..., torch.tensor([True, False, True, True])",
    "torch.tensor([False, False, False])", "torch.tensor([True, False])",
    "torch.tensor([True, False, True]), torch.tensor([0, 1])",
    "torch.tensor([True, True, True]), torch.tensor([True, False, True, True])",
    "torch.tensor([True, False, True]), torch.tensor([True, False, True, True])", "torch.tensor(True)",
    "torch.tensor(False)", "torch.tensor(True), 0", "[True, False, True]", "[[True, False, True, True]] * 3",
    "np.array([True, False, True])", "np.array([True, False, True, False])", "torch.ones(3, 4) > 0",
    "torch.ones(3, 4) > 0, 0", "0, torch.ones(4, 5) > 0", ":, torch.ones(4, 5) > 0", "torch.ones(3, 5) > 0",
    "torch.tensor([1, 0, 1], dtype=torch.uint8)", "torch.tensor([1, 0, 1, 1], dtype=torch.uint8)",
    "torch.ones(3, 4, 5, 1) > 0", "torch.zeros(0, dtype=torch.bool)",
]  # fmt: skip

VALUES = [
    "7", "2.5", "True", "torch.tensor(3.0)", "torch.tensor(3)", "torch.ones(1)", "torch.ones(5)", "torch.ones(1, 1)",
    "like", "like[None]", "like.long()", "like * 0 + 2.5", "[1.0, 2.0]", "torch.ones(2, 3, 7)", "1j", "'a'", "None",
]  # fmt: skip


def numbers(lib: Any, shape: tuple[int, ...]) -> Any:
    """A tensor whose elements all differ, some of them negative."""
    n = int(np.prod(shape))
    return lib.arange(n, dtype=lib.float32).reshape(shape) * 2 - 7


def run(lib: Any, shape: tuple[int, ...], program: str) -> tuple[list[Any], Exception | None]:
    """What ``program`` leaves in ``r``, and the gradient of ``leaf`` where it is of the first shape; or its error."""
    leaf = numbers(lib, shape).requires_grad_(shape == SHAPES[0])
    names = {"torch": lib, "np": np, "x": leaf * 1, "leaf": leaf}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(program, names)
            made = names["r"]
            if made.requires_grad and made.numel():
                (made * lib.arange(made.numel(), dtype=made.dtype).reshape(made.shape).cos()).sum().backward()
            made.detach().sum().item()  # an index out of range is noticed at the latest now
            extra = [names["v"].grad] if getattr(names.get("v"), "requires_grad", False) else []
            return [made, leaf.grad, *extra], None
        except Exception as error:
            return [], error


def compare(shape: tuple[int, ...], program: str) -> str | None:
    """What differs; None where nothing does."""
    (theirs, their_error), (ours, our_error) = run(torch, shape, program), run(jtorch, shape, program)
    what = f"{shape}: {program}"
    if their_error or our_error:
        if not their_error or not isinstance(our_error, type(their_error)):
            return f"{what}: {our_error!r} {ours}, torch: {their_error!r} {theirs}"
        return None
    for mine, right in zip(ours, theirs, strict=True):
        if right is None and mine is not None and not mine.numel():
            continue
        if (mine is None) != (right is None):
            return f"{what}: gradient {mine}, torch: {right}"
        if right is None:
            continue
        try:
            torch.testing.assert_close(back(mine), right.detach())
        except AssertionError as error:
            return f"{what}: {mine}, torch: {right}\n{error}"
    return None


def none_of(wrong: list[str | None]) -> None:
    """Fail with what is wrong."""
    assert not any(wrong), "\n".join(filter(None, wrong))


quiet = pytest.mark.filterwarnings(f"ignore::{RecompileWarning.__module__}.{RecompileWarning.__name__}")


@quiet
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_get(shape: tuple[int, ...]) -> None:
    """``x[index]``: values, shape and gradient, or the class of the error."""
    none_of([compare(shape, f"r = x[{index}]") for index in INDICES if shape or "'a'" not in index])


@quiet
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_set_a_number(shape: tuple[int, ...]) -> None:
    """``x[index] = 2.5``; the gradient is 0 where it was written."""
    none_of([compare(shape, f"x[{index}] = 2.5; r = x") for index in INDICES if shape or "'a'" not in index])


@quiet
def test_set_a_tensor() -> None:
    """``x[index] = v``, with a gradient for ``v`` too."""
    program = "v = (x[{0}].detach() * 0 + 1.5).requires_grad_(); x[{0}] = v; r = x"
    repeated = ("[0, 0", "[1, 1", "[[0, 1], [1, 0]]")  # which of several values a place gets is not said
    none_of([compare(SHAPES[0], program.format(i)) for i in INDICES[::3] if not any(r in i for r in repeated)])


@quiet
def test_add_in_place() -> None:
    """``x[index] += 1``."""
    none_of([compare(SHAPES[0], f"x[{index}] += 1; r = x") for index in INDICES[1::3]])
    none_of([compare(SHAPES[1], f"x[{index}] += 1; r = x") for index in INDICES])


@quiet
@pytest.mark.parametrize(
    "index", ["0", "1:3", "...", ":, 0", "torch.tensor([0, 2])", "x > 0", "[0, 1]", "0, [1, 2]", "None"]
)
def test_set_values(index: str) -> None:
    """Every kind of value, broadcast and cast."""
    program = f"like = x[{index}].detach().clone(); x[{index}] = {{}}; r = x"
    none_of([compare((3, 4, 5), program.format(v)) for v in VALUES])
    whole = f"x = torch.arange(60).reshape(3, 4, 5) - 7; {program}"
    none_of([compare((3, 4, 5), whole.format(v)) for v in VALUES])


FUNCTIONS = [
    "x.index_select(0, torch.tensor([2, 0]))", "x.index_select(1, torch.tensor([0, 0]))",
    "x.index_select(-1, torch.tensor(1))", "x.gather(1, torch.tensor([[[0, 1], [2, 3]]]))",
    "x.take(torch.tensor([0, -1, 7]))", "x.take_along_dim(x.argsort(1), 1)", "x.masked_select(x > 0)",
    "x.masked_fill(x > 0, 2.0)", "x.index_fill(0, torch.tensor([1]), 3.0)", "x.select(1, -1)",
    "x.index_add(0, torch.tensor([0, 0]), torch.ones(2, 4, 5))",
    "x.index_copy(0, torch.tensor([1]), torch.ones(1, 4, 5))",
    "x.scatter(0, torch.zeros(1, 4, 5, dtype=torch.long), 2.0)", "x.narrow(1, 1, 2)",
    "x.index_put((torch.tensor([0]),), torch.tensor(9.0))",
    "x.scatter_add(0, torch.zeros(2, 4, 5, dtype=torch.long), torch.ones(2, 4, 5))",
    "x.masked_scatter(x > 0, torch.arange(60.0))",
    "x.index_put((torch.tensor([0, 0]),), torch.tensor(1.0), accumulate=True)",
    "x.put(torch.tensor([0, 1]), torch.tensor([5.0, 6.0]))", "x.diagonal(0, 1, 2)", "x.unfold(2, 2, 2)",
    "x.take(torch.tensor([[0, 1]]))", "x.index_reduce(0, torch.tensor([0, 0]), torch.ones(2, 4, 5), 'amax')",
    "x.flatten()[x.flatten().nonzero().squeeze()]", "x.where(x > 0, torch.tensor(0.0))",
    "x.slice_scatter(torch.zeros(3, 1, 5), 1, 0, 1)", "x.select_scatter(torch.zeros(3, 5), 1, 0)",
    "x.diagonal_scatter(torch.zeros(5, 3), 0, 0, 1)",
]  # fmt: skip


@quiet
@pytest.mark.parametrize("program", FUNCTIONS)
def test_functions(program: str) -> None:
    """The functions that index, out of place and, where torch has that, in place."""
    assert not (wrong := compare((3, 4, 5), f"r = {program}")), wrong
    name = program.split("(")[0].removeprefix("x.")
    if hasattr(torch.Tensor, name + "_"):
        inplace = program.replace(f"x.{name}(", f"x.{name}_(", 1)
        assert not (wrong := compare((3, 4, 5), f"{inplace}; r = x")), wrong
