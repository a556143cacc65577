"""scikit-learn's 1,797 handwritten digits, 8x8, as tensors."""

import numpy as np
import torch
from sklearn.datasets import load_digits


def digits(scale: int = 1, channels: int = 1):
    """Training images and labels, then validation ones: float32 in [0, 1], each pixel repeated ``scale`` times."""
    data = load_digits()
    order = np.random.RandomState(0).permutation(len(data.target))
    images = np.kron(data.images[order] / 16, np.ones((1, scale, scale))).astype(np.float32)
    images = torch.from_numpy(images).unsqueeze(1).repeat(1, channels, 1, 1)
    labels = torch.from_numpy(data.target[order]).long()
    return images[:1437], labels[:1437], images[1437:], labels[1437:]
