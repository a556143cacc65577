"""``python -m tests.conformance.libraries NAME...``: libraries written for torch, on torch and on jtorch, compared.

Each case builds a small model with random weights from one seed, runs it and takes a few training steps. It runs twice,
each time in a process of its own, and every number it gives must agree within 1e-4. The libraries, and torch, must be
installed; ``all`` stands for all names. Exits with 1 when a case fails.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from tests.conformance.library_cases import CASES

ROOT = Path(__file__).resolve().parents[2]
TOLERANCE = 1e-4


def child(name: str, out: str) -> None:
    """Run one case under whatever torch means here, and keep its numbers."""
    import torch

    torch.manual_seed(0)
    np.random.seed(0)
    start = time.perf_counter()
    found = [np.asarray(x.detach().cpu()) for x in CASES[name]()]
    np.savez(out, np.float64(time.perf_counter() - start), *found)


def run(name: str, folder: str) -> str:
    """Run one case both ways; what came of it, in words."""
    seconds, numbers = [], []
    for who, how in (("torch", []), ("jtorch", ["-m", "jtorch"])):
        out = f"{folder}/{name}-{who}.npz"
        paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [sys.executable, *how, "-m", "tests.conformance.libraries", "--child", out, name]
        done = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True)
        if done.returncode:
            return f"FAILS on {who}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}"
        with np.load(out) as stored:
            time_taken, *arrays = (stored[f"arr_{i}"] for i in range(len(stored.files)))
        seconds.append(float(time_taken))
        numbers.append(arrays)
    theirs, ours = numbers
    if [(x.shape, x.dtype) for x in theirs] != [(x.shape, x.dtype) for x in ours]:
        return "DIFFERS in shapes or dtypes"
    worst = max(float(np.max(np.abs(a - b) / (1 + np.abs(a)), initial=0)) for a, b in zip(*numbers, strict=True))
    verdict = "agrees" if worst <= TOLERANCE else "DIFFERS"
    return (
        f"{verdict}: {len(ours)} results, {worst:.0e} apart; {seconds[0]:.1f} s on torch, {seconds[1]:.1f} s on jtorch"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="+", choices=[*CASES, "all"], metavar="NAME", help=", ".join(CASES))
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.names[0], options.child)
        return 0
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in CASES if "all" in options.names else options.names:
            library = name.partition("__")[0]
            said = run(name, folder)
            failed += not said.startswith("agrees")
            print(f"{name} ({version(library)}): {said}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
