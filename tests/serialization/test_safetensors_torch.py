"""The safetensors package's own functions for torch, under ``python -m jtorch``: they read memory at data_ptr()."""

import subprocess
import sys

SCRIPT = """
import sys, torch
from safetensors.torch import load_file, save_file
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
model(torch.randn(4, 3)).sum().backward()
torch.optim.SGD(model.parameters(), lr=0.1).step()
half = {"half": torch.arange(4).to(torch.bfloat16), "part": torch.arange(6.0).reshape(2, 3)[1].clone()}
save_file({**model.state_dict(), **half}, sys.argv[1])
read = load_file(sys.argv[1])
assert all(torch.equal(read[k], v) and read[k].dtype is v.dtype for k, v in {**model.state_dict(), **half}.items())
model.load_state_dict({k: v for k, v in read.items() if k not in half})
print("same", len(read))
"""


def test_save_file_and_load_file(tmp_path):
    command = [sys.executable, "-m", "jtorch", "-c", SCRIPT, str(tmp_path / "a.safetensors")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "same 9\n"
