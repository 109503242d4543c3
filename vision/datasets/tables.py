"""The small files that say which image is what: lists, JSON, CSV and MATLAB's."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

from framework.io import FileFormatError
from hub.dataset_files import DatasetNotFound, reading


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
