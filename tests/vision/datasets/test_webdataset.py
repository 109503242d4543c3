"""Samples out of tar files."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import tarfile

import numpy as np
import pytest
from PIL import Image

from framework.data import DataLoader
from framework.io import FileFormatError
from vision import transforms as T
from vision.datasets import DatasetNotFound
from vision.datasets.webdataset import WebDataset, expand_braces


def png(size=(5, 4)):
    buffer = io.BytesIO()
    Image.new("L", size, 9).save(buffer, "PNG")
    return buffer.getvalue()


def write(path, members, packed=False):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    path.write_bytes(gzip.compress(buffer.getvalue()) if packed else buffer.getvalue())
    return path


@pytest.fixture
def shards(tmp_path):
    """Four tars of three samples, numbered through; the last is packed."""
    for shard in range(4):
        members = []
        for number in range(shard * 3, shard * 3 + 3):
            members += [(f"d/{number:03d}.png", png()), (f"d/{number:03d}.CLS", b"%d\n" % number)]
        write(tmp_path / f"x-{shard:02d}.tar", members, packed=shard == 3)
    return str(tmp_path / "x-{00..03}.tar")


@pytest.mark.parametrize(
    "pattern, wanted",
    [
        ("a.tar", ["a.tar"]),
        ("a-{8..11}", ["a-8", "a-9", "a-10", "a-11"]),
        ("a-{08..11}.tar", ["a-08.tar", "a-09.tar", "a-10.tar", "a-11.tar"]),
        ("{x,y}{0..1}", ["x0", "x1", "y0", "y1"]),
        ("{x}", ["x"]),
    ],
)
def test_braces(pattern, wanted):
    assert expand_braces(pattern) == wanted


@pytest.mark.parametrize("pattern", ["{3..1}", "{0..99999999}", "{0..9999}{0..9999}"])
def test_wrong_braces(pattern):
    with pytest.raises(ValueError, match="expand_braces"):
        expand_braces(pattern)


def test_kinds(tmp_path):
    array = np.arange(6.0).reshape(2, 3)
    buffer = io.BytesIO()
    np.save(buffer, array)
    members = {
        "jpg": png((7, 3)), "cls": b"12", "txt": "ä".encode(), "json": b'{"a": [1]}', "npy": buffer.getvalue(), "seg.png": png(),
        "bin": b"\0\1",
    }  # fmt: skip
    path = write(tmp_path / "a.tar", [("README", b"no sample"), *((f"k.{end}", data) for end, data in members.items())])
    (sample,) = WebDataset(path)
    assert sample["__key__"] == "k" and sample["__url__"] == str(path)
    assert sample["jpg"].size == (7, 3) and sample["seg.png"].mode == "RGB" and sample["cls"] == 12
    assert sample["txt"] == "ä" and sample["json"] == {"a": [1]} and sample["bin"] == b"\0\1"
    np.testing.assert_array_equal(sample["npy"], array)
    assert next(iter(WebDataset(path, decode=False)))["cls"] == b"12"


def test_fields_and_order(shards):
    data = WebDataset(shards, ("jpg;png", "cls"), T.PILToTensor(), lambda number: number * 10)
    samples = list(data)
    assert [target for _, target in samples] == list(range(0, 120, 10)) and tuple(samples[0][0].shape) == (3, 4, 5)
    assert len(list(data)) == 12  # again from the start
    with pytest.raises(FileFormatError, match=r"x-00\.tar: sample d/000 has no txt; it has png, cls"):
        next(iter(WebDataset(shards, ("txt",))))
    with pytest.raises(ValueError, match="transforms need fields"):
        WebDataset(shards, transform=T.ToTensor())


@pytest.mark.parametrize("workers", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("shuffle", [0, 5])
def test_workers_share(shards, workers, shuffle):
    data = WebDataset(shards, ("png", "cls"), T.PILToTensor(), shuffle=shuffle)
    found = [int(target) for _, targets in DataLoader(data, 2, num_workers=workers) for target in targets]
    assert sorted(found) == list(range(12))
    assert workers or (found == list(range(12))) is not bool(shuffle)


def test_shuffling(shards):
    def order(**given):
        data = WebDataset(shards, ("cls",), shuffle=4, **given)
        data.set_epoch(given.get("epoch", 0)) if "epoch" in given else None
        return [number for (number,) in data]

    seeded = order(seed=3)
    assert seeded == order(seed=3) != order(seed=4) and sorted(seeded) == list(range(12)) != seeded
    data = WebDataset(shards, ("cls",), shuffle=4, seed=3)
    data.set_epoch(1)
    assert [number for (number,) in data] != seeded
    free = WebDataset(shards, ("cls",), shuffle=4)
    assert list(free) != list(free)


class Evil:
    def __reduce__(self):
        return print, ("run",)


BAD = {
    "pickle": [("a.png", png()), ("a.pyd", pickle.dumps(Evil()))],
    "weights": [("a.pth", b"")],
    "array of objects": [("a.npy", b"\x93NUMPY\x01\x00F\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(80) + b"x" * 9)],
    "no image": [("a.png", b"no image")],
    "cut image": [("a.jpg", png()[:50])],
    "no number": [("a.cls", b"cat")],
    "no text": [("a.txt", b"\xff")],
    "no json": [("a.json", b"{")],
    "deep json": [("a.json", b"[" * 100_000)],
    "twice": [("a.png", png()), ("a.png", png())],
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_members(tmp_path, name, capsys):
    path = write(tmp_path / "bad.tar", [("0.cls", b"7"), *BAD[name]])
    with pytest.raises(FileFormatError, match=r"bad\.tar"):
        list(WebDataset(path))
    data = WebDataset(path, on_error="skip")
    assert len(list(data)) in (0, 1) and data.skipped == 1 and capsys.readouterr().out == ""


def test_bad_tars(tmp_path, monkeypatch):
    whole = write(tmp_path / "whole.tar", [("a.bin", bytes(5000)), ("b.bin", b"x")]).read_bytes()
    cases = {
        "cut.tar": whole[:3000],
        "text.tar": b"no tar" * 200,
        "empty.tar": b"",
        "cut.tar.gz": gzip.compress(whole)[:-30],
    }
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(FileFormatError, match=name):
            list(WebDataset(tmp_path / name))
        skipping = WebDataset([tmp_path / name, tmp_path / "whole.tar"], on_error="skip")
        assert [s["__key__"] for s in skipping][-2:] == ["a", "b"] and skipping.skipped == 1
    monkeypatch.setattr("vision.datasets.webdataset.LARGEST", 4000)
    with pytest.raises(FileFormatError, match=r"whole\.tar: a\.bin holds 5000 bytes"):
        list(WebDataset(tmp_path / "whole.tar"))


def test_missing_tars(tmp_path):
    with pytest.raises(DatasetNotFound, match=r"x-1\.tar"):
        WebDataset(str(tmp_path / "x-{1..3}.tar"))
    with pytest.raises(DatasetNotFound):
        WebDataset([])


def test_json_keys_stay(tmp_path):
    path = write(tmp_path / "a.tar", [("a.b.json", json.dumps({"x": 1}).encode()), ("c/a.json", b"2")])
    assert [(s["__key__"], *list(s)[2:]) for s in WebDataset(path)] == [("a", "b.json"), ("c/a", "json")]
