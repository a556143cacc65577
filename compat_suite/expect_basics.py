"""What the tutorial says of its blocks 1 to 13: tensors, autograd, and one layer at a time."""

import math
import re

import numpy as np
import torch
import torch.nn.functional as F

from compat_suite import training
from compat_suite.blocks import Run
from compat_suite.expectations import close, printed_numbers, shape, states


@states(1)
def tensors(run: Run) -> None:
    listed, zeros, ones, normal, uniform, steps, spaced, from_array = run.history["x"]
    assert listed.tolist() == [1, 2, 3] and listed.dtype == torch.int64
    assert shape(zeros) == (3, 4) and zeros.eq(0).all()
    assert shape(ones) == (2, 3, 4) and ones.eq(1).all()
    assert shape(normal) == (2, 3) and normal.dtype == torch.float32 and normal.std() > 0
    assert shape(uniform) == (2, 3) and uniform.ge(0).all() and uniform.lt(1).all()
    assert steps.tolist() == [0, 2, 4, 6, 8] and steps.dtype == torch.int64
    assert spaced.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert from_array.tolist() == [1, 2, 3]
    assert isinstance(run["back_to_numpy"], np.ndarray) and run["back_to_numpy"].tolist() == [1, 2, 3]
    assert run.out == "torch.Size([3])\ntorch.int64\ncpu\n"


@states(2)
def operations(run: Run) -> None:
    added, multiplied, dot, product, joined = run.history["c"]
    assert added.tolist() == [5, 7, 9] and multiplied.tolist() == [4, 10, 18]
    assert dot.item() == product.item() == 32
    assert shape(run["y"]) == (16,) and shape(run["z"]) == (2, 8) and shape(run["w"]) == (2, 8)
    assert shape(joined) == (4, 3) and shape(run["d"]) == (2, 2, 3)
    assert torch.equal(joined[2:], run["b"]) and torch.equal(run["d"][0], run["a"])
    square, grid = run.history["x"]
    assert torch.equal(square.flatten(), run["y"])
    row, column, element = run.out.splitlines()
    assert all(line.startswith("tensor(") for line in (row, column, element))
    close(printed_numbers(row), grid.tolist()[0], atol=1e-4)
    close(printed_numbers(column), [r[1] for r in grid.tolist()], atol=1e-4)
    close(printed_numbers(element), [grid.tolist()[1][2]], atol=1e-4)


@states(3)
def gpu(run: Run) -> None:
    wanted = "cuda" if torch.cuda.is_available() else "cpu"
    assert run.out == wanted + "\n"
    assert [x.device.type for x in run.history["x"]] == ["cpu", wanted, wanted, "cpu"]
    assert all(shape(x) == (3, 3) for x in run.history["x"])


@states(4)
def autograd(run: Run) -> None:
    first, second = run.history["z"]
    assert first.tolist() == [15.0] and second.item() == 4.0
    assert run.out == "tensor([3.])\ntensor([8.])\ntensor([0.6667, 0.6667, 0.6667])\n"
    close(run["x"].grad.tolist(), [2 / 3] * 3)


@states(5)
def gradients(run: Run) -> None:
    assert run["x"].grad.tolist() == [0.0, 0.0, 0.0]
    detached, ungraded = run.history["y"]
    assert run["x"].requires_grad and not detached.requires_grad and not ungraded.requires_grad
    assert detached.tolist() == [1.0, 2.0, 3.0] and ungraded.tolist() == [2.0, 4.0, 6.0]
    assert torch.is_grad_enabled()


@states(6)
def simple_net(run: Run) -> str:
    assert run.out == "torch.Size([5, 2])\n"
    assert run["output"].requires_grad
    model = run["SimpleNet"](input_size=10, hidden_size=20, output_size=2)
    return training.learns(model, torch.randn(32, 10), torch.arange(32) % 2, F.cross_entropy)


@states(7)
def linear(run: Run) -> None:
    fc, x, output = run["fc"], run["x"], run["output"]
    assert shape(output) == (5, 20) and shape(fc.weight) == (20, 10) and shape(fc.bias) == (20,)
    close(output.tolist(), x.numpy() @ fc.weight.detach().numpy().T + fc.bias.detach().numpy(), atol=1e-5)


