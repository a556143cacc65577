"""What programs ask of torch.cuda, cpu, accelerator, mps, xpu, distributed and backends, with and without a GPU."""

import importlib

import pytest

import jtorch

DEVICES = ["cpu", *(["cuda"] if jtorch.cuda.is_available() else [])]
LOOKING = ("cuda", "cuda._utils", "cuda.memory", "accelerator", "amp.autocast_mode", "amp.grad_scaler")


@pytest.fixture
def no_gpu(monkeypatch):
    for module in LOOKING:
        monkeypatch.setattr(importlib.import_module(f"jtorch.{module}"), "devices", lambda kind: ())


def test_without_a_gpu(no_gpu):
    cuda = jtorch.cuda
    assert cuda.device_count() == 0 and cuda.default_generators == () and cuda.get_arch_list() == []
    assert cuda.memory_allocated() == cuda.max_memory_allocated() == cuda.memory_reserved() == 0
    assert cuda.memory_stats() == {} and not cuda.is_bf16_supported() and not cuda.is_tf32_supported()
    cuda.empty_cache()
    cuda.ipc_collect()
    for name in (
        "Event",
        "Stream",
        "synchronize",
        "current_device",
        "get_device_name",
        "memory_summary",
        "mem_get_info",
    ):
        with pytest.raises(RuntimeError, match="No CUDA GPUs are available"):
            getattr(cuda, name)()
    assert jtorch.accelerator.current_accelerator() is None and jtorch.accelerator.device_count() == 0
    for name in ("synchronize", "current_device_index"):
        with pytest.raises(RuntimeError, match="Cannot access accelerator device when none is available"):
            getattr(jtorch.accelerator, name)()
    assert jtorch.get_device_module() is jtorch.cpu


def test_streams_and_events():
    for device in DEVICES[1:]:
        streams_and_events(device)


def streams_and_events(device):
    cuda = jtorch.cuda
    start, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
    x = jtorch.rand(2000, 2000, device=device)
    start.record()
    for _ in range(10):
        x = x @ x / 1000
    end.record()
    assert start.elapsed_time(end) > 0 and end.query()
    with pytest.raises(ValueError, match="recorded"):
        start.elapsed_time(cuda.Event(enable_timing=True))
    side = cuda.Stream()
    with cuda.stream(side):
        y = x + 1
        assert cuda.current_stream() is side
    side.synchronize()
    assert side.query() and y.is_cuda and cuda.current_stream() is not side
    assert cuda.memory_allocated() >= x.nbytes and "bytes_in_use" in cuda.memory_summary()
    assert cuda.memory_stats()["allocated_bytes.all.current"] == cuda.memory_allocated()
    assert jtorch.accelerator.current_accelerator() == jtorch.device("cuda")
    assert isinstance(x, cuda.FloatTensor) and cuda.LongTensor([1]).is_cuda
    with pytest.raises(jtorch.cuda.OutOfMemoryError, match="out of memory"):
        jtorch.ones(1 << 40, device=device).sum().item()


def test_what_xla_cannot_do():
    for name in ("reset_peak_memory_stats", "reset_max_memory_allocated"):
        with pytest.raises(NotImplementedError, match=rf"jtorch: cuda.{name}\(\)"):
            getattr(jtorch.cuda, name)()
    assert not jtorch.cuda.is_current_stream_capturing() and not jtorch.set_flush_denormal(True)


def test_nvtx():
    nvtx = jtorch.cuda.nvtx
    assert (nvtx.range_push("a"), nvtx.range_push("b"), nvtx.range_pop(), nvtx.range_pop(), nvtx.range_pop()) == (
        0, 1, 1, 0, -1,
    )  # fmt: skip
    with nvtx.range("step {}", 3):
        nvtx.mark("here")
    nvtx.range_end(nvtx.range_start("c"))


def test_cpu():
    cpu = jtorch.cpu
    assert cpu.is_available() and cpu.device_count() == 1 and cpu.current_device() == "cpu"
    with cpu.stream(cpu.current_stream()):
        (jtorch.ones(100, 100) @ jtorch.ones(100, 100)).sum()
    event = cpu.Event()
    event.record()
    event.synchronize()
    assert event.query() and jtorch.get_device_module("cpu") is cpu
    with pytest.raises(RuntimeError):
        jtorch.get_device_module("nothing")


