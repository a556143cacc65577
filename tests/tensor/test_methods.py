"""Methods that are no operator: conversions, numbers, copies, Python's own protocols."""

import copy
import ctypes
import pickle

import numpy as np
import pytest

import jtorch as torch


def test_to():
    x = torch.ones(2)
    assert x.to(torch.float32) is x and x.to("cpu", torch.float32) is x and x.to(x) is x and x.to(device="cpu") is x
    assert (
        x.to(torch.int32).dtype is torch.int32 and x.to("meta").is_meta and x.to(dtype=torch.half).dtype is torch.half
    )
    assert x.to(torch.float32, copy=True) is not x and x.to(torch.ones(1, dtype=torch.bool)).dtype is torch.bool
    assert x.to("cpu", non_blocking=True) is x and x.to(torch.float64, False, True).dtype is torch.float64
    with pytest.raises(RuntimeError, match="device string"):
        x.to("a")
    with pytest.raises(TypeError, match="unexpected keyword"):
        x.to(foo=1)
    y = torch.ones(2, requires_grad=True)
    y.to(torch.float64).sum().backward()
    assert y.grad.dtype is torch.float32


def test_casts():
    x = torch.tensor([0.0, 1.5, -2.5])
    for name in ("double", "half", "bfloat16", "int", "long", "short", "char", "bool", "cfloat"):
        assert getattr(x, name)().dtype is getattr(torch, name if name != "char" else "int8")
    assert x.long().tolist() == [0, 1, -2] and x.bool().tolist() == [False, True, True] and x.float() is x
    assert x.type() == "torch.FloatTensor" and x.type(torch.int32).type() == "torch.IntTensor"
    assert (
        x.type("torch.DoubleTensor").dtype is torch.float64
        and x.type_as(torch.ones(1, dtype=torch.int8)).dtype is torch.int8
    )
    with pytest.raises(ValueError, match="invalid type"):
        x.type("torch.FooTensor")
    with pytest.warns(UserWarning, match="discards the imaginary part"):
        assert torch.tensor([1 + 2j]).to(torch.float32).tolist() == [1.0]


def test_items():
    assert torch.tensor([[3]]).item() == 3 and type(torch.tensor(3).item()) is int
    assert type(torch.tensor(1.5).item()) is float and torch.tensor(True).item() is True
    assert torch.tensor(1 + 2j).item() == 1 + 2j and torch.tensor(1.5, dtype=torch.bfloat16).item() == 1.5
    for n in (0, 2):
        with pytest.raises(RuntimeError, match=f"a Tensor with {n} elements cannot be converted to Scalar"):
            torch.ones(n).item()
    assert torch.tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]] and torch.tensor(2.5).tolist() == 2.5
    assert torch.tensor([1.5, 2], dtype=torch.bfloat16).tolist() == [1.5, 2.0] and torch.ones(0, 2).tolist() == []


def test_python_numbers():
    x = torch.tensor([2.7])
    assert float(x) == pytest.approx(2.7) and int(x) == 2 and complex(x) == complex(x.item())
    assert [10, 20, 30][torch.tensor(1)] == 20 and list(range(torch.tensor(3))) == [0, 1, 2]
    assert round(float(torch.tensor(2.5))) == 2 and divmod(int(torch.tensor(7)), 2) == (3, 1)
    for convert in (float, int, complex):
        with pytest.raises(ValueError, match="only one element tensors"):
            convert(torch.ones(2))
    with pytest.raises(TypeError, match="only integer tensors of a single element"):
        range(torch.tensor(1.5))


def test_truth():
    assert torch.tensor([1]) and not torch.tensor(0.0) and torch.tensor(float("nan"))
    with pytest.raises(RuntimeError, match="more than one value is ambiguous"):
        bool(torch.ones(2))
    with pytest.raises(RuntimeError, match="no values is ambiguous"):
        bool(torch.ones(0))


