"""How many programs ordinary training loops compile: a fixed small number, and none once they are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jtorch as torch
from jtorch import nn
from jtorch.engine import program, report, trace
from jtorch.utils.data import DataLoader, TensorDataset


@pytest.fixture(autouse=True)
def _counted():
    report.reset()


def compiled():
    """Programs compiled since the last call."""
    n = report.counts()["compiled"]
    report.reset()
    return n


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 24), nn.ReLU(), nn.Dropout(0.2), nn.Linear(24, 10))


def epoch(model, loader, criterion, optimizer):
    """The tutorial's training loop, with its running loss and accuracy."""
    model.train()
    running, correct, total = 0.0, 0, 0
    for images, labels in loader:
        optimizer.zero_grad()
        outputs = model(images)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        running += loss.item()
        _, predicted = torch.max(outputs.data, 1)
        total += labels.size(0)
        correct += (predicted == labels).sum().item()
    return running / len(loader), correct / total


def validate(model, loader, criterion):
    """The tutorial's validation loop."""
    model.eval()
    running, correct, total = 0.0, 0, 0
    with torch.no_grad():
        for images, labels in loader:
            outputs = model(images)
            running += criterion(outputs, labels).item()
            _, predicted = torch.max(outputs, 1)
            total += labels.size(0)
            correct += (predicted == labels).sum().item()
    return running / len(loader), correct / total


def test_the_tutorials_loop():
    """A step for full batches and one for the last, and the same two for validation; nothing in the second epoch."""
    torch.manual_seed(0)
    data = TensorDataset(torch.randn(70, 1, 6, 6), torch.randint(0, 10, (70,)))
    train_loader, val_loader = DataLoader(data, 16, shuffle=True), DataLoader(data, 16)
    model, criterion = network(), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    epoch(model, train_loader, criterion, optimizer)
    validate(model, val_loader, criterion)
    scheduler.step()
    assert compiled() <= 4
    for _ in range(2):
        epoch(model, train_loader, criterion, optimizer)
        validate(model, val_loader, criterion)
        scheduler.step()
    assert compiled() == 0


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_the_first_step_is_the_later_ones(name):
    model = network()
    optimizer = getattr(torch.optim, name)(model.parameters(), lr=0.01)
    x, y = torch.randn(8, 36), torch.randint(0, 10, (8,))
    for _ in range(4):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    assert compiled() == 1


def test_micro_batches_do_not_pile_up():
    """Eight backward passes before a step are programs of one, not one of eight times the size."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batches = [(torch.randn(8, 36), torch.randint(0, 10, (8,))) for _ in range(8)]
    sizes = []
    before = set(map(id, program._recent.values()))
    for _ in range(3):
        optimizer.zero_grad()
        for x, y in batches:
            (nn.functional.cross_entropy(model(x), y) / 8).backward()
        optimizer.step()
    sizes = [p.steps for p in program._recent.values() if id(p) not in before]
    assert compiled() <= 4
    assert max(sizes) <= 3 * min(s for s in sizes if s > 8)


def test_numbers_that_change():
    """A learning rate, a schedule, a Python float and a loss weight compile nothing new once they were seen to vary."""
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=40)
    x, y = torch.randn(8, 36), torch.randint(0, 10, (8,))

    def step(weight):
        optimizer.zero_grad()
        (nn.functional.cross_entropy(model(x), y) * weight).backward()
        optimizer.step()
        schedule.step()

    for k in range(3):
        step(0.5 + k)
    compiled()
    for k in range(20):
        step(0.1 * k + 0.05)
    for group in optimizer.param_groups:
        group["lr"] = 0.3
    step(7.0)
    assert compiled() == 0


def test_a_long_loop_without_a_look_stays_bounded():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = torch.randn(8, 36), torch.randint(0, 10, (8,))
    total = torch.zeros(())
    for _ in range(2000):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        total = total + loss.detach()
        assert sum(len(tr.values) for tr in trace.state().traces.values()) < 200
    assert np.isfinite(total.item())
    assert compiled() <= 4


def test_a_chain_that_nothing_looks_at_is_cut():
    x = torch.ones(300, 300)
    for _ in range(4000):
        x = x * 1.0001
    assert sum(len(tr.values) for tr in trace.state().traces.values()) < 2000
    np.testing.assert_allclose(x[0, 0].item(), 1.0001**4000, rtol=1e-3)


def test_what_a_program_makes_is_no_constant_of_it(monkeypatch):
    """Operators are lowered where JAX traces all they do: an iota made at once would be data inside the program."""
    seen = []
    lower = program.lower

    def watched(*args):
        run = lower(*args)

        def look(*arrays):
            seen.append(isinstance(jnp.zeros(3), jax.core.Tracer))
            return run(*arrays)

        return look

    monkeypatch.setattr(program, "lower", watched)
    assert (torch.ones(300, 300) * 2).sum().item() == 180_000
    assert seen == [True]
