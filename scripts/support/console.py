"""How the scripts talk: one line for an error and exit code 2, a bar on a terminal, a line per 10 % in a log."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any, NoReturn

from framework.errors import ArgumentError, DeviceError, DtypeError, ShapeError
from framework.io import FileFormatError
from hub import DownloadError

# what a user's input can cause; anything else is a bug and shows its traceback
USER_ERRORS = (ArgumentError, DeviceError, DownloadError, DtypeError, FileFormatError, OSError, ShapeError)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Print the error and leave with exit code 2."""
        self.exit(2, f"{self.prog}: error: {message} (see --help)\n")


def number(kind: type, low: float | None = None, high: float | None = None) -> Callable[[str], Any]:
    """An argument type: a number within bounds, both included."""

    def convert(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"expected {'a whole ' if kind is int else 'a '}number, got {text!r}"
            ) from None
        if value != value or (low is not None and value < low) or (high is not None and value > high):
            bounds = f"at least {low}" if high is None else f"between {low} and {high}"
            raise argparse.ArgumentTypeError(f"must be {bounds}, got {text}")
        return value

    return convert


def run(main: Callable[[], int | None], name: str) -> NoReturn:
    """Call a script's main function; bad input becomes one line on stderr and exit code 2."""
    try:
        code = main()
    except (*USER_ERRORS, ImportError) as error:
        if isinstance(error, ImportError) and error.name is not None:
            raise  # of a module that should be there; without a name it tells what a feature needs installed
        text = getattr(error, "brief", None) or (
            error.strerror and f"{error.filename}: {error.strerror}"
            if isinstance(error, OSError) and error.errno
            else str(error)
        )
        print(f"{name}: error: {' '.join(str(text).split())}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        code = 130
    except BrokenPipeError:
        code = 0
    raise SystemExit(code or 0)


def progress(items: Iterable[Any], total: int, label: str, start: int = 0) -> Iterator[Any]:
    """Walk through items and show how far: a bar on a terminal, else a line at every tenth of the way."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, total=total, desc=label, initial=start, leave=False, dynamic_ncols=True)
        return
    began = time.monotonic()
    shown = start * 10 // max(total, 1)
    for done, item in enumerate(items, start + 1):
        yield item
        tenth = done * 10 // max(total, 1)
        if tenth > shown:
            shown = tenth
            print(f"{label}: {tenth * 10:3d} %  {done}/{total}  {time.monotonic() - began:.1f} s", flush=True)


class GracefulStop:
    """Ctrl-C (or SIGTERM) as a request: ``requested`` turns true, and the loop stops between two steps. Twice is at once."""

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[int, Any] = {}

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True

    def __enter__(self) -> GracefulStop:
        for number_ in (signal.SIGINT, signal.SIGTERM):
            self._previous[number_] = signal.signal(number_, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number_, handler in self._previous.items():
            signal.signal(number_, handler)