def test_sequences():
    x = torch.tensor([[1, 2], [3, 4]])
    assert len(x) == 2 and [r.sum().item() for r in x] == [3, 7] and 4 in x and 5 not in x
    for use in (len, list):
        with pytest.raises(TypeError, match="0-d tensor"):
            use(torch.tensor(1))
    assert max(torch.tensor([3, 5])).item() == 5 and sum(torch.tensor([3, 5])).item() == 8
    assert sorted(torch.tensor([2, 1]))[0].item() == 1 and dict(zip("ab", x, strict=True))["b"].tolist() == [3, 4]


def test_format():
    assert (
        f"{torch.tensor(1.23456):.2f}" == "1.23"
        and f"{torch.tensor(3):>4d}" == "   3"
        and f"{torch.tensor(True)}" == "True"
    )
    assert f"{torch.tensor([1.5])}" == "tensor([1.5000])"
    with pytest.raises(TypeError, match="unsupported format string"):
        format(torch.ones(2), ".2f")


def test_hashes_and_comparisons():
    x, y = torch.ones(2), torch.ones(2)
    assert hash(x) == id(x) and len({x, y, x}) == 2 and (x == y).all() and x.equal(y) and not x.equal(torch.ones(3))
    assert {x: 1}[x] == 1 and (x != y).tolist() == [False, False]
    assert (x == None) is False and (x != None) is True  # noqa: E711


def test_numpy():
    x = torch.tensor([1.5, 2])
    a = x.numpy()
    a[0] = 9
    assert x.tolist() == [1.5, 2] and np.asarray(x).dtype == np.float32 and np.array(x, np.int64).tolist() == [1, 2]
    assert np.add(x.numpy(), 1).tolist() == [2.5, 3] and np.sum([t.numpy() for t in x]) == 3.5
    with pytest.raises(RuntimeError, match=r"Use tensor.detach\(\).numpy\(\) instead"):
        torch.ones(1, requires_grad=True).numpy()
    assert torch.ones(1, requires_grad=True).numpy(force=True).tolist() == [1]
    with pytest.raises(TypeError, match="Got unsupported ScalarType BFloat16"):
        torch.ones(1, dtype=torch.bfloat16).numpy()


def test_copies():
    x = torch.ones(2, requires_grad=True)
    x.grad = torch.full((2,), 3.0)
    x.note = ["kept"]
    for y in (copy.deepcopy(x), copy.copy(x)):
        assert y.requires_grad and y.is_leaf and y.tolist() == [1, 1] and y.note == ["kept"]
    y = copy.deepcopy(x)
    assert y.grad.tolist() == [3, 3] and y.grad is not x.grad and y.note is not x.note
    with pytest.raises(RuntimeError, match="Only Tensors created explicitly by the user"):
        copy.deepcopy(x * 2)
    memo = copy.deepcopy({"a": x, "b": x})
    assert memo["a"] is memo["b"]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "bool", "complex64", "int8"])
def test_pickles(dtype):
    x = torch.tensor([[1, 0], [2, 3]]).to(getattr(torch, dtype))
    for made in (pickle.loads(pickle.dumps(x)), pickle.loads(pickle.dumps(x.t())).t()):
        assert made.dtype is x.dtype and made.equal(x)
    leaf = pickle.loads(pickle.dumps(torch.ones(2, requires_grad=True)))
    assert leaf.requires_grad and leaf.is_leaf


