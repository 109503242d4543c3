"""Print the classes of new pictures: ``python scripts/predict.py --checkpoint runs/digits-small_cnn picture.png``."""

from __future__ import annotations

from pathlib import Path

from support.console import Parser, number, run
from support.run import load_model

import framework as F
from vision.io import open_image


def main() -> int:
    """The exit code."""
    parser = Parser(prog="predict.py", description="Print the classes of new pictures.")
    parser.add_argument("--checkpoint", required=True, metavar="DIR", help="the folder of a training run")
    parser.add_argument("--top", type=number(int, 1), default=3, help="how many classes to print for each picture")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("images", nargs="+", metavar="IMAGE")
    args = parser.parse_args()

    model, classes, preparation = load_model(Path(args.checkpoint))
    model.to(args.device)
    transform = preparation.new_picture()
    pictures = [open_image(path) for path in args.images]  # all are read before anything is printed
    with F.no_grad():
        for path, picture in zip(args.images, pictures, strict=True):
            probabilities = model(transform(picture).unsqueeze(0).to(args.device)).softmax(1)[0]
            values, indices = probabilities.topk(min(args.top, len(classes)))
            guesses = ", ".join(
                f"{classes[i]} {100 * v:.1f} %" for v, i in zip(values.tolist(), indices.tolist(), strict=True)
            )
            print(f"{path}: {guesses}")
    return 0


if __name__ == "__main__":
    run(main, "predict.py")
