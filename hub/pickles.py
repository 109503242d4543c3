"""Reading pickled arrays without running anything.

A pickle names the functions that rebuild its objects. This reader knows four of those names, all of them NumPy's own way
to write an array, and puts inert stand-ins in their place; any other name is refused. So a stream can build numbers,
strings, plain containers and arrays of plain numbers, and nothing else.
"""

from __future__ import annotations

import io
import math
import pickle
from typing import Any

import numpy as np

from framework.io import FileFormatError


class _Dtype:
    """Stands in for ``numpy.dtype``: plain numbers only."""

    def __init__(self, code: Any, *_: Any) -> None:
        text = code.decode("ascii") if isinstance(code, bytes) else code
        if not isinstance(text, str) or len(text) > 3 or text[:1] not in "uifb" or not text[1:].isdigit():
            raise pickle.UnpicklingError(f"an array of {code!r} elements")
        self.dtype = np.dtype(text)

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        self.dtype = self.dtype.newbyteorder(order.decode("ascii") if isinstance(order, bytes) else order)


class _Array:
    """Stands in for ``numpy.ndarray`` while its state arrives."""

    array: np.ndarray[Any, Any]

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, data = state
        if isinstance(data, str):
            data = data.encode("latin1")
        if not isinstance(kind, _Dtype) or not isinstance(data, bytes):
            raise pickle.UnpicklingError("an array that is not of plain numbers")
        if len(data) != math.prod(shape) * kind.dtype.itemsize:
            raise pickle.UnpicklingError(f"an array of shape {tuple(shape)} with {len(data)} bytes")
        self.array = np.frombuffer(data, kind.dtype).reshape(shape, order="F" if fortran else "C")


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "bytes"):
        raise pickle.UnpicklingError(f"text encoded as {encoding!r}")
    return text.encode("latin1")


_STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,
    ("_codecs", "encode"): _encode,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _STAND_INS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"the name {module}.{name}") from None

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("a persistent id")


def read_arrays(data: bytes, where: str) -> Any:
    """The object of a pickle stream that holds arrays, numbers, strings and plain containers.

    Args:
        data: the stream.
        where: what to call it in an error.

    Raises:
        FileFormatError: the stream is broken, or holds anything else.
    """
    try:
        return _plain(_Reader(io.BytesIO(data), encoding="bytes").load(), 0)
    except pickle.UnpicklingError as error:
        raise FileFormatError(f"{where}: refused, since the pickle holds {error}; only arrays and plain data are read") from None
    except Exception as error:  # a broken stream can fail in any way inside the reader
        raise FileFormatError(f"{where}: the pickle is broken ({type(error).__name__}: {error}); download it again") from None


def _plain(value: Any, depth: int) -> Any:
    if depth > 50:
        raise pickle.UnpicklingError("containers nested too deeply")
    if isinstance(value, _Array):
        return value.array
    if isinstance(value, dict):
        return {_text(k): _plain(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(v, depth + 1) for v in value)
    return value


def _text(key: Any) -> Any:
    return key.decode("latin1") if isinstance(key, bytes) else key
