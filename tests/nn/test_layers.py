"""Layers against their formulas, their statistics, their lazy forms and their errors."""

import math
from typing import Any

import pytest

import jtorch
import jtorch.nn.functional as F
from jtorch import nn


def close(a: Any, b: Any, tol: float = 1e-5) -> bool:
    return bool(jtorch.allclose(a, b, rtol=tol, atol=tol))


# Linear and tables


def test_linear_and_bilinear() -> None:
    m = nn.Linear(3, 2)
    x = jtorch.randn(4, 3)
    assert close(m(x), x @ m.weight.t() + m.bias)
    assert nn.Linear(3, 2, bias=False).bias is None
    b = nn.Bilinear(2, 3, 4)
    y = jtorch.randn(5, 2)
    z = jtorch.randn(5, 3)
    assert close(b(y, z), jtorch.einsum("ni,oij,nj->no", y, b.weight, z) + b.bias)
    with pytest.raises(ValueError, match="in1_features must be > 0"):
        nn.Bilinear(0, 1, 1)


def test_identity_takes_anything() -> None:
    assert nn.Identity(1, 2, unused=3)("x") == "x"


def test_embedding() -> None:
    m = nn.Embedding(5, 3, padding_idx=-1)
    assert m.padding_idx == 4 and m.weight[4].tolist() == [0, 0, 0]
    index = jtorch.tensor([[1, 4], [1, 2]])
    out = m(index)
    assert jtorch.equal(out, m.weight[index])
    out.sum().backward()
    assert m.weight.grad.sum(1).tolist() == [0, 6, 3, 0, 0]
    table = jtorch.ones(2, 3)
    fixed = nn.Embedding.from_pretrained(table)
    assert not fixed.weight.requires_grad and repr(fixed) == "Embedding(2, 3)"
    with pytest.raises(AssertionError, match="Padding_idx must be within num_embeddings"):
        nn.Embedding(3, 4, padding_idx=3)
    with pytest.raises(AssertionError, match="Shape of weight does not match"):
        nn.Embedding(3, 4, _weight=table)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_embedding_bag(mode: str) -> None:
    m = nn.EmbeddingBag(6, 3, mode=mode)
    rows = m.weight.detach()
    out = m(jtorch.tensor([0, 2, 5, 1]), jtorch.tensor([0, 3]))
    first = rows[jtorch.tensor([0, 2, 5])]
    expected = {"sum": first.sum(0), "mean": first.mean(0), "max": first.max(0).values}[mode]
    assert close(out[0], expected) and close(out[1], rows[1])
    assert repr(m) == f"EmbeddingBag(6, 3, mode='{mode}')"


# Convolutions, pooling, padding


def test_conv2d_counts_neighbours() -> None:
    m = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    nn.init.ones_(m.weight)
    out = m(jtorch.ones(1, 1, 3, 4))
    assert out[0, 0].tolist() == [[4, 6, 6, 4], [6, 9, 9, 6], [4, 6, 6, 4]]


