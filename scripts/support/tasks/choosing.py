"""Which task is meant: by the data and the model, or by the settings of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from framework.io import FileFormatError
from support import run as runs
from support.tasks.images import ImageTask, TrainedOnImages
from support.tasks.task import Task, Trained
from support.tasks.text import TextTask, TrainedOnTexts

TASKS: dict[str, tuple[type[Task], type[Trained]]] = {
    task.kind: (task, trained) for task, trained in ((ImageTask, TrainedOnImages), (TextTask, TrainedOnTexts))
}


def task_for(args: Any) -> type[Task]:
    """The task that a command line means."""
    return TextTask if TextTask.meant_by(args) else ImageTask


def task_of(folder: Path) -> type[Task]:
    """The task of a run."""
    return _entry(folder)[0]


def trained_in(folder: Path, device: str) -> Trained:
    """The model of a run's folder, in evaluation mode.

    Raises:
        FileNotFoundError, FileFormatError: the folder is no run's folder.
    """
    return _entry(folder)[1](folder, device)


def _entry(folder: Path) -> tuple[type[Task], type[Trained]]:
    kind = runs.read_settings(folder)["task"]
    if kind not in TASKS:
        raise FileFormatError(f"{folder / runs.SETTINGS}: not of a classifier's run, but of {kind!r}")
    return TASKS[kind]
