"""What is measured: for each model its data, batch, optimizer and precision; the same for every system."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class GPTShape:
    layers: int
    width: int
    heads: int
    length: int
    vocabulary: int


@dataclass(frozen=True)
class Workload:
    """One training workload. ``lr`` is every optimizer's only setting; the others are torch's defaults."""

    name: str
    batch: int
    optimizer: str
    lr: float
    inputs: Callable[[np.random.RandomState, int], np.ndarray]
    classes: int
    bf16: bool = False
    gpt: GPTShape | None = None

    def batches(self, count: int = 4) -> list[tuple[np.ndarray, np.ndarray]]:
        """Fixed random inputs and int64 targets, used in turn."""
        rng = np.random.RandomState(0)
        out = []
        for _ in range(count):
            x = self.inputs(rng, self.batch)
            y = rng.randint(0, self.classes, (self.batch,)) if self.gpt is None else np.roll(x, -1, 1)
            out.append((x, y.astype(np.int64)))
        return out


def _normal(*shape: int) -> Callable[[np.random.RandomState, int], np.ndarray]:
    return lambda rng, batch: rng.standard_normal((batch, *shape)).astype(np.float32)


def _tokens(shape: GPTShape) -> Callable[[np.random.RandomState, int], np.ndarray]:
    return lambda rng, batch: rng.randint(0, shape.vocabulary, (batch, shape.length)).astype(np.int64)


_SMALL = GPTShape(layers=4, width=128, heads=4, length=64, vocabulary=256)
_GPT2 = GPTShape(layers=12, width=768, heads=12, length=1024, vocabulary=50257)

WORKLOADS = {
    load.name: load
    for load in (
        Workload("mlp", 64, "adam", 1e-3, _normal(784), 10),
        Workload("cnn", 64, "adam", 1e-3, _normal(3, 32, 32), 10),
        Workload("lstm", 64, "adam", 1e-3, _normal(100, 64), 10),
        Workload("gpt", 8, "adamw", 1e-3, _tokens(_SMALL), _SMALL.vocabulary, gpt=_SMALL),
        Workload("gpt2", 16, "adamw", 3e-4, _tokens(_GPT2), _GPT2.vocabulary, bf16=True, gpt=_GPT2),
        Workload("resnet50", 128, "sgd", 0.01, _normal(3, 224, 224), 1000, bf16=True),
    )
}
