"""Every example runs under ``python -m jtorch`` and writes what it says it writes; each asserts its own result."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WRITES = {
    "mnist_mlp": ["mnist_mlp.png", "mnist_mlp.pth"],
    "cifar_cnn": ["cifar_cnn_filters.png"],
    "char_gpt": ["char_gpt.txt"],
    "lstm_classifier": ["lstm_classifier.png"],
    "vae": ["vae_rebuilt.png", "vae_drawn.png"],
    "dcgan": ["dcgan.png"],
    "pinn": ["pinn.png"],
    "per_sample_gradients": ["per_sample_gradients.png"],
    "pure_function": ["pure_function.png"],
}


def test_every_example_is_listed():
    assert {p.stem for p in (ROOT / "examples").glob("[!_]*.py")} == set(WRITES)


@pytest.mark.parametrize("name", WRITES)
def test_example(name, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "jtorch", str(ROOT / "examples" / f"{name}.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for file in WRITES[name]:
        assert (tmp_path / file).stat().st_size > 0
