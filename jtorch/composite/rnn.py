"""Recurrent networks: several layers and directions, dropout between layers, packed sequences (``torch.lstm`` etc.).

The layer itself is one recorded operator (``ops/rnn.py``). A packed sequence is laid out in a rectangle with a mask, by
index arrays computed on the host from its batch sizes, and packed again at the end; nothing waits for the data.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

import jtorch
from jtorch.composite.table import composite


class _Packing:
    """The way between packed rows (sum of lengths, F) and a rectangle (T, N, F)."""

    def __init__(self, batch_sizes: Any, device: Any) -> None:
        sizes = batch_sizes.numpy()
        self.steps, self.batch = len(sizes), int(sizes[0])
        valid = np.arange(self.batch) < sizes[:, None]
        # Row of the packed data at each place of the rectangle, and place of each row.
        rows = np.where(valid, (np.cumsum(sizes) - sizes)[:, None] + np.arange(self.batch), 0)
        self.rows = jtorch.from_numpy(rows.reshape(-1)).to(device)
        self.places = jtorch.from_numpy(np.flatnonzero(valid)).to(device)
        self.mask = jtorch.from_numpy(valid[:, :, None]).to(device)

    def rectangle(self, data: Any) -> Any:
        return data.index_select(0, self.rows).view(self.steps, self.batch, -1)

    def packed(self, output: Any) -> Any:
        return output.flatten(0, 1).index_select(0, self.places)


def _layers(
    layer: Callable,
    input: Any,
    states: list,
    params: Any,
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    packing: _Packing | None = None,
) -> tuple:
    """Run all layers over (T, N, I), or over packed rows.

    ``states`` are the initial states (layers · directions, N, H). Returns the output and the last states, stacked the
    same way.
    """
    directions = 2 if bidirectional else 1
    per_layer = len(params) // (num_layers * directions)
    mask = packing.mask if packing is not None else None
    weights = iter(params)
    last: list[list] = [[] for _ in states]
    for i in range(num_layers):
        if packing is not None:
            input = packing.rectangle(input)
        outputs = []
        for reverse in range(directions):
            w_ih, w_hh, *rest = (next(weights) for _ in range(per_layer))
            b_ih, b_hh = rest[:2] if has_biases else (None, None)
            begin = [s[i * directions + reverse] for s in states]
            output, *end = layer(input, begin, w_ih, w_hh, b_ih, b_hh, rest[2 * has_biases :], mask, bool(reverse))
            outputs.append(output)
            for kept, state in zip(last, end, strict=True):
                kept.append(state)
        input = outputs[0] if directions == 1 else jtorch.cat(outputs, dim=-1)
        if packing is not None:
            input = packing.packed(input)
        if dropout and train and i < num_layers - 1:
            input = jtorch.dropout(input, dropout, train)
    return input, *(jtorch.stack(kept) for kept in last)


def _lstm_layer(x: Any, begin: list, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, rest: list, *where: Any) -> tuple:
    return jtorch._lstm_layer(x, *begin, w_ih, w_hh, b_ih, b_hh, rest[0] if rest else None, *where)


def _simple_layer(name: str) -> Callable:
    def layer(x: Any, begin: list, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, rest: list, *where: Any) -> tuple:
        return getattr(jtorch, name)(x, *begin, w_ih, w_hh, b_ih, b_hh, *where)

    return layer


_LAYERS = {
    "lstm": _lstm_layer,
    "gru": _simple_layer("_gru_layer"),
    "rnn_tanh": _simple_layer("_rnn_tanh_layer"),
    "rnn_relu": _simple_layer("_rnn_relu_layer"),
}


def _run(
    name: str,
    input: Any,
    hx: Any,
    params: Any,
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool = False,
) -> tuple:
    if batch_first:
        input = input.transpose(0, 1)
    if input.size(0) == 0:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
    states = list(hx) if name == "lstm" else [hx]
    output, *last = _layers(_LAYERS[name], input, states, params, has_biases, num_layers, dropout, train, bidirectional)
    return output.transpose(0, 1) if batch_first else output, *last


def _run_packed(
    name: str,
    data: Any,
    batch_sizes: Any,
    hx: Any,
    params: Any,
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
) -> tuple:
    states = list(hx) if name == "lstm" else [hx]
    packing = _Packing(batch_sizes, data.device)
    return _layers(_LAYERS[name], data, states, params, has_biases, num_layers, dropout, train, bidirectional, packing)


def _either(name: str, args: tuple, kwargs: dict) -> tuple:
    """Run either form: ``f(input, hx, params, ...)``, or ``f(data, batch_sizes, hx, params, ...)`` with the weights
    fourth.
    """
    packed = "batch_sizes" in kwargs or (len(args) > 3 and not isinstance(args[3], bool))
    return (_run_packed if packed else _run)(name, *args, **kwargs)


@composite("torch")
def lstm(*args: Any, **kwargs: Any) -> tuple:
    """A multi-layer LSTM: ``lstm(input, hx, params, has_biases, num_layers, dropout, train, bidirectional,
    batch_first)``
    or, packed, ``lstm(data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional)``.

    ``hx`` is (h, c), each (layers · directions, N, H). Returns output, h and c.
    """
    return _either("lstm", args, kwargs)


@composite("torch")
def gru(*args: Any, **kwargs: Any) -> tuple:
    """A multi-layer GRU; arguments as :func:`lstm` with one state. Returns output and h."""
    return _either("gru", args, kwargs)


@composite("torch")
def rnn_tanh(*args: Any, **kwargs: Any) -> tuple:
    """A multi-layer Elman network with tanh; arguments as :func:`lstm` with one state. Returns output and h."""
    return _either("rnn_tanh", args, kwargs)


@composite("torch")
def rnn_relu(*args: Any, **kwargs: Any) -> tuple:
    """A multi-layer Elman network with ReLU; arguments as :func:`lstm` with one state. Returns output and h."""
    return _either("rnn_relu", args, kwargs)
