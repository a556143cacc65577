"""The registry behind torch.serialization.add_safe_globals: what the user says may be made from files."""

from collections.abc import Callable, Sequence
from typing import Any

from jtorch.serialization.names import torch_name

_registered: list[Any] = []


def add_safe_globals(safe_globals: Sequence[Callable | tuple[Callable, str]]) -> None:
    """Allow classes and functions in files; a tuple gives the full name under which the file knows the object."""
    _registered.extend(x for x in safe_globals if x not in _registered)


def get_safe_globals() -> list[Any]:
    """What add_safe_globals was given so far."""
    return list(_registered)


def clear_safe_globals() -> None:
    """Forget what add_safe_globals was given."""
    _registered.clear()


class safe_globals:
    """Allows classes and functions in files within a ``with`` block, as add_safe_globals does for good."""

    def __init__(self, safe_globals: Sequence[Callable | tuple[Callable, str]]) -> None:
        self.safe_globals = safe_globals

    def __enter__(self) -> None:
        self._before = list(_registered)
        add_safe_globals(self.safe_globals)

    def __exit__(self, *exc: object) -> None:
        _registered[:] = self._before


def registered_names() -> dict[str, Any]:
    """What is allowed, by full name. Raises ValueError and TypeError for tuples that are no (object, name)."""
    names: dict[str, Any] = {}
    for entry in _registered:
        if isinstance(entry, tuple):
            if len(entry) != 2:
                raise ValueError(f"Expected tuple of size 2 (global, name), but got tuple of size: {len(entry)}")
            if type(entry[1]) is not str:
                raise TypeError(
                    f"Expected second item in tuple to be str of callable full path, but got: {type(entry[1])}"
                )
            names[entry[1]] = entry[0]
        else:
            names[f"{entry.__module__}.{entry.__qualname__}"] = entry
            if (known := torch_name(entry)) is not None:
                names[".".join(known)] = entry
    return names
