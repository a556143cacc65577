"""Losses, norms, embeddings and linear maps on both libraries: values, gradients, names of backward nodes, errors.

A case is a function of the library and of tensors that both get alike; every floating point tensor wants a gradient
unless the case says which do.
"""

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch

import jtorch
from tests.conformance.live import same

_draw = np.random.default_rng(5)


def f(*shape: int) -> np.ndarray:
    """Normal float32."""
    return _draw.standard_normal(shape).astype(np.float32)


def u(*shape: int) -> np.ndarray:
    """Uniform float32 within (0, 1)."""
    return (_draw.random(shape) * 0.98 + 0.01).astype(np.float32)


def i(high: int, *shape: int) -> np.ndarray:
    """Classes below ``high``."""
    return _draw.integers(0, high, shape)


def signs(*shape: int) -> np.ndarray:
    """1 and -1."""
    return (_draw.integers(0, 2, shape) * 2 - 1).astype(np.float32)


def L(*values: Any) -> np.ndarray:  # noqa: N802
    """An int64 array."""
    return np.array(values, np.int64)


REDUCTIONS = ("none", "mean", "sum")
Case = tuple[str, Callable, tuple]
CASES: list[Case] = []


def case(name: str, run: Callable, *arrays: Any) -> None:
    CASES.append((name, run, arrays))


def loss(name: str, *arrays: Any, **options: Any) -> None:
    """A loss in every reduction."""
    for reduction in REDUCTIONS:
        shown = "-".join([name, reduction, *options])
        case(shown, lambda F, *a, r=reduction: getattr(F, name)(*a, reduction=r, **options), *arrays)


for _name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "poisson_nll_loss"):
    loss(_name, f(4, 5), f(4, 5))
loss("smooth_l1_loss", f(4, 5), f(4, 5), beta=0.3)
loss("smooth_l1_loss", f(4, 5), f(4, 5), beta=0.0)
loss("huber_loss", f(4, 5), f(4, 5), delta=0.3)
loss("poisson_nll_loss", u(4, 5), u(4, 5) * 3, log_input=False, full=True)
loss("poisson_nll_loss", f(4, 5), u(4, 5) * 3, full=True)
for _r in REDUCTIONS:
    case(
        f"soft_margin-{_r}", lambda F, x, t, r=_r: F.soft_margin_loss(x, t.detach(), reduction=r), f(4, 5), signs(4, 5)
    )
