"""SummaryWriter: what is in the event files it writes."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

import jtorch

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of protobuf


def events(folder: Path) -> list:
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    found = []
    for path in sorted(folder.glob("events*")):
        found += list(LegacyEventFileLoader(str(path)).Load())
    return [e for e in found if e.HasField("summary")]


def values(folder: Path) -> list:
    return [v for e in events(folder) for v in e.summary.value]


@pytest.fixture
def writer(tmp_path):
    from jtorch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path) as made:
        yield made


def test_scalars(writer, tmp_path):
    writer.add_scalar("loss", jtorch.tensor(1.5, requires_grad=True), 3)
    writer.add_scalar("new", 2, 1, new_style=True)
    writer.add_scalars("both", {"a": 1, "b": jtorch.tensor([2.0])}, 5)
    writer.close()
    found = events(tmp_path)
    assert [(e.step, e.summary.value[0].tag) for e in found] == [(3, "loss"), (1, "new")]
    assert found[0].summary.value[0].simple_value == 1.5
    assert list(found[1].summary.value[0].tensor.float_val) == [2.0]
    assert [values(tmp_path / f"both_{k}")[0].simple_value for k in "ab"] == [1.0, 2.0]
    with pytest.raises(AssertionError, match="one element"):
        writer.add_scalar("two", jtorch.ones(2))


def test_histogram(writer, tmp_path):
    writer.add_histogram("h", jtorch.arange(10.0), 1)
    writer.add_histogram("n", np.array([0.0, 1.0, 1.0]), bins=2)
    writer.flush()
    own, numpys = (v.histo for v in values(tmp_path))
    assert (own.min, own.max, own.num, own.sum, own.sum_squares) == (0, 9, 10, 45, 285)
    assert sum(own.bucket) == 10 and len(own.bucket) == len(own.bucket_limit)
    assert list(numpys.bucket) == [0, 1, 2] and list(numpys.bucket_limit) == [0, 0.5, 1]


def pixels(image) -> np.ndarray:
    """The picture in a PNG of one data part and plain lines."""
    png = image.encoded_image_string
    start = png.index(b"IDAT")
    (length,) = struct.unpack(">I", png[start - 4 : start])
    lines = np.frombuffer(zlib.decompress(png[start + 4 : start + 4 + length]), np.uint8)
    return lines.reshape(image.height, -1)[:, 1:].reshape(image.height, image.width, image.colorspace)


def test_images(writer, tmp_path):
    picture = jtorch.rand(3, 4, 5)
    writer.add_image("chw", picture, 1)
    writer.add_image("hw", np.eye(2, dtype=np.uint8) * 255, 1, dataformats="HW")
    writer.add_images("many", jtorch.ones(9, 1, 2, 3), 1)
    writer.flush()
    chw, hw, many = (v.image for v in values(tmp_path))
    assert np.array_equal(pixels(chw), (picture * 255).to(jtorch.uint8).permute(1, 2, 0).numpy())
    assert pixels(hw)[..., 0].tolist() == [[255, 0], [0, 255]]
    assert pixels(many).shape == (4, 24, 3) and pixels(many).sum() == 9 * 6 * 3 * 255
    with pytest.raises(AssertionError, match="different"):
        writer.add_image("wrong", jtorch.ones(4), 1)


def test_text_and_hparams(writer, tmp_path):
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    writer.add_text("note", "hello", 2)
    writer.add_hparams({"lr": 0.1, "bias": True, "name": "x"}, {"accuracy": 0.9}, run_name="run")
    writer.close()
    (text,) = values(tmp_path)
    assert text.tag == "note/text_summary" and list(text.tensor.string_val) == [b"hello"]
    *parts, metric = values(tmp_path / "run")
    assert metric.tag == "accuracy" and metric.simple_value == pytest.approx(0.9)
    start = HParamsPluginData.FromString(parts[1].metadata.plugin_data.content).session_start_info
    assert start.hparams["lr"].number_value == 0.1 and start.hparams["bias"].bool_value
    with pytest.raises(ValueError, match="should be one of"):
        writer.add_hparams({"a": []}, {})


def test_without_the_package():
    source = (
        "import sys; sys.modules['tensorboard'] = None\n"
        "try:\n    import jtorch.utils.tensorboard\n"
        "except ImportError as error:\n    print(error)"
    )
    shown = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert "pip install 'jtorch-jax[tensorboard]'" in shown.stdout
