"""Hugging Face repositories, from a server on this machine that speaks enough of their protocol.

The library reads its settings when it is imported, so each test is a program of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import hub

pytest.importorskip("huggingface_hub")

COMMITS = {"main": "a" * 40, "v2": "b" * 40}
FILES = {
    "config.json": b'{"hidden": 8}',
    "vocab.txt": b"a\nb\n",
    "model.safetensors": b"safe weights",
    "pytorch_model.bin": b"a pickle",
    "pytorch_model.bin.index.json": b"{}",
    "modeling.py": b"import os",
    "onnx/model.onnx": b"graph",
    "deep/er/notes [1].json": b"[]",
}


class Repository(BaseHTTPRequestHandler):
    """The parts of the protocol that fetching needs."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        with self.server.guard:
            self.server.asked.append(f"{self.command} {self.path}")
        parts = (
            self.path.split("?")[0].replace("%20", " ").replace("%5B", "[").replace("%5D", "]").strip("/").split("/")
        )
        revisions = COMMITS | {commit: commit for commit in COMMITS.values()}
        if self.server.broken:
            return self.send(503, b"")
        if parts[:2] == ["api", "models"]:
            owner, what, version = parts[2], parts[4], parts[5]
            if owner != "me":
                return self.send(404, b"{}", X_Error_Code="RepoNotFound")
            if version not in revisions:
                return self.send(404, b"{}", X_Error_Code="RevisionNotFound")
            if what == "revision":
                return self.send(200, json.dumps({"id": "me/it", "sha": revisions[version], "siblings": []}).encode())
            tree = [
                {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                for name, data in self.server.files.items()
            ]
            folders = [{"type": "directory", "path": "onnx", "oid": "0" * 40}]
            return self.send(200, json.dumps(folders + tree).encode())
        version, name = parts[3], "/".join(parts[4:])
        if parts[0] != "me":
            return self.send(404, b"", X_Error_Code="RepoNotFound")
        if version not in revisions:
            return self.send(404, b"", X_Error_Code="RevisionNotFound")
        commit = {"X_Repo_Commit": revisions[version]}
        if name not in self.server.files:
            return self.send(404, b"", X_Error_Code="EntryNotFound", **commit)
        data = self.server.files[name]
        self.send(200, data, ETag=f'"{hashlib.sha1(data).hexdigest()}"', **commit)

    def send(self, status, body, **headers):
        self.send_response(status)
        for key, value in ({"Content_Length": str(len(body)), "Content_Type": "application/json"} | headers).items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def repository(tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), Repository) as running:
        running.daemon_threads = True
        running.guard, running.asked, running.files, running.broken = threading.Lock(), [], dict(FILES), False
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def run(repository, tmp_path):
    """Runs lines of Python in a program that knows that server, and gives what they printed."""

    def call(lines, **environment):
        kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(("HF_", "HUB_"))}
        kept = {name: value for name, value in kept.items() if not name.lower().endswith("_proxy")}
        settings = {
            "HF_ENDPOINT": f"http://127.0.0.1:{repository.server_port}",
            "HF_HOME": str(tmp_path / "home"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        program = f"import hub, os\nfrom hub import huggingface as hf\n{lines}"
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=kept | settings | environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout.strip(), done.stderr.strip().splitlines()[-1:] if done.returncode else done.returncode

    return call


LIST = "print(*sorted(os.path.relpath(os.path.join(d, f), p) for d, _, fs in os.walk(p) for f in fs), sep='|')"


def test_one_file(run, repository, tmp_path):
    text, code = run("p = hf.file('me/it', 'config.json'); print(p); print(p.read_text())")
    assert code == 0
    path, content = text.splitlines()
    assert content == '{"hidden": 8}' and Path(path).is_relative_to(tmp_path / "home" / "hub" / "models--me--it")
    assert "a" * 40 in path
    before = len(repository.asked)
    # from the cache, which the library itself sees too; no socket is opened
    again = """
import socket
def refuse(*a, **k): raise SystemExit("a socket")
socket.socket.connect = socket.create_connection = refuse
print(hf.file('me/it', 'config.json'))
import huggingface_hub
print(huggingface_hub.try_to_load_from_cache('me/it', 'config.json'))
"""
    assert run(again) == (f"{path}\n{path}", 0) and len(repository.asked) == before
    offline = """
print(hf.file('me/it', 'config.json', update=True))
try:
    hf.file('me/it', 'vocab.txt')
except hub.DownloadError as e:
    print(e)
"""
    for variable in ("HUB_OFFLINE", "HF_HUB_OFFLINE"):
        found, error = run(offline, **{variable: "1"})[0].splitlines()
        assert found == path and "is set, and vocab.txt of me/it is not whole in the cache" in error
    assert len(repository.asked) == before


def test_a_branch_that_moves(run, repository):
    run("hf.file('me/it', 'config.json')")
    repository.files["config.json"] = b"new"
    COMMITS["main"] = "c" * 40
    try:
        line = "print(hf.file('me/it', 'config.json', update={}).read_text())"
        assert run(line.format(False) + "; " + line.format(True)) == ('{"hidden": 8}\nnew', 0)
        assert run("print(hf.file('me/it', 'config.json', revision='v2').read_text())") == ("new", 0)
    finally:
        COMMITS["main"] = "a" * 40


ERRORS = {
    "hf.file('me/it', 'absent.json')": "DownloadError: could not fetch absent.json of me/it: .*404",
    "hf.file('me/it', 'config.json', revision='v9')": "DownloadError: could not fetch config.json of me/it: .*404",
    "hf.file('you/it', 'config.json')": "DownloadError: could not fetch config.json of you/it: .*",
    "hf.snapshot('you/it')": "DownloadError: could not fetch a snapshot of you/it: .*404",
    "hf.snapshot('me/it', revision='v9')": "DownloadError: could not fetch a snapshot of me/it: .*404",
    "hf.snapshot('me/it', patterns='*.gguf')": "DownloadError: me/it has none of the files .*config.json",
    "hf.file('me//it', 'config.json')": "ArgumentError: huggingface: ",
    "hf.snapshot('a/b/c')": "ArgumentError: huggingface: ",
}
TRY = """
try:
    {}
except (hub.DownloadError, ValueError) as e:
    print(type(e).__name__ + ':', *str(e).split())
"""


def test_errors(run):
    text, code = run("".join(TRY.format(call) for call in ERRORS))
    lines = text.splitlines()
    assert code == 0 and len(lines) == len(ERRORS)
    for line, words in zip(lines, ERRORS.values()):
        assert re.match(words, line)


def test_a_snapshot(run, repository):
    text, code = run(f"p = hf.snapshot('me/it'); {LIST}")
    # no program, no graph, and no pickle beside the safe file, nor the pickle's index
    assert (text, code) == ("config.json|deep/er/notes [1].json|model.safetensors|vocab.txt", 0)
    before = len(repository.asked)
    again = f"""
p = hf.snapshot('me/it'); {LIST}
p = hf.snapshot('me/it', revision='{"a" * 40}'); {LIST}
os.environ['HUB_OFFLINE'] = '1'
p = hf.snapshot('me/it'); {LIST}
try:
    hf.snapshot('me/it', patterns='*.py')
except hub.DownloadError as e:
    print(e)
"""
    *found, error = run(again)[0].splitlines()
    assert found == [text] * 3 and "a snapshot of me/it is not whole in the cache" in error
    assert len(repository.asked) == before
    more = run(f"p = hf.snapshot('me/it', patterns=['*.py', 'onnx/*']); {LIST}")[0].split("|")
    assert sorted(set(more) - set(text.split("|"))) == ["modeling.py", "onnx/model.onnx"]


def test_a_snapshot_without_safe_weights(run, repository):
    del repository.files["model.safetensors"]
    text, code = run(f"p = hf.snapshot('me/it'); {LIST}")
    names = ["config.json", "deep/er/notes [1].json", "pytorch_model.bin", "pytorch_model.bin.index.json", "vocab.txt"]
    assert (text.split("|"), code) == (names, 0)


def test_a_snapshot_of_single_files(run, repository):
    alone = f"""
hf.file('me/it', 'model.safetensors')
os.environ['HUB_OFFLINE'] = '1'
p = hf.snapshot('me/it'); {LIST}
"""
    assert run(alone) == ("model.safetensors", 0)
    assert run(f"p = hf.snapshot('me/it'); {LIST}")[0].count("|") == 3  # with a network it is filled up
    repository.broken = True
    assert run(f"p = hf.snapshot('me/it'); {LIST}")[0].count("|") == 3


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for call in (lambda: hub.huggingface.file("me/it", "x"), lambda: hub.huggingface.snapshot("me/it")):
        with pytest.raises(ImportError, match=r"pip install 'eagerkit\[hf\]'"):
            call()
