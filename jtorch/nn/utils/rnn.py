"""Packed and padded sequences (``torch.nn.utils.rnn``).

A :class:`PackedSequence` holds the steps of sequences of different length one after the other: first the first step of
every sequence, longest sequence first, then the second steps, and so on. Lengths and batch sizes live on the host.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple, Self

import numpy as np

import jtorch
from jtorch.tensor.tensor import Tensor

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpad_sequence",
    "pack_sequence",
    "unpack_sequence",
]


class PackedSequence_(NamedTuple):
    data: Any
    batch_sizes: Any
    sorted_indices: Any
    unsorted_indices: Any


class PackedSequence(PackedSequence_):
    """Sequences of different length, packed; made by :func:`pack_padded_sequence` and :func:`pack_sequence`.

    Attributes:
        data: the steps, (sum of lengths, *).
        batch_sizes: how many sequences are still running at each step, int64 on the CPU.
        sorted_indices: the order the sequences were sorted into, or None if they came sorted.
        unsorted_indices: its inverse.
    """

    def __new__(
        cls, data: Any, batch_sizes: Any = None, sorted_indices: Any = None, unsorted_indices: Any = None
    ) -> Self:
        if batch_sizes is None:
            # A pair, as older versions had it.
            if not isinstance(data, (list, tuple)) or len(data) != 2:
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes.device.type != "cpu":
            raise ValueError(
                "batch_sizes should always be on CPU. Instances of PackedSequence should never be created manually. "
                "They should be instantiated by functions like pack_sequence and pack_padded_sequence in "
                "nn.utils.rnn. https://pytorch.org/docs/stable/nn.html#torch.nn.utils.rnn.pack_sequence"
            )
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> "PackedSequence":
        """The same with ``data.to(...)``; the indices follow it to its device."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        indices = [None if i is None else i.to(data.device) for i in (self.sorted_indices, self.unsorted_indices)]
        return type(self)(data, self.batch_sizes, *indices)

    def cuda(self, *args: Any, **kwargs: Any) -> "PackedSequence":
        """The same on the GPU."""
        return self.to(*(args or ("cuda",)), **kwargs)

    def cpu(self, *args: Any, **kwargs: Any) -> "PackedSequence":
        """The same on the CPU."""
        return self.to("cpu", *args, **kwargs)

    def pin_memory(self) -> "PackedSequence":
        """The same with its tensors in pinned memory."""
        indices = [None if i is None else i.pin_memory() for i in (self.sorted_indices, self.unsorted_indices)]
        return type(self)(self.data.pin_memory(), self.batch_sizes, *indices)

    def double(self) -> "PackedSequence":
        """The same in float64."""
        return self.to(dtype=jtorch.double)

    def float(self) -> "PackedSequence":
        """The same in float32."""
        return self.to(dtype=jtorch.float)

    def half(self) -> "PackedSequence":
        """The same in float16."""
        return self.to(dtype=jtorch.half)

    def long(self) -> "PackedSequence":
        """The same in int64."""
        return self.to(dtype=jtorch.long)

    def int(self) -> "PackedSequence":
        """The same in int32."""
        return self.to(dtype=jtorch.int)

    def short(self) -> "PackedSequence":
        """The same in int16."""
        return self.to(dtype=jtorch.short)

    def char(self) -> "PackedSequence":
        """The same in int8."""
        return self.to(dtype=jtorch.int8)

    def byte(self) -> "PackedSequence":
        """The same in uint8."""
        return self.to(dtype=jtorch.uint8)

    @property
    def is_cuda(self) -> bool:
        """Whether the data is on a GPU."""
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        """Whether the data is in pinned memory."""
        return self.data.is_pinned()


def invert_permutation(permutation: Any) -> Any:
    """The permutation that undoes ``permutation`` (None for None)."""
    if permutation is None:
        return None
    output = jtorch.empty_like(permutation)
    output.scatter_(0, permutation, jtorch.arange(permutation.numel(), device=permutation.device))
    return output


