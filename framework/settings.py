"""Settings of the whole process: determinism, the precision of float32 products, warnings.

They are plain values here; the kernels that they concern read them when they run.
"""

from __future__ import annotations

import warnings

from framework.errors import ArgumentError

PRECISIONS = ("highest", "high", "medium")
DEBUG_MODES = ("default", "warn", "error")


class _Settings:
    deterministic = "default"  # one of DEBUG_MODES
    precision = "highest"
    warn_always = False


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
    """How exact float32 products of matrices, convolutions and recurrent nets must be, on every device.

    Args:
        precision: "highest" (24 bits), "high" (TF32 allowed) or "medium" (bfloat16 allowed). On the CPU "high" gains
            nothing but where oneDNN has a mode for it, and "medium" doubles the speed of large products on processors
            that multiply bfloat16 faster; a GPU uses TF32 for both.
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


def set_warn_always(b: bool, /) -> None:
    """Remember whether warnings should come every time. Python's ``warnings`` filters decide that here."""
    _Settings.warn_always = bool(b)


def is_warn_always_enabled() -> bool:
    """What ``set_warn_always`` set."""
    return _Settings.warn_always


def set_flush_denormal(mode: bool) -> bool:
    """Whether the processor could be told to flush denormal numbers to zero: NumPy has no means, so always False."""
    return False
