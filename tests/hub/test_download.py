"""Downloads from a server on this machine, which cuts files short, alters them, packs them or has none."""

from __future__ import annotations

import io
import os
import socket
import sys
import urllib.request

import pytest

import hub
from framework.errors import ArgumentError
from hub.transfer import _Redirects
from tests.hub.server import BODY, MD5, SHA256


@pytest.mark.parametrize("kind", ["whole", "unsized", "chunked", "moved", "labelled", "packed"])
@pytest.mark.parametrize(
    "digest", [{"md5": MD5}, {"sha256": SHA256.upper()}, {"md5": MD5, "sha256": SHA256[:8]}], ids=str
)
def test_a_right_file(server, tmp_path, kind, digest):
    target = tmp_path / "new" / "file.bin"
    assert hub.download(f"{server.address}/{kind}/x", target, **digest) == target and target.read_bytes() == BODY
    assert hub.verify(target, **digest) and not hub.verify(target, md5="0" * 32)
    assert os.listdir(target.parent) == ["file.bin"]  # no part, no lock
    mask = os.umask(0)
    os.umask(mask)
    assert target.stat().st_mode & 0o777 == 0o666 & ~mask  # others may read it as they may read any other file
    asked = len(server.asked)
    hub.download(f"{server.address}/{kind}/x", target, **digest)
    assert len(server.asked) == asked  # what is there is not fetched again


def test_an_address_with_spaces_and_letters_beyond_ascii(server, tmp_path):
    hub.download(f"{server.address}/whole/net é.bin?as=a%20b&x=1#top", tmp_path / "net é.bin", sha256=SHA256)
    assert server.asked[0][0] == "/whole/net%20%C3%A9.bin?as=a%20b&x=1"
    (tmp_path / "wörd s").write_bytes(BODY)
    hub.download(f"file://{tmp_path}/wörd s", tmp_path / "copy", sha256=SHA256)
    assert (tmp_path / "copy").read_bytes() == BODY


def test_a_verified_file_opens_no_socket(tmp_path, monkeypatch):
    (tmp_path / "file.bin").write_bytes(BODY)

    def refuse(*arguments, **options):
        raise AssertionError("a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert hub.download("https://nowhere.invalid/x", tmp_path / "file.bin", sha256=SHA256).read_bytes() == BODY
    with pytest.raises(AssertionError, match="a socket"):  # the guard can fail
        hub.download("https://nowhere.invalid/x", tmp_path / "file.bin", sha256="0" * 8)


@pytest.mark.parametrize(
    "kind, words, left",
    [
        ("cut", r"cut short at 1152000 of 2304000 bytes \(3 tries\)", True),
        ("brokenchunks", "IncompleteRead", True),
        ("stall", r"no answer in time \(3 tries\)", True),
        ("silence", r"no answer in time \(3 tries\)", False),
        ("reset", "3 tries", False),
        ("503", r"503 Service Unavailable \(3 tries\)", False),
        ("altered", "hash is not the expected one", False),
        ("short", "hash is not the expected one", False),
        ("bomb", "hash is not the expected one", False),
        ("403", "403 Forbidden$", False),
        ("404", "404 Not Found$", False),
        ("nonsense", "nonsense/x: ", False),
        ("uncountable", "length of 'many'", False),
        ("absurd", "announces 100000000000000000 bytes, and the disk has room for", False),
        ("unasked", "a part of the file, unasked", False),
        ("loop", "infinite loop", False),
        ("elsewhere", "redirect|Redirect", False),
        ("ftp", "ftp://127.0.0.1/x, which is refused", False),
    ],
)
def test_a_wrong_answer(server, tmp_path, kind, words, left):
    timeout = 0.1 if kind in ("stall", "silence") else 30
    with pytest.raises(hub.DownloadError, match=words):
        hub.download(f"{server.address}/{kind}/x", tmp_path / "file.bin", md5=MD5, timeout=timeout, retries=2)
    # nothing, or what the next call can go on with
    assert sorted(os.listdir(tmp_path)) == (["file.bin.part", "file.bin.part.from"] if left else [])


def test_a_wrong_file_leaves_the_one_that_was_there(server, tmp_path):
    (tmp_path / "file.bin").write_bytes(b"old")
    with pytest.raises(hub.DownloadError):
        hub.download(f"{server.address}/altered/x", tmp_path / "file.bin", md5=MD5)
    assert (tmp_path / "file.bin").read_bytes() == b"old"
    hub.download(f"{server.address}/whole/x", tmp_path / "file.bin", md5=MD5)
    assert (tmp_path / "file.bin").read_bytes() == BODY


@pytest.mark.parametrize("kind", ["whole", "unsized", "packed"])
def test_a_length_that_is_not_the_expected_one(server, tmp_path, kind):
    target = tmp_path / "file.bin"
    for size in (len(BODY) - 1, len(BODY) + 1, 1):
        with pytest.raises(hub.DownloadError, match=r"announces|sends|hash"):
            hub.download(f"{server.address}/{kind}/x", target, md5=MD5, size=size)
    assert os.listdir(tmp_path) == []
    assert hub.download(f"{server.address}/{kind}/x", target, md5=MD5, size=len(BODY)) == target


def test_addresses_are_tried_in_turn(server, tmp_path):
    addresses = [f"{server.address}/404/x", "nowhere://x", f"{server.address}/cut/x", f"{server.address}/whole/x"]
    assert hub.download(addresses, tmp_path / "file.bin", sha256=SHA256).read_bytes() == BODY
    assert server.asked[-1][1]["Range"] == f"bytes={len(BODY) // 2}-"  # the last goes on where the one before broke off
    with pytest.raises(hub.DownloadError, match=r"404/x: .*404.*; nowhere://x: .*http.*; .*cut short"):
        hub.download(addresses[:3], tmp_path / "other.bin", sha256=SHA256)
    with pytest.raises(hub.DownloadError, match="there is no address"):
        hub.download([], tmp_path / "third.bin", sha256=SHA256)


@pytest.mark.parametrize(
    "hashes", [{}, {"md5": "0" * 31}, {"sha256": "f37072f"}, {"sha256": "0" * 65}, {"sha256": "sesame-open"}]
)
def test_a_hash_that_cannot_be_one(server, tmp_path, hashes):
    with pytest.raises(ArgumentError, match=r"hash|digits"):
        hub.download(f"{server.address}/whole/x", tmp_path / "file.bin", **hashes)
    assert server.asked == []


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/x", "http:///x", "http://[::1/x", "http://127.0.0.1:9/a b", "file:///no/x"]
)
def test_nobody_answers(server, tmp_path, url):
    with pytest.raises(hub.DownloadError, match=r"could not download file\.bin: "):
        hub.download(url, tmp_path / "file.bin", md5=MD5)


