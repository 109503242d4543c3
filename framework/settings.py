"""Settings of the whole process: determinism, the precision of float32 products, threads, warnings.

They are plain values here; the kernels that they concern read them when they run.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from framework.errors import ArgumentError

PRECISIONS = ("highest", "high", "medium")
DEBUG_MODES = ("default", "warn", "error")
_BLAS_SETTERS = ("scipy_openblas_set_num_threads64_", "openblas_set_num_threads64_", "openblas_set_num_threads")


class _Settings:
    deterministic = "default"  # one of DEBUG_MODES
    precision = "highest"
    warn_always = False
    threads: int | None = None  # as set; None as the machine has it
    interop_threads: int | None = None


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for algorithms that give the same bits in every run.

    On the CPU all do. On a GPU scattered additions run in the order of arrival unless this is on.

    Args:
        mode: on or off.
        warn_only: warn rather than raise where there is no such algorithm.
    """
    _Settings.deterministic = ("warn" if warn_only else "error") if mode else "default"


def are_deterministic_algorithms_enabled() -> bool:
    """Whether deterministic algorithms were asked for."""
    return _Settings.deterministic != "default"


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether the lack of a deterministic algorithm is a warning only."""
    return _Settings.deterministic == "warn"


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """``use_deterministic_algorithms`` by name or number: "default" (0), "warn" (1) or "error" (2)."""
    name = DEBUG_MODES[debug_mode] if isinstance(debug_mode, int) and 0 <= debug_mode < 3 else debug_mode
    if name not in DEBUG_MODES:
        raise ArgumentError(
            f"set_deterministic_debug_mode: invalid value of debug_mode, expected one of {', '.join(DEBUG_MODES)} or "
            f"0, 1, 2, got {debug_mode!r}"
        )
    _Settings.deterministic = str(name)


def get_deterministic_debug_mode() -> int:
    """0 for "default", 1 for "warn", 2 for "error"."""
    return DEBUG_MODES.index(_Settings.deterministic)


def set_float32_matmul_precision(precision: str) -> None:
    """How exact float32 products on a GPU must be. CPU products always have all 24 bits.

    Args:
        precision: "highest" (24 bits), "high" (TF32 allowed) or "medium" (bfloat16 allowed; TF32 is used).
    """
    if precision not in PRECISIONS:
        warnings.warn(
            f"set_float32_matmul_precision: expected one of {', '.join(PRECISIONS)}, got {precision!r}; nothing changed",
            stacklevel=2,
        )
        return
    _Settings.precision = precision


def get_float32_matmul_precision() -> str:
    """What ``set_float32_matmul_precision`` set; "highest" at first."""
    return _Settings.precision


def _blas_libraries() -> Iterator[Any]:
    """The OpenBLAS libraries in NumPy's and SciPy's wheels, those that are loaded."""
    import ctypes

    flags = getattr(os, "RTLD_NOLOAD", 0) | getattr(os, "RTLD_NOW", 0)
    site = Path(np.__file__).parent.parent
    for package in ("numpy", "scipy"):
        if package not in sys.modules:
            continue
        for folder in (site / f"{package}.libs", site / package / ".dylibs"):
            for path in sorted(folder.glob("*openblas*")) if folder.is_dir() else ():
                try:
                    yield ctypes.CDLL(str(path), mode=flags)
                except OSError:  # in the wheel, but not in this process
                    continue


def set_num_threads(num: int) -> None:
    """The number of threads for products of matrices and for oneDNN.

    It reaches the OpenBLAS libraries that come with NumPy and SciPy. Where NumPy has another BLAS the number is
    remembered, ``get_num_threads`` returns it, and the BLAS keeps its own.
    """
    if isinstance(num, bool) or not hasattr(num, "__index__") or num <= 0:
        raise ArgumentError(f"set_num_threads: expected a positive integer, got {num!r}")
    _Settings.threads = num
    for library in _blas_libraries():
        setter = next((getattr(library, name) for name in _BLAS_SETTERS if hasattr(library, name)), None)
        if setter is not None:
            setter(num)


def get_num_threads() -> int:
    """The number that ``set_num_threads`` set; that of OpenBLAS, or of usable processors, before."""
    if _Settings.threads is not None:
        return _Settings.threads
    for library in _blas_libraries():
        for name in _BLAS_SETTERS:
            getter = getattr(library, name.replace("_set_", "_get_"), None)
            if getter is not None:
                return int(getter())
    return _processors()


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_num_interop_threads(num: int) -> None:
    """Remember a number of threads for independent ops. Ops run one after another here, so it changes nothing."""
    if isinstance(num, bool) or not hasattr(num, "__index__") or num <= 0:
        raise ArgumentError(f"set_num_interop_threads: expected a positive integer, got {num!r}")
    _Settings.interop_threads = num


def get_num_interop_threads() -> int:
    """What ``set_num_interop_threads`` set; the number of usable processors before."""
    return _Settings.interop_threads or _processors()


def set_warn_always(b: bool, /) -> None:
    """Remember whether warnings should come every time. Python's ``warnings`` filters decide that here."""
    _Settings.warn_always = bool(b)


def is_warn_always_enabled() -> bool:
    """What ``set_warn_always`` set."""
    return _Settings.warn_always


def set_flush_denormal(mode: bool) -> bool:
    """Whether the processor could be told to flush denormal numbers to zero: NumPy has no means, so always False."""
    return False
