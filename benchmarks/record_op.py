"""What one operation costs, on torch, which runs it, and on jtorch, which records it or runs it in NumPy.

    python benchmarks/record_op.py

``x + y`` in a chain of tensors that require grad, as in a training step, is recorded; "with flush" includes the
compiled program that computes the chain, from a warm cache. Small tensors without grad are computed at once: ``x + y``,
``x[i]``, ``torch.tensor(3.0) + 1``, and ``repr`` of a 3x3 result.
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

    def times(run: Any) -> list[float]:
        found = []
        for _ in range(repeats):
            start = time.perf_counter()
            run()
            found.append((time.perf_counter() - start) / LENGTH * 1e6)
        return found[repeats // 4 :]

    x, y = torch.ones(64, 64, requires_grad=True), torch.ones(64, 64)
    recorded, whole = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        last = chain(x, y)
        recorded.append((time.perf_counter() - start) / LENGTH * 1e6)
        last.sum().item()
        whole.append((time.perf_counter() - start) / LENGTH * 1e6)
    out = {"x + y with grad": recorded[repeats // 4 :], "x + y with grad, and flush": whole[repeats // 4 :]}
    plain, square = torch.arange(10.0), torch.ones(3, 3)
    out["x + y"] = times(lambda: chain(plain, plain))
    out["x[i]"] = times(lambda: [plain[3] for _ in range(LENGTH)])
    out["tensor(3.0) + 1"] = times(lambda: [torch.tensor(3.0) + 1 for _ in range(LENGTH)])
    out["repr(x @ x), 3x3"] = times(lambda: [repr(square @ square) for _ in range(LENGTH)])
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
    print("microseconds an operation\n")
    print("| system | case | median | best |\n| --- | --- | --- | --- |")
    for (system, label), times in sorted(results.items(), key=lambda item: (item[0][1], item[0][0])):
        print(f"| {system} | {label} | {statistics.median(times):.2f} | {min(times):.2f} |")


if __name__ == "__main__":
    main()
