"""Recurrent cells, and one layer of them over a sequence in one direction.

Layers, directions, dropout between layers and packed sequences are put together in ``composite/rnn.py``.

Weights are torch's: ``w_ih`` (gates·H, I), ``w_hh`` (gates·H, H or P), biases (gates·H), ``w_hr`` (P, H), with the
gates in the order i, f, g, o (LSTM) and r, z, n (GRU).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jtorch.ops.matmul import product
from jtorch.ops.table import op


def _affine(x: Any, w: Any, b: Any) -> Any:
    y = product(x, w.T)
    return y if b is None else y + b


def _lstm_step(state: tuple, from_input: Any, w_hh: Any, b_hh: Any, w_hr: Any) -> tuple:
    h, c = state
    i, f, g, o = jnp.split(from_input + _affine(h, w_hh, b_hh), 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h if w_hr is None else product(h, w_hr.T)), c


def _gru_step(state: tuple, from_input: Any, w_hh: Any, b_hh: Any) -> tuple:
    (h,) = state
    r_x, z_x, n_x = jnp.split(from_input, 3, axis=-1)
    r_h, z_h, n_h = jnp.split(_affine(h, w_hh, b_hh), 3, axis=-1)
    z = jax.nn.sigmoid(z_x + z_h)
    n = jnp.tanh(n_x + jax.nn.sigmoid(r_x + r_h) * n_h)
    return (n + z * (h - n),)


def _rnn_step(activation: Callable) -> Callable:
    def step(state: tuple, from_input: Any, w_hh: Any, b_hh: Any) -> tuple:
        return (activation(from_input + _affine(state[0], w_hh, b_hh)),)

    return step


_tanh_step = _rnn_step(jnp.tanh)
_relu_step = _rnn_step(lambda x: jnp.maximum(x, 0))


def _run(
    step: Callable, state: tuple, input: Any, w_ih: Any, b_ih: Any, mask: Any, reverse: bool, *weights: Any
) -> tuple:
    """Scan ``step`` over (T, N, I). Returns the outputs (T, N, H) and the last state.

    Where ``mask`` (T, N, 1) is False a sequence has ended, or, backwards, not begun: its state stays.
    """

    def body(state: tuple, x: tuple) -> tuple:
        from_input, valid = x
        new = step(state, from_input, *weights)
        if valid is not None:
            new = tuple(jnp.where(valid, n, s) for n, s in zip(new, state, strict=True))
        return new, new[0]

    # The product with the input needs no recurrence: one large product for all steps.
    scanned: Any = jax.lax.scan(body, state, (_affine(input, w_ih, b_ih), mask), reverse=reverse)
    last, output = scanned
    return output, *last


@op(
    "_lstm_layer(Tensor input, Tensor h0, Tensor c0, Tensor w_ih, Tensor w_hh, Tensor? b_ih, Tensor? b_hh, "
    "Tensor? w_hr, Tensor? mask, bool reverse) -> (Tensor, Tensor, Tensor)",
    expose="torch",
    out=False,
)
def lstm_layer(
    input: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any, mask: Any, reverse: bool
) -> tuple:
    return _run(_lstm_step, (h0, c0), input, w_ih, b_ih, mask, reverse, w_hh, b_hh, w_hr)


@op(
    "_gru_layer(Tensor input, Tensor h0, Tensor w_ih, Tensor w_hh, Tensor? b_ih, Tensor? b_hh, Tensor? mask, "
    "bool reverse) -> (Tensor, Tensor)",
    expose="torch",
    out=False,
)
def gru_layer(input: Any, h0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, mask: Any, reverse: bool) -> tuple:
    return _run(_gru_step, (h0,), input, w_ih, b_ih, mask, reverse, w_hh, b_hh)


@op(
    "_rnn_tanh_layer(Tensor input, Tensor h0, Tensor w_ih, Tensor w_hh, Tensor? b_ih, Tensor? b_hh, Tensor? mask, "
    "bool reverse) -> (Tensor, Tensor)",
    expose="torch",
    out=False,
)
def rnn_tanh_layer(input: Any, h0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, mask: Any, reverse: bool) -> tuple:
    return _run(_tanh_step, (h0,), input, w_ih, b_ih, mask, reverse, w_hh, b_hh)


@op(
    "_rnn_relu_layer(Tensor input, Tensor h0, Tensor w_ih, Tensor w_hh, Tensor? b_ih, Tensor? b_hh, Tensor? mask, "
    "bool reverse) -> (Tensor, Tensor)",
    expose="torch",
    out=False,
)
def rnn_relu_layer(input: Any, h0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, mask: Any, reverse: bool) -> tuple:
    return _run(_relu_step, (h0,), input, w_ih, b_ih, mask, reverse, w_hh, b_hh)


def _check_cell(input: Any, w_ih: Any, w_hh: Any, *states: Any) -> None:
    if input.shape[-1] != w_ih.shape[1]:
        raise RuntimeError(f"input has inconsistent input_size: got {input.shape[-1]} expected {w_ih.shape[1]}")
    for i, state in enumerate(states):
        if input.shape[0] != state.shape[0]:
            raise RuntimeError(f"Input batch size {input.shape[0]} doesn't match hidden{i} batch size {state.shape[0]}")
        if state.shape[1] != w_hh.shape[1]:
            raise RuntimeError(
                f"hidden{i} has inconsistent hidden_size: got {state.shape[1]}, expected {w_hh.shape[1]}"
            )


@op(
    "lstm_cell(Tensor input, Tensor[] hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) "
    "-> (Tensor, Tensor)",
    expose="torch",
    out=False,
)
def lstm_cell(input: Any, hx: list, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> tuple:
    _check_cell(input, w_ih, w_hh, *hx)
    return _lstm_step(tuple(hx), _affine(input, w_ih, b_ih), w_hh, b_hh, None)


@op(
    "gru_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor",
    expose="torch",
    out=False,
)
def gru_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
    _check_cell(input, w_ih, w_hh, hx)
    return _gru_step((hx,), _affine(input, w_ih, b_ih), w_hh, b_hh)[0]


@op(
    "rnn_tanh_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor",
    expose="torch",
    out=False,
)
def rnn_tanh_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
    _check_cell(input, w_ih, w_hh, hx)
    return _tanh_step((hx,), _affine(input, w_ih, b_ih), w_hh, b_hh)[0]


@op(
    "rnn_relu_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor",
    expose="torch",
    out=False,
)
def rnn_relu_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
    _check_cell(input, w_ih, w_hh, hx)
    return _relu_step((hx,), _affine(input, w_ih, b_ih), w_hh, b_hh)[0]
