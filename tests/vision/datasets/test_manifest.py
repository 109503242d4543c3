"""Images listed in tables, and images that cannot be read."""

from __future__ import annotations

import json

import pytest

from framework.data import DataLoader
from framework.io import FileFormatError
from tests.vision.datasets.tree_files import picture, text
from vision import transforms as T
from vision.datasets import DatasetNotFound, ImageFolder, ManifestDataset


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "b.jpg", "deep/c.png"):
        picture(tmp_path / "images" / name)
    return tmp_path


def test_csv(folder):
    text(folder / "table.csv", "file,label,source", 'a.png,cat,"here, there"', "b.jpg,ant,", "deep/c.png,cat,x")
    data = ManifestDataset(folder / "table.csv", folder / "images", transform=T.PILToTensor(), target_transform=str)
    assert len(data) == 3 and data.classes == ["ant", "cat"] and data.class_to_idx == {"ant": 0, "cat": 1}
    assert data.targets == [1, 0, 1] and data.rows[0]["source"] == "here, there" and data.skipped == 0
    image, target = data[-1]
    assert tuple(image.shape) == (3, 11, 17) and target == "1"
    assert data.samples[2] == (str(folder / "images/deep/c.png"), 1)
    ordered = ManifestDataset(folder / "table.csv", folder / "images", classes=["dog", "cat", "ant"])
    assert ordered.targets == [1, 2, 1] and ordered.classes == ["dog", "cat", "ant"]
    with pytest.raises(FileFormatError, match=r"table\.csv: row 1 is of class 'ant'"):
        ManifestDataset(folder / "table.csv", folder / "images", classes=["cat"])


@pytest.mark.parametrize(
    "values, wanted",
    [
        ([3, 0, 7], [3, 0, 7]),
        (["3", "0", "-7"], [3, 0, -7]),
        (["3", "0.5", "1e3"], [3.0, 0.5, 1000.0]),
        ([1, 2.5, 3], [1.0, 2.5, 3.0]),
        (["b", "a", "b"], [1, 0, 1]),
        (["1", "a", "2"], [0, 2, 1]),
        ([[1, 2], [3], []], [[1, 2], [3], []]),
        ([None, None, "a"], [None, None, "a"]),
    ],
)
def test_targets(folder, values, wanted):
    rows = [{"image": "a.png", "y": value} for value in values]
    text(folder / "images/t.jsonl", *(json.dumps(row) for row in rows), "")
    text(folder / "images/t.json", json.dumps(rows))
    for name in ("t.jsonl", "t.json"):
        data = ManifestDataset(folder / "images" / name)
        assert data.targets == wanted and data[1][1] == wanted[1]
        assert [type(target) for target in data.targets] == [type(target) for target in wanted]


def test_columns(folder):
    text(folder / "t.tsv", "picture\tpath\tage", "b.jpg\ta.png\t7")
    data = ManifestDataset(folder / "t.tsv", folder / "images")
    assert data[0][1] is None and data.samples[0][0].endswith("a.png")
    named = ManifestDataset(folder / "t.tsv", folder / "images", image="picture", target="age")
    assert named[0][1] == 7 and named.samples[0][0].endswith("b.jpg")
    with pytest.raises(ValueError, match=r"has no column 'pictures'.*nearest: picture"):
        ManifestDataset(folder / "t.tsv", image="pictures")
    text(folder / "u.csv", "a,b", "1,2")
    with pytest.raises(ValueError, match="no column of images"):
        ManifestDataset(folder / "u.csv")


@pytest.mark.parametrize(
    "name, content, error, words",
    [
        ("t.csv", b"image,label\na.png\n", FileFormatError, "more or fewer cells"),
        ("t.csv", b"image,label\na.png,1,2\n", FileFormatError, "more or fewer cells"),
        ("t.csv", b'image,label\n"a.png,1\n', FileFormatError, "not a table of images"),
        ("t.csv", b"image\xff,label\na,1\n", FileFormatError, "not a table of images"),
        ("t.json", b'{"image": 1}', FileFormatError, "its entries are no objects"),
        ("t.jsonl", b"[1]\n", FileFormatError, "its entries are no objects"),
        ("t.jsonl", b"{'image': 1}\n", FileFormatError, "not a table of images"),
        ("t.jsonl", b'{"image": "a", "y": 1}\n{"image": "b"}\n', FileFormatError, "in every row"),
        ("t.jsonl", b'{"image": 3}\n', FileFormatError, "in every row"),
        ("t.json", b"[" * 100_000, FileFormatError, "not a table of images"),
        ("t.xlsx", b"", ValueError, r"expected a \.csv"),
    ],
)
def test_broken_tables(tmp_path, name, content, error, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=words):
        ManifestDataset(tmp_path / name)


def test_missing_table(tmp_path):
    with pytest.raises(DatasetNotFound, match=r"none\.csv"):
        ManifestDataset(tmp_path / "none.csv")


def breaking(kind: str):
    """A data set of one good and two bad images in each of two classes."""

    def make(root, **given):
        for name in ("0/a.png", "1/c.png"):
            picture(root / name)
        (root / "0/b.png").write_bytes((root / "0/a.png").read_bytes()[:60])
        (root / "1/d.png").write_bytes(b"")
        if kind == "folder":
            return ImageFolder(root, **given)
        text(root / "t.csv", "image,y", "0/a.png,0", "0/b.png,0", "1/c.png,1", "1/d.png,1")
        return ManifestDataset(root / "t.csv", **given)

    return make


@pytest.mark.parametrize("kind", ["folder", "manifest"])
def test_broken_images(tmp_path, kind):
    data = breaking(kind)(tmp_path)
    with pytest.raises(FileFormatError, match=r"0/b\.png: the image is broken"):
        data[1]
    data = breaking(kind)(tmp_path, on_error="skip")
    assert [data[number][1] for number in range(4)] == [0, 1, 1, 0] and data.skipped == 2
    assert [target for _, target in (data[number] for number in range(4))] == [0, 1, 1, 0] and data.skipped == 2
    with pytest.raises(IndexError):
        data[4]
    data.transform = T.ToTensor()
    assert sum(len(targets) for _, targets in DataLoader(data, 3)) == 4
    for name in ("0/a.png", "1/c.png"):
        (tmp_path / name).unlink()
    data = breaking_all(tmp_path, kind)
    with pytest.raises(FileFormatError, match="none of the"):
        data[0]
    with pytest.raises(ValueError, match="on_error must be one of"):
        breaking(kind)(tmp_path, on_error="ignore")


def breaking_all(root, kind):
    return ImageFolder(root, on_error="skip") if kind == "folder" else ManifestDataset(root / "t.csv", on_error="skip")


def test_oversized_images(tmp_path, monkeypatch):
    from PIL import Image

    picture(tmp_path / "0/a.png", size=(5, 4))
    picture(tmp_path / "0/b.png", size=(60, 60))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(FileFormatError, match=r"b\.png: has more pixels"):
        ImageFolder(tmp_path)[1]
    data = ImageFolder(tmp_path, on_error="skip")
    assert data[1][0].size == (5, 4) and data.skipped == 1
