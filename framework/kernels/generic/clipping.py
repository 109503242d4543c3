"""What clipping does to all gradients together: their common length, and scaling them, in one pass each.

A length is that of pieces, each a dot product in the gradients' own precision, added up in float64: the result does not
depend on the number of threads, and is more accurate than one running sum.

Measured on two threads of a 2-core EPYC, 21 M float32 elements: the length 1.7 ms, scaling 2.3; on
one thread 2.6 and 2.9.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from framework.kernels import threads
from framework.kernels.generic.flat import flattened

NAME = "generic"
SHARED = 1 << 19  # elements from which on threads share the work
PIECE = 1 << 17  # elements that a thread takes at once


def declines(*arrays: Any) -> None:
    """It serves every call, if only to say that the arrays are not all dense."""


def _pieces(flat: list[Any]) -> list[Any]:
    return [array[start : start + PIECE] for array in flat for start in range(0, array.size, PIECE)]


def _dense(arrays: list[Any]) -> list[Any] | None:
    """Flat views of NumPy arrays of one real floating dtype, float32 or float64; None if they are anything else."""
    flat = []
    for array in arrays:
        if type(array) is not np.ndarray or array.dtype != arrays[0].dtype or array.dtype.char not in "fd":
            return None
        views = flattened((array,))
        if views is None:
            return None
        flat += views
    return flat


def length(arrays: list[Any]) -> Any:
    """The Euclidean norm of arrays seen as one vector, a 0-d array of their dtype.

    None if they are anything but dense NumPy arrays of float32, or of float64.
    """
    flat = _dense(arrays)
    if not flat:
        return None
    pieces = _pieces(flat)
    squares = [0.0] * len(pieces)

    def square(place: int) -> None:
        squares[place] = float(np.dot(pieces[place], pieces[place]))

    if sum([array.size for array in flat]) < SHARED:
        squares = [float(np.dot(piece, piece)) for piece in pieces]
    else:
        threads.parallel(square, range(len(pieces)))
    return np.asarray(math.sqrt(sum(squares)), flat[0].dtype)


def clip(arrays: list[Any], total: Any, most: float) -> bool:
    """Multiply arrays, which share no memory, by ``most / (total + 1e-6)`` in place, where that is under 1.

    False, and nothing done, if they are anything but dense NumPy arrays of float32, or of float64.
    """
    flat = _dense(arrays) if type(total) is np.ndarray else None
    if flat is None:
        return False
    kind = total.dtype.type
    with np.errstate(divide="ignore", over="ignore"):
        factor = kind(most) / (total[()] + kind(1e-6))
    if not factor >= 1:
        _scale(flat, float(factor))
    return True


def _scale(flat: list[Any], factor: float) -> None:
    """Multiply flat arrays, which share no memory, by a number, in place."""

    def multiply(piece: Any) -> None:
        np.multiply(piece, factor, out=piece)

    if sum([array.size for array in flat]) < SHARED:
        for array in flat:
            multiply(array)
    else:
        threads.parallel(multiply, _pieces(flat))
