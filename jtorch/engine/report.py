"""What the engine did, and why: programs compiled, hits, flush reasons, where a path left the known one.

``JTORCH_LOG=compile,flush`` writes it to stderr as it happens; :func:`report` sums it up.
"""

import os
import sys
import warnings
from collections import Counter, deque
from typing import TYPE_CHECKING

from jtorch.engine.trace import user_frame

if TYPE_CHECKING:
    from jtorch.engine.program import Program
    from jtorch.engine.trace import Node

RECOMPILES_BEFORE_WARNING = 64


class RecompileWarning(UserWarning):
    """A line of the user's program keeps leading to new programs."""


log = {word for word in os.environ.get("JTORCH_LOG", "").split(",") if word}
compiled = 0
hits = 0
compile_seconds = 0.0
reasons: Counter[tuple[str, str, int]] = Counter()  # why, the user's file and line
_compiles_at: Counter[str] = Counter()
_divergences: deque[str] = deque(maxlen=64)


def diverged(cursor: "Node", node: "Node") -> None:
    """Note that a step is new where others were known to follow."""
    known = [child for children in cursor.children for child in children.values()]
    expected = ", ".join(f"{c.op.name}{_shapes(c)} ({c.where})" for c in known[-3:])
    line = f"{node.where}: got {node.op.name}{_shapes(node)}; known there: {expected}"
    _divergences.append(line)
    if "compile" in log:
        print(f"jtorch: new path at {line}", file=sys.stderr)


def _shapes(node: "Node") -> str:
    fresh = [k.aval for _, k in node.fresh]
    return f"{[a.shape for a in node.avals]}" + (f" from {fresh}" if fresh else "")


def flushed(why: str, end: "Node", program: "Program", new: bool, seconds: float) -> None:
    """Count one flush."""
    global compiled, hits, compile_seconds
    if not new and not log:  # the usual case: what is known of the program is counted with it
        hits += 1
        reasons[program.reason] += 1
        return
    frame = user_frame()
    program.reason = (why, *frame)
    reasons[program.reason] += 1
    if len(reasons) > 4096:
        reasons.pop(min(reasons, key=lambda k: reasons[k]))
    where = "{}:{}".format(*frame)
    if not new:
        hits += 1
        if "flush" in log:
            print(
                f"jtorch: flush at {where} ({why}): hit, {program.steps} steps, {seconds * 1e3:.2f} ms", file=sys.stderr
            )
        return
    compiled += 1
    compile_seconds += seconds
    if "compile" in log or "flush" in log:
        print(
            f"jtorch: flush at {where} ({why}): compiled {program.steps} steps, {len(program.outputs)} outputs, "
            f"{seconds * 1e3:.0f} ms",
            file=sys.stderr,
        )
    _compiles_at[where] += 1
    if _compiles_at[where] == RECOMPILES_BEFORE_WARNING and _mostly_new(where):
        last = f" The path last changed at {_divergences[-1]}" if _divergences else ""
        warnings.warn(
            f"{where}: {RECOMPILES_BEFORE_WARNING} different programs were compiled for this line; shapes or numbers "
            f"that change on each pass keep it from being reused.{last}",
            RecompileWarning,
            stacklevel=2,
        )


def _mostly_new(where: str) -> bool:
    flushes = sum(n for (_, *frame), n in reasons.items() if "{}:{}".format(*frame) == where)
    return flushes < 2 * RECOMPILES_BEFORE_WARNING


def counts() -> dict[str, int]:
    """Programs compiled and found again so far."""
    return {"compiled": compiled, "hits": hits}


def report() -> str:
    """A summary as text: programs, reasons of flushes with the user's lines, latest divergences."""
    lines = [f"programs compiled: {compiled} ({compile_seconds:.2f} s), found again: {hits}", "flushes:"]
    lines += [f"  {n:6d}  {why}  at {file}:{line}" for (why, file, line), n in reasons.most_common(20)]
    if _divergences:
        lines += ["paths that left the known one (latest last):", *(f"  {d}" for d in list(_divergences)[-10:])]
    return "\n".join(lines)


def reset() -> None:
    """Start counting anew."""
    global compiled, hits, compile_seconds
    compiled, hits, compile_seconds = 0, 0, 0.0
    reasons.clear()
    _compiles_at.clear()
    _divergences.clear()
