"""Reading pickled arrays without running anything.

A pickle is a program: it names functions and calls them. This reader first goes through the program and refuses every
instruction but those that build numbers, strings, plain containers and arrays. Of names it knows the few that NumPy
writes arrays with, and puts inert stand-ins in their place. So nothing outside this file is ever called, and a stream
cannot take much more memory than its own length.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from typing import Any

import numpy as np

from framework.io import FileFormatError

_DEEPEST = 50  # how far containers may be nested
_PLAIN = (bool, int, float, str, bytes, bytearray, type(None))
# fmt: off
_ALLOWED = frozenset((
    "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP", "NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT",
    "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
    "BYTEARRAY8", "EMPTY_LIST", "LIST", "APPEND", "APPENDS", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3",
    "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS", "GET", "BINGET", "LONG_BINGET", "PUT", "BINPUT", "LONG_BINPUT",
    "MEMOIZE", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD",
))
# fmt: on


class _Inert:
    """A stand-in. Its fields cannot be set from a pickle."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("an attempt to change how it is read")


class _Dtype(_Inert):
    """Stands in for ``numpy.dtype``: plain numbers only."""

    __slots__ = ("dtype",)

    def __init__(self, code: Any, *_: Any) -> None:
        text = code.decode("ascii") if isinstance(code, bytes) else code
        if not isinstance(text, str) or len(text) > 3 or text[:1] not in "uifb" or not text[1:].isdigit():
            raise pickle.UnpicklingError(f"an array of {code!r} elements")
        self.dtype: np.dtype[Any] = np.dtype(text)

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        name: Any = order.decode("ascii") if isinstance(order, bytes) else order
        self.dtype = self.dtype.newbyteorder(name)


class _Array(_Inert):
    """Stands in for ``numpy.ndarray`` and for what makes an empty one, while its state arrives."""

    __slots__ = ("array",)

    def __init__(self, *_: Any) -> None:
        self.array: np.ndarray[Any, Any] | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, data = state
        self.array = _array_of(data, kind, shape, "F" if fortran else "C")


class _FromBuffer(_Inert):
    """Stands in for the function that protocol 5 writes arrays with."""

    __slots__ = ()

    def __call__(self, data: Any, kind: Any, shape: Any, order: Any = "C") -> _Array:
        found = _Array()
        found.array = _array_of(data, kind, shape, order.decode("ascii") if isinstance(order, bytes) else order)
        return found


class _NoBytes(_Inert):
    """Stands in for ``bytes``, by which protocol 2 writes empty ones."""

    __slots__ = ()

    def __call__(self) -> bytes:
        return b""


class _Encode(_Inert):
    """Stands in for ``codecs.encode``, by which protocol 2 writes bytes, within a number of bytes in all."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self, text: str, encoding: Any = "latin1") -> bytes:
        if encoding not in ("latin1", b"latin1"):
            raise pickle.UnpicklingError(f"text encoded as {encoding!r}")
        self.left -= len(text)
        if self.left < 0:
            raise pickle.UnpicklingError("more bytes than the file has")
        return text.encode("latin1")


def _array_of(data: Any, kind: Any, shape: Any, order: Any) -> np.ndarray[Any, Any]:
    if isinstance(data, str):
        data = data.encode("latin1")
    if not isinstance(kind, _Dtype) or not isinstance(data, bytes | bytearray) or order not in ("C", "F"):
        raise pickle.UnpicklingError("an array that is not of plain numbers")
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise pickle.UnpicklingError(f"an array of shape {shape!r}")
    if len(data) != math.prod(shape) * kind.dtype.itemsize:
        raise pickle.UnpicklingError(f"an array of shape {shape} with {len(data)} bytes")
    return np.frombuffer(data, kind.dtype).reshape(shape, order=order)


class _Reader(pickle.Unpickler):
    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="bytes")
        self._stand_ins: dict[tuple[str, str], Any] = {
            ("numpy", "dtype"): _Dtype,
            ("numpy", "ndarray"): _Array,
            ("_codecs", "encode"): _Encode(len(data)),
            ("__builtin__", "bytes"): _NoBytes(),
        }
        for core in ("numpy.core", "numpy._core"):  # NumPy 1 and 2
            self._stand_ins[f"{core}.multiarray", "_reconstruct"] = _Array
            self._stand_ins[f"{core}.numeric", "_frombuffer"] = _FromBuffer()

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._stand_ins[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"the name {module}.{name}") from None

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("a persistent id")


def read_arrays(data: bytes, where: str) -> Any:
    """The object of a pickle stream that holds arrays, numbers, strings and plain containers.

    Args:
        data: the stream.
        where: what to call it in an error.

    Returns:
        The object. Keys that are bytes come as text; arrays are read-only.

    Raises:
        FileFormatError: the stream is broken, or holds anything else.
    """
    try:
        _check_program(data)
        return _plain(_Reader(data).load(), {}, 0)
    except pickle.UnpicklingError as error:
        raise FileFormatError(
            f"{where}: refused, since the pickle holds {error}; only arrays and plain data are read"
        ) from None
    except Exception as error:  # a broken stream can fail in any way inside the reader
        problem = f"{type(error).__name__}: {error}"
        raise FileFormatError(f"{where}: the pickle is broken ({problem}); download it again") from None


def _check_program(data: bytes) -> None:
    """Refuse instructions that plain data does not need, and places in the memo that would take absurd memory."""
    for code, argument, _ in pickletools.genops(data):
        if code.name not in _ALLOWED:
            raise pickle.UnpicklingError(f"the instruction {code.name}")
        if code.name.endswith("PUT") and isinstance(argument, int) and argument > len(data):
            raise pickle.UnpicklingError(f"the memo index {argument}")


def _plain(value: Any, done: dict[int, Any], depth: int) -> Any:
    """The object with arrays for stand-ins; what occurs at several places is made once."""
    if depth > _DEEPEST:
        raise pickle.UnpicklingError("containers nested too deeply")
    if isinstance(value, _PLAIN):
        return value
    if id(value) in done:
        return done[id(value)]
    found: Any
    if isinstance(value, _Array) and value.array is not None:
        found = value.array
    elif isinstance(value, dict):
        found = {_text(k): _plain(v, done, depth + 1) for k, v in value.items()}
    elif isinstance(value, list | tuple):
        found = type(value)(_plain(v, done, depth + 1) for v in value)
    else:
        raise pickle.UnpicklingError(f"a bare {type(value).__name__.strip('_').lower()}")
    done[id(value)] = found
    return found


def _text(key: Any) -> Any:
    return key.decode("latin1") if isinstance(key, bytes) else key
