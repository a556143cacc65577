"""Seeing what the engine does: counts, reasons with the user's line, new paths, the log, the warning."""

import subprocess
import sys
import warnings

import jax.numpy as jnp
import pytest

import jtorch as torch
from jtorch.engine import report


def big():
    return torch.from_jax(jnp.ones((300, 300), jnp.float32))


def test_counts():
    for _ in range(3):
        (big() * 2).sum().item()
    assert report.counts() == {"compiled": 1, "hits": 2}
    assert torch.report().startswith("programs compiled: 1 (") and "found again: 2" in torch.report()
    report.reset()
    assert report.counts() == {"compiled": 0, "hits": 0}


def test_reasons_name_the_users_line():
    (big() * 2).sum().item()
    (big() * 2).tolist()
    text = torch.report()
    assert "item()  at" in text and "tolist()  at" in text and "test_report.py" in text


def test_new_paths_are_told():
    (big() * 2).sum().item()
    (big() + 2).sum().item()
    text = torch.report()
    assert "paths that left the known one" in text and "got add" in text and "known there: mul" in text


def test_a_line_that_keeps_compiling_is_warned_of_once():
    with pytest.warns(
        report.RecompileWarning, match=r"test_report.py:\d+: 64 different programs .* path last changed at"
    ):
        for n in range(1, 70):
            big()[:n].sum().item()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(70, 80):
            big()[:n].sum(1).tolist()


def test_a_line_that_is_mostly_known_is_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(1, 66):
            for _ in range(3):
                big()[:, :n].sum().item()


def test_the_log(tmp_path):
    script = tmp_path / "program.py"
    script.write_text("import jtorch as t\nx = t.ones(300, 300)\nfor _ in range(2):\n    (x * 2).sum().item()\n")
    run = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        check=True,
        env={**__import__("os").environ, "JTORCH_LOG": "compile,flush"},
    )
    lines = [line for line in run.stderr.splitlines() if line.startswith("jtorch: flush")]
    assert len(lines) == 2 and "compiled 2 steps, 1 outputs" in lines[0] and "hit, 2 steps" in lines[1]
    assert all(f"{script}:4 (item())" in line for line in lines)
