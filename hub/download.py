"""Downloads that are verified before anybody sees them."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path

from framework.io import atomic_path

CHUNK = 1 << 20  # bytes
TIMEOUT = 30  # seconds without an answer


class DownloadError(RuntimeError):
    """A file that could not be had, or is not the one that was expected."""


def digest_of(path: str | os.PathLike[str], algorithm: str) -> str:
    """A file's hash, in hexadecimal."""
    found = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
    return found.hexdigest()


def verify(path: str | os.PathLike[str], *, md5: str | None = None, sha256: str | None = None) -> bool:
    """Whether a file is there and has the hash given."""
    if not os.path.isfile(path):
        return False
    wanted = {"md5": md5, "sha256": sha256}
    return all(digest is None or digest_of(path, name) == digest.lower() for name, digest in wanted.items())


def download(
    url: str | list[str],
    path: str | os.PathLike[str],
    *,
    md5: str | None = None,
    sha256: str | None = None,
    progress: bool = True,
) -> Path:
    """Fetch a file, unless one with the right hash is there already.

    Args:
        url: the address, or several to try in turn.
        path: where the file goes; it appears there only when its length and hash are right.
        md5, sha256: the hash it must have. One of the two is required.
        progress: show a bar, where there is a terminal.

    Raises:
        DownloadError: no address gave the right file; the message lists what each gave.
    """
    if md5 is None and sha256 is None:
        raise DownloadError(f"download: {path}: give the hash that the file must have")
    target = Path(path)
    if verify(target, md5=md5, sha256=sha256):
        return target
    tried = []
    for address in [url] if isinstance(url, str) else url:
        try:
            _fetch(address, target, md5, sha256, progress)
        except (OSError, http.client.HTTPException, ValueError, DownloadError) as error:
            tried.append(f"{address}: {error or type(error).__name__}")
        else:
            return target
    raise DownloadError(f"could not download {target.name}: {'; '.join(tried)}")


def _fetch(url: str, target: Path, md5: str | None, sha256: str | None, progress: bool) -> None:
    from tqdm import tqdm

    request = urllib.request.Request(url, headers={"User-Agent": "eagerkit"})
    with atomic_path(target) as temporary, urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        length = response.headers.get("Content-Length")
        expected = None if length is None else int(length)
        hidden = None if progress else True  # None is tqdm's word for: hidden unless on a terminal
        received = 0
        with (
            open(temporary, "wb") as file,
            tqdm(total=expected, unit="B", unit_scale=True, desc=target.name, disable=hidden) as bar,
        ):
            while chunk := response.read(CHUNK):
                file.write(chunk)
                received += len(chunk)
                bar.update(len(chunk))
        if expected is not None and received != expected:
            raise DownloadError(f"cut short at {received} of {expected} bytes")
        if not verify(temporary, md5=md5, sha256=sha256):
            raise DownloadError("the file's hash is not the expected one")
