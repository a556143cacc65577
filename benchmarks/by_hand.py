"""The same models written by hand in JAX: pure functions, ``jax.jit`` over the whole step, optax, donated state.

Weights carry torch's names. Images are NHWC, as JAX code has them; under bf16 the products run in bfloat16 over float32
weights, as autocast does it. Products of float32 matrices run in full float32, as torch's do; convolutions on an
accelerator may use TF32, as torch's do.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from benchmarks.weights import shapes
from benchmarks.workloads import GPTShape, Workload

Params = dict[str, jax.Array]
HIGHEST = lax.Precision.HIGHEST


def linear(params: Params, name: str, x: jax.Array, dtype: Any = jnp.float32) -> jax.Array:
    y = jnp.matmul(x.astype(dtype), params[f"{name}.weight"].astype(dtype).T, precision=HIGHEST)
    bias = params.get(f"{name}.bias")
    return y if bias is None else y + bias.astype(dtype)


def conv(
    params: Params, name: str, x: jax.Array, stride: int = 1, padding: int = 0, dtype: Any = jnp.float32
) -> jax.Array:
    """``x`` NHWC; the weight HWIO."""
    weight = params[f"{name}.weight"].astype(dtype)
    pads = [(padding, padding)] * 2
    y = lax.conv_general_dilated(
        x.astype(dtype), weight, (stride, stride), pads, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    bias = params.get(f"{name}.bias")
    return y if bias is None else y + bias.astype(dtype)


def max_pool(x: jax.Array, size: int, stride: int, padding: int = 0) -> jax.Array:
    pads = [(0, 0), (padding, padding), (padding, padding), (0, 0)]
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, size, size, 1), (1, stride, stride, 1), pads)


def layer_norm(params: Params, name: str, x: jax.Array) -> jax.Array:
    x = x.astype(jnp.float32)
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(variance + 1e-5) * params[f"{name}.weight"] + params[f"{name}.bias"]


def mlp(params: Params, state: Params, x: jax.Array, key: jax.Array) -> tuple[jax.Array, Params]:
    x = jax.nn.relu(linear(params, "0", x))
    x = jax.nn.relu(linear(params, "2", x))
    return linear(params, "4", x), state


def cnn(params: Params, state: Params, x: jax.Array, key: jax.Array) -> tuple[jax.Array, Params]:
    for name in ("conv1", "conv2", "conv3"):
        x = max_pool(jax.nn.relu(conv(params, name, x, padding=1)), 2, 2)
    x = jax.nn.relu(linear(params, "fc1", x.reshape(x.shape[0], -1)))
    x = jnp.where(jax.random.bernoulli(key, 0.5, x.shape), x * 2.0, 0.0)
    return linear(params, "fc2", x), state


def lstm(params: Params, state: Params, x: jax.Array, key: jax.Array) -> tuple[jax.Array, Params]:
    weight, recurrent = params["lstm.weight_ih_l0"], params["lstm.weight_hh_l0"]
    bias = params["lstm.bias_ih_l0"] + params["lstm.bias_hh_l0"]
    gates = jnp.matmul(jnp.swapaxes(x, 0, 1), weight.T, precision=HIGHEST) + bias

    def cell(carry: tuple, gate: jax.Array) -> tuple:
        h, c = carry
        i, f, g, o = jnp.split(gate + jnp.matmul(h, recurrent.T, precision=HIGHEST), 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), None

    zero = jnp.zeros((x.shape[0], recurrent.shape[1]), jnp.float32)
    (h, _), _ = lax.scan(cell, (zero, zero), gates)
    return linear(params, "fc", h), state


def gpt(
    shape: GPTShape, dtype: Any, params: Params, state: Params, tokens: jax.Array, key: jax.Array
) -> tuple[jax.Array, Params]:
    batch, length = tokens.shape
    head = (batch, length, shape.heads, shape.width // shape.heads)
    on_gpu = dtype == jnp.bfloat16 and jax.default_backend() == "gpu"
    attend = functools.partial(
        jax.nn.dot_product_attention, is_causal=True, implementation="cudnn" if on_gpu else "xla"
    )
    x = params["token.weight"][tokens] + params["position.weight"][:length]
    for i in range(shape.layers):
        b = f"blocks.{i}."
        q, k, v = jnp.split(linear(params, b + "qkv", layer_norm(params, b + "norm1", x), dtype), 3, axis=-1)
        y = attend(q.reshape(head), k.reshape(head), v.reshape(head)).reshape(x.shape)
        x = x + linear(params, b + "proj", y, dtype)
        y = jax.nn.gelu(linear(params, b + "up", layer_norm(params, b + "norm2", x), dtype), approximate=True)
        x = x + linear(params, b + "down", y, dtype)
    return linear({"h.weight": params["token.weight"]}, "h", layer_norm(params, "norm", x), dtype), state


def _batch_norm(params: Params, old: Params, new: Params, name: str, x: jax.Array) -> jax.Array:
    wide = x.astype(jnp.float32)
    mean = wide.mean((0, 1, 2))
    variance = (wide**2).mean((0, 1, 2)) - mean**2
    count = x.size // x.shape[-1]
    new[f"{name}.running_mean"] = 0.9 * old[f"{name}.running_mean"] + 0.1 * mean
    new[f"{name}.running_var"] = 0.9 * old[f"{name}.running_var"] + 0.1 * variance * (count / (count - 1))
    scale = lax.rsqrt(variance + 1e-5) * params[f"{name}.weight"]
    return ((wide - mean) * scale + params[f"{name}.bias"]).astype(x.dtype)


def resnet50(params: Params, state: Params, x: jax.Array, key: jax.Array) -> tuple[jax.Array, Params]:
    new: Params = {}
    bf16 = functools.partial(conv, params, dtype=jnp.bfloat16)
    norm = functools.partial(_batch_norm, params, state, new)
    x = max_pool(jax.nn.relu(norm("bn1", bf16("conv1", x, stride=2, padding=3))), 3, 2, 1)
    index = 0
    for stage, depth in enumerate((3, 4, 6, 3)):
        for i in range(depth):
            b, stride = f"blocks.{index}.", 2 if stage and i == 0 else 1
            y = jax.nn.relu(norm(b + "bn1", bf16(b + "conv1", x)))
            y = jax.nn.relu(norm(b + "bn2", bf16(b + "conv2", y, stride=stride, padding=1)))
            y = norm(b + "bn3", bf16(b + "conv3", y))
            if f"{b}shortcut.0.weight" in params:
                x = norm(b + "shortcut.1", bf16(b + "shortcut.0", x, stride=stride))
            x, index = jax.nn.relu(y + x), index + 1
    return linear(params, "fc", x.mean((1, 2)), jnp.bfloat16), new


def _apply(load: Workload) -> Callable:
    if load.gpt is not None:
        return functools.partial(gpt, load.gpt, jnp.bfloat16 if load.bf16 else jnp.float32)
    return {"mlp": mlp, "cnn": cnn, "lstm": lstm, "resnet50": resnet50}[load.name]


def _optimizer(load: Workload) -> optax.GradientTransformation:
    if load.optimizer == "sgd":
        return optax.sgd(load.lr, momentum=0.9)
    return optax.adam(load.lr) if load.optimizer == "adam" else optax.adamw(load.lr, weight_decay=0.01)


@dataclass
class Program:
    """A model in training: its state, and the jitted step over it."""

    step: Callable
    params: Params
    state: Params
    optimizer: optax.GradientTransformation
    batches: list[tuple[jax.Array, jax.Array]]
    key: jax.Array = field(default_factory=lambda: jax.random.key(0))
    moments: Any = None

    def run(self, steps: int) -> float:
        """Train for ``steps`` steps, reading the loss every 10; returns the last loss read."""
        if self.moments is None:
            self.moments = self.optimizer.init(self.params)
        last = float("nan")
        for step in range(steps):
            x, y = self.batches[step % len(self.batches)]
            self.params, self.state, self.moments, self.key, loss = self.step(
                self.params, self.state, self.moments, self.key, x, y
            )
            if step % 10 == 9:
                last = loss.item()
        return last

    def load(self, arrays: dict[str, np.ndarray]) -> None:
        """Take weights by torch's names and in torch's layouts, to compare programs that start alike."""
        for name, array in arrays.items():
            if name in self.params:
                array = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array
                if name == "fc1.weight" and "conv3.weight" in self.params:  # flattened from NCHW there, from NHWC here
                    array = array.reshape(-1, 128, 4, 4).transpose(0, 2, 3, 1).reshape(array.shape)
                self.params[name] = jnp.asarray(array)


def build(load: Workload) -> Program:
    """A program in its first state: weights uniform within 1/sqrt(fan in), small embeddings, norms at 1 and 0."""
    apply, optimizer = _apply(load), _optimizer(load)

    def loss_of(params: Params, state: Params, key: jax.Array, x: jax.Array, y: jax.Array) -> tuple[jax.Array, Params]:
        logits, state = apply(params, state, x, key)
        return optax.softmax_cross_entropy_with_integer_labels(logits.astype(jnp.float32), y).mean(), state

    @functools.partial(jax.jit, donate_argnums=(0, 1, 2, 3))
    def step(params: Params, state: Params, moments: Any, key: jax.Array, x: jax.Array, y: jax.Array) -> tuple:
        key, used = jax.random.split(key)
        (loss, state), grads = jax.value_and_grad(loss_of, has_aux=True)(params, state, used, x, y)
        updates, moments = optimizer.update(grads, moments, params)
        return optax.apply_updates(params, updates), state, moments, key, loss

    rng = np.random.RandomState(0)
    params, state = {}, {}
    for name, shape in shapes(load).items():
        if "running" in name:
            state[name] = jnp.full(shape, float(name.endswith("var")), jnp.float32)
        elif "norm" in name or ".bn" in name or name.startswith("bn") or "shortcut.1" in name:
            params[name] = jnp.full(shape, float(name.endswith("weight")), jnp.float32)
        else:
            bound = 0.02 if "token" in name or "position" in name else 1 / math.sqrt(np.prod(shape[1:] or (256,)))
            array = rng.uniform(-bound, bound, shape).astype(np.float32)
            params[name] = jnp.asarray(array.transpose(2, 3, 1, 0) if array.ndim == 4 else array)
    batches = [
        (jnp.asarray(x.transpose(0, 2, 3, 1) if x.ndim == 4 else x), jnp.asarray(y, jnp.int32))
        for x, y in load.batches()
    ]
    return Program(step, params, state, optimizer, batches)
