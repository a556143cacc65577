"""``assert_close``: whether two tensors, numbers, or containers of them are as good as equal, and what is not."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import jtorch
from jtorch.tensor.tensor import Tensor

__all__ = ["assert_allclose", "assert_close"]

# dtype -> (rtol, atol); other dtypes are compared exactly
_TOLERANCES = {
    "float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7),
    "complex64": (1.3e-6, 1e-5), "complex128": (1e-7, 1e-7),
}  # fmt: skip
_OLD_TOLERANCES = {"float16": (1e-3, 1e-3), "float32": (1e-4, 1e-5), "float64": (1e-5, 1e-8)}
_PYTHON = {float: "float64", complex: "complex128", int: "int64"}
_NUMBERS = (int, float, complex, np.number)
_BOOLS = (bool, np.bool_)
_Path = tuple[Any, ...]


@dataclass
class _Rules:
    allow_subclasses: bool
    rtol: float | None
    atol: float | None
    equal_nan: bool
    check_device: bool
    check_dtype: bool
    check_layout: bool
    check_stride: bool

    def tolerances(self, *dtypes: str) -> tuple[float, float]:
        if self.rtol is not None and self.atol is not None:
            return self.rtol, self.atol
        found = [_TOLERANCES.get(d, (0.0, 0.0)) for d in dtypes]
        return max(r for r, _ in found), max(a for _, a in found)


class _Mismatch(Exception):
    def __init__(self, message: str, path: _Path = (), kind: type[Exception] = AssertionError) -> None:
        self.kind = kind
        self.message = message
        if path:
            self.message += f"\n\nThe failure occurred for item {''.join(f'[{p!r}]' for p in path)}"


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raise AssertionError unless ``|actual - expected| <= atol + rtol * |expected|`` everywhere, and shapes, dtypes,
    devices and layouts are equal; by default the tolerances are those of the dtype, none for integers.

    Sequences and mappings are compared item by item. Raises TypeError for what is neither a tensor, an array nor a
    number, and ValueError where only one tolerance is given. ``msg`` takes the place of the message, or makes it.
    """
    __tracebackhide__ = True
    if (rtol is None) != (atol is None):
        raise ValueError(
            "Both 'rtol' and 'atol' must be either specified or omitted, but got no "
            f"{'rtol' if rtol is None else 'atol'}."
        )
    rules = _Rules(allow_subclasses, rtol, atol, equal_nan, check_device, check_dtype, check_layout, check_stride)
    try:
        for mine, right, path in list(_pairs(actual, expected, (), rules)):
            _compare(mine, right, path, rules)
    except _Mismatch as mismatch:
        kind, text = mismatch.kind, mismatch.message
    else:
        return
    if kind is AssertionError and msg is not None:
        text = msg(text) if callable(msg) else msg
    raise kind(text)


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """The older ``assert_close``, which looks neither at dtypes nor at devices."""
    warnings.warn(
        "`torch.testing.assert_allclose()` is deprecated since 1.12 and will be removed in a future release. "
        "Please use `torch.testing.assert_close()` instead.",
        FutureWarning,
        stacklevel=2,
    )
    if rtol is None and atol is None:
        dtypes = [str(jtorch.as_tensor(x).dtype).removeprefix("torch.") for x in (actual, expected)]
        found = [_OLD_TOLERANCES.get(d, (0.0, 0.0)) for d in dtypes]
        rtol, atol = max(r for r, _ in found), max(a for _, a in found)
    tensors = [jtorch.as_tensor(x) for x in (actual, expected)]
    assert_close(
        *tensors, rtol=rtol, atol=atol, equal_nan=equal_nan, check_device=True, check_dtype=False, msg=msg or None
    )


# -- what is compared with what


def _pairs(actual: Any, expected: Any, path: _Path, rules: _Rules) -> Iterator[tuple[Any, Any, _Path]]:
    """The leaves of both structures, side by side, and where they are."""
    if _sequence(actual) and _sequence(expected):
        if len(actual) != len(expected):
            raise _Mismatch(f"The length of the sequences mismatch: {len(actual)} != {len(expected)}", path)
        for i, (mine, right) in enumerate(zip(actual, expected, strict=True)):
            yield from _pairs(mine, right, (*path, i), rules)
    elif isinstance(actual, Mapping) and isinstance(expected, Mapping):
        missing, more = set(expected) - set(actual), set(actual) - set(expected)
        if missing or more:
            raise _Mismatch(
                "The keys of the mappings do not match:\n"
                f"Missing keys in the actual mapping: {sorted(missing)}\n"
                f"Additional keys in the actual mapping: {sorted(more)}",
                path,
            )
        for key in expected:
            yield from _pairs(actual[key], expected[key], (*path, key), rules)
    else:
        yield (*_leaves(actual, expected, path, rules), path)


def _sequence(x: Any) -> bool:
    return isinstance(x, Sequence) and not isinstance(x, str)


def _leaves(actual: Any, expected: Any, path: _Path, rules: _Rules) -> tuple[Any, Any]:
    """The pair as None, bools, Python numbers or tensors; a TypeError for others."""
    if actual is None or expected is None:
        return actual, expected
    both = (actual, expected)
    if all(isinstance(x, _BOOLS) for x in both):
        return bool(actual), bool(expected)
    if all(isinstance(x, _NUMBERS) for x in both):
        return tuple(x.item() if isinstance(x, np.generic) else x for x in both)  # type: ignore[return-value]
    related = isinstance(actual, type(expected)) or isinstance(expected, type(actual))
    if related and (rules.allow_subclasses or type(actual) is type(expected)):
        try:
            return jtorch.as_tensor(actual), jtorch.as_tensor(expected)
        except (TypeError, ValueError, RuntimeError):
            pass
    raise _Mismatch(
        f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}.", path, TypeError
    )


