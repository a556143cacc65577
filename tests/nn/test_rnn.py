"""Recurrent layers against a loop over their cells, packed sequences, and errors."""

from typing import Any

import pytest

import jtorch
from jtorch import nn
from jtorch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence, unpack_sequence

LAYERS = {"RNN": nn.RNNCell, "LSTM": nn.LSTMCell, "GRU": nn.GRUCell}


def close(a: Any, b: Any, tol: float = 1e-5) -> bool:
    return bool(jtorch.allclose(a, b, rtol=tol, atol=tol))


def states(h: Any) -> tuple:
    return h if isinstance(h, tuple) else (h,)


def by_hand(layer: Any, x: Any, suffix: str, reverse: bool = False) -> tuple[Any, Any]:
    """One layer in one direction, by its cell."""
    cell = LAYERS[type(layer).__name__](x.size(-1), layer.hidden_size)
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        setattr(cell, name, getattr(layer, name + suffix))
    h = None
    outputs = []
    for step in reversed(x) if reverse else x:
        h = cell(step, h)
        outputs.append(states(h)[0])
    return jtorch.stack(outputs[::-1] if reverse else outputs), h


@pytest.mark.parametrize("kind", LAYERS)
def test_two_layers_in_both_directions(kind: str) -> None:
    layer = getattr(nn, kind)(4, 3, num_layers=2, bidirectional=True)
    x = jtorch.randn(5, 2, 4)
    output, h = layer(x)
    last = []
    for i in range(2):
        forward, end = by_hand(layer, x, f"_l{i}")
        backward, begin = by_hand(layer, x, f"_l{i}_reverse", reverse=True)
        last += [states(end)[0], states(begin)[0]]
        x = jtorch.cat([forward, backward], -1)
    assert close(output, x)
    assert close(states(h)[0], jtorch.stack(last))


@pytest.mark.parametrize("kind", LAYERS)
def test_layouts(kind: str) -> None:
    layer = getattr(nn, kind)(4, 3)
    x = jtorch.randn(5, 2, 4)
    output, _ = layer(x)
    layer.batch_first = True
    assert close(layer(x.transpose(0, 1))[0].transpose(0, 1), output)
    single, h = layer(x[:, 0])
    assert close(single, output[:, 0]) and states(h)[0].shape == (1, 3)


def test_initial_states_carry_a_sequence_on() -> None:
    layer = nn.LSTM(4, 3)
    x = jtorch.randn(6, 2, 4)
    whole, end = layer(x)
    first, middle = layer(x[:2])
    second, last = layer(x[2:], middle)
    assert close(jtorch.cat([first, second]), whole)
    assert close(last[1], end[1])


def test_projections() -> None:
    layer = nn.LSTM(4, 5, proj_size=2)
    output, (h, c) = layer(jtorch.randn(3, 2, 4))
    assert output.shape == (3, 2, 2) and h.shape == (1, 2, 2) and c.shape == (1, 2, 5)
    assert layer.weight_hr_l0.shape == (2, 5) and layer.weight_hh_l0.shape == (20, 2)


def test_cell_formulas() -> None:
    x, h = jtorch.randn(2, 4), jtorch.randn(2, 3)
    cell = nn.RNNCell(4, 3, nonlinearity="relu")
    assert close(cell(x, h), (x @ cell.weight_ih.t() + cell.bias_ih + h @ cell.weight_hh.t() + cell.bias_hh).relu())
    gru = nn.GRUCell(4, 3, bias=False)
    r_x, z_x, n_x = (x @ gru.weight_ih.t()).chunk(3, 1)
    r_h, z_h, n_h = (h @ gru.weight_hh.t()).chunk(3, 1)
    z = (z_x + z_h).sigmoid()
    assert close(gru(x, h), (1 - z) * (n_x + (r_x + r_h).sigmoid() * n_h).tanh() + z * h)
    lstm = nn.LSTMCell(4, 3)
    i, f, g, o = (x @ lstm.weight_ih.t() + lstm.bias_ih + lstm.bias_hh).chunk(4, 1)
    c = i.sigmoid() * g.tanh()
    assert close(lstm(x)[1], c) and close(lstm(x)[0], o.sigmoid() * c.tanh())
    assert f.shape == c.shape


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("lengths", [[4, 3, 1], [1, 4, 3]])
def test_a_packed_sequence_gives_what_each_sequence_gives(kind: str, lengths: list[int]) -> None:
    layer = getattr(nn, kind)(2, 3, num_layers=2, bidirectional=True)
    sequences = [jtorch.randn(n, 2) for n in lengths]
    packed, h = layer(pack_sequence(sequences, enforce_sorted=False))
    for i, (sequence, got) in enumerate(zip(sequences, unpack_sequence(packed), strict=True)):
        output, last = layer(sequence)
        assert close(got, output)
        assert close(states(h)[0][:, i], states(last)[0])