def pack_padded_sequence(
    input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack a padded batch (T, N, *), or (N, T, *) with ``batch_first``.

    Arguments:
        lengths: the length of each sequence, a list or a CPU tensor.
        enforce_sorted: the sequences come longest first; otherwise they are sorted here.

    Raises RuntimeError for lengths that are not positive, not sorted, too many, too few or too large.
    """
    lengths = lengths if isinstance(lengths, Tensor) else jtorch.as_tensor(lengths, dtype=jtorch.int64, device="cpu")
    if lengths.dim() != 1 or lengths.device.type != "cpu":
        raise RuntimeError(
            f"'lengths' argument should be a 1D CPU int64 tensor, but got {lengths.dim()}D {lengths.device.type} tensor"
        )
    sizes = lengths.numpy().astype(np.int64)
    order = None
    if not enforce_sorted:
        order = np.argsort(-sizes, kind="stable")
        sizes = sizes[order]
    if batch_first:
        input = input.transpose(0, 1)
    steps, batch = input.size(0), input.size(1)
    if order is not None and len(sizes) > batch:
        raise IndexError("index out of range in self")
    if order is None and len(sizes) != batch:  # sorting takes the sequences that have a length
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(sizes)} (batch_size={batch})"
        )
    if batch == 0:
        raise RuntimeError("Cannot pack empty tensors.")
    if sizes.min() <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    if (np.diff(sizes) > 0).any():
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you "
            "do not need ONNX exportability."
        )
    if sizes[0] > steps:
        raise RuntimeError(f"Expected lengths of at most {steps}, the size of the padded batch, but got {sizes[0]}")

    step, place = np.nonzero(np.arange(sizes[0])[:, None] < sizes)
    batch_sizes = np.bincount(step).astype(np.int64)
    # One gather does the sorting and the packing.
    rows = step * batch + (place if order is None else order[place])
    flat = input.reshape(steps * batch, *input.shape[2:])
    data = flat.index_select(0, jtorch.from_numpy(rows).to(input.device))
    indices = (None, None)
    if order is not None:
        indices = tuple(jtorch.from_numpy(i).to(input.device) for i in (order, np.argsort(order)))
    return PackedSequence(data, jtorch.from_numpy(batch_sizes), *indices)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Any, Any]:
    """The inverse of :func:`pack_padded_sequence`: the padded batch, and the lengths as a CPU tensor.

    ``total_length`` pads further than the longest sequence; ValueError if it is shorter.
    """
    sizes = sequence.batch_sizes.numpy()
    steps, batch = len(sizes), int(sizes[0])
    if total_length is not None:
        if total_length < steps:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, but got "
                f"total_length={total_length} and max sequence length being {steps}"
            )
        sizes = np.concatenate([sizes, np.zeros(total_length - steps, np.int64)])
        steps = total_length
    order = None if sequence.unsorted_indices is None else sequence.unsorted_indices.cpu().numpy()
    column = np.arange(batch) if order is None else order
    valid = column < sizes[:, None]
    rows = np.where(valid, (np.cumsum(sizes) - sizes)[:, None] + column, 0)
    data = sequence.data
    padded = data.index_select(0, jtorch.from_numpy(rows.reshape(-1)).to(data.device))
    padded = padded.view(steps, batch, *data.shape[1:])
    mask = jtorch.from_numpy(~valid.reshape(steps, batch, *[1] * (data.dim() - 1))).to(data.device)
    padded = padded.masked_fill(mask, padding_value)
    return (padded.transpose(0, 1) if batch_first else padded), jtorch.from_numpy(valid.sum(0).astype(np.int64))


def pad_sequence(
    sequences: Any, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Any:
    """Stack sequences (L, *) of different length, padded to the longest: (T, N, *), or (N, T, *) with
    ``batch_first``.
    """
    if isinstance(sequences, Tensor):
        sequences = tuple(sequences)
    elif not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    sequences = tuple(sequences)
    if not sequences:
        raise RuntimeError("received an empty list of sequences")
    for i, sequence in enumerate(sequences):
        if not isinstance(sequence, Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(sequence).__name__}")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    longest = max(sequence.size(0) for sequence in sequences)
    padded = []
    for sequence in sequences:
        missing = longest - sequence.size(0)
        if missing:
            sides = (missing, 0) if padding_side == "left" else (0, missing)
            sequence = jtorch.nn.functional.pad(
                sequence, (0, 0) * (sequence.dim() - 1) + sides, "constant", padding_value
            )
        padded.append(sequence)
    return jtorch.stack(padded, dim=0 if batch_first else 1)


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list:
    """The sequences of a padded batch, each cut to its length."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    return [sequence[:length] for sequence, length in zip(padded_sequences, lengths.tolist(), strict=False)]


def pack_sequence(sequences: Any, enforce_sorted: bool = True) -> PackedSequence:
    """Pack a list of sequences (L, *); see :func:`pack_padded_sequence`."""
    lengths = jtorch.as_tensor([sequence.size(0) for sequence in sequences])
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list:
    """The sequences that were packed, as a list."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
