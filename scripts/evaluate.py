"""How good a trained classifier is: ``python scripts/evaluate.py --checkpoint runs/flowers-resnet18 --data flowers/test``.

Prints accuracy and a table by class, and writes ``evaluation.json`` and, where Matplotlib is installed, ``confusion.png``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.console import Parser, number, progress, run
from support.images import HELD_OUT, load_images
from support.pictures import draw_confusion
from support.preparation import Augmentation, Preparation
from support.run import load_model, read_settings, write_json

import framework as F
from framework.data import DataLoader
from framework.errors import ArgumentError
from vision.datasets import ImageFolder
from vision.metrics import ConfusionMatrix, TopKAccuracy


def parse() -> Any:
    """The command line."""
    parser = Parser(prog="evaluate.py", description="Measure a trained image classifier on pictures of known classes.")
    add = parser.add_argument
    add("--checkpoint", required=True, metavar="DIR", help="the folder of a training run")
    add("--data", help="a folder with one folder of pictures a class; the run's own test pictures unless given")
    add("--data-root", help="where a named data set's files are; where training had them unless given")
    add("--out", help="the folder for evaluation.json and confusion.png; the run's unless given")
    add("--batch-size", type=number(int, 1), default=100)
    add("--workers", type=number(int, 0), default=2, help="threads that prepare pictures")
    add("--device", default="cpu")
    return parser.parse_args()


def test_pictures(args: Any, classes: list[str], preparation: Preparation) -> Any:
    """The data set to measure on, with the class numbers of the model.

    Raises:
        ArgumentError: a folder holds a class that the model does not know.
    """
    stored = read_settings(Path(args.checkpoint))["arguments"]
    if args.data is None or args.data == stored["data"]:
        root = args.data_root or stored["data_root"]
        return load_images(stored["data"], root, Augmentation(), stored["image_size"], stored["seed"], preparation).test
    folder = Path(args.data)
    held_out = next((folder / name for name in HELD_OUT if (folder / name).is_dir() and name not in classes), folder)
    images = ImageFolder(held_out, transform=preparation.new_picture())
    unknown = [name for name in images.classes if name not in classes]
    if unknown:
        raise ArgumentError(f"--data {held_out}: the model does not know the classes {', '.join(unknown)}")
    numbers = [classes.index(name) for name in images.classes]
    images.target_transform = lambda target: numbers[target]
    return images


def main() -> int:
    """The exit code."""
    args = parse()
    folder = Path(args.checkpoint)
    model, classes, preparation = load_model(folder)
    model.to(args.device)
    pictures = test_pictures(args, classes, preparation)
    loader = DataLoader(pictures, args.batch_size, num_workers=args.workers)
    confusion, ranks = ConfusionMatrix(len(classes)), {k: TopKAccuracy(k) for k in (1, 5) if k < len(classes)}
    with F.no_grad():
        for x, y in progress(iter(loader), len(loader), "evaluation"):
            scores = model(x.to(args.device)).cpu()
            for metric in (confusion, *ranks.values()):
                metric.update(scores, y)
    print(confusion.table(classes))
    accuracy = {f"top{k}": metric.compute() for k, metric in ranks.items()}
    print(
        ", ".join(f"{name} accuracy {100 * share:.2f} %" for name, share in accuracy.items()),
        f"of {len(pictures)} pictures",
    )
    out = Path(args.out) if args.out else folder
    per_class = {
        name: {"precision": precision, "recall": recall, "f1": f1, "pictures": count}
        for name, precision, recall, f1, count in zip(
            classes,
            *(_plain(part) for part in (confusion.precision(), confusion.recall(), confusion.f1())),
            confusion.compute().sum(1).tolist(),
            strict=True,
        )
    }
    report = {
        "pictures": len(pictures),
        "accuracy": accuracy,
        "classes": per_class,
        "confusion": confusion.compute().tolist(),
    }
    write_json(out / "evaluation.json", report)
    drawn = draw_confusion(out / "confusion.png", confusion.compute(), classes)
    print(f"written: {out / 'evaluation.json'}" + (f", {out / 'confusion.png'}" if drawn else ""))
    return 0


def _plain(shares: Any) -> list[float | None]:
    """Shares for JSON, which has no NaN: None where there is nothing to be a share of."""
    return [None if share != share else share for share in shares.tolist()]


if __name__ == "__main__":
    run(main, "evaluate.py")
