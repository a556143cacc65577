"""Random draws inside a program, from a JAX key: how an accelerator's generator works.

A generator's state is four words of 32 bits: a seed and an offset, as torch's CUDA generators have. Each operator takes
the state and returns the one that follows, and the draw; so seeds and offsets are inputs of a program, never constants.
"""

from collections.abc import Callable
from math import sqrt
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
from jax import random

from jtorch.ops.errors import only
from jtorch.ops.promotion import FLOAT
from jtorch.ops.table import OpDef, op

STRIDE = 4  # by which the offset grows with each draw, as torch wants multiples of four

DRAWS: dict[str, OpDef] = {}


def state_of(seed: int, offset: int = 0) -> np.ndarray:
    """A generator's state: seed and offset of 64 bits, as uint32 [4]."""
    return np.array([seed & 0xFFFFFFFF, seed >> 32, offset & 0xFFFFFFFF, offset >> 32], np.uint32)


def _key(state: Any) -> Any:
    base = random.wrap_key_data(state[1::-1], impl="threefry2x32")
    return random.fold_in(random.fold_in(base, state[3]), state[2])


def _following(state: Any) -> Any:
    low = jnp.add(state[2], np.uint32(STRIDE))  # may wrap around
    return jnp.stack([state[0], state[1], low, state[3] + (low < STRIDE).astype(np.uint32)])


def _draw(params: str, **options: Any) -> Callable[[Callable], OpDef]:
    """Make ``fn(key, ...)`` an operator ``(state, ...) -> (next state, draw)`` under its own name in ``DRAWS``."""

    def declare(fn: Callable) -> OpDef:
        def draw(state: Any, *args: Any) -> tuple[Any, Any]:
            return _following(state), fn(_key(state), *args)

        draw.__doc__ = fn.__doc__
        name = fn.__name__.strip("_")
        declared = op(
            f"_draw_{name}(Tensor state, {params}) -> (Tensor, Tensor)",
            expose="", out=False, differentiable=False, **options,
        )(draw)  # fmt: skip
        DRAWS[name] = declared
        return declared

    return declare


DIGITS = {  # bits of the significand
    np.dtype(np.float32): 24,
    np.dtype(np.float64): 53,
    np.dtype(np.float16): 11,
    np.dtype(ml_dtypes.bfloat16): 8,
}


def largest(dtype: np.dtype) -> int:
    """The largest number of ``random_()``: an integer dtype's, or that up to which a floating one has all integers."""
    return 1 if dtype.kind == "b" else 1 << DIGITS[dtype] if dtype in DIGITS else int(np.iinfo(dtype).max)


_OF_SHAPE = "int[] size, ScalarType dtype"


def _unit(key: Any, size: tuple[int, ...], dtype: np.dtype) -> Any:
    """Uniform in (0, 1], in which logarithms are finite."""
    wide = np.float64 if dtype == np.float64 else np.float32
    return 1 - random.uniform(key, size, wide)


@_draw(f"{_OF_SHAPE}, Scalar low=0.0, Scalar high=1.0")
def uniform(key, size, dtype, low, high):
    """Uniform in [low, high), complex numbers in both parts."""
    if dtype.kind == "c":
        parts = random.uniform(key, (*size, 2), f"f{dtype.itemsize // 2}")
        u = jax.lax.complex(parts[..., 0], parts[..., 1])
        return (u * (high - low) + jax.lax.complex(*[jnp.asarray(low, parts.dtype)] * 2)).astype(dtype)
    u = random.uniform(key, size, dtype)
    return (low + u * (high - low)).astype(dtype)


@_draw(f"{_OF_SHAPE}, Scalar mean=0.0, Scalar std=1.0")
def normal(key, size, dtype, mean, std):
    """Normal."""
    mean = mean * (1 + 1j) if dtype.kind == "c" else mean  # in both parts
    return (random.normal(key, size, dtype) * std + mean).astype(dtype)


DRAWS["normal_scattered"] = normal  # how it lies in memory is XLA's business


