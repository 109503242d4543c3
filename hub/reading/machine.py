"""A machine for pickle programs that can do nothing but build plain data.

A pickle is a program: it names functions and calls them. This machine runs the instructions that make numbers, strings
and plain containers by itself; every name in a program becomes an inert stand-in from a list that its user gives, and
only stand-ins are called. There is no way to anything else, and a program cannot take much more memory or time than its
own length: containers are shared, never copied, but within an allowance.

Reference: the instructions, https://github.com/python/cpython/blob/main/Lib/pickletools.py
"""

from __future__ import annotations

import codecs
import pickle
import struct
from collections.abc import Callable, Mapping
from typing import Any

_LARGEST_KEY = 2**60  # greater integers can be made to collide in a dict, which would cost quadratic time
_MOST_SHOWN, _LONGEST_SHOWN = 8, 60
_LONG_KEY = 1000  # longer ones are compared within the allowance
_SCALARS = (str, bytes, int, float, bool, complex, type(None))
_INT32, _UINT16, _UINT32, _UINT64, _FLOAT64 = (struct.Struct(code) for code in ("<i", "<H", "<I", "<Q", ">d"))


class Refusal(Exception):
    """What a file holds that is not read. The message completes "the file holds ..."."""


class Inert:
    """A stand-in for something that a pickle names."""

    __slots__ = ()

    def call(self, machine: Machine, *arguments: Any) -> Any:
        """What the instruction that calls a function gives."""
        raise Refusal(f"a call of {self.name}")

    def new(self) -> Any:
        """An instance, where the pickle makes one without a call."""
        raise Refusal(f"an object of {self.name}")

    @property
    def name(self) -> str:
        return f"a {type(self).__name__.strip('_').lower()}"


class Buildable:
    """What a pickle may set the state of."""

    __slots__ = ()

    def build(self, machine: Machine, state: Any) -> None:
        raise NotImplementedError


class OldText(bytes):
    """A string of Python 2: text or bytes, which the stream does not say."""


def shown(value: Any) -> str:
    """A value for a message: short whatever its size, and made without a walk through containers."""
    if type(value) is tuple:
        return f"({', '.join(map(_shown_part, value[:_MOST_SHOWN]))}{', ...' * (len(value) > _MOST_SHOWN)})"
    return _shown_part(value)


def _shown_part(value: Any) -> str:
    if isinstance(value, str | bytes):
        return repr(value[:_LONGEST_SHOWN]) + "..." * (len(value) > _LONGEST_SHOWN)
    if isinstance(value, int | float | None):
        return repr(value)
    return _a(value)


def _a(value: Any) -> str:
    """What kind of thing a value is."""
    return value.name if isinstance(value, Inert) else f"a {type(value).__name__.strip('_').lower()}"


