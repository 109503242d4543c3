"""Print the classes of new samples: ``python scripts/predict.py --checkpoint runs/digits-small_cnn picture.png``.

For a run on texts, give texts: ``python scripts/predict.py --checkpoint runs/reviews-bag "a fine film"``; for one on pairs
of texts, two for each pair. ``--data`` names a table of them instead, with labels or without; what comes out is a table
then. A run on numbers gives numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support.console import Parser, number, run
from support.placing import HELP, device
from support.tasks import trained_in

import framework as F
from framework.errors import ArgumentError
from framework.io import atomic_write


def parse() -> Any:
    """The command line."""
    parser = Parser(prog="predict.py", description="Print the classes of new pictures or texts, or their numbers.")
    add = parser.add_argument
    add("--checkpoint", required=True, metavar="DIR", help="the folder of a training run")
    add("--top", type=number(int, 1), default=3, help="how many classes to print for each sample")
    add("--data", metavar="TABLE", help="a table of texts (tsv, csv, jsonl), instead of INPUT")
    add("--text-column", nargs="+", metavar="NAME", help="its column with the texts; as in training unless given")
    add("--pair-column", metavar="NAME", help="its column with the second texts; as in training unless given")
    add("--out", metavar="FILE", help="where the table goes that --data asks for; printed unless given")
    add("--batch-size", type=number(int, 1), default=64, help="rows of a table at once")
    add("--device", type=device, default="cpu", help=HELP)
    add("inputs", nargs="*", metavar="INPUT", help="a picture's path, or a text")
    args = parser.parse_args()
    if bool(args.inputs) == (args.data is not None):
        raise ArgumentError("give what to predict: pictures' paths or texts, or a table by --data")
    if args.out is not None and args.data is None:
        raise ArgumentError("--out: goes with --data")
    return args


def main() -> int:
    """The exit code."""
    args = parse()
    trained = trained_in(Path(args.checkpoint), args.device)
    with F.no_grad():
        if args.data is not None:
            names, batches = trained.of_table(Path(args.data), args)
            lines = table(trained, names, batches)
            if args.out is None:
                sys.stdout.writelines(lines)
            else:
                atomic_write(Path(args.out), "".join(lines))
                print(f"written: {args.out}, of {len(names)} {trained.samples}")
            return 0
        for name, x in trained.inputs(args.inputs):  # all are read before anything is printed
            scores = trained.goal.scores(trained.forward(x))[0]
            if not trained.classes:
                print(f"{name}: {scores.item():.4f}")
                continue
            values, indices = scores.topk(min(args.top, len(trained.classes)))
            guesses = ", ".join(
                f"{trained.classes[i]} {100 * v:.1f} %" for v, i in zip(values.tolist(), indices.tolist(), strict=True)
            )
            print(f"{name}: {guesses}")
    return 0


def table(trained: Any, names: list[str], batches: Iterator[Any]) -> Iterator[str]:
    """Lines with tabs: the likeliest class and its probability, or the number, before each sample's name."""
    yield "prediction\tconfidence\ttext\n" if trained.classes else "prediction\ttext\n"
    rest = iter(names)
    for x in batches:
        scores = trained.goal.scores(trained.forward(x))
        if not trained.classes:
            yield from (f"{value:.6g}\t{next(rest)}\n" for value in scores.tolist())
            continue
        values, indices = scores.max(1)
        for value, index in zip(values.tolist(), indices.tolist(), strict=True):
            yield f"{trained.classes[index]}\t{value:.4f}\t{next(rest)}\n"


if __name__ == "__main__":
    run(main, "predict.py")
