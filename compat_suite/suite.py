"""Runs the tutorial's blocks in order, in one namespace, and reports on each."""

import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from types import ModuleType

import torch

from compat_suite import blocks, expect_basics, expect_models  # noqa: F401 (they fill the table)
from compat_suite.contexts import CONTEXTS
from compat_suite.expectations import EXPECTATIONS

# In the training loop only numbers are kept: keeping its tensors alive would change what it measures.
WATCH = {19: ("train_loss", "train_acc")}
TRAINING = 19


def run(backend: str, curve: Path | None = None) -> int:
    """Run every block, print a line for each and a total, and return how many failed.

    ``curve`` names a JSON file for the losses of the training loop, step by step.
    """
    module = ModuleType("tutorial")
    sys.modules["tutorial"] = module  # where torch.save and torch.load look for the tutorial's classes
    tutorial, failed, began = blocks.read(), 0, time.perf_counter()
    where = os.getcwd()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)  # the tutorial writes its files where it runs
        try:
            for block in tutorial:
                start = time.perf_counter()
                trace = ""
                try:
                    done, note = _run(block, module)
                except Exception as error:
                    failed += 1
                    verdict, note = "FAIL", f"{type(error).__name__}: {error}".splitlines()[0]
                    trace = traceback.format_exc()
                else:
                    verdict = "ok"
                    if block.number == TRAINING and curve is not None:
                        _write_curve(Path(where) / curve, backend, done)
                seconds = time.perf_counter() - start
                line = f"{block.number:>2}  {block.title:<38} {verdict:<4} {seconds:7.2f} s  {note}"
                print(line.rstrip(), trace, sep="\n" if trace else "", flush=True)
        finally:
            os.chdir(where)
    passed = len(tutorial) - failed
    seconds = time.perf_counter() - began
    print(f"{passed} of {len(tutorial)} blocks passed on {backend} {torch.__version__} in {seconds:.1f} s")
    return failed


def _run(block: blocks.Block, module: ModuleType) -> tuple[blocks.Run, str]:
    torch.manual_seed(block.number)
    if context := CONTEXTS.get(block.number):
        context(module.__dict__)
    done = blocks.execute(block, module, WATCH.get(block.number))
    return done, EXPECTATIONS[block.number](done) or ""


def _write_curve(path: Path, backend: str, done: blocks.Run) -> None:
    path.write_text(json.dumps({"backend": backend, "losses": expect_models.step_losses(done)}))