loss("hinge_embedding_loss", f(4, 5), signs(4, 5), margin=0.5)
loss("binary_cross_entropy", u(4, 5), u(4, 5))
loss("binary_cross_entropy", np.array([0, 1, 0, 1], np.float32), np.array([0, 1, 1, 0], np.float32))
loss("binary_cross_entropy_with_logits", f(4, 5) * 30, u(4, 5))
loss("kl_div", f(4, 5), u(4, 5))
loss("kl_div", f(4, 5), f(4, 5), log_target=True)
loss("gaussian_nll_loss", f(4, 5), f(4, 5), u(4, 5), full=True)
loss("gaussian_nll_loss", f(4, 5), f(4, 5), u(4))
loss("multilabel_soft_margin_loss", f(4, 5), u(4, 5))
loss("margin_ranking_loss", f(4), f(4), signs(4), margin=0.2)
loss("cosine_embedding_loss", f(4, 5), f(4, 5), signs(4), margin=0.1)
loss("cosine_embedding_loss", f(5), f(5), np.float32(1))
loss("triplet_margin_loss", f(4, 5), f(4, 5), f(4, 5))
loss("triplet_margin_loss", f(4, 5), f(4, 5), f(4, 5), p=1, swap=True)
loss("triplet_margin_with_distance_loss", f(4, 5), f(4, 5), f(4, 5), swap=True)
loss("multilabel_margin_loss", f(3, 5), L([0, 2, -1, 1, 1], [4, -1, 0, 0, 0], [-1, 1, 2, 3, 4]))
loss("multilabel_margin_loss", f(5), L(3, 1, -1, 0, 0))
loss("multi_margin_loss", f(4, 5), i(5, 4))
loss("multi_margin_loss", f(4, 5), i(5, 4), p=2, margin=0.4)
loss("multi_margin_loss", f(5), L(2)[0])
SHAPES = {(4, 5): (4,), (5,): (), (4, 5, 3): (4, 3), (4, 5, 3, 2): (4, 3, 2), (2, 5, 3, 2, 2): (2, 3, 2, 2)}
for _shape, _target in SHAPES.items():
    x, t, w, chances = f(*_shape), i(5, *_target), u(5), u(*_shape)
    loss("nll_loss", x, t)
    loss("cross_entropy", x, t)
    for _r, _how in zip(
        REDUCTIONS,
        ({"ignore_index": 1}, {"label_smoothing": 0.1}, {"ignore_index": 2, "label_smoothing": 0.2}),
        strict=True,
    ):
        how = {**_how, "reduction": _r}
        case(f"cross_entropy-{_r}", lambda F, x, t, k=how: F.cross_entropy(x, t, **k), x, t)
        case(f"cross_entropy-weight-{_r}", lambda F, x, t, w, k=how: F.cross_entropy(x, t, w.detach(), **k), x, t, w)
    for _smooth in (0.0, 0.1):
        loss("cross_entropy", x, chances, label_smoothing=_smooth)
        case("cross_entropy-weight-chances", lambda F, x, p, w, s=_smooth: F.cross_entropy(x, p, w.detach(),
             label_smoothing=s), x, chances, w)  # fmt: skip
case("cross_entropy-infinite", lambda F, x, t: F.cross_entropy(x, t),
     np.array([[0, -np.inf, 1], [2, 0, -np.inf]], np.float32), L(0, 1))  # fmt: skip
case("cross_entropy-all-ignored", lambda F, x, t: F.cross_entropy(x, t, ignore_index=0), f(2, 3), L(0, 0))
case("mse-weight", lambda F, x, t, w: F.mse_loss(x, t, weight=w), f(4, 5), f(4, 5), u(4, 5))
case("l1-weight", lambda F, x, t, w: F.l1_loss(x, t, weight=w, reduction="sum"), f(4, 5), f(4, 5), u(4, 5))
case("huber-weight", lambda F, x, t, w: F.huber_loss(x, t, weight=w), f(4, 5), f(4, 5), u(4, 5))
case("bce-pos-weight",
     lambda F, x, t, w, p: F.binary_cross_entropy_with_logits(x, t, w.detach(), pos_weight=p.detach()),
     f(4, 5), u(4, 5), u(4, 5), u(5) * 3)  # fmt: skip
case("bce-weight", lambda F, x, t, w: F.binary_cross_entropy(x, t, w.detach()), u(4, 5), u(4, 5), u(5))
case("kl_div-batchmean", lambda F, x, t: F.kl_div(x, t, reduction="batchmean"), f(4, 5), u(4, 5))
case("linear_cross_entropy", lambda F, x, w, t, b: F.linear_cross_entropy(x, w, t, linear_bias=b),
     f(4, 3), f(5, 3), i(5, 4), f(5))  # fmt: skip
case("linear_cross_entropy-outer", lambda F, x, w, t: F.linear_cross_entropy(x, w, t, label_smoothing=0.1),
     f(4, 3), f(5, 2, 3), i(5, 4, 2))  # fmt: skip
