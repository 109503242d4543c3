"""One at a time: a lock on a file, between threads and between processes."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator

_PAUSE = 0.1  # seconds between two tries, where the system cannot wait by itself


@contextlib.contextmanager
def locked(path: str | os.PathLike[str]) -> Iterator[None]:
    """Hold the lock that a file stands for; whoever else wants it waits.

    The operating system lets go of it when its holder ends, however it ends, so a process that was killed blocks nobody.

    Args:
        path: the lock's file. It is made when needed, and removed afterwards; its folder must be there.
    """
    handle = _take(path)
    try:
        yield
    finally:
        _let_go(handle, path)


def _take(path: str | os.PathLike[str]) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _wait(handle)
            if _same(handle, path):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # the file was removed, perhaps made anew, while we waited: this lock means nothing now


def _same(handle: int, path: str | os.PathLike[str]) -> bool:
    """Whether the file that is open is still the one at the path."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _wait(handle: int) -> None:
        while True:
            try:
                return msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            except OSError:
                time.sleep(_PAUSE)

    def _let_go(handle: int, path: str | os.PathLike[str]) -> None:
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)
        os.close(handle)
        with contextlib.suppress(OSError):  # Windows keeps the file while somebody has it open
            os.unlink(path)

else:
    import fcntl

    def _wait(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)

    def _let_go(handle: int, path: str | os.PathLike[str]) -> None:
        os.unlink(path)  # while the lock is held: whoever waits for it sees that the file is gone, and begins anew
        fcntl.flock(handle, fcntl.LOCK_UN)  # said aloud, as a forked child may have the file open too
        os.close(handle)
