"""A pickle machine that calls nothing by itself.

The opcodes are those of https://docs.python.org/3/library/pickletools.html, protocols 2 to 5, without the ones that
torch files have no use for. Wherever a pickle could reach into the program (a global, a call, a new object, an object's
state) the machine asks its :class:`Policy`, which answers for what is allowed.
"""

import pickle
import struct
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any, Protocol

__all__ = ["Policy", "Survey", "Unpickler", "UnpicklingError", "check_key"]


class Policy(Protocol):
    """What a pickle may reach."""

    def find(self, module: str, name: str) -> Any:
        """What stands for the global ``module.name``."""

    def call(self, function: Any, args: tuple) -> Any:
        """The result of REDUCE."""

    def new(self, cls: Any, args: tuple, kwargs: dict) -> Any:
        """The result of NEWOBJ: an object without state."""

    def build(self, instance: Any, state: Any) -> None:
        """Give an object its state (BUILD)."""

    def persistent(self, pid: Any) -> Any:
        """What a persistent id stands for."""


class Inert:
    """Stands for what a pickle is only looked through for: it takes whatever is put into it, and keeps nothing."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    append = extend = lambda self, x: None


class Survey:
    """A policy that makes nothing, and notes the globals and the persistent ids."""

    def __init__(self) -> None:
        self.globals: list[str] = []
        self.pids: list[Any] = []

    def find(self, module: str, name: str) -> Inert:
        """Note a global."""
        self.globals.append(f"{module}.{name}")
        return Inert(f"{module}.{name}")

    def call(self, function: Any, args: tuple) -> Inert:
        """Something, whatever it would be."""
        return Inert()

    def new(self, cls: Any, args: tuple, kwargs: dict) -> Inert:
        """Something, whatever it would be."""
        return Inert()

    def build(self, instance: Any, state: Any) -> None:
        """Nothing has a state here."""

    def persistent(self, pid: Any) -> Inert:
        """Note a persistent id."""
        self.pids.append(pid)
        return Inert()


# -- hashing: nested tuples double their cost with every level, so what may be a key is counted first

_PLAIN = frozenset({str, int, float, bool, bytes, complex, type(None)})
_MAX_KEY_PARTS = 10_000


def check_key(key: Any) -> Any:
    """``key`` itself; raises UnpicklingError where hashing it would run a program's own code, or take for ever."""
    left = [_MAX_KEY_PARTS]

    def visit(x: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise UnpicklingError("a key of a dict or member of a set is nested too deeply")
        kind = type(x)
        if kind in _PLAIN:
            return
        if issubclass(kind, (tuple, frozenset)) and kind.__hash__ in (tuple.__hash__, frozenset.__hash__):
            for part in x:
                visit(part)
        elif kind.__hash__ is not object.__hash__ and not _is_known(kind):
            raise UnpicklingError(f"a {kind.__name__} cannot be a key of a dict or member of a set")

    if type(key) not in _PLAIN:
        visit(key)
    return key


def _is_known(kind: type) -> bool:
    return kind is type or kind.__module__.partition(".")[0] in ("jtorch", "numpy", "builtins")


# -- the machine

_OPS: dict[int, Callable[["Unpickler"], None]] = {}


def _op(*codes: bytes) -> Callable:
    def declare(handler: Callable[["Unpickler"], None]) -> Callable:
        for code in codes:
            _OPS[code[0]] = handler
        return handler

    return declare


class Unpickler:
    """Runs one pickle in ``data`` that starts at ``position``; afterwards ``position`` is where it ended.

    Raises UnpicklingError for everything that is wrong with the pickle, and lets through what the policy raises on
    purpose (RuntimeError for a storage that is not there, say). ``encoding`` is for the byte strings of Python 2.
    """

    def __init__(self, data: Any, policy: Policy, *, encoding: str = "utf-8", position: int = 0) -> None:
        self._data = memoryview(data).cast("B")
        self.position = position
        self._policy = policy
        self._encoding = encoding
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def load(self) -> Any:
        """The object the pickle describes."""
        data, ops = self._data, _OPS
        try:
            while True:
                code = data[self.position]
                self.position += 1
                if code == 0x2E:  # STOP
                    return self._result()
                handler = ops.get(code)
                if handler is None:
                    raise UnpicklingError(f"Unsupported operand {code}")
                handler(self)
        except IndexError as error:
            at_end = self.position >= len(data)
            raise UnpicklingError("pickle data was truncated" if at_end else "unpickling stack underflow") from error
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, struct.error, RecursionError) as error:
            raise UnpicklingError(f"{type(error).__name__} at byte {self.position} of the pickle: {error}") from error

    def _result(self) -> Any:
        if self._marks or len(self._stack) != 1:
            raise UnpicklingError("the pickle ends with a stack that is not one object")
        return self._stack.pop()

    # -- reading

    def _read(self, count: int) -> memoryview:
        start = self.position
        if count < 0 or count > len(self._data) - start:
            raise UnpicklingError("pickle data was truncated")
        self.position = start + count
        return self._data[start : start + count]

    def _number(self, size: int) -> int:
        return int.from_bytes(self._read(size), "little")

    def _line(self) -> str:
        start = self.position
        limit = min(len(self._data), start + 4096)
        found = bytes(self._data[start:limit]).find(b"\n")
        if found < 0:
            raise UnpicklingError("pickle data was truncated")
        self.position = start + found + 1
        return str(self._data[start : start + found], "utf-8")

    # -- the stack

    def _to_mark(self) -> list[Any]:
        if not self._marks:
            raise UnpicklingError("could not find MARK")
        items, self._stack = self._stack, self._marks.pop()
        return items

    def _push(self, x: Any) -> None:
        self._stack.append(x)


