"""Masks and boxes for transforms."""

from __future__ import annotations

import importlib
import pickle

import numpy as np
import pytest

from framework.tensor import Tensor
from tests.vision.datasets import annotated_trees, trees
from tests.vision.datasets.test_layouts import plain
from tests.vision.peer import torchvision
from vision import datasets
from vision.datasets import wrap_dataset_for_transforms_v2
from vision.tv_tensors import BoundingBoxes, Mask

COCO = ("images", "instances.json")
CASES = [
    ("VOCDetection", annotated_trees.voc, {}, None),
    ("VOCDetection", annotated_trees.voc, {}, "all"),
    ("VOCSegmentation", annotated_trees.voc, {}, None),
    ("Kitti", annotated_trees.kitti, {}, None),
    ("Kitti", annotated_trees.kitti, {}, ["boxes", "alpha"]),
    ("Kitti", annotated_trees.kitti, {"train": False}, None),
    ("WIDERFace", annotated_trees.widerface, {}, None),
    ("WIDERFace", annotated_trees.widerface, {}, ["bbox", "blur"]),
    ("CelebA", annotated_trees.celeba, {"target_type": ["identity", "bbox"]}, None),
    ("OxfordIIITPet", trees.pets, {"target_types": ["category", "segmentation"]}, None),
    ("OxfordIIITPet", trees.pets, {"target_types": []}, None),
    ("Cityscapes", annotated_trees.cityscapes, {"target_type": "semantic"}, None),
    ("SBDataset", annotated_trees.sbd, {"mode": "segmentation"}, None),
    ("Caltech256", trees.caltech256, {}, None),
    ("GTSRB", trees.gtsrb, {}, None),
]


def kinds(value):
    """What of a target is a mask or boxes."""
    if isinstance(value, dict):
        return {key: kinds(part) for key, part in value.items()}
    if isinstance(value, tuple):
        return [kinds(part) for part in value]
    name = type(value).__name__
    return (name, plain(value.format.name), tuple(value.canvas_size)) if name == "BoundingBoxes" else name == "Mask"


@pytest.mark.parametrize("name, build, given, keys", CASES)
def test_same_as_torchvision(tmp_path, monkeypatch, name, build, given, keys):
    peer = torchvision().datasets
    module = importlib.import_module(getattr(peer, name).__module__)
    monkeypatch.setattr(module, "check_integrity", lambda *_, **__: True, raising=False)
    build(tmp_path)
    ours, theirs = (getattr(space, name)(str(tmp_path), **given) for space in (datasets, peer))
    count = 2 if name == "VOCDetection" else len(ours)  # torchvision's fails where an image has no objects
    wrapped = wrap_dataset_for_transforms_v2(ours, keys)
    others = peer.wrap_dataset_for_transforms_v2(theirs, keys)
    pairs = [[data[number] for number in range(count)] for data in (wrapped, others)]
    if name in ("Kitti", "Cityscapes"):
        pairs = [sorted(samples, key=lambda sample: plain(sample[0])[2]) for samples in pairs]
    for (image, target), (other, wanted) in zip(*pairs):
        assert plain(image) == plain(other) and kinds(target) == kinds(wanted)
        assert plain(target) == plain(wanted)
    assert isinstance(wrapped, type(ours)) and len(wrapped) == len(ours)


def test_instances_of_cityscapes(tmp_path):
    annotated_trees.cityscapes(tmp_path)
    data = datasets.Cityscapes(tmp_path)
    _, target = wrap_dataset_for_transforms_v2(data)[1]
    pixels = np.asarray(data[1][1])
    assert target["labels"].tolist() == [7, 11, 26, 26] and isinstance(target["masks"], Mask)
    for mask, number in zip(target["masks"].numpy(), (7, 11, 26001, 26002), strict=True):
        np.testing.assert_array_equal(mask, pixels == number)


