"""Folders of images, idx files and CIFAR batches, whole and broken; and the real files where they are."""

from __future__ import annotations

import gzip
import pickle
import struct

import numpy as np
import pytest
from PIL import Image

import framework as F
from framework.data import DataLoader
from framework.io import FileFormatError
from vision import transforms as T
from vision.datasets import (
    CIFAR10,
    CIFAR100,
    KMNIST,
    MNIST,
    DatasetFolder,
    DatasetNotFound,
    FashionMNIST,
    ImageFolder,
    VisionDataset,
    make_dataset,
    read_idx,
)

# folders


@pytest.fixture
def tree(tmp_path):
    for name, files in {"bees": ["b.png", "a.JPG"], "ants": ["x.png", "deep/y.jpeg"], ".hidden": ["z.png"]}.items():
        for file in files:
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (5, 4), 100).save(path, "PNG" if path.suffix == ".png" else "JPEG")
    (tmp_path / "bees" / "notes.txt").write_text("not an image")
    (tmp_path / "ants" / "picture.gif").write_bytes(b"GIF89a")
    (tmp_path / "README.png").write_bytes(b"")
    return tmp_path


def test_image_folder(tree):
    data = ImageFolder(tree)
    assert data.classes == ["ants", "bees"] and data.class_to_idx == {"ants": 0, "bees": 1}
    names = [(path.removeprefix(f"{tree}/"), target) for path, target in data.samples]
    assert names == [("ants/x.png", 0), ("ants/deep/y.jpeg", 0), ("bees/a.JPG", 1), ("bees/b.png", 1)]
    assert data.imgs == data.samples and data.targets == [0, 0, 1, 1] and len(data) == 4
    image, target = data[2]
    assert image.mode == "RGB" and image.size == (5, 4) and target == 1
    assert "Number of datapoints: 4" in repr(data) and str(tree) in repr(data)


def test_image_folder_transforms_and_loader(tree):
    data = ImageFolder(str(tree), transform=T.ToTensor(), target_transform=lambda t: -t, loader=Image.open)
    picture, target = data[3]
    assert tuple(picture.shape) == (1, 4, 5) and target == -1
    chosen = ImageFolder(tree, is_valid_file=lambda path: path.endswith("x.png"), allow_empty=True)
    assert [target for _, target in chosen.samples] == [0]
    folder = DatasetFolder(tree, len, extensions=(".txt",), allow_empty=True)
    assert folder[0] == (len(folder.samples[0][0]), 1)


def test_find_classes_can_be_overridden(tree):
    class OnlyBees(ImageFolder):
        def find_classes(self, directory):
            return ["bees"], {"bees": 7}

    assert OnlyBees(tree).targets == [7, 7] and OnlyBees(tree).class_to_idx == {"bees": 7}


def test_image_folder_errors(tree, tmp_path):
    (tree / "wasps").mkdir()
    with pytest.raises(FileNotFoundError, match=r"classes wasps .*\.jpg"):
        ImageFolder(tree)
    assert ImageFolder(tree, allow_empty=True).classes == ["ants", "bees", "wasps"]
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        ImageFolder(tree / "nowhere")
    with pytest.raises(FileNotFoundError, match="could not find any class folder"):
        ImageFolder(tree / "wasps")
    with pytest.raises(ValueError, match="cannot both be None"):
        make_dataset(tree)
    with pytest.raises(ValueError, match="nor both be given"):
        make_dataset(tree, extensions=".png", is_valid_file=bool)
    with pytest.raises(ValueError, match="at least one entry"):
        make_dataset(tree, {}, extensions=".png")


def test_a_broken_image_names_itself(tree):
    (tree / "bees" / "broken.png").write_bytes((tree / "bees" / "b.png").read_bytes()[:45])
    data = ImageFolder(tree)
    number = next(i for i, (path, _) in enumerate(data.samples) if path.endswith("broken.png"))
    with pytest.raises(FileFormatError, match=r"bees/broken\.png: the image is broken"):
        data[number]


def test_joint_transforms():
    class Pair(VisionDataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return self._finish(1, 2)

    assert Pair(None, lambda image, target: (target, image))[0] == (2, 1)
    with pytest.raises(ValueError, match="only transforms or"):
        Pair(None, transforms=max, transform=abs)


# idx files


def idx(array: np.ndarray, code: int = 8) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape) + array.tobytes()


