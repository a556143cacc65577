"""Autocast and GradScaler against torch's: dtypes of results and gradients, values, the lists by device, the scale."""

import re
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import torch

import jtorch
from jtorch.ops.autocast import CLASSES
from tests.conformance.live import outcome, same

MATRIX, BATCH, VECTOR = (4, 4), (2, 4, 4), (4,)


def F(lib):
    return lib.nn.functional


def classes(lib):
    return lib.tensor([0, 1, 2, 3])


def positive(lib, a):
    """A matrix that has an inverse and a Cholesky factor, made without an operator that autocast changes."""
    return (a.unsqueeze(-1) * a.unsqueeze(-2)).sum(0) + 4 * lib.eye(4, dtype=a.dtype)


LOWER = {
    "mm": (lambda lib, a, b: lib.mm(a, b), MATRIX, MATRIX),
    "matmul": (lambda lib, a, b: a @ b, BATCH, MATRIX),
    "matmul with a vector": (lambda lib, a, b: a @ b, MATRIX, VECTOR),
    "bmm": (lambda lib, a, b: lib.bmm(a, b), BATCH, BATCH),
    "addmm": (lambda lib, a, b, c: lib.addmm(a, b, c), VECTOR, MATRIX, MATRIX),
    "addbmm": (lambda lib, a, b, c: lib.addbmm(a, b, c), MATRIX, BATCH, BATCH),
    "baddbmm": (lambda lib, a, b, c: lib.baddbmm(a, b, c), BATCH, BATCH, BATCH),
    "vecdot": (lambda lib, a, b: lib.linalg.vecdot(a, b), MATRIX, MATRIX),
    "inner": (lambda lib, a, b: lib.inner(a, b), MATRIX, MATRIX),
    "einsum": (lambda lib, a, b: lib.einsum("ij,jk->ik", a, b), MATRIX, MATRIX),
    "tensordot": (lambda lib, a, b: lib.tensordot(a, b, 1), MATRIX, MATRIX),
    "multi_dot": (lambda lib, a, b, c: lib.linalg.multi_dot([a, b, c]), MATRIX, MATRIX, MATRIX),
    "matrix_power": (lambda lib, a: lib.linalg.matrix_power(a, 2), MATRIX),
    "linear": (lambda lib, x, w, b: F(lib).linear(x, w, b), MATRIX, MATRIX, VECTOR),
    "conv1d": (lambda lib, x, w, b: F(lib).conv1d(x, w, b), (2, 3, 5), (4, 3, 3), VECTOR),
    "conv2d": (lambda lib, x, w: F(lib).conv2d(x, w, padding="same"), (2, 3, 5, 5), (4, 3, 3, 3)),
    "conv3d": (lambda lib, x, w: F(lib).conv3d(x, w), (1, 2, 4, 4, 4), (2, 2, 3, 3, 3)),
    "conv_transpose1d": (lambda lib, x, w: F(lib).conv_transpose1d(x, w), (2, 3, 5), (3, 4, 3)),
    "conv_transpose2d": (lambda lib, x, w: F(lib).conv_transpose2d(x, w, stride=2), (2, 3, 4, 4), (3, 2, 2, 2)),
    "conv_transpose3d": (lambda lib, x, w: F(lib).conv_transpose3d(x, w), (1, 2, 3, 3, 3), (2, 2, 2, 2, 2)),
    "conv_tbc": (lambda lib, x, w, b: lib.conv_tbc(x, w, b), (5, 2, 3), (3, 3, 4), VECTOR),
    "prelu": (lambda lib, x, w: F(lib).prelu(x, w), (2, 3, 4), (3,)),
    "attention": (lambda lib, q, k, v: F(lib).scaled_dot_product_attention(q, k, v), *3 * [(2, 2, 4, 8)]),
    "affine_grid": (lambda lib, a: F(lib).affine_grid(a, (2, 3, 4, 4), align_corners=False), (2, 2, 3)),
}
"""Take float32."""

