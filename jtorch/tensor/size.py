"""torch.Size: a tuple of sizes."""

from collections.abc import Iterable
from math import prod
from typing import Any


class Size(tuple):
    """The shape of a tensor (torch.Size); a tuple that prints itself as torch's."""

    __slots__ = ()

    def __new__(cls, iterable: Iterable[Any] = ()) -> "Size":
        return tuple.__new__(cls, iterable)

    def numel(self) -> int:
        """The number of elements of a tensor of this shape."""
        return prod(self)

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(repr, self))}])"

    __str__ = __repr__

    def __getitem__(self, index: Any) -> Any:
        out = tuple.__getitem__(self, index)
        return Size(out) if isinstance(index, slice) else out

    def __add__(self, other: Any) -> "Size":
        return Size(tuple.__add__(self, tuple(other)))

    def __radd__(self, other: Any) -> "Size":
        return Size(tuple(other) + tuple(self))

    def __mul__(self, times: Any) -> "Size":
        return Size(tuple.__mul__(self, times))

    __rmul__ = __mul__

    def __reduce__(self) -> tuple:
        return (Size, (tuple(self),))