def test_padding_modes_of_conv() -> None:
    x = jtorch.arange(4.0).view(1, 1, 4)
    m = nn.Conv1d(1, 1, 3, padding=1, padding_mode="circular", bias=False)
    nn.init.ones_(m.weight)
    assert m(x).flatten().tolist() == [0 + 1 + 3, 3, 6, 2 + 3 + 0]
    same = nn.Conv1d(1, 1, 4, padding="same", padding_mode="reflect")
    assert same._reversed_padding_repeated_twice == [1, 2] and same(x).shape == x.shape


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"groups": 2}, "in_channels must be divisible by groups"),
        ({"groups": 0}, "groups must be a positive integer"),
        ({"padding": "some"}, "Invalid padding string 'some'"),
        ({"padding": "same", "stride": 2}, "padding='same' is not supported for strided convolutions"),
        ({"padding_mode": "mirror"}, "padding_mode must be one of"),
    ],
)
def test_conv_errors(kwargs: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nn.Conv1d(3, 4, 2, **kwargs)


def test_conv_transpose_is_the_transpose() -> None:
    conv = nn.Conv1d(2, 3, 3, stride=2, padding=1, bias=False)
    back = nn.ConvTranspose1d(3, 2, 3, stride=2, padding=1, bias=False)
    back.weight = conv.weight
    x, y = jtorch.randn(1, 2, 8), jtorch.randn(1, 3, 4)
    assert close((conv(x) * y).sum(), (x * back(y, output_size=[8])).sum(), 1e-4)
    with pytest.raises(ValueError, match=r"but valid sizes range from \[7\] to \[8\]"):
        back(y, output_size=[9])
    with pytest.raises(ValueError, match='Only "zeros" padding mode'):
        nn.ConvTranspose1d(1, 1, 1, padding_mode="reflect")


def test_pooling() -> None:
    x = jtorch.arange(8.0).view(1, 1, 8)
    assert nn.MaxPool1d(3, stride=2)(x).flatten().tolist() == [2, 4, 6]
    assert nn.AvgPool1d(4)(x).flatten().tolist() == [1.5, 5.5]
    assert nn.AdaptiveAvgPool1d(1)(x).item() == 3.5
    assert nn.LPPool1d(2, 2)(x).flatten().tolist() == pytest.approx([math.hypot(a, a + 1) for a in (0, 2, 4, 6)])
    values, indices = nn.MaxPool1d(2, return_indices=True)(x)
    assert nn.MaxUnpool1d(2)(values, indices).flatten().tolist() == [0, 1, 0, 3, 0, 5, 0, 7]
    assert repr(nn.MaxPool2d(2)) == "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"
    with pytest.raises(ValueError, match="requires specifying either an output size, or a pooling ratio"):
        nn.FractionalMaxPool2d(2)


def test_padding() -> None:
    x = jtorch.arange(3.0).view(1, 1, 3)
    assert nn.ConstantPad1d((1, 0), 9.0)(x).flatten().tolist() == [9, 0, 1, 2]
    assert nn.ReflectionPad1d(1)(x).flatten().tolist() == [1, 0, 1, 2, 1]
    assert nn.ReplicationPad1d(1)(x).flatten().tolist() == [0, 0, 1, 2, 2]
    assert nn.CircularPad1d(1)(x).flatten().tolist() == [2, 0, 1, 2, 0]
    assert repr(nn.ZeroPad2d(1)) == "ZeroPad2d((1, 1, 1, 1))"


def test_shuffles_and_shapes() -> None:
    x = jtorch.arange(16.0).view(1, 4, 2, 2)
    assert jtorch.equal(nn.PixelUnshuffle(2)(nn.PixelShuffle(2)(x)), x)
    assert nn.ChannelShuffle(2)(x)[0, :, 0, 0].tolist() == [0, 8, 4, 12]
    assert nn.Flatten()(x).shape == (1, 16) and nn.Unflatten(1, (2, 2))(x).shape == (1, 2, 2, 2, 2)
    assert nn.Fold((2, 2), 1)(nn.Unfold(1)(x)).equal(x)
    assert nn.Upsample(scale_factor=2)(x).shape == (1, 4, 4, 4)
    with pytest.raises(TypeError, match="must be tuple of ints, but found element of type str at pos 1"):
        nn.Unflatten(1, (2, "a"))


# Normalization


def test_batch_norm_statistics() -> None:
    m = nn.BatchNorm1d(2, momentum=0.5)
    x = jtorch.tensor([[1.0, 10.0], [3.0, 30.0]])
    out = m(x)
    assert close(out, jtorch.tensor([[-1.0, -1.0], [1.0, 1.0]]), 1e-3)
    assert m.running_mean.tolist() == [1.0, 10.0]
    assert m.running_var.tolist() == [1.5, 100.5]  # (1 + 2) / 2: the sample variance is 2
    assert m.num_batches_tracked.item() == 1
    m.eval()
    m(x)
    assert m.num_batches_tracked.item() == 1
    assert close(m(x), (x - m.running_mean) / (m.running_var + 1e-5).sqrt())
    m.reset_running_stats()
    assert m.running_var.tolist() == [1.0, 1.0] and m.num_batches_tracked.item() == 0


def test_batch_norm_without_momentum_averages_all_batches() -> None:
    m = nn.BatchNorm1d(1, momentum=None)
    for mean in (2.0, 4.0, 9.0):
        m(jtorch.tensor([[mean - 1], [mean + 1]]))
    assert m.running_mean.item() == pytest.approx(5.0)
    assert m.running_var.item() == pytest.approx(2.0)


def test_batch_norm_variants() -> None:
    assert nn.BatchNorm1d(2, affine=False).weight is None
    plain = nn.BatchNorm1d(2, track_running_stats=False)
    assert plain.running_mean is None and list(plain.state_dict()) == ["weight", "bias"]
    with pytest.raises(ValueError, match=r"expected 4D input \(got 2D input\)"):
        nn.BatchNorm2d(2)(jtorch.ones(2, 2))
    old = {k: v for k, v in nn.BatchNorm1d(2).state_dict().items() if k != "num_batches_tracked"}
    assert not nn.BatchNorm1d(2).load_state_dict(old).missing_keys  # files before version 2 do not count batches


def test_sync_batch_norm_in_one_process() -> None:
    m = nn.SyncBatchNorm.convert_sync_batchnorm(nn.Sequential(nn.BatchNorm1d(2), nn.ReLU()))
    assert isinstance(m[0], nn.SyncBatchNorm)
    assert close(m[0](jtorch.eye(2)), nn.BatchNorm1d(2)(jtorch.eye(2)))


def test_instance_layer_group_and_rms_norm() -> None:
    x = jtorch.randn(2, 4, 6)

    def normalized(t: Any, dims: Any) -> Any:
        return (t - t.mean(dims, keepdim=True)) / (t.var(dims, unbiased=False, keepdim=True) + 1e-5).sqrt()

    assert close(nn.InstanceNorm1d(4)(x), normalized(x, (2,)), 1e-4)
    assert close(nn.LayerNorm([4, 6])(x), normalized(x, (1, 2)), 1e-4)
    assert close(nn.GroupNorm(2, 4)(x), normalized(x.view(2, 2, 12), (2,)).view(2, 4, 6), 1e-4)
    assert close(nn.RMSNorm(6, eps=1e-5)(x), x / (x.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt(), 1e-4)
    assert repr(nn.LayerNorm(3)) == "LayerNorm((3,), eps=1e-05, elementwise_affine=True, bias=True)"
    with pytest.raises(ValueError, match=r"num_channels \(4\) must be divisible by num_groups \(3\)"):
        nn.GroupNorm(3, 4)
    with pytest.raises(ValueError, match="to match num_features"):
        nn.InstanceNorm1d(3, affine=True)(x)
    with pytest.raises(RuntimeError, match="Unexpected running stats buffer"):
        nn.InstanceNorm1d(3).load_state_dict({"running_mean": jtorch.zeros(3)})


def test_dropout() -> None:
    x = jtorch.ones(200, 10)
    m = nn.Dropout(0.25)
    out = m(x)
    assert out.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert 0.15 < (out == 0).float().mean().item() < 0.35
    assert jtorch.equal(m.eval()(x), x)
    channels = nn.Dropout2d(0.5)(jtorch.ones(20, 5, 3, 3)).flatten(2)
    assert jtorch.equal(channels.max(2).values, channels.min(2).values)
    with pytest.raises(ValueError, match="dropout probability has to be between 0 and 1, but got 2"):
        nn.Dropout(2)


# Activations and losses


@pytest.mark.parametrize(
    ("module", "formula"),
    [
        (nn.ReLU(), lambda x: max(x, 0)),
        (nn.ReLU6(), lambda x: min(max(x, 0), 6)),
        (nn.Sigmoid(), lambda x: 1 / (1 + math.exp(-x))),
        (nn.Tanh(), math.tanh),
        (nn.SiLU(), lambda x: x / (1 + math.exp(-x))),
        (nn.GELU(), lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2),
        (nn.ELU(0.5), lambda x: x if x > 0 else 0.5 * (math.exp(x) - 1)),
        (nn.LeakyReLU(0.1), lambda x: x if x > 0 else 0.1 * x),
        (nn.Softplus(), lambda x: math.log1p(math.exp(x))),
        (nn.Softsign(), lambda x: x / (1 + abs(x))),
        (nn.Hardtanh(-2, 1), lambda x: min(max(x, -2), 1)),
        (nn.Hardsigmoid(), lambda x: min(max(x / 6 + 0.5, 0), 1)),
        (nn.Softshrink(), lambda x: x - math.copysign(min(abs(x), 0.5), x)),
        (nn.Threshold(1, 7), lambda x: x if x > 1 else 7),
        (nn.PReLU(), lambda x: x if x > 0 else 0.25 * x),
        (nn.Mish(), lambda x: x * math.tanh(math.log1p(math.exp(x)))),
    ],
    ids=lambda p: type(p).__name__ if isinstance(p, nn.Module) else "",
)
def test_activations(module: nn.Module, formula: Any) -> None:
    points = [-3.0, -0.4, 0.0, 0.2, 2.0, 7.0]
    assert module(jtorch.tensor(points)).tolist() == pytest.approx([formula(p) for p in points], abs=1e-5)


def test_inplace_activation_overwrites_its_input() -> None:
    x = jtorch.tensor([-1.0, 1.0])
    assert nn.ReLU(inplace=True)(x) is x
    assert x.tolist() == [0.0, 1.0] and repr(nn.ReLU(True)) == "ReLU(inplace=True)"


def test_losses() -> None:
    x, y = jtorch.tensor([[1.0, -2.0], [0.5, 0.0]]), jtorch.tensor([[0.0, -1.0], [0.5, 3.0]])
    assert nn.L1Loss()(x, y).item() == pytest.approx(5 / 4)
    assert nn.MSELoss(reduction="sum")(x, y).item() == pytest.approx(11)
    assert nn.HuberLoss(reduction="sum")(x, y).item() == pytest.approx(0.5 + 0.5 + 2.5)
    target = jtorch.tensor([0, 1])
    expected = [math.log(1 + math.exp(-3)), math.log(1 + math.exp(0.5))]
    assert nn.CrossEntropyLoss(reduction="none")(x, target).tolist() == pytest.approx(expected, abs=1e-6)
    weighted = nn.CrossEntropyLoss(weight=jtorch.tensor([1.0, 3.0]))
    assert weighted(x, target).item() == pytest.approx((expected[0] + 3 * expected[1]) / 4, abs=1e-6)
    assert list(weighted.state_dict()) == ["weight"]
    with pytest.warns(UserWarning, match="please use reduction='sum' instead"):
        assert nn.MSELoss(size_average=False).reduction == "sum"
    with pytest.raises(ValueError, match="expected margin to be greater than 0"):
        nn.TripletMarginLoss(margin=0)


def test_adaptive_softmax_agrees_with_itself() -> None:
    m = nn.AdaptiveLogSoftmaxWithLoss(8, 12, [3, 7], div_value=2.0)
    x, target = jtorch.randn(6, 8), jtorch.tensor([0, 2, 3, 6, 7, 11])
    full = m.log_prob(x)
    assert close(full.exp().sum(1), jtorch.ones(6))
    out = m(x, target)
    assert close(out.output, full.gather(1, target[:, None]).squeeze(1))
    assert out.loss.item() == pytest.approx(-out.output.mean().item(), abs=1e-6)
    assert jtorch.equal(m.predict(x), full.argmax(1))
    single = m(x[0], target[0])
    assert single.output.shape == () and close(single.output, out.output[0])
    with pytest.raises(ValueError, match="cutoffs should be a sequence of unique, positive integers"):
        nn.AdaptiveLogSoftmaxWithLoss(4, 10, [5, 2])
    with pytest.raises(RuntimeError, match=r"Target values should be in \[0, 11\]"):
        m(x, target + 1).loss.item()


# Lazy layers


def test_lazy_layer_becomes_the_layer() -> None:
    m = nn.LazyLinear(3)
    assert repr(m) == "LazyLinear(in_features=0, out_features=3, bias=True)"
    assert repr(m.weight) == "<UninitializedParameter>" and m.has_uninitialized_params()
    jtorch.manual_seed(3)
    out = m(jtorch.ones(2, 5))
    jtorch.manual_seed(3)
    eager = nn.Linear(5, 3)
    assert type(m) is nn.Linear and type(m.weight) is nn.Parameter
    assert jtorch.equal(m.weight, eager.weight) and jtorch.equal(m.bias, eager.bias)
    assert close(out, eager(jtorch.ones(2, 5)))
    assert not m._forward_pre_hooks and m.weight.requires_grad


def test_an_uninitialized_parameter_is_loud() -> None:
    m = nn.LazyConv2d(3, 3)
    with pytest.raises(ValueError, match="Attempted to use an uninitialized parameter"):
        m.weight + 1
    with pytest.raises(RuntimeError, match="Can't access the shape of an uninitialized parameter"):
        m.weight.shape  # noqa: B018
    m.double()
    assert m.weight.dtype == jtorch.float64
    assert m(jtorch.ones(1, 2, 5, 5, dtype=jtorch.float64)).dtype == jtorch.float64
    with pytest.raises(RuntimeError, match="Expected 3D .unbatched. or 4D .batched. input to LazyConv2d"):
        nn.LazyConv2d(3, 3)(jtorch.ones(2, 2))


def test_lazy_state_goes_through_state_dicts() -> None:
    m = nn.LazyLinear(3)
    assert repr(dict(m.state_dict())["weight"]) == "<UninitializedParameter>"
    m.load_state_dict({"weight": jtorch.ones(3, 2), "bias": jtorch.zeros(3)})
    assert m(jtorch.ones(1, 2)).tolist() == [[2.0, 2.0, 2.0]] and type(m) is nn.Linear
    norm = nn.LazyBatchNorm1d()
    norm(jtorch.randn(4, 6))
    assert type(norm) is nn.BatchNorm1d and norm.num_features == 6 and norm.running_mean.shape == (6,)


# Construction


def test_device_and_dtype_reach_the_parameters() -> None:
    for m in (
        nn.Linear(2, 3, device="cpu", dtype=jtorch.float64),
        nn.Conv1d(1, 2, 3, dtype=jtorch.float64),
        nn.BatchNorm1d(2, dtype=jtorch.float64),
        nn.LSTM(2, 3, dtype=jtorch.float64),
        nn.MultiheadAttention(4, 2, dtype=jtorch.float64),
        nn.Embedding(2, 3, dtype=jtorch.float64),
        nn.TransformerEncoderLayer(4, 2, 8, dtype=jtorch.float64),
    ):
        assert {p.dtype for p in m.parameters()} == {jtorch.float64}
    assert nn.Linear(2, 3, device="meta").weight.is_meta


def test_data_parallel_without_gpus_is_the_module() -> None:
    m = nn.DataParallel(nn.Linear(2, 3))
    if m.device_ids:
        pytest.skip("there is a GPU")
    x = jtorch.ones(1, 2)
    assert jtorch.equal(m(x), m.module(x))
    assert list(m.state_dict()) == ["module.weight", "module.bias"]


def test_gradients_of_convolutions() -> None:
    x, w = jtorch.randn(2, 2, 6, requires_grad=True), jtorch.randn(3, 2, 3, requires_grad=True)
    out = F.conv1d(x, w, stride=2)
    g = jtorch.randn(*out.shape)
    out.backward(g)
    assert close(nn.grad.conv1d_input(x.shape, w.detach(), g, stride=2), x.grad)
    assert close(nn.grad.conv1d_weight(x.detach(), w.shape, g, stride=2), w.grad)
