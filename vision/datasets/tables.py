"""The small files that say which image is what: lists, JSON, CSV and MATLAB's."""

from __future__ import annotations

import contextlib
import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from framework.io import FileFormatError
from vision.datasets.vision import DatasetNotFound

_MALFORMED = (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError, OverflowError, EOFError)


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


def read_lines(path: str | os.PathLike[str], what: str = "a list of images") -> list[str]:
    """The lines of a text file, without blanks around them; empty ones are left out."""
    with reading(path, what):
        text = Path(path).read_text(encoding="utf-8")
    return [line for line in map(str.strip, text.splitlines()) if line]


def read_json(path: str | os.PathLike[str], what: str = "a JSON file of annotations") -> Any:
    """The content of a JSON file."""
    with reading(path, what):
        return json.loads(Path(path).read_bytes())


def read_csv(path: str | os.PathLike[str], delimiter: str = ",", what: str = "a table") -> list[dict[str, str]]:
    """The rows of a CSV file, by the names in its first line."""
    with reading(path, what), open(path, encoding="utf-8-sig", newline="") as file:
        try:
            reader = csv.DictReader(file, delimiter=delimiter, skipinitialspace=True, strict=True)
            rows = list(reader)
        except csv.Error as error:
            raise ValueError(error) from None
        if any(None in row or None in row.values() for row in rows):
            raise ValueError("a row has more or fewer cells than the first line")
        return rows


def read_mat(path: Any, squeeze: bool = True) -> dict[str, Any]:
    """The arrays of a MATLAB file (up to version 7), by name.

    Args:
        path: the file, or a stream of it.
        squeeze: leave out dimensions of length one.
    """
    from scipy.io import loadmat

    try:
        return dict(loadmat(path, squeeze_me=squeeze))
    except FileNotFoundError:
        raise DatasetNotFound(f"there is no {os.fspath(path)!r}; download the data set again") from None
    except Exception as error:  # a broken file can fail in any way inside the reader
        raise FileFormatError(f"{path}: not a MATLAB file that can be read ({error}); download it again") from None
