"""The stream of a generator on a GPU: the numbers of ``numpy.random.Philox``, drawn where they are needed.

Word ``i`` of a stream depends on its key and ``i`` alone, so all the state there is are two numbers on the host: how
many words have been drawn, and the half of a word that a draw of 32-bit numbers left over, as NumPy leaves it.

    Not yet run on a GPU: compiled, and compared with NumPy's numbers on the host (tests/gpu).
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from framework import dtypes
from framework.kernels.cuda.modules import blocks, kernel

THREADS = 256
NO_SPARE = np.uint64(2**64 - 1)
_LOW = 2**64 - 1
_UNIFORM = {
    dtypes.float32.numpy: "uniform_float",
    dtypes.float64.numpy: "uniform_double",
    dtypes.float16.numpy: "uniform_half",
    dtypes.bfloat16.numpy: "uniform_bfloat16",
}


class Stream:
    """Where a stream of random numbers is.

    Attributes:
        key: the 128-bit key that names it.
        at: the words (of 64 bits) drawn so far.
        spare: 32 bits that the next draw of 32-bit numbers begins with, or None.
    """

    def __init__(self, key: int, at: int = 0, spare: int | None = None) -> None:
        self.key, self.at, self.spare = key, at, spare

    @classmethod
    def after(cls, host: Any) -> Stream:
        """The stream of a NumPy Philox bit generator, from where it is on."""
        state = host.state
        key, counter = (
            sum(int(word) << 64 * place for place, word in enumerate(state["state"][name]))
            for name in ("key", "counter")
        )
        spare = int(state["uinteger"]) if state["has_uint32"] else None
        return cls(key, 4 * counter - (4 - state["buffer_pos"]), spare)

    def host(self) -> Any:
        """A NumPy Philox bit generator at the same place."""
        bits = np.random.Philox(key=self.key, counter=self.at // 4)
        if self.at % 4:
            bits.random_raw(self.at % 4)
        if self.spare is not None:
            bits.state = {**bits.state, "has_uint32": 1, "uinteger": self.spare}
        return bits

    def words(self, count: int) -> Any:
        """An array of so many random uint64."""
        out = import_module("cupy").empty(count, np.uint64)
        if count:
            _launch("words", count, (out, np.int64(count)), self.place(count))
        return out

    def uniform(self, count: int, dtype: Any) -> Any:
        """An array of so many numbers of a real floating dtype, evenly distributed in [0, 1)."""
        out = import_module("cupy").empty(count, dtype)
        if count:
            if dtype == np.float64:
                words, place = count, (*self.place(count), NO_SPARE)
            else:
                words, place = self._halves(count if dtype == np.float32 else -(-count // 2))
            _launch(_UNIFORM[dtype], words, (out, np.int64(count)), place)
        return out

    def integers(self, count: int, low: int, high: int) -> Any:
        """An array of so many integers in [low, high): int64, or uint64 where ``high`` exceeds 2**63."""
        out = import_module("cupy").empty(count, np.uint64)
        span = high - low
        if span == 1:
            out[...] = np.uint64(low & _LOW)
        elif count:
            if span <= 2**32:
                name, (words, place) = "integers32", self._halves(count)
            else:
                name, words, place = "integers64", count, (*self.place(count), NO_SPARE)
            _launch(name, words, (out, np.int64(count)), (*place, np.uint64(low & _LOW), np.uint64(span & _LOW)))
        return out if high > 2**63 else out.view(np.int64)

    def place(self, words: int) -> tuple[Any, Any, Any]:
        """The key's low and high word and the place of the next words, as kernels take them; the words are drawn."""
        first = self.at
        self.at += words
        return np.uint64(self.key & _LOW), np.uint64(self.key >> 64), np.uint64(first & _LOW)

    def _halves(self, count: int) -> tuple[int, tuple[Any, ...]]:
        """The same for 32-bit numbers, with the spare one; first the whole words that they take."""
        spare = NO_SPARE if self.spare is None else np.uint64(self.spare)
        left = count - (self.spare is not None)
        words = -(-left // 2)
        place = self.place(words)
        self.spare = None
        if left % 2:
            last = self.at - 1
            self.spare = int(np.random.Philox(key=self.key, counter=last // 4).random_raw(4)[last % 4]) >> 32
        return words, (*place, spare)


def _launch(name: str, words: int, before: tuple[Any, ...], place: tuple[Any, ...]) -> None:
    """Run a kernel of a thread for each block of four words; a draw may begin and end within one."""
    kernel("random", name)((blocks(words // 4 + 2, THREADS),), (THREADS,), (*before, *place))