def test_devices_that_are_not_there():
    for module in (jtorch.mps, jtorch.xpu, jtorch.backends.mps, jtorch.backends.mkldnn, jtorch.backends.openmp):
        assert not module.is_available()


def test_distributed():
    dist = jtorch.distributed
    assert not dist.is_available() and not dist.is_initialized() and not dist.is_nccl_available()
    for name in ("get_rank", "get_world_size", "barrier", "get_backend"):
        with pytest.raises(ValueError, match="Default process group has not been initialized"):
            getattr(dist, name)()
    with pytest.raises(NotImplementedError, match=r"jtorch: distributed.init_process_group\(\)"):
        dist.init_process_group("nccl")


def test_backends_are_modules():
    cudnn = importlib.import_module("jtorch.backends.cudnn")
    assert cudnn is jtorch.backends.cudnn and cudnn.allow_tf32
    with cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
        assert cudnn.benchmark and not cudnn.allow_tf32
    assert not cudnn.benchmark and cudnn.allow_tf32
    with pytest.raises(NotImplementedError, match="fp32_precision"):
        cudnn.set_flags(_fp32_precision="tf32")
    cuda = jtorch.backends.cuda
    assert cuda.flash_sdp_enabled() and not cuda.matmul.allow_tf32
    cuda.enable_flash_sdp(False)
    assert not cuda.flash_sdp_enabled() and cuda.math_sdp_enabled()
    cuda.enable_flash_sdp(True)
    with pytest.warns(FutureWarning, match="sdpa_kernel"), cuda.sdp_kernel(enable_math=False):
        assert not cuda.math_sdp_enabled() and cuda.mem_efficient_sdp_enabled()
    assert cuda.math_sdp_enabled()


def test_config():
    assert "JAX" in jtorch.__config__.show() and "get_num_threads()" in jtorch.__config__.parallel_info()


@pytest.mark.parametrize("device", DEVICES)
def test_autocast_functions(device):
    assert not jtorch.is_autocast_enabled(device)
    jtorch.set_autocast_enabled(device, True)
    x = jtorch.ones(2, 2, device=device)
    try:
        assert jtorch.is_autocast_enabled(device) and (x @ x).dtype is jtorch.get_autocast_dtype(device)
    finally:
        jtorch.set_autocast_enabled(device, False)
    assert (x @ x).dtype is jtorch.float32


def test_autocast_settings():
    before = jtorch.get_autocast_dtype("cpu")
    jtorch.set_autocast_dtype("cpu", jtorch.float16)
    try:
        with jtorch.autocast("cpu"):
            assert jtorch.get_autocast_dtype("cpu") is jtorch.float16
    finally:
        jtorch.set_autocast_dtype("cpu", before)
    jtorch.set_autocast_cache_enabled(False)
    assert not jtorch.is_autocast_cache_enabled()
    jtorch.set_autocast_cache_enabled(True)
    with jtorch.autocast("cpu", cache_enabled=False):
        assert not jtorch.is_autocast_cache_enabled()
    jtorch.clear_autocast_cache()
    for name in ("get_autocast_cpu_dtype", "get_autocast_gpu_dtype", "is_autocast_cpu_enabled"):
        with pytest.warns(DeprecationWarning, match=f"torch.{name}"):
            getattr(jtorch, name)()


def test_the_older_amp(no_gpu):
    with pytest.warns() as told:
        scaler = jtorch.cuda.amp.GradScaler()
    assert [w.category for w in told] == [FutureWarning, UserWarning] and not scaler.is_enabled()
    with pytest.warns() as told, jtorch.cuda.amp.autocast():
        assert not jtorch.is_autocast_enabled()
    assert "CUDA is not available" in str(told[1].message)


def test_anomaly_mode():
    assert not jtorch.is_anomaly_enabled()
    jtorch.set_anomaly_enabled(True, check_nan=False)
    try:
        assert jtorch.is_anomaly_enabled() and not jtorch.is_anomaly_check_nan_enabled()
    finally:
        jtorch.set_anomaly_enabled(False)