def _push(code: bytes, make: Callable[[], Any]) -> None:
    _OPS[code[0]] = lambda m: m._stack.append(make())


_CONSTANTS: dict[bytes, Callable[[], Any]] = {
    pickle.NONE: lambda: None, pickle.NEWTRUE: lambda: True, pickle.NEWFALSE: lambda: False, pickle.EMPTY_LIST: list,
    pickle.EMPTY_DICT: dict, pickle.EMPTY_TUPLE: tuple, pickle.EMPTY_SET: set,
}  # fmt: skip
for _code, _make in _CONSTANTS.items():
    _push(_code, _make)


# -- numbers and text


@_op(pickle.PROTO)
def _proto(m: Unpickler) -> None:
    if (protocol := m._number(1)) > 5:
        raise UnpicklingError(f"unsupported pickle protocol: {protocol}")


@_op(pickle.FRAME)
def _frame(m: Unpickler) -> None:
    m._read(8)


def _unsigned(code: bytes, size: int) -> None:
    _OPS[code[0]] = lambda m: m._stack.append(m._number(size))


_unsigned(pickle.BININT1, 1)
_unsigned(pickle.BININT2, 2)


@_op(pickle.BININT)
def _int(m: Unpickler) -> None:
    m._push(int.from_bytes(m._read(4), "little", signed=True))


@_op(pickle.LONG1)
def _long1(m: Unpickler) -> None:
    m._push(int.from_bytes(m._read(m._number(1)), "little", signed=True))


@_op(pickle.LONG4)
def _long4(m: Unpickler) -> None:
    m._push(int.from_bytes(m._read(m._number(4)), "little", signed=True))


@_op(pickle.BINFLOAT)
def _float(m: Unpickler) -> None:
    m._push(struct.unpack(">d", m._read(8))[0])


def _sized(code: bytes, size: int, make: Callable[[Unpickler, memoryview], Any]) -> None:
    _OPS[code[0]] = lambda m: m._stack.append(make(m, m._read(m._number(size))))


def _text(m: Unpickler, raw: memoryview) -> str:
    return str(raw, "utf-8", "surrogatepass")


def _old_text(m: Unpickler, raw: memoryview) -> Any:
    return bytes(raw) if m._encoding == "bytes" else str(raw, m._encoding)


for _code, _size, _convert in (
    (pickle.BINUNICODE, 4, _text),
    (pickle.SHORT_BINUNICODE, 1, _text),
    (pickle.BINUNICODE8, 8, _text),
    (pickle.SHORT_BINSTRING, 1, _old_text),
    (pickle.BINSTRING, 4, _old_text),
    (pickle.SHORT_BINBYTES, 1, lambda m, raw: bytes(raw)),
    (pickle.BINBYTES, 4, lambda m, raw: bytes(raw)),
    (pickle.BINBYTES8, 8, lambda m, raw: bytes(raw)),
    (pickle.BYTEARRAY8, 8, lambda m, raw: bytearray(raw)),
):
    _sized(_code, _size, _convert)


# -- stack and memo


@_op(pickle.MARK)
def _mark(m: Unpickler) -> None:
    m._marks.append(m._stack)
    m._stack = []


@_op(pickle.POP)
def _pop(m: Unpickler) -> None:
    if m._stack:
        m._stack.pop()
    else:
        m._to_mark()


@_op(pickle.POP_MARK)
def _pop_mark(m: Unpickler) -> None:
    m._to_mark()


@_op(pickle.DUP)
def _dup(m: Unpickler) -> None:
    m._push(m._stack[-1])


def _memo_op(put: bytes, get: bytes, size: int) -> None:
    def remember(m: Unpickler) -> None:
        m._memo[m._number(size)] = m._stack[-1]

    def recall(m: Unpickler) -> None:
        key = m._number(size)
        if key not in m._memo:
            raise UnpicklingError(f"Memo value not found at index {key}")
        m._stack.append(m._memo[key])

    _OPS[put[0]], _OPS[get[0]] = remember, recall


