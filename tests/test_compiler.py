"""torch.compile: the same results as the plain function, without running its Python code again."""

import numpy as np
import pytest

import jtorch as torch
from jtorch import nn
from jtorch.engine import report


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.norm = nn.BatchNorm1d(8)
        self.drop = nn.Dropout(0.5)
        self.last = nn.Linear(8, 2)
        self.scale = 2.0
        self.calls = []

    def forward(self, x):
        self.calls.append(1)
        return self.last(self.drop(torch.relu(self.norm(self.first(x))))) * self.scale


def pair():
    nets = []
    for _ in range(2):
        torch.manual_seed(0)
        nets.append(Net())
    return nets[0], nets[1], torch.compile(nets[0])


def train(model, net, steps):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    torch.manual_seed(1)
    x = torch.randn(6, 4)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_training_is_the_same_and_skips_the_python_code():
    net, plain, compiled = pair()
    net.calls = plain.calls = None  # what forward appends to would be a change of the module

    def forward(self, x):
        seen.append(self)
        return self.last(self.drop(torch.relu(self.norm(self.first(x))))) * self.scale

    seen: list = []
    Net.forward, before = forward, Net.forward
    try:
        ours, theirs = train(compiled, net, 6), train(plain, plain, 6)
    finally:
        Net.forward = before
    np.testing.assert_array_equal(ours, theirs)
    assert sum(m is plain for m in seen) == 6
    assert sum(m is net for m in seen) == 1
    assert net.norm.num_batches_tracked.item() == 6
    np.testing.assert_array_equal(net.norm.running_mean.numpy(), plain.norm.running_mean.numpy())


def counted(body):
    """``body`` compiled, and the list that its Python code appends to."""
    seen: list = []

    def fn(*args, **kwargs):
        torch_calls.append(None)
        return body(*args, **kwargs)

    torch_calls = seen
    compiled = torch.compile(fn)
    compiled(torch.ones(3))
    seen.clear()
    return compiled, seen


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda x: (x,), 0),
        (lambda x: (x + 1,), 0),
        (lambda x: (torch.ones(4),), 1),
        (lambda x: (x.double(),), 1),
        (lambda x: (x, 2), 1),
        (lambda x: (x.clone().requires_grad_(),), 1),
    ],
)
def test_what_makes_a_call_known(change, expected):
    calls = []

    class Counter(nn.Module):
        def forward(self, x, by=1):
            calls.append(1)
            return x * 2 + by

    compiled = torch.compile(Counter())
    x = torch.arange(3.0)
    for each in (x, x + 1):
        compiled(each).tolist()
    calls.clear()
    args = change(x)
    result = compiled(*args)
    assert len(calls) == expected
    by = args[1] if len(args) > 1 else 1
    np.testing.assert_array_equal(result.detach().numpy(), args[0].detach().numpy() * 2 + by)


def test_a_changed_module_is_recorded_anew():
    net, plain, compiled = pair()
    for m in (net, plain):
        m.eval()
    x = torch.randn(3, 4)
    for change in (None, lambda m: setattr(m, "scale", 3.0), lambda m: m.train(), lambda m: m.eval()):
        if change is not None:
            change(net)
            change(plain)
        for _ in range(2):
            torch.manual_seed(5)
            ours = compiled(x)
            torch.manual_seed(5)
            np.testing.assert_array_equal(ours.detach().numpy(), plain(x).detach().numpy())


def test_random_numbers_are_drawn_anew():
    drop = torch.compile(lambda x: nn.functional.dropout(x, 0.5))
    x = torch.ones(64)
    torch.manual_seed(0)
    ours = [drop(x).tolist() for _ in range(4)]
    torch.manual_seed(0)
    assert ours == [nn.functional.dropout(x, 0.5).tolist() for _ in range(4)]
    assert ours[2] != ours[3]


