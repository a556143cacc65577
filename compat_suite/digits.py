"""Real data that comes with scikit-learn: 1,797 handwritten digits of 8x8 pixels, scaled to the size a model takes."""

from functools import cache

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch.utils.data import TensorDataset

TRAIN = 1437  # four fifths


@cache
def _shuffled() -> tuple[np.ndarray, np.ndarray]:
    digits = load_digits()
    order = np.random.RandomState(0).permutation(len(digits.target))
    return (digits.images[order] / 16.0).astype(np.float32), digits.target[order].astype(np.int64)


def _bilinear(source: int, size: int) -> np.ndarray:
    """The (size, source) matrix of linear interpolation between pixel centres."""
    at = np.clip((np.arange(size) + 0.5) * source / size - 0.5, 0, source - 1)
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(source))).astype(np.float32)


def images(count: int, size: int, channels: int = 1, start: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """``count`` digits as (count, channels, size, size) float32 between 0 and 1, and their labels, int64."""
    pixels, labels = _shuffled()
    scale = _bilinear(8, size)
    scaled = scale @ pixels[start : start + count] @ scale.T
    stacked = np.repeat(scaled[:, None], channels, axis=1)
    return torch.from_numpy(stacked.copy()), torch.from_numpy(labels[start : start + count].copy())


def datasets() -> tuple[TensorDataset, TensorDataset]:
    """The training set (1,437 digits) and the validation set (360), at 28x28."""
    total = len(_shuffled()[1])
    return TensorDataset(*images(TRAIN, 28)), TensorDataset(*images(total - TRAIN, 28, start=TRAIN))
