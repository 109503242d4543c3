"""What kernels are given of arrays: tables of many, constants on the device, and how to count and vectorise.

Many arrays go into one launch by the table that a kernel of ``source/tensors.cuh`` finds them by.

The table goes by value, in the launch's own parameters. So nothing has to be kept alive or waited for, as it would with a
table in device memory: gradients are new arrays in each step, and a copy from pinned memory may be overwritten only when
the device has read it. A launch takes up to 32,764 bytes since CUDA 12.1, on every GPU that CUDA 13 serves: the rows of
all parameters of a BERT (199), where 4 KB, the limit before, would take three launches. Small tables keep to those 4 KB,
since every launch copies its parameters.

    Not yet run on a GPU: compiled, and used by kernels that were compared with the generic ones on the host (tests/gpu).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from framework.devices import array_module
from framework.kernels.cuda.modules import BYTES, aligned
from framework.kernels.generic.passes import order

CHUNK = 4096  # elements of a block, as in tensors.cuh
SIZES = (480, 4000)  # words of a table


def tables(rows: Sequence[tuple[list[int], int, int]], arrays: int) -> Iterator[tuple[Any, int, int, int]]:
    """The tables that hold these rows, each with its number of rows, of chunks, and of words.

    Args:
        rows: the addresses of a tensor's arrays, the number of its elements (not 0), and the first word of its random
            numbers.
        arrays: how many arrays a row has.
    """
    width = arrays + 3
    most = SIZES[-1] // width
    for start in range(0, len(rows), most):
        part = rows[start : start + most]
        words: list[int] = []
        chunks = 0
        for addresses, count, drawn in part:
            words += addresses
            words += (count, chunks, drawn)
            chunks += -(-count // CHUNK)
        size = SIZES[0] if len(words) <= SIZES[0] else SIZES[1]
        table = np.empty(size, np.uint64)
        table[: len(words)] = words
        yield struct(table), len(part), chunks, size


def struct(values: Any) -> Any:
    """The memory of a NumPy array as one value, which CuPy hands to a kernel as it is."""
    return values.view(np.dtype((np.void, values.nbytes))).reshape(())


def is_dense(x: Any) -> bool:
    """Whether an array fills its memory without gaps, in whatever order of the axes."""
    return x.flags.c_contiguous or order(x) is not None


def vector(length: int, *arrays: Any) -> int:
    """How many elements of rows of some length a thread may take: a power of two, 16 bytes' worth at most."""
    width = BYTES // max([array.itemsize for array in arrays])
    while length % width or not all(aligned(width * array.itemsize, array) for array in arrays):
        width //= 2
    return width


def number_type(*arrays: Any) -> Any:
    """The dtype that numbers all their elements: int32, which GPUs divide faster, or int64."""
    return np.dtype(np.int32 if max([array.size for array in arrays]) < 2**31 - 2**16 else np.int64)


class _Same:
    """An array by its identity, for a cache: it is never written to."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __hash__(self) -> int:
        return id(self.array)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.array is other.array


def on_device(constant: Any, dtype: Any, like: Any) -> Any:
    """A NumPy array that is a constant, such as a table that is kept, beside an array: copied there once."""
    return _placed(_Same(constant), dtype, array_module(like), like.device.id)


@lru_cache(512)
def _placed(constant: _Same, dtype: Any, xp: Any, device: int) -> Any:
    with xp.cuda.Device(device):
        return xp.asarray(constant.array.astype(dtype), blocking=True)  # any stream may be the next to read it
