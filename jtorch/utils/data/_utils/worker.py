"""A worker process of a DataLoader: fetches batches by the indices it is sent."""

import multiprocessing
import queue
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import jtorch
from jtorch._utils import ExceptionWrapper
from jtorch.engine import fork
from jtorch.tensor import call, storage, tensor
from jtorch.utils.data._utils.fetch import create_fetcher
from jtorch.utils.data._utils.transfer import pack, pack_error
from jtorch.utils.data.dataset import IterableDataset

CHECK_INTERVAL = 1.0  # seconds between looks whether the program is still there


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """What a worker knows about itself (torch.utils.data.get_worker_info).

    ``dataset`` is this process's copy; ``seed`` is what random numbers were seeded with.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any


_worker_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """In a DataLoader's worker process, which worker it is; None elsewhere."""
    return _worker_info


@dataclass(frozen=True)
class Ended:
    """Sent instead of a batch: a worker's iterable dataset has no more."""


@dataclass(frozen=True)
class Again:
    """Sent to a worker to begin its dataset anew, and back when it has."""


@dataclass
class Job:
    """What a worker is to do."""

    dataset: Any
    auto_collation: bool
    collate_fn: Callable
    drop_last: bool
    base_seed: int
    init_fn: Callable[[int], None] | None
    num_workers: int

    def fetcher(self) -> Any:
        """A new fetcher of the dataset."""
        return create_fetcher(self.dataset, self.auto_collation, self.collate_fn, self.drop_last)


def work(job: Job, worker_id: int, areas: list, tasks: Any, results: Any, inherited: list[Any], forked: bool) -> None:
    """The life of a worker: takes ``(number, area, indices)`` from ``tasks``, sends ``(worker, number, packed batch)``.

    A task of None ends it, as does the end of ``results``, and of the program that started it.
    """
    for pipe in inherited:
        pipe.close()
    try:
        fork.in_worker(forked)
        if forked:
            modules: Any = (call, storage, tensor)
            for module in modules:
                module.HOST_LIMIT = sys.maxsize  # NumPy does what it can, of whatever size
        _seed(job.base_seed, worker_id)
        global _worker_info
        _worker_info = WorkerInfo(worker_id, job.num_workers, job.base_seed + worker_id, job.dataset)
        _serve(job, worker_id, areas, tasks, results)
    except KeyboardInterrupt:
        pass  # the program itself is interrupted too
    except BrokenPipeError:
        pass  # the program wants no more


def _seed(base_seed: int, worker_id: int) -> None:
    random.seed(base_seed + worker_id)
    jtorch.manual_seed(base_seed + worker_id)
    entropy = [worker_id, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
    np.random.seed(np.random.SeedSequence(entropy).generate_state(4))


def _serve(job: Job, worker_id: int, areas: list, tasks: Any, results: Any) -> None:
    where = f"in DataLoader worker process {worker_id}"
    failed = None
    try:
        if job.init_fn is not None:
            job.init_fn(worker_id)
        fetcher = job.fetcher()
    except Exception:
        failed = pack_error(ExceptionWrapper(where=where))
    parent = multiprocessing.parent_process()
    iterable = isinstance(job.dataset, IterableDataset)
    ended = False
    while True:
        try:
            task = tasks.get(timeout=CHECK_INTERVAL)
        except queue.Empty:
            if parent is not None and not parent.is_alive():
                return
            continue
        if task is None:
            return
        if isinstance(task, Again):
            fetcher, ended = job.fetcher(), False
            results.send((worker_id, None, task))
            continue
        if ended:
            continue
        number, area, indices = task
        answer: Any
        try:
            if failed is not None:
                failed, answer = None, failed
            else:
                answer = pack(fetcher.fetch(indices), areas[area] if area is not None else None)
        except Exception as error:
            if isinstance(error, StopIteration) and iterable:
                answer, ended = Ended(), True
            else:
                answer = pack_error(ExceptionWrapper(where=where))
        results.send((worker_id, number, answer))
        del answer
