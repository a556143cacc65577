"""Data loading against torch's: the same batches in the same order from the same seed, the same errors."""

import collections
import os
import random
import re
import time
from typing import Any

import numpy as np
import pytest
import torch
import torch.utils.data

import jtorch
import jtorch.utils.data

# Torch forks its workers out of this process too, in which JAX has threads.
pytestmark = [
    pytest.mark.filterwarnings(r"ignore:.*fork\(\):RuntimeWarning"),
    pytest.mark.filterwarnings(r"ignore:.*fork\(\):DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

Point = collections.namedtuple("Point", "x y")


def plain(x: Any) -> Any:
    """Tensors of either library as arrays, containers as they are, with what is needed to compare them by ==."""
    if isinstance(x, (torch.Tensor, jtorch.Tensor)):
        return "tensor", str(x.dtype), tuple(x.shape), x.tolist()
    if isinstance(x, np.ndarray):
        return "array", x.tolist()
    if isinstance(x, dict):
        return type(x).__name__, {k: plain(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x).__name__, [plain(v) for v in x]
    return x


def both(program: Any) -> None:
    """``program(library)`` gives the same in both, or raises the same."""
    made = []
    for lib in (torch, jtorch):
        lib.manual_seed(7)
        random.seed(7)
        np.random.seed(7)
        try:
            made.append(plain(program(lib)))
        except Exception as error:
            made.append((type(error), re.sub(r"0x\w+|<[\w.]*(Dataset|Sampler|It)\b[^>]*>", "", str(error))))
    assert made[1] == made[0]


def numbers(lib: Any, n: int = 23) -> Any:
    return lib.utils.data.TensorDataset(lib.arange(2 * n).reshape(n, 2).float(), lib.arange(n))


# -- samplers and splits

SAMPLERS = {
    "random": lambda d, g: d.RandomSampler(range(9), generator=g),
    "random more": lambda d, g: d.RandomSampler(range(9), num_samples=21, generator=g),
    "random fewer": lambda d, g: d.RandomSampler(range(9), num_samples=4, generator=g),
    "replacement": lambda d, g: d.RandomSampler(range(9), replacement=True, num_samples=70, generator=g),
    "sequential": lambda d, g: d.SequentialSampler(range(9)),
    "subset": lambda d, g: d.SubsetRandomSampler([3, 1, 4, 1, 5], generator=g),
    "weighted": lambda d, g: d.WeightedRandomSampler([0.1, 2, 0.5, 0], 30, generator=g),
    "weighted without": lambda d, g: d.WeightedRandomSampler([0.1, 2, 0.5, 1], 3, replacement=False, generator=g),
    "batch": lambda d, g: d.BatchSampler(d.RandomSampler(range(9), generator=g), 4, False),
    "batch drop": lambda d, g: d.BatchSampler(d.SequentialSampler(range(9)), 4, True),
}


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers(name, own):
    def program(lib):
        generator = lib.Generator().manual_seed(3) if own else None
        sampler = SAMPLERS[name](lib.utils.data, generator)
        return [len(sampler), list(sampler), list(sampler), int(lib.randint(1000, (1,)))]

    both(program)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("drop", [False, True])
def test_distributed_sampler(shuffle, drop):
    def program(lib):
        found = []
        for rank in range(3):
            sampler = lib.utils.data.DistributedSampler(range(10), 3, rank, shuffle=shuffle, seed=2, drop_last=drop)
            found.append((len(sampler), list(sampler)))
            sampler.set_epoch(1)
            found.append(list(sampler))
        return found

    both(program)


@pytest.mark.parametrize("lengths", [[5, 3, 2], [0.5, 0.3, 0.2], [0.35, 0.65], [1.0]])
@pytest.mark.parametrize("own", [False, True])
def test_random_split(lengths, own):
    def program(lib):
        generator = lib.Generator().manual_seed(3) if own else lib.default_generator
        parts = lib.utils.data.random_split(range(10), lengths, generator)
        return [(list(p), list(p.indices)) for p in parts]

    both(program)


# -- datasets

DATASETS = {
    "tensors": lambda d, t: d[[1, 3, 2]] if False else t[1],
    "negative": lambda d, t: t[-1],
    "slice": lambda d, t: t[1:3],
    "subset": lambda d, t: [d.Subset(t, [3, 1])[0], d.Subset(t, [3, 1])[[0, 1]], len(d.Subset(t, [3, 1]))],
    "concat": lambda d, t: [d.ConcatDataset([t, t])[i] for i in (0, 22, 23, 45, -1)],
    "plus": lambda d, t: [len(t + t + t), (t + t)[-46]],
    "concat range": lambda d, t: d.ConcatDataset([t])[-24],
    "stack": lambda d, t: [d.StackDataset(t, range(23))[2], d.StackDataset(a=t, b=range(23))[2]],
    "stack many": lambda d, t: d.StackDataset(range(23), a) if (a := None) else d.StackDataset(t).__getitems__([1, 2]),
    "stack none": lambda d, t: d.StackDataset(),
    "stack both": lambda d, t: d.StackDataset(t, a=t),
    "stack sizes": lambda d, t: d.StackDataset(t, range(3)),
    "split sum": lambda d, t: d.random_split(t, [1, 2]),
    "split fraction": lambda d, t: d.random_split(t, [1.5, -0.5]),
    "out of range": lambda d, t: t[23],
    "chain": lambda d, t: list(d.ChainDataset([t])),
    "no concat": lambda d, t: d.ConcatDataset([]),
}


@pytest.mark.parametrize("name", DATASETS)
def test_datasets(name):
    both(lambda lib: DATASETS[name](lib.utils.data, numbers(lib)))


# -- collating

BATCHES = {
    "tensors": lambda t: [t.ones(2), t.zeros(2)],
    "scalars": lambda t: [t.tensor(1), t.tensor(2)],
    "ints": lambda t: [1, 2, 3],
    "bools": lambda t: [True, False],
    "floats": lambda t: [1.5, 2.0],
    "arrays": lambda t: [np.ones(2), np.zeros(2)],
    "float32 arrays": lambda t: [np.ones((2, 1), np.float32)] * 2,
    "numpy scalars": lambda t: [np.float32(1), np.float32(2)],
    "0-d arrays": lambda t: [np.array(1), np.array(2)],
    "text": lambda t: ["a", "b"],
    "bytes": lambda t: [b"a", b"b"],
    "tuples": lambda t: [(1, "a", t.ones(1)), (2, "b", t.zeros(1))],
    "lists": lambda t: [[1, 2.0], [3, 4.0]],
    "dicts": lambda t: [{"x": 1, "y": t.ones(1)}, {"x": 2, "y": t.zeros(1)}],
    "ordered": lambda t: [collections.OrderedDict(a=1), collections.OrderedDict(a=2)],
    "named": lambda t: [Point(1, t.ones(1)), Point(2, t.ones(1))],
    "nested": lambda t: [({"a": [1, (2, "c")]},), ({"a": [3, (4, "d")]},)],
    "bfloat16": lambda t: [t.ones(2).bfloat16()] * 2,
    "uneven": lambda t: [[1], [1, 2]],
    "shapes": lambda t: [t.ones(2), t.ones(3)],
    "object": lambda t: [object(), object()],
    "none": lambda t: [None, None],
    "text arrays": lambda t: [np.array(["a"]), np.array(["b"])],
    "sets": lambda t: [{1}, {2}],
    "empty tensors": lambda t: [t.ones(0), t.ones(0)],
}


@pytest.mark.parametrize("name", BATCHES)
def test_default_collate(name):
    both(lambda lib: lib.utils.data.default_collate(BATCHES[name](lib)))


@pytest.mark.parametrize("name", [n for n in BATCHES if n != "object"])
def test_default_convert(name):
    both(lambda lib: lib.utils.data.default_convert(BATCHES[name](lib)))


# -- the loader

LOADERS = {
    "plain": {},
    "batch": {"batch_size": 4},
    "drop": {"batch_size": 4, "drop_last": True},
    "single": {"batch_size": None},
    "shuffle": {"batch_size": 5, "shuffle": True},
    "shuffle drop": {"batch_size": 5, "shuffle": True, "drop_last": True},
    "sampler": {"batch_size": 5, "sampler": [3, 1, 4, 1, 5, 9]},
    "batch sampler": {"batch_sampler": [[1, 2], [3], [5, 8, 13]]},
    "collate": {"batch_size": 4, "collate_fn": lambda batch: [x.tolist() + [int(y)] for x, y in batch]},
}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("name", LOADERS)
def test_loaders(name, workers):
    def program(lib):
        loader = lib.utils.data.DataLoader(numbers(lib), num_workers=workers, **LOADERS[name])
        return [len(loader), list(loader), list(loader), int(lib.randint(1000, (1,)))]

    both(program)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("persistent", [False, True])
def test_a_generator_of_its_own(workers, persistent):
    def program(lib):
        generator = lib.Generator().manual_seed(11)
        loader = lib.utils.data.DataLoader(
            numbers(lib), 6, shuffle=True, generator=generator, num_workers=workers,
            persistent_workers=persistent and bool(workers),
        )  # fmt: skip
        return [list(loader) for _ in range(3)], lib.rand(1), lib.rand(1, generator=generator)

    both(program)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_sampler_that_draws_in_iter(workers):
    def program(lib):
        class Eager(lib.utils.data.Sampler):
            def __iter__(self):
                return iter(lib.randperm(7).tolist())

            def __len__(self):
                return 7

        loader = lib.utils.data.DataLoader(numbers(lib), 3, sampler=Eager(), num_workers=workers)
        return list(loader), list(loader), lib.rand(1)

    both(program)


def test_random_numbers_in_workers():
    def program(lib):
        class Random(lib.utils.data.Dataset):
            def __len__(self):
                return 6

            def __getitem__(self, i):
                info = lib.utils.data.get_worker_info()
                return random.random(), np.random.rand(), lib.rand(1), lib.randn(20), info.seed, info.id

        return list(lib.utils.data.DataLoader(Random(), 2, num_workers=2)), lib.utils.data.get_worker_info()

    both(program)


def test_worker_init_fn():
    def program(lib):
        state = {}

        class Told(lib.utils.data.Dataset):
            def __len__(self):
                return 6

            def __getitem__(self, i):
                return state["who"]

        def init(worker):
            state["who"] = 100 + worker
            lib.manual_seed(worker)

        return list(lib.utils.data.DataLoader(Told(), 2, num_workers=2, worker_init_fn=init))

    both(program)


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("batch, drop", [(None, False), (4, False), (4, True)])
@pytest.mark.parametrize("persistent", [False, True])
def test_iterable_datasets(workers, batch, drop, persistent):
    def program(lib):
        class It(lib.utils.data.IterableDataset):
            def __iter__(self):
                info = lib.utils.data.get_worker_info()
                return iter(range(0, 14) if info is None else range(info.id, 14, info.num_workers))

        loader = lib.utils.data.DataLoader(
            It(), batch, drop_last=drop, num_workers=workers, persistent_workers=persistent and bool(workers)
        )
        return list(loader), list(loader)

    both(program)


def test_an_iterable_dataset_longer_than_it_says():
    for lib in (torch, jtorch):

        class It(lib.utils.data.IterableDataset):
            def __iter__(self):
                return iter(range(5))

            def __len__(self):
                return 3

        loader = lib.utils.data.DataLoader(It(), batch_size=None)
        assert len(loader) == 3
        with pytest.warns(UserWarning, match="was reported to be 3") as told:
            assert len(list(loader)) == 5
        assert ["but 4 samples" in str(w.message) for w in told] == [True, False]


def failing(lib: Any, error: Any, at: int = 5) -> Any:
    class Failing(lib.utils.data.Dataset):
        def __len__(self):
            return 8

        def __getitem__(self, i):
            if i == at:
                raise error
            return i

    return Failing()


class Odd(Exception):
    """Cannot be made of a message alone."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__(a, b)


ERRORS = [
    ValueError("bad"),
    KeyError("bad"),
    IndexError(3),
    StopIteration(),
    Odd(1, 2),
    OSError(2, "no"),
    SystemError("x"),
]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_errors_of_datasets(error, workers):
    raised = []
    for lib in (torch, jtorch):
        seen = []
        try:
            for batch in lib.utils.data.DataLoader(failing(lib, error), 2, num_workers=workers):
                seen.append(batch.tolist())
        except BaseException as caught:
            raised.append((seen, type(caught), str(caught).split("\n")[0], "in __getitem__" in str(caught)))
        else:
            raised.append((seen, None))
    assert raised[1] == raised[0]


def test_going_on_after_an_error():
    def program(lib):
        found = []
        batches = iter(lib.utils.data.DataLoader(failing(lib, ValueError("bad")), 2, num_workers=2))
        while True:
            try:
                found.append(next(batches))
            except ValueError:
                found.append("error")
            except StopIteration:
                return found

    both(program)


ARGUMENTS = {
    "workers": {"num_workers": -1},
    "timeout": {"timeout": -1},
    "prefetch": {"prefetch_factor": 2},
    "prefetch negative": {"prefetch_factor": -2, "num_workers": 1},
    "persistent": {"persistent_workers": True},
    "sampler": {"sampler": [1], "shuffle": True},
    "batch sampler": {"batch_sampler": [[1]], "batch_size": 3},
    "batch sampler shuffle": {"batch_sampler": [[1]], "shuffle": True},
    "no batch": {"batch_size": None, "drop_last": True},
    "batch size": {"batch_size": 0},
    "batch size float": {"batch_size": 1.5},
    "drop": {"drop_last": "yes"},
    "context": {"multiprocessing_context": "fork"},
    "context name": {"multiprocessing_context": "nothing", "num_workers": 1},
    "context type": {"multiprocessing_context": 3, "num_workers": 1},
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_that_do_not_go_together(name):
    both(lambda lib: lib.utils.data.DataLoader(numbers(lib), **ARGUMENTS[name]) and None)


@pytest.mark.parametrize("kwargs", [{"shuffle": True}, {"sampler": [1]}, {"batch_sampler": [[1]]}, {"shuffle": False}])
def test_arguments_for_iterable_datasets(kwargs):
    def program(lib):
        class It(lib.utils.data.IterableDataset):
            def __iter__(self):
                return iter(range(3))

        return list(lib.utils.data.DataLoader(It(), **kwargs))

    both(program)


@pytest.mark.parametrize("name", ["batch_size", "sampler", "dataset", "drop_last", "persistent_workers", "timeout"])
def test_attributes_that_are_fixed(name):
    both(lambda lib: setattr(lib.utils.data.DataLoader(numbers(lib)), name, 1))


SAMPLER_ERRORS = {
    "replacement": lambda d: d.RandomSampler(range(3), replacement=1),
    "num_samples": lambda d: d.RandomSampler(range(3), num_samples=0),
    "empty": lambda d: d.RandomSampler([]) and None,
    "weights": lambda d: d.WeightedRandomSampler([[1.0]], 1),
    "weighted num_samples": lambda d: d.WeightedRandomSampler([1.0], True),
    "batch size": lambda d: d.BatchSampler([1], True, False),
    "rank": lambda d: d.DistributedSampler(range(3), 2, 2),
    "empty loader": lambda d: d.DataLoader([], shuffle=True) and None,
}


@pytest.mark.parametrize("name", SAMPLER_ERRORS)
def test_errors_of_samplers(name):
    both(lambda lib: SAMPLER_ERRORS[name](lib.utils.data))


def test_a_slow_worker_times_out():
    def program(lib):
        class Slow(lib.utils.data.Dataset):
            def __len__(self):
                return 2

            def __getitem__(self, i):
                time.sleep(20)

        return list(lib.utils.data.DataLoader(Slow(), num_workers=1, timeout=1))

    both(program)


def test_a_worker_that_dies():
    class Dying(jtorch.utils.data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, i):
            os._exit(3)

    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid\(s\) \d+\) exited unexpectedly"):
        list(jtorch.utils.data.DataLoader(Dying(), num_workers=1))
