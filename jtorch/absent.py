"""Functions that torch has and jtorch cannot offer: they can be looked up and passed on, and raise when called.

What a program would not so much as look up without using it is left out altogether.
"""

from typing import Any, NoReturn

__all__ = ["Absent"]


class Absent:
    """A function that raises NotImplementedError, naming itself and saying why; ``jtorch coverage`` counts it as
    missing.
    """

    def __init__(self, name: str, why: str) -> None:
        self.__name__ = self.__qualname__ = name.rstrip("()").rpartition(".")[2]
        self.__doc__ = f"Raises NotImplementedError: {why}."
        self.message = f"jtorch: {name}; {why}"

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(self.message)

    def __repr__(self) -> str:
        return f"<function {self.__name__}, absent>"