@states(8)
def convolution(run: Run) -> None:
    conv, x, output = run["conv"], run["x"], run["output"]
    assert shape(output) == (8, 16, 32, 32)
    patch = x[0, :, 3:6, 10:13].numpy()  # the window whose centre is (4, 11)
    expected = (conv.weight.detach().numpy() * patch).sum((1, 2, 3)) + conv.bias.detach().numpy()
    close(output[0, :, 4, 11].tolist(), expected, atol=1e-5)
    assert shape(run["conv1d"](torch.randn(4, 10, 16))) == (4, 20, 14)


@states(9)
def pooling(run: Run) -> None:
    x = run["x"]
    windows = x.numpy().reshape(8, 16, 16, 2, 16, 2)
    assert shape(run["output"]) == (8, 16, 16, 16)
    assert (run["output"].numpy() == windows.max((3, 5))).all()
    close(run["avgpool"](x).numpy(), windows.mean((3, 5)), atol=1e-6)
    averaged = run["adaptive"](x)
    assert shape(averaged) == (8, 16, 1, 1)
    close(averaged.numpy(), x.numpy().mean((2, 3), keepdims=True), atol=1e-6)


@states(10)
def activations(run: Run) -> None:
    x, (module, function) = run["x"].numpy(), run.history["output"]
    assert (module.numpy() == np.maximum(x, 0)).all() and torch.equal(module, function)
    formulas = {
        "sigmoid": 1 / (1 + np.exp(-x)),
        "tanh": np.tanh(x),
        "leaky_relu": np.where(x > 0, x, 0.01 * x),
        "gelu": x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2,
        "softmax": np.exp(x) / np.exp(x).sum(1, keepdims=True),
    }
    for name, expected in formulas.items():
        close(run[name](run["x"]).numpy(), expected, atol=1e-6)


@states(11)
def normalization(run: Run) -> None:
    x, output = run["x"], run["output"].detach().numpy()
    assert shape(run["output"]) == (8, 16, 32, 32)
    close(output.mean((0, 2, 3)), np.zeros(16), atol=1e-5)
    close(output.var((0, 2, 3)), np.ones(16), atol=1e-3)
    close(run["bn"].running_mean.numpy(), 0.1 * x.numpy().mean((0, 2, 3)), atol=1e-6)
    rows = run["ln"](torch.randn(4, 512) * 3 + 1).detach().numpy()
    close(rows.mean(1), np.zeros(4), atol=1e-5)
    close(rows.std(1), np.ones(4), atol=1e-3)
    ones, dropout = torch.ones(1000), run["dropout"]
    dropped = dropout(ones)
    assert set(dropped.tolist()) == {0.0, 2.0} and 400 < dropped.count_nonzero() < 600
    assert torch.equal(dropout.eval()(ones), ones)


@states(12)
def recurrence(run: Run) -> None:
    assert shape(run["output"]) == (8, 50, 20)
    assert shape(run["hn"]) == shape(run["cn"]) == (2, 8, 20)
    close(run["output"][:, -1].tolist(), run["hn"][-1].tolist())
    output, hidden = run["gru"](run["x"])
    assert shape(output) == (8, 50, 20) and shape(hidden) == (2, 8, 20)
    for name in ("lstm", "gru"):
        layer = run[name]
        curve = training.losses(
            layer, run["x"], torch.zeros(8, 50, 20), lambda result, target: F.mse_loss(result[0], target)
        )
        assert curve[-1] < curve[0], f"{name} does not learn: {curve}"


@states(13)
def attention(run: Run) -> None:
    x = torch.randn(2, 5, 512)
    output, weights = run["attention"](x, x, x)
    assert shape(output) == (2, 5, 512) and shape(weights) == (2, 5, 5)
    close(weights.sum(-1).tolist(), np.ones((2, 5)), atol=1e-5)
    encoded = run["encoder_layer"](x.transpose(0, 1))  # (sequence, batch, features): batch_first is False
    assert shape(encoded) == (5, 2, 512)
    close(encoded.mean(-1).tolist(), np.zeros((5, 2)), atol=1e-5)  # it ends in a LayerNorm
    assert re.match(r"TransformerEncoderLayer\(\n  \(self_attn\): MultiheadAttention\(", repr(run["encoder_layer"]))
