"""What the tutorial uses and never defines, put into its namespace before the block that uses it.

Each function says what its block lacks and supplies that; the block's own text is left as it is.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from compat_suite import digits

Context = Callable[[dict[str, Any]], None]
CONTEXTS: dict[int, Context] = {}


def before(number: int) -> Callable[[Context], Context]:
    """Register a context for the block of that number."""

    def register(context: Context) -> Context:
        CONTEXTS[number] = context
        return context

    return register


class ConvNet(nn.Module):
    """A small image model in two parts, by the names the tutorial gives them; any image size."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.conv_layers = nn.Sequential(
            nn.Conv2d(channels, 8, kernel_size=3, stride=2, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d((4, 4))
        )
        self.fc_layers = nn.Sequential(nn.Flatten(), nn.Linear(8 * 4 * 4, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc_layers(self.conv_layers(x))


@before(17)
def loss_functions(names: dict[str, Any]) -> None:
    """A classifier, its input, and ``labels``: the ``model`` and ``x`` left from before do not fit one another."""
    names["x"], names["labels"] = digits.images(16, 28)
    names["x"] = names["x"].flatten(1)
    names["model"] = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))


@before(18)
def optimizers(names: dict[str, Any]) -> None:
    """``conv_layers`` and ``fc_layers``, which ``SimpleNet`` lacks: a convolutional branch beside its own layers."""
    cls = names["SimpleNet"]
    plain_init, plain_forward = cls.__init__, cls.forward

    def __init__(self: Any, input_size: int, hidden_size: int, output_size: int) -> None:
        plain_init(self, input_size, hidden_size, output_size)
        self.conv_layers = nn.Sequential(nn.Conv1d(1, 4, kernel_size=3, padding=1), nn.ReLU(), nn.Flatten())
        self.fc_layers = nn.Linear(4 * input_size, output_size)

    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        return plain_forward(self, x) + self.fc_layers(self.conv_layers(x.unsqueeze(1)))

    cls.__init__, cls.forward = __init__, forward


@before(19)
def training_loop(names: dict[str, Any]) -> None:
    """``train_dataset`` and ``val_dataset``: real handwritten digits."""
    names["train_dataset"], names["val_dataset"] = digits.datasets()


@before(21)
def model_information(names: dict[str, Any]) -> None:
    """A ``model`` with ``conv_layers``."""
    names["model"] = ConvNet()


@before(22)
def inference(names: dict[str, Any]) -> None:
    """A ``model`` for 3x224x224 images, on ``device``."""
    names["model"] = ConvNet(channels=3).to(names["device"])


@before(23)
def schedules(names: dict[str, Any]) -> None:
    """``train`` and ``validate``, with the model they train and its ``optimizer``."""
    model = names["Model"]()
    names["optimizer"] = torch.optim.SGD(model.parameters(), lr=0.1)
    train_set, val_set = digits.images(256, 28), digits.images(128, 28, start=256)
    names["rates"], names["val_losses"] = [], []

    def train(_: Any) -> None:
        names["rates"].append(names["optimizer"].param_groups[0]["lr"])
        names["optimizer"].zero_grad()
        F.cross_entropy(model(train_set[0]), train_set[1]).backward()
        names["optimizer"].step()

    def validate(_: Any) -> float:
        with torch.no_grad():
            loss = F.cross_entropy(model(val_set[0]), val_set[1]).item()
        names["val_losses"].append(loss)
        return loss

    names["train"], names["validate"] = train, validate
