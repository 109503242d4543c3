"""Small data sets of classes in the official layouts: for each a function that writes one under a folder."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma
from pathlib import Path

import numpy as np

from tests.vision.datasets.tree_files import idx, mat, picture, records, text


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
