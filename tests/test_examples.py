"""Every example runs under ``python -m jtorch`` and writes what it says; a whole run asserts its own result, too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WRITES = {
    "mnist_mlp": (2, ["mnist_mlp.png", "mnist_mlp.pth"]),
    "cifar_cnn": (1, ["cifar_cnn_filters.png"]),
    "char_gpt": (20, ["char_gpt.txt"]),
    "lstm_classifier": (2, ["lstm_classifier.png"]),
    "vae": (2, ["vae_rebuilt.png", "vae_drawn.png"]),
    "dcgan": (1, ["dcgan.png"]),
    "pinn": (50, ["pinn.png"]),
    "per_sample_gradients": (1, ["per_sample_gradients.png"]),
    "pure_function": (50, ["pure_function.png"]),
}
"""How many rounds to train, and the files that come of it."""


def test_every_example_is_listed():
    assert {p.stem for p in (ROOT / "examples").glob("[!_]*.py")} == set(WRITES)


@pytest.mark.parametrize("name", WRITES)
def test_example(name, tmp_path):
    rounds, files = WRITES[name]
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-m",
            "jtorch",
            str(ROOT / "examples" / f"{name}.py"),
            str(tmp_path),
            str(rounds),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for file in files:
        assert (tmp_path / file).stat().st_size > 0
