"""A table of modules with arguments and inputs: at least one entry a class of ``torch.nn``."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_rng = np.random.default_rng(0)


def f(*shape: int) -> np.ndarray:
    """Normal float32 numbers."""
    return _rng.standard_normal(shape).astype(np.float32)


def u(*shape: int) -> np.ndarray:
    """Float32 numbers in (0.05, 0.95)."""
    return _rng.uniform(0.05, 0.95, shape).astype(np.float32)


def i(high: int, *shape: int) -> np.ndarray:
    """int64 numbers below ``high``."""
    return _rng.integers(0, high, shape)


def sign(*shape: int) -> np.ndarray:
    """Float32 ones and minus ones."""
    return np.sign(_rng.standard_normal(shape)).astype(np.float32)


@dataclass
class Case:
    """One module: ``getattr(nn, name)(*args, **kwargs)``, called with ``inputs`` and ``call``.

    NumPy arrays among the arguments become tensors; a callable argument gets the library and returns the argument.
    ``grad`` is how many of the inputs, from the first, get gradients. ``unused`` says that torch leaves the gradient
    of a parameter None where it is zero here.
    """

    name: str
    args: tuple = ()
    inputs: tuple = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    call: dict[str, Any] = field(default_factory=dict)
    tol: float = 1e-5
    grad: int = 9
    unused: bool = False

    @property
    def id(self) -> str:
        shown = [*map(_short, self.args), *(f"{k}={_short(v)}" for k, v in self.kwargs.items())]
        return f"{self.name}({','.join(shown)}){'x'.join(str(len(getattr(x, 'shape', ()))) for x in self.inputs)}"


def _short(x: Any) -> str:
    return "array" if isinstance(x, np.ndarray) else "fn" if callable(x) else str(x).replace(" ", "")


def c(
    name: str, *args: Any, x: Any = (), call: dict | None = None, tol: float = 1e-5, grad: int = 9,
    unused: bool = False, **kwargs: Any,
) -> Case:  # fmt: skip
    """A case, with the module's arguments given as to the module itself."""
    return Case(name, args, x if isinstance(x, tuple) else (x,), kwargs, call or {}, tol, grad, unused)


_image, _signal, _volume = (2, 4, 6, 6), (2, 4, 9), (2, 4, 5, 4, 6)

ACTIVATIONS = [
    *[c(name, x=f(3, 4)) for name in (
        "ReLU", "ReLU6", "Sigmoid", "Tanh", "SiLU", "Mish", "Hardswish", "Hardsigmoid", "ELU", "CELU", "SELU", "GELU",
        "GLU", "Hardshrink", "LeakyReLU", "LogSigmoid", "Softplus", "Softshrink", "PReLU", "Softsign", "Tanhshrink",
        "Hardtanh", "RReLU", "Identity",
    )],
    c("Threshold", 0.1, 20.0, x=f(3, 4)),
    c("Hardtanh", -0.5, 0.7, x=f(3, 4)),
    c("ELU", 0.5, x=f(3, 4)),
    c("CELU", 0.5, x=f(3, 4)),
    c("GELU", "tanh", x=f(3, 4)),
    c("GLU", 0, x=f(4, 3)),
    c("PReLU", 4, 0.1, x=f(2, 4, 3)),
    c("Softplus", 2.0, 1.0, x=f(3, 4)),
    c("LeakyReLU", 0.3, x=f(3, 4)),
    c("RReLU", 0.1, 0.4, x=f(3, 4)),
    *[c(name, dim, x=f(3, 4)) for name in ("Softmax", "Softmin", "LogSoftmax") for dim in (0, -1)],
    c("Softmax2d", x=f(*_image)),
]  # fmt: skip

