"""How many samples a second a DataLoader gives, on torch and on jtorch.

    python benchmarks/data.py
    python benchmarks/data.py --case python --rounds 9

The same loops run in both, each in a process of its own; rounds go around the systems, and the median round counts. A
round is a pass over the data, so that where there are workers it starts and ends them too. Every batch is looked at:
its shape, and one of its numbers.

``tensors`` is a TensorDataset of 60,000 x 784 floats, batch 64, shuffled; ``python`` a Dataset in Python that returns
``(tensor, int)``; ``png`` one that decodes PNG images (needs Pillow), in two worker processes.
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

SYSTEMS = ("torch", "jtorch")
IMAGE = 96


def _tensors(torch: Any, size: int) -> Any:
    x = torch.rand(size, 784)
    y = torch.arange(size)
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=64, shuffle=True)


def _python(torch: Any, size: int) -> Any:
    class Rows(torch.utils.data.Dataset):
        def __init__(self) -> None:
            self.x = torch.rand(size, 784)
            self.y = list(range(size))

        def __len__(self) -> int:
            return size

        def __getitem__(self, i: int) -> Any:
            return self.x[i], self.y[i]

    return torch.utils.data.DataLoader(Rows(), batch_size=64, shuffle=True)


def _png(torch: Any, size: int) -> Any:
    from PIL import Image

    rng = np.random.RandomState(0)
    files = []
    for _ in range(64):
        small = Image.fromarray(rng.randint(0, 256, (12, 12, 3), np.uint8))
        file = io.BytesIO()
        small.resize((IMAGE, IMAGE)).save(file, "png")
        files.append(file.getvalue())

    class Images(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return size

        def __getitem__(self, i: int) -> Any:
            image = np.asarray(Image.open(io.BytesIO(files[i % len(files)])))
            return torch.from_numpy(image.copy()).permute(2, 0, 1).float() / 255, i

    return torch.utils.data.DataLoader(Images(), batch_size=64, shuffle=True, num_workers=2)


CASES: dict[str, tuple[Callable[[Any, int], Any], int]] = {
    "tensors": (_tensors, 60_000),
    "python": (_python, 20_000),
    "png": (_png, 4_000),
}


def serve(system: str, case: str, size: int) -> None:
    """The worker: a pass over the data for each line on standard input, and the seconds it took as the answer."""
    if system == "jtorch":
        import jtorch.alias

        jtorch.alias.enable()
    import torch

    make, _ = CASES[case]
    loader = make(torch, size)
    print(json.dumps(torch.__version__), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        seen = last = 0
        for x, y in loader:
            seen += x.shape[0]
            last += y[-1].item()
        seconds = time.perf_counter() - start
        assert seen == size and last > 0 and type(x) is torch.Tensor
        print(json.dumps(seconds), flush=True)


class Worker:
    """A process that serves one system's loader."""

    def __init__(self, system: str, case: str, size: int) -> None:
        command = [sys.executable, __file__, "--serve", system, "--case", case, "--size", str(size)]
        env = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        self.system = system
        self.version = self.answer()
        self.rounds: list[float] = []

    def answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.system} ended with status {self.process.wait()}")
        return json.loads(line)

    def run(self) -> float:
        """The seconds of a pass."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self) -> None:
        with self.process:  # closes the pipes, which ends it, and waits
            pass


def measure(case: str, size: int, rounds: int) -> list[Worker]:
    """Both systems' rounds of one case."""
    workers = [Worker(system, case, size) for system in SYSTEMS]
    try:
        for worker in workers:
            worker.run()
        for _ in range(rounds):
            for worker in workers:
                worker.rounds.append(worker.run())
    finally:
        for worker in workers:
            worker.close()
    return workers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=sorted(CASES), action="append", help="may be given several times")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--size", type=int, help="samples a pass")
    parser.add_argument("--serve", choices=SYSTEMS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    cases = options.case or list(CASES)
    if options.serve:
        serve(options.serve, cases[0], options.size)
        return
    print("samples a second, median round (best)\n")
    print("| case | torch | jtorch | jtorch / torch |\n| --- | --- | --- | --- |")
    for case in cases:
        size = options.size or CASES[case][1]
        torch, jtorch = measure(case, size, options.rounds)
        rates = [(size / statistics.median(w.rounds), size / min(w.rounds)) for w in (torch, jtorch)]
        shown = [f"{median:,.0f} ({best:,.0f})" for median, best in rates]
        print(f"| {case} | {shown[0]} | {shown[1]} | {rates[1][0] / rates[0][0]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
