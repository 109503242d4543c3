"""How norms see an array: in blocks that stay in the cache, along which vectors of one value a channel broadcast.

Both memory orders are served: channels-last as rows of C, several rows taken as one long line since NumPy's inner loops
pay for length; row-major as (N, C, L).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from framework import dtypes
from framework.devices import array_module
from framework.kernels.generic.passes import BUFFER, CACHED, column_sums, row_sums, unbuffered
from framework.kernels.generic.windows import scratch

FAR = 2.0  # deviations between 0 and a mean above which differences from the mean are computed


def accumulator(x: Any) -> Any:
    """The dtype that statistics of an array have."""
    return np.dtype("float32") if x.dtype in dtypes.HALF else x.dtype


def wide(x: Any) -> Any:
    """A block in its accumulator's dtype."""
    return x.astype("float32") if x.dtype in dtypes.HALF else x


def blocks(xp: Any, rows: int, width: int, itemsize: int) -> Iterator[tuple[slice, int]]:
    """Slices of rows that stay in the cache, and the length of the lines of whole rows that each is seen as.

    A line is as long as a ufunc's buffer at least, so that vectors which broadcast along it are not copied through that;
    the rows that are left over in the end are one shorter line.
    """
    joined = max(1, min(-(-BUFFER // max(width, 1)), rows))
    step = rows // joined * joined
    if xp is np:
        step = min(step, max(1, CACHED // max(1, width * max(itemsize, 4) * joined)) * joined)
    stop = rows - rows % joined
    for start in range(0, stop, max(step, 1)):
        yield slice(start, min(start + step, stop)), joined * width
    if stop < rows:
        yield slice(stop, rows), (rows - stop) * width


class Channels:
    """An (N, C, *spatial) array seen so that vectors of one value a channel broadcast along its blocks.

    Args:
        apart: statistics are each sample's own.
        like: an array whose memory order this one is brought to.

    Attributes:
        array: (S, rows, C) over channels-last memory, else (S, n, C, L); S is N if ``apart``, else 1.
    """

    def __init__(self, x: Any, apart: bool = False, like: Channels | None = None) -> None:
        self.xp, self.shape, self.channels = array_module(x), x.shape, x.shape[1]
        moved = x.transpose(0, *range(2, x.ndim), 1)
        self.last: bool = like.last if like else bool(x.ndim == 2 or moved.flags.c_contiguous)
        self.samples = x.shape[0] if apart else 1
        source = self.xp.ascontiguousarray(moved if self.last else x)
        length = source.size // max(1, x.shape[0] * self.channels)
        inside = x.shape[0] // max(self.samples, 1)
        shape = (inside * length, self.channels) if self.last else (inside, self.channels, length)
        self.array = source.reshape(self.samples, *shape)

    def empty(self, dtype: Any) -> tuple[Any, Any]:
        """A new array of this layout, and the same memory as (N, C, *spatial)."""
        out = self.xp.empty(self.array.shape, dtype)
        if not self.last:
            return out, out.reshape(self.shape)
        whole = out.reshape(self.shape[0], *self.shape[2:], self.channels)
        return out, whole.transpose(0, whole.ndim - 1, *range(1, whole.ndim - 1))

    def blocks(self, *vectors: Any) -> Iterator[tuple[Any, ...]]:
        """For each block its sample, a function that cuts it out of an array, and the vectors (S, C) along it."""
        xp, array = self.xp, self.array
        if not array.size:
            return
        if self.last:
            cuts = list(blocks(xp, array.shape[1], self.channels, array.itemsize))
            longest = max((line for _, line in cuts), default=0) // max(self.channels, 1)
        else:
            size = array.shape[2] * array.shape[3]
            step = max(1, CACHED // max(1, size * max(array.itemsize, 4))) if xp is np else max(1, array.shape[1])
            cuts = [(slice(start, start + step), 0) for start in range(0, array.shape[1], step)]
        for sample in range(self.samples):
            if self.last:
                here = [xp.tile(v[sample], longest) for v in vectors]
            else:
                here = [v[sample][:, None] for v in vectors]
            for rows, line in cuts:
                yield sample, _Cut(sample, rows, line), *([v[:line] for v in here] if self.last else here)

    def total(self, block: Any) -> Any:
        """The sum of a block a channel."""
        if self.last:
            return column_sums(block.reshape(1, -1, self.channels))[0]
        return row_sums(block.reshape(-1, block.shape[-1])).reshape(-1, self.channels).sum(0)

    def dot(self, a: Any, b: Any) -> Any:
        """The sum of a product of blocks a channel."""
        if self.xp is not np:
            return self.total(a * b)
        if not self.last:
            return np.vecdot(a, b).sum(0)
        product = scratch(np, "norm", a.shape, a.dtype)
        np.multiply(a, b, out=product)
        return self.total(product)

    def spread(self, values: Any) -> Any:
        """Values a group, (S, groups), as values a channel, (S, C)."""
        return self.xp.repeat(values, self.channels // values.shape[1], axis=1)

    def joined(self, values: Any, groups: int) -> Any:
        """The sums (S, groups) of values a channel."""
        return values.reshape(self.samples, groups, self.channels // groups).sum(2)

    def unbuffered(self) -> Any:
        """The context for elementwise passes over blocks."""
        return unbuffered(0 if self.last else self.array.shape[-1])


class _Cut:
    """Where a block lies."""

    def __init__(self, sample: int, rows: slice, line: int) -> None:
        self.place, self.line = (sample, rows), line

    def __call__(self, array: Any) -> Any:
        part = array[self.place]
        return part.reshape(-1, self.line) if self.line else part