LINEAR = [
    c("Linear", 5, 3, x=f(2, 5)),
    c("Linear", 5, 3, bias=False, x=f(2, 4, 5)),
    c("Bilinear", 3, 4, 5, x=(f(2, 3), f(2, 4))),
    c("Bilinear", 3, 4, 5, bias=False, x=(f(2, 3), f(2, 4))),
    c("Flatten", x=f(2, 3, 4)),
    c("Flatten", 0, 1, x=f(2, 3, 4)),
    c("Unflatten", 1, (2, 3), x=f(2, 6)),
    c("Embedding", 7, 3, x=i(7, 2, 4)),
    c("Embedding", 7, 3, padding_idx=2, x=i(7, 2, 4)),
    c("Embedding", 7, 3, padding_idx=-1, max_norm=0.5, x=i(7, 2, 4)),
    c("Embedding", 7, 3, scale_grad_by_freq=True, x=i(7, 2, 4)),
    c("EmbeddingBag", 7, 3, x=i(7, 2, 4)),
    c("EmbeddingBag", 7, 3, mode="sum", padding_idx=1, x=(i(7, 8), np.array([0, 3, 3, 6]))),
    c("EmbeddingBag", 7, 3, mode="max", x=(i(7, 8), np.array([0, 3, 5]))),
    c("EmbeddingBag", 7, 3, mode="sum", x=i(7, 2, 4), call={"per_sample_weights": f(2, 4)}),
    c("CosineSimilarity", x=(f(3, 4), f(3, 4))),
    c("PairwiseDistance", x=(f(3, 4), f(3, 4))),
    c("PairwiseDistance", 1.0, keepdim=True, x=(f(3, 4), f(3, 4))),
    c("PixelShuffle", 2, x=f(2, 8, 3, 3)),
    c("PixelUnshuffle", 2, x=f(2, 2, 4, 6)),
    c("ChannelShuffle", 2, x=f(*_image)),
    c("Fold", (4, 5), (2, 2), x=f(2, 12, 12)),
    c("Unfold", (2, 3), padding=1, x=f(*_image)),
    c("Upsample", scale_factor=2, x=f(*_image)),
    c("Upsample", (4, 9), mode="bilinear", x=f(*_image)),
    c("Upsample", 7, mode="linear", align_corners=True, x=f(*_signal)),
    c("Upsample", scale_factor=1.5, mode="bicubic", x=f(*_image)),
    c("Upsample", scale_factor=(2, 1, 2), mode="trilinear", x=f(*_volume)),
    c("UpsamplingNearest2d", scale_factor=2, x=f(*_image)),
    c("UpsamplingBilinear2d", size=(3, 9), x=f(*_image)),
]

CONV = [
    c("Conv1d", 4, 6, 3, x=f(*_signal)),
    c("Conv1d", 4, 6, 3, padding="same", dilation=2, x=f(4, 9)),
    c("Conv2d", 4, 6, 3, padding=1, x=f(*_image)),
    c("Conv2d", 4, 6, (3, 2), stride=2, dilation=(1, 2), groups=2, bias=False, x=f(*_image)),
    c("Conv2d", 4, 4, 3, padding="valid", groups=4, x=f(*_image)),
    *[
        c("Conv2d", 4, 2, 3, padding=(1, 2), padding_mode=mode, x=f(*_image))
        for mode in ("reflect", "replicate", "circular")
    ],
    c("Conv1d", 4, 2, 4, padding="same", padding_mode="reflect", x=f(*_signal)),
    c("Conv3d", 4, 2, 2, padding=1, x=f(*_volume)),
    c("ConvTranspose1d", 4, 3, 3, stride=2, output_padding=1, x=f(*_signal)),
    c("ConvTranspose2d", 4, 6, 3, stride=2, padding=1, groups=2, x=f(*_image)),
    c("ConvTranspose2d", 4, 6, (2, 3), stride=(2, 1), dilation=2, bias=False, x=f(4, 5, 5)),
    c("ConvTranspose2d", 4, 2, 3, stride=2, x=f(*_image), call={"output_size": [13, 14]}),
    c("ConvTranspose3d", 4, 2, 2, stride=2, x=f(*_volume)),
]

