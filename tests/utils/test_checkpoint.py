"""Checkpointing gives the gradients that plain calls give."""

import pytest

import jtorch
from jtorch.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential


def model():
    jtorch.manual_seed(0)
    nn = jtorch.nn
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 4), nn.Tanh())


WAYS = {
    "plain": lambda net, y: net(y),
    "reentrant": lambda net, y: checkpoint(net, y, use_reentrant=True),
    "arguments": lambda net, y: checkpoint(net, y, use_reentrant=False),
    "closure": lambda net, y: checkpoint(lambda: net(y), use_reentrant=False),
    "keyword": lambda net, y: checkpoint(lambda *, y: net(y), y=y, use_reentrant=False),
    "nested": lambda net, y: checkpoint(lambda d: {"out": net(d["y"])}, {"y": y}, use_reentrant=False)["out"],
    "twice": lambda net, y: checkpoint(lambda y: checkpoint(net, y, use_reentrant=False), y, use_reentrant=False),
    "sequential": lambda net, y: checkpoint_sequential(net, 2, y, use_reentrant=False),
    "sequential reentrant": lambda net, y: checkpoint_sequential(net, 2, y, use_reentrant=True),
}


def gradients(way, read, higher=False):
    net = model()
    net[0].weight.register_hook(lambda g: 2 * g)
    x = jtorch.linspace(-1, 1, 12).reshape(3, 4).requires_grad_(True)
    y = x * 2
    out = WAYS[way](net, y)
    after = jtorch.rand(1)
    loss = out.square().sum() + y.sum()
    if read:
        loss.item()
    if higher:
        first = jtorch.autograd.grad(loss, [x, *net.parameters()], create_graph=True)
        total = sum(g.square().sum() for g in first)
        return [*first, *jtorch.autograd.grad(total, [x, *net.parameters()])]
    loss.backward()
    return [out, after, x.grad, *[p.grad for p in net.parameters()]]


@pytest.mark.parametrize("read", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_gradients_are_the_same(way, read):
    for a, b in zip(gradients(way, read), gradients("plain", read), strict=True):
        assert jtorch.allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("way", ["arguments", "closure"])
def test_gradients_of_gradients_are_the_same(way):
    for a, b in zip(gradients(way, False, True), gradients("plain", False, True), strict=True):
        assert jtorch.allclose(a, b, atol=1e-5)


def test_the_function_runs_again_in_backward():
    calls = []

    def function(x):
        calls.append(jtorch.is_grad_enabled())
        return x.exp()

    x = jtorch.ones(2, requires_grad=True)
    out = checkpoint(function, x, use_reentrant=False)
    assert len(calls) == 1
    out.sum().backward()
    assert len(calls) == 2
    assert type(out.grad_fn).__name__ == "CheckpointBackward"


def test_without_gradients_it_is_a_plain_call():
    with jtorch.no_grad():
        assert checkpoint(lambda x: x + 1, jtorch.ones(1), use_reentrant=False).grad_fn is None
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True"):
        assert not checkpoint(model(), jtorch.ones(1, 4), use_reentrant=True).requires_grad


def test_a_function_that_changes_is_noticed():
    sizes = iter((2, 3))
    x = jtorch.ones(3, requires_grad=True)
    out = checkpoint(lambda x: x[: next(sizes)] * 2, x, use_reentrant=False)
    with pytest.raises(CheckpointError, match="different metadata"):
        out.sum().backward()


def test_arguments():
    x = jtorch.ones(2, requires_grad=True)
    with pytest.warns(UserWarning, match="use_reentrant parameter should be passed explicitly"):
        checkpoint(jtorch.exp, x)
    with pytest.raises(ValueError, match="Unexpected keyword arguments: y"):
        checkpoint(jtorch.exp, x, use_reentrant=True, y=1)
    with pytest.raises(ValueError, match="only supported when"):
        checkpoint(jtorch.exp, x, use_reentrant=True, debug=True)


def test_contexts_of_both_runs():
    seen = []

    class Noted:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            seen.append(self.name)

        def __exit__(self, *exc):
            pass

    x = jtorch.ones(2, requires_grad=True)
    out = checkpoint(jtorch.exp, x, use_reentrant=False, context_fn=lambda: (Noted("first"), Noted("second")))
    out.sum().backward()
    assert seen == ["first", "second"]


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("preserve", [False, True])
def test_random_numbers_are_drawn_again(preserve, reentrant):
    masks = []

    def function(x):
        masks.append(jtorch.nn.functional.dropout(jtorch.ones(64), 0.5))
        return x * masks[-1]

    jtorch.manual_seed(0)
    x = jtorch.ones(64, requires_grad=True)
    out = checkpoint(function, x, use_reentrant=reentrant, preserve_rng_state=preserve)
    state = jtorch.get_rng_state()
    out.sum().backward()
    first, second = masks
    assert jtorch.equal(first, second) is preserve and jtorch.equal(x.grad, second)
    assert jtorch.equal(jtorch.get_rng_state(), state) is preserve


@pytest.mark.parametrize("reentrant", [False, True])
def test_arguments_and_results_of_all_kinds(reentrant):
    def function(x, power, pair, frozen):
        return x**power, [pair[0] * frozen, "text"], 3

    x, y = (jtorch.tensor([2.0, 3.0], requires_grad=True) for _ in range(2))
    frozen = jtorch.tensor([5.0, 7.0])
    made = checkpoint(
        function, x, 3, (y, None) if not reentrant else (y.detach(), None), frozen, use_reentrant=reentrant
    )
    assert made[1][1] == "text" and made[2] == 3
    (made[0].sum() + made[1][0].sum()).backward()
    assert x.grad.tolist() == [12.0, 27.0] and frozen.grad is None
    assert y.grad is None if reentrant else y.grad.tolist() == [5.0, 7.0]


def test_parameters_alone_want_gradients_only_in_the_newer_way():
    layer, x = jtorch.nn.Linear(2, 1), jtorch.ones(1, 2)
    checkpoint(layer, x, use_reentrant=False).sum().backward()
    assert layer.weight.grad.tolist() == [[1.0, 1.0]]
    with pytest.warns(UserWarning, match="None of the inputs"):
        assert not checkpoint(layer, x, use_reentrant=True).requires_grad


def test_an_error_of_the_second_run_is_raised():
    runs = []

    def function(x):
        runs.append(0)
        if len(runs) > 1:
            raise ZeroDivisionError("again")
        return x * 2

    x = jtorch.ones(1, requires_grad=True)
    out = checkpoint(function, x, use_reentrant=False)
    with pytest.raises(ZeroDivisionError, match="again"):
        out.backward()


def test_training_goes_as_without():
    def train(way):
        net = model()
        optimizer = jtorch.optim.SGD(net.parameters(), 0.1)
        x = jtorch.linspace(-1, 1, 12).reshape(3, 4)
        for _ in range(4):
            optimizer.zero_grad()
            WAYS[way](net, x).square().sum().backward()
            optimizer.step()
        return net[0].weight

    assert jtorch.allclose(train("arguments"), train("plain"))
    assert jtorch.allclose(train("sequential"), train("plain"))
