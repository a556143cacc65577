"""What the engine asks of an operator, and the notation of a call's spec.

A spec says how a call looks apart from its arrays, and is part of a trie key. It has an entry a parameter: ``T`` for an
array; ``(LIST, T, None, ...)`` for a list of arrays; ``(float, 2.0)`` for a number, with its type, since 1, 1.0 and
True are equal as keys; ``(RUNTIME, float)`` for a number that comes as a runtime input; anything else hashable stands
for itself.
"""

from collections.abc import Callable, Container
from typing import Any, Protocol


class _Slot:
    """Stands in a call's spec where the next array goes."""

    def __repr__(self) -> str:
        return "T"


T = _Slot()
LIST = "list"
RUNTIME = "runtime"
NUMBERS = (bool, int, float, complex)


def number(x: bool | int | float | complex) -> tuple:
    """The spec entry of a number: signed zeros and NaNs go by their text, as equality cannot tell them apart."""
    if type(x) is float and (x != x or x == 0.0):
        return (float, repr(x))
    return (type(x), x)


def is_number(entry: Any) -> bool:
    """Whether a spec entry is a number."""
    return type(entry) is tuple and len(entry) == 2 and entry[0] in NUMBERS


def arrays_in(entry: Any) -> int:
    """How many arrays a spec entry stands for."""
    if entry is T:
        return 1
    if type(entry) is tuple and entry:
        return sum(e is T for e in entry) if entry[0] is LIST else int(entry[0] is RUNTIME)
    return 0


def fill(spec: tuple, arrays: Any) -> list:
    """The arguments that a spec describes, with ``arrays`` (an iterator) in their places."""
    args: list[Any] = []
    for entry in spec:
        if entry is T:
            args.append(next(arrays))
        elif type(entry) is tuple and entry:
            head = entry[0]
            if head is LIST:
                args.append([next(arrays) if e is T else e for e in entry[1:]])
            elif head is RUNTIME:
                args.append(next(arrays))
            elif head in NUMBERS and len(entry) == 2:
                args.append(head(entry[1]))
            else:
                args.append(entry)
        else:
            args.append(entry)
    return args


class EngineOp(Protocol):
    """An operator as the engine sees it.

    ``bind(spec)`` is the pure function of the input arrays. ``multi`` says that it returns several arrays even if it is
    one. ``saved(spec, wants)`` gives the positions of the inputs that torch keeps for backward, -1 for the result.
    ``infer(spec, inputs)`` gives the results' shapes without evaluating, where that is cheap to know, else it is None.
    ``runtime_numbers`` allows numbers in a spec to become runtime inputs. ``forced`` makes the result require a
    gradient although no input does: the caller then says where it stands. ``still`` has the positions of floating
    results that have no gradient.
    """

    name: str
    no_derivative: Exception | None  # what its backward raises, where it has none
    multi: bool
    differentiable: bool
    runtime_numbers: bool
    grad_name: Any  # the name of the backward's node, or a function of the spec that gives it
    infer: Callable | None
    check: Callable | None
    forced: bool
    still: Container[int]

    def bind(self, spec: tuple) -> Callable[..., Any]: ...

    def saved(self, spec: tuple, wants: tuple[int, ...]) -> tuple[int, ...]: ...


class Primitive:
    """An operator of the engine's own, or of a layer above that has no schema: a function made for each spec."""

    differentiable = True
    no_derivative: Exception | None = None
    runtime_numbers = False
    still: Container[int] = ()
    check: Callable | None = None

    def __init__(
        self,
        name: str,
        make: Callable[..., Callable],
        *,
        multi: bool = False,
        differentiable: bool = True,
        infer: Callable | None = None,
        grad_name: str | Callable | None = None,
        forced: bool = False,
    ) -> None:
        self.name = name
        self.make = make
        self.multi = multi
        self.differentiable = differentiable
        self.infer = infer
        self.grad_name: Any = grad_name or name
        self.forced = forced

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def bind(self, spec: tuple) -> Callable[..., Any]:
        return self.make(*spec)

    def saved(self, spec: tuple, wants: tuple[int, ...]) -> tuple[int, ...]:
        return ()