for _r in REDUCTIONS:
    for _lengths in (((9, 6, 7), (4, 2, 0)), ((9, 4, 7), (4, 4, 3))):
        _in, _out = (L(*n) for n in _lengths)
        case(f"ctc-{_r}", lambda F, x, t, a, b, r=_r: F.ctc_loss(F.log_softmax(x, 2), t, a, b, reduction=r,
             zero_infinity=True), f(9, 3, 4), L([1, 1, 2, 3], [2, 2, 2, 2], [3, 2, 1, 1]), _in, _out)  # fmt: skip
    case(f"ctc-rows-{_r}", lambda F, x, t, a, b, r=_r: F.ctc_loss(x, t, a, b, blank=2, reduction=r),
         f(9, 3, 4) - 2, L(1, 1, 3, 0, 0, 3), L(9, 8, 9), L(3, 1, 2))  # fmt: skip
    case(f"ctc-alone-{_r}", lambda F, x, t, a, b, r=_r: F.ctc_loss(x, t, a, b, reduction=r),
         f(9, 4) - 2, L(1, 1, 3), L(9)[0], L(3)[0])  # fmt: skip

for _shape in ((4, 5), (5,), (2, 4, 5), (2, 3, 4, 5)):
    case("linear", lambda F, *a: F.linear(*a), f(*_shape), f(3, 5), f(3))
    case("linear-no-bias", lambda F, *a: F.linear(*a), f(*_shape), f(3, 5))
case("linear-vector", lambda F, *a: F.linear(*a), f(4, 5), f(5))
case("bilinear", lambda F, *a: F.bilinear(*a), f(2, 4, 5), f(2, 4, 6), f(3, 5, 6), f(3))
case("bilinear-no-bias", lambda F, *a: F.bilinear(*a), f(4, 5), f(4, 6), f(3, 5, 6))
for _p in (1.0, 2.0, 3.0, float("inf")):
    case(f"pairwise_distance-{_p}", lambda F, x, y, p=_p: F.pairwise_distance(x, y, p), f(4, 5), f(4, 5))
    case(f"normalize-{_p}", lambda F, x, p=_p: F.normalize(x, p), f(4, 5))
case("cosine_similarity", lambda F, x, y: F.cosine_similarity(x, y), f(4, 5, 2), f(5, 2))
case("cosine_similarity-zero", lambda F, x, y: F.cosine_similarity(x * 0, y), f(4, 5), f(4, 5))

case("embedding", lambda F, w, t: F.embedding(t, w), f(7, 3), i(7, 2, 4))
case("embedding-padding", lambda F, w, t: F.embedding(t, w, padding_idx=-1), f(3, 3), i(3, 2, 4))
case("embedding-freq", lambda F, w, t: F.embedding(t, w, scale_grad_by_freq=True), f(3, 3), i(3, 2, 4))
case("embedding-max-norm", lambda F, w, t: F.embedding(t, w, max_norm=1.0) + w.sum(), f(5, 3), i(5, 2, 4))
for _mode in ("sum", "mean", "max"):
    for _options in ({}, {"padding_idx": 1}, {"include_last_offset": True}):
        case(f"embedding_bag-{_mode}-{'-'.join(_options)}",
             lambda F, w, t, o, m=_mode, k=_options: F.embedding_bag(t, w, o, mode=m, **k),
             f(5, 3), L(1, 1, 0, 4, 2, 1), L(0, 0, 2, 5, 6))  # fmt: skip
    case(f"embedding_bag-rows-{_mode}", lambda F, w, t, m=_mode: F.embedding_bag(t, w, mode=m), f(5, 3), i(5, 3, 4))
case("embedding_bag-weights", lambda F, w, t, s: F.embedding_bag(t, w, mode="sum", per_sample_weights=s),
     f(5, 3), i(5, 3, 4), f(3, 4))  # fmt: skip
case("one_hot", lambda F, t: F.one_hot(t), i(5, 3, 4))
case("one_hot-6", lambda F, t: F.one_hot(t, 6), i(5, 3, 4))