POOL = [
    c("MaxPool1d", 2, x=f(*_signal)),
    c("MaxPool2d", 2, x=f(*_image)),
    c("MaxPool2d", (3, 2), stride=1, padding=1, x=f(4, 6, 6)),
    c("MaxPool2d", 3, stride=2, dilation=2, ceil_mode=True, x=f(2, 4, 9, 9)),
    c("MaxPool2d", 2, return_indices=True, x=f(*_image)),
    c("MaxPool3d", 2, x=f(*_volume)),
    c("AvgPool1d", 3, stride=2, x=f(*_signal)),
    c("AvgPool2d", 2, x=f(*_image)),
    c("AvgPool2d", 3, stride=2, padding=1, count_include_pad=False, ceil_mode=True, x=f(*_image)),
    c("AvgPool2d", 2, divisor_override=3, x=f(*_image)),
    c("AvgPool3d", 2, x=f(*_volume)),
    c("LPPool1d", 2, 3, x=f(*_signal)),
    c("LPPool2d", 1.5, 2, ceil_mode=True, x=u(*_image)),
    c("LPPool3d", 2, 2, x=f(*_volume)),
    c("AdaptiveAvgPool1d", 4, x=f(*_signal)),
    c("AdaptiveAvgPool2d", (1, 1), x=f(*_image)),
    c("AdaptiveAvgPool2d", (4, None), x=f(*_image)),
    c("AdaptiveAvgPool3d", (2, 3, 4), x=f(*_volume)),
    c("AdaptiveMaxPool1d", 4, x=f(*_signal)),
    c("AdaptiveMaxPool2d", (4, 5), return_indices=True, x=f(*_image)),
    c("AdaptiveMaxPool3d", 2, x=f(*_volume)),
    c("MaxUnpool1d", 2, x=(f(1, 2, 3), np.array([[[1, 2, 4], [0, 3, 5]]]))),
    c("MaxUnpool2d", 2, x=(f(1, 1, 2, 2), np.array([[[[1, 2], [9, 15]]]]))),
    c("MaxUnpool3d", (1, 2, 2), x=(f(1, 1, 1, 2, 2), np.array([[[[[1, 2], [9, 15]]]]]))),
    c("FractionalMaxPool2d", 2, output_size=3, _random_samples=u(2, 4, 2), x=f(*_image)),
    c("FractionalMaxPool3d", 2, output_ratio=(0.6, 0.5, 0.5), _random_samples=u(2, 4, 3), x=f(*_volume)),
]

PAD = [
    *[c(f"{kind}Pad1d", (1, 2), x=f(*_signal)) for kind in ("Zero", "Reflection", "Replication", "Circular")],
    *[c(f"{kind}Pad2d", (1, 2, 0, 3), x=f(*_image)) for kind in ("Zero", "Reflection", "Replication", "Circular")],
    *[c(f"{kind}Pad3d", 1, x=f(*_volume)) for kind in ("Zero", "Reflection", "Replication", "Circular")],
    c("ConstantPad1d", 2, 3.5, x=f(*_signal)),
    c("ConstantPad2d", (1, 0, 2, 1), -1.0, x=f(4, 6, 6)),
    c("ConstantPad3d", 1, 2.0, x=f(*_volume)),
]

NORM = [
    c("BatchNorm1d", 4, x=f(5, 4)),
    c("BatchNorm1d", 4, x=f(*_signal)),
    c("BatchNorm2d", 4, x=f(*_image)),
    c("BatchNorm2d", 4, momentum=None, x=f(*_image)),
    c("BatchNorm2d", 4, affine=False, x=f(*_image)),
    c("BatchNorm2d", 4, bias=False, eps=1e-3, momentum=0.3, x=f(*_image)),
    c("BatchNorm2d", 4, track_running_stats=False, x=f(*_image)),
    c("BatchNorm3d", 4, x=f(*_volume)),
    c("SyncBatchNorm", 4, x=f(*_image)),
    c("InstanceNorm1d", 4, x=f(*_signal)),
    c("InstanceNorm2d", 4, affine=True, x=f(*_image)),
    c("InstanceNorm2d", 4, affine=True, track_running_stats=True, x=f(4, 6, 6)),
    c("InstanceNorm3d", 4, x=f(*_volume)),
    c("LayerNorm", 4, x=f(2, 3, 4)),
    c("LayerNorm", [3, 4], bias=False, x=f(2, 3, 4)),
    c("LayerNorm", (3, 4), elementwise_affine=False, eps=1e-3, x=f(2, 3, 4)),
    c("GroupNorm", 2, 4, x=f(*_image)),
    c("GroupNorm", 4, 4, affine=False, x=f(3, 4)),
    c("GroupNorm", 1, 4, bias=False, x=f(*_signal)),
    c("RMSNorm", 4, x=f(2, 3, 4)),
    c("RMSNorm", [3, 4], 1e-3, False, x=f(2, 3, 4)),
    c("LocalResponseNorm", 3, alpha=0.5, x=f(*_image)),
    # torch's own backward of this one is not the derivative of its forward.
    c("CrossMapLRN2d", 3, alpha=0.5, x=f(2, 7, 3, 3), grad=0),
]

