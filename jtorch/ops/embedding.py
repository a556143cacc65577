"""Embeddings and one-hot codes (https://docs.pytorch.org/docs/stable/nn.functional.html).

The gradient of an embedding is a dense scatter-add; ``sparse=True`` asks for the same values and changes nothing here.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jtorch.ops.errors import scalar_type
from jtorch.ops.indices import Check, fetch, space
from jtorch.ops.norms import vector_norm
from jtorch.ops.precision import wide
from jtorch.ops.promotion import FLOAT, category
from jtorch.ops.table import op

# --- embeddings -----------------------------------------------------------------------------------------------------


def _require_index(indices: Any, place: int, where: str) -> None:
    if indices.dtype not in (np.int32, np.int64):
        raise RuntimeError(
            f"Expected tensor for argument #{place} 'indices' to have one of the following scalar types: Long, Int; "
            f"but got torch.{scalar_type(indices.dtype)}Tensor instead (while checking arguments for {where})"
        )


@jax.custom_jvp
def _slowed(x: Any, factor: Any) -> Any:
    """``x``, whose gradient is multiplied by ``factor``."""
    return x


@_slowed.defjvp
def _(primals: tuple, tangents: tuple) -> tuple:
    x, factor = primals
    return _slowed(x, factor), tangents[0] * factor


def _looked_up(weight: Any, indices: Any, padding_idx: int | None, by_freq: bool) -> Any:
    """Rows of ``weight``: none of the gradient goes to the padding's row; ``by_freq`` a row's is its mean over uses."""
    found = fetch(weight, (indices,))
    if padding_idx is None and not by_freq:
        return found
    factor = jnp.ones(indices.shape, weight.dtype)
    if by_freq:
        uses = jnp.zeros(weight.shape[0], np.int32).at[indices].add(1, mode="promise_in_bounds")
        factor = (1 / fetch(uses, (indices,))).astype(weight.dtype)
    if padding_idx is not None:
        factor = jnp.where(indices == padding_idx, 0, factor)
    return _slowed(found, factor[..., None])


def _out_of_range(weight: Any, indices: Any, *_: Any) -> Check:
    bad = ((indices < 0) | (indices >= weight.shape[0])).any()
    return [(bad, IndexError, "index out of range in self")]


@op("embedding(Tensor weight, Tensor indices, int padding_idx=-1, bool scale_grad_by_freq=False, bool sparse=False)"
    " -> Tensor", expose="torch", out=False, check=_out_of_range, saves="indices")  # fmt: skip
def embedding(weight, indices, padding_idx=-1, scale_grad_by_freq=False, sparse=False):
    """``weight[indices]``: (V, D), (*) -> (*, D). IndexError for an index out of range, once the data is known."""
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    _require_index(indices, 1, "embedding")
    return _looked_up(weight, indices, padding_idx if padding_idx >= 0 else None, scale_grad_by_freq)


def _select_out_of_range(weight: Any, indices: Any, *_: Any) -> Check:
    bad = ((indices < 0) | (indices >= weight.shape[0])).any()
    return [(bad, IndexError, f"select(): index out of range for tensor of size {list(weight.shape)} at dimension 0")]


@op("_embedding_renorm(Tensor self, Tensor indices, float max_norm, float norm_type) -> Tensor", expose="",
    check=_select_out_of_range, differentiable=False)  # fmt: skip
def embedding_renorm(self, indices, max_norm, norm_type):
    """``self`` with the rows at ``indices`` whose norm passes ``max_norm`` scaled down to it."""
    _require_index(indices, 2, "embedding_renorm_")
    if self.ndim != 2:
        raise RuntimeError(
            f"Expected 2-dimensional tensor, but got {self.ndim}-dimensional tensor for argument #1 'self' "
            "(while checking arguments for embedding_renorm_)"
        )
    found = wide(fetch(self, (indices.reshape(-1),)))
    norm = vector_norm(found, norm_type, (1,), True)
    found = jnp.where(norm > max_norm, found * (max_norm / (norm + 1e-7)), found)
    return self.at[indices.reshape(-1)].set(found.astype(self.dtype), mode="promise_in_bounds")


SUM, MEAN, MAX = 0, 1, 2


def _check_bag(
    weight: Any, indices: Any, offsets: Any, per_sample_weights: Any, mode: int, padding: int | None
) -> None:
    for x in (indices, offsets):
        _require_index(x, 1, "embedding_bag")
    if category(weight.dtype) != FLOAT:
        raise RuntimeError(
            "Expected tensor for argument #1 'weight' to have one of the following scalar types: Half, BFloat16, "
            f"Float, Double; but got torch.{scalar_type(weight.dtype)}Tensor instead "
            "(while checking arguments for embedding_bag)"
        )
    if per_sample_weights is not None:
        if mode != SUM:
            raise RuntimeError("embedding_bag: per_sample_weights only supported with mode='sum'")
        if per_sample_weights.dtype != weight.dtype:
            have, want = scalar_type(weight.dtype), scalar_type(per_sample_weights.dtype)
            raise RuntimeError(
                "Expected tensor for argument #1 'weight' to have the same type as tensor for argument #1 "
                f"'per_sample_weights'; but type torch.{have}Tensor does not equal torch.{want}Tensor "
                "(while checking arguments for embedding_bag)"
            )
    count = weight.shape[0]
    if padding is not None and not -count <= padding < count:
        raise RuntimeError(
            f"padding_idx must be within the number of embeddings, {-count} through {count - 1}, but got {padding}"
        )


def _bag_checks(weight: Any, indices: Any, offsets: Any, by_freq: bool, mode: int, *_: Any) -> Check:
    bad = ((indices < 0) | (indices >= weight.shape[0])).any()
    count = weight.shape[0]
    message = (
        f"embedding_bag: Expected idx >= 0 && idx < num_embeddings ({count})"
        if mode == MAX
        else f"input has an index which is not in the valid range [0, {count})"
    )
    checks: Check = [(bad, RuntimeError, message)]
    if offsets.shape[0]:
        start = "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0"
        end = f"offsets[-1] can not be greater than input's length {indices.shape[0]}"
        checks += [(offsets[0] != 0, RuntimeError, start), (offsets[-1] > indices.shape[0], RuntimeError, end)]
        checks += [((offsets[1:] < offsets[:-1]).any(), RuntimeError, "offsets must not decrease")]
    return checks


def _largest(values: Any, keep: Any, bags: Any, count: int) -> tuple[Any, Any]:
    """The place of the first largest element of each bag and column, and whether the bag has any."""
    shown = jnp.where(keep[:, None], values, -np.inf)
    top = jax.ops.segment_max(shown, bags, count, indices_are_sorted=True)
    reaches = keep[:, None] & ((shown == fetch(top, (jnp.minimum(bags, count - 1),))) | jnp.isnan(shown))
    n = values.shape[0]
    places = jnp.where(reaches, jnp.arange(n)[:, None], n)
    first = jax.ops.segment_min(places, bags, count, indices_are_sorted=True)
    return jnp.minimum(first, max(n - 1, 0)), first < n


@op("embedding_bag(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int mode=0, "
    "bool sparse=False, Tensor? per_sample_weights=None, bool include_last_offset=False, int? padding_idx=None)"
    " -> (Tensor, Tensor, Tensor, Tensor)", expose="torch", out=False, check=_bag_checks,
    saves="weight indices offsets per_sample_weights")  # fmt: skip
def embedding_bag(
    weight,
    indices,
    offsets,
    scale_grad_by_freq=False,
    mode=0,
    sparse=False,
    per_sample_weights=None,
    include_last_offset=False,
    padding_idx=None,
):
    """Sums (mode 0), means (1) or maxima (2) of bags of rows: bag i starts at ``offsets[i]``; an empty one gives zeros.

    Returns (bags, D), the bag of each index, the sizes of the bags (without padding), and the rows of the maxima.
    """
    _check_bag(weight, indices, offsets, per_sample_weights, mode, padding_idx)
    index_type = np.promote_types(indices.dtype, offsets.dtype)
    count = offsets.shape[0] - include_last_offset
    if padding_idx is not None:
        padding_idx %= weight.shape[0]
    found = _looked_up(weight, indices, padding_idx, scale_grad_by_freq)
    # an index beyond a last offset that only marks the end gets a bag that no segment has, which drops it
    bags = jnp.searchsorted(offsets, jnp.arange(indices.shape[0], dtype=offsets.dtype), side="right") - 1
    keep = jnp.ones(indices.shape, bool) if padding_idx is None else indices != padding_idx
    sizes = jax.ops.segment_sum(keep.astype(index_type), bags, count, indices_are_sorted=True)
    where_to = bags.astype(index_type)
    if mode == MAX:
        if not count or not indices.shape[0]:
            zeros = jnp.zeros((count, weight.shape[1]), weight.dtype)
            return zeros, where_to, sizes, zeros.astype(index_type)
        at, full = _largest(jax.lax.stop_gradient(found), keep, bags, count)
        out = jnp.where(full, jnp.take_along_axis(found, at, 0), 0)
        return out, where_to, sizes, jnp.where(full, fetch(indices, (at,)), 0).astype(index_type)
    values = wide(found)
    if per_sample_weights is not None:
        values = values * wide(per_sample_weights)[:, None]
    out = jax.ops.segment_sum(jnp.where(keep[:, None], values, 0), bags, count, indices_are_sorted=True)
    if mode == MEAN:
        out = out / jnp.maximum(sizes, 1)[:, None].astype(out.dtype)
        return out.astype(weight.dtype), where_to, sizes, sizes
    none = jnp.zeros(count, index_type)
    return out.astype(weight.dtype), jnp.zeros(0, index_type), none, none


# --- one-hot codes --------------------------------------------------------------------------------------------------


def _class_checks(self: Any, num_classes: int) -> Check:
    return [
        ((self < 0).any(), RuntimeError, "Class values must be non-negative."),
        ((self >= num_classes).any(), RuntimeError, "Class values must be smaller than num_classes."),
    ]


def _one_hot(self: Any, num_classes: int) -> Any:
    if self.dtype != np.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    return (self[..., None] == space(self).arange(num_classes)).astype(np.int64)


@op("_one_hot(Tensor self, int num_classes) -> Tensor", expose="", check=_class_checks, differentiable=False,
    host=_one_hot)  # fmt: skip
def one_hot(self, num_classes):
    """(*) -> (*, num_classes): 1 at the place that ``self`` names, else 0. RuntimeError for a class out of range."""
    return _one_hot(self, num_classes)