def test_requires_grad():
    x = torch.ones(2)
    assert x.requires_grad_() is x and x.is_leaf and x.grad is None and x.grad_fn is None
    y = x * 2
    assert y.requires_grad and not y.is_leaf and type(y.grad_fn).__name__ == "MulBackward0" and y.output_nr == 0
    assert not y.detach().requires_grad and y.detach().is_leaf
    y.detach_()
    assert y.is_leaf and y.grad_fn is None
    with pytest.raises(RuntimeError, match="Can't detach views in-place"):
        x.view(2).detach_()
    for bad, message in (
        (torch.ones(3), r"a gradient of size '\[3\]' to a tensor of size '\[2\]'"),
        (torch.ones(2, dtype=torch.float64), "gradient with dtype 'double'"),
        (torch.ones(2, device="meta"), "device type 'meta'"),
    ):
        with pytest.raises(RuntimeError, match=message):
            x.grad = bad
    with pytest.raises(TypeError, match="grad of type int"):
        x.grad = 1
    x.grad = torch.ones(2)
    del x.grad
    assert x.grad is None


def test_copy_and_fill():
    x = torch.zeros(2, 2)
    assert x.copy_(torch.tensor([1, 2])).tolist() == [[1, 2], [1, 2]] and x.copy_(3).sum().item() == 12
    assert x.fill_(torch.tensor(4)).sum().item() == 16 and x.zero_().sum().item() == 0
    with pytest.raises(RuntimeError, match=r"output with shape \[2, 2\] doesn't match the broadcast shape \[3, 2, 2\]"):
        x.copy_(torch.ones(3, 2, 2))
    with pytest.raises(RuntimeError, match=r"size of tensor a \(2\) must match the size of tensor b \(3\)"):
        x.copy_(torch.ones(3))
    with pytest.raises(RuntimeError, match="only supports 0-dimension value tensor"):
        x.fill_(torch.ones(2))
    with pytest.raises(TypeError, match="must be Tensor, not str"):
        x.copy_("a")
    a, b = torch.zeros(3), torch.ones(2, 2)
    a.set_(b)
    b.add_(1)
    assert a.tolist() == [[2, 2], [2, 2]]
    with pytest.raises(RuntimeError, match="Could not set tensor of type double to a tensor of type float"):
        a.set_(torch.ones(1, dtype=torch.float64))


def test_matrices():
    x = torch.arange(6).view(2, 3)
    assert x.T.tolist() == x.mT.tolist() == [[0, 3], [1, 4], [2, 5]] and torch.tensor(1).mT.item() == 1
    assert torch.tensor([[1j]]).H.tolist() == [[-1j]]
    with pytest.warns(UserWarning, match="The use of `x.T` on tensors of dimension other than 2"):
        assert torch.ones(1, 2, 3).T.shape == (3, 2, 1)
    with pytest.raises(RuntimeError, match="only supported on matrices"):
        torch.ones(3).mT  # noqa: B018
    with pytest.raises(TypeError, match="only implemented on integer and Boolean"):
        ~torch.ones(1)


def test_places():
    x = torch.ones(3, 4)
    assert x[1].data_ptr() - x.data_ptr() == 16 and x.t().data_ptr() == x.data_ptr() != torch.ones(3, 4).data_ptr()
    assert x.is_set_to(x) and x[1].is_set_to(x[1]) and not x.is_set_to(x.t()) and torch.ones(0).data_ptr() == 0
    assert (
        not x.is_shared()
        and not x.is_pinned()
        and x.pin_memory() is x
        and not x.is_sparse
        and x.layout is torch.strided
    )
    with pytest.raises(NotImplementedError, match="share_memory_"):
        x.share_memory_()


def test_data_ptr_is_memory():
    def read(x):
        return np.ctypeslib.as_array(ctypes.cast(x.data_ptr(), ctypes.POINTER(ctypes.c_float)), (x.numel(),)).tolist()

    x = torch.arange(6.0).reshape(2, 3)
    row = x[1]
    assert read(x) == [0, 1, 2, 3, 4, 5] and read(row) == [3, 4, 5]
    place = x.data_ptr()
    row.mul_(2)
    assert x.data_ptr() == place and read(x) == [0, 1, 2, 6, 8, 10]
    y = (torch.ones(3, requires_grad=True) * 2).exp_()  # pending
    assert read(y) == y.tolist()