FP32 = {
    "mse": (lambda lib, a, b: F(lib).mse_loss(a, b), MATRIX, MATRIX),
    "mse of mixed": (lambda lib, a, b: F(lib).mse_loss(a, b.float()), MATRIX, MATRIX),
    "l1": (lambda lib, a, b: F(lib).l1_loss(a, b), MATRIX, MATRIX),
    "smooth l1": (lambda lib, a, b: F(lib).smooth_l1_loss(a, b), MATRIX, MATRIX),
    "huber": (lambda lib, a, b: F(lib).huber_loss(a, b), MATRIX, MATRIX),
    "kl_div": (lambda lib, a, b: F(lib).kl_div(a, b.abs(), reduction="sum"), MATRIX, MATRIX),
    "poisson": (lambda lib, a, b: F(lib).poisson_nll_loss(a, b), MATRIX, MATRIX),
    "soft margin": (lambda lib, a: F(lib).soft_margin_loss(a, lib.ones(4, 4)), MATRIX),
    "hinge": (lambda lib, a, b: F(lib).hinge_embedding_loss(a, b.sign()), MATRIX, MATRIX),
    "ranking": (lambda lib, a, b, c: F(lib).margin_ranking_loss(a, b, c.sign()), VECTOR, VECTOR, VECTOR),
    "cosine": (lambda lib, a, b, c: F(lib).cosine_embedding_loss(a, b, c.sign()), MATRIX, MATRIX, VECTOR),
    "triplet": (lambda lib, a, b, c: F(lib).triplet_margin_loss(a, b, c), MATRIX, MATRIX, MATRIX),
    "nll": (lambda lib, a: F(lib).nll_loss(a, classes(lib)), MATRIX),
    "cross entropy": (lambda lib, a: F(lib).cross_entropy(a, classes(lib), label_smoothing=0.1), MATRIX),
    "bce": (lambda lib, a, b: F(lib).binary_cross_entropy(a.sigmoid(), b.sigmoid()), MATRIX, MATRIX),
    "bce logits": (lambda lib, a, b: F(lib).binary_cross_entropy_with_logits(a, b.sigmoid()), MATRIX, MATRIX),
    "multi margin": (lambda lib, a: F(lib).multi_margin_loss(a, classes(lib)), MATRIX),
    "ctc": (lambda lib, a: F(lib).ctc_loss(a, lib.ones(2, 2, dtype=lib.int64), (5, 5), (2, 2)), (5, 2, 4)),
    "prod": (lambda lib, a: a.prod(), MATRIX),
    "prod of a dim": (lambda lib, a: a.prod(0), MATRIX),
    "cdist": (lambda lib, a, b: lib.cdist(a, b), MATRIX, MATRIX),
    "trace": (lambda lib, a: lib.trace(a), MATRIX),
    "quantile": (lambda lib, a: lib.quantile(a, 0.5), MATRIX),
    "avg_pool3d": (lambda lib, a: F(lib).avg_pool3d(a, 2), (1, 2, 4, 4, 4)),
    "max_pool3d": (lambda lib, a: F(lib).max_pool3d(a, 2), (1, 2, 4, 4, 4)),
    "reflection_pad": (lambda lib, a: F(lib).pad(a, (1, 1), mode="reflect"), (2, 3, 4)),
    "replication_pad": (lambda lib, a: F(lib).pad(a, (1, 1, 1, 1), mode="replicate"), (2, 3, 4, 4)),
    "grid_sample": (
        lambda lib, a, b: F(lib).grid_sample(a, b, align_corners=False), (2, 3, 4, 4), (2, 4, 4, 2)
    ),
    "cholesky": (lambda lib, a: lib.linalg.cholesky(positive(lib, a)), MATRIX),
    "inv": (lambda lib, a: lib.linalg.inv(positive(lib, a)), MATRIX),
    "solve": (lambda lib, a, b: lib.linalg.solve(positive(lib, a), b), MATRIX, MATRIX),
    "eigvalsh": (lambda lib, a: lib.linalg.eigvalsh(positive(lib, a)), MATRIX),
    "svdvals": (lambda lib, a: lib.linalg.svdvals(a), MATRIX),
    "rfft": (lambda lib, a: lib.fft.rfft(a).abs(), MATRIX),
    "stft": (lambda lib, a: lib.stft(a, 4, return_complex=True, window=lib.ones(4)).abs(), (16,)),
    "cat of mixed": (lambda lib, a, b: lib.cat([a, b.float()]), MATRIX, MATRIX),
    "stack of mixed": (lambda lib, a, b: lib.stack([a, b.float()]), MATRIX, MATRIX),
    "index_copy": (lambda lib, a, b: lib.index_copy(a.float(), 0, classes(lib), b), MATRIX, MATRIX),
}  # fmt: skip
"""Take bfloat16, and give float32 on the CPU."""

