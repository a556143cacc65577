"""Autocast: which dtype comes out, the states of a thread, the cast cache, and custom Functions."""

import threading

import pytest

import jtorch
from jtorch.amp.autocast_mode import _settings, _State
from jtorch.composite.table import COMPOSITES
from jtorch.engine import trace
from jtorch.ops.autocast import CLASSES
from jtorch.ops.table import TABLE

BF16, F16, F32, F64 = jtorch.bfloat16, jtorch.float16, jtorch.float32, jtorch.float64
a = jtorch.tensor([[1.0, 2.0], [3.0, 4.0]])


def casting(**options):
    return jtorch.autocast("cpu", **options)


@pytest.mark.parametrize(
    "run, given, dtype",
    [
        (lambda x: x @ x, F32, BF16),
        (lambda x: x @ x, F16, BF16),
        (lambda x: x @ x, F64, F64),
        (lambda x: jtorch.nn.functional.mse_loss(x, x), F16, F32),
        (lambda x: jtorch.nn.functional.mse_loss(x, x), F64, F64),
        (lambda x: x.exp(), F16, F16),
        (lambda x: jtorch.cat([x, x.float()]), BF16, F32),
        (lambda x: jtorch.cat([x, x]), BF16, BF16),
        (lambda x: x.clone().addmm_(x, x), F32, F32),
        (lambda x: jtorch.mm(x, x, out=jtorch.empty(2, 2)), F32, F32),
        (lambda x: x.long() @ x.long(), F32, jtorch.int64),
    ],
)
def test_dtypes_on_the_cpu(run, given, dtype):
    with casting():
        assert run(a.to(given)).dtype is dtype
    assert (a @ a).dtype is F32


def as_on_a_gpu(monkeypatch, name):
    """An operator's classes on the GPU, used on the CPU."""
    classes = {"cpu": CLASSES[name]["cuda"]}
    monkeypatch.setattr(TABLE[name], "autocast", classes)


@pytest.mark.parametrize(
    "name, run, given, dtype",
    [
        ("mv", lambda x: jtorch.mv(x, x[0]), F32, BF16),
        ("exp", lambda x: x.exp(), BF16, F32),
        ("softmax", lambda x: jtorch.softmax(x, 0), BF16, F32),
        ("softmax", lambda x: jtorch.softmax(x, 0, dtype=BF16), BF16, BF16),
        ("sum", lambda x: x.sum(), BF16, F32),
        ("cumsum", lambda x: x.cumsum(0, dtype=BF16), F32, BF16),
        ("addcmul", lambda x: jtorch.addcmul(x, x.float(), x), BF16, F32),
        ("addcmul", lambda x: jtorch.addcmul(x, x, x), BF16, BF16),
    ],
)
def test_dtypes_of_the_list_of_the_gpu(monkeypatch, name, run, given, dtype):
    as_on_a_gpu(monkeypatch, name)
    with casting():
        assert run(a.to(given)).dtype is dtype


def test_only_tensors_of_the_device_are_cast():
    gpu = jtorch.ones(2, 2, device="meta")
    state = _State({"cuda": jtorch.tensor(0, dtype=F16).numpy().dtype})
    assert state.cast(CLASSES["mm"], (a._value, gpu._value)) == (a._value, gpu._value)


def test_every_name_in_the_lists_is_an_operator():
    assert set(CLASSES) <= {name.split(".")[0] for name in TABLE} | {c.name for c in COMPOSITES}


def test_halves_of_another_kind_do_not_promote():
    with casting(), pytest.raises(RuntimeError, match="Unexpected floating ScalarType"):
        jtorch.cat([a.half(), a.half()])


def test_parameters_get_gradients_in_their_own_dtype():
    layer = jtorch.nn.Linear(2, 2)
    with casting():
        out = layer(a)
        assert out.dtype is BF16
        loss = out.square().mean()
    loss.backward()
    assert layer.weight.grad.dtype is F32
    plain = jtorch.autograd.grad(layer(a).square().mean(), layer.weight)[0]
    assert jtorch.allclose(layer.weight.grad, plain, rtol=0.05, atol=0.05)


def test_a_composite_runs_its_parts_as_they_are():
    x = a.half()
    with casting():
        loss = jtorch.nn.functional.cosine_embedding_loss(x, x, jtorch.ones(2))
        assert loss.dtype is F32 and abs(loss.item()) < 1e-6
        q = jtorch.ones(1, 1, 2, 2)
        assert jtorch.nn.functional.scaled_dot_product_attention(q, q, q).dtype is BF16


def test_nesting_and_disabled_regions():
    with casting(dtype=F16):
        assert (a @ a).dtype is F16
        with casting(enabled=False):
            assert (a @ a).dtype is F32 and not jtorch.is_autocast_enabled("cpu")
            with casting(dtype=BF16):
                assert (a @ a).dtype is BF16
        assert (a @ a).dtype is F16 and jtorch.get_autocast_dtype("cpu") is F16
    assert jtorch.get_autocast_dtype("cpu") is BF16 and not jtorch.is_autocast_enabled("cpu")


def test_an_error_ends_the_block():
    with pytest.raises(ZeroDivisionError), casting():
        raise ZeroDivisionError
    assert not jtorch.is_autocast_enabled("cpu")


def test_as_a_decorator():
    block = casting()

    @block
    def product(depth):
        return product(depth - 1) if depth else a @ a

    assert product(3).dtype is BF16 and product.__name__ == "product"
    assert (a @ a).dtype is F32
    with pytest.raises(TypeError, match="requires a callable"):
        block(3)


def test_other_threads_are_not_affected():
    seen = []
    with casting():
        thread = threading.Thread(target=lambda: seen.append((a @ a).dtype))
        thread.start()
        thread.join()
    assert seen == [F32]