for _shape in ((4, 6), (4, 6, 5), (4, 6, 3, 2), (2, 6, 3, 2, 2)):
    _params = (f(6), f(6), f(6), u(6))
    case(
        "batch_norm-train",
        lambda F, x, w, b, m, v: F.batch_norm(x, m.detach(), v.detach(), w, b, True),
        f(*_shape),
        *_params,
    )
    case(
        "batch_norm-eval", lambda F, x, w, b, m, v: F.batch_norm(x, m.detach(), v.detach(), w, b), f(*_shape), *_params
    )
    case("batch_norm-plain", lambda F, x: F.batch_norm(x, None, None, training=True), f(*_shape))
    case("group_norm", lambda F, x, w, b: F.group_norm(x, 3, w, b), f(*_shape), f(6), f(6))
    case("layer_norm", lambda F, x, w, b: F.layer_norm(x, w.shape, w, b), f(*_shape), f(*_shape[1:]), f(*_shape[1:]))
    case("layer_norm-plain", lambda F, x: F.layer_norm(x, x.shape[-1:]), f(*_shape))
    case("rms_norm", lambda F, x, w: F.rms_norm(x, w.shape, w), f(*_shape), f(*_shape[1:]))
    case("rms_norm-eps", lambda F, x: F.rms_norm(x, x.shape[-1:], eps=0.1), f(*_shape))
    if len(_shape) > 2:
        case("instance_norm", lambda F, x, w, b: F.instance_norm(x, None, None, w, b), f(*_shape), f(6), f(6))
        case("instance_norm-eval", lambda F, x, w, b, m, v: F.instance_norm(x, m.detach(), v.detach(), w, b, False),
             f(*_shape), *_params)  # fmt: skip
        case("local_response_norm", lambda F, x: F.local_response_norm(x, 3, alpha=0.1), f(*_shape))


# Torch has the last step of these under the name of a composition that is one operator here, or a scalar division.
NAMES_DIFFER = {"DivBackward1", "ViewBackward0", "SqueezeBackward1"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "run", "arrays"), CASES, ids=[f"{n}-{c[0]}" for n, c in enumerate(CASES)])
def test_values_and_gradients(name, run, arrays):
    nodes = []

    def program(lib: Any, *tensors: Any) -> Any:
        out = run(lib.nn.functional, *tensors)
        nodes.append(out.grad_fn.name() if out.grad_fn is not None else None)
        return out, *[t.detach() for t in tensors]

    same(program, *arrays, tolerance=2e-5, what=name)
    assert nodes[0] == nodes[1] or nodes[0] in NAMES_DIFFER


HALF = [c for c in CASES if c[0].split("-")[0] in ("cross_entropy", "mse_loss", "linear", "embedding", "batch_norm",
                                                   "layer_norm", "group_norm", "rms_norm")][::4]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "run", "arrays"), HALF, ids=[f"{n}-{c[0]}" for n, c in enumerate(HALF)])
def test_bfloat16(name, run, arrays):
    halves = [a.astype(ml_dtypes.bfloat16) if a.dtype == np.float32 else a for a in arrays]
    same(lambda lib, *a: run(lib.nn.functional, *a), *halves, grads=False, tolerance=0.03, what=name)


def test_running_statistics():
    x = f(4, 6, 3)
    for run in ("batch_norm", "instance_norm"):

        def program(lib: Any, x: Any, run: str = run) -> Any:
            mean, var = lib.zeros(6), lib.ones(6)
            for _ in range(2):
                getattr(lib.nn.functional, run)(x, mean, var, None, None, True, 0.3)
            return mean, var

        same(program, x, grads=False, what=run)


