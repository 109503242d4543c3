"""The files of vocabularies, read with errors that name them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from framework.io import FileFormatError


@contextlib.contextmanager
def refusing(what: str | Path) -> Iterator[None]:
    """Errors of the ``tokenizers`` library, its panics among them, as ours, with the file's name."""
    try:
        yield
    except FileFormatError:
        raise
    except BaseException as error:
        if not is_refusal(error):
            raise
        raise FileFormatError(f"{what}: {error}") from error


def is_refusal(error: BaseException) -> bool:
    """Whether an error is one that the library raises for what it was given. A panic is no ``Exception``."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def read_text(path: Path) -> str:
    """A file in UTF-8, with or without its mark."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path}: expected text in UTF-8, {error}") from error


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object."""
    try:
        found = json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise FileFormatError(f"{path}: not JSON: {error}") from error
    if not isinstance(found, dict):
        raise FileFormatError(f"{path}: expected a JSON object, got {type(found).__name__}")
    return found


def read_lines_vocabulary(path: Path) -> dict[str, int]:
    """``vocab.txt``: a token a line, its number that of the line."""
    lines = read_text(path).split("\n")
    if lines[-1] == "":
        lines.pop()
    if not lines:
        raise FileFormatError(f"{path}: expected a token on each line, the file is empty")
    return {token.removesuffix("\r"): number for number, token in enumerate(lines)}


def read_json_vocabulary(path: Path) -> dict[str, int]:
    """``vocab.json`` or ``encoder.json``: tokens and their numbers."""
    vocabulary = read_json(path)
    for token, number in vocabulary.items():
        if type(number) is not int or not 0 <= number < 1 << 32:
            raise FileFormatError(f"{path}: expected a number for each token, {token!r} has {number!r:.40}")
    return vocabulary


def read_merges(path: Path) -> list[tuple[str, str]]:
    """``merges.txt`` or ``vocab.bpe``: two tokens a line, the most frequent pair first."""
    merges = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        line = line.removesuffix("\r")
        if not line or (number == 1 and line.startswith("#version")):
            continue
        left, _, right = line.partition(" ")
        if not left or not right or " " in right:
            raise FileFormatError(f"{path}, line {number}: expected two tokens with a blank between, got {line!r:.60}")
        merges.append((left, right))
    return merges
