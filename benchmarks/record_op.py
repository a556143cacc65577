"""What one operation costs: ``x + y`` in a chain, on torch (which runs it) and on jtorch (which records it).

    python benchmarks/record_op.py

Two rows a system: small tensors that require grad, as in a training step, and without grad. jtorch's "with flush" is
the whole chain including the compiled program that computes it, from a warm cache.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

LENGTH = 200


def _measure(system: str, repeats: int) -> dict[str, list[float]]:
    if system == "jtorch":
        import jtorch.alias

        jtorch.alias.enable()
    import torch

    def chain(x: Any, y: Any) -> Any:
        for _ in range(LENGTH):
            x = x + y
        return x

    out: dict[str, list[float]] = {}
    for label, grad in (("with grad", True), ("no grad", False)):
        x, y = torch.ones(64, 64, requires_grad=grad), torch.ones(64, 64)
        recorded, whole = [], []
        for _ in range(repeats):
            start = time.perf_counter()
            last = chain(x, y)
            recorded.append((time.perf_counter() - start) / LENGTH * 1e6)
            last.sum().item()
            whole.append((time.perf_counter() - start) / LENGTH * 1e6)
        out[label], out[f"{label}, with flush"] = recorded[repeats // 4 :], whole[repeats // 4 :]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=100, help="chains a system runs a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", choices=("torch", "jtorch"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(_measure(options.worker, options.repeats)))
        return
    results: dict[tuple[str, str], list[float]] = {}
    for _ in range(options.rounds):
        for system in ("torch", "jtorch"):
            command = [sys.executable, __file__, "--worker", system, "--repeats", str(options.repeats)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
            for label, times in json.loads(done.stdout).items():
                results.setdefault((system, label), []).extend(times)
    print(f"x + y in a chain of {LENGTH}, 64x64 float32, microseconds an operation\n")
    print("| system | case | median | best |\n| --- | --- | --- | --- |")
    for (system, label), times in sorted(results.items(), key=lambda item: (item[0][1], item[0][0])):
        print(f"| {system} | {label} | {statistics.median(times):.2f} | {min(times):.2f} |")


if __name__ == "__main__":
    main()
