"""Data sets that fetch what is missing."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import tarfile

import numpy as np
import pytest

import hub
from vision.datasets import CIFAR10, MNIST


def packed_idx(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return gzip.compress(head + array.tobytes())


def test_mnist_downloads_what_is_missing(server, tmp_path, monkeypatch):
    files = {
        "train-images-idx3-ubyte.gz": packed_idx(np.zeros((4, 28, 28), np.uint8)),
        "train-labels-idx1-ubyte.gz": packed_idx(np.arange(4, dtype=np.uint8)),
    }
    server.files = files
    monkeypatch.setattr(MNIST, "mirrors", [f"{server.address}/404/", f"{server.address}/whole/"])
    monkeypatch.setattr(MNIST, "resources", [(n, hashlib.md5(d).hexdigest()) for n, d in files.items()])
    assert MNIST(tmp_path, download=True).targets.tolist() == [0, 1, 2, 3]
    assert MNIST(tmp_path).check() and len(server.asked) == 4
    MNIST(tmp_path, download=True)
    assert len(server.asked) == 4
    server.files = {**files, "train-images-idx3-ubyte.gz": b"another"}
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
    server.files = {"c.tgz": buffer.getvalue()}
    monkeypatch.setattr(CIFAR10, "url", f"{server.address}/whole/c.tgz")
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(buffer.getvalue()).hexdigest())
    assert len(CIFAR10(tmp_path, download=True)) == 10 and len(CIFAR10(tmp_path, train=False)) == 2
    assert not (tmp_path / "escape").exists()  # only what is wanted is taken out of the archive
    monkeypatch.setattr(CIFAR10, "url", f"{server.address}/altered/c.tgz")
    with pytest.raises(hub.DownloadError, match="hash"):
        CIFAR10(tmp_path / "elsewhere", download=True)