@_draw(f"{_OF_SHAPE}, Scalar low, Scalar last")
def integers(key, size, dtype, low, last):
    """Integers from ``low`` to ``last``, which lie within 64 bits."""
    low, last = jnp.asarray(low, np.int64), jnp.asarray(last, np.int64)
    span = (last - low).astype(np.uint64) + np.uint64(1)
    draw = random.bits(key, size, np.uint64)
    draw = jnp.where(span == 0, draw, draw % jnp.maximum(span, np.uint64(1)))  # 0 means all 64 bits
    return (draw.astype(np.int64) + low).astype(dtype)


@_draw(_OF_SHAPE)
def random_(key, size, dtype):
    """Integers from 0 to the largest that an integer dtype has, or up to which a floating one has all."""
    bits = random.bits(key, size, np.uint64)
    top = largest(dtype)
    return (bits % np.uint64(top + 1) if top < (1 << 64) - 1 else bits).astype(dtype)


@_draw("int n, ScalarType dtype")
def permutation(key, n, dtype):
    """0 to n - 1 in random order."""
    return random.permutation(key, n).astype(dtype)


@_draw(f"{_OF_SHAPE}, Scalar p")
def bernoulli(key, size, dtype, p):
    """Ones with probability p."""
    return (random.uniform(key, size, np.float32) < p).astype(dtype)


@_draw(f"{_OF_SHAPE}, Scalar rate=1.0")
def exponential(key, size, dtype, rate):
    """Exponential."""
    return (-jnp.log(_unit(key, size, dtype)) / rate).astype(dtype)


@_draw(f"{_OF_SHAPE}, Scalar p")
def geometric(key, size, dtype, p):
    """Trials up to the first success."""
    return jnp.maximum(1, jnp.ceil(jnp.log(_unit(key, size, dtype)) / jnp.log1p(-p))).astype(dtype)


@_draw(f"{_OF_SHAPE}, Scalar median=0.0, Scalar sigma=1.0")
def cauchy(key, size, dtype, median, sigma):
    """Cauchy."""
    return (median + sigma * jnp.tan(np.pi * (_unit(key, size, dtype) - 0.5))).astype(dtype)


@_draw(f"{_OF_SHAPE}, Scalar mean=1.0, Scalar std=2.0")
def log_normal(key, size, dtype, mean, std):
    """The exponential of a normal."""
    wide = np.float64 if dtype == np.float64 else np.float32
    return jnp.exp(random.normal(key, size, wide) * std + mean).astype(dtype)


# -- draws that depend on arrays


def _bad_rates(state: Any, rate: Any) -> list:
    return [((rate < 0).any(), RuntimeError, "invalid Poisson rate, expected rate to be non-negative")]


@_draw("Tensor rate", check=_bad_rates)
def poisson(key, rate):
    """Poisson with a rate an element."""
    return random.poisson(key, rate.astype(np.float32)).astype(rate.dtype)


@_draw("Tensor count, Tensor prob")
def binomial(key, count, prob):
    """Successes among ``count`` trials, an element."""
    n, p = jnp.broadcast_arrays(count, prob)
    wide = np.float64 if count.dtype == np.float64 else np.float32
    return random.binomial(key, n.astype(wide), p.astype(wide)).astype(count.dtype)


def _bad_weights(state: Any, weights: Any, *_: Any) -> list:
    total = weights.sum(-1)
    return [
        (
            ~((weights >= 0) & (weights < np.inf)).all(),
            RuntimeError,
            "probability tensor contains either `inf`, `nan` or element < 0",
        ),
        ((total <= 0).any(), RuntimeError, "invalid multinomial distribution (sum of probabilities <= 0)"),
    ]


@_draw("Tensor weights, int n, bool replacement", check=_bad_weights)
def multinomial(key, weights, n, replacement):
    """Indices of [..., categories] drawn by weight, int64 [..., n]."""
    logits = jnp.log(weights.astype(np.float64 if weights.dtype == np.float64 else np.float32))
    if replacement:
        drawn = random.categorical(key, logits, axis=-1, shape=(n, *weights.shape[:-1]))
        return jnp.moveaxis(drawn, 0, -1).astype(np.int64)
    return jax.lax.top_k(logits + random.gumbel(key, logits.shape, logits.dtype), n)[1].astype(np.int64)


