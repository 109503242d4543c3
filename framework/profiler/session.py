"""A session: one recorder with its hooks, from the warm-up to the list of events. One profiler runs at a time."""

from __future__ import annotations

import threading

from framework.profiler.events import EventList, events_of
from framework.profiler.hooks import Hooks
from framework.profiler.recording import Options, Recorder, current

_lock = threading.Lock()
_running: list[object] = []  # the profiler that is between its start and its stop


def claim(owner: object) -> None:
    """Become the profiler that runs.

    Raises:
        RuntimeError: another runs, or this one does already.
    """
    with _lock:
        if _running:
            raise RuntimeError(
                "profiler: a profiler is running already, and two can't run at a time; stop it first, "
                "or name parts of its run with record_function"
            )
        _running.append(owner)


def release(owner: object) -> None:
    """Let another profiler run."""
    with _lock:
        if owner in _running:
            _running.remove(owner)


class Session:
    """Recording, from ``prepare`` to ``stop``. What runs before ``start`` warms the hooks up and is thrown away."""

    def __init__(self, options: Options) -> None:
        self.recorder = Recorder(options)
        self.hooks = Hooks(self.recorder)

    def prepare(self) -> None:
        """Put the hooks in place."""
        self.hooks.install()
        current[0] = self.recorder

    def start(self) -> None:
        """Keep what is recorded from here on."""
        self.recorder.clear()

    def stop(self) -> EventList:
        """Take the hooks away and give the events."""
        current[0] = None
        try:
            ranges = self.recorder.finish()
        finally:
            self.hooks.remove()
        return events_of(self.recorder, ranges)
