"""The tutorial suite: its blocks are the tutorial's own bytes, and all of them run on jtorch."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from compat_suite import blocks

ROOT = Path(__file__).parent.parent


def test_the_tutorial_is_as_it_was_given():
    digest = hashlib.sha256(blocks.TUTORIAL.read_bytes()).hexdigest()
    assert digest == "0e29d404c4f5471f70e5491ae43d581d9899c450ff180cd754e86ab855ade237"


def test_blocks_are_the_tutorials_own_text():
    text = blocks.TUTORIAL.read_text()
    found = blocks.read()
    assert [block.number for block in found] == list(range(1, 27))
    assert "".join(block.source for block in found) == "".join(re.findall(r"^```python\n(.*?)^```", text, re.M | re.S))
    for block in found:
        assert "".join(text.splitlines(keepends=True)[block.line - 1 :]).startswith(block.source)
    assert found[0].title == "Tensors: The Foundation" and found[18].title == "Complete Training Loop"


def test_a_run_keeps_what_was_printed_and_every_assignment():
    source = "x = 1\nx = x + base\ndef f():\n    return x\nclass C:\n    y = f()\nprint(C.y)\nfor i in range(3): pass\n"
    module = ModuleType("somewhere")
    module.__dict__["base"] = 4
    run = blocks.execute(blocks.Block(1, "", source, 1), module)
    assert run.out == "5\n" and run["C"].__module__ == "somewhere"
    assert run.history["x"] == [1, 5] and run.history["i"] == [0, 1, 2]
    assert blocks.execute(blocks.Block(1, "", source, 1), module, watch=["i"]).history == {"i": [0, 1, 2]}


def test_its_first_section_compiles_nothing():
    script = """
import sys, types
import jax, jtorch
compiled = []
jax.monitoring.register_event_duration_secs_listener(lambda name, *_, **__: compiled.append(name))
jtorch.enable()
from compat_suite import blocks
from jtorch.engine import report
module = sys.modules["tutorial"] = types.ModuleType("tutorial")
for block in blocks.read():
    if block.title == "Autograd: Automatic Differentiation":
        break
    blocks.execute(block, module)
print(block.number - 1, report.counts(), [name for name in compiled if "compile" in name])
print(repr(jtorch.ones(3, requires_grad=True).exp()), report.counts())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()[-2:]
    assert first == "3 {'compiled': 0, 'hits': 0} []"
    assert "{'compiled': 1, 'hits': 0}" in second  # what is not on the host is seen here


def test_an_error_points_into_the_tutorial():
    with pytest.raises(ZeroDivisionError) as caught:
        blocks.execute(blocks.Block(1, "", "x = 1\nx / 0\n", 10), ModuleType("somewhere"))
    last = caught.traceback[-1]
    assert str(last.path) == str(blocks.TUTORIAL) and last.lineno + 1 == 11


def test_every_block_passes_on_jtorch(tmp_path):
    curve = tmp_path / "losses.json"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "compat_suite", "--curve", str(curve)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^26 of 26 blocks passed on jtorch ", done.stdout, re.M)
    assert curve.exists()
