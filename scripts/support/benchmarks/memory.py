"""The most memory that a process has held, between two moments."""

from __future__ import annotations

import ctypes
import resource
import sys
from contextlib import suppress
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # of proc(5)


def settle() -> int:
    """Give freed memory back to the system, forget the peak, and return the bytes held now."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
    with suppress(OSError):  # on another system the peak since the process began stands in for it
        _CLEAR.write_text(_RESET_PEAK)
    return held("VmRSS")


def held(name: str) -> int:
    """Bytes held now ("VmRSS") or at most ("VmHWM")."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024
