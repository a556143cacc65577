"""Connectionist temporal classification: the forward recursion of Graves et al. (2006), section 4.1, in logarithms."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jtorch.ops.errors import unsupported
from jtorch.ops.indices import Check
from jtorch.ops.precision import is_half
from jtorch.ops.promotion import FLOAT, category
from jtorch.ops.table import op

_NEVER = -1e30  # the logarithm of a chance of nothing: finite, so that its derivatives are numbers


def _length_checks(log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any, blank: int) -> Check:
    steps, longest = log_probs.shape[0], targets.shape[1]
    where = "(while checking arguments for ctc_loss_allocate_outputs)"
    checks: Check = [
        ((input_lengths < 0).any(), RuntimeError, f"Expected input_lengths to have value at least 0 {where}"),
        ((target_lengths < 0).any(), RuntimeError, f"Expected target_lengths to have value at least 0 {where}"),
        ((input_lengths > steps).any(), RuntimeError, f"Expected input_lengths to have value at most {steps} {where}"),
        (
            (target_lengths > longest).any(),
            RuntimeError,
            f"Expected tensor to have size at least as target_lengths say at dimension 1, but got size {longest} for "
            f"argument #2 'targets' {where}",
        ),
    ]
    return checks


@jax.custom_jvp
def _normalized(log_probs: Any, counts: Any) -> Any:
    """Zeros. Torch's gradient is one by logits: where ``counts`` it has ``exp(log_probs)`` more."""
    return jnp.zeros(counts.shape[1], log_probs.dtype)


@_normalized.defjvp
def _(primals: tuple, tangents: tuple) -> tuple:
    log_probs, counts = primals
    step = jnp.where(counts[..., None], jnp.exp(log_probs) * tangents[0], 0).sum((0, 2))
    return _normalized(log_probs, counts), step


@op("_ctc_loss(Tensor log_probs, Tensor targets, Tensor input_lengths, Tensor target_lengths, int blank) -> Tensor",
    expose="", check=_length_checks, saves="log_probs targets", grad_name="CtcLossBackward0")  # fmt: skip
def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank):
    """The negative logarithm of the chance of each target: (T, N, C), (N, S), (N,), (N,) -> (N,); inf where it is 0."""
    if category(log_probs.dtype) != FLOAT or is_half(log_probs.dtype):
        raise unsupported("ctc_loss_cpu", log_probs.dtype)
    steps, batch, classes = log_probs.shape
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    for name, lengths in (("input", input_lengths), ("target", target_lengths)):
        if category(lengths.dtype) >= FLOAT:
            raise RuntimeError(f"{name}_lengths must be integral")
        if lengths.shape != (batch,):
            raise RuntimeError(f"{name}_lengths must be of size batch_size")
    # labels with blanks between and around them: state 2i + 1 is label i
    states = 2 * targets.shape[1] + 1
    labels = jnp.full((batch, states), blank, np.int32).at[:, 1::2].set(targets.astype(np.int32))
    place = jnp.arange(states)
    may_skip = (place >= 2) & (labels != blank) & (labels != jnp.roll(labels, 2, 1))
    seen = jnp.take_along_axis(log_probs, jnp.broadcast_to(labels, (steps, batch, states)), 2)
    last = 2 * target_lengths.astype(np.int32)[:, None]

    def shifted(alpha: Any, by: int) -> Any:
        return jnp.pad(alpha, ((0, 0), (by, 0)), constant_values=_NEVER)[:, :states]

    def step(alpha: Any, now: tuple) -> tuple:
        t, chance = now
        came = jnp.logaddexp(alpha, shifted(alpha, 1))
        came = jnp.logaddexp(came, jnp.where(may_skip, shifted(alpha, 2), _NEVER))
        return jnp.where(t < input_lengths[:, None], jnp.maximum(came + chance, _NEVER), alpha), None

    # before the first step all of the chance stands just ahead of the first blank
    start = jnp.full((batch, states), _NEVER, log_probs.dtype)
    first = jnp.where((place < 2) & (input_lengths[:, None] > 0), seen[0], start) if steps else start
    first = jnp.where((place == 0) & (input_lengths[:, None] == 0), 0, first)
    alpha, _ = lax.scan(step, first, (jnp.arange(1, steps), seen[1:])) if steps > 1 else (first, None)
    end = jnp.take_along_axis(alpha, last, 1)[:, 0]
    before = jnp.take_along_axis(alpha, jnp.maximum(last - 1, 0), 1)[:, 0]
    total = jnp.logaddexp(end, jnp.where(last[:, 0] > 0, before, _NEVER))
    loss = jnp.where(total <= _NEVER / 2, jnp.inf, -total)
    return loss + _normalized(log_probs, jnp.arange(steps)[:, None] < input_lengths)
