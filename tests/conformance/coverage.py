"""How much of torch's operator database jtorch passes: README's table.

``python -m tests.conformance.coverage`` prints it, ``--write`` puts it into README. It is counted from the database and
the list of gaps: every test of ``test_opinfo.py`` that the list does not name has to pass, and every one that it names
has to fail, so the table says what a passing suite has shown.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from tests.conformance.opinfo import KINDS, OPS, Op, cases, gap

README = Path(__file__).parents[2] / "README.md"
COLUMNS = {"forward": "forward", "backward": "gradient", "method": "method", "in-place": "inplace", "`out=`": "out"}
"""The table's columns: the kind of test that each is about."""

SPACES = ("nn.functional", "linalg", "fft", "special", "signal.windows", "masked", "sparse")
BETWEEN = re.compile(r"(?<=<!-- operators -->\n).*(?=\n<!-- /operators -->)", re.DOTALL)


def space(op: Op) -> str:
    """The namespace an operator is reached by."""
    named = next((space for space in SPACES if op.name.startswith(f"{space}.")), None)
    if named is None and hasattr(torch, op.name):
        named = "torch"
    if named is None and (hasattr(torch.Tensor, op.name) or hasattr(torch.Tensor, f"{op.name}_")):
        named = "Tensor"
    return named or "other"


def counted(kind: str) -> Iterator[tuple[str, bool]]:
    """Each operator that has such a test: its namespace, and whether it passes with every dtype."""
    passes: dict[str, bool] = {}
    for case, _, _ in cases(kind):
        name = case.rpartition("-")[0]
        passes[name] = passes.get(name, True) and gap(kind, case) is None
    for name, passed in passes.items():
        yield space(OPS[name]), passed


def table() -> str:
    """The table in Markdown: passed of all, a row a namespace."""
    rows = {name: {kind: [0, 0] for kind in KINDS} for name in ("torch", "Tensor", *SPACES, "other", "all")}
    for kind in COLUMNS.values():
        for name, passed in counted(kind):
            for row in (rows[name], rows["all"]):
                row[kind][0] += passed
                row[kind][1] += 1
    lines = [f"| | {' | '.join(COLUMNS)} |", f"| --- |{' ---: |' * len(COLUMNS)}"]
    for name, row in rows.items():
        cells = [f"{row[kind][0]} of {row[kind][1]}" if row[kind][1] else "" for kind in COLUMNS.values()]
        lines.append(f"| {name if name in ('other', 'all') else f'`{name}`'} | {' | '.join(cells)} |")
    return "\n".join(lines)


def written(text: str) -> str:
    """README's text with the table as it is now."""
    assert BETWEEN.search(text), "README has no place for the table"
    return BETWEEN.sub(table(), text)


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        README.write_text(written(README.read_text()))
    else:
        print(table())
