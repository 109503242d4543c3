"""How good a trained classifier is: ``python scripts/evaluate.py --checkpoint runs/flowers-resnet18 --data flowers/test``.

For a run on texts, ``--data`` is a table. Prints accuracy and a table by class, and writes ``evaluation.json`` and, where
Matplotlib is installed, ``confusion.png``; of a run on numbers, how they go along with the true ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.console import Parser, number, progress, run
from support.pictures import draw_confusion
from support.placing import HELP, device
from support.run import write_json
from support.tasks import trained_in

import framework as F
from vision.metrics import ConfusionMatrix, TopKAccuracy


def parse() -> Any:
    """The command line."""
    parser = Parser(prog="evaluate.py", description="Measure a trained classifier on samples of known classes.")
    add = parser.add_argument
    add("--checkpoint", required=True, metavar="DIR", help="the folder of a training run")
    add("--data", help="a folder with one folder of pictures a class, or a table of texts; the run's own test samples "
        "unless given")  # fmt: skip
    add("--data-root", help="where a named data set's files are; where training had them unless given")
    add("--out", help="the folder for evaluation.json and confusion.png; the run's unless given")
    add("--batch-size", type=number(int, 1), default=100)
    add("--workers", type=number(int, 0), default=2, help="threads that prepare batches")
    add("--device", type=device, default="cpu", help=HELP)
    return parser.parse_args()


def main() -> int:
    """The exit code."""
    args = parse()
    trained = trained_in(Path(args.checkpoint), args.device)
    classes, samples = trained.classes, trained.samples
    loader = trained.test_loader(args)
    if not classes:
        return of_numbers(trained, loader, args)
    confusion, ranks = ConfusionMatrix(len(classes)), {k: TopKAccuracy(k) for k in (1, 5) if k < len(classes)}
    with F.no_grad():
        for x, y in progress(iter(loader), len(loader), "evaluation"):
            scores = trained.forward(x).cpu()
            for metric in (confusion, *ranks.values()):
                metric.update(scores, y)
    print(confusion.table(classes))
    accuracy = {f"top{k}": metric.compute() for k, metric in ranks.items()}
    print(
        ", ".join(f"{name} accuracy {100 * share:.2f} %" for name, share in accuracy.items()),
        f"of {len(loader.dataset)} {samples}",
    )
    out = Path(args.out) if args.out else trained.folder
    per_class = {
        name: {"precision": precision, "recall": recall, "f1": f1, samples: count}
        for name, precision, recall, f1, count in zip(
            classes,
            *(_plain(part) for part in (confusion.precision(), confusion.recall(), confusion.f1())),
            confusion.compute().sum(1).tolist(),
            strict=True,
        )
    }
    report = {
        samples: len(loader.dataset),
        "accuracy": accuracy,
        "classes": per_class,
        "confusion": confusion.compute().tolist(),
    }
    write_json(out / "evaluation.json", report)
    drawn = draw_confusion(out / "confusion.png", confusion.compute(), classes)
    print(f"written: {out / 'evaluation.json'}" + (f", {out / 'confusion.png'}" if drawn else ""))
    return 0


def of_numbers(trained: Any, loader: Any, args: Any) -> int:
    """The exit code, of a model that gives numbers."""
    found, truth = [], []
    with F.no_grad():
        for x, y in progress(iter(loader), len(loader), "evaluation"):
            found.append(trained.goal.scores(trained.forward(x)).cpu())
            truth.append(y)
    figures = trained.goal.figures(F.cat(found).numpy(), F.cat(truth).numpy())
    print(
        ", ".join(f"{name} {value:.4f}" for name, value in figures.items()),
        f"of {len(loader.dataset)} {trained.samples}",
    )
    out = Path(args.out) if args.out else trained.folder
    write_json(out / "evaluation.json", {trained.samples: len(loader.dataset), **figures})
    print(f"written: {out / 'evaluation.json'}")
    return 0


def _plain(shares: Any) -> list[float | None]:
    """Shares for JSON, which has no NaN: None where there is nothing to be a share of."""
    return [None if share != share else share for share in shares.tolist()]


if __name__ == "__main__":
    run(main, "evaluate.py")
