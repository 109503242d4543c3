"""``detect_anomaly``: a failing or NaN gradient shows the forward line that it belongs to."""

from __future__ import annotations

import traceback
from contextvars import ContextVar

_mode: ContextVar[tuple[bool, bool]] = ContextVar("framework.anomaly", default=(False, True))


def enabled() -> bool:
    """Whether nodes keep the stack of their forward call."""
    return _mode.get()[0]


def checks_nan() -> bool:
    """Whether every gradient is looked through for NaN."""
    return _mode.get() == (True, True)


is_anomaly_enabled = enabled
is_anomaly_check_nan_enabled = checks_nan


def stack() -> traceback.StackSummary:
    """The caller's stack, without the frames of the recorder."""
    return traceback.StackSummary.from_list(traceback.extract_stack()[:-3])


class set_detect_anomaly:
    """Switch anomaly detection on or off, at once or for a ``with`` block."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._previous = _mode.get()
        _mode.set((mode, check_nan))

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        _mode.set(self._previous)


class detect_anomaly:
    """Within it, an error or a NaN in a backward pass carries the stack of the forward call. Slow: for finding bugs.

    Example:
        >>> with framework.autograd.detect_anomaly():
        ...     loss(model(x), y).backward()
    """

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan

    def __enter__(self) -> None:
        self._previous = _mode.get()
        _mode.set((True, self.check_nan))

    def __exit__(self, *_: object) -> None:
        _mode.set(self._previous)
