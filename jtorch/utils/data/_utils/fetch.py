"""Getting the samples of a batch out of a dataset."""

import operator
from collections.abc import Callable
from typing import Any

import jtorch
from jtorch.tensor.tensor import tensor_from
from jtorch.utils.data._utils.collate import default_collate, host
from jtorch.utils.data.dataset import IterableDataset, Subset, TensorDataset


class DatasetKind:
    """How a dataset is read: by index or in its own order."""

    Map = 0
    Iterable = 1


def create_fetcher(dataset: Any, auto_collation: bool, collate_fn: Callable, drop_last: bool) -> Any:
    """The fetcher for a dataset: an object whose ``fetch(indices)`` gives a batch."""
    if isinstance(dataset, IterableDataset):
        return _IterableDatasetFetcher(dataset, auto_collation, collate_fn, drop_last)
    return _MapDatasetFetcher(dataset, auto_collation, collate_fn, drop_last)


class _Fetcher:
    def __init__(self, dataset: Any, auto_collation: bool, collate_fn: Callable, drop_last: bool) -> None:
        self.dataset = dataset
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self.drop_last = drop_last


class _IterableDatasetFetcher(_Fetcher):
    """Takes the next samples, as many as there are indices; raises StopIteration when there are none."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.dataset_iter = iter(self.dataset)
        self.ended = False

    def fetch(self, indices: Any) -> Any:
        """The next batch."""
        if self.ended:
            raise StopIteration
        if not self.auto_collation:
            return self.collate_fn(next(self.dataset_iter))
        data = []
        for _ in indices:
            try:
                data.append(next(self.dataset_iter))
            except StopIteration:
                self.ended = True
                break
        if not data or (self.drop_last and len(data) < len(indices)):
            raise StopIteration
        return self.collate_fn(data)


class _MapDatasetFetcher(_Fetcher):
    """Asks for samples by index: all at once where the dataset can."""

    def fetch(self, indices: Any) -> Any:
        """The batch at ``indices`` (one sample at an index where batches are not put together)."""
        dataset = self.dataset
        if not self.auto_collation:
            return self.collate_fn(dataset[indices])
        if self.collate_fn is default_collate and (batch := whole_batch(dataset, indices)) is not None:
            return batch
        many = getattr(dataset, "__getitems__", None)
        return self.collate_fn(many(indices) if callable(many) else [dataset[i] for i in indices])


def whole_batch(dataset: Any, indices: list[int]) -> list[Any] | None:
    """A batch out of a TensorDataset by one look-up a tensor, with the values that samples stacked would have.

    None for any other dataset, and for tensors and indices that need the long way.
    """
    kind = type(dataset)
    while kind is Subset:
        at = dataset.indices
        indices = [at[i] for i in indices]
        dataset = dataset.dataset
        kind = type(dataset)
    if kind is not TensorDataset or not indices:
        return None
    try:
        rows = [operator.index(i) for i in indices]
    except TypeError:
        return None
    out = []
    for t in dataset.tensors:
        if type(t) is not jtorch.Tensor or t.dim() == 0:
            return None
        array = host(t)
        if array is not None:
            out.append(tensor_from(array.take(rows, axis=0), "cpu"))
        elif t.requires_grad or t.is_meta:
            return None
        else:
            out.append(t[rows])  # type: ignore[index]
    return out
