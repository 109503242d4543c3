"""Tables in files: delimited text, JSON and Parquet, read into rows of cells."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from framework.errors import ArgumentError
from framework.io import FileFormatError
from hub.archives import BROKEN_ARCHIVE, is_compressed, opened
from hub.dataset_files import DatasetNotFound, reading
from text.datasets.strings import Strings, unpacked

DELIMITED = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
OBJECTS = (".jsonl", ".ndjson", ".json", ".parquet")
ENDINGS = (*DELIMITED, *OBJECTS)
_LONGEST_CELL = 1 << 30  # characters
_PACKED = (".gz", ".bz2", ".xz")


def ending_of(path: Path) -> str:
    """The end of a file's name; what it is packed by does not count."""
    plain = path.with_suffix("") if path.suffix.lower() in _PACKED else path
    return plain.suffix.lower()


def kind_of(path: Path) -> str:
    """A table's kind, by the end of its name."""
    ending = ending_of(path)
    if ending not in ENDINGS:
        raise ArgumentError(f"expected a table that ends in {', '.join(ENDINGS)}, got {os.fspath(path)!r}")
    return ending


def read_delimited(path: Path, delimiter: str, quoting: bool, strict: bool = True) -> Iterator[list[str]]:
    """The rows of a delimited text file one by one; empty ones are left out.

    Args:
        path: the file; it may be compressed.
        delimiter: what stands between cells.
        quoting: whether cells in double quotes may hold delimiters, line breaks and doubled quotes, as in CSV; else
            quotes are characters like others, as in the tables of GLUE.
        strict: refuse text after a cell's closing quote, and a cell that does not end.

    Raises:
        FileFormatError: it is no text in UTF-8, or its quotes are broken.
    """
    if not path.is_file():
        raise DatasetNotFound(f"there is no file {os.fspath(path)!r}")
    if not quoting:
        for line in Strings.lines(path):
            if line:
                yield line.split(delimiter)
        return
    with (
        reading(path, "a table"),
        _long_cells(),
        io.TextIOWrapper(opened(path), encoding="utf-8-sig", newline="") as file,
    ):
        try:
            yield from filter(None, csv.reader(file, delimiter=delimiter, strict=strict))
        except (csv.Error, *BROKEN_ARCHIVE) as error:
            raise FileFormatError(
                f"{path}: not a table ({error}); if its quotes are plain text, pass quoting=False"
            ) from None


@contextlib.contextmanager
def _long_cells() -> Iterator[None]:
    """The csv module refuses articles of more than 128 kB unless told otherwise, for all of the process."""
    before = csv.field_size_limit(_LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def read_objects(path: Path, kind: str) -> dict[str, list[Any]]:
    """The columns of a table of objects, by name; a name that an object lacks is None there.

    Args:
        path: the file.
        kind: ".jsonl" or ".ndjson", an object a line; ".json", a list of objects; ".parquet".
    """
    if not path.is_file():
        raise DatasetNotFound(f"there is no file {os.fspath(path)!r}")
    if kind == ".parquet":
        return _read_parquet(path)
    with reading(path, "a table of JSON objects"):
        if kind == ".json":
            rows = json.loads(unpacked(path) if is_compressed(path) else path.read_bytes())
        else:
            rows = [json.loads(line) for line in Strings.lines(path) if line.strip()]
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError("its entries are no objects")
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _read_parquet(path: Path) -> dict[str, list[Any]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise ImportError("a .parquet table needs pyarrow: pip install eagerkit[parquet]") from error
    try:
        table = parquet.read_table(path)
    except (ArrowException, OSError) as error:
        raise FileFormatError(f"{path}: not a Parquet file that can be read ({error})") from None
    return {name: table.column(name).to_pylist() for name in table.column_names}
