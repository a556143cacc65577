"""Handles of registered hooks (torch.utils.hooks)."""

import weakref
from collections import OrderedDict
from typing import Any


class RemovableHandle:
    """Takes a hook off again, by ``remove()`` or at the end of a ``with`` block."""

    next_id: int = 0
    removed: int = 0

    def __init__(self, hooks_dict: Any, *, extra_dict: Any = None) -> None:
        self._hooks = _reference(hooks_dict)
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        extras = extra_dict if isinstance(extra_dict, list) else [extra_dict] if extra_dict is not None else []
        self._extras = [_reference(d) for d in extras]

    def remove(self) -> None:
        """Take the hook off; a second call does nothing."""
        RemovableHandle.removed += 1
        for ref in (self._hooks, *self._extras):
            found = ref()
            if found is not None:
                found.pop(self.id, None)

    def __getstate__(self) -> tuple:
        """The dictionaries themselves, which are copied and pickled with the handle."""
        return self._hooks(), self.id, [ref() for ref in self._extras]

    def __setstate__(self, state: tuple) -> None:
        hooks, self.id, extras = state
        self._hooks = _reference(OrderedDict() if hooks is None else hooks)
        self._extras = [_reference(OrderedDict() if d is None else d) for d in extras]
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)

    def __enter__(self) -> "RemovableHandle":
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def _reference(d: Any) -> Any:
    try:
        return weakref.ref(d)
    except TypeError:  # plain dicts cannot be weakly referenced
        return lambda: d
