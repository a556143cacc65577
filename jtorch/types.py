"""torch.types: names for annotations."""

import os
from typing import IO, TypeAlias

from jtorch.storage import TypedStorage, UntypedStorage
from jtorch.tensor.device import device as _device_class

__all__ = ["Device", "FileLike", "Number", "Storage"]

Number: TypeAlias = int | float | bool
Device: TypeAlias = _device_class | str | int | None
FileLike: TypeAlias = str | os.PathLike[str] | IO[bytes]
Storage: TypeAlias = TypedStorage | UntypedStorage
