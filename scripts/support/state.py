"""Where a run stands, and the checkpoints that keep it."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import framework as F
from framework.errors import ArgumentError
from framework.io import load_checkpoint, save_checkpoint

SECONDS = 20.0  # between two checkpoints, unless ``--checkpoint-steps`` says otherwise
SHARE = 0.02  # of the time goes into writing large ones at most
STEPS = 20  # whose losses a GPU is asked for at once


class State:
    """Where a run stands, beside what the model, the optimizer and the loader keep themselves."""

    def __init__(self) -> None:
        self.epoch = 0
        self.step = 0  # batches in all
        self.loss_sum = 0.0  # since the last row of the history
        self.seen = 0
        self.seconds = 0.0
        self.history: list[dict[str, Any]] = []

    def state_dict(self) -> dict[str, Any]:
        """Plain data."""
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what ``state_dict`` gave."""
        vars(self).update(state)


class Losses:
    """Adds the losses of steps to a run's state. A GPU is not waited for at every one of them, but asked for several at once.

    Args:
        state: takes ``loss_sum`` and ``seen``.
        lr: the learning rate, for the error.
        device: where the losses lie.
    """

    def __init__(self, state: State, lr: float, device: str) -> None:
        self._state, self._lr = state, lr
        self._at_once = 1 if device == "cpu" else STEPS
        self._waiting: list[tuple[Any, int]] = []

    def add(self, loss: Any, samples: int) -> None:
        """Count a step, and the mean loss of its samples.

        Raises:
            ArgumentError: the loss of this step or of one before is not finite.
        """
        self._state.step += 1
        self._state.seen += samples
        self._waiting.append((loss.detach(), samples))
        if len(self._waiting) >= self._at_once:
            self.read()

    def read(self) -> None:
        """Bring the state up to date."""
        if not self._waiting:
            return
        values = F.stack([loss for loss, _ in self._waiting]).tolist()
        first = self._state.step - len(values) + 1
        for step, (value, (_, samples)) in enumerate(zip(values, self._waiting, strict=True), first):
            self._state.loss_sum += value * samples
            if not math.isfinite(self._state.loss_sum):
                raise ArgumentError(f"the loss is not finite at step {step}; try a smaller --lr (it is {self._lr})")
        self._waiting.clear()


class Checkpoints:
    """Keeps the parts of a run, and says when it is time to.

    Args:
        parts: what a run goes on from, by name; ``state`` is its ``State``.
        every: steps between checkpoints; None for seconds.
        began: when the run, or this part of it, began, by ``time.monotonic``.
    """

    def __init__(self, parts: dict[str, Any], every: int | None, began: float) -> None:
        self.parts, self.every, self.state = parts, every, parts["state"]
        self._began = began
        self._saved, self._pause = time.monotonic(), SECONDS

    def load(self, path: Path) -> None:
        """Put the parts back.

        Raises:
            FileFormatError: the file is damaged.
            ArgumentError: it is of another model or other data.
        """
        try:
            load_checkpoint(path, **self.parts)
        except (RuntimeError, KeyError) as error:
            raise ArgumentError(f"{path}: does not fit this model and data: {error}") from None
        self._began -= self.state.seconds

    def due(self) -> bool:
        """Whether it is time for one, after a step."""
        if self.every:
            return self.state.step % self.every == 0
        return time.monotonic() - self._saved > self._pause

    def save(self, path: Path) -> None:
        """Write one."""
        start = time.monotonic()
        self.state.seconds = start - self._began
        save_checkpoint(path, **self.parts)
        self._saved = time.monotonic()
        self._pause = max(SECONDS, (self._saved - start) / SHARE)