UNLISTED = {
    "exp": (lambda lib, a: a.exp(), MATRIX),
    "pow": (lambda lib, a: a**2, MATRIX),
    "sum": (lambda lib, a: a.sum(), MATRIX),
    "cumsum": (lambda lib, a: a.cumsum(0), MATRIX),
    "norm": (lambda lib, a: a.norm(), MATRIX),
    "softmax": (lambda lib, a: F(lib).softmax(a, -1), MATRIX),
    "softmax in float32": (lambda lib, a: F(lib).softmax(a, -1, dtype=lib.float32), MATRIX),
    "log_softmax": (lambda lib, a: F(lib).log_softmax(a, -1), MATRIX),
    "gelu": (lambda lib, a: F(lib).gelu(a), MATRIX),
    "mv": (lambda lib, a, b: lib.mv(a, b), MATRIX, VECTOR),
    "dot": (lambda lib, a, b: lib.dot(a, b), VECTOR, VECTOR),
    "layer_norm": (lambda lib, x, w, b: F(lib).layer_norm(x, (4,), w, b), MATRIX, VECTOR, VECTOR),
    "layer_norm with float32": (lambda lib, x, w: F(lib).layer_norm(x, (4,), w.float(), None), MATRIX, VECTOR),
    "group_norm": (lambda lib, x: F(lib).group_norm(x, 2), (2, 4, 3)),
    "batch_norm": (
        lambda lib, x, w: F(lib).batch_norm(x, lib.zeros(4), lib.ones(4), w.float(), lib.zeros(4), training=True),
        (3, 4, 3), VECTOR,
    ),
    "cosine_similarity": (lambda lib, a, b: F(lib).cosine_similarity(a, b), MATRIX, MATRIX),
    "max_pool2d": (lambda lib, a: F(lib).max_pool2d(a, 2), (1, 2, 4, 4)),
    "interpolate": (lambda lib, a: F(lib).interpolate(a, scale_factor=2), (1, 2, 4, 4)),
    "embedding": (lambda lib, w: F(lib).embedding(classes(lib), w), MATRIX),
    "add of mixed": (lambda lib, a, b: a + b.float(), MATRIX, MATRIX),
    "cat": (lambda lib, a, b: lib.cat([a, b]), MATRIX, MATRIX),
    "einsum without a sum": (lambda lib, a, b: lib.einsum("ij,ij->ij", a, b), MATRIX, MATRIX),
    "in place": (lambda lib, a, b: a.float().addmm_(b.float(), b.float()), MATRIX, MATRIX),
    "switched off": (lambda lib, a, b: off(lib, lambda: a @ b), MATRIX, MATRIX),
    "cat of other halves": (lambda lib, a: lib.cat([a.half(), a.half()]), MATRIX),
}  # fmt: skip
"""Take bfloat16."""


def off(lib, run):
    with lib.autocast("cpu", enabled=False):
        return run()


def compare(function, shapes, dtype, what):
    def program(lib, *tensors):
        with lib.autocast("cpu", dtype=lib.bfloat16):
            return function(lib, *tensors)

    rng = np.random.RandomState(len(what))
    same(program, *[rng.uniform(-1, 1, s).astype(dtype) for s in shapes], tolerance=0.03, what=what)


@pytest.mark.parametrize("name", LOWER)
def test_operators_in_lower_precision(name):
    function, *shapes = LOWER[name]
    compare(function, shapes, np.float32, name)


@pytest.mark.parametrize("name", FP32)
def test_operators_in_float32(name):
    function, *shapes = FP32[name]
    compare(function, shapes, ml_dtypes.bfloat16, name)


@pytest.mark.parametrize("name", UNLISTED)
def test_operators_that_take_what_comes(name):
    function, *shapes = UNLISTED[name]
    compare(function, shapes, ml_dtypes.bfloat16, name)


MODULES = {
    "LSTM": (lambda nn: nn.LSTM(4, 5), (3, 2, 4)),
    "GRU": (lambda nn: nn.GRU(4, 5), (3, 2, 4)),
    "RNN": (lambda nn: nn.RNN(4, 5, num_layers=2), (3, 2, 4)),
    "LSTMCell": (lambda nn: nn.LSTMCell(4, 5), (2, 4)),
    "GRUCell": (lambda nn: nn.GRUCell(4, 5), (2, 4)),
    "RNNCell": (lambda nn: nn.RNNCell(4, 5), (2, 4)),
    "encoder layer": (lambda nn: nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0), (3, 2, 4)),
    "convolutions": (
        lambda nn: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)),
        (2, 1, 4, 4),
    ),
}


