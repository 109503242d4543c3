"""Small data sets in the official layouts: for each a function that writes one under a folder, and what it holds."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".ppm": "PPM"}
_drawn = iter(range(10**9))


def picture(path: Path, mode: str = "RGB", size: tuple[int, int] = (17, 11), levels: int = 256) -> None:
    """Noise as an image file; every one is different."""
    rng = np.random.default_rng(next(_drawn))
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = {"RGB": (3,), "L": (), "P": ()}[mode]
    image = Image.fromarray(rng.integers(0, levels, (size[1], size[0], *channels), dtype=np.uint8))
    if mode == "P":
        image.putpalette(list(range(256)) * 3)
    image.save(path, FORMATS[path.suffix.lower()])


def text(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def mat(path: Path, **arrays: Any) -> None:
    from scipy.io import savemat

    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, arrays)


def records(rows: list[tuple[Any, ...]], *names: str) -> np.ndarray:
    """Rows as a MATLAB array of structs."""
    out = np.zeros(len(rows), dtype=[(name, object) for name in names])
    for number, row in enumerate(rows):
        out[number] = row
    return out


def idx(array: np.ndarray, code: int = 8) -> bytes:
    """An array as an idx file."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape) + array.tobytes()


def eurosat(root: Path) -> None:
    for name in ("River/River_1.jpg", "River/River_2.jpg", "Forest/Forest_1.jpg"):
        picture(root / "eurosat/2750" / name)


def country211(root: Path) -> None:
    for split in ("train", "valid", "test"):
        for name in ("AD/1.jpg", "ZW/2.jpg"):
            picture(root / "country211" / split / name)


def rendered_sst2(root: Path) -> None:
    for split in ("train", "valid", "test"):
        for name in ("negative/0.png", "positive/1.png", "positive/2.png"):
            picture(root / "rendered-sst2" / split / name)


def imagenette(root: Path) -> None:
    for name in ("n01440764/a.JPEG", "n01440764/b.JPEG", "n03888257/c.JPEG"):
        picture(root / "imagenette2-160/train" / name)
        picture(root / "imagenette2-160/val" / name)


def gtsrb(root: Path) -> None:
    for name in ("00000/0.ppm", "00002/1.ppm", "00002/2.ppm"):
        picture(root / "gtsrb/GTSRB/Training" / name)
    for name in ("00000.ppm", "00001.ppm"):
        picture(root / "gtsrb/GTSRB/Final_Test/Images" / name)
    columns = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"
    text(root / "gtsrb/GT-final_test.csv", columns, "00000.ppm;17;11;1;1;9;9;16", "00001.ppm;17;11;1;1;9;9;1")


def food101(root: Path) -> None:
    folder = root / "food-101"
    for name in ("waffles/1", "waffles/2", "apple_pie/3"):
        picture(folder / "images" / f"{name}.jpg")
    text(folder / "meta/train.json", json.dumps({"waffles": ["waffles/2", "waffles/1"], "apple_pie": ["apple_pie/3"]}))
    text(folder / "meta/test.json", json.dumps({"waffles": ["waffles/1"], "apple_pie": []}))


def aircraft(root: Path) -> None:
    folder = root / "fgvc-aircraft-2013b/data"
    for name in ("1234567", "7654321"):
        picture(folder / f"images/{name}.jpg")
    for kind, one, two in (
        ("variant", "707-320", "A300 B4"),
        ("family", "Boeing 707", "A300"),
        ("manufacturer", "Boeing", "Airbus"),
    ):
        text(
            folder / f"{ {'variant': 'variants', 'family': 'families', 'manufacturer': 'manufacturers'}[kind] }.txt",
            one,
            two,
        )
        text(folder / f"images_{kind}_trainval.txt", f"7654321 {two}", f"1234567 {one}")


def cars(root: Path) -> None:
    folder = root / "stanford_cars"
    for name in ("cars_train/00001.jpg", "cars_train/00002.jpg", "cars_test/00001.jpg", "cars_test/00002.jpg"):
        picture(folder / name)
    mat(
        folder / "devkit/cars_meta.mat",
        class_names=np.array(["AM General Hummer SUV 2000", "Acura RL Sedan 2012"], object),
    )
    train = records([("00001.jpg", 2), ("00002.jpg", 1)], "fname", "class")
    mat(folder / "devkit/cars_train_annos.mat", annotations=train)
    mat(folder / "cars_test_annos_withlabels.mat", annotations=train[::-1])


