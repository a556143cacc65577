"""Where storages lie, as files name it: jtorch's devices, and what a program registers beside them."""

from collections.abc import Callable
from typing import Any

from jtorch.storage import TypedStorage, UntypedStorage, available
from jtorch.tensor.device import device as Device

Tagger = Callable[[Any], str | None]
Restorer = Callable[[Any, str], Any]


def _tag(storage: Any) -> str:
    return storage.location


def _restore(storage: Any, location: str) -> Any:
    untyped = storage.untyped() if isinstance(storage, TypedStorage) else storage
    untyped.location = available(location)
    return storage


_packages: list[tuple[int, Tagger, Restorer]] = [(10, _tag, _restore)]


def register_package(priority: int, tagger: Tagger, deserializer: Restorer) -> None:
    """Have ``tagger(storage)`` name where a storage lies when it is saved, and ``deserializer(storage, name)`` bring it
    there when it is loaded; each returns None for what it has no say about.

    The lowest ``priority`` is asked first; jtorch's own devices have 10.
    """
    _packages.append((priority, tagger, deserializer))
    _packages.sort(key=lambda package: package[0])


def location_tag(storage: TypedStorage | UntypedStorage) -> str:
    """The name that a file gives to where a storage lies."""
    return next(tag for _, tagger, _ in _packages if (tag := tagger(storage)) is not None)


def default_restore_location(storage: TypedStorage | UntypedStorage, location: str) -> Any:
    """A storage, just read onto the CPU, brought to where a file names. Raises RuntimeError where that is not here."""
    return next(made for _, _, restore in _packages if (made := restore(storage, location)) is not None)


def validate_cuda_device(location: Any) -> int:
    """The index of a GPU that a file names; raises RuntimeError where it is not here."""
    return Device(available(str(location))).index or 0
