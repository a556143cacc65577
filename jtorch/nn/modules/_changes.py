"""A count of changes to modules: what is known of a module holds for as long as the count stays."""

from jtorch.utils.hooks import RemovableHandle

_noted = 0


def note() -> None:
    """Some module's attributes, parameters or children have changed."""
    global _noted
    _noted += 1


def count() -> tuple[int, int, int]:
    """Changes of attributes, hooks put on and hooks taken off, of any module so far."""
    return _noted, RemovableHandle.next_id, RemovableHandle.removed