def test_the_cast_of_a_parameter_is_kept_within_the_outermost_block():
    w = jtorch.nn.Parameter(a)
    with casting():
        with casting():
            w @ a
        kept = list(_settings.cache.values())
        w @ a
        assert len(kept) == 1 and list(_settings.cache.values()) == kept
    assert not _settings.cache
    with casting(cache_enabled=False):
        w @ a
        assert not _settings.cache and not jtorch.is_autocast_cache_enabled()


def test_a_cast_made_without_gradients_is_not_taken_for_one_with():
    w = jtorch.nn.Parameter(a)
    with casting():
        with jtorch.no_grad():
            w @ a
        (w @ a).sum().backward()
    assert jtorch.equal(w.grad, jtorch.tensor([[3.0, 7.0], [3.0, 7.0]]))


def test_a_parameter_that_was_written_to_is_cast_anew():
    w = jtorch.nn.Parameter(jtorch.ones(2, 2))
    with casting():
        first = w @ a
        with jtorch.no_grad():
            w.mul_(2)
        assert jtorch.equal(w @ a, 2 * first)


def test_settings_outside_of_blocks():
    jtorch.set_autocast_enabled("cpu", True)
    jtorch.set_autocast_dtype("cpu", F16)
    try:
        assert (a @ a).dtype is F16
    finally:
        jtorch.set_autocast_enabled("cpu", False)
        jtorch.set_autocast_dtype("cpu", BF16)
    assert (a @ a).dtype is F32
    with pytest.raises(TypeError, match="must be bool"):
        jtorch.set_autocast_enabled("cpu", 1)


@pytest.mark.parametrize(
    "run, now",
    [
        (lambda: jtorch.is_autocast_cpu_enabled(), "is_autocast_enabled('cpu')"),
        (lambda: jtorch.get_autocast_cpu_dtype(), "get_autocast_dtype('cpu')"),
        (lambda: jtorch.get_autocast_gpu_dtype(), "get_autocast_dtype('cuda')"),
        (lambda: jtorch.set_autocast_cpu_enabled(False), "set_autocast_enabled('cpu', enabled)"),
        (lambda: jtorch.set_autocast_cpu_dtype(BF16), "set_autocast_dtype('cpu', dtype)"),
        (lambda: jtorch.set_autocast_gpu_dtype(F16), "set_autocast_dtype('cuda', dtype)"),
    ],
)
def test_older_names_warn(run, now):
    with pytest.warns(DeprecationWarning) as caught:
        run()
    assert f"Please use torch.{now} instead." in str(caught[0].message)


def test_what_cannot_be_had():
    with pytest.raises(ValueError, match="of type `str`"):
        jtorch.autocast(3)
    with pytest.raises(RuntimeError, match="unsupported autocast device_type 'meta'"):
        jtorch.autocast("meta")
    with pytest.warns(UserWarning, match="target dtype is not supported"):
        off = casting(dtype=F32)
    with off:
        assert (a @ a).dtype is F32
    assert jtorch.amp.is_autocast_available("cpu") and not jtorch.amp.is_autocast_available("meta")


@pytest.mark.skipif(jtorch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_its_autocast_is_off():
    with pytest.warns(UserWarning, match="CUDA is not available"):
        block = jtorch.autocast("cuda")
    with block:
        assert not jtorch.is_autocast_enabled("cuda")
    with pytest.warns((FutureWarning, UserWarning)) as caught:
        jtorch.cuda.amp.autocast()
    assert caught[0].category is FutureWarning and "torch.amp.autocast('cuda'" in str(caught[0].message)


@pytest.mark.parametrize("cast_inputs, dtype", [(None, BF16), (F32, F32)])
def test_custom_functions(cast_inputs, dtype):
    seen = {}

    class Product(jtorch.autograd.Function):
        @staticmethod
        @jtorch.amp.custom_fwd(device_type="cpu", cast_inputs=cast_inputs)
        def forward(ctx, x, w):
            ctx.save_for_backward(x, w)
            seen["forward"] = x.dtype, (x @ w).dtype
            return x @ w

        @staticmethod
        @jtorch.amp.custom_bwd(device_type="cpu")
        def backward(ctx, g):
            x, w = ctx.saved_tensors
            seen["backward"] = (x @ w).dtype
            return g @ w.t().to(g.dtype), x.t().to(g.dtype) @ g

    x, w = a.clone().requires_grad_(True), a.clone().requires_grad_(True)
    with casting():
        out = Product.apply(x.bfloat16() if cast_inputs else x, w)
    out.float().sum().backward()
    assert seen == {"forward": (F32, dtype), "backward": dtype}
    assert x.grad.dtype is F32 and jtorch.equal(w.grad, jtorch.tensor([[4.0, 4.0], [6.0, 6.0]]))
    Product.apply(x, w)
    assert seen["forward"] == (F32, F32)


def test_backward_of_a_checkpoint_casts_as_forward_did():
    w = jtorch.nn.Parameter(a)
    dtypes = []

    def product(x):
        out = x @ w
        dtypes.append(out.dtype)
        return out

    with casting():
        out = jtorch.utils.checkpoint.checkpoint(product, a, use_reentrant=False)
    out.sum().backward()
    assert dtypes == [BF16, BF16] and w.grad.dtype is F32


def test_within_a_transformation():
    def product(x):
        with casting():
            return (x @ a).float() @ a

    assert jtorch.func.grad(lambda x: product(x).sum())(a).dtype is F32
    assert jtorch.vmap(product)(jtorch.stack([a, a])).dtype is BF16


def test_nothing_is_left_on():
    assert trace.state().autocast is None and _settings.nesting == 0
