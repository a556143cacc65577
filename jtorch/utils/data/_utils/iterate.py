"""Iterating over a DataLoader: what is common to all ways, and the way without worker processes."""

import warnings
from typing import Any

import jtorch
from jtorch.tensor.fused import flush
from jtorch.utils.data._utils.fetch import DatasetKind, create_fetcher
from jtorch.utils.data._utils.pin_memory import has_accelerator, pin_memory


class BaseIterator:
    """One pass over a loader's batches. What the program has pending runs before each of them is fetched."""

    def __init__(self, loader: Any) -> None:
        self._dataset = loader.dataset
        self._dataset_kind = loader._dataset_kind
        self._auto_collation = loader._auto_collation
        self._drop_last = loader.drop_last
        self._index_sampler = loader._index_sampler
        self._num_workers = loader.num_workers
        self._timeout = loader.timeout
        self._collate_fn = loader.collate_fn
        self._pin_memory = loader.pin_memory and has_accelerator()
        if loader.pin_memory and not self._pin_memory:
            warnings.warn(
                "'pin_memory' argument is set as true but no accelerator is found, then device pinned memory "
                "won't be used.",
                stacklevel=4,
            )
        self._begin(loader)
        # Drawn here and from this generator, as in torch: it decides the numbers that come after, shuffles among them.
        seed = jtorch.empty((), dtype=jtorch.int64).random_(generator=loader.generator)  # type: ignore[attr-defined]
        self._base_seed = int(seed.item())

    def _begin(self, loader: Any) -> None:
        self._sampler_iter = iter(self._index_sampler)
        self._num_yielded = 0
        self._expected = loader._IterableDataset_len_called

    def __iter__(self) -> "BaseIterator":
        return self

    def __next__(self) -> Any:
        flush("DataLoader")
        data = self._next_data()
        if self._pin_memory:
            data = pin_memory(data)
        self._num_yielded += 1
        if self._dataset_kind == DatasetKind.Iterable and self._num_yielded > (self._expected or float("inf")):
            self._warn_of_length()
        return data

    def _next_data(self) -> Any:
        raise NotImplementedError

    def _warn_of_length(self) -> None:
        hint = "" if not self._num_workers else (
            "With worker processes each iterates over a copy of the dataset: has every copy its own share? "
            "See https://pytorch.org/docs/stable/data.html#torch.utils.data.IterableDataset. "
        )  # fmt: skip
        warnings.warn(
            f"Length of IterableDataset {self._dataset} was reported to be {self._expected} (when accessing "
            f"len(dataloader)), but {self._num_yielded} samples have been fetched. {hint}",
            stacklevel=3,
        )

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __getstate__(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__} cannot be pickled")


class SingleProcessIterator(BaseIterator):
    """Fetches each batch when it is asked for, in this process."""

    def __init__(self, loader: Any) -> None:
        super().__init__(loader)
        if self._timeout:
            raise AssertionError("a timeout needs worker processes: num_workers > 0")
        self._fetcher = create_fetcher(self._dataset, self._auto_collation, self._collate_fn, self._drop_last)

    def _next_data(self) -> Any:
        return self._fetcher.fetch(next(self._sampler_iter))
