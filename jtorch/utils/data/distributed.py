"""The sampler for training with several processes (torch.utils.data.distributed)."""

import math
from collections.abc import Iterator
from typing import Any

import jtorch
from jtorch.utils.data.sampler import Sampler

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler[int]):
    """One process's share of the indices: every ``num_replicas``-th from ``rank`` on.

    The indices are shuffled by ``seed`` plus the epoch (:meth:`set_epoch`), and repeated (or with ``drop_last`` cut
    off) until all processes get the same number. Raises ValueError for a rank out of range, and RuntimeError where
    the number of processes is neither given nor known from torch.distributed.
    """

    def __init__(
        self, dataset: Any, num_replicas: int | None = None, rank: int | None = None, shuffle: bool = True, seed: int
        = 0, drop_last: bool = False,
    ) -> None:  # fmt: skip
        if num_replicas is None or rank is None:
            distributed = getattr(jtorch, "distributed", None)
            if distributed is None or not distributed.is_available():
                raise RuntimeError("Requires distributed package to be available")
            num_replicas = distributed.get_world_size() if num_replicas is None else num_replicas
            rank = distributed.get_rank() if rank is None else rank
        if rank >= num_replicas or rank < 0:  # type: ignore[operator]
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")  # type: ignore[operator]
        self.dataset = dataset
        self.num_replicas: int = num_replicas  # type: ignore[assignment]
        self.rank: int = rank  # type: ignore[assignment]
        self.epoch = 0
        self.drop_last = drop_last
        length = len(dataset)
        self.num_samples = length // self.num_replicas if drop_last else math.ceil(length / self.num_replicas)
        self.total_size = self.num_samples * self.num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[int]:
        length = len(self.dataset)
        if self.shuffle:
            generator = jtorch.Generator()
            generator.manual_seed(self.seed + self.epoch)
            order = jtorch.randperm(length, generator=generator).tolist()
        else:
            order = list(range(length))
        if self.drop_last:
            order = order[: self.total_size]
        elif order:
            order = (order * math.ceil(self.total_size / length))[: self.total_size]
        return iter(order[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch it is, so that each is shuffled differently."""
        self.epoch = epoch
