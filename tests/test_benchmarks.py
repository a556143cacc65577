"""The benchmarks compare like with like: jtorch's and the hand-written programs learn alike."""

import dataclasses

import pytest

from benchmarks import by_hand, data
from benchmarks.weights import shapes
from benchmarks.workloads import WORKLOADS, Workload
from jtorch import alias


@pytest.fixture(scope="module")
def programs():
    already = alias.is_enabled()
    alias.enable()
    from benchmarks import programs

    yield programs
    if not already:
        alias.disable()


def small(name: str) -> Workload:
    load = WORKLOADS[name]
    return load if load.gpt is None else dataclasses.replace(load, gpt=dataclasses.replace(load.gpt, layers=1))


@pytest.mark.parametrize("name", ["mlp", "cnn", "lstm", "gpt", "resnet50"])
def test_weights_have_the_same_names_and_shapes(programs, name):
    state = programs._model(small(name)).state_dict()
    ours = {n: tuple(t.shape) for n, t in state.items() if n != "head.weight" and not n.endswith("num_batches_tracked")}
    assert ours == shapes(small(name))


@pytest.mark.parametrize("name", ["mlp", "lstm", "gpt"])
def test_programs_agree(programs, name):
    ours, theirs = programs.build(small(name), "cpu"), by_hand.build(small(name))
    theirs.load({n: t.detach().numpy() for n, t in ours.model.state_dict().items()})
    assert ours.run(10) == pytest.approx(theirs.run(10), rel=1e-4)


@pytest.mark.parametrize("case", data.CASES)
def test_data_is_loaded(case):
    worker = data.Worker("jtorch", case, 130)
    try:
        assert worker.run() > 0 and "jtorch" in worker.version
    finally:
        worker.close()
    assert worker.process.returncode == 0  # it asserts that it has seen every sample
