"""A run's folder: its settings, its classes, its weights and its figures."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from framework.io import FileFormatError, atomic_write, load_file, save_file

CHECKPOINT, WEIGHTS, SETTINGS, CLASSES = "last.ckpt", "model.safetensors", "settings.json", "classes.txt"


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


def write_settings(folder: Path, args: Any, **facts: Any) -> None:
    """What builds the model and prepares its samples again; of a classifier also its classes, in the outputs' order.

    Args:
        args: the command line.
        facts: ``task``, ``model``, ``model_config``, ``preparation`` and perhaps ``classes``.
    """
    given = {k: v for k, v in vars(args).items() if k not in ("resume", "out")}
    write_json(folder / SETTINGS, {**facts, "arguments": given})
    if "classes" in facts:
        atomic_write(folder / CLASSES, "".join(f"{name}\n" for name in facts["classes"]))


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
        if not {"task", "model", "model_config", "preparation", "arguments"} <= set(settings):
            raise ValueError("keys are missing")
        return dict(settings)
    except ValueError as error:
        raise FileFormatError(f"{path}: not the settings of a run ({error})") from None


def read_weights(folder: Path) -> dict[str, Any]:
    """The weights of a run's folder by name.

    Raises:
        FileNotFoundError, FileFormatError: there are none yet, or they are damaged.
    """
    if not (folder / WEIGHTS).is_file():
        raise FileNotFoundError(f"{folder}: holds no {WEIGHTS} yet; let the run finish its first epoch")
    return load_file(folder / WEIGHTS)


def save_weights(folder: Path, model: Any) -> None:
    """The model's weights as a safetensors file."""
    save_file(model.state_dict(), folder / WEIGHTS, {"format": "pt"})


def write_metrics(folder: Path, history: list[dict[str, Any]]) -> None:
    """One line of JSON an epoch."""
    atomic_write(folder / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in history))


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
