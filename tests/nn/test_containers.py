"""Sequential, ModuleList, ModuleDict, ParameterList and ParameterDict."""

from collections import OrderedDict
from typing import Any

import pytest

import jtorch
from jtorch import nn


def three() -> nn.Sequential:
    return nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 3))


def kinds(modules: Any) -> list[str]:
    return [type(m).__name__ for m in modules]


def test_sequential_runs_in_order() -> None:
    m = nn.Sequential(nn.Flatten(0), nn.Threshold(0.5, 0.0))
    assert m(jtorch.tensor([[0.1, 0.9]])).tolist() == pytest.approx([0.0, 0.9])
    assert nn.Sequential()(5) == 5


def test_sequential_indexing() -> None:
    m = three()
    assert m[-1] is m[2] and len(m) == 3
    part = m[:2]
    assert isinstance(part, nn.Sequential) and part[0] is m[0] and len(part) == 2
    named = nn.Sequential(OrderedDict(a=nn.ReLU(), b=nn.Tanh()))
    assert named.a is named[0]
    with pytest.raises(IndexError, match="index 3 is out of range"):
        m[3]


def test_sequential_changes() -> None:
    m = three()
    m.append(nn.Tanh()).insert(1, nn.Sigmoid()).extend([nn.ELU()])
    assert kinds(m) == ["Linear", "Sigmoid", "ReLU", "Linear", "Tanh", "ELU"]
    assert list(m._modules) == ["0", "1", "2", "3", "4", "5"]
    assert isinstance(m.pop(1), nn.Sigmoid)
    del m[1:3]
    assert kinds(m) == ["Linear", "Tanh", "ELU"] and list(m._modules) == ["0", "1", "2"]
    m[1] = nn.ReLU()
    assert kinds(m) == ["Linear", "ReLU", "ELU"]
    with pytest.raises(IndexError, match="Index out of range: 9"):
        m.insert(9, nn.ReLU())


def test_sequential_arithmetic() -> None:
    m = three()
    assert kinds(m + m) == kinds(m) * 2
    assert kinds(2 * m) == kinds(m * 2) == kinds(m) * 2
    m += nn.Sequential(nn.Tanh())
    m *= 2
    assert kinds(m) == ["Linear", "ReLU", "Linear", "Tanh"] * 2
    with pytest.raises(ValueError, match="Non-positive multiplication factor 0"):
        m * 0
    with pytest.raises(ValueError, match="only objects of Sequential class"):
        m + [nn.ReLU()]


def test_module_list() -> None:
    m = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU()])
    assert repr(m) == ("ModuleList(\n  (0-1): 2 x Linear(in_features=2, out_features=2, bias=True)\n  (2): ReLU()\n)")
    assert len(list(m.parameters())) == 4
    m.insert(0, nn.Tanh())
    m += [nn.ELU()]
    assert kinds(m) == ["Tanh", "Linear", "Linear", "ReLU", "ELU"]
    assert isinstance(m[1:3], nn.ModuleList) and m[1:3][0] is m[1]
    assert isinstance(m.pop(0), nn.Tanh)
    del m[0]
    assert kinds(m + [nn.GELU()]) == ["Linear", "ReLU", "ELU", "GELU"]
    with pytest.raises(TypeError, match="ModuleList.extend should be called with an iterable, but got int"):
        m.extend(3)  # type: ignore[arg-type]


def test_module_dict() -> None:
    m = nn.ModuleDict({"b": nn.ReLU(), "a": nn.Linear(1, 1)})
    assert list(m) == ["b", "a"] and "a" in m and len(m) == 2
    m.update([("c", nn.Tanh())])
    m["d"] = nn.ELU()
    assert kinds(m.values()) == ["ReLU", "Linear", "Tanh", "ELU"]
    assert isinstance(m.pop("b"), nn.ReLU)
    del m["c"]
    assert list(m.keys()) == ["a", "d"] and [k for k, _ in m.items()] == ["a", "d"]
    m.clear()
    assert repr(m) == "ModuleDict()"
    with pytest.raises(ValueError, match="has length 3; 2 is required"):
        m.update([(1, 2, 3)])


def test_parameter_list() -> None:
    m = nn.ParameterList([nn.Parameter(jtorch.ones(1)), jtorch.ones(2, 3)])
    assert all(isinstance(p, nn.Parameter) for p in m) and len(m) == 2
    assert repr(m) == (
        "ParameterList(\n"
        "    (0): Parameter containing: [torch.float32 of size 1]\n"
        "    (1): Parameter containing: [torch.float32 of size 2x3]\n"
        ")"
    )
    m.append("text").extend([jtorch.zeros(4)])
    m[0] = jtorch.zeros(5)
    assert [tuple(p.shape) for p in m.parameters()] == [(5,), (2, 3), (4,)]
    assert m[2] == "text" and len(m[1:]) == 3
    with pytest.raises(RuntimeError, match="should not be called"):
        m(1)


def test_parameter_dict() -> None:
    m = nn.ParameterDict({"b": jtorch.ones(1), "a": jtorch.ones(2)})
    assert list(m) == ["a", "b"]  # a plain dict is taken in sorted order
    assert list(reversed(m)) == ["b", "a"]
    assert m.setdefault("c", jtorch.zeros(3)).shape == (3,)
    assert m.get("q", 4) == 4 and "c" in m
    both = m | nn.ParameterDict(OrderedDict(z=jtorch.ones(1)))
    assert list(both) == ["a", "b", "c", "z"]
    assert m.popitem()[0] == "c" and list(m.copy()) == ["a", "b"]
    assert repr(m.fromkeys(["k"], 3)) == "ParameterDict(  (k): Object of type: int)"
    assert [name for name, _ in m.named_parameters()] == ["a", "b"]
    m.clear()
    assert len(m) == 0
    with pytest.raises(TypeError, match="cannot be used as a key"):
        m[1] = jtorch.ones(1)  # type: ignore[index]
