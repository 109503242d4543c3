"""Archives of data sets: fetched, verified, and unpacked without trusting what they say.

An archive can name files outside its folder, make links and devices, or grow without end. Here everything is unpacked
into a temporary folder beside its place, plain files and folders only, with a bound on the total; only what is whole is
then moved to where it belongs, in one step where nothing was there before.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import os
import posixpath
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from framework.io import FileFormatError, atomic_path
from hub.download import download

CHUNK = 1 << 20  # bytes
FREE_GROWTH = 1 << 30  # bytes that any archive may unpack to
MOST_GROWTH = 200  # and times its own size; images hardly shrink, and texts to a tenth
MOST_FILES = 20_000_000
_LARGEST_READ = 1 << 26  # bytes; a tar's headers are read whole

_OPENERS: dict[bytes, Callable[[Any], Any]] = {  # by the first bytes
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
}
BROKEN_ARCHIVE = (
    EOFError,
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    OSError,
    NotImplementedError,
)


class Bounded(io.RawIOBase):
    """A stream that refuses to be read or skipped past a bound, so that no bomb is unpacked even on the way."""

    def __init__(self, stream: Any, bound: int) -> None:
        self.stream, self.bound = stream, bound

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > _LARGEST_READ or self.stream.tell() + size > self.bound + _LARGEST_READ:
            raise FileFormatError("unpacks to far more than its size lets expect")
        return bytes(self.stream.read(size))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence != os.SEEK_SET or offset > self.bound + _LARGEST_READ:
            raise FileFormatError("unpacks to far more than its size lets expect")
        return int(self.stream.seek(offset))

    def tell(self) -> int:
        return int(self.stream.tell())

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Errors that say which archive they are about."""
    try:
        yield
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}; do not use it") from None
    except FileNotFoundError:
        raise
    except BROKEN_ARCHIVE as error:
        raise FileFormatError(f"{path}: the archive is broken ({error}); download it again") from None


def _inside(folder: Path, name: str) -> Path:
    """Where a member goes, if that is inside the folder."""
    plain = name.replace("\\", "/")
    parts = PurePosixPath(plain).parts
    if plain.startswith("/") or ".." in parts or "\0" in plain or (parts and ":" in parts[0]):
        raise FileFormatError(f"holds a member outside its folder ({name!r})")
    return folder.joinpath(*parts)


def _copy(source: IO[bytes], target: Path, size: int) -> None:
    """Write so many bytes of a stream to a new file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target, "wb") as file:
        while size > 0:
            chunk = source.read(min(size, CHUNK))
            if not chunk:
                raise EOFError(f"cut short in {target.name}")
            file.write(chunk)
            size -= len(chunk)


def unpack_tar(stream: IO[bytes], folder: Path, bound: int) -> None:
    """Write a tar's files under a folder. Links inside it become copies; devices and links out of it are refused.

    Args:
        stream: the tar, not compressed.
        folder: where to.
        bound: bytes that all files may hold together.

    Raises:
        FileFormatError: a member is refused, or they are too many or too large.
    """
    source: Any = Bounded(stream, bound)
    links: list[tuple[Path, Path]] = []
    total = number = 0
    with tarfile.open(fileobj=source, mode="r:") as tar:
        while (member := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # it would keep them all
            number += 1
            target = _inside(folder, member.name)
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
            elif member.islnk() or member.issym():
                start = posixpath.dirname(member.name) if member.issym() else ""
                links.append((_inside(folder, posixpath.normpath(posixpath.join(start, member.linkname))), target))
            elif (content := tar.extractfile(member)) is None:
                raise FileFormatError(f"holds something that is no plain file ({member.name!r})")
            else:
                total += member.size
                _check_growth(total, number, bound)
                _copy(content, target, member.size)
        source.seek(tar.offset)
        if source.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise EOFError("it is cut short, or has garbage at its end")
        while source.read(CHUNK):  # to the end, where compressed streams have their checksum
            pass
    for original, target in links:
        if not original.is_file():
            raise FileFormatError(f"holds a link to what it does not hold ({target.name!r})")
        total += original.stat().st_size
        _check_growth(total, number, bound)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(original, target)


def _check_growth(total: int, number: int, bound: int) -> None:
    if total > bound or number > MOST_FILES:
        raise FileFormatError("unpacks to far more than its size lets expect")


def _unpack_zip(path: Path, folder: Path, bound: int) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        _check_growth(sum(member.file_size for member in members), len(members), bound)
        for member in members:
            target = _inside(folder, member.filename)
            mode = member.external_attr >> 16
            if member.is_dir():
                target.mkdir(parents=True, exist_ok=True)
            elif member.flag_bits & 1 or (stat.S_IFMT(mode) and not stat.S_ISREG(mode)):
                raise FileFormatError(f"holds something that is no plain file ({member.filename!r})")
            else:
                with archive.open(member) as source:
                    _copy(source, target, member.file_size)


def _starts(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(8)


def _opener(path: Path) -> Callable[[Any], Any] | None:
    head = _starts(path)
    return next((opener for magic, opener in _OPENERS.items() if head.startswith(magic)), None)


def is_compressed(path: Path) -> bool:
    """Whether a file is compressed by gzip, bzip2 or xz."""
    return _opener(path) is not None


def opened(path: Path) -> Any:
    """A file's content as a stream, unpacked if it is compressed by gzip, bzip2 or xz."""
    opener = _opener(path)
    return open(path, "rb") if opener is None else opener(path)


