"""``python -m jtorch coverage``: its counts, and that none of them falls."""

import pytest

from jtorch import cli, coverage
from jtorch.absent import Absent
from jtorch.coverage.scope import LEFT_OUT, why_not

# namespace -> how many of torch's names jtorch has at least
FLOORS = {
    "torch": 657, "torch.Tensor": 556, "torch.nn": 169, "torch.nn.functional": 129, "torch.nn.init": 26,
    "torch.nn.modules": 163, "torch.nn.parameter": 6, "torch.nn.parallel": 2, "torch.nn.attention": 2,
    "torch.nn.attention.flex_attention": 10,
    "torch.nn.attention.bias": 4, "torch.nn.utils": 22, "torch.nn.utils.rnn": 8, "torch.nn.utils.parametrize": 7,
    "torch.nn.utils.parametrizations": 3, "torch.nn.utils.prune": 17, "torch.nn.utils.stateless": 1,
    "torch.optim": 17, "torch.optim.lr_scheduler": 16, "torch.optim.swa_utils": 7, "torch.utils.data": 19,
    "torch.utils.checkpoint": 5, "torch.utils.dlpack": 1, "torch.utils.hooks": 1, "torch.utils.tensorboard": 1,
    "torch.linalg": 42, "torch.fft": 18, "torch.special": 56, "torch.signal.windows": 11, "torch.masked": 19,
    "torch.autograd": 15, "torch.autograd.functional": 6, "torch.autograd.forward_ad": 6, "torch.autograd.graph": 8,
    "torch.autograd.profiler": 1, "torch.func": 13, "torch.distributions": 67, "torch.distributions.constraints": 32,
    "torch.distributions.transforms": 20, "torch.amp": 5, "torch.random": 7, "torch.serialization": 12,
    "torch.storage": 2, "torch.types": 4, "torch.return_types": 33, "torch.testing": 3, "torch.overrides": 5,
    "torch.compiler": 9, "torch.jit": 13, "torch.profiler": 7, "torch.accelerator": 13, "torch.cpu": 11,
    "torch.cuda": 60, "torch.cuda.amp": 5, "torch.cuda.random": 9, "torch.cuda.memory": 9, "torch.cuda.nvtx": 6,
    "torch.mps": 2, "torch.xpu": 2, "torch.distributed": 10, "torch.backends.cuda": 12, "torch.backends.cudnn": 8,
    "torch.backends.mkl": 1, "torch.backends.mkldnn": 1, "torch.backends.mps": 2, "torch.backends.openmp": 1,
    "torch.backends.opt_einsum": 1, "torch.version": 7, "torch.__config__": 2, "torch.library": 2,
}  # fmt: skip


@pytest.mark.parametrize("namespace", coverage.recorded()["names"])
def test_the_count_does_not_fall(namespace):
    found = coverage.count(namespace)
    names = coverage.recorded()["names"][namespace]
    assert sorted([*found.present, *found.missing, *found.left_out]) == names and found.total == len(names)
    assert len(found.present) >= FLOORS.get(namespace, 0)


def test_every_namespace_has_a_floor():
    names = coverage.recorded()["names"]
    assert set(FLOORS) <= set(names)
    assert all(namespace in FLOORS for namespace in names if coverage.count(namespace).present)


@pytest.mark.parametrize("reason", LEFT_OUT)
def test_what_is_left_out_is_torchs_and_not_here(reason):
    for namespace, patterns in LEFT_OUT[reason].items():
        lacking = coverage.count(namespace)
        assert reason in lacking.left_out.values(), f"nothing of {namespace} is left out for: {patterns}"


def test_reasons():
    assert why_not("torch", "quantize_per_tensor") == "quantised tensors"
    assert why_not("torch", "add") is None and why_not("torch.nn", "quantize_per_tensor") is None


def test_absent_functions_do_not_count():
    gone = Absent("cuda.thing()", "there is none")
    with pytest.raises(NotImplementedError, match=r"jtorch: cuda\.thing\(\); there is none"):
        gone(1, a=2)
    assert gone.__name__ == "thing" and repr(gone) == "<function thing, absent>"
    assert "reset_peak_memory_stats" not in coverage.count("torch.cuda").present


def test_report(capsys):
    assert cli.main(["coverage", "torch.linalg"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["namespace", "present", "missing", "left", "out", "of", "torch", "2.13.0's"]
    assert row.split() == ["torch.linalg", "42", "0", "0", "42"]
    assert cli.main(["coverage", "torch.testing", "torch.fft", "--missing"]) == 0
    table, *below = capsys.readouterr().out.split("\n\n")
    rows = [line.split() for line in table.splitlines()[1:]]
    assert [r[0] for r in rows] == ["torch.testing", "torch.fft", "all"]
    assert [int(n) for n in rows[2][1:]] == [int(a) + int(b) for a, b in zip(rows[0][1:], rows[1][1:], strict=True)]
    assert "left out of torch.testing (the compiler of TorchScript, its types and graphs): FileCheck\n" in "".join(
        f"{text}\n" for text in below
    )


def test_everything_is_reported(capsys):
    assert cli.main(["coverage"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == len(coverage.recorded()["names"]) + 2 and rows[-1].startswith("all ")


def test_an_unknown_namespace(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["coverage", "torch.nothing"])
    assert stop.value.code == 2 and "no names are recorded for torch.nothing" in capsys.readouterr().err
    with pytest.raises(KeyError):
        coverage.count("torch.nothing")
