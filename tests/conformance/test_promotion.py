"""Type promotion: every pair of dtypes, as tensors with dimensions, 0-d tensors and Python numbers, against torch."""

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch

import jtorch
from jtorch.engine.report import RecompileWarning
from tests.conformance.opinfo import back

DTYPES = (
    "bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64",
    "complex128",
)  # fmt: skip
WIDE_UNSIGNED = ("uint16", "uint32", "uint64")
NUMBERS: tuple[Any, ...] = (True, 2, -3, 1.5, 2 + 1j)

Program = Callable[..., Any]
Make = Callable[[Any], tuple]
OPERATORS: dict[str, Program] = {
    "result_type": lambda lib, a, b: lib.result_type(a, b),
    "add": lambda lib, a, b: lib.add(a, b),
    "mul": lambda lib, a, b: lib.mul(a, b),
    "sub": lambda lib, a, b: lib.sub(a, b),
    "div": lambda lib, a, b: lib.div(a, b),
    "pow": lambda lib, a, b: lib.pow(a, b),
    "remainder": lambda lib, a, b: lib.remainder(a, b),
    "floor_divide": lambda lib, a, b: lib.floor_divide(a, b),
    "maximum": lambda lib, a, b: lib.maximum(a, b),
    "atan2": lambda lib, a, b: lib.atan2(a, b),
    "bitwise_and": lambda lib, a, b: lib.bitwise_and(a, b),
    "bitwise_or": lambda lib, a, b: lib.bitwise_or(a, b),
    "bitwise_xor": lambda lib, a, b: lib.bitwise_xor(a, b),
    "left_shift": lambda lib, a, b: a << b,
    "logical_or": lambda lib, a, b: lib.logical_or(a, b),
    "eq": lambda lib, a, b: lib.eq(a, b),
    "lt": lambda lib, a, b: lib.lt(a, b),
    "ge": lambda lib, a, b: lib.ge(a, b),
    "where": lambda lib, a, b: lib.where(lib.tensor([True, False]), a, b),
    "cat": lambda lib, a, b: lib.cat([a.reshape(-1), b.reshape(-1)]),
    "stack": lambda lib, a, b: lib.stack([a.expand(2), b.expand(2)]),
    "clamp": lambda lib, a, b: lib.clamp(a, min=b),
    "add_": lambda lib, a, b: a.clone().add_(b),
    "mul_": lambda lib, a, b: a.clone().mul_(b),
    "sub_": lambda lib, a, b: a.clone().sub_(b),
    "div_": lambda lib, a, b: a.clone().div_(b),
    "pow_": lambda lib, a, b: a.clone().pow_(b),
    "copy_": lambda lib, a, b: a.clone().copy_(b),
    "eq_": lambda lib, a, b: a.clone().eq_(b),
    "out": lambda lib, a, b: lib.add(a, b, out=a.clone()),
    "operator +": lambda lib, a, b: a + b,
    "operator -": lambda lib, a, b: b - a,
    "operator /": lambda lib, a, b: b / a,
    "operator **": lambda lib, a, b: b**a,
    "operator >": lambda lib, a, b: b > a,
    "operator &": lambda lib, a, b: b & a,
    "operator //": lambda lib, a, b: b // a,
}
SMALL = {"bfloat16": 1e-2, "float16": 2e-3}


