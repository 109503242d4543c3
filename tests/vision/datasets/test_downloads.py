"""``download=True`` brings every data set from its official archives, which are here packed out of small trees."""

from __future__ import annotations

import gzip
import io
import os
import pkgutil
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.vision.datasets import annotated_trees, trees
from tests.vision.datasets.layouts import LAYOUTS
from tests.vision.datasets.test_layouts import plain
from vision import datasets

# for each archive what it holds: (where that is in the tree, its name inside); a lone name stands for a plain file
ARCHIVES = {
    "EuroSAT.zip": [("eurosat/2750", "2750")],
    "country211.tgz": [("country211", "country211")],
    "rendered-sst2.tgz": [("rendered-sst2", "rendered-sst2")],
    "imagenette2-160.tgz": [("imagenette2-160", "imagenette2-160")],
    "GTSRB-Training_fixed.zip": [("gtsrb/GTSRB/Training", "GTSRB/Training")],
    "GTSRB_Final_Test_Images.zip": [("gtsrb/GTSRB/Final_Test", "GTSRB/Final_Test")],
    "GTSRB_Final_Test_GT.zip": [("gtsrb/GT-final_test.csv", "GT-final_test.csv")],
    "food-101.tar.gz": [("food-101", "food-101")],
    "fgvc-aircraft-2013b.tar.gz": [("fgvc-aircraft-2013b", "fgvc-aircraft-2013b")],
    "102flowers.tgz": [("flowers-102/jpg", "jpg")],
    "imagelabels.mat": "flowers-102/imagelabels.mat",
    "setid.mat": "flowers-102/setid.mat",
    "images.tar.gz": [("oxford-iiit-pet/images", "images")],
    "annotations.tar.gz": [("oxford-iiit-pet/annotations", "annotations")],
    "SUN397.tar.gz": [("SUN397", "SUN397")],
    "filelist_places365-standard.tar": [
        (name, name)
        for name in ("categories_places365.txt", "places365_train_standard.txt", "places365_val.txt", "places365_test.txt")
    ],
    "train_256_places365standard.tar": [("data_256_standard", "data_256")],
    "val_large.tar": [("val_large", "val_large")],
    "test_256.tar": [("test_256", "test_256")],
    "dtd-r1.0.1.tar.gz": [("dtd/dtd", "dtd")],
    "caltech-101.zip": [("101_ObjectCategories.tar.gz", "caltech-101/101_ObjectCategories.tar.gz"), ("Annotations.tar", "caltech-101/Annotations.tar")],
    "256_ObjectCategories.tar": [("caltech256/256_ObjectCategories", "256_ObjectCategories")],
    "CLEVR_v1.0.zip": [("clevr/CLEVR_v1.0", "CLEVR_v1.0")],
    "stl10_binary.tar.gz": [("stl10_binary", "stl10_binary")],
    "train_32x32.mat": "train_32x32.mat",
    "extra_32x32.mat": "extra_32x32.mat",
    "usps.bz2": "usps.bz2",
    "usps.t.bz2": "usps.t.bz2",
    "img_align_celeba.zip": [("celeba/img_align_celeba", "img_align_celeba")],
    **{name: f"celeba/{name}" for _, _, name in datasets.CelebA.file_list[1:]},
    **{f"WIDER_{part}.zip": [(f"widerface/WIDER_{part}", f"WIDER_{part}")] for part in ("train", "val", "test")},
    "wider_face_split.zip": [("widerface/wider_face_split", "wider_face_split")],
    "VOCtrainval_11-May-2012.tar": [("VOCdevkit", "VOCdevkit")],
    "VOCtest_06-Nov-2007.tar": [("VOCdevkit", "VOCdevkit")],
    "VOCtrainval_25-May-2011.tar": [("TrainVal", "TrainVal")],
    "benchmark.tgz": [
        *((name, f"benchmark_RELEASE/dataset/{name}") for name in ("img", "cls", "train.txt")),
        ("train.txt", "benchmark_RELEASE/dataset/val.txt"), ("img", "benchmark_RELEASE/dataset/inst"),
    ],
    "train_noval.txt": "train_noval.txt",
    "data_object_image_2.zip": [(f"Kitti/raw/{part}/image_2", f"{part}/image_2") for part in ("training", "testing")],
    "data_object_label_2.zip": [("Kitti/raw/training/label_2", "training/label_2")],
    "images_background.zip": [("omniglot-py/images_background", "images_background")],
    "images_evaluation.zip": [("omniglot-py/images_evaluation", "images_evaluation")],
    "2021_valid.tgz": [("2021_valid", "val")],
    "2018.tgz": [("2018", "train_val2018")],
    "2017.tgz": [("2017", "train_val_images")],
    "mnist_test_seq.npy": "MovingMNIST/mnist_test_seq.npy",
    "gzip.zip": [("gzip", "gzip")],
}  # fmt: skip
ROWS = [
    pytest.param(layout, id=layout.id)
    for layout in LAYOUTS
    if layout.name not in ("StanfordCars", "FER2013", "Cityscapes", "LFWPeople", "LFWPairs", "SBU", "SEMEION")
]