def test_coco(tmp_path):
    annotated_trees.coco(tmp_path)
    data = datasets.CocoDetection(tmp_path / "images", tmp_path / "instances.json")
    wrapped = wrap_dataset_for_transforms_v2(data, ["image_id", "boxes", "masks", "labels", "area"])
    _, target = wrapped[2]
    assert target["image_id"] == 9 and target["labels"].tolist() == [18, 1] and target["area"] == [30.0, 4.0]
    assert target["boxes"].tolist() == [[2, 2, 8.5, 7], [1, 1, 3, 3]] and isinstance(target["boxes"], BoundingBoxes)
    assert (
        isinstance(target["masks"], Mask)
        and target["masks"].shape == (2, 11, 17)
        and int(target["masks"][0].sum()) == 30
    )
    assert int(wrapped[0][1]["masks"].sum()) == 33
    _, empty = wrapped[1]
    assert empty["boxes"].shape == (0, 4) and empty["masks"].shape == (0, 11, 17) and empty["labels"].shape == (0,)
    assert wrap_dataset_for_transforms_v2(data)[0][1].keys() == {"image_id", "boxes", "labels"}
    captions = datasets.CocoCaptions(tmp_path / "images", tmp_path / "captions.json")
    assert wrap_dataset_for_transforms_v2(captions)[0][1] == ["A dog.", "The dog."]
    with pytest.raises(ValueError, match="'colour'"):
        wrap_dataset_for_transforms_v2(data, ["colour"])
    with pytest.raises(ValueError, match="several names"):
        wrap_dataset_for_transforms_v2(data, "boxes")


def double(image, target):
    return image.resize((34, 22)), {name: value for name, value in target.items() if name == "boxes"}


def test_transforms_come_after(tmp_path):
    annotated_trees.voc(tmp_path)
    data = datasets.VOCDetection(tmp_path, transforms=double)
    wrapped = wrap_dataset_for_transforms_v2(data, "all")
    image, target = wrapped[0]
    assert image.size == (34, 22) and target["boxes"].tolist() == [[3, 1, 17, 11], [1, 1, 2, 2]]
    assert data.transforms is double and data[0][1] == {}  # what was wrapped is as it was
    again = pickle.loads(pickle.dumps(wrapped))
    assert plain(again[0]) == plain((image, target)) and again.year == "2012" and "transforms" in repr(again)
    alone = wrap_dataset_for_transforms_v2(
        datasets.VOCSegmentation(tmp_path, transform=lambda i: 1, target_transform=lambda m: m)
    )
    assert alone[0][0] == 1 and isinstance(alone[0][1], Mask)


def test_what_cannot_be_wrapped(tmp_path):
    trees.caltech101(tmp_path)
    annotated_trees.celeba(tmp_path)
    annotated_trees.cityscapes(tmp_path)
    annotated_trees.sbd(tmp_path)
    for data in (
        datasets.Caltech101(tmp_path, "annotation"),
        datasets.CelebA(tmp_path),
        datasets.Cityscapes(tmp_path, target_type=["semantic", "polygon"]),
        datasets.SBDataset(tmp_path),
    ):
        with pytest.raises(ValueError, match="targets that transforms do not know"):
            wrap_dataset_for_transforms_v2(data)
    with pytest.raises(ValueError, match="target_keys are for CocoDetection"):
        wrap_dataset_for_transforms_v2(datasets.FakeData(3), "all")
    with pytest.raises(TypeError, match="no wrapper for VisionDataset"):
        wrap_dataset_for_transforms_v2(datasets.VisionDataset())
    with pytest.raises(TypeError, match="expected a data set"):
        wrap_dataset_for_transforms_v2([1])


def test_every_data_set_is_known(tmp_path):
    """What torchvision wraps and what gives class numbers is wrapped here."""
    from vision.datasets.wrapping import _PLAIN, _WITH_KEYS, _WRAPPERS

    known = {*_PLAIN, *_WITH_KEYS, *_WRAPPERS}
    unknown = {
        name
        for name, kind in vars(datasets).items()
        if isinstance(kind, type) and issubclass(kind, datasets.VisionDataset) and not known & set(kind.mro())
    }
    assert unknown == {"VisionDataset", "LFWPairs", "MovingMNIST"}  # pairs and films are no (image, target)


def test_masks_are_tensors(tmp_path):
    trees.pets(tmp_path)
    data = wrap_dataset_for_transforms_v2(datasets.OxfordIIITPet(tmp_path, target_types="segmentation"))
    assert isinstance(data[0][1], Tensor) and np.asarray(data[0][1].numpy()).max() < 4
