"""Texts of any length packed into blocks of one length, with no padding between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from framework.data import IterableDataset
from framework.errors import ArgumentError
from framework.tensor import Tensor, wrap

Array = np.ndarray[Any, Any]


def pack_tokens(
    sequences: Iterable[Any],
    block_size: int,
    separator: int | None = None,
    drop_last: bool = True,
    pad_id: int = 0,
) -> Tensor:
    """Join token sequences and cut them into blocks.

    Args:
        sequences: lists, arrays or tensors of token numbers.
        block_size: tokens a block.
        separator: a token to put after each sequence, such as the end of text.
        drop_last: leave out what does not fill a block; else it is filled up with ``pad_id``.
        pad_id: the padding token's number.

    Returns:
        The blocks (N, block_size), int64.
    """
    blocks = list(_blocks(sequences, block_size, separator, drop_last, pad_id))
    return wrap(np.concatenate(blocks) if blocks else np.empty((0, block_size), np.int64))


class PackedStream(IterableDataset):
    """A stream of blocks packed from a stream of token sequences, which need not fit in memory; see ``pack_tokens``.

    Args:
        sequences: what gives the sequences, each time it is walked through. With several loader workers it has to share
            them out itself.
        block_size, separator, drop_last, pad_id: as in ``pack_tokens``.

    Shape:
        A sample is a block (block_size), int64.
    """

    def __init__(
        self,
        sequences: Iterable[Any],
        block_size: int,
        separator: int | None = None,
        drop_last: bool = True,
        pad_id: int = 0,
    ) -> None:
        self.sequences = sequences
        self.block_size = block_size
        self.separator = separator
        self.drop_last = drop_last
        self.pad_id = pad_id

    def __iter__(self) -> Iterator[Tensor]:
        for blocks in _blocks(self.sequences, self.block_size, self.separator, self.drop_last, self.pad_id):
            yield from map(wrap, blocks)


def _blocks(
    sequences: Iterable[Any], size: int, separator: int | None, drop_last: bool, pad_id: int
) -> Iterator[Array]:
    """Arrays of whole blocks (n, size), as soon as enough tokens have come for some."""
    if size < 1:
        raise ArgumentError(f"pack_tokens: block_size must be positive, got {size}")
    end = np.array([] if separator is None else [separator], np.int64)
    waiting: list[Array] = []
    number = 0
    for sequence in sequences:
        tokens = np.asarray(sequence.numpy() if isinstance(sequence, Tensor) else sequence).astype(np.int64)
        waiting += [tokens, end]
        number += len(tokens) + len(end)
        if number >= max(size, 1 << 16):  # not at every sequence: joining costs more than the tokens
            stream = np.concatenate(waiting)
            whole = number - number % size
            yield stream[:whole].reshape(-1, size)
            waiting, number = [stream[whole:]], number - whole
    stream = np.concatenate(waiting) if waiting else end[:0]
    whole = number - number % size
    yield stream[:whole].reshape(-1, size)
    if whole < number and not drop_last:
        yield np.concatenate([stream[whole:], np.full(size - number + whole, pad_id, np.int64)])[None]