def test_a_local_address(tmp_path, monkeypatch):
    (tmp_path / "source").write_bytes(BODY)
    address = (tmp_path / "source").as_uri()
    assert hub.download(address, tmp_path / "file.bin", md5=MD5).read_bytes() == BODY
    monkeypatch.setenv("HUB_OFFLINE", "1")
    assert hub.download(["http://nowhere.invalid/x", address], tmp_path / "again.bin", md5=MD5).read_bytes() == BODY


@pytest.mark.parametrize("word", ["1", "TRUE", "yes", "On"])
def test_offline(server, tmp_path, monkeypatch, word):
    monkeypatch.setenv("HUB_OFFLINE", word)
    target = tmp_path / "new" / "file.bin"
    with pytest.raises(hub.DownloadError) as caught:
        hub.download([f"{server.address}/whole/x", "http://mirror/x"], target, sha256=SHA256)
    for part in ("HUB_OFFLINE", str(target), "is not there", "/whole/x or http://mirror/x", SHA256, "unset"):
        assert part in str(caught.value)
    assert server.asked == [] and not target.parent.exists()
    target.parent.mkdir()
    target.write_bytes(b"another")
    with pytest.raises(hub.DownloadError, match="is there, but has another hash"):
        hub.download(f"{server.address}/whole/x", target, sha256=SHA256)
    target.write_bytes(BODY)
    assert hub.download(f"{server.address}/whole/x", target, sha256=SHA256) == target


def test_offline_or_not(server, tmp_path, monkeypatch):
    monkeypatch.setenv("HUB_OFFLINE", "perhaps")
    with pytest.raises(ArgumentError, match="perhaps"):
        hub.download(f"{server.address}/whole/x", tmp_path / "file.bin", md5=MD5)
    monkeypatch.setenv("HUB_OFFLINE", "0")
    hub.download(f"{server.address}/whole/x", tmp_path / "file.bin", md5=MD5)


def test_a_proxy_from_the_environment(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", server.address)
    server.files["x"] = BODY
    server.failures = ["whole"]
    hub.download("http://nowhere.invalid/whole/x", tmp_path / "file.bin", md5=MD5)
    assert server.asked[0][0] == "http://nowhere.invalid/whole/x"
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    hub.download(f"{server.address}/whole/x", tmp_path / "direct.bin", md5=MD5)


@pytest.mark.parametrize("old, new", [("https", "http"), ("https", "ftp"), ("http", "file"), ("http", "data")])
def test_redirects_that_are_refused(old, new):
    request = urllib.request.Request(f"{old}://example.org/x")
    with pytest.raises(hub.DownloadError, match="refused"):
        _Redirects().redirect_request(request, None, 302, "Found", {}, f"{new}://example.org/x")
    assert _Redirects().redirect_request(request, None, 302, "Found", {}, "https://example.org/y").type == "https"


def test_progress_in_a_log(server, tmp_path, capfd):
    hub.download(f"{server.address}/whole/x", tmp_path / "file.bin", md5=MD5)
    lines = capfd.readouterr().err.splitlines()
    assert 1 <= len(lines) <= 10 and lines[-1].startswith("file.bin: 100 %  2.3 MB/2.3 MB")
    hub.download(f"{server.address}/unsized/x", tmp_path / "other.bin", md5=MD5)
    assert capfd.readouterr().err.startswith("other.bin: 2.3 MB")
    hub.download(f"{server.address}/whole/x", tmp_path / "third.bin", md5=MD5, progress=False)
    assert capfd.readouterr() == ("", "")


def test_progress_on_a_terminal(server, tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stderr", Terminal())
    hub.download(f"{server.address}/whole/x", tmp_path / "file.bin", md5=MD5)
    text = sys.stderr.getvalue()
    assert "file.bin: 100%" in text and "2.30M/2.30M" in text
