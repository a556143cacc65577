"""torch.utils.tensorboard: writes what TensorBoard shows, by the package of that name (``jtorch-jax[tensorboard]``)."""

import os
import socket
import struct
import time
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np

from jtorch.tensor.tensor import Tensor

try:
    from tensorboard.compat.proto import event_pb2, summary_pb2
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
except ImportError as error:
    raise ImportError(
        "jtorch: torch.utils.tensorboard writes by the tensorboard package: pip install 'jtorch-jax[tensorboard]'"
    ) from error

__all__ = ["SummaryWriter"]

_GROWTH = [1e-12 * 1.1**i for i in range(774) if 1e-12 * 1.1**i < 1e20]
_BUCKETS = [-x for x in reversed(_GROWTH)] + [0.0] + _GROWTH  # TensorBoard's own
_DOUBLE, _BOOL, _STRING = 3, 2, 1  # hparams' kinds of values


def _array(x: Any) -> np.ndarray:
    if not isinstance(x, Tensor):
        return np.asarray(x)
    narrow = x.dtype.is_floating_point and x.dtype.itemsize < 4
    return (x.float() if narrow else x).numpy(force=True)  # type: ignore[attr-defined]


def _number(x: Any) -> float:
    found = _array(x)
    if found.size != 1:
        raise AssertionError(
            f"Tensor should contain one element (0 dimensions). Was given size: {found.size} and {found.ndim} "
            "dimensions."
        )
    return float(found.reshape(()))


