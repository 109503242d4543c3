"""Every data set reads its official layout, gives what torchvision gives, and says what is missing."""

from __future__ import annotations

import importlib
import inspect
import io
import pickle
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

from framework.tensor import Tensor
from tests.vision.datasets.annotated_trees import coco, flickr
from tests.vision.datasets.layouts import LAYOUTS, Layout
from tests.vision.datasets.trees import fer2013, qmnist
from tests.vision.peer import torchvision
from vision import datasets
from vision.datasets import DatasetNotFound

ROWS = [pytest.param(layout, id=layout.id) for layout in LAYOUTS]


def plain(value: Any) -> Any:
    """A sample of either library in plain terms."""
    if isinstance(value, Image.Image):
        return value.mode, value.size, np.asarray(value).tobytes()
    if isinstance(value, Tensor):
        return value.numpy().tolist()
    if hasattr(value, "tolist"):  # arrays, their numbers, and the peer's tensors
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, tuple | list) else value


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """Each tree is written once."""
    made: dict[Any, Any] = {}

    def tree(layout: Layout):
        if layout.build not in made:
            made[layout.build] = tmp_path_factory.mktemp(layout.build.__name__)
            layout.build(made[layout.build])
        return made[layout.build]

    return tree


@pytest.mark.parametrize("layout", ROWS)
def test_layout(trees, layout):
    data = getattr(datasets, layout.name)(trees(layout), **layout.given)
    assert len(data) == layout.length
    sample = data[0]
    if layout.first is not None:
        assert sample[-1] == layout.first and data[layout.length - 1] is not None
    text = repr(data)
    assert f"Number of datapoints: {layout.length}" in text and f"Dataset {layout.name}" in text
    with pytest.raises(IndexError):
        data[layout.length]
    if hasattr(data, "class_to_idx") and hasattr(data, "classes") and isinstance(data.classes[0], str):
        assert [data.class_to_idx[name] for name in data.classes] == sorted(data.class_to_idx.values())
    assert plain(pickle.loads(pickle.dumps(data))[0]) == plain(sample)  # as loaders' processes get it


@pytest.mark.parametrize("layout", [row for row in ROWS if "transform" not in row.id and "MovingMNIST" not in row.id])
def test_transforms(trees, layout):
    """The image's and the target's transforms are applied, each once."""
    kind, root = getattr(datasets, layout.name), trees(layout)
    if layout.name == "SBDataset":
        assert kind(root, transforms=lambda image, target: (1, 2), **layout.given)[0] == (1, 2)
        return
    empty = layout.given.get("target_type") == []
    given = {} if empty else {"target_transform": lambda target: ("target", target)}
    sample = kind(root, transform=lambda image: ("image", image.size), **given, **layout.given)[0]
    assert sample[0][0] == "image" and (empty or sample[-1][0] == "target")


@pytest.mark.parametrize("layout", [row for row in ROWS if row.values[0].peer])
def test_same_as_torchvision(trees, layout, monkeypatch):
    peer = torchvision().datasets
    kind = getattr(peer, layout.name)
    module = importlib.import_module(kind.__module__)
    monkeypatch.setattr(module, "check_integrity", lambda *_, **__: True, raising=False)  # these are not the real files
    root = str(trees(layout))
    theirs = kind(root, **layout.given)
    ours = getattr(datasets, layout.name)(root, **layout.given)
    assert len(ours) == len(theirs)
    samples = [[plain(data[number]) for number in range(len(data))] for data in (ours, theirs)]
    if layout.listed:
        assert samples[0] == samples[1]
    elif layout.name == "Omniglot":  # numbered in the order of the disk there
        assert sorted(image for image, _ in samples[0]) == sorted(image for image, _ in samples[1])
    else:
        assert sorted(samples[0], key=repr) == sorted(samples[1], key=repr)
    for name in (
        "classes",
        "class_to_idx",
        "wnids",
        "wnid_to_idx",
        "bin_classes",
        "attr_names",
        "categories",
        "pair_names",
    ):
        if hasattr(theirs, name):
            assert plain(getattr(ours, name)) == plain(getattr(theirs, name)), name


@pytest.mark.parametrize("layout", ROWS)
def test_missing(tmp_path, layout):
    kind = getattr(datasets, layout.name)
    advice = {"FER2013": "Kaggle", "StanfordCars": "elsewhere", "Cityscapes": "cityscapes-dataset.com"}.get(
        layout.name, "elsewhere" if layout.name.startswith("LFW") else "download=True"
    )
    with pytest.raises(DatasetNotFound, match=f"{layout.name}.*{advice}"):
        kind(tmp_path, **layout.given)
    assert list(tmp_path.iterdir()) == []  # nothing is made where nothing was found


WRONG = {
    "split": "nowhere", "size": 160, "annotation_level": "wing", "target_types": "colour", "partition": 11, "folds": 10,
    "target_type": "name", "what": "all", "year": "2013", "image_set": "nothing", "mode": "blurred", "version": "2020",
    "split_ratio": 20,
}  # fmt: skip


@pytest.mark.parametrize("layout", ROWS)
def test_wrong_arguments(trees, layout):
    kind = getattr(datasets, layout.name)
    for name in inspect.signature(kind).parameters.keys() & WRONG.keys():
        with pytest.raises(ValueError, match=f"{name} must be"):
            kind(trees(layout), **{**layout.given, name: WRONG[name]})


