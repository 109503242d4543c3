"""Downloads that are verified before anybody sees them."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from framework.errors import ArgumentError
from framework.io import atomic_path
from hub.cache import offline
from hub.hashes import check_digests, verify
from hub.lock import locked

if TYPE_CHECKING:
    from hub.transfer import Transfer

TIMEOUT = 30.0  # seconds without an answer
RETRIES = 4
_MOST_PACKED = 64  # times its length that a packed answer may grow to, where the file's size is not known


class DownloadError(RuntimeError):
    """A file that could not be had, or is not the one that was expected."""


def download(
    url: str | Sequence[str],
    path: str | os.PathLike[str],
    *,
    md5: str | None = None,
    sha256: str | None = None,
    size: int | None = None,
    progress: bool = True,
    timeout: float = TIMEOUT,
    retries: int = RETRIES,
) -> Path:
    """Fetch a file, unless one with the right hash is there already; then nothing is asked of the network.

    A transfer that breaks off is continued where it stopped, now or by the next call; what has come of it waits in
    ``path`` + ``.part``. Two processes that want the same file fetch it once. Proxies are those that the environment
    names (``http_proxy``, ``https_proxy``, ``no_proxy``); ``HUB_OFFLINE=1`` keeps off the network.

    Args:
        url: the address (http, https or file), or several to try in turn.
        path: where the file goes; it appears there only when its length and hash are right.
        md5, sha256: the hash it must have. One of the two is required. Of a SHA-256 the first 8 or more digits do.
        size: the file's length in bytes, if known.
        progress: show a bar on a terminal, or a line for every tenth in a log.
        timeout: seconds without an answer after which a try has failed.
        retries: further tries at each address, when nobody answers, the line breaks, or the server is busy. The pauses
            between them double, from half a second on, or are as long as the server asks, but never over a minute.

    Raises:
        ArgumentError: there is no hash, or it cannot be one.
        DownloadError: no address gave the right file; the message lists what each gave.

    Example:
        >>> hub.download("https://example.org/w-f37072fd.pth", "w.pth", sha256="f37072fd")  # doctest: +SKIP
    """
    if md5 is None and sha256 is None:
        raise ArgumentError(f"download: {path}: give the hash that the file must have")
    check_digests(md5, sha256)

    def right(file: Path) -> bool:
        return verify(file, md5=md5, sha256=sha256)

    wanted = ", ".join(f"{name} {digest}" for name, digest in (("md5", md5), ("sha256", sha256)) if digest)
    return obtain(url, path, right, wanted, size=size, progress=progress, timeout=timeout, retries=retries)


def obtain(
    url: str | Sequence[str],
    path: str | os.PathLike[str],
    there: Callable[[Path], bool],
    wanted: str,
    *,
    size: int | None = None,
    progress: bool = True,
    timeout: float = TIMEOUT,
    retries: int = RETRIES,
) -> Path:
    """Fetch a file unless ``there`` says of its place that it is there.

    Args:
        url, path, size, progress, timeout, retries: as in ``download``.
        there: tells whether a file is the one wanted.
        wanted: the hash in words; empty if the file has none, and then a whole transfer is all that is asked.
    """
    target = Path(path)
    if there(target):
        return target
    addresses = [url] if isinstance(url, str) else list(url)
    if offline():
        addresses = [address for address in addresses if address.startswith("file:")]
        if not addresses:
            raise DownloadError(_by_hand(target, url, wanted))
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked(target.with_name(f"{target.name}.lock")):
        if there(target):  # somebody else fetched it while we waited
            return target
        from hub.transfer import Transfer  # it costs the import of an HTTP client

        transfer = Transfer(target, size, bool(wanted), timeout, retries, progress)
        tried = []
        for address in addresses:
            try:
                _from_one(transfer, address, there if wanted else _anything)
            except DownloadError as error:
                tried.append(f"{address}: {error}")
            else:
                return target
            finally:
                transfer.close()
    raise DownloadError(f"could not download {target.name}: {'; '.join(tried) or 'there is no address'}")


def _from_one(transfer: Transfer, url: str, right: Callable[[Path], bool]) -> None:
    """Put the file in its place from one address."""
    transfer.fetch(url)
    good = right(transfer.part)
    if transfer.resumed and not good:  # the two halves do not belong together
        transfer.drop()
        transfer.fetch(url)
        good = right(transfer.part)
    with atomic_path(transfer.target) as temporary:
        if good:
            os.replace(transfer.part, temporary)
        elif not (transfer.encoding in ("gzip", "x-gzip") and _unpack(transfer, temporary) and right(temporary)):
            transfer.drop()
            raise DownloadError("the file's hash is not the expected one")
    transfer.drop()


def _unpack(transfer: Transfer, target: Path) -> bool:
    """Undo a packing that we did not ask for. Whether it is the server's or the file's own, only the hash can tell."""
    length = transfer.part.stat().st_size
    most = transfer.size if transfer.size is not None else _MOST_PACKED * length
    try:
        with gzip.open(transfer.part) as packed, open(target, "wb") as file:
            while chunk := packed.read(1 << 20):
                file.write(chunk)
                if file.tell() > most:
                    return False
            return transfer.size in (None, file.tell())
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return False


def _anything(file: Path) -> bool:
    return True


def _by_hand(target: Path, url: str | Sequence[str], wanted: str) -> str:
    source = url if isinstance(url, str) else " or ".join(url)
    other = " is there, but has another hash" if target.is_file() else " is not there"
    digest = f" ({wanted})" if wanted else ""
    return (
        f"HUB_OFFLINE is set, and {target}{other}; fetch {source} on another machine and put it there under the name "
        f"{target.name}{digest}, or unset HUB_OFFLINE"
    )
