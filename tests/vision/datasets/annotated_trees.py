"""Small data sets of annotated pictures in the official layouts: for each a function that writes one under a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.vision.datasets.tree_files import mat, picture, text


def celeba(root: Path) -> None:
    folder = root / "celeba"
    rng = np.random.default_rng(10)
    names = [f"{number:06d}.jpg" for number in range(1, 5)]
    for name in names:
        picture(folder / "img_align_celeba" / name)

    def table(file: str, head: list[str], values: np.ndarray) -> None:
        rows = [f"{name}  {'  '.join(map(str, row))}" for name, row in zip(names, values)]
        text(folder / file, *head, *rows)

    attributes = " ".join(f"Attribute_{number}" for number in range(40))
    points = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
    table("list_eval_partition.txt", [], np.array([[0], [2], [0], [2]]))
    table("identity_CelebA.txt", [], np.array([[2880], [2937], [8692], [1]]))
    table("list_attr_celeba.txt", ["4", attributes], rng.choice([-1, 1], (4, 40)))
    table("list_bbox_celeba.txt", ["4", "image_id x_1 y_1 width height"], rng.integers(1, 9, (4, 4)))
    table("list_landmarks_align_celeba.txt", ["4", points], rng.integers(0, 99, (4, 10)))


def lfw(root: Path) -> None:
    folder = root / "lfw-py"
    for name, count in (("Ann_B", 3), ("Cy_D", 1), ("Eve_F", 2)):
        for number in range(1, count + 1):
            picture(folder / f"lfw_funneled/{name}/{name}_{number:04d}.jpg")
    text(folder / "lfw-names.txt", "Ann_B\t3", "Cy_D\t1", "Eve_F\t2")
    text(folder / "people.txt", "2", "2", "Ann_B\t3", "Cy_D\t1", "1", "Eve_F\t2")
    text(folder / "peopleDevTrain.txt", "2", "Eve_F\t2", "Cy_D\t1")
    text(
        folder / "pairs.txt",
        "2\t1", "Ann_B\t1\t2", "Ann_B\t1\tCy_D\t1", "Eve_F\t1\t2", "Eve_F\t2\tAnn_B\t3",
    )  # fmt: skip
    text(folder / "pairsDevTest.txt", "1", "Ann_B\t1\t3", "Cy_D\t1\tEve_F\t1")


def widerface(root: Path) -> None:
    folder = root / "widerface"
    for split in ("train", "val", "test"):
        for name in ("0--Parade/a.jpg", "1--Handshaking/b.jpg"):
            picture(folder / f"WIDER_{split}/images/{name}")
        if split != "test":
            text(
                folder / f"wider_face_split/wider_face_{split}_bbx_gt.txt",
                "0--Parade/a.jpg", "2", "1 2 3 4 0 1 0 2 1 0 ", "5 6 7 8 1 0 1 0 0 1 ",
                "1--Handshaking/b.jpg", "0", "0 0 0 0 0 0 0 0 0 0 ",
            )  # fmt: skip
    text(folder / "wider_face_split/wider_face_test_filelist.txt", "0--Parade/a.jpg", "1--Handshaking/b.jpg")


_VOC_OBJECT = (
    "<object><name>{}</name><pose></pose><difficult>0</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin>"
    "<xmax>{}</xmax><ymax>{}</ymax></bndbox>{}</object>"
)
_PARTS = "<part><name>head</name></part><part><name>hand</name></part>"


def voc(root: Path) -> None:
    for base in ("VOCdevkit/VOC2012", "VOCdevkit/VOC2007", "TrainVal/VOCdevkit/VOC2011"):
        folder = root / base
        objects = {
            "2007_000001": _VOC_OBJECT.format("dog", 1, 2, 8, 9, ""),
            "2007_000002": _VOC_OBJECT.format("person", 3, 1, 17, 11, _PARTS)
            + _VOC_OBJECT.format("cat", 1, 1, 2, 2, ""),
            "2007_000003": "",
        }
        for name, inner in objects.items():
            picture(folder / f"JPEGImages/{name}.jpg")
            picture(folder / f"SegmentationClass/{name}.png", "P", levels=21)
            size = "<size><width>17</width><height>11</height></size>"
            text(folder / f"Annotations/{name}.xml", f"<annotation>\n <folder>VOC</folder>{size}\n{inner}</annotation>")
        for kind in ("Main", "Segmentation"):
            text(folder / f"ImageSets/{kind}/train.txt", "2007_000002", "2007_000001", "2007_000003")
            text(folder / f"ImageSets/{kind}/test.txt", "2007_000001")


def sbd(root: Path) -> None:
    from scipy.sparse import csc_matrix

    rng = np.random.default_rng(11)
    for name in ("2008_000001", "2008_000002"):
        picture(root / f"img/{name}.jpg")
        planes = np.empty((20, 1), object)
        for number in range(20):
            planes[number, 0] = csc_matrix((rng.random((11, 17)) < 0.1).astype(np.uint8))
        truth = {"Segmentation": rng.integers(0, 21, (11, 17), dtype=np.uint8), "Boundaries": planes}
        mat(root / f"cls/{name}.mat", GTcls=truth)
    text(root / "train.txt", "2008_000002", "2008_000001")
    text(root / "train_noval.txt", "2008_000001")


def coco_content() -> dict[str, Any]:
    square = [2.0, 2.0, 8.0, 2.0, 8.0, 7.0, 2.0, 7.0]
    return {
        "images": [
            {"id": 9, "file_name": "b.jpg", "height": 11, "width": 17},
            {"id": 2, "file_name": "a.jpg", "height": 11, "width": 17},
            {"id": 5, "file_name": "c.jpg", "height": 11, "width": 17},
        ],
        "annotations": [
            {"id": 1, "image_id": 9, "category_id": 18, "bbox": [2, 2, 6.5, 5], "area": 30.0, "iscrowd": 0, "segmentation": [square]},
            {"id": 4, "image_id": 2, "category_id": 1, "bbox": [0, 0, 3, 11], "area": 33.0, "iscrowd": 1,
             "segmentation": {"size": [11, 17], "counts": [0, 33, 154]}},
            {"id": 3, "image_id": 9, "category_id": 1, "bbox": [1, 1, 2, 2], "area": 4.0, "iscrowd": 0, "segmentation": [square, square]},
        ],
        "categories": [
            {"id": 1, "name": "person", "supercategory": "person"}, {"id": 18, "name": "dog", "supercategory": "animal"},
        ],
    }  # fmt: skip


def coco(root: Path) -> None:
    content = coco_content()
    for image in content["images"]:
        picture(root / "images" / image["file_name"])
    text(root / "instances.json", json.dumps(content))
    captions = [
        {"id": 7, "image_id": 2, "caption": "A dog."},
        {"id": 8, "image_id": 9, "caption": "A cat."},
        {"id": 9, "image_id": 2, "caption": "The dog."},
    ]
    text(root / "captions.json", json.dumps({**content, "annotations": captions}))


def flickr(root: Path) -> None:
    for name in ("1000268201_693b08cb0e.jpg", "1001773457_577c3a7d70.jpg"):
        picture(root / "images" / name)
    entry = (
        '<tr><td><a href="x">http://flickr.com/photos/a/{}/</a></td><td><ul><li>{}</li>\n<li>{} </li></ul></td></tr>'
    )
    text(
        root / "page.html",
        "<html><p>Words</p><table>",
        entry.format("1001773457", "Two dogs", "A black dog"),
        "<tr><td>Image Not Found</td><td><ul></ul></td></tr>",
        entry.format("1000268201", "A child", "A girl"),
        "</table></html>",
    )
    text(
        root / "results.token",
        "1001773457_577c3a7d70.jpg#0\tTwo dogs .", "1001773457_577c3a7d70.jpg#1\tA black dog .",
        "1000268201_693b08cb0e.jpg#0\tA child .",
    )  # fmt: skip


def sbu(root: Path) -> None:
    text(
        root / "dataset/SBU_captioned_photo_dataset_urls.txt",
        "http://f.com/1/a.jpg",
        "http://f.com/2/b.jpg",
        "http://f.com/2/c.jpg",
    )
    text(root / "dataset/SBU_captioned_photo_dataset_captions.txt", "One", "Two", "Three")
    for name in ("a.jpg", "c.jpg"):
        picture(root / "dataset" / name)


def cityscapes(root: Path) -> None:
    rng = np.random.default_rng(12)
    for city, number in (("aachen", "000000_000019"), ("zurich", "000001_000019")):
        for split, mode in (("train", "gtFine"), ("train_extra", "gtCoarse")):
            start = f"{city}_{number}"
            picture(root / f"leftImg8bit/{split}/{city}/{start}_leftImg8bit.png")
            targets = root / f"{mode}/{split}/{city}"
            picture(targets / f"{start}_{mode}_labelIds.png", "L", levels=34)
            picture(targets / f"{start}_{mode}_color.png")
            Image.fromarray(rng.choice(np.array([7, 11, 26001, 26002], np.uint16), (11, 17))).save(
                targets / f"{start}_{mode}_instanceIds.png"
            )
            text(targets / f"{start}_{mode}_polygons.json", json.dumps({"objects": [{"label": city}]}))


def kitti(root: Path) -> None:
    line = "{} 0.00 {} -1.58 587.01 173.33 614.12 200.12 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59"
    for name in ("000000", "000001"):
        picture(root / f"Kitti/raw/training/image_2/{name}.png")
        picture(root / f"Kitti/raw/testing/image_2/{name}.png")
        text(root / f"Kitti/raw/training/label_2/{name}.txt", line.format("Car", 0), line.format("DontCare", -1))


def omniglot(root: Path) -> None:
    for part in ("images_background", "images_evaluation"):
        for name in ("Latin/character01/1_01.png", "Latin/character02/2_01.png", "Greek/character01/3_01.png"):
            picture(root / "omniglot-py" / part / name, "L")


def inat(root: Path) -> None:
    for number, name in enumerate(
        ("Animalia_Chordata_Aves_Anseriformes_Anatidae_Anas_acuta", "Plantae_A_B_C_D_Rosa_alba")
    ):
        picture(root / f"2021_valid/{number:05d}_{name}/{number}.jpg")
    for name in ("Aves/1/a.jpg", "Aves/1/b.jpg", "Plantae/0/c.jpg"):
        picture(root / "2018" / name)
        picture(root / "2017" / name)


def moving_mnist(root: Path) -> None:
    films = np.random.default_rng(13).integers(0, 256, (20, 3, 8, 8), dtype=np.uint8)
    (root / "MovingMNIST").mkdir(parents=True)
    np.save(root / "MovingMNIST/mnist_test_seq.npy", films)