@pytest.mark.parametrize("name", MODULES)
def test_modules(name):
    make, shape = MODULES[name]
    x = np.random.RandomState(0).randn(*shape).astype(np.float32)
    theirs, ours = make(torch.nn), make(jtorch.nn)
    ours.load_state_dict({k: jtorch.from_numpy(v.numpy()) for k, v in theirs.state_dict().items()})
    found = []
    for lib, module in ((torch, theirs), (jtorch, ours)):
        with lib.autocast("cpu", dtype=lib.bfloat16):
            made = module(lib.from_numpy(x))
        flat = [made] if isinstance(made, lib.Tensor) else [made[0], *(made[1] if name == "LSTM" else made[1:])]
        sum(y.float().square().sum() for y in flat).backward()
        found.append([*flat, *(p.grad for p in module.parameters())])
    for mine, right in zip(found[1], found[0], strict=True):
        assert str(mine.dtype) == str(right.dtype)
        mine, right = (y.detach().float().numpy() for y in (mine, right))
        np.testing.assert_allclose(mine, right, atol=0.05 * max(1, np.abs(right).max()))


def test_attention_layer():
    def program(lib, x, w, b):
        with lib.autocast("cpu", dtype=lib.bfloat16):
            return F(lib).multi_head_attention_forward(
                x, x, x, 4, 2, w, b, None, None, False, 0.0, lib.eye(4), None
            )  # fmt: skip

    rng = np.random.RandomState(0)
    same(program, *[rng.randn(*s).astype(np.float32) for s in ((3, 2, 4), (12, 4), (12,))], tolerance=0.03)


# --- the lists ------------------------------------------------------------------------------------------------------

INTERNAL = {"_convolution", "_scaled_dot_product_flash_attention", "_thnn_fused_gru_cell", "_thnn_fused_lstm_cell",
            "convolution", "linalg_matrix_norm"}  # fmt: skip
PART_OF_OTHERS = {
    "_addmm_activation", "_convolution", "_grid_sampler_2d_cpu_fallback", "_lu_with_info", "inverse", "linalg_cond",
    "_native_multi_head_attention", "fake_quantize_per_tensor_affine", "mkldnn_rnn_layer", "orgqr",
    "multilabel_margin_loss_forward", "view_as_complex",
}  # fmt: skip
OURS = {
    "cpu": {"_einsum_contracting", "_tensordot", "affine_grid_generator", "chain_matmul", "gru", "gru_cell", "inner",
            "linalg_matrix_power", "linalg_multi_dot", "lstm", "lstm_cell", "rnn_relu", "rnn_relu_cell", "rnn_tanh",
            "rnn_tanh_cell"},
    "cuda": {"_einsum_contracting", "affine_grid_generator", "gru", "inner", "linalg_matrix_power", "lstm",
             "matrix_norm", "norm", "pairwise_distance", "rnn_relu", "rnn_tanh"},
}  # fmt: skip
"""What torch makes of listed operators, or lists by another name."""


def listed(kind):
    return {name: by_kind[kind] for name, by_kind in CLASSES.items() if kind in by_kind}


def test_the_list_of_the_gpu_is_torchs():
    header = (Path(torch.__file__).parent / "include/ATen/autocast_mode.h").read_text()
    wanted = {}
    for macro, kind in {"LOWER_PRECISION_FP": "lower", "FP32": "fp32", "FP32_SET_OPT_DTYPE": "fp32",
                        "PROMOTE": "promote"}.items():  # fmt: skip
        body = re.search(rf"#define AT_FORALL_{macro}\(_\)(.*?)\n\n", header, re.S)[1]
        wanted |= dict.fromkeys(re.findall(r"_\((\w+)", body), kind)
    mine = listed("cuda")
    assert {n: c for n, c in mine.items() if n not in OURS["cuda"]} == {
        n: c for n, c in wanted.items() if n not in INTERNAL
    }


def test_the_list_of_the_cpu_is_torchs():
    names = {n.removeprefix("aten::") for n in torch._C._dispatch_get_all_op_names() if n.startswith("aten::")}
    has = torch._C._dispatch_has_kernel_for_dispatch_key
    wanted = {n.split(".")[0] for n in names if has(f"aten::{n}", "AutocastCPU")}
    assert set(listed("cpu")) - OURS["cpu"] == wanted - PART_OF_OTHERS


# --- states and errors ----------------------------------------------------------------------------------------------


def states(lib):
    def now():
        return lib.is_autocast_enabled("cpu"), str(lib.get_autocast_dtype("cpu")), lib.is_autocast_cache_enabled()

    out = [now()]
    with lib.autocast("cpu", dtype=lib.float16, cache_enabled=False):
        out.append(now())
        with lib.autocast("cpu", enabled=False):
            out.append(now())
            with lib.autocast("cpu", dtype=lib.bfloat16):
                out.append(now())
        out.append(now())
    lib.set_autocast_enabled("cpu", True)
    lib.set_autocast_dtype("cpu", lib.float16)
    out += [now(), str((lib.ones(2, 2) @ lib.ones(2, 2)).dtype)]
    lib.set_autocast_enabled("cpu", False)
    lib.set_autocast_dtype("cpu", lib.bfloat16)
    return [*out, now(), lib.autocast_increment_nesting(), lib.autocast_decrement_nesting()]


