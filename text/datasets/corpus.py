"""Corpora: lines, lines that belong together in several files, and streams of tokens cut into blocks."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from framework.data import Dataset
from framework.errors import ArgumentError, ShapeError
from framework.io import FileFormatError
from framework.tensor import Tensor, wrap
from text.datasets.strings import Strings


class LineCorpus(Dataset):
    """The lines of a text file, without their ends; the file is mapped, so its size does not matter.

    Args:
        path: the file; it may be compressed, and is then unpacked in memory.
        skip_empty: leave out lines of blanks.
        transform: applied to the line.

    Attributes:
        lines: the lines as ``Strings``.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        skip_empty: bool = False,
        transform: Callable[[str], Any] | None = None,
    ) -> None:
        self.lines = Strings.lines(path)
        if skip_empty:
            self.lines = self.lines.select([number for number, line in enumerate(self.lines) if line.strip()])
        self.transform = transform

    def __getitem__(self, index: int) -> Any:
        line = self.lines[index]
        return line if self.transform is None else self.transform(line)

    def __len__(self) -> int:
        return len(self.lines)


class ParallelCorpus(Dataset):
    """Lines that belong together in several files, such as sentences and their translations.

    Args:
        paths: the files, of as many lines each; they may be compressed.
        transforms: one for each file's lines.

    Shape:
        A sample is the tuple of the files' lines of one number.

    Raises:
        FileFormatError: the files differ in how many lines they have.
    """

    def __init__(
        self,
        *paths: str | os.PathLike[str],
        transforms: Sequence[Callable[[str], Any] | None] | None = None,
    ) -> None:
        if not paths:
            raise ArgumentError("ParallelCorpus: expected at least one file, got none")
        if transforms is not None and len(transforms) != len(paths):
            raise ArgumentError(f"ParallelCorpus: expected {len(paths)} transforms, one a file, got {len(transforms)}")
        self.columns = aligned(paths)
        self.transforms = transforms

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        lines = tuple(column[index] for column in self.columns)
        if self.transforms is None:
            return lines
        return tuple(
            line if change is None else change(line) for line, change in zip(lines, self.transforms, strict=True)
        )

    def __len__(self) -> int:
        return len(self.columns[0])


def aligned(paths: Sequence[str | os.PathLike[str]]) -> list[Strings]:
    """The lines of files that must have as many of them."""
    columns = [Strings.lines(path) for path in paths]
    if len({len(column) for column in columns}) > 1:
        listed = ", ".join(f"{os.fspath(path)} {len(column)}" for path, column in zip(paths, columns, strict=True))
        raise FileFormatError(f"the files do not belong together, their numbers of lines differ: {listed}")
    return columns


class TokenBlocks(Dataset):
    """A stream of tokens cut into blocks, each with the tokens that come next as its targets.

    Args:
        tokens: token numbers (N): a tensor, an array, or a memory-mapped one, which is not read as a whole.
        block_size: tokens a block.
        stride: tokens from the start of one block to that of the next; as many as a block has unless given. With 1
            every place is a start, as for drawing blocks at random.

    Shape:
        A sample is (inputs (block_size), targets (block_size)), int64: the targets are the inputs one token later.

    Example:
        >>> inputs, targets = TokenBlocks(framework.arange(7), block_size=3)[1]
        >>> inputs, targets
        (tensor([3, 4, 5]), tensor([4, 5, 6]))
    """

    def __init__(self, tokens: Any, block_size: int, stride: int | None = None) -> None:
        self.tokens = tokens.numpy() if isinstance(tokens, Tensor) else np.asanyarray(tokens)
        self.block_size = block_size
        self.stride = block_size if stride is None else stride
        if self.tokens.ndim != 1 or self.tokens.dtype.kind not in "iu":
            raise ShapeError(f"TokenBlocks: expected token numbers (N), got {self.tokens.dtype} {self.tokens.shape}")
        if block_size < 1 or self.stride < 1:
            raise ArgumentError(f"TokenBlocks: block_size and stride must be positive, got {block_size} and {stride}")

    def __len__(self) -> int:
        return max((len(self.tokens) - 1 - self.block_size) // self.stride + 1, 0)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        """The blocks of several numbers, cut out in one step."""
        numbers = np.asarray(indices, np.int64)
        total = len(self)
        if len(numbers) and not (-total <= numbers.min() and numbers.max() < total):
            raise IndexError(
                f"TokenBlocks: block {numbers.min()} or {numbers.max()} is out of range for {total} blocks"
            )
        starts = numbers % total * self.stride
        blocks = self.tokens[starts[:, None] + np.arange(self.block_size + 1)].astype(np.int64)
        return [(wrap(block[:-1]), wrap(block[1:])) for block in blocks]