# -- one comparison


def _compare(actual: Any, expected: Any, path: _Path, rules: _Rules) -> None:
    if actual is None or expected is None:
        if actual is not expected:
            raise _Mismatch(f"None mismatch: {actual} is not {expected}", path)
    elif isinstance(actual, Tensor):
        _same_attributes(actual, expected, path, rules)
        _compare_tensors(actual, expected, path, rules)
    elif isinstance(actual, bool) and isinstance(expected, bool):
        if actual is not expected:
            raise _Mismatch(f"Booleans mismatch: {actual} is not {expected}", path)
    else:
        if rules.check_dtype and type(actual) is not type(expected):
            raise _Mismatch(f"The (d)types do not match: {type(actual)} != {type(expected)}.", path)
        tolerances = rules.tolerances(_PYTHON.get(type(actual), "int64"), _PYTHON.get(type(expected), "int64"))
        if not _close(np.asarray(actual), np.asarray(expected), *tolerances, rules.equal_nan).all():
            raise _Mismatch(_about_scalars(actual, expected, *tolerances), path)


def _same_attributes(actual: Tensor, expected: Tensor, path: _Path, rules: _Rules) -> None:
    looked_at: list[tuple[str, Any, Any]] = [("shape", actual.shape, expected.shape)]
    if rules.check_layout:
        looked_at.append(("layout", actual.layout, expected.layout))
    if rules.check_device:
        looked_at.append(("device", actual.device, expected.device))
    if rules.check_dtype:
        looked_at.append(("dtype", actual.dtype, expected.dtype))
    if rules.check_stride:
        looked_at.append(("stride()", actual.stride(), expected.stride()))  # type: ignore[attr-defined]
    for name, mine, right in looked_at:
        if mine != right:
            raise _Mismatch(f"The values for attribute '{name}' do not match: {mine} != {right}.", path)


def _compare_tensors(actual: Tensor, expected: Tensor, path: _Path, rules: _Rules) -> None:
    tolerances = rules.tolerances(*[str(t.dtype).removeprefix("torch.") for t in (actual, expected)])
    dtype = jtorch.promote_types(actual.dtype, expected.dtype)
    if not (dtype.is_floating_point or dtype.is_complex) and dtype is not jtorch.uint64:
        dtype = jtorch.int64
    mine, right = ((t if t.dtype is dtype else t.to(dtype))._host("assert_close") for t in (actual, expected))  # type: ignore[attr-defined]
    with np.errstate(all="ignore"):
        matches = _close(mine, right, *tolerances, rules.equal_nan)
        if matches.all():
            return
        if not actual.ndim:
            raise _Mismatch(_about_scalars(actual.item(), expected.item(), *tolerances), path)
        apart = np.where(matches, 0, np.abs(mine - right))
        size = np.abs(right)
        if apart.dtype.kind in "iu":
            relative = np.where(matches, 0, apart.astype(np.float32) / size.astype(np.float32))
        else:
            relative = np.where(matches, 0, apart / size)
    raise _Mismatch(_about_tensors(matches, apart, relative, *tolerances), path)


def _close(actual: np.ndarray, expected: np.ndarray, rtol: float, atol: float, equal_nan: bool) -> np.ndarray:
    """Which elements are close, as an array of bools."""
    matches = actual == expected
    if equal_nan:
        matches = matches | ((actual != actual) & (expected != expected))
    if rtol or atol:
        with np.errstate(all="ignore"):
            apart = np.abs(actual - expected)
            matches = matches | ((apart <= atol + rtol * np.abs(expected)) & np.isfinite(apart))
    return np.asarray(matches)


# -- messages


def _about_scalars(actual: Any, expected: Any, rtol: float, atol: float) -> str:
    apart = abs(actual - expected)
    relative = float("inf") if expected == 0 else apart / abs(expected)
    return _text(
        "Scalars", rtol, atol, f"Expected {expected} but got {actual}.", ("Absolute difference", apart, ""),
        ("Relative difference", relative, ""),
    )  # fmt: skip


def _about_tensors(matches: np.ndarray, apart: np.ndarray, relative: np.ndarray, rtol: float, atol: float) -> str:
    count, total = int(matches.size - matches.sum()), matches.size
    parts = []
    for name, found in (("absolute", apart), ("relative", relative)):
        place = np.unravel_index(int(np.argmax(found)), found.shape)
        parts.append((f"Greatest {name} difference", found[place].item(), f" at index {tuple(int(i) for i in place)}"))
    return _text(
        "Tensor-likes", rtol, atol, f"Mismatched elements: {count} / {total} ({count / total:.1%})", *parts
    )  # fmt: skip


def _text(
    what: str, rtol: float, atol: float, first: str, absolute: tuple[str, Any, str], relative: tuple[str, Any, str]
) -> str:
    equality = not rtol and not atol
    lines = [f"{what} are not {'equal' if equality else 'close'}!", "", first]
    for (name, value, where), allowed in ((absolute, atol), (relative, rtol)):
        lines.append(f"{name}: {value}{where}" + ("" if equality else f" (up to {allowed} allowed)"))
    return "\n".join(lines)
