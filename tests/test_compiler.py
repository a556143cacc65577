"""torch.compile: the same results as the plain function, without running its Python code again."""

import sys
from contextlib import contextmanager

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

    def forward(self, x):
        return self.last(self.drop(torch.relu(self.norm(self.first(x))))) * self.scale


@contextmanager
def runs(fn):
    """A list that grows by one each time the Python code of a function runs (which it cannot know)."""
    seen = []
    code = fn.__code__

    def look(frame, event, arg):
        if event == "call" and frame.f_code is code:
            seen.append(frame.f_locals.get("self"))

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        yield seen
    finally:
        sys.setprofile(before)


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
    with runs(Net.forward) as seen:
        ours, theirs = train(compiled, net, 6), train(plain, plain, 6)
    np.testing.assert_array_equal(ours, theirs)
    assert sum(m is plain for m in seen) == 6
    assert sum(m is net for m in seen) == 2  # a call is known once it has done the same twice
    assert net.norm.num_batches_tracked.item() == 6
    np.testing.assert_array_equal(net.norm.running_mean.numpy(), plain.norm.running_mean.numpy())


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
    class Scaled(nn.Module):
        def forward(self, x, by=1):
            return x * 2 + by

    compiled = torch.compile(Scaled())
    x = torch.arange(3.0)
    for each in (x, x + 1, x + 2):
        compiled(each).tolist()
    args = change(x)
    with runs(Scaled.forward) as seen:
        result = compiled(*args)
    assert len(seen) == expected
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


FLAG = 1.0


def scaled(x):
    return x * FLAG


class Plain:
    rate = 2.0

    def __init__(self):
        self.by = [1.0]
        self.weight = torch.ones(3)

    def __call__(self, x):
        return x * self.by[0] * self.rate + self.weight


def changing(case):
    """A function of x, and what changes something that it sees."""
    if case == "a global that a helper reads":
        return (lambda x: scaled(x)), lambda k: globals().update(FLAG=k)
    if case == "a number in a closure":
        by = 1.0

        def change(k):
            nonlocal by
            by = k

        return (lambda x: x * by), change
    if case == "a list in a closure":
        factors = [1.0]
        return (lambda x: sum(x * f for f in factors)), factors.append
    if case == "a default":
        factors = [1.0]
        return (lambda x, f=factors: x * f[0]), lambda k: factors.__setitem__(0, k)
    if case == "an object's list":
        thing = Plain()
        return (lambda x: thing(x)), lambda k: thing.by.__setitem__(0, k)
    if case == "an object's tensor":
        thing = Plain()
        return thing.__call__, lambda k: setattr(thing, "weight", torch.full((3,), k))
    if case == "a class attribute":
        thing = Plain()
        return thing.__call__, lambda k: setattr(Plain, "rate", k)
    if case == "an argument":
        thing = Plain()
        return (lambda x, t=thing: t(x)), lambda k: thing.by.__setitem__(0, k)
    if case == "a NumPy array":
        array = np.ones(3, np.float32)
        return (lambda x: x * torch.from_numpy(array)), lambda k: array.fill(k)
    if case == "a module's list":
        net = nn.Identity()
        net.factors = [1.0]
        return (lambda x: net(x) * net.factors[-1]), net.factors.append
    if case == "a global in a method":

        class Method(nn.Module):
            def forward(self, x):
                return x * FLAG

        return Method(), lambda k: globals().update(FLAG=k)
    assert case == "the function that is called"
    table = {"f": torch.neg}
    return (lambda x: table["f"](x)), lambda k: table.update(f=torch.abs if k == 3 else torch.square)


CHANGES = (
    "a global that a helper reads", "a number in a closure", "a list in a closure", "a default", "an object's list",
    "an object's tensor", "a class attribute", "an argument", "a NumPy array", "a module's list",
    "a global in a method", "the function that is called",
)  # fmt: skip


@pytest.mark.parametrize("case", CHANGES)
def test_what_is_seen_may_change(case):
    fn, change = changing(case)
    compiled = torch.compile(fn)
    x = torch.arange(3.0)
    for k in (1.0, 3.0, 3.0, 5.0, 3.0):
        change(k)
        for _ in range(3):
            np.testing.assert_array_equal(compiled(x).numpy(), fn(x).numpy())


def effects(case):
    """A function of x with an effect beside its result, and what shows the effect."""
    seen = []
    if case == "a list grows":
        return (lambda x: seen.append(x * 2) or x + 1), lambda: [t.tolist() for t in seen]
    if case == "a tensor is kept":

        class Keeps(nn.Module):
            last = None

            def forward(self, x):
                self.last = x * 2
                return x + 1

        net = Keeps()
        return net, lambda: net.last.tolist()
    if case == "a buffer is replaced":

        class Averages(nn.Module):
            def __init__(self):
                super().__init__()
                self.register_buffer("mean", torch.zeros(()))

            def forward(self, x):
                self.mean = self.mean * 0.5 + x.mean() * 0.5
                return x - self.mean

        net = Averages()
        return net, lambda: net.mean.item()
    if case == "an iterator moves":
        numbers = iter(range(1, 100))
        return (lambda x: x * next(numbers)), lambda: None
    if case == "NumPy draws":
        np.random.seed(0)
        return (lambda x: x * np.random.rand()), lambda: None
    if case == "a seed is set":
        return (lambda x: torch.manual_seed(3) and x + torch.rand(3)), lambda: torch.rand(1).item()
    if case == "a gradient is cleared":
        weight = torch.ones(3, requires_grad=True)

        def clears(x):
            weight.grad = None
            return (x * weight).sum()

        return clears, lambda: weight.grad
    if case == "data is looked at":
        return (lambda x: x * x.tolist()[1]), lambda: None
    if case == "a gradient inside":

        def inner(x):
            x = x.detach().requires_grad_()
            return torch.autograd.grad((x**3).sum(), x)[0]

        return inner, lambda: None
    assert case == "two arguments are one"

    def add(x):
        y = x.view(3)
        y.mul_(2)
        return x + y

    return add, lambda: None


EFFECTS = (
    "a list grows", "a tensor is kept", "a buffer is replaced", "an iterator moves", "NumPy draws", "a seed is set",
    "a gradient is cleared", "data is looked at", "a gradient inside", "two arguments are one",
)  # fmt: skip


@pytest.mark.parametrize("case", EFFECTS)
def test_effects_are_those_of_the_python_code(case):
    def outcome(compile):
        fn, shows = effects(case)
        fn = compile(fn)
        made = []
        for k in range(6):
            x = torch.arange(3.0) + k
            made.append((fn(x).tolist(), x.tolist(), shows()))
        return made

    assert outcome(torch.compile) == outcome(lambda fn: fn)


def test_aliases_among_arguments():
    def fn(x, y):
        x.mul_(2)
        return x + y

    compiled = torch.compile(fn)
    for _ in range(3):
        x = torch.ones(2)
        assert compiled(x, torch.ones(2)).tolist() == [3.0, 3.0]
        assert compiled(x, x).tolist() == [8.0, 8.0]
        assert compiled(x, x.view(2)).tolist() == [16.0, 16.0]


def test_custom_functions_keep_their_gradient():
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0] * 20

    compiled = torch.compile(lambda x: Square.apply(x).sum())
    for k in range(1, 5):
        x = torch.tensor([float(k)], requires_grad=True)
        compiled(x).backward()
        assert x.grad.item() == 20 * k


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