def test_structures_of_results():
    fn = torch.compile(lambda x, y: {"sum": x + y, "pair": (x, [x * y, 3, None]), "max": torch.max(x, 0)})
    for k in range(3):
        x, y = torch.full((2,), float(k)), torch.ones(2)
        made = fn(x, y)
        assert made["pair"][0] is x
        assert made["sum"].tolist() == [k + 1.0] * 2
        assert made["pair"][1][0].tolist() == [float(k)] * 2 and made["pair"][1][1:] == [3, None]
        assert made["max"].values.item() == k and made["max"].indices.item() == 0


def test_writes_to_arguments_are_done_again():
    @torch.compile
    def step(total, x):
        total += x
        return total * 2

    total = torch.zeros(2)
    for k in range(1, 5):
        assert step(total, torch.ones(2)).tolist() == [2.0 * k] * 2
        assert total.tolist() == [float(k)] * 2
        assert total._version == k


def test_globals_and_closures():
    factor = 2.0
    weight = torch.ones(2)

    def make(offset):
        return torch.compile(lambda x: x * weight + offset)

    fn = make(1.0)
    x = torch.ones(2)
    assert [fn(x).tolist() for _ in range(3)] == [[2.0, 2.0]] * 3
    weight.mul_(factor)
    assert fn(x).tolist() == [3.0, 3.0]
    assert make(5.0)(x).tolist() == [7.0, 7.0]


def test_data_in_between_runs_as_it_is():
    @torch.compile
    def fn(x):
        return x * 2 if x.sum() > 0 else x - 1

    for _ in range(3):
        assert fn(torch.ones(2)).tolist() == [2.0, 2.0]
        assert fn(-torch.ones(2)).tolist() == [-2.0, -2.0]


def test_fullgraph_names_the_line():
    @torch.compile(fullgraph=True)
    def fn(x):
        return x * x.sum().item()

    with pytest.raises(RuntimeError, match=r"fullgraph=True.*item\(\).*test_compiler.py"):
        fn(torch.ones(2))


def test_an_optimized_module_looks_like_its_module():
    net, _, compiled = pair()
    assert isinstance(compiled, nn.Module)
    assert compiled.first is net.first
    assert list(compiled.state_dict())[0] == "_orig_mod.first.weight"
    compiled.scale = 5.0
    assert net.scale == 5.0
    compiled.eval()
    assert not net.training
    assert "OptimizedModule" in repr(compiled)


def test_arguments_of_compile():
    with pytest.raises(RuntimeError, match="Unrecognized mode=fast"):
        torch.compile(lambda x: x, mode="fast")
    with pytest.raises(RuntimeError, match="Invalid backend: 'mine'"):
        torch.compile(lambda x: x, backend="mine")
    with pytest.raises(NotImplementedError, match="backend of one's own"):
        torch.compile(lambda x: x, backend=lambda gm, inputs: gm)
    assert torch.compile(len, disable=True) is len
    net = nn.Linear(2, 2)
    net.compile()
    assert net(torch.ones(1, 2)).shape == (1, 2)


def test_jit_joins_the_micro_batches_of_a_step():
    torch.manual_seed(0)
    model = nn.Linear(300, 300)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batches = [torch.randn(4, 300) for _ in range(3)]

    @torch.jit
    def step():
        optimizer.zero_grad()
        total = 0
        for x in batches:
            loss = (model(x) ** 2).mean()
            loss.backward()
            total = total + loss.detach()
        optimizer.step()
        return total

    first = step()
    report.reset()
    losses = [first.item(), *[step().item() for _ in range(4)]]
    assert report.counts()["compiled"] == 0
    assert report.counts()["hits"] == 4
    assert losses == sorted(losses, reverse=True)


def test_jit_refuses_a_look_at_the_data():
    @torch.jit
    def step(x):
        return x.sum().item()

    with pytest.raises(RuntimeError, match=r"jtorch.jit: .*step needs the data"):
        step(torch.ones(3))
