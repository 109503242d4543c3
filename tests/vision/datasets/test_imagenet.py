"""ImageNet's folders, made from its archives."""

from __future__ import annotations

import hashlib
import io
import tarfile

import pytest

from framework.io import FileFormatError
from tests.vision.datasets.test_layouts import plain
from tests.vision.datasets.tree_files import mat, picture, records, text
from tests.vision.peer import torchvision
from vision.datasets import DatasetNotFound, ImageNet, imagenet

CLASSES = {"n01440764": "tench, Tinca tinca", "n01443537": "goldfish, Carassius auratus", "n02084071": "dog"}


@pytest.fixture
def archives(tmp_path, monkeypatch):
    """The three archives with four images."""
    root, parts = tmp_path / "root", tmp_path / "parts"
    root.mkdir()
    fields = (
        "ILSVRC2012_ID",
        "WNID",
        "words",
        "gloss",
        "num_children",
        "children",
        "wordnet_height",
        "num_train_images",
    )
    rows = [
        (number, wnid, words, "what it is", 2 if words == "dog" else 0, [], 1, 2)
        for number, (wnid, words) in enumerate(CLASSES.items(), 1)
    ]
    kit = parts / "ILSVRC2012_devkit_t12/data"
    mat(kit / "meta.mat", synsets=records(rows, *fields))
    text(kit / "ILSVRC2012_validation_ground_truth.txt", "2", "1", "2")
    with tarfile.open(root / "ILSVRC2012_devkit_t12.tar.gz", "w:gz") as tar:
        tar.add(kit.parent, "ILSVRC2012_devkit_t12")
    with tarfile.open(root / "ILSVRC2012_img_val.tar", "w") as tar:
        for number in (2, 1, 3):
            picture(parts / f"{number}.jpg")
            tar.add(parts / f"{number}.jpg", f"ILSVRC2012_val_{number:08d}.JPEG")
    with tarfile.open(root / "ILSVRC2012_img_train.tar", "w") as tar:
        for wnid in ("n01443537", "n01440764"):
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w") as small:
                for number in range(2):
                    picture(parts / f"{wnid}_{number}.JPEG")
                    small.add(parts / f"{wnid}_{number}.JPEG", f"{wnid}_{number}.JPEG")
            info = tarfile.TarInfo(f"{wnid}.tar")
            info.size = inner.tell()
            inner.seek(0)
            tar.addfile(info, inner)
    sums = {
        kind: (name, hashlib.md5((root / name).read_bytes()).hexdigest())
        for kind, (name, _) in ImageNet.archives.items()
    }
    monkeypatch.setattr(ImageNet, "archives", sums)
    return root


def test_from_archives(archives):
    train, val = ImageNet(archives), ImageNet(archives, "val")
    assert train.wnids == ["n01440764", "n01443537"] and train.wnid_to_idx["n01443537"] == 1
    assert train.classes == [("tench", "Tinca tinca"), ("goldfish", "Carassius auratus")]
    assert train.class_to_idx["Carassius auratus"] == 1 and train.targets == [0, 0, 1, 1]
    assert [(path[-28:], target) for path, target in val.samples] == [
        ("ILSVRC2012_val_00000002.JPEG", 0),
        ("ILSVRC2012_val_00000001.JPEG", 1),
        ("ILSVRC2012_val_00000003.JPEG", 1),
    ]
    assert "Split: val" in repr(val) and f"Root location: {archives}\n" in repr(val)
    for path in archives.glob("*.tar*"):
        path.unlink()
    assert len(ImageNet(archives, "val", target_transform=str)) == 3  # archives are not looked at again
    assert sorted(path.name for path in archives.iterdir()) == ["meta.json", "train", "val"]


def test_as_torchvision_leaves_it(archives, monkeypatch):
    peer = torchvision().datasets
    monkeypatch.setattr(peer.imagenet, "check_integrity", lambda path, *_: __import__("os").path.isfile(path))
    theirs = [peer.ImageNet(str(archives), split) for split in ("train", "val")]
    assert (archives / "meta.bin").is_file()
    for path in archives.glob("*.tar*"):
        path.unlink()
    for data, split in zip(theirs, ("train", "val")):
        ours = ImageNet(archives, split)
        assert ours.samples == data.samples and ours.classes == data.classes and ours.class_to_idx == data.class_to_idx
        assert plain(ours[0]) == plain(data[0])
    (archives / "meta.bin").write_bytes(b"PK\3\4 broken")
    with pytest.raises(FileFormatError, match=r"meta\.bin"):
        ImageNet(archives)


def test_missing_and_wrong_archives(archives):
    (archives / "ILSVRC2012_img_val.tar").write_bytes(b"another")
    with pytest.raises(FileFormatError, match="not the official archive"):
        ImageNet(archives, "val")
    (archives / "ILSVRC2012_img_train.tar").unlink()
    with pytest.raises(DatasetNotFound, match=r"image-net\.org"):
        ImageNet(archives)
    assert not (archives / "train").exists() and not (archives / "val").exists()
    (archives / "meta.json").write_text("[]")
    with pytest.raises(FileFormatError, match=r"meta\.json"):
        ImageNet(archives)
    with pytest.raises(ValueError, match="split must be"):
        ImageNet(archives, "test")


def test_the_official_sums_are_there():
    assert imagenet.ARCHIVE_META["val"] == ("ILSVRC2012_img_val.tar", "29b22e2961454d5413ddabcf34fc5622")
