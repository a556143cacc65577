"""torch.jit: marked programs run as they are."""

# ruff: noqa: UP006, UP007, UP035, UP045  (written as programs for TorchScript are)

from typing import Dict, List, Optional, Tuple, Union

import pytest

import jtorch
from jtorch import jit, nn


@jit.script
def clamped(x, low: float = 0.0):
    """A function as TorchScript programs have them."""
    return x.clamp(min=low) if bool((x < low).any()) else x


def test_script():
    x = jtorch.tensor([-1.0, 2.0])
    assert clamped(x).tolist() == [0.0, 2.0] and clamped(-x, low=-5.0) is not None
    module = nn.Linear(2, 1)
    assert jit.script(module) is module
    with pytest.raises(RuntimeError, match="takes functions, modules and classes"):
        jit.script(3)


def test_trace():
    calls = []

    def double(x):
        calls.append(x.shape)
        return x * 2

    traced = jit.trace(double, jtorch.ones(2))
    assert calls == [(2,)] and traced(jtorch.ones(3)).tolist() == [2.0] * 3
    module = nn.Linear(2, 1)
    assert jit.trace(module, (jtorch.ones(1, 2),)) is module
    assert jit.trace_module(module, {"forward": jtorch.ones(1, 2)}) is module
    with pytest.raises(RuntimeError):
        jit.trace(module, jtorch.ones(1, 3))


def test_marks_change_nothing():
    class Net(jit.ScriptModule):
        @jit.script_method
        def forward(self, x):
            return self.helper(x)

        @jit.ignore
        def helper(self, x):
            return self.other(x)

        @jit.unused
        def other(self, x):
            return x + 1

        @jit.export
        def more(self, x):
            return x

        @jit.ignore(drop=True)
        def dropped(self, x):
            return x

    net = Net()
    assert isinstance(net, nn.Module) and net(1) == 2 and net.more(3) == net.dropped(3) == 3
    assert jit.annotate(List[int], []) == [] and jit.script_if_tracing(len) is len
    assert not jit.is_scripting() and not jit.is_tracing()
    assert jit.freeze(net.eval()) is net and jit.optimize_for_inference(net) is net
    with pytest.raises(RuntimeError, match="only implemented for modules in eval mode"):
        jit.freeze(net.train())


@pytest.mark.parametrize(
    ("value", "kind", "answer"),
    [
        ([1, 2], List[int], True), ([1, "a"], List[int], False), ([], List[int], True), (None, Optional[int], True),
        (1, Optional[int], True), ("a", Optional[int], False), ({"a": 1}, Dict[str, int], True),
        ({"a": "b"}, Dict[str, int], False), ((1, 2.0), Tuple[int, float], True), ((1,), Tuple[int, float], False),
        ((1, 2), Tuple[int, ...], True), (1, int, True), (1, (int, str), True), ([[1]], List[List[int]], True),
        (1.5, Union[int, str], False), (1, int | str, True),
    ],
)  # fmt: skip
def test_isinstance(value, kind, answer):
    assert jit.isinstance(value, kind) is answer


def test_files_are_refused():
    for name in ("save", "load"):
        with pytest.raises(NotImplementedError, match=rf"jtorch: jit.{name}\(\)"):
            getattr(jit, name)("file")
    with pytest.raises(NotImplementedError, match="ScriptFunction"):
        jit.ScriptFunction()
