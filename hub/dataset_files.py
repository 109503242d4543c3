"""What data sets in files have in common, be they of images or of texts."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from framework.errors import ArgumentError
from framework.io import FileFormatError

_MALFORMED = (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError, OverflowError, EOFError)


class DatasetNotFound(FileNotFoundError, RuntimeError):
    """A data set whose files are not where they were looked for."""


def chosen(dataset: object, argument: str, value: Any, choices: Iterable[str]) -> str:
    """The value of an argument, if it is one of the choices.

    Raises:
        ArgumentError: it is not; the message lists them.
    """
    known = tuple(choices)
    if not isinstance(value, str) or value not in known:
        listed = ", ".join(map(repr, known))
        raise ArgumentError(f"{type(dataset).__name__}: {argument} must be one of {listed}, got {value!r}")
    return value


def require(
    dataset: object,
    paths: Iterable[str | os.PathLike[str]],
    fetch: Callable[[], None] | None,
    advice: str = "pass download=True to fetch it",
) -> None:
    """Make sure that a data set's files are there.

    Args:
        dataset: whose files they are.
        paths: files and folders that must be there.
        fetch: what brings them if one is missing; None to go without.
        advice: what the user can do.

    Raises:
        DatasetNotFound: one is missing, also after fetching.
    """
    wanted = [Path(path) for path in paths]
    if fetch is not None and not all(path.exists() for path in wanted):
        fetch()
    for path in wanted:
        if not path.exists():
            raise DatasetNotFound(f"{type(dataset).__name__}: there is no {os.fspath(path)!r}; {advice}")


@contextlib.contextmanager
def reading(path: str | os.PathLike[str], what: str) -> Iterator[None]:
    """Turn what a malformed file does to its reader into an error that names the file.

    Args:
        path: the file.
        what: what it should be, as in "a list of images".
    """
    try:
        yield
    except FileFormatError:
        raise
    except FileNotFoundError:
        raise DatasetNotFound(
            f"there is no {os.fspath(path)!r}, which is {what}; download the data set again"
        ) from None
    except _MALFORMED as error:
        raise FileFormatError(f"{os.fspath(path)}: not {what} ({error}); download it again") from None
