"""Addresses and checksums are torchvision's."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest

from tests.vision.peer import torchvision
from vision import datasets

MD5 = re.compile(r"\b[0-9a-f]{32}\b")
ADDRESS = re.compile(r"https?://[^\s\"'`>)]+")
# of torchvision's modules those whose data sets are here
MODULES = {
    "caltech": "caltech", "celeba": "celeba", "cifar": "cifar", "clevr": "clevr", "country211": "folders", "dtd": "scenes",
    "eurosat": "folders", "fer2013": "fer2013", "fgvc_aircraft": "fine_grained", "flowers102": "flowers",
    "food101": "fine_grained", "gtsrb": "folders", "imagenet": "imagenet", "imagenette": "folders",
    "inaturalist": "inaturalist", "kitti": "kitti", "lfw": "lfw", "mnist": "mnist emnist", "moving_mnist": "moving_mnist",
    "omniglot": "omniglot", "oxford_iiit_pet": "pets", "pcam": "pcam", "places365": "scenes", "rendered_sst2": "folders",
    "sbd": "sbd", "sbu": "captions", "semeion": "usps", "stl10": "stl10", "sun397": "scenes", "svhn": "svhn",
    "usps": "usps", "voc": "voc", "widerface": "widerface",
}  # fmt: skip
# sums of unpacked files: archives are verified when they are fetched, and not again what came out of them
UNPACKED = {
    "cifar": 10, "places365": 5, "stl10": 5,
}  # fmt: skip


def source(module: str) -> str:
    return Path(importlib.import_module(module).__file__).read_text()


def values(cls: type) -> list[str]:
    """The texts in a class's attributes."""

    def texts(value):
        if isinstance(value, str):
            return [value]
        if isinstance(value, dict):
            return [text for part in value.items() for text in texts(part)]
        return [text for part in value for text in texts(part)] if isinstance(value, list | tuple) else []

    return [text for name, value in vars(cls).items() if not name.startswith("__") for text in texts(value)]


@pytest.mark.parametrize("theirs", MODULES)
def test_checksums(theirs):
    torchvision()
    wanted = set(MD5.findall(re.sub(r"^ *#.*$", "", source(f"torchvision.datasets.{theirs}"), flags=re.M)))
    ours = {found for name in MODULES[theirs].split() for found in MD5.findall(source(f"vision.datasets.{name}"))}
    assert wanted or theirs in ("kitti", "fgvc_aircraft")
    assert len(wanted - ours) == UNPACKED.get(theirs, 0)


@pytest.mark.parametrize("name", [name for name in dir(datasets) if inspect.isclass(getattr(datasets, name))])
def test_addresses(name):
    """What is an address or a number in the attributes of torchvision's class stands in ours or in its module."""
    peer = getattr(torchvision().datasets, name, None)
    if peer is None:
        pytest.skip("torchvision has none")
    ours = getattr(datasets, name)
    known = {text for cls in (*ours.mro(), inspect.getmodule(ours)) for text in values(cls)}
    known |= {text for named in vars(inspect.getmodule(ours)).values() for text in _nested(named)}
    for text in values(peer):
        if ADDRESS.match(text):
            assert text in known or any(text == prefix + rest for prefix in known for rest in known), text


def _nested(value) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for part in value.values() for text in _nested(part)]
    return [text for part in value for text in _nested(part)] if isinstance(value, list | tuple) else []


@pytest.mark.parametrize("theirs", ["imagenet", "inaturalist", "voc"])
def test_tables_of_modules(theirs):
    torchvision()
    peer = importlib.import_module(f"torchvision.datasets.{theirs}")
    ours = importlib.import_module(f"vision.datasets.{theirs}")
    for name in ("ARCHIVE_META", "DATASET_URLS", "DATASET_MD5", "DATASET_YEAR_DICT"):
        if hasattr(peer, name):
            theirs_table, table = getattr(peer, name), getattr(ours, name)
            assert theirs_table.keys() == table.keys()
            for key, row in theirs_table.items():
                wanted = list(row.values()) if isinstance(row, dict) else row
                if key == "2008":  # torchvision saves it under 2012's name, so that one stands for the other
                    wanted[1] = table[key].filename
                assert (list(table[key]) if isinstance(wanted, list) else table[key]) == wanted


def test_nothing_of_torchvision_is_left_out():
    left_out = {
        "PhotoTour", "Kinetics", "HMDB51", "UCF101",  # patches of photographs, and videos
        "KittiFlow", "Sintel", "FlyingChairs", "FlyingThings3D", "HD1K",  # optical flow
        "Kitti2012Stereo", "Kitti2015Stereo", "CarlaStereo", "Middlebury2014Stereo", "CREStereo", "FallingThingsStereo",
        "SceneFlowStereo", "SintelStereo", "InStereo2k", "ETH3DStereo",  # stereo
    }  # fmt: skip
    names = set(torchvision().datasets.__all__)
    assert names - left_out == {name for name in names if hasattr(datasets, name)}