def flowers(root: Path) -> None:
    folder = root / "flowers-102"
    for number in range(1, 6):
        picture(folder / f"jpg/image_{number:05d}.jpg")
    mat(folder / "imagelabels.mat", labels=np.array([[77, 1, 102, 3, 3]], np.uint8))
    mat(folder / "setid.mat", trnid=np.array([[3, 1]]), valid=np.array([[2]]), tstid=np.array([[4, 5]]))


def pets(root: Path) -> None:
    folder = root / "oxford-iiit-pet"
    for name in ("Abyssinian_1", "english_cocker_spaniel_7", "Abyssinian_2"):
        picture(folder / f"images/{name}.jpg")
        picture(folder / f"annotations/trimaps/{name}.png", "L", levels=4)
    text(
        folder / "annotations/trainval.txt",
        "Abyssinian_1 1 1 1",
        "english_cocker_spaniel_7 2 2 1",
        "Abyssinian_2 1 1 1",
    )
    text(folder / "annotations/test.txt", "Abyssinian_2 1 1 1")


def sun397(root: Path) -> None:
    for name in ("a/abbey/sun_aaa.jpg", "b/balcony/interior/sun_bbb.jpg", "b/balcony/interior/sun_ccc.jpg"):
        picture(root / "SUN397" / name)
    text(root / "SUN397/ClassName.txt", "/a/abbey", "/b/balcony/interior", "/z/zoo")


def places(root: Path) -> None:
    text(root / "categories_places365.txt", "/a/airfield 0", "/a/alley 1")
    text(root / "places365_train_standard.txt", "/a/airfield/00000001.jpg 0", "/a/alley/00000002.jpg 1")
    text(root / "places365_val.txt", "Places365_val_00000001.jpg 1")
    text(root / "places365_test.txt", "Places365_test_00000001.jpg")
    picture(root / "data_256_standard/a/airfield/00000001.jpg")
    picture(root / "data_256_standard/a/alley/00000002.jpg")
    picture(root / "val_large/Places365_val_00000001.jpg")
    picture(root / "test_256/Places365_test_00000001.jpg")


def dtd(root: Path) -> None:
    for name in ("banded/banded_1.jpg", "zigzagged/zigzagged_1.jpg", "banded/banded_2.jpg"):
        picture(root / "dtd/dtd/images" / name)
    text(root / "dtd/dtd/labels/train1.txt", "zigzagged/zigzagged_1.jpg", "banded/banded_1.jpg")
    text(root / "dtd/dtd/labels/val10.txt", "banded/banded_2.jpg")


def caltech101(root: Path) -> None:
    folder = root / "caltech101"
    for name in ("Faces/image_0001", "Faces/image_0002", "accordion/image_0001", "BACKGROUND_Google/image_0001"):
        picture(folder / f"101_ObjectCategories/{name}.jpg", "L" if name.endswith("2") else "RGB")
    for name in ("Faces_2/annotation_0001", "Faces_2/annotation_0002", "accordion/annotation_0001"):
        outline = np.arange(14.0).reshape(2, 7) + len(name)
        mat(folder / f"Annotations/{name}.mat", obj_contour=outline, box_coord=np.zeros((1, 4)))


def caltech256(root: Path) -> None:
    for name in ("001.ak47/001_0001.jpg", "002.american-flag/002_0001.jpg", "002.american-flag/002_0002.jpg"):
        picture(root / "caltech256/256_ObjectCategories" / name)
    text(root / "caltech256/256_ObjectCategories/002.american-flag/RENAME2", "not an image")


def clevr(root: Path) -> None:
    folder = root / "clevr/CLEVR_v1.0"
    for split in ("train", "val", "test"):
        scenes = []
        for number in range(2):
            name = f"CLEVR_{split}_{number:06d}.png"
            picture(folder / "images" / split / name)
            scenes.append({"image_filename": name, "objects": [{}] * (3 + number)})
        if split != "test":
            text(folder / f"scenes/CLEVR_{split}_scenes.json", json.dumps({"scenes": scenes[::-1]}))