ERRORS: list[tuple[Callable, tuple]] = [
    (lambda F, x: F.linear(x, x[:, :4]), (f(4, 5),)),
    (lambda F, x, w: F.linear(x, w, x[:, 0]), (f(4, 5), f(3, 5))),
    (lambda F, x, w: F.linear(x, w.double()), (f(4, 5), f(3, 5))),
    (lambda F, x, w: F.linear(x, w.double(), w[:, 0]), (f(4, 5), f(3, 5))),
    (lambda F, x: F.linear(x, x, x[0, 0]), (np.ones((2, 2), bool),)),
    (lambda F, x, y, w: F.bilinear(x, y, w), (f(4, 5), f(4, 5), f(3, 5, 6))),
    (lambda F, x, t: F.cross_entropy(x, t), (f(4, 5), i(5, 3))),
    (lambda F, x, t: F.cross_entropy(x, t), (f(4, 5), u(4))),
    (lambda F, x, t: F.cross_entropy(x, t), (f(4, 5), i(5, 4, 5))),
    (lambda F, x, t: F.cross_entropy(x, t), (i(9, 4, 5), i(5, 4))),
    (lambda F, x, t: F.cross_entropy(x, t, label_smoothing=1.5), (f(4, 5), i(5, 4))),
    (lambda F, x, t: F.cross_entropy(x, t, ignore_index=1), (f(4, 5), u(4, 5))),
    (lambda F, x, t: F.cross_entropy(x, t, reduction="all"), (f(4, 5), i(5, 4))),
    (lambda F, x, t: F.nll_loss(x, t, x[0, :3].detach()), (f(4, 5), i(5, 4))),
    (lambda F, x, t: F.nll_loss(x, t), (f(4, 5, 2, 2), i(5, 4, 2))),
    (lambda F, x, t: F.nll_loss(x, t), (f(4, 5, 2), i(5, 4, 3))),
    (lambda F, x, t: F.nll_loss(x, t), (f(4, 5), i(5, 4, 1))),
    (lambda F, x, t: F.nll_loss(x, t), (f(5), i(5, 2))),
    (lambda F, x: F.mse_loss(x, x), (i(5, 4),)),
    (lambda F, x: F.huber_loss(x, x, delta=0), (f(4),)),
    (lambda F, x: F.smooth_l1_loss(x, x, beta=-1.0), (f(4),)),
    (lambda F, x, y: F.binary_cross_entropy(x, y), (u(4, 5), u(4))),
    (lambda F, x, y: F.binary_cross_entropy(x, y.double()), (u(4), u(4))),
    (lambda F, x, y: F.binary_cross_entropy_with_logits(x, y), (u(4, 5), u(4))),
    (lambda F, x, y: F.binary_cross_entropy_with_logits(x, y, y[:2]), (u(4), u(4))),
    (lambda F, x: F.kl_div(x, x), (i(5, 4),)),
    (lambda F, x, y: F.gaussian_nll_loss(x, x, -y), (f(4), u(4))),
    (lambda F, x, y: F.gaussian_nll_loss(x, x, y), (f(4, 3), u(2))),
    (lambda F, x, y: F.margin_ranking_loss(x, x, y), (f(4, 3), u(2))),
    (lambda F, x, y: F.cosine_embedding_loss(x, x, y), (f(4, 3), u(4, 3))),
    (lambda F, x, y: F.cosine_embedding_loss(x, x, y), (f(4, 3), np.float32(1))),
    (lambda F, x, y: F.triplet_margin_loss(x, x, y), (f(4, 3), u(3))),
    (lambda F, x, y: F.triplet_margin_loss(x, x, y, margin=0), (f(4, 3), u(4, 3))),
    (lambda F, x, t: F.multi_margin_loss(x, t, p=3), (f(4, 3), i(3, 4))),
    (lambda F, x, t: F.multi_margin_loss(x, t), (f(4, 3), i(3, 3))),
    (lambda F, x, t: F.multilabel_margin_loss(x, t), (f(4, 3), i(3, 4))),
    (lambda F, x, t: F.ctc_loss(x, t, t[:2, 0], t[:, 0]), (f(4, 3, 2), i(2, 3, 2))),
    (lambda F, x, t: F.ctc_loss(x, t, t[:, 0], t[:, 0], blank=7), (f(4, 3, 2), i(2, 3, 2))),
    (lambda F, w, t: F.embedding(t, w), (f(4, 3), f(3))),
    (lambda F, w, t: F.embedding(t, w), (f(4), i(3, 3))),
    (lambda F, w, t: F.embedding(t, w, padding_idx=4), (f(4, 3), i(3, 3))),
    (lambda F, w, t: F.embedding_bag(t, w), (f(4, 3), i(3, 3))),
    (lambda F, w, t: F.embedding_bag(t, w, mode="all"), (f(4, 3), i(3, 3, 2))),
    (lambda F, w, t: F.embedding_bag(t, w, padding_idx=9), (f(4, 3), i(3, 3, 2))),
    (lambda F, t: F.one_hot(t), (f(4),)),
    (lambda F, t: F.one_hot(t - 1), (L(0, 1),)),
    (lambda F, x: F.batch_norm(x, None, None), (f(4, 3),)),
    (lambda F, x: F.batch_norm(x, None, None, training=True), (f(1, 3),)),
    (lambda F, x: F.batch_norm(x, None, None, x[0, :2], training=True), (f(4, 3),)),
    (lambda F, x: F.batch_norm(x, None, None, x[0].double(), training=True), (f(4, 3),)),
    (lambda F, x: F.instance_norm(x), (f(4, 3),)),
    (lambda F, x: F.layer_norm(x, (4,)), (f(4, 3),)),
    (lambda F, x: F.layer_norm(x, (3,), x[0, :2]), (f(4, 3),)),
    (lambda F, x: F.layer_norm(x, 3), (f(4, 3),)),
    (lambda F, x: F.layer_norm(x, ()), (f(4, 3),)),
    (lambda F, x: F.rms_norm(x, (4,)), (f(4, 3),)),
    (lambda F, x: F.group_norm(x, 2), (f(4, 3),)),
    (lambda F, x: F.cosine_similarity(x, x), (i(3, 4, 5),)),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("n", range(len(ERRORS)))
def test_errors(n):
    run, arrays = ERRORS[n]
    with pytest.raises(Exception):  # noqa: B017 (the class is what torch's is, and is compared)
        run(torch.nn.functional, *map(torch.tensor, arrays))
    same(lambda lib, *a: run(lib.nn.functional, *a), *arrays, grads=False)


@pytest.mark.parametrize(
    ("run", "arrays", "error", "words"),
    [
        (lambda F, x, t: F.cross_entropy(x, t), (f(4, 5), L(0, 1, 5, 2)), IndexError, "is out of bounds"),
        (lambda F, x, t: F.nll_loss(x, t), (f(4, 5), L(0, 1, -5, 2)), IndexError, "is out of bounds"),
        (lambda F, w, t: F.embedding(t, w), (f(4, 3), L(4)), IndexError, "index out of range in self"),
        (lambda F, w, t: F.embedding(t, w), (f(4, 3), L(-1)), IndexError, "index out of range in self"),
        (lambda F, w, t: F.embedding_bag(t, w), (f(4, 3), L([9, 0])), RuntimeError, "not in the valid range [0, 4)"),
        (lambda F, t: F.one_hot(t, 3), (L(0, 3),), RuntimeError, "Class values must be smaller than num_classes."),
        (lambda F, x, y: F.binary_cross_entropy(x * 9, y), (u(4) + 1, u(4)), RuntimeError, "should be between 0 and 1"),
        (lambda F, x, t: F.multi_margin_loss(x, t), (f(2, 3), L(0, 3)), RuntimeError, "target out of range"),
        (lambda F, x, t: F.multilabel_margin_loss(x, t), (f(1, 2), L([0, 2])), RuntimeError, "is out of range"),
    ],
)
def test_errors_of_data(run, arrays, error, words):
    for lib in (torch, jtorch):
        with pytest.raises(error) as raised:
            run(lib.nn.functional, *map(lib.tensor, arrays)).tolist()
        assert words in str(raised.value)
