"""torch.device, the default device, and the meta device."""

import pickle

import pytest

import jtorch as torch


def test_forms():
    assert torch.device("cuda:1") == torch.device("cuda", 1) == torch.device(1) == torch.device(type="cuda", index=1)
    assert repr(torch.device("cpu")) == "device(type='cpu')" and str(torch.device("cuda:0")) == "cuda:0"
    assert repr(torch.device("cuda", 0)) == "device(type='cuda', index=0)"
    assert torch.device("cpu") != torch.device("cpu:0") and torch.device("cpu") != "cpu"
    assert torch.device(torch.device("meta")).type == "meta" and torch.device("cpu").index is None
    assert len({torch.device("cpu"), torch.device("cpu"), torch.device("cuda:0")}) == 2
    assert pickle.loads(pickle.dumps(torch.device("cuda:1"))) == torch.device("cuda:1")


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        (("nowhere",), RuntimeError, "Expected one of cpu, cuda"),
        (("cpu:x",), RuntimeError, "Invalid device string: 'cpu:x'"),
        (("",), RuntimeError, "Device string must not be empty"),
        (("cuda:0", 1), RuntimeError, "must not include an index"),
        ((1.5,), TypeError, "must be str, not float"),
    ],
)
def test_what_is_no_device(args, error, message):
    with pytest.raises(error, match=message):
        torch.device(*args)


def test_a_default_for_factories():
    with torch.device("meta"):
        assert torch.ones(2).is_meta and torch.tensor([1.0]).is_meta and torch.ones(2, device="cpu").is_cpu
        with torch.device("cpu"):
            assert torch.zeros(2).is_cpu
        assert torch.zeros(2).is_meta
    assert torch.zeros(2).is_cpu and torch.get_default_device() == torch.device("cpu")
    torch.set_default_device("meta")
    try:
        assert torch.empty(3).is_meta
    finally:
        torch.set_default_device(None)
    assert torch.empty(3).is_cpu


def test_meta_knows_shapes_only():
    x = torch.ones(2, 3, device="meta")
    y = (x @ torch.ones(3, 4, device="meta")).relu().sum(0, keepdim=True).view(2, 2)
    assert y.shape == (2, 2) and y.dtype is torch.float32 and y.device.type == "meta" and y.get_device() == -1
    assert x[0].t().shape == (3,) and x.numel() == 6
    with pytest.raises(RuntimeError, match="must match the size"):
        x + torch.ones(4, device="meta")
    with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):
        x.sum().tolist()


def test_meta_and_the_cpu_do_not_mix():
    with pytest.raises(RuntimeError, match="same device"):
        torch.ones(2) + torch.ones(2, device="meta")


def test_attributes():
    x = torch.ones(2)
    assert x.is_cpu and not x.is_cuda and not x.is_meta and x.get_device() == -1
    assert x.to("cpu") is x and x.cpu() is x and x.to(torch.device("cpu")) is x