DROPOUT = [
    c("Dropout", 0.3, x=f(20, 10)),
    c("Dropout", 0.0, x=f(3, 4)),
    c("Dropout", 1.0, x=f(3, 4)),
    c("Dropout1d", 0.3, x=f(5, 4, 3)),
    c("Dropout2d", 0.3, x=f(5, 4, 3, 3)),
    c("Dropout3d", 0.3, x=f(5, 4, 2, 2, 2)),
    c("AlphaDropout", 0.3, x=f(20, 10)),
    c("FeatureAlphaDropout", 0.3, x=f(5, 4, 3)),
]

_probabilities = np.exp(f(3, 5))
_probabilities /= _probabilities.sum(1, keepdims=True)

LOSS = [
    *[c(name, reduction=r, x=(f(3, 4), f(3, 4))) for name in ("L1Loss", "MSELoss", "SmoothL1Loss", "HuberLoss")
      for r in ("none", "mean", "sum")],
    c("SmoothL1Loss", beta=0.3, x=(f(3, 4), f(3, 4))),
    c("HuberLoss", delta=0.3, x=(f(3, 4), f(3, 4))),
    *[c("CrossEntropyLoss", reduction=r, x=(f(3, 5), i(5, 3))) for r in ("none", "mean", "sum")],
    c("CrossEntropyLoss", u(5), ignore_index=1, label_smoothing=0.1, x=(f(6, 5), np.array([0, 1, 2, 3, 4, 1]))),
    c("CrossEntropyLoss", x=(f(3, 5), _probabilities)),
    c("CrossEntropyLoss", x=(f(2, 5, 3, 3), i(5, 2, 3, 3))),
    c("CrossEntropyLoss", x=(f(5), np.array(2))),
    *[c("NLLLoss", reduction=r, x=(f(3, 5), i(5, 3))) for r in ("none", "mean", "sum")],
    c("NLLLoss", u(5), ignore_index=2, x=(f(4, 5, 3), i(5, 4, 3))),
    c("NLLLoss2d", x=(f(2, 5, 3, 3), i(5, 2, 3, 3))),
    c("LinearCrossEntropyLoss", 4, 5, x=(f(3, 4), i(5, 3))),
    c("LinearCrossEntropyLoss", 4, 5, out_features=(2,), bias=True, label_smoothing=0.1, x=(f(3, 4), i(5, 3, 2))),
    c("PoissonNLLLoss", x=(f(3, 4), i(4, 3, 4).astype(np.float32))),
    c("PoissonNLLLoss", log_input=False, full=True, x=(u(3, 4), i(4, 3, 4).astype(np.float32))),
    c("GaussianNLLLoss", full=True, x=(f(3, 4), f(3, 4), u(3, 4))),
    c("KLDivLoss", reduction="batchmean", x=(f(3, 5), _probabilities)),
    c("KLDivLoss", reduction="sum", log_target=True, x=(f(3, 5), f(3, 5))),
    *[c("BCELoss", reduction=r, x=(u(3, 4), u(3, 4))) for r in ("none", "mean", "sum")],
    c("BCELoss", u(4), x=(u(3, 4), u(3, 4))),
    c("BCEWithLogitsLoss", x=(f(3, 4), u(3, 4))),
    c("BCEWithLogitsLoss", u(4), pos_weight=u(4), x=(f(3, 4), u(3, 4))),
    c("HingeEmbeddingLoss", x=(f(3, 4), sign(3, 4))),
    c("MultiLabelMarginLoss", x=(f(2, 4), np.array([[3, 0, -1, 1], [2, -1, 0, 1]]))),
    c("SoftMarginLoss", x=(f(3, 4), sign(3, 4)), grad=1),
    c("MultiLabelSoftMarginLoss", u(4), x=(f(3, 4), i(2, 3, 4).astype(np.float32))),
    c("CosineEmbeddingLoss", margin=0.2, x=(f(3, 4), f(3, 4), sign(3))),
    c("MarginRankingLoss", margin=0.2, x=(f(3), f(3), sign(3))),
    c("MultiMarginLoss", x=(f(3, 4), i(4, 3))),
    c("MultiMarginLoss", p=2, margin=0.5, weight=u(4), x=(f(3, 4), i(4, 3))),
    c("TripletMarginLoss", x=(f(3, 4), f(3, 4), f(3, 4))),
    c("TripletMarginLoss", 0.5, 1.0, swap=True, reduction="sum", x=(f(3, 4), f(3, 4), f(3, 4))),
    c("TripletMarginWithDistanceLoss", swap=True, x=(f(3, 4), f(3, 4), f(3, 4))),
    c("CTCLoss", x=(np.log(u(8, 2, 5)), i(4, 2, 3) + 1, np.array([8, 7]), np.array([3, 2]))),
    c("CTCLoss", zero_infinity=True, reduction="sum",
      x=(np.log(u(3, 2, 5)), np.array([1, 1, 1, 2]), np.array([3, 3]), np.array([3, 1]))),
    c("AdaptiveLogSoftmaxWithLoss", 8, 10, [3, 6], div_value=2.0, x=(f(5, 8), np.array([0, 2, 4, 9, 6]))),
    c("AdaptiveLogSoftmaxWithLoss", 8, 10, [3, 6], head_bias=True, x=(f(8), np.array(7)), unused=True),
]  # fmt: skip


