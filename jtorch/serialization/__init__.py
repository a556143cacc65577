"""torch.serialization: saving and loading, in PyTorch's own file formats."""

from collections.abc import Callable
from typing import Any

from jtorch.serialization.archive import LoadEndianness, get_default_load_endianness, set_default_load_endianness
from jtorch.serialization.io import get_unsafe_globals_in_checkpoint, load, save
from jtorch.serialization.options import (
    SourceChangeWarning,
    get_crc32_options,
    get_default_mmap_options,
    set_crc32_options,
    set_default_mmap_options,
    skip_data,
)
from jtorch.serialization.packages import (
    default_restore_location,
    location_tag,
    register_package,
    validate_cuda_device,
)
from jtorch.serialization.safe_globals import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals

__all__ = [
    "DEFAULT_PROTOCOL",
    "LoadEndianness",
    "MAP_LOCATION",
    "SourceChangeWarning",
    "add_safe_globals",
    "clear_safe_globals",
    "default_restore_location",
    "get_crc32_options",
    "get_default_load_endianness",
    "get_default_mmap_options",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "location_tag",
    "register_package",
    "safe_globals",
    "save",
    "set_crc32_options",
    "set_default_load_endianness",
    "set_default_mmap_options",
    "skip_data",
    "validate_cuda_device",
]

DEFAULT_PROTOCOL = 2  # of pickle, in what save writes
MAP_LOCATION = Callable[[Any, str], Any] | Any | None  # what load takes under that name


def _get_layout(name: str) -> Any:
    """The layout that files call ``torch.strided``."""
    import jtorch

    return getattr(jtorch, name.removeprefix("torch."))
