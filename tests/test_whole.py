"""jtorch.jit: a whole step as one program gives what the loop gives, whatever happens between its calls."""

import pytest

import jtorch as torch
from jtorch import nn, whole
from jtorch.engine import report
from jtorch.nn import functional as F


@pytest.fixture
def replays(monkeypatch):
    """Counts the calls that run no Python code of the step."""
    seen = []
    run = whole._Known._run
    monkeypatch.setattr(whole._Known, "_run", lambda *args: seen.append(1) or run(*args))
    return seen


def network():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 3))


def batches(n, size=4):
    rng = torch.Generator().manual_seed(1)
    return [(torch.randn(size, 5, generator=rng), torch.randint(0, 3, (size,), generator=rng)) for _ in range(n)]


def make(optimizer, **options):
    model = network()
    opt = optimizer(model.parameters(), **options)

    def step(x, y):
        opt.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        opt.step()
        return loss

    return model, opt, step


def same(one, other):
    assert len(one) == len(other)
    for a, b in zip(one.values(), other.values(), strict=True):
        assert torch.equal(a, b)


OPTIMIZERS = [
    (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    (torch.optim.Adam, {"lr": 0.01}),
    (torch.optim.AdamW, {"lr": 0.01, "amsgrad": True}),
    (torch.optim.RMSprop, {"lr": 0.01}),
]


@pytest.mark.parametrize(("optimizer", "options"), OPTIMIZERS, ids=lambda x: getattr(x, "__name__", ""))
def test_it_trains_as_the_loop_does(replays, optimizer, options):
    data = batches(9)
    model, opt, step = make(optimizer, **options)
    want = [step(x, y).item() for x, y in data]
    other, other_opt, other_step = make(optimizer, **options)
    jitted = torch.jit(other_step)
    got = [jitted(x, y) for x, y in data]
    assert len(replays) == 6  # the first makes the state, and two must have done the same
    assert [loss.item() for loss in got] == want
    same(model.state_dict(), other.state_dict())
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(p.grad, q.grad) and q.requires_grad and q.is_leaf
        assert p._version == q._version
        same(opt.state[p], other_opt.state[q])
    assert got[-1].requires_grad and got[-1].grad_fn is not None
    with pytest.raises(RuntimeError, match="second time"):
        got[-1].backward()


def test_it_compiles_once_and_donates():
    data = batches(8)
    model, _, step = make(torch.optim.Adam)
    jitted = torch.jit(step)
    for x, y in data[:3]:
        jitted(x, y)
    report.reset()
    places = [jitted(x, y) and model[0].weight._v.array.unsafe_buffer_pointer() for x, y in data[3:]]
    assert report.counts() == {"compiled": 0, "hits": 5}
    assert len(set(places)) < 5  # the buffers go round


def test_a_schedule_is_followed(replays):
    data = batches(10)
    runs = []
    for wrap in (lambda f: f, torch.jit):
        model, opt, step = make(torch.optim.SGD, lr=0.5)
        step = wrap(step)
        for i, (x, y) in enumerate(data):
            opt.param_groups[0]["lr"] = 0.5 / (i + 1)
            step(x, y)
        runs.append(model.state_dict())
    same(*runs)
    assert len(replays) == 7


def test_gradients_that_accumulate(replays):
    data = batches(7)
    runs = []
    for wrap in (lambda f: f, torch.jit):
        model, opt, _ = make(torch.optim.SGD, lr=0.5)

        def step(x, y, model=model, opt=opt):
            F.cross_entropy(model(x), y).backward()
            opt.step()

        step = wrap(step)
        for x, y in data:
            step(x, y)
        runs.append({**model.state_dict(), **{n: p.grad for n, p in model.named_parameters()}})
    same(*runs)
    assert len(replays) >= 4


def test_several_backward_passes_are_one_program(replays):
    data = batches(5, 8)
    runs = []
    for wrap in (lambda f: f, torch.jit):
        model, opt, _ = make(torch.optim.SGD, lr=0.5)

        def step(x, y, model=model, opt=opt):
            opt.zero_grad()
            for part, wanted in zip(x.chunk(4), y.chunk(4), strict=True):
                (F.cross_entropy(model(part), wanted) / 4).backward()
            opt.step()

        step = wrap(step)
        step(*data[0])
        report.reset()
        step(*data[1])
        flushes = report.counts()
        for x, y in data[2:]:
            step(x, y)
        runs.append(model.state_dict())
    for a, b in zip(*(run.values() for run in runs), strict=True):
        torch.testing.assert_close(a, b)
    assert sum(flushes.values()) == 1 and len(replays) == 2


def test_what_happens_between_calls_counts(replays):
    data = batches(14)
    runs = []
    for wrap in (lambda f: f, torch.jit):
        model, opt, step = make(torch.optim.Adam, lr=0.05)
        step, seen = wrap(step), []
        kept = None
        for i, (x, y) in enumerate(data):
            if i == 5:
                with torch.no_grad():
                    model[0].weight.mul_(0.5)
                kept = model[3].weight.detach()  # shares the storage that the next steps write to
            if i == 7:
                model[2].p = 0.0
            if i == 9:
                model.eval()
            if i == 11:
                model[0].weight.register_hook(lambda g, seen=seen: seen.append(g.sum()))
            if i == 12:
                model.load_state_dict({k: v + 1 for k, v in model.state_dict().items()})
            step(x, y)
        runs.append({**model.state_dict(), "kept": kept, "seen": torch.stack(seen)})
    same(*runs)
    assert len(runs[0]["seen"]) == 3 and replays


def test_shapes_are_kinds_of_their_own(replays):
    runs = []
    for wrap in (lambda f: f, torch.jit):
        _, _, step = make(torch.optim.SGD, lr=0.1)
        step = wrap(step)
        runs.append([step(*batches(1, size)[0]).item() for size in (4, 4, 4, 4, 6, 6, 6, 4)])
    assert runs[0] == runs[1] and len(replays) == 3


def test_what_it_cannot_do_again_runs_each_time(replays):
    calls = []
    _, _, step = make(torch.optim.SGD, lr=0.1)

    def noted(x, y):
        calls.append(float(len(calls)))
        return step(x, y)

    jitted = torch.jit(noted)
    for x, y in batches(12):
        jitted(x, y)
    assert len(calls) == 12 and not replays


def test_data_in_between_is_an_error():
    @torch.jit
    def step(x):
        return (x * 2).sum().item()

    with pytest.raises(RuntimeError, match=r"jtorch.jit: .*step needs the data in between \(.*test_whole.py:\d+\)"):
        step(torch.ones(3))


def test_torch_compile_takes_a_whole_step(replays):
    data = batches(9)
    for fullgraph in (False, True):
        replays.clear()
        model, _, step = make(torch.optim.Adam)
        want = [step(x, y).item() for x, y in data]
        other, _, step = make(torch.optim.Adam)
        compiled = torch.compile(step, fullgraph=fullgraph)
        assert [compiled(x, y).item() for x, y in data] == want
        same(model.state_dict(), other.state_dict())
        assert len(replays) >= 5


def test_torch_compile_of_a_step_that_looks():
    runs = []
    for wrap in (lambda f: f, torch.compile):
        model, _, step = make(torch.optim.SGD, lr=0.1)
        looking = wrap(lambda x, y, step=step: step(x, y).item())
        runs.append([looking(x, y) for x, y in batches(12)])
    assert runs[0] == runs[1]