@pytest.mark.parametrize("layout", ROWS)
def test_same_arguments_as_torchvision(layout):
    ours, theirs = (
        inspect.signature(getattr(space, layout.name)).parameters for space in (datasets, torchvision().datasets)
    )
    names = [name for name in theirs if name != "kwargs"]  # these are spelt out here
    assert list(ours)[: len(names)] == names
    for name, parameter in ((name, theirs[name]) for name in names):
        assert ours[name].kind == parameter.kind
        if not callable(parameter.default):
            assert ours[name].default == parameter.default, name


@pytest.mark.parametrize("kind", ["icml_face_data.csv", "train.csv", "test.csv"])
def test_other_tables_of_fer2013(tmp_path, kind):
    fer2013(tmp_path, kind)
    data = datasets.FER2013(tmp_path, "test" if kind == "test.csv" else "train")
    assert [data[n][1] for n in range(len(data))] == {"icml_face_data.csv": [3, 4], "train.csv": [3, 0, 6, 4]}.get(
        kind, [None] * 4
    )


def test_packed_qmnist(tmp_path):
    qmnist(tmp_path, packed=True)
    for what, length in (("train", 4), ("test10k", 10_000), ("nist", 5)):
        assert len(datasets.QMNIST(tmp_path, what)) == length


def test_flickr(tmp_path):
    flickr(tmp_path)
    peer = torchvision().datasets
    for name, file in (("Flickr8k", "page.html"), ("Flickr30k", "results.token")):
        ours, theirs = (getattr(s, name)(str(tmp_path / "images"), str(tmp_path / file)) for s in (datasets, peer))
        assert len(ours) == 2 and [plain(ours[n]) for n in range(2)] == [plain(theirs[n]) for n in range(2)]
    (tmp_path / "images/1000268201_693b08cb0e.jpg").unlink()
    with pytest.raises(DatasetNotFound, match="1000268201"):
        datasets.Flickr8k(tmp_path / "images", tmp_path / "page.html")


def test_coco(tmp_path):
    coco(tmp_path)
    data = datasets.CocoDetection(tmp_path / "images", tmp_path / "instances.json")
    assert data.ids == [2, 5, 9] and len(data) == 3 and data[0][0].size == (17, 11)
    assert [annotation["id"] for annotation in data[2][1]] == [1, 3] and data[1][1] == []
    captions = datasets.CocoCaptions(tmp_path / "images", tmp_path / "captions.json")
    assert [captions[n][1] for n in range(3)] == [["A dog.", "The dog."], [], ["A cat."]]
    joint = datasets.CocoDetection(
        tmp_path / "images", tmp_path / "instances.json", transforms=lambda i, t: (len(t), i.size)
    )
    assert joint[2] == (2, (17, 11))
    with pytest.raises(DatasetNotFound):
        datasets.CocoDetection(tmp_path / "images", tmp_path / "none.json")


def test_fake_data():
    data = datasets.FakeData(5, (3, 11, 17), 4)
    image, target = data[3]
    assert image.size == (17, 11) and 0 <= target < 4 and plain(data[3]) == plain(data[-2]) != plain(data[2])
    assert plain(datasets.FakeData(5, (3, 11, 17), 4, random_offset=2)[1]) == plain(data[3])
    assert datasets.FakeData(1, (1, 4, 4))[0][0].mode == "L" and sum(1 for _ in data) == 5
    with pytest.raises(ValueError, match="FakeData"):
        datasets.FakeData(3, (2, 4, 4))


def test_files_in_databases(tmp_path, monkeypatch):
    """PCAM and LSUN name the package that is absent."""
    for name in ("h5py", "lmdb"):
        monkeypatch.setitem(sys.modules, name, None)
    for split in "xy":
        path = tmp_path / "pcam" / f"camelyonpatch_level_2_split_train_{split}.h5"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    data = datasets.PCAM(tmp_path)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'eagerkit\[hdf5\]'"):
        len(data)
    (tmp_path / "bedroom_train_lmdb").mkdir()
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'eagerkit\[lmdb\]'"):
        datasets.LSUN(tmp_path, ["bedroom_train"])
    with pytest.raises(DatasetNotFound, match="bridge_val"):
        datasets.LSUN(tmp_path, ["bridge_val"])
    for wrong in ("garden_train", [], ["garden_train"]):
        with pytest.raises(ValueError, match="bedroom_train"):
            datasets.LSUN(tmp_path, wrong)


def test_pcam_reads_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    pixels = np.random.default_rng(0).integers(0, 256, (3, 96, 96, 3), dtype=np.uint8)
    (tmp_path / "pcam").mkdir()
    for name, key, values in (("x", "x", pixels), ("y", "y", np.array([0, 1, 1]).reshape(3, 1, 1, 1))):
        with h5py.File(tmp_path / f"pcam/camelyonpatch_level_2_split_valid_{name}.h5", "w") as file:
            file[key] = values
    data = datasets.PCAM(tmp_path, "val")
    assert len(data) == 3 and data[1][1] == 1
    np.testing.assert_array_equal(np.asarray(data[2][0]), pixels[2])


def test_lsun_reads_lmdb(tmp_path):
    lmdb = pytest.importorskip("lmdb")
    for name, count in (("bedroom_val", 2), ("tower_val", 1)):
        env = lmdb.open(str(tmp_path / f"{name}_lmdb"), map_size=1 << 20)
        with env.begin(write=True) as transaction:
            for number in range(count):
                buffer = io.BytesIO()
                Image.new("RGB", (5 + number, 4)).save(buffer, "PNG")
                transaction.put(b"%d" % number, buffer.getvalue())
        env.close()
    data = datasets.LSUN(tmp_path, ["bedroom_val", "tower_val"])
    assert [(image.size, target) for image, target in data] == [((5, 4), 0), ((6, 4), 0), ((5, 4), 1)]
    assert pickle.loads(pickle.dumps(data))[2][1] == 1
