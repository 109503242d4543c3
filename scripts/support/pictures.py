"""Pictures of a run: its curves, its worst mistakes, its confusions. Drawn where Matplotlib is installed."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from framework.io import atomic_path
from support.goals import Goal


def draw_curves(folder: Path, history: list[dict[str, Any]], held_out: str, goal: Goal) -> None:
    """A picture of the loss and the goal's headline over the epochs, where Matplotlib is installed."""
    if importlib.util.find_spec("matplotlib") is None:
        return
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in history]
    left.plot(epochs, [row["train_loss"] for row in history], marker="o", label="training")
    left.plot(epochs, [row["loss"] for row in history], marker="o", label=held_out)
    left.set(xlabel="epoch", ylabel="loss")
    left.legend()
    values = [row[goal.headline] * (100 if goal.unit else 1) for row in history]
    right.plot(epochs, values, marker="o", color="C2")
    right.set(xlabel="epoch", ylabel=f"{held_out} {goal.headline}{goal.unit and ', %'}")
    _store(figure, folder / "curves.png")


def draw_losses(folder: Path, history: list[dict[str, Any]]) -> None:
    """A picture of a language model's losses over the steps, where Matplotlib is installed."""
    if importlib.util.find_spec("matplotlib") is None:
        return
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.subplots()
    for name, label in (("train_loss", "training"), ("loss", "validation")):
        axes.plot([row["step"] for row in history], [row[name] for row in history], marker="o", label=label)
    axes.set(xlabel="step", ylabel="loss, nats a token")
    axes.legend()
    _store(figure, folder / "curves.png")


def draw_mistakes(folder: Path, dataset: Any, classes: list[str], scores: Any, targets: Any, count: int = 24) -> None:
    """A picture of the test pictures that were got wrong with the most confidence, where Matplotlib is installed."""
    if importlib.util.find_spec("matplotlib") is None:
        return
    from matplotlib.figure import Figure

    guesses = scores.argmax(1)
    wrong = np.flatnonzero(guesses != targets)
    worst = wrong[np.argsort(-scores[wrong, guesses[wrong]])][:count]
    if not len(worst):
        return
    figure = Figure(figsize=(12, 1.9 * -(-len(worst) // 8)), layout="constrained")
    for place, index in enumerate(worst, 1):
        image = dataset[int(index)][0].numpy()
        low, high = image.min(), image.max()
        image = (image - low) / (high - low if high > low else 1)
        axes = figure.add_subplot(-(-len(worst) // 8), 8, place)
        axes.imshow(image[0] if len(image) == 1 else image.transpose(1, 2, 0), cmap="gray")
        axes.set_title(f"{classes[targets[index]]} as {classes[guesses[index]]}", fontsize=8)
        axes.axis("off")
    _store(figure, folder / "mistakes.png")


def draw_confusion(path: Path, matrix: Any, classes: list[str]) -> bool:
    """A picture of a confusion matrix, true classes down and guesses across; whether it could be drawn."""
    if importlib.util.find_spec("matplotlib") is None:
        return False
    from matplotlib.figure import Figure

    counts = np.asarray(matrix)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = min(3 + 0.35 * len(classes), 30)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="guess", ylabel="class", xticks=range(len(classes)), yticks=range(len(classes)))
    axes.set_xticklabels(classes, rotation=90)
    axes.set_yticklabels(classes)
    if len(classes) <= 30:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                colour = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=8)
    _store(figure, path)
    return True


def _store(figure: Any, path: Path) -> None:
    with atomic_path(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a script that Matplotlib's own font lacks is drawn as boxes
        figure.savefig(temporary, format="png", dpi=100)
