"""What a training step costs in Python: the time of the thread that runs the loop, by function.

    python benchmarks/python_cost.py --model mlp --device cuda

The loop is that of ``train_step.py``. ``thread`` is the processor time of the loop's own thread a step, which is what
bounds a small model on a fast device; ``wall`` is the time a step took.
"""

import argparse
import cProfile
import pstats
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.workloads import WORKLOADS  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=sorted(WORKLOADS), default="mlp")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--compile", choices=("model", "step"), default="", help="what goes under torch.compile")
    parser.add_argument("--functions", type=int, default=25, help="how many to list")
    options = parser.parse_args()
    import jtorch

    jtorch.enable()
    from benchmarks import programs

    program = programs.build(WORKLOADS[options.model], options.device, compiled=options.compile)
    program.run(30)
    wall, thread = [], []
    for _ in range(5):
        began = time.perf_counter(), time.thread_time()
        program.run(options.steps)
        wall.append((time.perf_counter() - began[0]) / options.steps)
        thread.append((time.thread_time() - began[1]) / options.steps)
    print(
        f"{options.model} on {options.device}: wall {min(wall) * 1e6:.0f} us, thread {min(thread) * 1e6:.0f} us a step"
    )
    profile = cProfile.Profile()
    profile.enable()
    program.run(options.steps)
    profile.disable()
    pstats.Stats(profile).sort_stats("tottime").print_stats(options.functions)


if __name__ == "__main__":
    main()
