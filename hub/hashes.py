"""Hashes of files: computed, compared, and found in a file's name."""

from __future__ import annotations

import hashlib
import os
import re

from framework.errors import ArgumentError

_IN_NAME = re.compile(r"-([0-9a-f]{8,64})(?=\.|$)")
_DATE = re.compile(r"(19|20)\d\d(0\d|1[0-2])([0-2]\d|3[01])")


def digest_of(path: str | os.PathLike[str], algorithm: str) -> str:
    """A file's hash, in hexadecimal."""
    with open(path, "rb") as file:
        # not for security: MD5 is still what some data sets publish, and systems that forbid it otherwise allow that
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def verify(path: str | os.PathLike[str], *, md5: str | None = None, sha256: str | None = None) -> bool:
    """Whether a file is there and has the hash given.

    Args:
        path: the file.
        md5: its MD5, 32 hexadecimal digits.
        sha256: its SHA-256, or the first digits of it: at least 8, as official file names carry them.

    Raises:
        ArgumentError: what is given is no such hash.
    """
    check_digests(md5, sha256)
    if not os.path.isfile(path):
        return False
    wanted = {"md5": md5, "sha256": sha256}
    return all(digest is None or digest_of(path, name).startswith(digest.lower()) for name, digest in wanted.items())


def check_digests(md5: str | None, sha256: str | None) -> None:
    """Refuse a hash that no file can have, before a file is fetched to be compared with it."""
    if md5 is not None and not re.fullmatch("[0-9a-fA-F]{32}", md5):
        raise ArgumentError(f"md5 expects 32 hexadecimal digits, got {md5!r}")
    if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{8,64}", sha256):
        raise ArgumentError(f"sha256 expects 64 hexadecimal digits, or the first 8 or more of them, got {sha256!r}")


def hash_in_name(name: str, dates: bool = True) -> str | None:
    """The first digits of the SHA-256 that a name such as ``resnet18-f37072fd.pth`` carries.

    Args:
        name: the file's name.
        dates: take eight digits that read as a date, such as ``-20240131``, for a hash as well.
    """
    found = _IN_NAME.search(name)
    if found is None or (not dates and _DATE.fullmatch(found[1])):
        return None
    return found[1]
