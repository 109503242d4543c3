"""A GPU library's handles: one for each thread and device, set to the stream that takes work.

Not yet run on a GPU: checked on a stand-in for CuPy (tests/gpu).
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any, Generic, Protocol, TypeVar


class Streamed(Protocol):
    """A handle that works in one stream at a time."""

    stream: int | None

    def turn_to(self, stream: int) -> None:
        """Let what follows go into a stream, and remember it as ``stream``."""


H = TypeVar("H", bound=Streamed)


_every: list[Handles[Any]] = []


def buffers() -> list[Any]:
    """The memory that this thread's handles have put to their streams' use: a captured graph has its addresses."""
    found = [getattr(handle, "buffer", None) for handles in _every for handle in handles._of.values()]
    return [buffer for buffer in found if buffer is not None]


class Handles(threading.local, Generic[H]):
    """This thread's handles.

    Args:
        make: gives the first handle of a device, from CuPy and the device's number.
    """

    def __init__(self, make: Callable[[ModuleType, int], H]) -> None:
        self._make = make
        self._of: dict[int, H] = {}
        if not any(known is self for known in _every):  # this runs once in each thread
            _every.append(self)

    def current(self) -> H:
        """The handle for the device in use, set to the current stream: setting it costs more than a product, so once."""
        xp = sys.modules["cupy"]
        device = xp.cuda.runtime.getDevice()
        handle = self._of.get(device)
        if handle is None:
            handle = self._of[device] = self._make(xp, device)
        stream = xp.cuda.get_current_stream().ptr
        if stream != handle.stream:
            handle.turn_to(stream)
        return handle