def write_mnist(folder, count=12, packed=True, part="train"):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    pixels, labels = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8), rng.integers(0, 10, count, dtype=np.uint8)
    for name, array in ((f"{part}-images-idx3-ubyte", pixels), (f"{part}-labels-idx1-ubyte", labels)):
        data = idx(array)
        (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(data) if packed else data)
    return pixels, labels


@pytest.mark.parametrize("kind", [MNIST, FashionMNIST, KMNIST])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("where", ["", "raw", "{}/raw"])
def test_mnist(tmp_path, kind, packed, where):
    pixels, labels = write_mnist(tmp_path / where.format(kind.__name__), packed=packed)
    data = kind(tmp_path, train=True, transform=T.PILToTensor(), target_transform=lambda t: t + 100)
    assert len(data) == 12 and len(data.classes) == 10 and data.class_to_idx[data.classes[3]] == 3
    assert data.data.dtype is F.uint8 and data.targets.dtype is F.int64 and kind.present(tmp_path)
    picture, target = data[-1]
    np.testing.assert_array_equal(picture.numpy()[0], pixels[-1])
    assert target == labels[-1] + 100
    with pytest.raises(DatasetNotFound, match="download=True"):
        kind(tmp_path, train=False)
    assert issubclass(DatasetNotFound, FileNotFoundError) and issubclass(DatasetNotFound, RuntimeError)


@pytest.mark.parametrize(
    "code, dtype", [(8, "u1"), (9, "i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")], ids=str
)
def test_idx_types(tmp_path, rng, code, dtype):
    array = (rng.random((2, 3, 4)) * 100).astype(dtype)
    (tmp_path / "a").write_bytes(idx(array, code))
    found = read_idx(tmp_path / "a")
    assert found.dtype == np.dtype(dtype).newbyteorder("=") and found.flags.writeable
    np.testing.assert_array_equal(found, array)