def _h(layers: int, batch: int, width: int) -> Callable:
    state = f(layers, batch, width)
    return lambda lib: lib.tensor(state)


def _pair(*states: Callable) -> Callable:
    return lambda lib: tuple(state(lib) for state in states)


def _packed(sorted_: bool) -> Callable:
    data, lengths = f(5, 3, 4), [5, 3, 2] if sorted_ else [2, 5, 3]
    return lambda lib: lib.nn.utils.rnn.pack_padded_sequence(lib.tensor(data), lengths, enforce_sorted=sorted_)


RECURRENT = [
    *[c(name, 4, 3, x=f(5, 2, 4)) for name in ("RNN", "LSTM", "GRU")],
    *[c(name, 4, 3, x=f(5, 4)) for name in ("RNN", "LSTM", "GRU")],
    *[c(name, 4, 3, 2, bidirectional=True, batch_first=True, x=f(2, 5, 4)) for name in ("RNN", "LSTM", "GRU")],
    *[c(name, 4, 3, 2, bias=False, dropout=0.4, x=f(5, 2, 4)) for name in ("RNN", "LSTM", "GRU")],
    c("RNN", 4, 3, nonlinearity="relu", x=(f(5, 2, 4), _h(1, 2, 3))),
    c("GRU", 4, 3, 2, x=(f(5, 2, 4), _h(2, 2, 3))),
    c("LSTM", 4, 3, x=(f(5, 2, 4), _pair(_h(1, 2, 3), _h(1, 2, 3)))),
    c("LSTM", 4, 3, proj_size=2, bidirectional=True, num_layers=2, x=f(5, 2, 4)),
    *[c(name, 4, 3, 2, bidirectional=True, x=(_packed(s),)) for name in ("RNN", "LSTM", "GRU") for s in (True, False)],
    c("GRU", 4, 3, 2, dropout=0.4, x=(_packed(False), _h(2, 3, 3))),
    c("RNNCell", 4, 3, x=f(2, 4)),
    c("RNNCell", 4, 3, nonlinearity="relu", x=(f(4), lambda lib: lib.ones(3))),
    c("LSTMCell", 4, 3, x=(f(2, 4), lambda lib: (lib.ones(2, 3), lib.zeros(2, 3)))),
    c("LSTMCell", 4, 3, bias=False, x=f(4)),
    c("GRUCell", 4, 3, x=f(2, 4)),
    c("GRUCell", 4, 3, bias=False, x=(f(4), lambda lib: lib.ones(3))),
]


def _causal(n: int) -> Callable:
    return lambda lib: lib.nn.Transformer.generate_square_subsequent_mask(n)


_padding = np.array([[False, False, False, False, True], [False, False, True, True, True]])
_qkv = (f(3, 2, 8), f(5, 2, 8), f(5, 2, 8))

