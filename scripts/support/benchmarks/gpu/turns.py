"""Two processes on one card, and a case that they run in turn.

Each side has a process of its own: two allocators in one would squeeze each other, and both libraries would have to share
the first cuDNN and cuBLAS that either loads. Both stay on the card through a case and take turns of a second, so that they
meet the same clocks, temperature and neighbours; the side that waits has no work there and costs the other nothing but
the memory that it holds. For the next case both begin afresh, since after an error of the device a process is lost.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Protocol, Self

from support.benchmarks.runs import SCRIPTS, CaseError

PATIENCE = 600.0  # seconds for an answer; the first one compiles


class Asked(Protocol):
    """What answers requests: a ``Side``, or the process that holds one."""

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """The answer to a request."""


Opener = Callable[[str], AbstractContextManager[Asked]]


@dataclass
class Figures:
    """One side of a case.

    Args:
        turns: the milliseconds of the steps of each turn.
        peak_mb: memory at most.
        fallbacks: of ours, the calls of ``KEPT`` steps that came to the generic kernels, by family and reason.
        amount: the operations or bytes of a step; of PyTorch's nets they are not counted.
    """

    turns: list[list[float]] = field(repr=False)
    peak_mb: float
    fallbacks: dict[str, int] = field(default_factory=dict)
    amount: int = 0

    @property
    def ms(self) -> float:
        """The median of the turns' medians."""
        return median(self.medians)

    @property
    def medians(self) -> list[float]:
        """Of each turn."""
        return [median(turn) for turn in self.turns]

    @property
    def best(self) -> float:
        """The shortest step."""
        return min(map(min, self.turns))


def compare(name: str, sides: list[str], opened: Opener, rounds: int, seconds: float) -> dict[str, Figures]:
    """A case's figures, by side, each in a process that begins and ends with it.

    Raises:
        CaseError: a side failed.
    """
    with ExitStack() as stack:
        asked = {side: stack.enter_context(opened(side)) for side in sides}
        return take_turns(name, asked, rounds, seconds)


def take_turns(name: str, asked: dict[str, Asked], rounds: int, seconds: float) -> dict[str, Figures]:
    """All make a case ready, one after another; take ``rounds`` turns of so many seconds; and say what it took."""
    for one in asked.values():
        one.ask("build", case=name)
    turns: dict[str, list[list[float]]] = {side: [] for side in asked}
    for _ in range(rounds):
        for side, one in asked.items():
            turns[side].append(one.ask("turn", seconds=seconds)["ms"])
    return {side: Figures(turns[side], **one.ask("finish")) for side, one in asked.items()}


class Process:
    """A ``Side`` in a process of its own, which ends with the context."""

    def __init__(self, side: str, device: str, small: bool = False) -> None:
        self.side, self._late = side, False
        path = os.pathsep.join([str(SCRIPTS), str(SCRIPTS.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [sys.executable, "-m", "support.benchmarks.gpu.side", side, device, *(["small"] if small else [])]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - __exit__ closes it
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True,
            env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """The answer to a request.

        Raises:
            CaseError: the side met an error, or died, or said nothing for ``PATIENCE`` seconds.
        """
        clock = threading.Timer(PATIENCE, self._give_up)
        clock.start()
        try:
            line = self._exchange(json.dumps({"do": do, **request}))
        finally:
            clock.cancel()
        answer: dict[str, Any] = json.loads(line) if line else {"error": self._end()}
        if "error" in answer:
            raise CaseError(f"{self.side}: {answer['error']}")
        return answer

    def _exchange(self, line: str) -> str:
        to, back = self._process.stdin, self._process.stdout
        try:
            print(line, file=to, flush=True)
        except BrokenPipeError:
            return ""
        return "" if back is None else back.readline()

    def _give_up(self) -> None:
        self._late = True
        self._process.kill()

    def _end(self) -> str:
        """Why the process died, in its last words."""
        code = self._process.wait()
        if self._late:
            return f"no answer in {PATIENCE:.0f} seconds"
        self._errors.seek(0)
        words = self._errors.read().strip().splitlines()
        return words[-1] if words else f"the process ended with exit code {code}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()
