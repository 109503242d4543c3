"""One file on its way over HTTP: resumed where it broke off, tried again when that may help.

Reference: RFC 9110, "HTTP Semantics" (https://www.rfc-editor.org/rfc/rfc9110), sections 13 and 14 for ranges.
"""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import http.client
import os
import random
import re
import shutil
import ssl
import urllib.error
import urllib.parse
import urllib.request
from email.message import Message
from pathlib import Path
from time import sleep
from typing import Any

from hub.download import DownloadError
from hub.progress import ByteProgress

CHUNK = 1 << 20  # bytes
SCHEMES = ("http", "https", "file")
_FIRST_WAIT = 0.5  # seconds before the second try; doubled for each further one
_LONGEST_WAIT = 60.0  # seconds, whatever the server asks for
_dice = random.SystemRandom()  # leaves the program's own random numbers alone

# what another try may cure: nobody answered in time, or the line broke
_PASSING = (
    TimeoutError,
    ConnectionResetError,
    ConnectionAbortedError,
    BrokenPipeError,
    http.client.IncompleteRead,
    ssl.SSLEOFError,
)


class _CutShortError(ConnectionResetError):
    """Fewer bytes than the server announced."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but none that gives up encryption or leaves the web."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """The request that a redirect leads to."""
        scheme = urllib.parse.urlsplit(newurl).scheme
        if scheme not in ("http", "https") or (req.type == "https" and scheme != "https"):
            raise DownloadError(f"redirected to {newurl}, which is refused: it is not {req.type} any more")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Transfer:
    """Fetches one file into a part beside its target, from one address after another.

    Args:
        target: where the file will go. The part is that name with ``.part``; ``.part.from`` says where the part is from.
        size: the file's length in bytes, if known: an answer of another length is refused unread.
        hashed: the whole will be verified, so a part may be continued from another address.
        timeout: seconds without an answer after which a try has failed.
        retries: further tries after one that failed without getting on.
        progress: show how far it is.
    """

    def __init__(
        self, target: Path, size: int | None, hashed: bool, timeout: float, retries: int, progress: bool
    ) -> None:
        self.target, self.size, self.hashed = target, size, hashed
        self.timeout, self.retries, self.progress = timeout, retries, progress
        self.part = target.with_name(f"{target.name}.part")
        self.encoding = ""  # what the server says it packed the last answer with
        self.resumed = False  # whether the part came in more than one answer
        self._origin = target.with_name(f"{target.name}.part.from")
        self._opener = urllib.request.build_opener(_Redirects)  # it reads the proxies from the environment

    def fetch(self, url: str) -> None:
        """Bring the part to its full length.

        Raises:
            DownloadError: this address does not give the file.
        """
        if url.partition(":")[0].lower() not in SCHEMES:
            raise DownloadError(f"expected an address that begins with {', '.join(SCHEMES)}")
        self.resumed = self._held() > 0
        failures = furthest = 0
        while True:
            try:
                return self._try(url)
            except urllib.error.HTTPError as error:
                error.close()
                problem, asked = f"the server answers {error.code} {error.reason}", _retry_after(error.headers)
                passing = error.code in (408, 429) or error.code >= 500
            except (OSError, http.client.HTTPException, ValueError) as error:
                reason = error.reason if isinstance(error, urllib.error.URLError) else error
                problem, asked, passing = _in_words(reason), 0.0, isinstance(reason, _PASSING)
            failures += 1
            if (held := self._held()) >= furthest + CHUNK:  # a long file on a bad line gets on nevertheless
                failures, furthest = 1, held
            if not passing:
                raise DownloadError(problem)
            if failures > self.retries:
                raise DownloadError(f"{problem} ({failures} tries)")
            wait = _FIRST_WAIT * 2 ** (failures - 1) * _dice.uniform(0.5, 1.5)  # not all clients at the same moment
            sleep(min(max(wait, asked), _LONGEST_WAIT))

    def drop(self) -> None:
        """Throw away what has come so far."""
        for path in (self.part, self._origin):
            path.unlink(missing_ok=True)
        self.resumed = False

    def close(self) -> None:
        """Leave only a part that can be continued."""
        if self._held() == 0:
            self.drop()

    def _held(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def _try(self, url: str) -> None:
        """One request, and as much of its answer as comes."""
        held, headers = self._held(), {"User-Agent": "eagerkit", "Accept-Encoding": "identity"}
        if held:
            validator = self._validator(url)
            if validator is None and not self.hashed:  # nothing would tell whether the two halves belong together
                self.drop()
                held = 0
            else:
                headers["Range"] = f"bytes={held}-"
                headers |= {"If-Range": validator} if validator else {}
        try:
            response = self._opener.open(urllib.request.Request(_quoted(url), headers=headers), timeout=self.timeout)
        except urllib.error.HTTPError as error:
            if error.code != 416 or not held:
                raise
            error.close()
            if error.headers.get("Content-Range") == f"bytes */{held}":
                return None  # it was whole already
            self.drop()
            return self._try(url)
        with response:
            partial = getattr(response, "status", None) == 206  # a local file has no status
            start, total = _range(response.headers) if partial else (0, _length(response.headers))
            if partial and start != held:
                if not held:
                    raise DownloadError("the server sends a part of the file, unasked")
                self.drop()
                return self._try(url)
            self.encoding = response.headers.get("Content-Encoding", "").lower()
            size = None if self.encoding else self.size  # a packed file has another length
            self._check(total, start, size)
            self.resumed = partial
            if not partial:
                self._origin.write_text(f"{url}\n{_strong(response.headers)}\n", encoding="utf-8")
            self._receive(response, start, total, size)

    def _receive(self, response: Any, start: int, total: int | None, size: int | None) -> None:
        received = start
        with (
            open(self.part, "ab" if start else "wb") as file,
            ByteProgress(self.target.name, total, start, self.progress) as shown,
        ):
            while chunk := response.read1(CHUNK):
                received += len(chunk)
                if size is not None and received > size:
                    break
                file.write(chunk)
                shown.update(len(chunk))
            file.flush()
            os.fsync(file.fileno())  # here, while the part can still be found after a kill
        if size is not None and received > size:
            self.drop()
            raise DownloadError(f"the server sends more than the {size} bytes that the file has")
        if total is not None and received < total:
            raise _CutShortError(f"cut short at {received} of {total} bytes")
        if size is not None and received != size:
            self.drop()
            raise DownloadError(f"the server sends {received} bytes, expected {size}")

    def _check(self, total: int | None, start: int, size: int | None) -> None:
        """Refuse a length that is wrong or absurd, before anything is read."""
        if total is None:
            return
        if size is not None and total != size:
            raise DownloadError(f"the server announces {total} bytes, expected {size}")
        free = shutil.disk_usage(self.part.parent).free
        if total - start > free:
            raise DownloadError(f"the server announces {total} bytes, and the disk has room for {free}")

    def _validator(self, url: str) -> str | None:
        """What the server called the version of the file that the part is from."""
        with contextlib.suppress(FileNotFoundError):
            origin, _, validator = self._origin.read_text(encoding="utf-8").partition("\n")
            return (validator.strip() or None) if origin == url else None
        return None


def _quoted(url: str) -> str:
    """The address as it is sent: spaces and letters beyond ASCII as %-codes, all else as given."""
    return urllib.parse.quote(url, safe="".join(map(chr, range(0x21, 0x7F))))


def _strong(headers: Message) -> str:
    """A name of the file's version that is good for joining two halves: a weak ETag is not, the date is second best."""
    tag = headers.get("ETag", "")
    return headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag


def _length(headers: Message) -> int | None:
    text = headers.get("Content-Length")
    if text is None:
        return None
    if not re.fullmatch("[0-9]{1,18}", text.strip()):
        raise DownloadError(f"the server announces a length of {text[:40]!r}")
    return int(text)


def _range(headers: Message) -> tuple[int, int | None]:
    """Where a partial answer begins, and the length of the whole; (-1, None) if it does not say."""
    found = re.fullmatch(
        r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", headers.get("Content-Range", "").strip()
    )
    if found is None:
        return -1, None
    return int(found[1]), int(found[2]) + 1 if found[3] == "*" else int(found[3])


def _retry_after(headers: Message) -> float:
    """Seconds that the server asks us to wait: it gives a number or a date."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        then = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    if then.tzinfo is None:
        then = then.replace(tzinfo=datetime.UTC)
    return max(0.0, (then - datetime.datetime.now(datetime.UTC)).total_seconds())


def _in_words(reason: object) -> str:
    if isinstance(reason, TimeoutError):
        return "no answer in time"
    return str(reason) or type(reason).__name__