ATTENTION = [
    c("MultiheadAttention", 8, 2, x=_qkv),
    c("MultiheadAttention", 8, 2, bias=False, x=_qkv, call={"need_weights": False}),
    c("MultiheadAttention", 8, 2, x=_qkv, call={"average_attn_weights": False}),
    c("MultiheadAttention", 8, 2, x=_qkv, call={"key_padding_mask": _padding, "attn_mask": i(2, 3, 5) > 1}),
    c("MultiheadAttention", 8, 2, x=_qkv, call={"attn_mask": f(4, 3, 5)}),
    c("MultiheadAttention", 8, 2, kdim=6, vdim=5, x=(f(3, 2, 8), f(5, 2, 6), f(5, 2, 5))),
    c("MultiheadAttention", 8, 2, add_bias_kv=True, add_zero_attn=True, x=_qkv, call={"key_padding_mask": _padding}),
    c("MultiheadAttention", 8, 2, batch_first=True, x=(f(2, 3, 8), f(2, 5, 8), f(2, 5, 8))),
    c("MultiheadAttention", 8, 2, x=(f(3, 8), f(5, 8), f(5, 8))),
    c("MultiheadAttention", 8, 2, dropout=0.3, x=_qkv),
    c("TransformerEncoderLayer", 8, 2, 16, 0.0, x=f(5, 2, 8)),
    c("TransformerEncoderLayer", 8, 2, 16, 0.0, "gelu", norm_first=True, batch_first=True, bias=False, x=f(2, 5, 8)),
    c("TransformerEncoderLayer", 8, 2, 16, 0.1, x=f(5, 2, 8), call={"src_mask": _causal(5), "is_causal": True}),
    c("TransformerEncoderLayer", 8, 2, 16, 0.0, x=f(5, 2, 8), call={"src_key_padding_mask": _padding}),
    c("TransformerDecoderLayer", 8, 2, 16, 0.0, x=(f(3, 2, 8), f(5, 2, 8))),
    c("TransformerDecoderLayer", 8, 2, 16, 0.0, norm_first=True, x=(f(3, 2, 8), f(5, 2, 8)),
      call={"tgt_mask": _causal(3), "tgt_is_causal": True, "memory_key_padding_mask": _padding}),
    c("TransformerEncoder", lambda lib: lib.nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True), 2,
      x=f(2, 5, 8),
      call={"src_key_padding_mask": _padding}),
    c("TransformerEncoder", lambda lib: lib.nn.TransformerEncoderLayer(8, 2, 16, 0.0), 2,
      lambda lib: lib.nn.LayerNorm(8), enable_nested_tensor=False, x=f(5, 2, 8), call={"mask": _causal(5)}),
    c("TransformerDecoder", lambda lib: lib.nn.TransformerDecoderLayer(8, 2, 16, 0.0), 2,
      lambda lib: lib.nn.LayerNorm(8), x=(f(3, 2, 8), f(5, 2, 8))),
    c("Transformer", 8, 2, 1, 2, 16, 0.0, batch_first=True, x=(f(2, 5, 8), f(2, 3, 8)), call={"tgt_mask": _causal(3)}),
    c("Transformer", 8, 2, 1, 1, 16, 0.1, norm_first=True, activation="gelu", batch_first=True,
      x=(f(2, 5, 8), f(2, 3, 8))),
]  # fmt: skip

LAZY = [
    c("LazyLinear", 3, x=f(2, 5)),
    c("LazyConv1d", 6, 3, x=f(*_signal)),
    c("LazyConv2d", 6, 3, padding=1, groups=2, x=f(*_image)),
    c("LazyConv3d", 2, 2, bias=False, x=f(*_volume)),
    c("LazyConvTranspose1d", 3, 3, x=f(*_signal)),
    c("LazyConvTranspose2d", 6, 3, stride=2, x=f(4, 6, 6)),
    c("LazyConvTranspose3d", 2, 2, x=f(*_volume)),
    c("LazyBatchNorm1d", x=f(5, 4)),
    c("LazyBatchNorm2d", affine=False, x=f(*_image)),
    c("LazyBatchNorm3d", bias=False, x=f(*_volume)),
    c("LazyInstanceNorm1d", affine=True, x=f(*_signal)),
    c("LazyInstanceNorm2d", affine=True, track_running_stats=True, x=f(*_image)),
    c("LazyInstanceNorm3d", x=f(*_volume)),
]

CONTAINERS = [
    c("Sequential", lambda lib: lib.nn.Linear(4, 3), lambda lib: lib.nn.ReLU(), x=f(2, 4)),
    c("DataParallel", lambda lib: lib.nn.Linear(4, 3), x=f(2, 4)),
]

CASES = [
    *ACTIVATIONS, *LINEAR, *CONV, *POOL, *PAD, *NORM, *DROPOUT, *LOSS, *RECURRENT, *ATTENTION, *LAZY, *CONTAINERS,
]  # fmt: skip

# Classes that are not called: they are tested on their own.
UNCALLED = {
    "Container", "LinearCrossEntropyOptions", "Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList",
    "RNNBase", "RNNCellBase",
}  # fmt: skip
