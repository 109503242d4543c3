"""What pickled plain data may name, each as a stand-in, and the walk that puts the real things in their place.

Containers of other libraries that hold nothing but fields, such as ``argparse.Namespace``, come as plain dicts.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from hub.reading.machine import Buildable, Inert, Machine, OldText, Refusal, shown

_DEEPEST = 50  # how far containers may be nested
_LARGEST_LENGTH = 2**62
_PLAIN = (bool, int, float, complex, str, bytes, bytearray, type(None), np.generic)


class Pending:
    """What stands for a value until the whole file is known."""

    __slots__ = ()

    def value(self) -> Any:
        """The value.

        Raises:
            Refusal: it never became whole, or is not what it claims to be.
        """
        raise NotImplementedError


class Function(Inert):
    """Stands in for a function or a class.

    Args:
        name: what messages call it.
        body: ``body(machine, *arguments)`` gives what a call gives.
    """

    __slots__ = ("_body", "_name")

    def __init__(self, name: str, body: Callable[..., Any]) -> None:
        self._name = name
        self._body = body

    def call(self, machine: Machine, *arguments: Any) -> Any:
        return self._body(machine, *arguments)

    @property
    def name(self) -> str:
        return f"a bare {self._name}"


class Type(Inert):
    """Stands in for a class that is only mentioned, such as what a ``defaultdict`` makes."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        return f"the class {self._name}"


class Ordered(OrderedDict[Any, Any], Buildable):
    """An ``OrderedDict`` on its way. State dicts of PyTorch set an attribute of theirs, which nothing here needs."""

    def build(self, machine: Machine, state: Any) -> None:
        if not isinstance(state, dict):
            raise Refusal(f"the state {shown(state)} for an OrderedDict")


class Fields(dict[Any, Any], Buildable):
    """The fields of an object that holds nothing else."""

    def build(self, machine: Machine, state: Any) -> None:
        if not isinstance(state, dict):
            raise Refusal(f"the state {shown(state)} for plain fields")
        machine.spend(len(state))
        self.update(state)


class _FieldsOf(Inert):
    """Stands in for a class whose objects become ``Fields``."""

    __slots__ = ()

    def call(self, machine: Machine, *arguments: Any) -> Fields:
        found = Fields()
        for state in arguments:
            found.build(machine, state)
        return found

    def new(self) -> Fields:
        return Fields()


class _Dtype(Inert, Buildable):
    """An element type of NumPy: plain numbers only."""

    __slots__ = ("dtype",)

    def __init__(self, machine: Machine, code: Any, *_: Any) -> None:
        text = code.decode("ascii") if isinstance(code, bytes) else code
        if not isinstance(text, str) or len(text) > 3 or text[:1] not in "uifbc" or not text[1:].isdigit():
            raise Refusal(f"an array of {shown(code)} elements")
        self.dtype: np.dtype[Any] = np.dtype(text)

    def build(self, machine: Machine, state: Any) -> None:
        order = state[1]
        name: Any = order.decode("ascii") if isinstance(order, bytes) else order
        self.dtype = self.dtype.newbyteorder(name)


class Array(Pending, Buildable):
    """An array of NumPy, which is made empty and then given its state."""

    __slots__ = ("array",)

    def __init__(self, *_: Any) -> None:
        self.array: np.ndarray[Any, Any] | None = None

    def build(self, machine: Machine, state: Any) -> None:
        _, shape, kind, fortran, data = state
        self.array = _array_of(machine, data, kind, shape, "F" if fortran else "C")

    def value(self) -> np.ndarray[Any, Any]:
        if self.array is None:
            raise Refusal("an array that never got its values")
        return self.array


def _from_buffer(machine: Machine, data: Any, kind: Any, shape: Any, order: Any = "C") -> Array:
    found = Array()
    found.array = _array_of(machine, data, kind, shape, order.decode("ascii") if isinstance(order, bytes) else order)
    return found


def _scalar(machine: Machine, kind: Any, data: Any) -> Any:
    return _array_of(machine, data, kind, (), "C")[()]


def _array_of(machine: Machine, data: Any, kind: Any, shape: Any, order: Any) -> np.ndarray[Any, Any]:
    if isinstance(data, str):
        machine.spend(len(data))
        data = data.encode("latin1")
    if not isinstance(kind, _Dtype) or not isinstance(data, bytes | bytearray) or order not in ("C", "F"):
        raise Refusal("an array that is not of plain numbers")
    check_lengths("an array", shape)
    if len(data) != math.prod(shape) * kind.dtype.itemsize:
        raise Refusal(f"an array of shape {shape} with {len(data)} bytes")
    return np.frombuffer(data, kind.dtype).reshape(shape, order=order)


def check_lengths(what: str, shape: Any) -> None:
    """Refuse a shape that is not a tuple of lengths.

    Raises:
        Refusal: naming it.
    """
    if (
        not isinstance(shape, tuple)
        or len(shape) > 64
        or not all(type(n) is int and 0 <= n < _LARGEST_LENGTH for n in shape)
    ):
        raise Refusal(f"{what} of shape {shown(shape)}")


def _encode(machine: Machine, text: str, encoding: Any = "latin1") -> bytes:
    """``codecs.encode``, by which protocol 2 writes bytes."""
    if encoding not in ("latin1", b"latin1", "latin-1"):
        raise Refusal(f"text encoded as {shown(encoding)}")
    machine.spend(len(text))
    return text.encode("latin1")


def _bytes(machine: Machine, *arguments: Any) -> bytes:
    if arguments:
        raise Refusal("a call of bytes with arguments")  # protocol 2 writes empty ones by a call without
    return b""