def test_states():
    assert states(jtorch) == states(torch)


ERRORS = {
    "device": lambda lib: lib.autocast(3),
    "unknown device": lambda lib: lib.autocast("nothing"),
    "no autocast": lambda lib: lib.autocast("meta", dtype=lib.bfloat16),
    "function": lambda lib: lib.autocast("cpu")(3),
    "enabled": lambda lib: lib.set_autocast_enabled("cpu", 1),
    "state of": lambda lib: lib.is_autocast_enabled("meta"),
    "custom_fwd": lambda lib: lib.amp.custom_fwd(device_type=3),
    "custom_fwd of": lambda lib: lib.amp.custom_fwd(lambda ctx: ctx),
    "dtype": lambda lib: lib.autocast("cpu", dtype=lib.float32),
    "growth": lambda lib: lib.amp.GradScaler("cpu", growth_factor=1.0),
    "backoff": lambda lib: lib.amp.GradScaler("cpu", backoff_factor=1.0),
    "not scaled": lambda lib: lib.amp.GradScaler("cpu").update(),
    "old name": lambda lib: lib.cuda.amp.GradScaler(),
    "old autocast": lambda lib: lib.cuda.amp.autocast(),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_and_warnings(name):
    theirs, ours = (outcome(lib, ERRORS[name], [], False)[2] for lib in (torch, jtorch))
    assert type(ours) is type(theirs) and theirs is not None
    assert str(ours)[:24] == str(theirs)[:24]


# --- GradScaler -----------------------------------------------------------------------------------------------------

OPTIMIZERS = {
    "SGD": lambda lib, p: lib.optim.SGD(p, 0.05, momentum=0.9),
    "AdamW": lambda lib, p: lib.optim.AdamW(p, 0.05, amsgrad=True),
}


def scaled_training(lib, make, clip, read):
    """30 steps, five of them on a batch that overflows: what the scaler and the weights are like after some."""
    rng = np.random.RandomState(0)
    layer = lib.nn.Linear(4, 3)
    with lib.no_grad():
        layer.weight.copy_(lib.from_numpy(rng.randn(3, 4).astype(np.float32)))
        layer.bias.zero_()
    optimizer = make(lib, layer.parameters())
    scaler = lib.amp.GradScaler("cpu", init_scale=1000.0, growth_factor=1.7, backoff_factor=0.3, growth_interval=3)
    states = []
    for step in range(30):
        x = rng.randn(5, 4).astype(np.float32)
        if step in (4, 5, 11, 14, 20):
            x[0, 0] = np.nan if step == 14 else np.inf
        optimizer.zero_grad()
        scaler.scale(layer(lib.from_numpy(x)).square().mean()).backward()
        if clip:
            scaler.unscale_(optimizer)
            lib.nn.utils.clip_grad_norm_(layer.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        if step % read == read - 1:
            states.append((scaler.state_dict(), layer.weight.detach().numpy().copy()))
    steps = [float(s["step"]) for s in optimizer.state_dict()["state"].values() if "step" in s]
    return states, steps


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_scaled_training(name, clip):
    (theirs, their_steps), (ours, our_steps) = (
        scaled_training(lib, OPTIMIZERS[name], clip, read=6) for lib in (torch, jtorch)
    )
    assert our_steps == their_steps
    for (state, weight), (right, right_weight) in zip(ours, theirs, strict=True):
        assert state == right
        np.testing.assert_allclose(weight, right_weight, rtol=1e-4, atol=1e-5)


def test_a_loaded_scaler_goes_on():
    def program(lib):
        old = lib.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
        new = lib.amp.GradScaler("cpu")
        w = lib.ones(1, requires_grad=True)
        optimizer = lib.optim.SGD([w], 0.5)
        for scaler in (old, new, new):
            if scaler is new and new.get_scale() != 16.0:
                new.load_state_dict(old.state_dict())
            optimizer.zero_grad()
            scaler.scale(w.sum()).backward()
            scaler.step(optimizer)
            scaler.update()
        new.update(4.0 if new.get_scale() else None)
        return old.state_dict(), new.state_dict(), w.item()

    assert program(jtorch) == program(torch)