def stl10(root: Path) -> None:
    folder = root / "stl10_binary"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(3)
    for part, count in (("train", 5), ("test", 3), ("unlabeled", 2)):
        rng.integers(0, 256, count * 3 * 96 * 96, dtype=np.uint8).tofile(folder / f"{part}_X.bin")
        if part != "unlabeled":
            rng.integers(1, 11, count, dtype=np.uint8).tofile(folder / f"{part}_y.bin")
    text(folder / "class_names.txt", "airplane", "bird")
    text(folder / "fold_indices.txt", *(f"{fold % 5} {(fold + 2) % 5} " for fold in range(10)))


def svhn(root: Path) -> None:
    rng = np.random.default_rng(4)
    for split in ("train", "test", "extra"):
        labels = np.array([[10], [1], [9]], np.uint8)
        mat(root / f"{split}_32x32.mat", X=rng.integers(0, 256, (32, 32, 3, 3), dtype=np.uint8), y=labels)


def usps(root: Path) -> None:
    rng = np.random.default_rng(5)
    for name in ("usps.bz2", "usps.t.bz2"):
        lines = [
            f"{label} " + " ".join(f"{n}:{v:.6g}" for n, v in enumerate(rng.uniform(-1, 1, 256), 1)) + " \n"
            for label in (7, 1, 10)
        ]
        root.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(bz2.compress("".join(lines).encode()))


def semeion(root: Path) -> None:
    rng = np.random.default_rng(6)
    rows = [
        " ".join([f"{v:.4f}" for v in rng.integers(0, 2, 256)] + [str(int(n == digit)) for n in range(10)])
        for digit in (0, 9, 4)
    ]
    text(root / "semeion.data", *rows)


def fer2013(root: Path, kind: str = "fer2013.csv") -> None:
    rng = np.random.default_rng(7)
    path = root / "fer2013" / kind
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        (str(label), " ".join(map(str, rng.integers(0, 256, 48 * 48))), usage)
        for label, usage in ((3, "Training"), (0, "PublicTest"), (6, "PrivateTest"), (4, "Training"))
    ]
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        if kind == "fer2013.csv":
            writer.writerows([("emotion", "pixels", "Usage"), *rows])
        elif kind == "icml_face_data.csv":
            writer.writerows([("emotion", " Usage", " pixels"), *((a, c, b) for a, b, c in rows)])
        elif kind == "train.csv":
            writer.writerows([("emotion", "pixels"), *((a, b) for a, b, _ in rows)])
        else:
            writer.writerows([("pixels",), *((b,) for _, b, _ in rows)])


def emnist(root: Path) -> None:
    rng = np.random.default_rng(8)
    folder = root / "EMNIST/raw"
    folder.mkdir(parents=True)
    for split, most in (
        ("byclass", 62),
        ("bymerge", 47),
        ("balanced", 47),
        ("letters", 27),
        ("digits", 10),
        ("mnist", 10),
    ):
        for part in ("train", "test"):
            start = folder / f"emnist-{split}-{part}"
            Path(f"{start}-images-idx3-ubyte").write_bytes(idx(rng.integers(0, 256, (4, 28, 28), dtype=np.uint8)))
            Path(f"{start}-labels-idx1-ubyte").write_bytes(idx(rng.integers(1, most, 4, dtype=np.uint8)))


def qmnist(root: Path, packed: bool = False) -> None:
    rng = np.random.default_rng(9)
    folder = root / "QMNIST/raw"
    folder.mkdir(parents=True)
    for name, count, packing in (("qmnist-train", 4, ".gz"), ("qmnist-test", 10_003, ".gz"), ("xnist", 5, ".xz")):
        pack = {".gz": lambda data: gzip.compress(data, 1), ".xz": lambda data: lzma.compress(data, preset=0)}[packing]
        side = 28 if count < 100 else 1  # 10,000 whole pictures would take their time
        files = {
            f"{name}-images-idx3-ubyte": idx(rng.integers(0, 256, (count, side, side), dtype=np.uint8)),
            f"{name}-labels-idx2-int": idx(rng.integers(0, 10, (count, 8)).astype(">i4"), 12),
        }
        for file, data in files.items():
            (folder / (file + packing * packed)).write_bytes(pack(data) if packed else data)


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
