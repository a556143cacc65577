"""The measured programs as a torch user writes them. The same file runs on torch and, under the alias, on jtorch.

Nothing here is tuned for either: a model, an optimizer, and the ordinary loop.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from benchmarks.workloads import GPTShape, Workload


class CNN(nn.Module):
    """The tutorial's CNN, for 3x32x32 images."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=3, padding=1)
        self.conv3 = nn.Conv2d(64, 128, kernel_size=3, padding=1)
        self.pool = nn.MaxPool2d(2, 2)
        self.fc1 = nn.Linear(128 * 4 * 4, 512)
        self.fc2 = nn.Linear(512, num_classes)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = self.pool(F.relu(self.conv3(x)))
        x = x.view(x.size(0), -1)
        x = self.dropout(F.relu(self.fc1(x)))
        return self.fc2(x)


class LSTMClassifier(nn.Module):
    def __init__(self, features: int = 64, hidden: int = 256, classes: int = 10) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, hidden, batch_first=True)
        self.fc = nn.Linear(hidden, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _, (hidden, _) = self.lstm(x)
        return self.fc(hidden[-1])


class GPTBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).split(width, dim=2)
        q, k, v = (t.view(batch, length, self.heads, width // self.heads).transpose(1, 2) for t in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(y.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class GPT(nn.Module):
    """GPT-2's architecture: pre-norm blocks, learned positions, the output layer tied to the embedding."""

    def __init__(self, shape: GPTShape) -> None:
        super().__init__()
        self.token = nn.Embedding(shape.vocabulary, shape.width)
        self.position = nn.Embedding(shape.length, shape.width)
        self.blocks = nn.ModuleList([GPTBlock(shape.width, shape.heads) for _ in range(shape.layers)])
        self.norm = nn.LayerNorm(shape.width)
        self.head = nn.Linear(shape.width, shape.vocabulary, bias=False)
        self.head.weight = self.token.weight
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.token(tokens) + self.position(torch.arange(tokens.size(1), device=tokens.device))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


class Bottleneck(nn.Module):
    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels != 4 * width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, 4 * width, 1, stride=stride, bias=False), nn.BatchNorm2d(4 * width)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        return F.relu(self.bn3(self.conv3(out)) + self.shortcut(x))


class ResNet50(nn.Module):
    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        blocks, channels = [], 64
        for stage, depth in enumerate((3, 4, 6, 3)):
            for i in range(depth):
                blocks.append(Bottleneck(channels, 64 << stage, stride=2 if stage and i == 0 else 1))
                channels = 4 * (64 << stage)
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(F.relu(self.bn1(self.conv1(x))))
        x = self.blocks(x)
        return self.fc(x.mean((2, 3)))


def _model(load: Workload) -> nn.Module:
    if load.gpt is not None:
        return GPT(load.gpt)
    if load.name == "mlp":
        return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))
    return {"cnn": CNN, "lstm": LSTMClassifier, "resnet50": ResNet50}[load.name]()


def _optimizer(load: Workload, model: nn.Module) -> torch.optim.Optimizer:
    if load.optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), lr=load.lr, momentum=0.9)
    return {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[load.optimizer](model.parameters(), lr=load.lr)


@dataclass
class Program:
    """A model in training; ``run`` is the loop a user writes."""

    model: nn.Module
    step: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    batches: list[tuple[torch.Tensor, torch.Tensor]]

    def run(self, steps: int) -> float:
        """Train for ``steps`` steps, reading the loss every 10; returns the last loss read."""
        last = float("nan")
        for step in range(steps):
            loss = self.step(*self.batches[step % len(self.batches)])
            if step % 10 == 9:
                last = loss.item()
        return last

    def load(self, arrays: dict[str, np.ndarray]) -> None:
        """Take weights by torch's names, to compare programs that start alike."""
        self.model.load_state_dict({name: torch.from_numpy(a) for name, a in arrays.items()}, strict=False)


def _step(
    forward: Callable[[Any], Any], optimizer: torch.optim.Optimizer, autocast: Callable[[], AbstractContextManager]
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    def step(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        optimizer.zero_grad()
        with autocast():
            output = forward(x)
            if output.dim() == 3:  # a prediction for each token
                output, y = output.view(-1, output.size(-1)), y.view(-1)
            loss = F.cross_entropy(output, y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def build(load: Workload, device: str, compiled: str = "") -> Program:
    """The program; ``compiled`` says what of it goes under torch.compile: nothing, the model, or the whole step."""
    torch.manual_seed(0)
    model = _model(load).to(device)
    batches = [(torch.from_numpy(x).to(device), torch.from_numpy(y).to(device)) for x, y in load.batches()]
    step = _step(
        torch.compile(model) if compiled == "model" else model,
        _optimizer(load, model),
        (lambda: torch.autocast(device, dtype=torch.bfloat16)) if load.bf16 else nullcontext,
    )
    return Program(model, torch.compile(step) if compiled == "step" else step, batches)
