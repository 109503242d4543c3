"""How far a download is: a bar on a terminal, a line at every tenth of the way in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any


class ByteProgress:
    """Counts bytes for somebody who watches. It writes to standard error.

    Args:
        label: what is on its way.
        total: bytes in the whole; None where nobody knows.
        start: bytes that were there before.
        shown: False keeps silent.
    """

    def __init__(self, label: str, total: int | None, start: int = 0, shown: bool = True) -> None:
        self.label, self.total, self.done, self.shown = label, total, start, shown
        self._bar: Any = None
        self._tenth = start * 10 // total if total else 0
        self._began = time.monotonic()

    def __enter__(self) -> ByteProgress:
        if self.shown and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(
                desc=self.label, total=self.total, initial=self.done, unit="B", unit_scale=True, dynamic_ncols=True
            )
        return self

    def update(self, count: int) -> None:
        """Say that so many more bytes have come."""
        self.done += count
        if self._bar is not None:
            self._bar.update(count)
        elif self.shown and self.total and self.done * 10 // self.total > self._tenth:
            self._tenth = self.done * 10 // self.total
            self._say(f"{self._tenth * 10:3d} %  {_size(self.done)}/{_size(self.total)}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self.shown and self.total is None and kind is None:
            self._say(_size(self.done))

    def _say(self, words: str) -> None:
        print(f"{self.label}: {words}  {time.monotonic() - self._began:.1f} s", file=sys.stderr, flush=True)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"