WHOLE = idx(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
PACKED = gzip.compress(WHOLE, mtime=0)  # a time of the clock would name the tests of two workers differently


@pytest.mark.parametrize(
    "data, words",
    [
        (b"", "not an idx file"),
        (b"\0\0\x08", "not an idx file"),
        (b"\1" + WHOLE[1:], "not an idx file"),
        (WHOLE[:2] + b"\x07" + WHOLE[3:], "not an idx file"),
        (WHOLE[:3] + b"\xff" + WHOLE[4:], "not an idx file"),
        (WHOLE[:9], "cut short in its header"),
        (WHOLE[:-1], "24 bytes, and there are 23"),
        (WHOLE + b"\0", "and there are more"),
        (WHOLE[:4] + b"\xff\xff\xff\xff" * 3 + WHOLE[16:], "absurd size"),
        (WHOLE[:7] + b"\x03" + WHOLE[8:], "and there are 24"),
        (PACKED[:-9], "gzip data is broken"),
        (PACKED[:20] + b"xxxx" + PACKED[24:], "gzip data is broken"),
        (gzip.compress(WHOLE[:-1], mtime=0), "and there are 23"),
    ],
)
def test_broken_idx_files(tmp_path, data, words):
    (tmp_path / "file.gz").write_bytes(data)
    with pytest.raises(FileFormatError, match=f"file.gz.*{words}"):
        read_idx(tmp_path / "file.gz")


def test_images_and_labels_have_to_fit(tmp_path):
    write_mnist(tmp_path, packed=False)
    labels = tmp_path / "train-labels-idx1-ubyte"
    labels.write_bytes(idx(np.zeros(11, np.uint8)))
    with pytest.raises(FileFormatError, match="not images and their labels"):
        MNIST(tmp_path)
    labels.write_bytes(idx(np.full(12, 10, np.uint8)))
    with pytest.raises(FileFormatError, match="labels outside 0 to 9"):
        MNIST(tmp_path)


# CIFAR


def write_cifar(folder, protocol=2, keys=str, count=6, names=("data_batch_1", "data_batch_2", "test_batch")):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    key = (lambda text: text.encode()) if keys is bytes else str
    batches = {}
    for name in names:
        rows, labels = rng.integers(0, 256, (count, 3072), dtype=np.uint8), [int(n) for n in rng.integers(0, 10, count)]
        batches[name] = rows, labels
        entry = {key("data"): rows, key("labels"): labels, key("batch_label"): key("batch"), key("filenames"): ["a"]}
        (folder / name).write_bytes(pickle.dumps(entry, protocol))
    meta = {key("label_names"): [key(f"class {n}") for n in range(10)], key("num_vis"): 3072}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol))
    return batches


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("keys", [str, bytes])
@pytest.mark.parametrize("where", ["", "cifar-10-batches-py"])
def test_cifar10(tmp_path, protocol, keys, where):
    batches = write_cifar(tmp_path / where, protocol, keys)
    data = CIFAR10(tmp_path, train=True)
    assert CIFAR10.present(tmp_path) and len(data) == 12 and data.data.shape == (12, 32, 32, 3)
    rows = np.concatenate([batches["data_batch_1"][0], batches["data_batch_2"][0]])
    np.testing.assert_array_equal(data.data, rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    assert data.targets == batches["data_batch_1"][1] + batches["data_batch_2"][1]
    assert data.classes[2] == "class 2" and data.class_to_idx["class 9"] == 9
    image, target = CIFAR10(tmp_path, train=False, transform=T.PILToTensor())[1]
    np.testing.assert_array_equal(image.numpy().reshape(-1), batches["test_batch"][0][1])
    assert target == batches["test_batch"][1][1]


def test_cifar100(tmp_path):
    rows = np.zeros((3, 3072), np.uint8)
    for name in ("train", "test"):
        entry = {b"data": rows, b"fine_labels": [99, 0, 5], b"coarse_labels": [1, 2, 3]}
        (tmp_path / name).write_bytes(pickle.dumps(entry, 2))
    assert not CIFAR100.present(tmp_path)
    (tmp_path / "meta").write_bytes(pickle.dumps({b"fine_label_names": [b"n%d" % n for n in range(100)]}, 2))
    assert CIFAR100.present(tmp_path) and CIFAR100(tmp_path).targets == [99, 0, 5]
    assert CIFAR100(tmp_path, train=False).classes[99] == "n99"


@pytest.mark.parametrize(
    "entry, words",
    [
        ([1, 2], "not a CIFAR batch"),
        ({"data": np.zeros((1, 3072), np.uint8)}, "not a CIFAR batch"),
        ({"data": np.zeros((1, 3072), np.float32), "labels": [1]}, "not a CIFAR batch"),
        ({"data": np.zeros((2, 3072), np.uint8), "labels": [1]}, "are not 3072 for each of 1"),
        ({"data": np.zeros((1, 3072), np.uint8), "labels": [10]}, "labels outside 0 to 9"),
        ({"data": np.zeros((1, 3072), np.uint8), "labels": ["1"]}, "labels outside 0 to 9"),
    ],
)
def test_wrong_batches(tmp_path, entry, words):
    write_cifar(tmp_path)
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(entry, 4))
    with pytest.raises(FileFormatError, match=f"data_batch_1.*{words}"):
        CIFAR10(tmp_path)


def test_missing_batches_and_names(tmp_path):
    with pytest.raises(DatasetNotFound, match="download=True"):
        CIFAR10(tmp_path)
    write_cifar(tmp_path)
    (tmp_path / "batches.meta").write_bytes(pickle.dumps({"label_names": [1]}, 2))
    with pytest.raises(FileFormatError, match="list of class names"):
        CIFAR10(tmp_path)
    (tmp_path / "batches.meta").unlink()
    with pytest.raises(DatasetNotFound, match="class names"):
        CIFAR10(tmp_path)


# real files


def test_real_mnist(realdata):
    train, test = (MNIST(realdata / "mnist-idx", train=part) for part in (True, False))
    assert np.bincount(train.targets.numpy()).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(test.targets.numpy()).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    image, target = test[0]
    assert (len(train), len(test), image.mode, image.size, target) == (60_000, 10_000, "L", (28, 28), 7)


def test_real_cifar(realdata):
    train, test = (CIFAR10(realdata / "cifar10-jpeg", train=part) for part in (True, False))
    assert (len(train), len(test)) == (5000, 2000)
    assert train.classes == ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    assert np.bincount(test.targets, minlength=10).min() > 150  # a part of the real test set, drawn at random


def test_real_folder(realdata):
    train, val = (ImageFolder(realdata / "hymenoptera-256" / part) for part in ("train", "val"))
    assert (len(train), len(val), train.classes) == (244, 153, ["ants", "bees"])
    val.transform = T.Compose([T.Resize(64), T.CenterCrop(56), T.ToTensor()])
    batch, targets = next(iter(DataLoader(val, 8, num_workers=2)))
    assert tuple(batch.shape) == (8, 3, 56, 56) and targets.tolist() == [0] * 8
