"""``python -m jtorch check script.py``: which torch names a program uses that jtorch lacks, told before it runs.

The program is parsed, never run. A name counts when it can be followed from an import: ``torch.nn.functional.relu``,
``F.relu`` after ``import torch.nn.functional as F``, ``Linear`` after ``from torch.nn import Linear``. What hangs on a
value (``x.relu()``, ``model.half()``) cannot be told from the text, and is not looked at.
"""

import argparse
import ast
import importlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

__all__ = ["Use", "main", "missing", "uses"]


@dataclass(frozen=True)
class Use:
    """A torch name, written out in full from ``torch``, and where a program uses it."""

    name: str
    line: int


def uses(source: str, filename: str = "<string>") -> list[Use]:
    """Every use of a torch name in ``source``, in order of lines. Raises SyntaxError where ``source`` has one."""
    tree = ast.parse(source, filename)
    known: dict[str, str] = {}
    found: list[Use] = []
    for node in ast.walk(tree):
        for bound, meaning, name in _imports(node):
            if bound:
                known[bound] = meaning
            found.append(Use(name, node.lineno))  # type: ignore[attr-defined]
    visitor = _Attributes(known)
    visitor.visit(tree)
    return sorted(set(found + visitor.found), key=lambda use: (use.line, use.name))


def missing(found: Iterable[Use]) -> list[Use]:
    """Those of ``found`` that jtorch lacks, each cut after its first missing part."""
    answers: dict[str, str | None] = {}
    lacking = []
    for use in found:
        if use.name not in answers:
            answers[use.name] = _first_missing(use.name)
        if (lack := answers[use.name]) is not None:
            lacking.append(Use(lack, use.line))
    return list(dict.fromkeys(lacking))


def main(args: list[str]) -> int:
    """The subcommand: 0 when nothing is missing, 1 when something is, 2 when a file cannot be read as Python."""
    parser = argparse.ArgumentParser(
        prog="jtorch check",
        description="List the torch names that programs use and jtorch lacks, without running them.",
    )
    parser.add_argument("path", nargs="+", help="a Python file, or a directory of them")
    status = used = lacked = 0
    for path in _python_files(parser.parse_args(args).path):
        try:
            with open(path, encoding="utf-8") as file:
                found = uses(file.read(), path)
        except (OSError, SyntaxError, UnicodeDecodeError) as error:
            print(f"{path}: {error}")
            status = 2
            continue
        lacking = missing(found)
        used += len({use.name for use in found})
        lacked += len({use.name for use in lacking})
        for use in lacking:
            print(f"{path}:{use.line}: {use.name}")
    print(f"{used} torch names used, {lacked} missing in jtorch")
    return status or int(lacked > 0)


def _imports(node: ast.AST) -> Iterator[tuple[str, str, str]]:
    """(name bound in the program or "", the torch name it means, the torch name imported) for what ``node`` imports."""
    if isinstance(node, ast.Import):
        for item in node.names:
            if item.name.split(".")[0] == "torch":
                yield (item.asname, item.name, item.name) if item.asname else ("torch", "torch", item.name)
    elif isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").split(".")[0] == "torch":
        for item in node.names:
            if item.name == "*":
                yield "", "", node.module or ""
            else:
                name = f"{node.module}.{item.name}"
                yield item.asname or item.name, name, name


class _Attributes(ast.NodeVisitor):
    """Collects the longest attribute chains that start at a known name."""

    def __init__(self, known: dict[str, str]) -> None:
        self.known = known
        self.found: list[Use] = []

    def visit_Attribute(self, node: ast.Attribute) -> None:
        parts: list[str] = []
        base: ast.expr = node
        while isinstance(base, ast.Attribute):
            parts.append(base.attr)
            base = base.value
        if isinstance(base, ast.Name) and base.id in self.known:
            if isinstance(node.ctx, ast.Load):
                self.found.append(Use(".".join([self.known[base.id], *reversed(parts)]), node.lineno))
        else:
            self.visit(base)


def _first_missing(name: str) -> str | None:
    """The shortest leading part of a torch name that jtorch lacks; None when jtorch has it all.

    Only modules and classes are followed: what an instance has cannot be known here.
    """
    parts = name.split(".")
    value: Any = importlib.import_module("jtorch")
    for i, part in enumerate(parts[1:], 2):
        if not isinstance(value, ModuleType | type):
            return None
        inner = _member(value, part)
        if inner is _ABSENT:
            return ".".join(parts[:i])
        value = inner
    return None


_ABSENT = object()


def _member(owner: Any, name: str) -> Any:
    value = getattr(owner, name, _ABSENT)
    if value is _ABSENT and isinstance(owner, ModuleType):
        full = f"{owner.__name__}.{name}"
        try:
            return importlib.import_module(full)
        except ModuleNotFoundError as error:
            if error.name != full:
                raise
    return value


def _python_files(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        if not os.path.isdir(path):
            yield path
            continue
        for folder, _, names in sorted(os.walk(path)):
            yield from (os.path.join(folder, name) for name in sorted(names) if name.endswith(".py"))