def _bytearray(machine: Machine, data: Any = b"", *encoding: Any) -> bytearray:
    if isinstance(data, str):
        data = _encode(machine, data, *encoding)
    if not isinstance(data, bytes):
        raise Refusal(f"a bytearray of {shown(data)}")
    machine.spend(len(data))
    return bytearray(data)


def _members(machine: Machine, members: Any) -> Any:
    if not isinstance(members, list | tuple | set | frozenset):
        raise Refusal(f"a set of {shown(members)}")
    machine.spend(len(members))
    return map(machine.checked_key, members)


def _complex(machine: Machine, real: Any, imaginary: Any) -> complex:
    if type(real) is not float or type(imaginary) is not float:
        raise Refusal(f"a complex number of {shown(real)} and {shown(imaginary)}")
    return complex(real, imaginary)


def _ordered(machine: Machine, pairs: Any = ()) -> Ordered:
    """An ``OrderedDict``; Python 2 wrote the pairs with the call."""
    found = Ordered()
    machine.spend(len(pairs))
    for key, value in pairs:
        found[machine.checked_key(key)] = value
    return found


def _counter(machine: Machine, counts: Any = None) -> dict[Any, Any]:
    return _FieldsOf().call(machine, *([] if counts is None else [counts]))


def _default_dict(machine: Machine, factory: Any = None) -> dict[Any, Any]:
    """A ``defaultdict``, as a plain dict: what makes its defaults is not read."""
    if factory is not None and not isinstance(factory, Inert):
        raise Refusal(f"a defaultdict of {shown(factory)}")
    return {}


def _path(machine: Machine, *parts: Any) -> str:
    """A path as text."""
    if not all(isinstance(part, str) for part in parts):
        raise Refusal(f"a path of {shown(parts)}")
    machine.spend(sum(map(len, parts)))
    first, *rest = parts or ("",)
    return (first.rstrip("/") + "/" if rest else first) + "/".join(rest)


def _plain_names() -> dict[tuple[str, str], Any]:
    named: dict[str, Callable[..., Any]] = {
        "set": lambda machine, members=(): set(_members(machine, members)),
        "frozenset": lambda machine, members=(): frozenset(_members(machine, members)),
        "complex": _complex,
        "bytes": _bytes,
        "bytearray": _bytearray,
    }
    names: dict[tuple[str, str], Any] = {
        ("_codecs", "encode"): Function("function", _encode),
        ("collections", "OrderedDict"): Function("class OrderedDict", _ordered),
        ("collections", "Counter"): Function("class Counter", _counter),
        ("collections", "defaultdict"): Function("class defaultdict", _default_dict),
        ("numpy", "dtype"): Function("class numpy.dtype", _Dtype),
        ("numpy", "ndarray"): Function("class numpy.ndarray", Array),
    }
    for core in ("numpy.core", "numpy._core"):  # NumPy 1 and 2
        names[f"{core}.multiarray", "_reconstruct"] = Function("function", Array)
        names[f"{core}.multiarray", "scalar"] = Function("function", _scalar)
        names[f"{core}.numeric", "_frombuffer"] = Function("function", _from_buffer)
    for module in ("builtins", "__builtin__"):  # Python 3 and 2
        names.update({(module, name): Function(f"class {name}", body) for name, body in named.items()})
        names.update({(module, name): Type(name) for name in ("list", "dict", "int", "float", "str", "bool", "tuple")})
    for name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"):
        names["pathlib", name] = Function("class Path", _path)
    for module, name in (
        ("argparse", "Namespace"),
        ("types", "SimpleNamespace"),
        ("yacs.config", "CfgNode"),
        ("fvcore.common.config", "CfgNode"),
        ("easydict", "EasyDict"),
        ("pytorch_lightning.utilities.parsing", "AttributeDict"),
        ("lightning.pytorch.utilities.parsing", "AttributeDict"),
        ("lightning.fabric.utilities.data", "AttributeDict"),
    ):
        names[module, name] = _FieldsOf()
    return names


PLAIN_NAMES = _plain_names()


def finished(value: Any, old_text: Callable[[OldText], Any]) -> Any:
    """What a program left, with the real things for stand-ins; what occurs at several places is made once.

    Args:
        value: it.
        old_text: what a string of Python 2 becomes, where it is not a key; keys become text.

    Raises:
        Refusal: something in it is no plain data, or containers are nested too deeply.
    """
    return _finished(value, old_text, {}, 0)


def _finished(value: Any, old_text: Callable[[OldText], Any], done: dict[int, Any], depth: int) -> Any:
    if type(value) is OldText:
        return old_text(value)
    if isinstance(value, _PLAIN):
        return value
    if depth > _DEEPEST:
        raise Refusal("containers nested too deeply")
    if id(value) in done:
        return done[id(value)]
    found: Any
    if isinstance(value, Pending):
        found = value.value()
    elif isinstance(value, dict):
        found = OrderedDict() if isinstance(value, Ordered) else {}
        for key, content in value.items():
            found[_key(key)] = _finished(content, old_text, done, depth + 1)
    elif isinstance(value, list | tuple):
        found = type(value)([_finished(v, old_text, done, depth + 1) for v in value])
    elif isinstance(value, set | frozenset):
        found = type(value)(map(_key, value))
    elif isinstance(value, Inert):
        raise Refusal(value.name)
    else:
        found = value  # a value that a stand-in gave, such as a dtype
    done[id(value)] = found
    return found


def _key(key: Any) -> Any:
    if isinstance(key, bytes):
        return as_text(key) if type(key) is OldText else key.decode("latin1")
    return tuple(map(_key, key)) if type(key) is tuple else key


def as_text(data: OldText) -> str:
    """A string of Python 2 as text: UTF-8, as most are, else one character a byte."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin1")