def growth_bound(path: str | os.PathLike[str]) -> int:
    """How many bytes an archive may unpack to."""
    return max(FREE_GROWTH, MOST_GROWTH * os.path.getsize(path))


def move_into(source: Path, target: Path) -> None:
    """Move a file or folder to its place; folders that are there already are filled up."""
    if source.is_dir() and target.is_dir():
        for child in source.iterdir():
            move_into(child, target / child.name)
    else:
        os.replace(source, target)


@contextlib.contextmanager
def unpacking(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary folder; when the block ends well, what it holds is moved into ``folder``, else nothing is left."""
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=place, prefix=".unpacking."))
    try:
        yield temporary
        for child in temporary.iterdir():
            move_into(child, place / child.name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def extract_archive(
    from_path: str | os.PathLike[str], to_path: str | os.PathLike[str] | None = None, remove_finished: bool = False
) -> Path:
    """Unpack a tar (also gzip, bzip2 or xz), a zip, or a single compressed file.

    Args:
        from_path: the archive. Its kind is told by its content.
        to_path: the folder to unpack into; by default the archive's own. Nothing appears in it before all is unpacked.
        remove_finished: delete the archive afterwards.

    Returns:
        The folder, or the file where a single one was compressed.

    Raises:
        FileFormatError: the archive is broken, or holds absolute paths, "..", devices, links out of it, or absurdly much.
    """
    path = Path(from_path)
    place = path.parent if to_path is None else Path(to_path)
    result = place
    with _naming(path):
        if _starts(path).startswith((b"PK\3\4", b"PK\5\6")):
            with unpacking(place) as temporary:
                _unpack_zip(path, temporary, growth_bound(path))
        elif _is_tar(path):
            with unpacking(place) as temporary, opened(path) as stream:
                unpack_tar(stream, temporary, growth_bound(path))
        elif path.suffix in (".gz", ".bz2", ".xz"):
            result = place / path.stem
            _decompress(path, result)
        else:
            raise FileFormatError("not a tar, a zip, or a file compressed by gzip, bzip2 or xz")
    if remove_finished:
        path.unlink()
    return result


def _is_tar(path: Path) -> bool:
    with opened(path) as stream:
        head = stream.read(tarfile.BLOCKSIZE)
    if head == bytes(tarfile.BLOCKSIZE):  # as an empty tar begins
        return path.name.endswith((".tar", ".tgz", ".tar.gz"))
    try:
        tarfile.TarInfo.frombuf(head, tarfile.ENCODING, "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _decompress(path: Path, target: Path) -> None:
    left = growth_bound(path)
    with atomic_path(target) as temporary, opened(path) as stream, open(temporary, "wb") as file:
        while chunk := stream.read(CHUNK):
            left -= len(chunk)
            if left < 0:
                raise FileFormatError("unpacks to far more than its size lets expect")
            file.write(chunk)


def download_and_extract_archive(
    url: str | list[str],
    download_root: str | os.PathLike[str],
    extract_root: str | os.PathLike[str] | None = None,
    filename: str | None = None,
    md5: str | None = None,
    remove_finished: bool = False,
    sha256: str | None = None,
) -> None:
    """Fetch an archive, verify it, and unpack it.

    Args:
        url: its address, or several to try in turn.
        download_root: the folder the archive goes to.
        extract_root: the folder to unpack into; by default the same.
        filename: the archive's name on disk; by default the address's last part.
        md5, sha256: the hash it must have. One of the two is required.
        remove_finished: delete the archive afterwards.
    """
    folder = Path(download_root).expanduser()
    name = filename or os.path.basename(url if isinstance(url, str) else url[0])
    archive = download(url, folder / name, md5=md5, sha256=sha256)
    extract_archive(archive, extract_root or folder, remove_finished)


def google_drive(file_id: str) -> str:
    """The address of a public file on Google Drive, past the page that asks whether to go on without a virus scan."""
    return f"https://drive.usercontent.google.com/download?id={file_id}&export=download&confirm=t"
