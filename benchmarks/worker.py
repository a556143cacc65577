"""One system under measurement, in a process of its own: sets up, warms up, then runs as many steps as it is told.

It is started by :mod:`benchmarks.train_step` and speaks JSON, a line each way, on standard input and output.
"""

import json
import resource
import sys
import time
from typing import Any

from benchmarks.workloads import WORKLOADS

COMPILED = {"torch-compile": "model", "jtorch-compile": "step"}  # what users of each would compile


def build(system: str, model: str, device: str) -> Any:
    """The program of one system; only that system's libraries are imported."""
    load = WORKLOADS[model]
    if system == "jax":
        from benchmarks import by_hand

        return by_hand.build(load)
    if system.startswith("jtorch"):
        import jtorch.alias

        jtorch.alias.enable()
    from benchmarks import programs

    return programs.build(load, device, compiled=COMPILED.get(system, ""))


def _version(system: str) -> str:
    if system == "jax":
        import jax

        return jax.__version__
    import torch

    return torch.__version__


def peak_bytes(system: str, device: str) -> int:
    """The most device memory that was in use so far; on the CPU, the process's largest resident size."""
    if device == "cpu":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if system.startswith("torch"):
        import torch

        return torch.cuda.max_memory_allocated()
    import jax

    return jax.local_devices()[0].memory_stats()["peak_bytes_in_use"]


def main() -> None:
    request = json.loads(sys.stdin.readline())
    system, device = request["system"], request["device"]
    channel, sys.stdout = sys.stdout, sys.stderr  # what a library prints does not mix with the answers

    def answer(**values: Any) -> None:
        print(json.dumps(values), file=channel, flush=True)

    program = build(system, request["model"], device)
    start = time.perf_counter()
    first = program.run(10)
    answer(version=_version(system), first_seconds=time.perf_counter() - start, first_loss=first)
    for line in sys.stdin:
        start = time.perf_counter()
        loss = program.run(json.loads(line)["steps"])
        seconds = time.perf_counter() - start
        answer(seconds=seconds, loss=loss, peak_bytes=peak_bytes(system, device))


if __name__ == "__main__":
    main()