# -- what is made of draws that came from elsewhere


def _bad_probabilities(u: Any, p: Any, dtype: Any) -> list:
    return [
        (
            ~((p >= 0) & (p <= 1)).all(),
            RuntimeError,
            "Expected p_in >= 0 && p_in <= 1 to be true, but got false.",
        )
    ]


@op(
    "_bernoulli_of(Tensor u, Tensor p, ScalarType dtype) -> Tensor",
    expose="", out=False, check=_bad_probabilities, grad_name="BernoulliBackward0",
    host=lambda u, p, dtype: (u < p).astype(dtype),
)  # fmt: skip
@only(frozenset({FLOAT}), "bernoulli_tensor_cpu_p_")
def bernoulli_of(u, p, dtype):
    """Ones where uniform draws lie below ``p``; the gradient is zero, as torch has it."""
    return (u < p).astype(dtype)


def _bad_deviations(noise: Any, mean: Any, std: Any) -> list:
    return [(jnp.any(std < 0), RuntimeError, "normal expects all elements of std >= 0.0")]


@op(
    "_normal_of(Tensor noise, Tensor mean, Tensor std) -> Tensor",
    expose="", out=False, check=_bad_deviations, grad_name="NormalBackward3",
    host=lambda noise, mean, std: ((noise * std).astype(noise.dtype) + mean).astype(noise.dtype),
)  # fmt: skip
def normal_of(noise, mean, std):
    """Normals from standard ones; the gradient is zero, as torch has it."""
    mean, std = jax.lax.stop_gradient((mean, std))
    return ((noise * std).astype(noise.dtype) + mean).astype(noise.dtype)


def _dropped(xp: Any) -> Callable:
    def fn(self: Any, mask: Any, keep: float) -> Any:
        kind, wide = self.dtype.type, np.float64 if self.dtype == np.float64 else np.float32
        return self * xp.where(mask, kind(wide(1) / wide(keep)), kind(0))

    return fn


def _alpha_dropped(xp: Any) -> Callable:
    def fn(self: Any, mask: Any, p: float) -> Any:
        kind = self.dtype.type
        scale = 1 / sqrt((_ALPHA * _ALPHA * p + 1) * (1 - p))
        lift = kind(_ALPHA * scale * p)
        shift = xp.where(mask, lift, kind(kind(-_ALPHA * scale) + lift))
        return self * xp.where(mask, kind(scale), kind(0)) + shift

    return fn


_ALPHA = 1.7580993408473766  # of SELU: what its activations approach from above, negated


@op(
    "_dropout(Tensor self, Tensor mask, float keep) -> Tensor",
    expose="", out=False, host=_dropped(np), saves="mask", grad_name="MulBackward0",
)  # fmt: skip
def dropout(self, mask, keep):
    """The elements where a bool mask (broadcast) holds, divided by ``keep``; zeros elsewhere."""
    return _dropped(jnp)(self, mask, keep)


@op(
    "_alpha_dropout(Tensor self, Tensor mask, float p) -> Tensor",
    expose="", out=False, host=_alpha_dropped(np), saves="mask", grad_name="AddBackward0",
)  # fmt: skip
def alpha_dropout(self, mask, p):
    """The elements where a mask holds, SELU's limit elsewhere, scaled and shifted to keep mean and variance."""
    return _alpha_dropped(jnp)(self, mask, p)


@op(
    "_rrelu(Tensor self, Tensor noise) -> Tensor", expose="", out=False, saves="self noise",
    grad_name="RreluWithNoiseBackward0", host=lambda x, noise: np.where(x <= 0, x * noise, x).astype(x.dtype),
)  # fmt: skip
def rrelu(self, noise):
    """``self`` where it is positive, times ``noise`` elsewhere; ``noise`` may be of a wider dtype."""
    return jnp.where(self <= 0, self * noise, self).astype(self.dtype)