class Machine:
    """Runs one program.

    Args:
        data: where the program lies.
        names: the stand-in for each (module, name) that it may mention.
        start: where it starts in the data. After ``run``, ``position`` is where it ended.
        persistent: what gives the object for a persistent id.
    """

    def __init__(
        self,
        data: Any,
        names: Mapping[tuple[str, str], Any],
        *,
        start: int = 0,
        persistent: Callable[[Any], Any] | None = None,
    ) -> None:
        self._data = memoryview(data)
        self._end = len(self._data)
        self._names = names
        self._persistent = persistent
        self._left = self._end - start  # bytes and elements that may still be copied
        self._stack: list[Any] = []
        self._outer: list[list[Any]] = []  # the stacks below each mark
        self._memo: dict[int, Any] = {}
        self.position = start

    def run(self) -> Any:
        """The object that the program leaves, with stand-ins in it.

        Raises:
            Refusal: it does something else than build plain data.
            EOFError: it is cut short.
            Exception: anything that a broken program can bring about, such as an empty stack.
        """
        data, end, table = self._data, self._end, _TABLE
        while self.position < end:
            code = data[self.position]
            self.position += 1
            step = table.get(code)
            if step is None:
                raise Refusal(f"the instruction {_INSTRUCTIONS.get(code, hex(code))}")
            step(self)
            if code == _STOP:
                return self._stack.pop()
        raise EOFError("the pickle is cut short")

    def spend(self, amount: int) -> None:
        """Take from the allowance for copies.

        Raises:
            Refusal: it is used up.
        """
        self._left -= amount
        if self._left < 0:
            raise Refusal("more copies of its parts than it is long")

    def checked_key(self, key: Any) -> Any:
        """A key of a dict or member of a set, where it is such that making it one takes a moment.

        Raises:
            Refusal: it is a container of containers, a number made to collide with others, or a long one used often.
        """
        if type(key) is str and len(key) < _LONG_KEY:
            return key
        parts = key if type(key) is tuple else (key,)
        self.spend(len(parts))
        for part in parts:
            if not isinstance(part, _SCALARS):
                raise Refusal(f"{_a(part)} in a key")
            if isinstance(part, str | bytes) and len(part) >= _LONG_KEY:
                self.spend(len(part))
            if type(part) is int and abs(part) > _LARGEST_KEY:
                raise Refusal("a number of more than 60 bits as a key")
        return key

    # -- reading arguments

    def _take(self, count: int) -> memoryview:
        start = self.position
        if count > self._end - start:
            raise EOFError("the pickle is cut short")
        self.position = start + count
        return self._data[start : start + count]

    def _number(self, form: struct.Struct) -> Any:
        return form.unpack(self._take(form.size))[0]

    def _sized(self, form: struct.Struct) -> bytes:
        return bytes(self._take(self._number(form)))

    def _byte(self) -> int:
        return self._take(1)[0]

    def _line(self) -> bytes:
        start = place = self.position
        while True:  # in pieces, since what follows the line may be gigabytes of weights
            piece = bytes(self._data[place : place + 256])
            found = piece.find(b"\n")
            if found >= 0:
                self.position = place + found + 1
                return bytes(self._data[start : place + found])
            if not piece:
                raise EOFError("the pickle is cut short")
            place += len(piece)

    # -- the stack

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _marked(self) -> list[Any]:
        items = self._stack
        self._stack = self._outer.pop()
        return items

    def _mark(self) -> None:
        self._outer.append(self._stack)
        self._stack = []

    def _pop(self) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._marked()

    def _tuple_of(self, count: int) -> None:
        items = self._stack[-count:]
        if len(items) < count:
            raise IndexError("the stack is empty")
        self._stack[-count:] = [tuple(items)]

    def _remember(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _recall(self, index: int) -> None:
        self._stack.append(self._memo[index])

    # -- containers

    def _append(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not list:
            raise Refusal(f"an item added to {_a(target)}")
        target.extend(items)

    def _set_items(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict):
            raise Refusal(f"an item set in {_a(target)}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[self.checked_key(key)] = value

    def _add_items(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not set:
            raise Refusal(f"an item added to {_a(target)}")
        target.update(map(self.checked_key, items))

    def _two(self) -> list[Any]:
        value, key = self._stack.pop(), self._stack.pop()
        return [key, value]

    def _dict(self) -> None:
        items = self._marked()
        self._push({})
        self._set_items(items)

    # -- names and calls

    def _name(self, module: Any, name: Any) -> None:
        module, name = (_text(part) if isinstance(part, OldText) else part for part in (module, name))
        if not isinstance(module, str) or not isinstance(name, str):
            raise Refusal("a name that is no text")
        if (module, name) not in self._names:
            raise Refusal(f"the name {module[:_LONGEST_SHOWN]}.{name[:_LONGEST_SHOWN]}")
        self._push(self._names[module, name])

    def _stack_global(self) -> None:
        module, name = self._two()
        self._name(module, name)

    def _reduce(self) -> None:
        function, arguments = self._two()
        if not isinstance(function, Inert) or type(arguments) is not tuple:
            raise Refusal(f"a call of {_a(function)}")
        self.spend(len(arguments))
        self._push(function.call(self, *arguments))

    def _new_object(self) -> None:
        kind, arguments = self._two()
        if not isinstance(kind, Inert) or arguments != ():
            raise Refusal(f"an object of {_a(kind)}")
        self._push(kind.new())

    def _build(self) -> None:
        state = self._stack.pop()
        target = self._stack[-1]
        if not isinstance(target, Buildable):
            raise Refusal(f"an attempt to set the state of {_a(target)}")
        target.build(self, state)

    def _persistent_id(self, value: Any) -> None:
        if self._persistent is None:
            raise Refusal("a persistent id")
        self._push(self._persistent(value))

    def _long(self, size: int) -> None:
        self._push(int.from_bytes(self._take(size), "little", signed=True))

    def _int_line(self) -> None:
        text = self._line()
        self._push({b"00": False, b"01": True}[text] if text in (b"00", b"01") else int(text))

    def _string_line(self) -> None:
        text = self._line()
        if len(text) < 2 or text[:1] != text[-1:] or text[:1] not in b"'\"":
            raise ValueError("a string without quotes")
        self._push(OldText(codecs.escape_decode(text[1:-1])[0]))  # type: ignore[attr-defined]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


_UINT8 = struct.Struct("<B")
_INSTRUCTIONS = {
    code[0]: name
    for name in pickle.__all__
    if name.isupper() and isinstance(code := getattr(pickle, name), bytes) and len(code) == 1
}
_STOP = pickle.STOP[0]

_STEPS: dict[bytes, Callable[[Machine], Any]] = {
    pickle.PROTO: lambda m: m._byte(),
    pickle.FRAME: lambda m: m._take(8),
    pickle.STOP: lambda m: None,
    # numbers and strings
    pickle.NONE: lambda m: m._push(None),
    pickle.NEWTRUE: lambda m: m._push(True),
    pickle.NEWFALSE: lambda m: m._push(False),
    pickle.INT: Machine._int_line,
    pickle.BININT: lambda m: m._push(m._number(_INT32)),
    pickle.BININT1: lambda m: m._push(m._byte()),
    pickle.BININT2: lambda m: m._push(m._number(_UINT16)),
    pickle.LONG: lambda m: m._push(int(m._line().removesuffix(b"L"))),
    pickle.LONG1: lambda m: m._long(m._byte()),
    pickle.LONG4: lambda m: m._long(m._number(_UINT32)),
    pickle.FLOAT: lambda m: m._push(float(m._line())),
    pickle.BINFLOAT: lambda m: m._push(m._number(_FLOAT64)),
    pickle.STRING: Machine._string_line,
    pickle.BINSTRING: lambda m: m._push(OldText(m._sized(_UINT32))),
    pickle.SHORT_BINSTRING: lambda m: m._push(OldText(m._sized(_UINT8))),
    pickle.UNICODE: lambda m: m._push(m._line().decode("raw-unicode-escape")),
    pickle.BINUNICODE: lambda m: m._push(_text(m._sized(_UINT32))),
    pickle.SHORT_BINUNICODE: lambda m: m._push(_text(m._sized(_UINT8))),
    pickle.BINUNICODE8: lambda m: m._push(_text(m._sized(_UINT64))),
    pickle.BINBYTES: lambda m: m._push(m._sized(_UINT32)),
    pickle.SHORT_BINBYTES: lambda m: m._push(m._sized(_UINT8)),
    pickle.BINBYTES8: lambda m: m._push(m._sized(_UINT64)),
    pickle.BYTEARRAY8: lambda m: m._push(bytearray(m._sized(_UINT64))),
    # containers
    pickle.EMPTY_LIST: lambda m: m._push([]),
    pickle.EMPTY_TUPLE: lambda m: m._push(()),
    pickle.EMPTY_DICT: lambda m: m._push({}),
    pickle.EMPTY_SET: lambda m: m._push(set()),
    pickle.LIST: lambda m: m._push(m._marked()),
    pickle.TUPLE: lambda m: m._push(tuple(m._marked())),
    pickle.TUPLE1: lambda m: m._tuple_of(1),
    pickle.TUPLE2: lambda m: m._tuple_of(2),
    pickle.TUPLE3: lambda m: m._tuple_of(3),
    pickle.DICT: Machine._dict,
    pickle.FROZENSET: lambda m: m._push(frozenset(map(m.checked_key, m._marked()))),
    pickle.APPEND: lambda m: m._append([m._stack.pop()]),
    pickle.APPENDS: lambda m: m._append(m._marked()),
    pickle.SETITEM: lambda m: m._set_items(m._two()),
    pickle.SETITEMS: lambda m: m._set_items(m._marked()),
    pickle.ADDITEMS: lambda m: m._add_items(m._marked()),
    # the stack and the memo
    pickle.MARK: Machine._mark,
    pickle.POP: Machine._pop,
    pickle.POP_MARK: lambda m: m._marked(),
    pickle.DUP: lambda m: m._push(m._stack[-1]),
    pickle.GET: lambda m: m._recall(int(m._line())),
    pickle.BINGET: lambda m: m._recall(m._byte()),
    pickle.LONG_BINGET: lambda m: m._recall(m._number(_UINT32)),
    pickle.PUT: lambda m: m._remember(int(m._line())),
    pickle.BINPUT: lambda m: m._remember(m._byte()),
    pickle.LONG_BINPUT: lambda m: m._remember(m._number(_UINT32)),
    pickle.MEMOIZE: lambda m: m._remember(len(m._memo)),
    # names, calls, objects
    pickle.GLOBAL: lambda m: m._name(_text(m._line()), _text(m._line())),
    pickle.STACK_GLOBAL: Machine._stack_global,
    pickle.REDUCE: Machine._reduce,
    pickle.NEWOBJ: Machine._new_object,
    pickle.BUILD: Machine._build,
    pickle.BINPERSID: lambda m: m._persistent_id(m._stack.pop()),
    pickle.PERSID: lambda m: m._persistent_id(_text(m._line())),
}
_TABLE = {code[0]: step for code, step in _STEPS.items()}
