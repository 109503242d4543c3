"""Whatever is wrong with a list, a table or a mask, the error is of the declared kinds and names the file."""

from __future__ import annotations

import numpy as np
import pytest

from framework.io import FileFormatError
from tests.vision.datasets.annotated_trees import voc
from tests.vision.datasets.layouts import LAYOUTS
from tests.vision.datasets.tree_files import picture, text
from vision import datasets

IMAGES = (".jpg", ".jpeg", ".ppm", ".JPEG")
LARGE = 100_000  # bytes; what is larger is cut, but not changed byte by byte
ROWS = [pytest.param(layout, id=layout.id) for layout in LAYOUTS]


def changes(data: bytes, ending: str):
    """A file's content, spoilt in several ways."""
    yield b""
    yield b"\xff\xfe\x00 no such file"
    yield b"7\n" * 3
    yield b"[1, {}]"
    yield data[: len(data) // 2]
    rng = np.random.default_rng(len(data))
    if len(data) < LARGE and ending != ".mat":  # a changed size there is believed, and takes its time
        for _ in range(2):
            changed = np.frombuffer(data, np.uint8).copy()
            changed[rng.integers(0, len(data), 3)] = rng.integers(0, 256, 3)
            yield changed.tobytes()


@pytest.mark.parametrize("layout", ROWS)
def test_spoilt_lists(tmp_path, layout):
    layout.build(tmp_path)
    kind = getattr(datasets, layout.name)
    lists = [path for path in sorted(tmp_path.rglob("*")) if path.is_file() and path.suffix not in IMAGES]
    if layout.name in ("RenderedSST2", "CLEVRClassification", "Omniglot", "Kitti", "Cityscapes"):
        lists = [path for path in lists if path.suffix != ".png"]
    refused = 0
    for path in lists:
        whole = path.read_bytes()
        for data in changes(whole, path.suffix):
            path.write_bytes(data)
            try:
                opened = kind(tmp_path, **layout.given)
                for number in range(min(len(opened), 4)):
                    opened[number]
            except (FileFormatError, FileNotFoundError) as error:
                assert str(tmp_path) in str(error)
                refused += 1
        path.write_bytes(whole)
    read = layout.name not in (
        "EuroSAT",
        "Country211",
        "RenderedSST2",
        "Imagenette",
        "Caltech256",
        "Omniglot",
        "INaturalist",
    )
    train = layout.given.get("train", True) or layout.name in ("USPS", "EMNIST")
    if lists and read and train and layout.given.get("split") != "test" and layout.id not in ("GTSRB", "Caltech101"):
        instances = layout.name == "Cityscapes" and "polygon" not in str(layout.given)
        assert refused or instances


def test_xml_with_entities(tmp_path):
    voc(tmp_path)
    path = tmp_path / "VOCdevkit/VOC2012/Annotations/2007_000002.xml"
    bomb = '<!DOCTYPE a [<!ENTITY b "lol"><!ENTITY c "&b;&b;&b;&b;">]><annotation>&c;</annotation>'
    for content, words in ((bomb, "document type"), ("<a>" * 100_000, "an XML file"), ("<annotation>", "an XML file")):
        text(path, content)
        with pytest.raises(FileFormatError, match=rf"2007_000002\.xml.*{words}"):
            datasets.VOCDetection(tmp_path)[0]


def test_voc_without_objects(tmp_path):
    voc(tmp_path)
    assert datasets.VOCDetection(tmp_path)[2][1]["annotation"]["object"] == []


@pytest.mark.parametrize(
    "folders, words",
    [
        (["2021_valid/00001_a_b_c_d_e_f_g"], "expected a folder named 00000"),
        (["2021_valid/00000_a_b"], "seven names"),
        (["2018/Aves/seven"], "named by a number"),
        (["2018/Aves/1"], "no folder of species 0"),
        (["2018/Aves/0", "2018/Fungi/0"], "species 0 has another folder"),
    ],
)
def test_inaturalist_folders(tmp_path, folders, words):
    for folder in folders:
        picture(tmp_path / folder / "a.jpg")
    with pytest.raises(FileFormatError, match=words):
        datasets.INaturalist(tmp_path, folders[0].partition("/")[0])


def test_inaturalist_names(tmp_path):
    picture(tmp_path / "2021_valid/00000_a_b_c_d_e_f_g/a.jpg")
    data = datasets.INaturalist(tmp_path, "2021_valid")
    assert data.category_name("genus", 0) == "f" and data.category_name("full", 0) == "00000_a_b_c_d_e_f_g"
    for wrong in (("genus", 1), ("super", 0)):
        with pytest.raises(ValueError, match="INaturalist"):
            data.category_name(*wrong)
