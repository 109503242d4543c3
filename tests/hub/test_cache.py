"""Where fetched files are kept, and the lock that lets one at a time write there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import hub
from framework.errors import ArgumentError
from hub import cache
from hub.hashes import hash_in_name
from hub.lock import locked

HOLD = """
import sys, time
from hub.lock import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _own_places(monkeypatch, tmp_path):
    for name in ("EAGERKIT_HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(cache, "_chosen", [])


@pytest.mark.parametrize(
    "platform, environment, expected",
    [
        ("linux", {}, "~/.cache/eagerkit"),
        ("linux", {"XDG_CACHE_HOME": "/big/cache"}, "/big/cache/eagerkit"),
        ("linux", {"XDG_CACHE_HOME": "not/absolute"}, "~/.cache/eagerkit"),
        ("linux", {"XDG_CACHE_HOME": ""}, "~/.cache/eagerkit"),
        ("darwin", {"XDG_CACHE_HOME": "/big/cache"}, "~/Library/Caches/eagerkit"),
        ("win32", {"LOCALAPPDATA": "/C/local"}, "/C/local/eagerkit/Cache"),
        ("win32", {}, "~/AppData/Local/eagerkit/Cache"),
        *(
            (platform, {"EAGERKIT_HOME": "~/mine", "XDG_CACHE_HOME": "/x", "LOCALAPPDATA": "/y"}, "~/mine")
            for platform in ("linux", "darwin", "win32")
        ),
    ],
)
def test_home(monkeypatch, tmp_path, platform, environment, expected):
    monkeypatch.setattr(cache.sys, "platform", platform)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cache.home() == Path(expected.replace("~", str(tmp_path)))
    assert Path(hub.get_dir()) == cache.home() / "hub"
    assert cache.weights_path("a.pth") == cache.home() / "hub" / "checkpoints" / "a.pth"
    assert not cache.home().exists()  # asking makes nothing


def test_set_dir(monkeypatch, tmp_path):
    hub.set_dir(tmp_path / "one")
    assert hub.get_dir() == str(tmp_path / "one")
    hub.set_dir("~/two")
    assert hub.get_dir() == str(tmp_path / "two")
    monkeypatch.setenv("EAGERKIT_HOME", "/elsewhere")
    assert cache.weights_path("a") == tmp_path / "two" / "checkpoints" / "a"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "/a", "a\\b", "C:a", "a\0"])
def test_names_that_lead_elsewhere(name):
    with pytest.raises(ArgumentError, match="name of a file"):
        cache.weights_path(name)


@pytest.mark.parametrize(
    "name, loose, strict",
    [
        ("resnet18-f37072fd.pth", "f37072fd", "f37072fd"),
        ("alexnet-owt-7be5be79.pth", "7be5be79", "7be5be79"),
        ("x-0123456789abcdef.tar.gz", "0123456789abcdef", "0123456789abcdef"),
        ("x-f37072fd", "f37072fd", "f37072fd"),
        ("x-20240131.pth", None, "20240131"),
        ("x-20249931.pth", "20249931", "20249931"),
        ("x-f37072f.pth", None, None),
        ("x-F37072FD.pth", None, None),
        ("resnet18_f37072fd.pth", None, None),
        ("resnet18-weights.pth", None, None),
    ],
)
def test_a_hash_in_a_name(name, loose, strict):
    assert hash_in_name(name, dates=False) == loose and hash_in_name(name) == strict


def test_the_lock_lets_one_in_at_a_time(tmp_path):
    inside, most, entered = 0, 0, 0

    def work():
        nonlocal inside, most, entered
        for _ in range(20):
            with locked(tmp_path / "lock"):
                inside += 1
                most, entered = max(most, inside), entered + 1
                time.sleep(0.0005)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (most, entered) == (1, 120) and os.listdir(tmp_path) == []


def test_an_error_lets_go_of_the_lock(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path / "lock"):
        raise KeyError
    with locked(tmp_path / "lock"):
        assert os.listdir(tmp_path) == ["lock"]
    with pytest.raises(FileNotFoundError), locked(tmp_path / "nowhere" / "lock"):
        pass


def test_a_killed_holder_lets_go_of_the_lock(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "lock")], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    got = threading.Event()

    def wait():
        with locked(tmp_path / "lock"):
            got.set()

    waiter = threading.Thread(target=wait)
    waiter.start()
    assert not got.wait(0.1)
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    waiter.join(10)
    assert got.is_set() and os.listdir(tmp_path) == []
