"""``python -m jtorch coverage``: how many of torch's public names jtorch has, a namespace a line.

``names.json`` holds torch's names; ``python -m tests.conformance.record_names`` writes it from an installed torch.
A name is present when it can be looked up and is not an :class:`jtorch.absent.Absent`.
"""

import argparse
import importlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jtorch.absent import Absent
from jtorch.coverage.scope import why_not

__all__ = ["Count", "count", "main", "owner", "recorded", "report"]


@cache
def recorded() -> dict[str, Any]:
    """The file of names: ``torch`` (the version) and ``names`` (a list for each namespace)."""
    return json.loads((Path(__file__).parent / "names.json").read_text())


@dataclass(frozen=True)
class Count:
    """A namespace's names: those that jtorch has, lacks, and leaves out for a reason (name -> reason)."""

    namespace: str
    present: list[str]
    missing: list[str]
    left_out: dict[str, str]

    @property
    def total(self) -> int:
        """How many names torch has."""
        return len(self.present) + len(self.missing) + len(self.left_out)


def count(namespace: str) -> Count:
    """Look up every name of one of torch's namespaces. Raises KeyError for a namespace that is not recorded."""
    mine = owner(namespace)
    present, missing, left_out = [], [], {}
    for name in recorded()["names"][namespace]:
        reason = why_not(namespace, name)
        if _has(mine, name):
            present.append(name)
        elif reason is None:
            missing.append(name)
        else:
            left_out[name] = reason
    return Count(namespace, present, missing, left_out)


def main(args: list[str]) -> int:
    """The subcommand: 0, or 2 for a namespace that torch does not have."""
    parser = argparse.ArgumentParser(
        prog="jtorch coverage", description="Count the public names of torch that jtorch has."
    )
    parser.add_argument("namespace", nargs="*", help="torch.nn, torch.linalg ... (all by default)")
    parser.add_argument("--missing", action="store_true", help="list the names that are missing, and those left out")
    given = parser.parse_args(args)
    known = recorded()["names"]
    for namespace in given.namespace:
        if namespace not in known:
            parser.error(f"no names are recorded for {namespace}; there are {', '.join(known)}")
    print(report([count(namespace) for namespace in given.namespace or known], given.missing))
    return 0


def report(counts: Iterable[Count], missing: bool = False) -> str:
    """The table of counts, with ``missing`` followed by the names."""
    counts = list(counts)
    width = max(len("namespace"), *(len(c.namespace) for c in counts))
    lines = [f"{'namespace':<{width}}  present  missing  left out  of torch {recorded()['torch']}'s"]
    lines += [_row(width, c.namespace, len(c.present), len(c.missing), len(c.left_out), c.total) for c in counts]
    if len(counts) > 1:
        sums = [sum(column) for column in zip(*[_sizes(c) for c in counts], strict=True)]
        lines.append(_row(width, "all", *sums))
    for c in counts if missing else ():
        if c.missing:
            lines += ["", f"missing in {c.namespace}: {', '.join(c.missing)}"]
        for reason in sorted(set(c.left_out.values())):
            names = ", ".join(name for name, why in c.left_out.items() if why == reason)
            lines += ["", f"left out of {c.namespace} ({reason}): {names}"]
    return "\n".join(lines)


def _sizes(c: Count) -> tuple[int, int, int, int]:
    return len(c.present), len(c.missing), len(c.left_out), c.total


def _row(width: int, name: str, present: int, missing: int, left_out: int, total: int) -> str:
    return f"{name:<{width}}  {present:>7}  {missing:>7}  {left_out:>8}  {total:>8}"


def owner(namespace: str) -> Any:
    """jtorch's module, or class, of a namespace; None where it has none."""
    found: Any = importlib.import_module("jtorch")
    for part in namespace.split(".")[1:]:
        inner = getattr(found, part, None)
        if inner is None:
            full = f"{getattr(found, '__name__', '')}.{part}"
            try:
                inner = importlib.import_module(full)
            except ModuleNotFoundError as error:
                if error.name != full:
                    raise
                return None
        found = inner
    return found


def _has(mine: Any, name: str) -> bool:
    lacks = object()
    value = getattr(mine, name, lacks)
    return mine is not None and value is not lacks and not isinstance(value, Absent)
