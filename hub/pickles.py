"""Reading pickled arrays without running anything."""

from __future__ import annotations

from typing import Any

from hub.reading.files import refusing
from hub.reading.machine import Machine
from hub.reading.standins import PLAIN_NAMES, finished


def read_arrays(data: bytes, where: str) -> Any:
    """The object of a pickle stream that holds arrays, numbers, strings and plain containers.

    Args:
        data: the stream.
        where: what to call it in an error.

    Returns:
        The object. Keys that are bytes come as text; arrays are read-only.

    Raises:
        FileFormatError: the stream is broken, or holds anything else.
    """
    with refusing(where):
        return finished(Machine(data, PLAIN_NAMES).run(), bytes)
