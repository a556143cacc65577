"""The tutorial on both backends: every block passes, and the training loop follows the same losses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def losses(backend: str, folder: Path) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-m", "compat_suite", "--backend", backend, "--curve", "losses.json"],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"26 of 26 blocks passed on {backend} " in done.stdout
    return json.loads((folder / "losses.json").read_text())["losses"]


def test_the_same_seed_gives_the_same_loss_curve(tmp_path):
    ours, theirs = losses("jtorch", tmp_path), losses("torch", tmp_path)
    assert len(ours) == len(theirs) == 230
    assert ours[:100] == pytest.approx(theirs[:100], rel=1e-3)
