"""Print the classes of new samples: ``python scripts/predict.py --checkpoint runs/digits-small_cnn picture.png``.

For a run on texts, give texts: ``python scripts/predict.py --checkpoint runs/reviews-bag "a fine film"``; for one on pairs
of texts, two for each pair.
"""

from __future__ import annotations

from pathlib import Path

from support.console import Parser, number, run
from support.placing import HELP, device
from support.tasks import trained_in

import framework as F


def main() -> int:
    """The exit code."""
    parser = Parser(prog="predict.py", description="Print the classes of new pictures or texts.")
    parser.add_argument("--checkpoint", required=True, metavar="DIR", help="the folder of a training run")
    parser.add_argument("--top", type=number(int, 1), default=3, help="how many classes to print for each sample")
    parser.add_argument("--device", type=device, default="cpu", help=HELP)
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="a picture's path, or a text")
    args = parser.parse_args()

    trained = trained_in(Path(args.checkpoint), args.device)
    inputs = trained.inputs(args.inputs)  # all are read before anything is printed
    with F.no_grad():
        for name, x in inputs:
            probabilities = trained.forward(x).softmax(1)[0]
            values, indices = probabilities.topk(min(args.top, len(trained.classes)))
            guesses = ", ".join(
                f"{trained.classes[i]} {100 * v:.1f} %" for v, i in zip(values.tolist(), indices.tolist(), strict=True)
            )
            print(f"{name}: {guesses}")
    return 0


if __name__ == "__main__":
    run(main, "predict.py")
