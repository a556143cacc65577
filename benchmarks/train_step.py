"""Time one training step of a model on several systems, alternating between them.

    python benchmarks/train_step.py --model mlp --system torch --system jax --system jtorch
    python benchmarks/train_step.py --model gpt2 --device cuda --compare

Each system runs in its own process; rounds go around the systems, so that what else the machine does falls on all of
them alike, and the median round counts. torch and jtorch run the same file, ``programs.py``: an ordinary loop that
reads the loss every 10 steps. jax is ``by_hand.py``: the whole step under ``jax.jit`` with optax and donated state.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.workloads import WORKLOADS  # noqa: E402

SYSTEMS = ("torch", "torch-compile", "jax", "jtorch", "jtorch-compile")


class Worker:
    """A process that holds one system's program; see :mod:`benchmarks.worker`."""

    def __init__(self, system: str, model: str, device: str) -> None:
        env = {**os.environ, "PYTHONPATH": str(ROOT), "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        env["JAX_PLATFORMS"] = "cuda,cpu" if device == "cuda" else "cpu"
        self.system = system
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=env,
        )
        self.setup = self.ask(system=system, model=model, device=device)
        self.rounds: list[float] = []
        self.peak_bytes = 0
        self.loss = self.setup["first_loss"]

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.system} ended with status {self.process.wait()}")
        return json.loads(line)

    def run(self, steps: int) -> float:
        """Run a round; returns and keeps the seconds a step took."""
        got = self.ask(steps=steps)
        self.peak_bytes, self.loss = got["peak_bytes"], got["loss"]
        self.rounds.append(got["seconds"] / steps)
        return self.rounds[-1]

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def measure(model: str, systems: list[str], device: str, rounds: int, seconds: float) -> list[dict[str, Any]]:
    """A row of results for each system."""
    workers = [Worker(system, model, device) for system in systems]
    try:
        steps = {}
        for worker in workers:
            worker.run(10)  # settles caches and clocks
            steps[worker.system] = max(10, round(seconds / worker.run(10) / 10) * 10)
            worker.rounds.clear()
        for _ in range(rounds):
            for worker in workers:
                worker.run(steps[worker.system])
    finally:
        for worker in workers:
            worker.close()
    return [
        {
            "model": model,
            "device": device,
            "system": worker.system,
            "version": worker.setup["version"],
            "ms": statistics.median(worker.rounds) * 1e3,
            "best_ms": min(worker.rounds) * 1e3,
            "first_10_steps_s": worker.setup["first_seconds"],
            "first_loss": worker.setup["first_loss"],
            "last_loss": worker.loss,
            "peak_mib": worker.peak_bytes / 2**20,
            "steps": steps[worker.system] * rounds,
        }
        for worker in workers
    ]


def table(rows: list[dict[str, Any]]) -> str:
    """The results as a Markdown table, with each time's ratio to hand-written JAX and to torch where those ran."""
    ms = {row["system"]: row["ms"] for row in rows}
    bases = [base for base in ("jax", "torch") if base in ms]
    head = ["system", "ms a step", "best", *(f"/ {base}" for base in bases), "first 10 steps", "peak memory", "loss"]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        lines.append(
            [
                f"{row['system']} {row['version']}",
                f"{row['ms']:.3f}",
                f"{row['best_ms']:.3f}",
                *(f"{row['ms'] / ms[base]:.2f}" for base in bases),
                f"{row['first_10_steps_s']:.2f} s",
                f"{row['peak_mib']:.0f} MiB",
                f"{row['first_loss']:.3f} -> {row['last_loss']:.3f}",
            ]
        )
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machine(device: str) -> str:
    """What ran it, in a line."""
    if device == "cuda":
        query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    names = [line for line in _read("/proc/cpuinfo").splitlines() if line.startswith("model name")]
    return f"{names[0].split(':')[1].strip() if names else platform.processor()}, {os.cpu_count()} cores"


def _read(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=sorted(WORKLOADS), required=True)
    parser.add_argument("--system", choices=SYSTEMS, action="append", help="may be given several times")
    parser.add_argument("--compare", action="store_true", help="all four systems")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long a round of one system lasts, about")
    parser.add_argument("--json", type=Path, help="also append the rows to this file, a JSON object a line")
    options = parser.parse_args()
    systems = list(SYSTEMS) if options.compare else options.system or ["jtorch"]
    rows = measure(options.model, systems, options.device, options.rounds, options.seconds)
    print(f"{options.model}, batch {WORKLOADS[options.model].batch}, {machine(options.device)}\n")
    print(table(rows))
    if options.json:
        with options.json.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


if __name__ == "__main__":
    main()
