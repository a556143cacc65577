"""What a call of a function under torch.compile costs in Python, beside the same function as it is.

    python benchmarks/compiled_call.py

The function has 200 operations over 10 weight matrices. Times are processor time of the calling thread, the best of 50
rounds; what was recorded is computed outside of them.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import jtorch  # noqa: E402

jtorch.enable()

import torch  # noqa: E402


class Net(torch.nn.Module):
    """10 blocks of 20 operations."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = torch.nn.ParameterList([torch.randn(32, 32) for _ in range(10)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for w in self.weights:
            x = torch.tanh(x @ w)
            for _ in range(6):
                x = torch.relu(x) * 0.9 + 0.1
        return x


def cost(call: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> float:
    """Microseconds a call."""
    best = float("inf")
    for _ in range(50):
        began = time.thread_time()
        out = call(x)
        best = min(best, time.thread_time() - began)
        out.sum().item()
    return best * 1e6


def main() -> None:
    torch.manual_seed(0)
    net = Net()
    compiled = torch.compile(net)
    x = torch.randn(8, 32)
    with torch.no_grad():
        for call in (net, compiled, compiled):
            call(x).sum().item()
        plain, quick = cost(net, x), cost(compiled, x)
    print(f"200 operations: {plain:.0f} us as it is, {quick:.1f} us compiled")


if __name__ == "__main__":
    main()
