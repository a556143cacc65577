"""How long the pieces are that split, chunk and their relatives cut a dimension into."""

from collections.abc import Sequence


def split_lengths(size: int, split_size: int) -> list[int]:
    """The lengths of the pieces of ``torch.split`` with one size."""
    if split_size < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={split_size}")
    if split_size == 0:
        if size:
            raise RuntimeError(f"split_size can only be 0 if dimension size is 0, but got dimension size of {size}")
        return [0]
    return [min(split_size, size - i) for i in range(0, size, split_size)] or [0]


def chunk_lengths(size: int, chunks: int) -> list[int]:
    """The lengths of the pieces of ``torch.chunk``."""
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    return split_lengths(size, -(-size // chunks)) if size else [0] * chunks


def given_lengths(size: int, split_sizes: Sequence[int], dim: int) -> list[int]:
    """``split_sizes``, checked as ``torch.split_with_sizes`` does."""
    lengths = list(split_sizes)
    if any(n < 0 for n in lengths):
        raise RuntimeError(
            f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={lengths}"
        )
    if sum(lengths) != size:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {size} (input tensor's size at dimension {dim}), "
            f"but got split_sizes={lengths}"
        )
    return lengths


def starts(lengths: Sequence[int]) -> list[int]:
    """Where each of consecutive pieces begins."""
    return [sum(lengths[:i]) for i in range(len(lengths))]
