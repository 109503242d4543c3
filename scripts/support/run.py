"""A run's folder: its settings, its weights, its figures and its pictures."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from framework.io import FileFormatError, atomic_path, atomic_write, load_file, save_file
from hub import create
from support.images import Preparation

CHECKPOINT, WEIGHTS, SETTINGS = "last.ckpt", "model.safetensors", "settings.json"


def choose_folder(wanted: str | None, name: str) -> Path:
    """The folder that ``--out`` names, or a new one under ``runs/``.

    Raises:
        FileExistsError: the folder holds a run already.
    """
    if wanted is not None:
        folder = Path(wanted)
        if folder.exists() and not folder.is_dir():
            raise FileExistsError(f"--out {wanted}: is a file; give a folder")
        if (folder / CHECKPOINT).exists():
            raise FileExistsError(
                f"--out {wanted}: holds a run already; go on with --resume {wanted}, or give another folder"
            )
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    number = 1
    while True:
        folder = Path("runs") / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            number += 1


def write_json(path: Path, content: Any) -> None:
    """A JSON file, written in one step."""
    atomic_write(path, json.dumps(content, indent=2) + "\n")


def read_settings(folder: Path) -> dict[str, Any]:
    """The settings of a run's folder.

    Raises:
        FileNotFoundError, FileFormatError: the folder is no run's folder.
    """
    path = folder / SETTINGS
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder}: not the folder of a run, since it holds no {SETTINGS}; give what --out named"
        )
    try:
        settings = json.loads(path.read_text())
        if not {"model", "model_config", "classes", "preparation"} <= set(settings):
            raise ValueError("keys are missing")
        return dict(settings)
    except ValueError as error:
        raise FileFormatError(f"{path}: not the settings of a run ({error})") from None


def load_model(folder: Path) -> tuple[Any, list[str], Preparation]:
    """The trained model of a run's folder in evaluation mode, its class names, and how pictures are prepared."""
    settings = read_settings(folder)
    model = create(settings["model"], **settings["model_config"])
    if not (folder / WEIGHTS).is_file():
        raise FileNotFoundError(f"{folder}: holds no {WEIGHTS} yet; let the run finish its first epoch")
    model.load_state_dict(load_file(folder / WEIGHTS))
    return model.eval(), settings["classes"], Preparation(**settings["preparation"])


def save_weights(folder: Path, model: Any) -> None:
    """The model's weights as a safetensors file."""
    save_file(model.state_dict(), folder / WEIGHTS)


def write_metrics(folder: Path, history: list[dict[str, Any]]) -> None:
    """One line of JSON an epoch."""
    atomic_write(folder / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in history))


def draw_curves(folder: Path, history: list[dict[str, Any]]) -> None:
    """A picture of loss and accuracy over the epochs, where Matplotlib is installed."""
    if importlib.util.find_spec("matplotlib") is None:
        return
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in history]
    left.plot(epochs, [row["train_loss"] for row in history], marker="o", label="training")
    left.plot(epochs, [row["loss"] for row in history], marker="o", label="test")
    left.set(xlabel="epoch", ylabel="loss")
    left.legend()
    right.plot(epochs, [100 * row["accuracy"] for row in history], marker="o", color="C2")
    right.set(xlabel="epoch", ylabel="test accuracy, %")
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


def _store(figure: Any, path: Path) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)


def resume_target(resume: str) -> tuple[Path, Path]:
    """(folder, checkpoint) that ``--resume`` names: a run's folder, or the checkpoint in it."""
    path = Path(resume)
    checkpoint = path / CHECKPOINT if path.is_dir() else path
    for litter in path.glob(".*.tmp") if path.is_dir() else ():
        litter.unlink(missing_ok=True)  # what a run that was killed had half written
    if not checkpoint.is_file():
        raise FileNotFoundError(
            f"--resume {resume}: there is no checkpoint {os.fspath(checkpoint)!r}; give the folder of a run"
        )
    return checkpoint.parent, checkpoint
