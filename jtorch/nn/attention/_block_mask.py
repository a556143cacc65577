"""Which blocks of the scores a mask leaves (``torch.nn.attention.flex_attention.BlockMask``)."""

from collections.abc import Callable
from copy import copy
from typing import Any, NoReturn, Self

import numpy as np

import jtorch
from jtorch.tensor.tensor import Tensor

torch: Any = jtorch
_TENSORS = (
    "kv_num_blocks", "kv_indices", "full_kv_num_blocks", "full_kv_indices",
    "q_num_blocks", "q_indices", "full_q_num_blocks", "full_q_indices",
)  # fmt: skip
_GRID = 20  # cells a side, at most, in a picture


def noop_mask(batch: Any, head: Any, token_q: Any, token_kv: Any) -> Any:
    """The mask that allows everything."""
    return batch.new_ones((), dtype=torch.bool)


class BlockMask:
    """A mask by blocks: for each block of queries, the numbers of the blocks of keys that it sees in part or in full.

    jtorch computes the scores densely and asks ``mask_mod`` alone; the blocks tell how sparse the mask is.

    Attributes:
        kv_num_blocks, kv_indices: int32 (B, H, rows) and (B, H, rows, columns); the first ``kv_num_blocks`` count.
            ``full_*`` likewise for blocks without a masked element, ``q_*`` for the columns; None where not computed.
        seq_lengths: how many queries and keys there are; BLOCK_SIZE: how many of each make a block.
    """

    seq_lengths: tuple[int, int]
    BLOCK_SIZE: tuple[int, int]
    mask_mod: Callable
    kv_num_blocks: Any
    kv_indices: Any
    full_kv_num_blocks: Any
    full_kv_indices: Any
    q_indices: Any

    def __init__(
        self, seq_lengths: tuple[int, int], kv_num_blocks: Any, kv_indices: Any, full_kv_num_blocks: Any,
        full_kv_indices: Any, q_num_blocks: Any, q_indices: Any, full_q_num_blocks: Any, full_q_indices: Any,
        BLOCK_SIZE: tuple[int, int] = (128, 128), mask_mod: Callable = noop_mask,
    ) -> None:  # fmt: skip
        if kv_indices.dim() < 2:
            raise RuntimeError("BlockMask must have at least 2 dimensions")
        given = (
            kv_num_blocks, kv_indices, full_kv_num_blocks, full_kv_indices,
            q_num_blocks, q_indices, full_q_num_blocks, full_q_indices,
        )  # fmt: skip
        self.seq_lengths, self.BLOCK_SIZE, self.mask_mod = seq_lengths, BLOCK_SIZE, mask_mod
        self.__dict__.update(zip(_TENSORS, given, strict=True))

    @classmethod
    def from_kv_blocks(
        cls, kv_num_blocks: Any, kv_indices: Any, full_kv_num_blocks: Any = None, full_kv_indices: Any = None,
        BLOCK_SIZE: int | tuple[int, int] = 128, mask_mod: Callable | None = None,
        seq_lengths: tuple[int, int] | None = None, compute_q_blocks: bool = True,
    ) -> Self:  # fmt: skip
        """A mask from its rows of blocks; the columns follow from them."""
        if kv_indices.dim() < 2:
            raise RuntimeError("BlockMask must have at least 2 dimensions")
        if (full_kv_num_blocks is None) != (full_kv_indices is None):
            raise AssertionError("full_kv_num_blocks and full_kv_indices must be both provided or omitted")
        size = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
        if seq_lengths is None:
            seq_lengths = (kv_indices.shape[-2] * size[0], kv_indices.shape[-1] * size[1])

        def columns(number: Any, indices: Any) -> tuple[Any, Any]:
            if not compute_q_blocks or number is None:
                return None, None
            return _listed(_dense(number, indices).transpose(-2, -1))

        rows = (kv_num_blocks, kv_indices, full_kv_num_blocks, full_kv_indices)
        mod = noop_mask if mask_mod is None else mask_mod
        return cls(seq_lengths, *rows, *columns(*rows[:2]), *columns(*rows[2:]), size, mod)

    def as_tuple(self, flatten: bool = True) -> tuple:
        """Lengths, tensors, block sizes and the mask function, pairs taken apart with ``flatten``."""
        pairs = (*self.seq_lengths,) if flatten else (self.seq_lengths,)
        sizes = (*self.BLOCK_SIZE,) if flatten else (self.BLOCK_SIZE,)
        return (*pairs, *(getattr(self, name) for name in _TENSORS), None, None, None, None, *sizes, self.mask_mod)

    @property
    def shape(self) -> tuple[int, ...]:
        """(B, H, queries, keys)."""
        return (*self.kv_indices.shape[:-2], *self.seq_lengths)

    def numel(self) -> int:
        """How many elements the mask has."""
        return int(np.prod(self.shape))

    def sparsity(self) -> float:
        """The percentage of the elements that lies in blocks nothing is seen of."""
        numbers = (t for t in (self.kv_num_blocks, self.full_kv_num_blocks) if t is not None)
        seen = sum(int(t.sum()) for t in numbers) * self.BLOCK_SIZE[0] * self.BLOCK_SIZE[1]
        return 100 * (1 - seen / self.numel())

    def to_dense(self) -> Any:
        """int32 (B, H, rows, columns): 1 for a block of which something is seen."""
        dense = _dense(self.kv_num_blocks, self.kv_indices)
        full = self.full_kv_num_blocks
        return dense if full is None else dense | _dense(full, self.full_kv_indices)

    def to(self, device: Any) -> "BlockMask":
        """A copy on another device."""
        made = copy(self)
        for name in _TENSORS:
            given = getattr(self, name)
            setattr(made, name, None if given is None else given.to(device))
        return made

    def __getitem__(self, index: Any) -> "BlockMask":
        """Part of the batch, the heads or the rows. It has no mask function: positions are no longer the same."""
        index = index if isinstance(index, tuple) else (index,)
        # The batch and the heads stay dimensions.
        kept = tuple(
            (slice(i, i + 1) if i >= 0 else slice(i, i + 1 or None)) if isinstance(i, int) else i for i in index
        )

        def part(t: Any) -> Any:
            return None if t is None else t[kept]

        return BlockMask.from_kv_blocks(
            part(self.kv_num_blocks),
            part(self.kv_indices),
            part(self.full_kv_num_blocks),
            part(self.full_kv_indices),
            BLOCK_SIZE=self.BLOCK_SIZE,
            mask_mod=_sliced_mask_mod_error,
            seq_lengths=self.seq_lengths,
            compute_q_blocks=self.q_indices is not None,
        )

    def _adjust(self, new_q_len: int, new_kv_len: int) -> "BlockMask":
        """The upper left corner of the mask, for shorter sequences; rows and columns of blocks are cut off."""
        rows, columns = (
            min(-(-new // size), old)
            for new, size, old in zip((new_q_len, new_kv_len), self.BLOCK_SIZE, self.kv_indices.shape[-2:], strict=True)
        )

        def cut(number: Any, indices: Any) -> tuple[Any, Any]:
            return (None, None) if number is None else _listed(_dense(number, indices)[..., :rows, :columns])

        return BlockMask.from_kv_blocks(
            *cut(self.kv_num_blocks, self.kv_indices),
            *cut(self.full_kv_num_blocks, self.full_kv_indices),
            BLOCK_SIZE=self.BLOCK_SIZE,
            mask_mod=self.mask_mod,
            seq_lengths=(new_q_len, new_kv_len),
        )

    def __repr__(self) -> str:
        def shown(t: Any) -> str:
            return str(None if t is None else t.shape)

        lines = [f"    {name}={shown(getattr(self, name))},\n" for name in _TENSORS]
        mod = getattr(self.mask_mod, "__name__", self.mask_mod)
        return (
            f"BlockMask(\n{''.join(lines)}    BLOCK_SIZE={self.BLOCK_SIZE},\n    shape={self.shape},\n"
            f"    sparsity={self.sparsity():.2f}%,\n    mask_mod={mod}\n)"
        )

    def __str__(self) -> str:
        picture = self.to_string().removesuffix("\n")
        return f"BlockMask(shape={self.shape}, sparsity={self.sparsity():.2f}%, \n{picture}\n)"

    def to_string(self, grid_size: int | tuple[int, int] = (_GRID, _GRID), limit: int = 4) -> str:
        """A picture of the blocks, for each of the first ``limit`` heads: black where they are seen."""
        dense = self.to_dense().numpy()
        given = (grid_size, grid_size) if isinstance(grid_size, int) else grid_size
        rows, columns = (max(1, -(-n // g)) for n, g in zip(dense.shape[-2:], given, strict=True))
        pictures: list[str] = []
        for place in np.ndindex(dense.shape[:-2]):
            if len(pictures) == limit:
                pictures.append(
                    "...\nTo print out more, set BlockMask.to_string(limit=N)\n"
                    "You can also index (BlockMask[batch, head]) to choose a specific batch or head"
                )
                return "\n".join(pictures)
            pictures.append(f"{tuple(int(i) for i in place)}\n{_picture(dense[place], rows, columns)}")
        return "\n".join(pictures)


def _picture(blocks: np.ndarray, rows: int, columns: int) -> str:
    """Two characters for each cell of ``rows`` by ``columns`` blocks."""
    lines = []
    for top in range(0, blocks.shape[0], rows):
        cells = (blocks[top : top + rows, left : left + columns] for left in range(0, blocks.shape[1], columns))
        lines.append("".join("██" if cell.all() else "░░" if cell.any() else "  " for cell in cells) + "\n")
    return "".join(lines)


def _dense(number: Any, indices: Any) -> Any:
    """int32 (..., rows, columns), 1 where a row lists the column among its first ``number``."""
    columns = indices.shape[-1]
    listed = torch.arange(columns, device=indices.device) < number[..., None]
    # What is not listed goes to one column more, which is dropped.
    where = torch.where(listed, indices.long(), columns)
    found = torch.zeros((*indices.shape[:-1], columns + 1), dtype=torch.int32, device=indices.device)
    return found.scatter(-1, where, 1)[..., :-1]


def _listed(dense: Any) -> tuple[Any, Any]:
    """How many blocks each row has, and their columns, the blocks it has first."""
    dense = dense.to(torch.int32)
    number = dense.sum(dim=-1).to(torch.int32)
    return number, torch.argsort(dense, dim=-1, descending=True, stable=True).to(torch.int32)


def blocks_of(mask: Tensor, size: tuple[int, int], separate: bool) -> tuple[Any, Any, Any, Any]:
    """The rows of blocks of a dense mask (B, H, queries, keys): those seen in part, and, if apart, those in full."""
    whole: Any = mask
    short = [-whole.shape[i] % size[i] for i in (-2, -1)]
    whole = torch.nn.functional.pad(whole.to(torch.int32), (0, short[1], 0, short[0]))
    b, h, q, k = whole.shape
    seen = whole.reshape(b, h, q // size[0], size[0], k // size[1], size[1]).sum(dim=(3, 5))
    if not separate:
        return *_listed(seen > 0), None, None
    full = seen == size[0] * size[1]
    return *_listed((seen > 0) & ~full), *_listed(full)


def _sliced_mask_mod_error(batch: Any, head: Any, token_q: Any, token_kv: Any) -> NoReturn:
    raise RuntimeError(
        "Cannot use mask_mod from a sliced BlockMask. When you slice a BlockMask using [], the mask_mod attribute is "
        "reset. You must set it from the original BlockMask's mask_mod."
    )