_memo_op(pickle.BINPUT, pickle.BINGET, 1)
_memo_op(pickle.LONG_BINPUT, pickle.LONG_BINGET, 4)


@_op(pickle.MEMOIZE)
def _memoize(m: Unpickler) -> None:
    m._memo[len(m._memo)] = m._stack[-1]


# -- containers


@_op(pickle.TUPLE)
def _tuple(m: Unpickler) -> None:
    items = m._to_mark()
    m._push(tuple(items))


def _short_tuple(code: bytes, count: int) -> None:
    def handler(m: Unpickler) -> None:
        if len(m._stack) < count:
            raise UnpicklingError("unpickling stack underflow")
        m._stack[-count:] = [tuple(m._stack[-count:])]

    _OPS[code[0]] = handler


for _code, _size in ((pickle.TUPLE1, 1), (pickle.TUPLE2, 2), (pickle.TUPLE3, 3)):
    _short_tuple(_code, _size)


@_op(pickle.LIST)
def _list(m: Unpickler) -> None:
    items = m._to_mark()
    m._push(items)


@_op(pickle.DICT)
def _dict(m: Unpickler) -> None:
    items = m._to_mark()
    made: dict = {}
    _fill(made, items)
    m._push(made)


@_op(pickle.FROZENSET)
def _frozenset(m: Unpickler) -> None:
    items = m._to_mark()
    m._push(frozenset(map(check_key, items)))


def _fill(target: dict, items: list) -> None:
    if len(items) % 2:
        raise UnpicklingError("odd number of items for SETITEMS")
    for i in range(0, len(items), 2):
        target[check_key(items[i])] = items[i + 1]


def _mapping(target: Any, name: str) -> dict:
    if type(target) not in (dict, OrderedDict, Counter, defaultdict, Inert):
        raise UnpicklingError(
            f"Can only {name} for dict, collections.OrderedDict, collections.Counter, but got {type(target)}"
        )
    return target


def _sequence(target: Any, what: str) -> Any:
    return target if type(target) in (deque, Inert) else _of(target, list, what)


def _of(target: Any, kind: type, what: str) -> Any:
    if type(target) is not kind:
        raise UnpicklingError(f"Can only {what}, but got {type(target)}")
    return target


@_op(pickle.SETITEM)
def _setitem(m: Unpickler) -> None:
    value, key = m._stack.pop(), m._stack.pop()
    _fill(_mapping(m._stack[-1], "SETITEM"), [key, value])


@_op(pickle.SETITEMS)
def _setitems(m: Unpickler) -> None:
    items = m._to_mark()
    _fill(_mapping(m._stack[-1], "SETITEMS"), items)


@_op(pickle.APPEND)
def _append(m: Unpickler) -> None:
    item = m._stack.pop()
    _sequence(m._stack[-1], "append to lists").append(item)


@_op(pickle.APPENDS)
def _appends(m: Unpickler) -> None:
    items = m._to_mark()
    _sequence(m._stack[-1], "extend lists").extend(items)


@_op(pickle.ADDITEMS)
def _additems(m: Unpickler) -> None:
    items = m._to_mark()
    _of(m._stack[-1], set, "add items to sets").update(map(check_key, items))


# -- where the policy is asked


@_op(pickle.GLOBAL)
def _global(m: Unpickler) -> None:
    module = m._line()
    m._push(m._policy.find(module, m._line()))


@_op(pickle.STACK_GLOBAL)
def _stack_global(m: Unpickler) -> None:
    name, module = m._stack.pop(), m._stack.pop()
    if type(name) is not str or type(module) is not str:
        raise UnpicklingError("STACK_GLOBAL requires str")
    m._push(m._policy.find(module, name))


@_op(pickle.REDUCE)
def _reduce(m: Unpickler) -> None:
    args, function = m._stack.pop(), m._stack.pop()
    m._push(m._policy.call(function, _of(args, tuple, "call with a tuple of arguments")))


@_op(pickle.NEWOBJ)
def _newobj(m: Unpickler) -> None:
    args, cls = m._stack.pop(), m._stack.pop()
    m._push(m._policy.new(cls, _of(args, tuple, "make objects with a tuple of arguments"), {}))


@_op(pickle.NEWOBJ_EX)
def _newobj_ex(m: Unpickler) -> None:
    kwargs, args, cls = m._stack.pop(), m._stack.pop(), m._stack.pop()
    _of(args, tuple, "make objects with a tuple of arguments")
    m._push(m._policy.new(cls, args, _of(kwargs, dict, "make objects with a dict of keywords")))


@_op(pickle.BUILD)
def _build(m: Unpickler) -> None:
    state = m._stack.pop()
    m._policy.build(m._stack[-1], state)


@_op(pickle.BINPERSID)
def _persid(m: Unpickler) -> None:
    m._push(m._policy.persistent(m._stack.pop()))