def test_packed_gradients_reach_only_real_steps() -> None:
    x = jtorch.randn(4, 2, 2, requires_grad=True)
    output, _ = nn.GRU(2, 3)(pack_padded_sequence(x, [4, 2]))
    pad_packed_sequence(output)[0].sum().backward()
    assert (x.grad[:, 0] != 0).all() and (x.grad[:2, 1] != 0).all()
    assert (x.grad[2:, 1] == 0).all()


def test_dropout_works_between_layers_in_training() -> None:
    layer = nn.GRU(4, 3, num_layers=2, dropout=0.5)
    x = jtorch.randn(5, 2, 4)
    assert not jtorch.equal(layer(x)[0], layer(x)[0])
    layer.eval()
    assert jtorch.equal(layer(x)[0], layer(x)[0])


def test_weights() -> None:
    layer = nn.LSTM(4, 3, num_layers=2, bidirectional=True)
    assert [name for name, _ in layer.named_parameters()][:8] == [
        "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0",
        "weight_ih_l0_reverse", "weight_hh_l0_reverse", "bias_ih_l0_reverse", "bias_hh_l0_reverse",
    ]  # fmt: skip
    assert layer.weight_ih_l1.shape == (12, 6)
    assert layer.all_weights[0][0] is layer.weight_ih_l0
    assert layer.weight_ih_l0.abs().max().item() <= 3**-0.5
    layer.flatten_parameters()
    assert repr(layer) == "LSTM(4, 3, num_layers=2, bidirectional=True)"


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: nn.LSTM(2, 3, dropout=2), ValueError, "dropout should be a number in range"),
        (lambda: nn.LSTM(2, 0), ValueError, "hidden_size must be greater than zero"),
        (lambda: nn.LSTM(2, "a"), TypeError, "hidden_size should be of type int, got: str"),
        (lambda: nn.LSTM(2, 3, proj_size=3), ValueError, "proj_size has to be smaller than hidden_size"),
        (lambda: nn.GRU(2, 3, proj_size=1), ValueError, "proj_size argument is only supported for LSTM"),
        (lambda: nn.RNN(2, 3, nonlinearity="x"), ValueError, "Unknown nonlinearity 'x'"),
        (lambda: nn.LSTM(2, 3)(jtorch.ones(2)), ValueError, "LSTM: Expected input to be 2D or 3D, got 1D instead"),
        (lambda: nn.LSTM(2, 3)(jtorch.ones(3, 2, 5)), RuntimeError, "input.size(-1) must be equal to input_size"),
        (lambda: nn.RNN(2, 3)(jtorch.ones(3, 2, 2).double()), ValueError, "does not match weight dtype"),
        (lambda: nn.RNN(2, 3)(jtorch.ones(3, 2, 2), jtorch.ones(1, 3, 3)), RuntimeError,
         "Expected hidden size (1, 2, 3), got [1, 3, 3]"),
        (lambda: nn.GRU(2, 3)(jtorch.ones(3, 2, 2), jtorch.ones(2, 3)), RuntimeError, "For batched 3-D input"),
        (lambda: nn.RNN(2, 3)(jtorch.ones(0, 2, 2)), RuntimeError, "Expected sequence length to be larger than 0"),
        (lambda: nn.LSTMCell(2, 3)(jtorch.ones(1, 1, 2)), ValueError, "LSTMCell: Expected input to be 1D or 2D"),
        (lambda: nn.GRUCell(2, 3)(jtorch.ones(2, 5)), RuntimeError, "inconsistent input_size: got 5 expected 2"),
        (lambda: nn.GRUCell(2, 3)(jtorch.ones(2, 2), jtorch.ones(3, 3)), RuntimeError,
         "Input batch size 2 doesn't match hidden0 batch size 3"),
    ],
)  # fmt: skip
def test_errors(act: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        act()
    assert message in str(caught.value)


def test_dropout_on_a_single_layer_warns() -> None:
    with pytest.warns(UserWarning, match="non-zero dropout expects num_layers greater than 1"):
        nn.LSTM(2, 3, dropout=0.5)
