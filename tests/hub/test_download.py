"""Downloads from a server on this machine, which cuts files short, alters them or has none."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import numpy as np
import pytest

import hub
from vision.datasets import CIFAR10, MNIST

BODY = bytes(range(256)) * 9000  # more than one chunk
MD5, SHA256 = hashlib.md5(BODY).hexdigest(), hashlib.sha256(BODY).hexdigest()


class Handler(BaseHTTPRequestHandler):
    files: ClassVar[dict[str, bytes]] = {}
    asked: ClassVar[list[str]] = []

    def do_GET(self):
        self.asked.append(self.path)
        kind, _, name = self.path.lstrip("/").partition("/")
        body = self.files.get(name, BODY)
        if kind == "missing":
            self.send_error(404)
            return
        if kind == "nonsense":
            self.wfile.write(b"this is not HTTP\r\n\r\n")
            return
        self.send_response(200)
        if kind != "unsized":
            self.send_header("Content-Length", "many" if kind == "uncountable" else str(len(body)))
        self.end_headers()
        if kind == "altered":
            body = body[:-1] + b"?"
        self.wfile.write(body[: len(body) // 2] if kind == "cut" else body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    Handler.files, Handler.asked = {}, []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("kind", ["whole", "unsized"])
@pytest.mark.parametrize("digest", [{"md5": MD5}, {"sha256": SHA256.upper()}, {"md5": MD5, "sha256": SHA256}], ids=str)
def test_a_right_file(server, tmp_path, kind, digest):
    target = tmp_path / "new" / "file.bin"
    assert hub.download(f"{server}/{kind}/x", target, **digest) == target and target.read_bytes() == BODY
    assert hub.verify(target, **digest) and not hub.verify(target, md5="0" * 32)
    hub.download(f"{server}/{kind}/x", target, **digest)
    assert len(Handler.asked) == 1  # what is there is not fetched again


@pytest.mark.parametrize(
    "kind, words",
    [
        ("cut", "cut short at 1152000 of 2304000 bytes"),
        ("altered", "hash is not the expected one"),
        ("missing", "404"),
        ("nonsense", "nonsense/x: "),
        ("uncountable", "many"),
    ],
)
def test_a_wrong_file_leaves_nothing(server, tmp_path, kind, words):
    with pytest.raises(hub.DownloadError, match=words):
        hub.download(f"{server}/{kind}/x", tmp_path / "file.bin", md5=MD5)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_file_leaves_the_one_that_was_there(server, tmp_path):
    (tmp_path / "file.bin").write_bytes(b"old")
    with pytest.raises(hub.DownloadError):
        hub.download(f"{server}/altered/x", tmp_path / "file.bin", md5=MD5)
    assert (tmp_path / "file.bin").read_bytes() == b"old"
    hub.download(f"{server}/whole/x", tmp_path / "file.bin", md5=MD5)
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_addresses_are_tried_in_turn(server, tmp_path):
    addresses = [f"{server}/missing/x", "nowhere://x", f"{server}/cut/x", f"{server}/whole/x"]
    assert hub.download(addresses, tmp_path / "file.bin", sha256=SHA256).read_bytes() == BODY
    with pytest.raises(hub.DownloadError, match=r"missing/x: .*404.*; nowhere://x: .*; .*cut short"):
        hub.download(addresses[:3], tmp_path / "other.bin", sha256=SHA256)
    with pytest.raises(hub.DownloadError, match="give the hash"):
        hub.download(addresses, tmp_path / "other.bin")


def test_nobody_answers(tmp_path):
    with pytest.raises(hub.DownloadError, match="refused"):
        hub.download("http://127.0.0.1:9/x", tmp_path / "file.bin", md5=MD5)


def packed_idx(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return gzip.compress(head + array.tobytes())


def test_mnist_downloads_what_is_missing(server, tmp_path, monkeypatch):
    files = {
        "train-images-idx3-ubyte.gz": packed_idx(np.zeros((4, 28, 28), np.uint8)),
        "train-labels-idx1-ubyte.gz": packed_idx(np.arange(4, dtype=np.uint8)),
    }
    Handler.files = files
    monkeypatch.setattr(MNIST, "mirrors", [f"{server}/missing/", f"{server}/whole/"])
    monkeypatch.setattr(MNIST, "resources", [(n, hashlib.md5(d).hexdigest()) for n, d in files.items()])
    assert MNIST(tmp_path, download=True).targets.tolist() == [0, 1, 2, 3]
    assert MNIST(tmp_path).check() and len(Handler.asked) == 4
    MNIST(tmp_path, download=True)
    assert len(Handler.asked) == 4
    Handler.files = {**files, "train-images-idx3-ubyte.gz": b"another"}
    with pytest.raises(hub.DownloadError, match="hash"):
        MNIST(tmp_path / "elsewhere", download=True)


def test_cifar_downloads_and_unpacks(server, tmp_path, monkeypatch):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name in (*CIFAR10.train_list, *CIFAR10.test_list, "batches.meta", "../escape"):
            entry = {b"data": np.zeros((2, 3072), np.uint8), b"labels": [3, 4], b"label_names": [b"n"] * 10}
            data = pickle.dumps(entry, 2)
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    Handler.files = {"c.tgz": buffer.getvalue()}
    monkeypatch.setattr(CIFAR10, "url", f"{server}/whole/c.tgz")
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(buffer.getvalue()).hexdigest())
    assert len(CIFAR10(tmp_path, download=True)) == 10 and len(CIFAR10(tmp_path, train=False)) == 2
    assert not (tmp_path / "escape").exists()  # only what is wanted is taken out of the archive
    monkeypatch.setattr(CIFAR10, "url", f"{server}/altered/c.tgz")
    with pytest.raises(hub.DownloadError, match="hash"):
        CIFAR10(tmp_path / "elsewhere", download=True)
