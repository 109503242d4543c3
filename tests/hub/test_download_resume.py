"""Downloads that break off: tried again, continued, killed, wanted by two at once."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

import hub
from tests.hub.server import BODY, HALF, MD5, SHA256

FETCH = "import sys, hub; hub.download(sys.argv[1], sys.argv[2], sha256=sys.argv[3], progress=False)"


def ranges(server):
    return [headers.get("Range") for _, headers in server.asked]


@pytest.mark.parametrize(
    "failure", ["408", "429", "500", "502", "503", "504", "reset", "cut", "brokenchunks", "stall", "silence"]
)
def test_another_try(server, waits, tmp_path, failure):
    server.failures = [failure, failure]
    timeout = 0.5 if failure in ("stall", "silence") else 30  # the last answer must come within it
    hub.download(f"{server.address}/whole/x", tmp_path / "file.bin", sha256=SHA256, timeout=timeout)
    assert (tmp_path / "file.bin").read_bytes() == BODY and len(server.asked) == 3
    assert len(waits) == 2 and all(0.25 <= wait <= 0.75 * 2**i for i, wait in enumerate(waits))


def test_pauses_double(server, waits, tmp_path):
    with pytest.raises(hub.DownloadError, match="11 tries"):
        hub.download(f"{server.address}/503/x", tmp_path / "file.bin", sha256=SHA256, retries=10)
    assert (
        all(min(0.25 * 2**i, 60) <= wait <= min(0.75 * 2**i, 60) for i, wait in enumerate(waits)) and len(waits) == 10
    )
    assert len({wait / 2**i for i, wait in enumerate(waits[:6])}) == 6  # with a jitter


@pytest.mark.parametrize("status", ["400", "401", "403", "404", "410"])
def test_no_other_try(server, waits, tmp_path, status):
    with pytest.raises(hub.DownloadError, match=status):
        hub.download(f"{server.address}/{status}/x", tmp_path / "file.bin", sha256=SHA256)
    assert len(server.asked) == 1 and waits == []


@pytest.mark.parametrize(
    "after, low, high",
    [("7", 7, 7), ("100000", 60, 60), ("soon", 0, 1), ("-3", 0, 1), ("date", 8, 11), ("past", 0, 1)],
)
def test_the_server_says_how_long(server, waits, tmp_path, after, low, high):
    now = datetime.now(UTC)
    dates = {"date": now + timedelta(seconds=10), "past": now - timedelta(days=1)}
    after = format_datetime(dates[after], usegmt=True) if after in dates else after
    server.failures = [f"429-{after}"]
    hub.download(f"{server.address}/whole/x", tmp_path / "file.bin", sha256=SHA256)
    assert len(waits) == 1 and low <= waits[0] <= high


@pytest.mark.parametrize(
    "kind, asked",
    [
        ("drop", [None, f"bytes={HALF}-"]),  # the line breaks once
        ("weak", [None, f"bytes={HALF}-"]),  # a weak ETag joins nothing, but the hash will tell
        ("rangeless", [None, f"bytes={HALF}-"]),  # the server begins anew
        ("wrongrange", [None, f"bytes={HALF}-", None]),  # the server gives another part
        ("never", [None, f"bytes={HALF}-", None]),  # the server answers 416
    ],
)
def test_continued(server, tmp_path, kind, asked):
    server.failures = ["weak" if kind == "weak" else "drop"]
    hub.download(f"{server.address}/{kind}/x", tmp_path / "file.bin", sha256=SHA256)
    assert (tmp_path / "file.bin").read_bytes() == BODY and ranges(server) == asked
    assert os.listdir(tmp_path) == ["file.bin"]


def broken_off(server, tmp_path, data=BODY[:HALF], tag='"v1"'):
    """A part that an earlier run left."""
    (tmp_path / "file.bin.part").write_bytes(data)
    (tmp_path / "file.bin.part.from").write_text(f"{server.address}/whole/x\n{tag}\n")


def test_continued_by_the_next_call(server, tmp_path):
    broken_off(server, tmp_path)
    hub.download(f"{server.address}/whole/x", tmp_path / "file.bin", md5=MD5, size=len(BODY))
    assert ranges(server) == [f"bytes={HALF}-"] and server.asked[0][1]["If-Range"] == '"v1"'
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_whole_but_not_in_its_place(server, tmp_path):
    broken_off(server, tmp_path, BODY)
    hub.download(f"{server.address}/whole/x", tmp_path / "file.bin", md5=MD5)
    assert len(server.asked) == 1 and (tmp_path / "file.bin").read_bytes() == BODY


@pytest.mark.parametrize("tag", ['"v0"', "", "v\udcff"])
def test_a_part_of_another_version(server, tmp_path, tag):
    broken_off(server, tmp_path, bytes(HALF), tag.encode("utf-8", "replace").decode())
    hub.download(f"{server.address}/whole/x", tmp_path / "file.bin", md5=MD5)
    assert (tmp_path / "file.bin").read_bytes() == BODY and len(server.asked) <= 2


@pytest.mark.parametrize("data", [bytes(HALF), bytes(len(BODY)), bytes(len(BODY) + 9)], ids=len)
def test_a_part_that_belongs_to_nothing(server, tmp_path, data):
    broken_off(server, tmp_path, data)
    hub.download(f"{server.address}/whole/x", tmp_path / "file.bin", md5=MD5)
    assert (tmp_path / "file.bin").read_bytes() == BODY and ranges(server) == [f"bytes={len(data)}-", None]


def test_a_wrong_whole_is_fetched_once_more_only(server, tmp_path):
    broken_off(server, tmp_path)
    with pytest.raises(hub.DownloadError, match="hash"):
        hub.download(f"{server.address}/whole/x", tmp_path / "file.bin", md5="0" * 32)
    assert ranges(server) == [f"bytes={HALF}-", None] and os.listdir(tmp_path) == []


def test_without_a_hash_only_the_same_version_is_continued(server, tmp_path):
    broken_off(server, tmp_path)
    hub.download_url_to_file(f"{server.address}/whole/x", tmp_path / "file.bin")
    assert ranges(server) == [f"bytes={HALF}-"] and (tmp_path / "file.bin").read_bytes() == BODY
    for tag, asked in (('"v0"', f"bytes={HALF}-"), ("", None)):
        broken_off(server, tmp_path, bytes(HALF), tag)
        hub.download_url_to_file(f"{server.address}/whole/x", tmp_path / "file.bin")
        assert ranges(server)[-1] == asked and (tmp_path / "file.bin").read_bytes() == BODY


def test_a_bad_line_gets_on(server, waits, tmp_path):
    """A file of many parts, each broken off after a while, needs more tries than one that does not get on."""
    server.files["x"] = big = BODY * 8

    def give_piece(self, kind):
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        span = f"bytes {start}-{len(big) - 1}/{len(big)}"
        self.send(
            206 if start else 200,
            big[start : start + 3_000_000],
            Content_Range=span,
            Content_Length=str(len(big) - start),
        )

    server.RequestHandlerClass = type("Pieces", (server.RequestHandlerClass,), {"give_piece": give_piece})
    digest = hashlib.sha256(big).hexdigest()
    hub.download(f"{server.address}/piece/x", tmp_path / "file.bin", sha256=digest, retries=1)
    assert (tmp_path / "file.bin").read_bytes() == big and len(server.asked) == 7


def test_two_processes_fetch_once(server, tmp_path):
    command = [sys.executable, "-c", FETCH, f"{server.address}/slow/x", str(tmp_path / "file.bin"), SHA256]
    running = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(60) for process in running] == [0, 0]
    assert len(server.asked) == 1 and os.listdir(tmp_path) == ["file.bin"]


def test_many_threads_fetch_once(server, tmp_path):
    errors = []

    def fetch():
        try:
            hub.download(f"{server.address}/slow/x", tmp_path / "file.bin", sha256=SHA256)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == [] and len(server.asked) == 1 and os.listdir(tmp_path) == ["file.bin"]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=str)
def test_killed_on_the_way(server, tmp_path, how):
    command = [sys.executable, "-c", FETCH, f"{server.address}/trickle/x", str(tmp_path / "file.bin"), SHA256]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    part = tmp_path / "file.bin.part"
    until = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size > HALF) and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(how)
    process.wait(30)
    held = part.stat().st_size
    assert HALF < held < len(BODY) and not (tmp_path / "file.bin").exists()
    hub.download(f"{server.address}/whole/x", tmp_path / "file.bin", sha256=SHA256)  # its lock holds nobody up
    assert ranges(server)[-1] == f"bytes={held}-" and os.listdir(tmp_path) == ["file.bin"]
