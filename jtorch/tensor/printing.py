"""The text of a tensor, as torch writes it, and its options (torch.set_printoptions).

All elements of a tensor are written in one notation and one width, chosen from the elements that will be shown: whole
numbers with a point (``1.``), a fixed number of digits, or powers of ten. Above a threshold only the edges are shown.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import ml_dtypes
import numpy as np

from jtorch.engine import config


@dataclass
class _Options:
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


OPTIONS = _Options()

_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors are written; what is None stays, except that ``sci_mode=None`` means to choose.

    Args:
        precision: digits after the point.
        threshold: the number of elements above which only the edges are shown.
        edgeitems: how many elements of each edge.
        linewidth: characters a line.
        profile: ``default``, ``short`` or ``full``; the other arguments override it.
        sci_mode: whether to write powers of ten.
    """
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    chosen = _PROFILES.get(profile, {}) if profile is not None else {}
    for name, value in (*chosen.items(), *given.items()):
        if value is not None:
            setattr(OPTIONS, name, value)
    OPTIONS.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The options, as arguments for :func:`set_printoptions`."""
    return asdict(OPTIONS)


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """``set_printoptions`` for a ``with`` block."""
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        set_printoptions(**before)


# -- one element


class _Notation:
    """How to write the elements of a real array: ``text`` of one, padded to ``width``."""

    def __init__(self, shown: np.ndarray) -> None:
        self.width = 1
        self.plain: Callable[[Any], str] = str
        if shown.dtype.kind != "f":
            self._fit(shown)
            return
        # Neither zeros nor infinities count, for the notation or for the width.
        counted = shown[np.isfinite(shown) & (shown != 0)].astype(np.float64)
        self.plain = _whole
        if counted.size:
            if _powers(counted):
                self.plain = f"{{:.{OPTIONS.precision}e}}".format
            elif not (counted == np.ceil(counted)).all():
                self.plain = f"{{:.{OPTIONS.precision}f}}".format
            self._fit(counted)

    def _fit(self, values: np.ndarray) -> None:
        self.width = max([1, *(len(self.plain(v)) for v in values.ravel().tolist())])

    def text(self, value: Any) -> str:
        return self.plain(value).rjust(self.width)


class _ComplexNotation:
    """The same for a complex array: real and imaginary part have a notation each."""

    def __init__(self, shown: np.ndarray) -> None:
        self.real, self.imag = _Notation(shown.real), _Notation(shown.imag)
        self.width = self.real.width + self.imag.width + 1

    def text(self, value: complex) -> str:
        imag = self.imag.text(value.imag).lstrip()
        return self.real.text(value.real) + ("" if imag.startswith("-") else "+") + imag + "j"


def _whole(value: float) -> str:
    return f"{value:.0f}" + ("." if math.isfinite(value) else "")


def _powers(counted: np.ndarray) -> bool:
    """Whether to write powers of ten: the numbers are far apart, large or small."""
    if OPTIONS.sci_mode is not None:
        return OPTIONS.sci_mode
    sizes = np.abs(counted)
    low, high = float(sizes.min()), float(sizes.max())
    return high / low > 1000.0 or high > 1.0e8 or low < 1.0e-4


# -- the elements


def _plain_array(array: np.ndarray) -> np.ndarray:
    """The array in a dtype of NumPy's own that holds all its values."""
    if array.dtype.kind == "V" or hasattr(ml_dtypes, array.dtype.name):
        return array.astype(np.float32)
    return array


def _elements(array: np.ndarray, indent: int) -> str:
    """The nested lists; later lines are indented by ``indent`` and the depth of the list."""
    if not array.size:
        return "[]"
    cut = (False,) * array.ndim
    edge = OPTIONS.edgeitems
    if array.size > OPTIONS.threshold:
        cut = tuple(n > 2 * edge for n in array.shape)
        edges = [[*range(edge), *range(n - edge, n)] if c else range(n) for n, c in zip(array.shape, cut, strict=True)]
        array = array[np.ix_(*edges)] if array.ndim else array
    shown = _plain_array(array)
    notation = _ComplexNotation(shown) if shown.dtype.kind == "c" else _Notation(shown)

    def write(values: Any, depth: int) -> str:
        if depth == array.ndim:
            return notation.text(values)
        parts = [write(each, depth + 1) for each in values]
        last = depth == array.ndim - 1
        if cut[depth]:
            parts.insert(edge, " ..." if last and edge else "...")
        margin = " " * (indent + depth + 1)
        if not last:
            return "[" + ("," + "\n" * (array.ndim - depth - 1) + margin).join(parts) + "]"
        fit = max(1, math.floor((OPTIONS.linewidth - indent - depth) / (notation.width + 2)))
        lines = [", ".join(parts[i : i + fit]) for i in range(0, len(parts), fit)]
        return "[" + (",\n" + margin).join(lines) + "]"

    return write(shown.tolist(), 0)


# -- the tensor


def tensor_repr(
    array: np.ndarray | None,
    *,
    shape: tuple[int, ...],
    dtype: Any,
    device: str = "cpu",
    requires_grad: bool = False,
    grad_fn_name: str | None = None,
    class_name: str = "tensor",
    contents: str | None = None,
) -> str:
    """Torch's text for a tensor.

    Args:
        array: the elements on the host; None where there are none to see (on the meta device).
        shape: the tensor's shape.
        dtype: its torch dtype; named where a reader could not tell it from the elements.
        device: where it is; named unless the CPU.
        requires_grad: whether it wants a gradient.
        grad_fn_name: the operation it came from, which is then named instead.
        class_name: ``tensor``, or a subclass's name.
        contents: text to show in place of the elements.
    """
    indent = len(class_name) + 1
    notes = [] if device == "cpu" else [f"device='{device}'"]
    told = {config.default_dtype}
    if array is None:
        notes.append(f"size={shape}")
    elif not array.size:
        notes += [f"size={shape}"] if len(shape) != 1 else []
    else:
        notes += [f"size={shape}"] if not OPTIONS.edgeitems else []
        told |= {config.default_complex(), np.dtype(np.int64), np.dtype(np.bool_)}
    if dtype.np not in told:
        notes.append(f"dtype={dtype}")
    if grad_fn_name is not None:
        notes.append(f"grad_fn=<{grad_fn_name}>")
    elif requires_grad:
        notes.append("requires_grad=True")
    if contents is None:
        contents = "..." if array is None else _elements(array, indent)
    return _with_notes(f"{class_name}({contents}", notes, indent) + ")"


def _with_notes(text: str, notes: list[str], indent: int) -> str:
    """``text`` and the notes, each on a new line where the line is full."""
    column = len(text) - text.rfind("\n") + 1  # torch counts two for the bracket and comma that may follow
    for note in notes:
        if column + len(note) + 2 > OPTIONS.linewidth:
            text += ",\n" + " " * indent + note
            column = indent + len(note)
        else:
            text += ", " + note
            column += len(note) + 2
    return text