def pack(tree: Path, name: str) -> bytes:
    """An archive of parts of the tree, of the kind its name says."""
    content = ARCHIVES[name]
    if isinstance(content, str):
        return (tree / content).read_bytes()
    files = []
    for place, inside in content:
        found = (
            [tree / place] if (tree / place).is_file() else sorted(p for p in (tree / place).rglob("*") if p.is_file())
        )
        files += [
            (path, os.path.join(inside, path.relative_to(tree / place)) if path != tree / place else inside)
            for path in found
        ]
    buffer = io.BytesIO()
    if name.endswith(".zip"):
        with zipfile.ZipFile(buffer, "w") as archive:
            for path, inside in files:
                archive.write(path, inside)
        return buffer.getvalue()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, inside in files:
            tar.add(path, inside)
    return gzip.compress(buffer.getvalue(), 1) if name.endswith("gz") else buffer.getvalue()


@pytest.fixture
def official(tmp_path_factory, monkeypatch):
    """Stands in for the sites: gives archives out of a tree, and notes what was asked for."""
    tree = tmp_path_factory.mktemp("tree")
    asked: list[str] = []

    def fetch(url, path, *, md5=None, sha256=None):
        assert url.startswith("http") and (len(md5 or "") == 32 or len(sha256 or "") == 64)
        asked.append(path.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pack(tree, path.name))
        return path

    modules = [module.name for module in pkgutil.iter_modules(datasets.__path__, "vision.datasets.")]
    for module in (*modules, "hub.archives"):
        for name in ("fetch", "download"):
            found = getattr(sys.modules.get(module), name, None)
            if getattr(found, "__module__", "").startswith("hub"):
                monkeypatch.setattr(sys.modules[module], name, fetch)
    return tree, asked


@pytest.mark.parametrize("layout", ROWS)
def test_download(tmp_path, official, layout, monkeypatch):
    tree, asked = official
    layout.build(tree)
    if layout.name == "Caltech101":
        monkeypatch.setitem(ARCHIVES, "inner.tar.gz", [("caltech101/101_ObjectCategories", "101_ObjectCategories")])
        monkeypatch.setitem(ARCHIVES, "inner.tar", [("caltech101/Annotations", "Annotations")])
        (tree / "101_ObjectCategories.tar.gz").write_bytes(pack(tree, "inner.tar.gz"))
        (tree / "Annotations.tar").write_bytes(pack(tree, "inner.tar"))
    if layout.name == "EMNIST":
        for path in sorted((tree / "EMNIST/raw").iterdir()):
            (tree / "gzip").mkdir(exist_ok=True)
            (tree / "gzip" / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
    if layout.name == "QMNIST":
        trees.qmnist(tree / "packed", packed=True)
        for path in (tree / "packed/QMNIST/raw").iterdir():
            monkeypatch.setitem(ARCHIVES, path.name, os.fspath(path.relative_to(tree)))
    kind = getattr(datasets, layout.name)
    data = kind(tmp_path / "new", download=True, **layout.given)
    assert asked and len(data) == layout.length
    original = kind(tree, **layout.given)
    assert [plain(data[n]) for n in range(layout.length)] == [plain(original[n]) for n in range(layout.length)]
    before = list(asked)
    assert len(kind(tmp_path / "new", download=True, **layout.given)) == layout.length
    assert asked == before  # nothing is fetched twice
    assert not [path for path in (tmp_path / "new").rglob("*") if path.name.startswith((".", "tmp"))]


@pytest.mark.parametrize("name", ["SEMEION", "SBU"])
def test_downloads_by_default(tmp_path, official, name, monkeypatch):
    """As in torchvision, these two fetch without being asked."""
    tree, asked = official
    layout = next(layout for layout in LAYOUTS if layout.name == name)
    layout.build(tree)
    monkeypatch.setitem(ARCHIVES, "semeion.data", "semeion.data")
    monkeypatch.setitem(ARCHIVES, "SBUCaptionedPhotoDataset.tar.gz", [("dataset", "dataset")])
    assert len(getattr(datasets, name)(tmp_path)) == layout.length and len(asked) == 1


def test_pcam(tmp_path, official, monkeypatch):
    tree, asked = official
    for kind in "xy":
        name = f"camelyonpatch_level_2_split_test_{kind}.h5"
        (tree / f"{name}.gz").write_bytes(gzip.compress(b"content"))
        monkeypatch.setitem(ARCHIVES, f"{name}.gz", f"{name}.gz")
    datasets.PCAM(tmp_path, "test", download=True)
    assert len(asked) == 2 and (tmp_path / f"pcam/{name}").read_bytes() == b"content"


def test_archives_of_cityscapes_are_unpacked(tmp_path, official, monkeypatch):
    tree, _ = official
    annotated_trees.cityscapes(tree)
    for name, folder in (("leftImg8bit_trainvaltest.zip", "leftImg8bit"), ("gtFine_trainvaltest.zip", "gtFine")):
        monkeypatch.setitem(ARCHIVES, name, [(folder, folder)])
        (tmp_path / name).write_bytes(pack(tree, name))
    assert len(datasets.Cityscapes(tmp_path)) == 2


@pytest.mark.parametrize("name", ["StanfordCars", "LFWPeople", "LFWPairs"])
def test_addresses_that_are_gone(tmp_path, name):
    with pytest.raises(ValueError, match=f"{name}.*download=True cannot fetch it"):
        getattr(datasets, name)(tmp_path, download=True)