def outcome(program: Program, lib: Any, make: Make) -> tuple[Any, str | None]:
    """The result, or the class of the error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return program(lib, *make(lib)), None
        except Exception as error:
            return error, type(error).__name__


def same(program: Program, make: Make, what: str) -> str | None:
    """What is not the same in both; None where all is."""
    (theirs, their_error), (ours, our_error) = outcome(program, torch, make), outcome(program, jtorch, make)
    if "ComplexHalf" in str(theirs) or "complex32" in f"{theirs} {getattr(theirs, 'dtype', '')}":
        return None  # a dtype that jtorch does not have: it goes on in complex64
    if their_error or our_error:
        alike = bool(their_error) and isinstance(ours, type(theirs))
        return None if alike else f"{what}: {ours!r}, torch: {theirs!r}"
    if not isinstance(theirs, torch.Tensor):
        return None if str(ours) == str(theirs) else f"{what}: {ours}, torch: {theirs}"
    if str(ours.dtype) != str(theirs.dtype):
        return f"{what}: {ours.dtype}, torch: {theirs.dtype}"
    tolerance = max([1e-5, *[SMALL[kind] for kind in SMALL if kind in f"{what} {theirs.dtype}"]])
    try:
        torch.testing.assert_close(back(ours), theirs, rtol=tolerance, atol=tolerance, equal_nan=True)
    except AssertionError:
        return f"{what}: {ours}, torch: {theirs}"
    return None


def values(dtype: str, dims: bool) -> Any:
    """Small numbers that every dtype has, none of them 0."""
    return [1, 1] if dtype == "bool" and dims else [3, 2] if dims else 1 if dtype == "bool" else 2


def tensor(lib: Any, dtype: str, dims: bool) -> Any:
    """A tensor of these, with one dimension or none."""
    return lib.tensor(values(dtype, dims)).to(getattr(lib, dtype))


def operands(a: str, dims_a: bool, b: Any, dims_b: bool = True) -> Make:
    """A tensor and another one, or a number."""
    return lambda lib: (tensor(lib, a, dims_a), tensor(lib, b, dims_b) if isinstance(b, str) else b)


def dtypes(*names: str) -> Make:
    """The dtypes of these names."""
    return lambda lib: tuple(getattr(lib, name) for name in names)


def none_of(wrong: list[str | None]) -> None:
    """Fail with what is wrong."""
    assert not any(wrong), "\n".join(filter(None, wrong))


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.filterwarnings(f"ignore::{RecompileWarning.__module__}.{RecompileWarning.__name__}")
def test_tensors(name: str) -> None:
    """Every pair of dtypes, with and without dimensions."""
    none_of(
        [
            same(OPERATORS[name], operands(a, x, b, y), f"{a}{'[2]' * x}, {b}{'[2]' * y}")
            for a, b in itertools.product(DTYPES, DTYPES)
            for x, y in itertools.product((True, False), repeat=2)
        ]
    )


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.filterwarnings(f"ignore::{RecompileWarning.__module__}.{RecompileWarning.__name__}")
def test_numbers(name: str) -> None:
    """Every dtype with every kind of Python number."""
    none_of(
        [
            same(OPERATORS[name], operands(a, x, number), f"{a}{'[2]' * x}, {number}")
            for a in DTYPES
            for x in (True, False)
            for number in NUMBERS
        ]
    )


@pytest.mark.parametrize("name", ["result_type", "eq", "where", "cat", "copy_"])
def test_wide_unsigned(name: str) -> None:
    """The unsigned dtypes that torch promotes with few others."""
    pairs = itertools.product(WIDE_UNSIGNED, (*DTYPES, *WIDE_UNSIGNED))
    none_of([same(OPERATORS[name], operands(a, True, b), f"{a}, {b}") for a, b in pairs])


@pytest.mark.parametrize("name", ["promote_types", "can_cast"])
def test_dtypes(name: str) -> None:
    """Functions of two dtypes, on every pair."""

    def program(lib: Any, a: Any, b: Any) -> Any:
        return getattr(lib, name)(a, b)

    pairs = itertools.product((*DTYPES, *WIDE_UNSIGNED), repeat=2)
    none_of([same(program, dtypes(a, b), f"{a}, {b}") for a, b in pairs])


def cast_from(source: str, numbers: list[float]) -> Make:
    """A tensor of numbers in a dtype."""
    return lambda lib: (lib.tensor(numbers, dtype=lib.float64).to(getattr(lib, source)),)


@pytest.mark.parametrize("target", DTYPES)
def test_casts(target: str) -> None:
    """Values that do not fit; but those out of an integer's range that come from floats: C says nothing of them."""

    def program(lib: Any, t: Any) -> Any:
        return t.to(getattr(lib, target))

    wrong = []
    for source in ("float32", "float64", "int64", "bool", "complex64"):
        small = target in ("uint8", "int8", "int16") and source in ("float32", "float64", "complex64")
        numbers = [0.0, 2.7, 100.0] if small else [0.0, -1.5, 2.7, 300.0, -70000.0]
        wrong.append(same(program, cast_from(source, numbers), source))
    none_of(wrong)


DEFAULTED: list[Program] = [
    lambda lib, t: t / 2,
    lambda lib, t: t * 1.5,
    lambda lib, t: lib.tensor(1.5),
    lambda lib, t: lib.tensor([1.5, 2]),
    lambda lib, t: t.float() * 1.5,
    lambda lib, t: lib.ones(2),
    lambda lib, t: lib.sin(t),
    lambda lib, t: lib.arange(0, 1, 0.5),
    lambda lib, t: lib.full((2,), 1.5),
    lambda lib, t: t * (1 + 1j),
    lambda lib, t: t.mean(dtype=float),
]


@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_another_default(dtype: str) -> None:
    """With another default dtype floats and quotients of integers have it."""
    for lib in (torch, jtorch):
        lib.set_default_dtype(getattr(lib, dtype))
    try:
        none_of([same(p, lambda lib: (lib.tensor([1, 2]),), str(i)) for i, p in enumerate(DEFAULTED)])
    finally:
        for lib in (torch, jtorch):
            lib.set_default_dtype(lib.float32)
