"""Attention whose scores a Python function changes or masks (``torch.nn.attention.flex_attention``)."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, TypedDict

import jtorch
from jtorch.func.vectorize import vmap
from jtorch.nn.attention._block_mask import BlockMask, blocks_of, noop_mask

__all__ = [
    "BlockMask", "flex_attention", "AuxOutput", "AuxRequest", "FlexKernelOptions", "create_block_mask", "create_mask",
    "or_masks", "and_masks", "noop_mask",
]  # fmt: skip

torch: Any = jtorch
_DEFAULT_SPARSE_BLOCK_SIZE = 128  # transformers asks for it


class AuxRequest(NamedTuple):
    """What :func:`flex_attention` is to return beside its result."""

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """Each row's logarithm of the sum of exponentials of its scores, and its largest score; None if not asked for."""

    lse: Any = None
    max_scores: Any = None


_TUNING = (
    "num_warps num_stages BLOCK_M BLOCK_N BLOCK_M1 BLOCK_N1 BLOCK_M2 BLOCK_N2 PRESCALE_QK ROWS_GUARANTEED_SAFE "
    "BLOCKS_ARE_CONTIGUOUS WRITE_DQ FORCE_USE_FLEX_ATTENTION USE_TMA kpack matrix_instr_nonkdim waves_per_eu BACKEND"
)
# How torch's kernels are tuned; XLA makes its own.
FlexKernelOptions = TypedDict("FlexKernelOptions", dict.fromkeys(_TUNING.split(), Any), total=False)  # type: ignore[misc]


def and_masks(*mask_mods: Callable) -> Callable:
    """The mask of what all of the masks allow."""
    return _joined(mask_mods, True, lambda a, b: a & b)


def or_masks(*mask_mods: Callable) -> Callable:
    """The mask of what any of the masks allows."""
    return _joined(mask_mods, False, lambda a, b: a | b)


