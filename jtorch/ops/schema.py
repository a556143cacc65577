"""Torch's schema notation, parsed.

``parse("add(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor")`` says which arguments are tensors, which are
static, what the defaults are and what comes back. The notation is that of torch's ``native_functions.yaml``.
"""

import ast
import re
from dataclasses import dataclass
from typing import Any


class _Required:
    """Marks a parameter that has no default."""

    def __repr__(self) -> str:
        return "<required>"


REQUIRED: Any = _Required()

TENSOR_KINDS = ("Tensor", "Tensor?", "Tensor[]", "Tensor?[]")


@dataclass(frozen=True)
class Param:
    """One argument: ``kind`` is the schema's type without alias marks or list length (``int[2]`` is ``int[]``)."""

    name: str
    kind: str
    default: Any = REQUIRED
    kwonly: bool = False
    size: int | None = None  # the N of int[N]: a single number stands for N equal ones

    @property
    def is_tensor(self) -> bool:
        return self.kind in TENSOR_KINDS

    @property
    def required(self) -> bool:
        return self.default is REQUIRED


@dataclass(frozen=True)
class Schema:
    """A parsed signature. ``returns`` holds a name a result, ``""`` where the schema names none.

    ``name`` may carry an overload, as in ``max.dim``.
    """

    name: str
    params: tuple[Param, ...]
    returns: tuple[str, ...]
    returns_list: bool = False
    is_view: bool = False


_NAMES = {"True": True, "False": False, "None": None, "inf": float("inf"), "nan": float("nan"), "-inf": float("-inf")}


def _default(text: str) -> Any:
    if text in _NAMES:
        return _NAMES[text]
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text  # an enumerator, such as Mean
    return tuple(value) if isinstance(value, list) else value


def _split(text: str) -> list[str]:
    """Split at the commas that stand outside brackets."""
    parts, depth, start = [], 0, 0
    for i, ch in enumerate(text):
        depth += (ch in "([") - (ch in ")]")
        if ch == "," and not depth:
            parts.append(text[start:i].strip())
            start = i + 1
    last = text[start:].strip()
    return [*parts, last] if last else parts


_PARAM = re.compile(r"^(?P<kind>[A-Za-z]+(?:\([^)]*\))?(?:\?)?(?:\[\d*\])?\??)\s+(?P<name>\w+)(?:=(?P<default>.+))?$")


def _param(text: str, kwonly: bool) -> Param:
    match = _PARAM.match(text)
    if match is None:
        raise ValueError(f"bad parameter in schema: {text!r}")
    kind = re.sub(r"\([^)]*\)", "", match["kind"])
    size = re.search(r"\[(\d+)\]", kind)
    kind = re.sub(r"\[\d+\]", "[]", kind)
    default = REQUIRED if match["default"] is None else _default(match["default"])
    return Param(match["name"], kind, default, kwonly, int(size[1]) if size else None)


def parse(text: str) -> Schema:
    """Parse one schema; raises ValueError where it is malformed."""
    match = re.match(r"^([\w.]+)\((.*)\)\s*->\s*(.+)$", text.strip(), re.S)
    if match is None:
        raise ValueError(f"bad schema: {text!r}")
    name, inside, result = match.groups()
    params, kwonly = [], False
    for part in _split(inside):
        if part == "*":
            kwonly = True
        else:
            params.append(_param(part, kwonly))
    result = result.strip()
    parts = _split(result[1:-1]) if result.startswith("(") else [result]
    returns = tuple(p.split()[1] if len(p.split()) > 1 else "" for p in parts)
    return Schema(name, tuple(params), returns, "[]" in parts[0], "(a" in result)
