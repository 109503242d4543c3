"""Checks and small helpers that the ops of linear algebra share."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.devices import array_module
from framework.errors import DtypeError, LinAlgError, ShapeError
from framework.ops.arithmetic import conj_value
from framework.tensor import Tensor


def raw(x: Any) -> Any:
    """The plain array of a Tensor; anything else as it is."""
    return x.array if isinstance(x, Tensor) else x


def check_matrix(name: str, A: Any, square: bool = False, half: bool = False) -> None:
    """Refuse what is not a (batch of) floating-point or complex matrices.

    Raises:
        DtypeError: integers, or 16-bit floats unless ``half``.
        ShapeError: fewer than two dims, or not ``square`` where that is asked for.
    """
    array = raw(A)
    if not hasattr(array, "dtype"):
        raise TypeError(f"{name}(): argument 'A' must be Tensor, not {type(A).__name__}")
    if array.ndim < 2:
        raise ShapeError(f"{name}: The input tensor A must have at least 2 dimensions, got shape {tuple(array.shape)}")
    check_floating(name, A, half)
    if square and array.shape[-1] != array.shape[-2]:
        raise ShapeError(
            f"{name}: A must be batches of square matrices, but they are {array.shape[-2]} by {array.shape[-1]} "
            "matrices"
        )


def check_floating(name: str, A: Any, half: bool = False) -> None:
    """Refuse integers, and 16-bit floats unless ``half``."""
    array = raw(A)
    if array.dtype.kind in "biu":
        raise DtypeError(
            f"{name}: Expected a floating point or complex tensor as input, got {array.dtype}; use .float()"
        )
    if not half and array.dtype.itemsize == 2:
        raise DtypeError(f"{name}: Low precision dtypes not supported, got {array.dtype}; convert with .float()")


def check_same(name: str, A: Any, B: Any) -> None:
    """Refuse two operands of different dtypes."""
    if raw(A).dtype != raw(B).dtype:
        raise DtypeError(
            f"{name}: Expected A and B to have the same dtype, got {raw(A).dtype} and {raw(B).dtype} instead"
        )


def adjoint(x: Any) -> Any:
    """The conjugate transpose of the last two dims."""
    return conj_value(x).swapaxes(-1, -2)


def column(x: Any) -> Any:
    """A vector as a matrix of one column."""
    return x.reshape((*x.shape, 1))


def row(x: Any) -> Any:
    """A vector as a matrix of one row."""
    return x.reshape((*x.shape[:-1], 1, x.shape[-1]))


def identity(like: Any, n: int) -> Any:
    """The plain identity matrix in the dtype and on the device of ``like``."""
    array = raw(like)
    return array_module(array).eye(n, dtype=array.dtype)


def each_matrix(function: Any, *arrays: Any) -> tuple[list[Any], Any]:
    """Call a NumPy function on each matrix of a batch: its results, None where it failed, and where it failed.

    Returns:
        the results in a flat list, and an int32 array of the batch's shape with 1 at the failures.
    """
    batch = arrays[0].shape[:-2]
    flat = [a.reshape((-1, *a.shape[-2:])) for a in arrays]
    results, failed = [], np.zeros(len(flat[0]), np.int32)
    for number, matrices in enumerate(zip(*flat, strict=True)):
        try:
            results.append(function(*matrices))
        except np.linalg.LinAlgError:
            results.append(None)
            failed[number] = 1
    return results, failed.reshape(batch)


def fail(name: str, info: Any, what: str) -> None:
    """Raise a ``LinAlgError`` for the first matrix that ``info`` marks, if there is one."""
    marks = np.asarray(info.get() if hasattr(info, "get") else info)
    if marks.any():
        where = f"(Batch element {int(marks.reshape(-1).nonzero()[0][0])}): " if marks.ndim else ""
        raise LinAlgError(f"{name}: {where}{what}")