def _joined(mods: tuple, start: bool, join: Callable) -> Callable:
    if not all(callable(mod) for mod in mods):
        raise RuntimeError(f"All inputs should be callable mask_mods: {mods}")

    def mask(b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
        found = b.new_full((), start, dtype=torch.bool)
        for mod in mods:
            found = join(found, mod(b, h, q_idx, kv_idx))
        return found

    return mask


def _is_score_mod(mod: Callable) -> bool:
    """Whether a function takes a score before the four positions; AssertionError for another number of arguments."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    given = [p for p in inspect.signature(mod).parameters.values() if p.kind in positional and p.default is p.empty]
    if len(given) not in (4, 5):
        raise AssertionError(f"Expected 4 or 5 positional args, got {len(given)}")
    return len(given) == 5


def _everywhere(mod: Callable, shape: tuple, device: Any, *scores: Any) -> Any:
    """``mod`` of the positions, and of the scores before them, at every place of (B, H, queries, keys)."""
    leading = (0,) * len(scores)
    for place in ((None, None, None, 0), (None, None, 0, None), (None, 0, None, None), (0, None, None, None)):
        mod = vmap(mod, in_dims=(*leading, *place))
    return mod(*scores, *(torch.arange(n, device=device) for n in shape))


def create_mask(mod_fn: Any, B: Any, H: Any, Q_LEN: int, KV_LEN: int, device: Any = None) -> Any:
    """A ``mask_mod`` or ``score_mod`` as a tensor (B, H, Q_LEN, KV_LEN); of a score, whether it is above -inf."""
    shape = (1 if B is None else B, 1 if H is None else H, Q_LEN, KV_LEN)
    device = torch.accelerator.current_accelerator() or "cpu" if device is None else device
    if not _is_score_mod(mod_fn):
        return _everywhere(mod_fn, shape, device)
    scores = _everywhere(mod_fn, shape, device, torch.zeros(shape, device=device))
    return torch.where(torch.isneginf(scores), False, True)


def create_block_mask(
    mask_mod: Any, B: Any, H: Any, Q_LEN: int, KV_LEN: int, device: Any = None,
    BLOCK_SIZE: int | tuple[int, int] = 128, _compile: bool = False, separate_full_blocks: bool = True,
) -> BlockMask:  # fmt: skip
    """The blocks of ``mask_mod(b, h, q_idx, kv_idx)``; ``B`` or ``H`` is None where it is the same for all.

    Raises AssertionError for a function that is no mask.
    """
    if _is_score_mod(mask_mod):
        raise AssertionError(f"create-block_mask requires a mask_mod function! Got {mask_mod}")
    size = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
    mask = create_mask(mask_mod, B, H, Q_LEN, KV_LEN, device)
    if mask.dtype != torch.bool:
        raise AssertionError(f"mask.dtype must be torch.bool, got {mask.dtype}")
    return BlockMask.from_kv_blocks(
        *blocks_of(mask, size, separate_full_blocks), BLOCK_SIZE=size, mask_mod=mask_mod, seq_lengths=(Q_LEN, KV_LEN)
    )


def flex_attention(
    query: Any, key: Any, value: Any, score_mod: Any = None, block_mask: Any = None, scale: float | None = None,
    enable_gqa: bool = False, return_lse: bool = False, kernel_options: Any = None, *, return_aux: Any = None,
) -> Any:  # fmt: skip
    """Attention with changed scores: (B, H, L, E), (B, H, S, E), (B, H, S, F) -> (B, H, L, F).

    Arguments:
        score_mod: ``score_mod(score, b, h, q_idx, kv_idx)`` is the score to use; everything is a 0-d tensor.
        block_mask: a :class:`BlockMask`; scores it masks are -inf, and a row without any other gives 0.
        scale: of the products, 1/sqrt(E) by default.
        enable_gqa: heads of ``query`` share one of ``key`` and ``value``.
        return_aux: an :class:`AuxRequest`; the result is then (result, :class:`AuxOutput`). ``return_lse`` is its
            older form, for (result, lse).
        kernel_options: how torch tunes its kernels, which say nothing to XLA.

    Scores are computed in float32, or float64. Raises ValueError for shapes that do not go together.
    """
    _check(query, key, value, block_mask, enable_gqa)
    if return_lse and return_aux is not None:
        raise ValueError(
            "Cannot specify both return_lse and return_aux. return_lse is deprecated, please use "
            "return_aux=AuxRequest(lse=True) instead."
        )
    if enable_gqa and query.size(1) != key.size(1):
        key, value = (x.repeat_interleave(query.size(1) // x.size(1), dim=1) for x in (key, value))
    working = torch.float64 if query.dtype == torch.float64 else torch.float32
    scale = query.size(-1) ** -0.5 if scale is None else scale
    scores = (query.to(working) @ key.to(working).transpose(-2, -1)) * scale
    if score_mod is not None:
        scores = _everywhere(score_mod, scores.shape, query.device, scores).to(working)
    if block_mask is not None:
        seen = _everywhere(block_mask.mask_mod, scores.shape, query.device)
        scores = torch.where(seen, scores, float("-inf"))
    empty = (scores == float("-inf")).all(dim=-1, keepdim=True)
    # A row of -inf alone has no softmax: its weights are 0, and so are their gradients.
    weights = scores.masked_fill(empty, 0).softmax(dim=-1).masked_fill(empty, 0)
    out = weights.to(value.dtype) @ value
    if not return_lse and return_aux is None:
        return out
    wanted = AuxRequest(lse=True) if return_aux is None else return_aux
    lse = scores.masked_fill(empty, 0).logsumexp(dim=-1).masked_fill(empty[..., 0], float("-inf"))
    aux = AuxOutput(lse if wanted.lse else None, scores.amax(dim=-1) if wanted.max_scores else None)
    return (out, lse) if return_aux is None else (out, aux)


def _check(query: Any, key: Any, value: Any, block_mask: Any, enable_gqa: bool) -> None:
    if not query.dim() == key.dim() == value.dim() == 4:
        raise NotImplementedError("NYI: query, key, and value must be 4D tensors")
    heads, kv_heads = query.size(1), key.size(1)
    if not enable_gqa and heads != kv_heads:
        raise ValueError(
            f"Expect query and key/value to have the same number of heads but got Hq={heads} and Hkv={kv_heads}. Try "
            "setting enable_gqa=True for GQA."
        )
    if enable_gqa and heads % kv_heads:
        raise ValueError(
            f"Expect number of query heads to be a multiple of kv heads for GQA but got Hq={heads} and Hkv={kv_heads}."
        )
    batch, kv_batch = query.size(0), key.size(0)
    if batch != kv_batch and block_mask is None:
        raise ValueError(
            "Expect query and key/value to have the same batch size, or non-none block_mask, but got block_mask=None, "
            f"Bq={batch}, and Bkv={kv_batch}."
        )
    if kv_batch not in (batch, 1):
        raise RuntimeError(f"Bq and Bkv must broadcast. Got Bq={batch} and Bkv={kv_batch}")
    if query.size(-1) != key.size(-1):
        raise ValueError(
            f"Expect query and key/value to have the same embedding dimension but got E={query.size(-1)} and "
            f"E={key.size(-1)}."
        )
    if block_mask is not None:
        _check_lengths(block_mask, query.size(-2), key.size(-2))


def _check_lengths(block_mask: Any, q_len: int, kv_len: int) -> None:
    q_made, kv_made = block_mask.seq_lengths
    told = f"block_mask was created for block_mask.shape={block_mask.shape} but got q_len={q_len} and kv_len={kv_len}. "
    if q_len > q_made or kv_len > kv_made:
        raise ValueError(
            f"{told}As the block mask was created for a smaller length than you're using it for, you likely need to "
            "create a new block mask."
        )
    if (q_len, kv_len) != (q_made, kv_made):
        raise ValueError(
            f"{told}As the block mask was created for a larger length than you're using it for, you can either "
            "1. create a new block mask with the correct length, or 2. 'adjust' the existing block mask to the correct "
            "length by calling block_mask._adjust(q_len, kv_len). This essentially 'crops' the block mask to the upper "
            "left corner, which does not work for all mask_mods!"
        )