class SummaryWriter:
    """Writes event files into ``log_dir`` (``runs/<time>_<host><comment>`` by default), at once or as they fill."""

    def __init__(
        self,
        log_dir: Any = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
    ) -> None:
        if log_dir is None:
            now = datetime.now().strftime("%b%d_%H-%M-%S")
            log_dir = os.path.join("runs", f"{now}_{socket.gethostname()}{comment}")
        self.log_dir = str(log_dir)
        self.purge_step, self.max_queue, self.flush_secs = purge_step, max_queue, flush_secs
        self.filename_suffix = filename_suffix
        self._writers: dict[str, EventFileWriter] = {}
        self._writer(self.log_dir)
        if purge_step is not None:  # what an earlier run wrote from this step on is not shown
            start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            self._writer(self.log_dir).add_event(
                event_pb2.Event(wall_time=time.time(), step=purge_step, session_log=start)
            )

    def _writer(self, folder: str) -> Any:
        if folder not in self._writers:
            self._writers[folder] = EventFileWriter(folder, self.max_queue, self.flush_secs, self.filename_suffix)
        return self._writers[folder]

    def _add(self, step: int | None, walltime: float | None, folder: str | None = None, **value: Any) -> None:
        event = event_pb2.Event(
            wall_time=time.time() if walltime is None else walltime,
            summary=summary_pb2.Summary(value=[summary_pb2.Summary.Value(**value)]),
        )
        if step is not None:
            event.step = int(step)
        self._writer(folder or self.log_dir).add_event(event)

    def get_logdir(self) -> str:
        """The folder of the event files."""
        return self.log_dir

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """A number; raises AssertionError for more than one."""
        number = _number(scalar_value)
        if not new_style:
            self._add(global_step, walltime, tag=tag, simple_value=number)
            return
        proto = TensorProto(double_val=[number], dtype="DT_DOUBLE") if double_precision else (
            TensorProto(float_val=[number], dtype="DT_FLOAT")
        )  # fmt: skip
        self._add(global_step, walltime, tag=tag, tensor=proto, metadata=_metadata("scalars"))

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Numbers in one chart: each goes to a file in a folder of its own."""
        now = time.time() if walltime is None else walltime
        for tag, number in tag_scalar_dict.items():
            folder = os.path.join(self.log_dir, f"{main_tag.replace('/', '_')}_{tag}")
            self._add(global_step, now, folder, tag=main_tag, simple_value=_number(number))

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: int | None = None,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """How often values lie where; ``bins`` are TensorBoard's, or as numpy.histogram takes them.

        Raises ValueError where there are no values.
        """
        found = _array(values).reshape(-1).astype(np.float64)
        if not found.size:
            raise ValueError("The input has no element.")
        edges: Any = _BUCKETS if isinstance(bins, str) and bins == "tensorflow" else bins
        counts, limits = np.histogram(found, bins=edges)
        filled = np.flatnonzero(counts)
        first, last = int(filled[0]), int(filled[-1]) + 1
        histogram = summary_pb2.HistogramProto(
            min=found.min(), max=found.max(), num=found.size, sum=found.sum(), sum_squares=found.dot(found),
            bucket_limit=limits[first : last + 1].tolist(), bucket=[0, *counts[first:last].tolist()],
        )  # fmt: skip
        self._add(global_step, walltime, tag=tag, histo=histogram)

    def add_text(
        self, tag: str, text_string: str, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """A text, which TensorBoard reads as Markdown."""
        shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
        proto = TensorProto(dtype="DT_STRING", string_val=[text_string.encode()], tensor_shape=shape)
        self._add(global_step, walltime, tag=f"{tag}/text_summary", tensor=proto, metadata=_metadata("text"))

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """A picture: floats from 0 to 1, or uint8, its dimensions in the order of ``dataformats``."""
        self._add(global_step, walltime, tag=tag, image=_image(_array(img_tensor), dataformats.upper()))

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Pictures, side by side in rows of eight."""
        found, order = _array(img_tensor), dataformats.upper()
        batch = np.moveaxis(found, order.index("N"), 0)
        pictures = [_channels_last(each, order.replace("N", "")) for each in batch]
        blank = np.zeros_like(pictures[0])
        rows = [pictures[i : i + 8] for i in range(0, len(pictures), 8)]
        width = max(map(len, rows))
        grid = np.concatenate([np.concatenate(row + [blank] * (width - len(row)), 1) for row in rows], 0)
        self._add(global_step, walltime, tag=tag, image=_image(grid, "HWC"))

    def add_hparams(
        self,
        hparam_dict: Mapping[str, Any],
        metric_dict: Mapping[str, Any],
        hparam_domain_discrete: Mapping[str, list] | None = None,
        run_name: str | None = None,
        global_step: int | None = None,
    ) -> None:
        """The hyperparameters of a run and the metrics it reached, in a folder of its own.

        Raises ValueError for a hyperparameter that is no bool, number or text.
        """
        folder = os.path.join(self.log_dir, run_name or str(time.time()))
        kinds, start = [], plugin_data_pb2.SessionStartInfo()
        for name, value in hparam_dict.items():
            kind, field = _hparam(value)
            setattr(start.hparams[name], field, float(value) if kind == _DOUBLE else value)
            kinds.append(api_pb2.HParamInfo(name=name, type=kind))
            for choice in (hparam_domain_discrete or {}).get(name, ()):
                setattr(kinds[-1].domain_discrete.values.add(), field, choice)
        metrics = [
            api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag)) for tag in metric_dict
        ]  # fmt: skip
        end = plugin_data_pb2.SessionEndInfo(status=1)
        for tag, data in (
            ("experiment", {"experiment": api_pb2.Experiment(hparam_infos=kinds, metric_infos=metrics)}),
            ("session_start_info", {"session_start_info": start}),
            ("session_end_info", {"session_end_info": end}),
        ):
            content = plugin_data_pb2.HParamsPluginData(version=0, **data).SerializeToString()
            self._add(None, None, folder, tag=f"_hparams_/{tag}", metadata=_metadata("hparams", content))
        for tag, number in metric_dict.items():
            self._add(global_step, None, folder, tag=tag, simple_value=_number(number))
        self._writers.pop(folder).close()

    def add_figure(
        self, tag: str, figure: Any, global_step: int | None = None, close: bool = True, walltime: float | None = None
    ) -> None:
        """A Matplotlib figure, or a list of them, as a picture."""
        from matplotlib import pyplot
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        pictures = []
        for each in figure if isinstance(figure, list) else [figure]:
            canvas = FigureCanvasAgg(each)
            canvas.draw()
            pictures.append(np.asarray(canvas.buffer_rgba())[..., :3])
            if close:
                pyplot.close(each)
        self.add_images(tag, np.stack(pictures), global_step, walltime, "NHWC")

    def flush(self) -> None:
        """Write what is waiting."""
        for writer in self._writers.values():
            writer.flush()

    def close(self) -> None:
        """Write what is waiting and close the files; a later call opens new ones."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def __enter__(self) -> "SummaryWriter":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _metadata(plugin: str, content: bytes = b"") -> Any:
    data = summary_pb2.SummaryMetadata.PluginData(plugin_name=plugin, content=content)
    return summary_pb2.SummaryMetadata(plugin_data=data)


def _hparam(value: Any) -> tuple[int, str]:
    """The kind of a hyperparameter, and the field of its value."""
    if isinstance(value, bool):
        return _BOOL, "bool_value"
    if isinstance(value, str):
        return _STRING, "string_value"
    if isinstance(value, (int, float, np.number, Tensor)):
        return _DOUBLE, "number_value"
    raise ValueError("value should be one of int, float, str, bool, or torch.Tensor")


def _channels_last(picture: np.ndarray, order: str) -> np.ndarray:
    if sorted(order) not in (["H", "W"], ["C", "H", "W"]) or len(order) != picture.ndim:
        raise AssertionError(f"size of input tensor and input format are different: {picture.shape}, {order}")
    return picture[..., None] if order == "HW" else np.transpose(picture, [order.index(d) for d in "HWC"])


def _image(picture: np.ndarray, order: str) -> Any:
    """A picture as TensorBoard stores it: as PNG."""
    pixels = _channels_last(picture, order)
    if pixels.dtype != np.uint8:
        pixels = np.clip(pixels * 255.0, 0, 255).astype(np.uint8)
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    height, width, channels = pixels.shape
    kind = {3: 2, 4: 6}[channels]  # PNG's numbers for RGB and RGBA
    lines = b"".join(b"\0" + row.tobytes() for row in np.ascontiguousarray(pixels))
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )
    return summary_pb2.Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=png)
