"""The tutorial's Python blocks: where they stand, and how one is run and watched."""

import ast
import contextlib
import io
import re
from collections.abc import Collection, Iterator, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

TUTORIAL = Path(__file__).with_name("tutorial.md")


@dataclass(frozen=True)
class Block:
    """One fenced Python block: its number from 1, the heading above it, its text, and the line its text begins on."""

    number: int
    title: str
    source: str
    line: int


@dataclass
class Run:
    """What a block left behind: its namespace, what it printed, and every value each name was given, in order."""

    namespace: dict[str, Any]
    out: str = ""
    history: dict[str, list[Any]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.namespace[name]


def read(path: Path = TUTORIAL) -> list[Block]:
    """The Python blocks of a Markdown file, in order."""
    blocks: list[Block] = []
    title, start, lines = "", 0, path.read_text(encoding="utf-8").splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        if start:
            if line.startswith("```"):
                blocks.append(Block(len(blocks) + 1, title, "".join(lines[start - 1 : number - 1]), start))
                start = 0
        elif line.startswith("```python"):
            start = number + 1
        elif heading := re.match(r"#+ +(?:\d+\. +)?(.*)", line):
            title = heading[1].replace("`", "").strip()
    return blocks


def execute(block: Block, module: ModuleType, watch: Collection[str] | None = None) -> Run:
    """Run a block in ``module``'s namespace, as one piece and unchanged.

    ``watch`` names the variables whose values to keep (all of them by default). What is kept stays alive, so a block
    that allocates much in a loop should have only its numbers watched. Tracebacks point into the tutorial.
    """
    run = Run(module.__dict__)
    tree = ast.increment_lineno(ast.parse(block.source), block.line - 1)
    code = compile(tree, str(TUTORIAL), "exec", dont_inherit=True)
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(code, run.namespace, _Watched(run, watch))
    finally:
        run.out = printed.getvalue()
    return run


class _Watched(MutableMapping[str, Any]):
    """The block's local names: the namespace itself, noting each assignment on its way."""

    def __init__(self, run: Run, watch: Collection[str] | None) -> None:
        self.run, self.watch = run, watch

    def __getitem__(self, name: str) -> Any:
        return self.run.namespace[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.run.namespace[name] = value
        if self.watch is None or name in self.watch:
            self.run.history.setdefault(name, []).append(value)

    def __delitem__(self, name: str) -> None:
        del self.run.namespace[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.run.namespace)

    def __len__(self) -> int:
        return len(self.run.namespace)
