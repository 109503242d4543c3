"""What the scripts need to know of a task: the rest of them is the same for pictures and for texts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from framework.errors import ArgumentError
from support import pictures
from support import run as runs
from support.goals import Classes, Goal


class Task(ABC):
    """A data set and how a model learns its classes.

    Made from the command line, or with the run's folder where a run goes on.

    Attributes:
        kind: as ``settings.json`` and ``summary.json`` name it.
        samples: what a user calls them.
        name: of the data.
        goal: what is learned: classes, or a number.
        classes: the classes' names, in the order of the model's outputs; none where a number is learned.
        train, test: (x, class number) samples to train on, and to measure after each epoch.
        held_out: what a user calls ``test``.
        final: what is measured at the end; ``test`` again unless the data bring more.
    """

    kind: ClassVar[str]
    samples: ClassVar[str]
    name: str
    classes: list[str]
    train: Any
    test: Any
    held_out = "test"
    goal: Goal = Classes

    @property
    def final(self) -> Any:
        return self.test

    @staticmethod
    @abstractmethod
    def settle(args: Any) -> None:
        """Fill in what the command line left open, and refuse what makes no sense."""

    @abstractmethod
    def build(self, args: Any) -> tuple[Any, dict[str, Any]]:
        """The model on its device, and the configuration that builds it again; ``args.model`` is its name afterwards."""

    @abstractmethod
    def train_loader(self, args: Any) -> Any:
        """Batches (x, y) of ``train``, in a new order each epoch."""

    @abstractmethod
    def test_loader(self, dataset: Any, args: Any) -> Any:
        """Batches (x, y) of a data set in its order, to measure on."""

    @staticmethod
    @abstractmethod
    def forward(model: Any, x: Any, device: str) -> Any:
        """What the model gives for a batch: class scores (N, classes), or numbers (N, 1)."""

    @abstractmethod
    def preparation(self) -> dict[str, Any]:
        """How samples are prepared for the model, as plain data for ``settings.json``."""

    def keep(self, folder: Path, model: Any) -> None:  # noqa: B027 - not every task has more to keep
        """Write what else is needed to use the model."""

    @abstractmethod
    def show_mistakes(self, folder: Path, scores: Any, targets: Any) -> None:
        """Write the samples of ``final`` that were got wrong with the most confidence."""

    def finish(self, folder: Path, history: list[dict[str, Any]], scores: Any, targets: Any) -> None:
        """Draw what a run ends with."""
        pictures.draw_curves(folder, history, self.held_out, self.goal)
        self.show_mistakes(folder, scores, targets)


class Trained(ABC):
    """A model that a run left in its folder, for new samples.

    Attributes:
        samples: what a user calls them.
        model: in evaluation mode, on its device.
        goal: what it learned.
        classes: the classes' names; none where it gives a number.
    """

    samples: ClassVar[str]
    goal: Goal = Classes

    def __init__(self, folder: Path, device: str) -> None:
        self.folder, self.device = folder, device
        self.settings = runs.read_settings(folder)
        self.classes: list[str] = self.settings.get("classes", [])
        self.model = self.load().to(device).eval()

    @abstractmethod
    def load(self) -> Any:
        """The model."""

    @abstractmethod
    def inputs(self, given: list[str]) -> list[tuple[str, Any]]:
        """(name, batch of one) for each sample that a command line names. All are read before any is returned."""

    @abstractmethod
    def forward(self, x: Any) -> Any:
        """What the model gives for a batch: class scores (N, classes), or numbers (N, 1)."""

    def of_table(self, path: Path, args: Any) -> tuple[list[str], Iterator[Any]]:
        """The names of a table's samples, and batches of them in its order.

        Raises:
            ArgumentError: samples do not come in tables.
        """
        raise ArgumentError(f"--data: tables are of texts; give the paths of {self.samples}")

    @abstractmethod
    def test_loader(self, args: Any) -> Any:
        """Batches (x, y) of what ``--data`` of ``evaluate.py`` names, in the model's class numbers."""
