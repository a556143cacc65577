"""torch.device, layouts and memory formats."""

from typing import Any

from jtorch.engine.devices import devices

KINDS = ("cpu", "cuda", "tpu", "meta")


class device:
    """Where a tensor lives: ``device("cuda:1")``, ``device("cuda", 1)``, ``device(1)``. A context manager that makes it
    the default of factory functions. Raises RuntimeError for kinds that jtorch does not know.
    """

    __slots__ = ("type", "index", "_before")

    def __init__(self, type: Any = None, index: int | None = None, *, device: Any = None) -> None:
        given: Any = device if device is not None else type
        if isinstance(given, int) and not isinstance(given, bool):
            given, index = "cuda", given
        elif hasattr(given, "type"):
            given, index = given.type, given.index
        if not isinstance(given, str):
            raise TypeError(f"device(): argument 'type' must be str, not {given.__class__.__name__}")
        kind, colon, number = given.partition(":")
        if colon:
            if index is not None:
                raise RuntimeError(
                    f"type (string) must not include an index because index was passed explicitly: {given}"
                )
            if not number.isdigit():
                raise RuntimeError(f"Invalid device string: '{given}'")
            index = int(number)
        if kind not in KINDS:
            raise RuntimeError(
                f"Expected one of {', '.join(KINDS)} device type at start of device string: {kind}"
                if kind
                else "Device string must not be empty"
            )
        self.type = kind
        self.index = index
        self._before: list[Any] = []

    def __repr__(self) -> str:
        return (
            f"device(type='{self.type}')" if self.index is None else f"device(type='{self.type}', index={self.index})"
        )

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __reduce__(self) -> tuple:
        return (device, (str(self),))

    def __enter__(self) -> "device":
        global _default
        self._before.append(_default)
        _default = engine_name(self)
        return self

    def __exit__(self, *exc: object) -> None:
        global _default
        _default = self._before.pop()


_default = "cpu"
_current_cuda = 0


def engine_name(d: Any) -> str:
    """The engine's name (``cpu``, ``cuda:0``) of a device in any form; None is the default device.

    Raises torch's RuntimeError where the accelerator is not there.
    """
    if d is None:
        return _default
    if d.__class__ is not device:
        if d == "cpu":
            return "cpu"
        d = device(d)
    if d.type in ("cpu", "meta"):
        return d.type
    found = devices(d.type)
    index = d.index if d.index is not None else (_current_cuda if d.type == "cuda" else 0)
    if not found and d.type == "cuda":
        raise RuntimeError("No CUDA GPUs are available")
    if index >= len(found):
        raise RuntimeError(f"{d.type.upper()} error: invalid device ordinal {index}: {len(found)} found")
    return f"{d.type}:{index}"


_objects: dict[str, device] = {}


def of_engine(name: str) -> device:
    """The device object of an engine name."""
    found = _objects.get(name)
    if found is None:
        found = _objects[name] = device(name)
    return found


def get_default_device() -> device:
    """The device of factory functions that name none."""
    return device(_default)


def set_default_device(device: Any) -> None:
    """Make ``device`` that of factory functions that name none; None means the CPU."""
    global _default
    _default = "cpu" if device is None else engine_name(device)


def set_current_cuda(index: int) -> int:
    """Make ``index`` what plain ``cuda`` means; returns the one before."""
    global _current_cuda
    before, _current_cuda = _current_cuda, index
    return before


def current_cuda() -> int:
    """What plain ``cuda`` means."""
    return _current_cuda


class _Named:
    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return self.name


class layout(_Named):
    """How a tensor is laid out; jtorch has strided tensors only."""


class memory_format(_Named):
    """The order of dimensions in memory, which XLA decides: accepted, and kept as what the user asked for."""


class qscheme(_Named):
    """Quantisation schemes: named for isinstance checks; jtorch has no quantised tensors."""


strided, sparse_coo = layout("strided"), layout("sparse_coo")
contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")
