"""Archives, whole, broken and hostile."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib

import pytest

from framework.io import FileFormatError
from hub import archives
from hub.archives import download_and_extract_archive, extract_archive


def tar_bytes(*members, end=True) -> bytes:
    """A tar of (name, content) or of ready headers."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            if content is not None:
                info.size = len(content)
            tar.addfile(info, None if content is None else io.BytesIO(content))
    data = buffer.getvalue()
    return data if end else data[: len(data) - len(data) % 10240 or None]


def special(name, kind, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def zip_bytes(*members) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


FILES = (("set/a.txt", b"one"), ("set/deep/b.txt", b"two" * 1000), ("./set/c.txt", b""))
PACKINGS = {
    "tar": bytes,
    "tar.gz": gzip.compress,
    "tgz": gzip.compress,
    "tar.bz2": bz2.compress,
    "tar.xz": lzma.compress,
}


@pytest.mark.parametrize("ending", [*PACKINGS, "zip"])
def test_whole(tmp_path, ending):
    archive = tmp_path / f"set.{ending}"
    archive.write_bytes(zip_bytes(*FILES) if ending == "zip" else PACKINGS[ending](tar_bytes(*FILES)))
    assert extract_archive(archive, tmp_path / "out") == tmp_path / "out"
    found = {str(p.relative_to(tmp_path / "out")): p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert found == {"set/a.txt": b"one", "set/deep/b.txt": b"two" * 1000, "set/c.txt": b""}
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["set"]


@pytest.mark.parametrize("ending, pack", [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_single_files(tmp_path, ending, pack):
    (tmp_path / f"a.txt.{ending}").write_bytes(pack(b"content"))
    assert extract_archive(tmp_path / f"a.txt.{ending}", remove_finished=True) == tmp_path / "a.txt"
    assert (tmp_path / "a.txt").read_bytes() == b"content" and not (tmp_path / f"a.txt.{ending}").exists()


def test_folders_are_filled_up(tmp_path):
    for number, files in enumerate([(("d/a", b"1"),), (("d/b", b"2"), ("d/a", b"3"))]):
        (tmp_path / f"{number}.tar").write_bytes(tar_bytes(*files))
        extract_archive(tmp_path / f"{number}.tar")
    assert (tmp_path / "d/a").read_bytes() == b"3" and (tmp_path / "d/b").read_bytes() == b"2"


def test_links_inside_become_copies(tmp_path):
    members = [
        (special("d/soft", tarfile.SYMTYPE, "../e/file"), None),
        (special("d/hard", tarfile.LNKTYPE, "e/file"), None),
        ("e/file", b"content"),
    ]
    (tmp_path / "a.tgz").write_bytes(gzip.compress(tar_bytes(*members)))
    extract_archive(tmp_path / "a.tgz")
    for name in ("d/soft", "d/hard"):
        assert (tmp_path / name).read_bytes() == b"content" and not (tmp_path / name).is_symlink()


def linked_zip():
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return zip_bytes((info, "/etc/passwd"))


def locked_zip():
    data = bytearray(zip_bytes(("a", b"secret")))
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    return bytes(data)


GOOD = ("good.txt", b"good")
HOSTILE = {
    "absolute": (tar_bytes(GOOD, ("/etc/x", b"")), "outside its folder"),
    "above": (tar_bytes(GOOD, ("../x", b"")), "outside its folder"),
    "above inside": (tar_bytes(GOOD, ("a/../../x", b"")), "outside its folder"),
    "backslashes": (tar_bytes(GOOD, ("..\\x", b"")), "outside its folder"),
    "drive": (tar_bytes(GOOD, ("C:\\x", b"")), "outside its folder"),
    "folder above": (tar_bytes(GOOD, (special("../d", tarfile.DIRTYPE), None)), "outside its folder"),
    "symbolic link out": (tar_bytes(GOOD, (special("x", tarfile.SYMTYPE, "../../etc"), None)), "outside its folder"),
    "absolute link": (tar_bytes(GOOD, (special("x", tarfile.SYMTYPE, "/etc/passwd"), None)), "outside its folder"),
    "hard link out": (tar_bytes(GOOD, (special("x", tarfile.LNKTYPE, "../x"), None)), "outside its folder"),
    "link to nothing": (tar_bytes(GOOD, (special("x", tarfile.SYMTYPE, "none"), None)), "link to what it does not hold"),
    "link to itself": (tar_bytes(GOOD, (special("x", tarfile.SYMTYPE, "x"), None)), "link to what it does not hold"),
    "link to a folder": (
        tar_bytes(("d/a", b""), (special("x", tarfile.SYMTYPE, "d"), None), ("x/b", b"")),
        "link to what it does not hold",
    ),
    "device": (tar_bytes(GOOD, (special("x", tarfile.CHRTYPE), None)), "no plain file"),
    "pipe": (tar_bytes(GOOD, (special("x", tarfile.FIFOTYPE), None)), "no plain file"),
    "file as folder": (tar_bytes(GOOD, ("good.txt/x", b"")), "broken"),
    "cut in a file": (tar_bytes(GOOD, ("b", b"x" * 5000))[:4000], "broken"),
    "cut between files": (tar_bytes(GOOD, ("b", b"x" * 512))[:1024], "broken"),
    "cut gzip": (gzip.compress(tar_bytes(GOOD))[:-20], "broken"),
    "changed gzip": (gzip.compress(tar_bytes(GOOD), 0)[:-7] + b"\xff" * 7, "broken"),
    "cut bzip2": (bz2.compress(tar_bytes(GOOD))[:-20], "broken"),
    "cut xz": (lzma.compress(tar_bytes(GOOD))[:-20], "broken"),
    "zip above": (zip_bytes(GOOD, ("../x", b"")), "outside its folder"),
    "zip absolute": (zip_bytes(GOOD, ("/x", b"")), "outside its folder"),
    "zip link": (linked_zip(), "no plain file"),
    "zip with a password": (locked_zip(), "no plain file"),
    "cut zip": (zip_bytes(GOOD)[:-30], "broken"),
    "zip of a wrong sum": (zip_bytes(GOOD).replace(zlib.crc32(b"good").to_bytes(4, "little"), b"1234"), "broken"),
    "no archive": (b"text that is no archive" * 50, "not a tar, a zip"),
    "empty": (b"", "not a tar, a zip"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(tmp_path, name):
    data, words = HOSTILE[name]
    (tmp_path / "x.archive").write_bytes(data)
    with pytest.raises(FileFormatError, match=rf"x\.archive: .*{words}"):
        extract_archive(tmp_path / "x.archive", tmp_path / "out")
    assert list(tmp_path.rglob("*")) in (
        [tmp_path / "x.archive"],
        [tmp_path / "x.archive", tmp_path / "out"],
        [tmp_path / "out", tmp_path / "x.archive"],
    )


def huge_header(size):
    info = special("x", tarfile.REGTYPE)
    info.size = size
    return info.tobuf()


def huge_extension(size):
    info = special("x", tarfile.XHDTYPE)
    info.size = size
    return info.tobuf()


def test_bombs(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "FREE_GROWTH", 1 << 16)
    monkeypatch.setattr(archives, "MOST_GROWTH", 10)
    monkeypatch.setattr(archives, "_LARGEST_READ", 1 << 16)
    zeros = bytes(1 << 20)
    bombs = {
        "a.tgz": gzip.compress(tar_bytes(("x", zeros))),
        "b.tar.bz2": bz2.compress(tar_bytes(*((f"{n}", zeros[:40_000]) for n in range(4)))),
        "c.zip": zip_bytes(("x", zeros)),
        "d.txt.gz": gzip.compress(zeros),
        "e.tar": huge_header(1 << 40) + zeros[:512],
        "f.tgz": gzip.compress(huge_extension(1 << 19) + zeros),
        "g.tgz": gzip.compress(tar_bytes(("x", zeros[:60_000]), *((special(f"l{n}", tarfile.LNKTYPE, "x"), None) for n in range(9)))),
    }  # fmt: skip
    for name, data in bombs.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(FileFormatError, match=f"{name}: .*(far more than its size|broken)"):
            extract_archive(tmp_path / name, tmp_path / "out")
    assert not any((tmp_path / "out").iterdir())


def test_download_and_extract(tmp_path, monkeypatch):
    asked = []

    def fetch(url, path, *, md5=None, sha256=None):
        asked.append((url, path.name, md5, sha256))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tar_bytes(GOOD))
        return path

    monkeypatch.setattr(archives, "download", fetch)
    download_and_extract_archive("http://x/set.tar", tmp_path, md5="12", remove_finished=True)
    download_and_extract_archive(["http://x/1.tar", "http://y"], tmp_path, tmp_path / "out", "name.tar", sha256="34")
    assert asked == [
        ("http://x/set.tar", "set.tar", "12", None),
        (["http://x/1.tar", "http://y"], "name.tar", None, "34"),
    ]
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["good.txt", "good.txt", "name.tar", "out"]
