"""One side of a comparison: it makes a case ready, times it when it is its turn, and says what it took.

``python -m support.benchmarks.gpu.side SIDE DEVICE [small]`` reads requests, a line of JSON each, and answers in kind.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from support.benchmarks import memory
from support.benchmarks.gpu.about import card, versions
from support.benchmarks.gpu.cases import CASES, CEILINGS, Load
from support.benchmarks.measuring import MEBI, MODULES
from support.benchmarks.peer import Peer

WARM_UP = (10, 1.0)  # steps and seconds, at least: plans are made, and algorithms chosen
CANDIDATES = 4  # that ours times for a convolution, the likeliest first: some take a second to compile
LEAD = 2  # steps of a turn that are not timed: the other side had the card's caches before
STEPS = (5, 500)  # of a turn, at least and at most
KEPT = 2  # steps in which memory and fallbacks are counted, after all that is timed: counting costs time

Step = Callable[[], Any]


class Side:
    """A library on a device, and the case that it is at.

    Args:
        name: "ours" or "torch".
        device: "cuda", or "cpu" to try the cases out.
        small: the cases in their smallest size.
    """

    def __init__(self, name: str, device: str, small: bool = False) -> None:
        self.name, self.device, self.small = name, device, small
        self.on_card = device.startswith("cuda")
        self.lib = lib = importlib.import_module(MODULES[name])
        if self.on_card and not lib.cuda.is_available():
            raise OSError(f"{lib.__name__} finds no CUDA GPU; install a build of it for CUDA, and look at the driver")
        lib.manual_seed(0)
        lib.set_float32_matmul_precision("high")
        lib.backends.cudnn.benchmark = True
        if name == "ours":
            lib.backends.cudnn.benchmark_limit = CANDIDATES
        self._case, self._seconds = "", 1.0
        self._load: Load | None = None

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """The answer to a request: "about", "build", "turn" or "finish"."""
        answers: dict[str, Callable[..., dict[str, Any]]] = {
            "about": self._about, "build": self._build, "turn": self._turn, "finish": self._finish,
        }  # fmt: skip
        return answers[do](**request)

    def _about(self) -> dict[str, Any]:
        return {**card(self.lib, self.on_card), "versions": versions(self.lib, self.on_card)}

    def _build(self, case: str) -> dict[str, Any]:
        """Make a case ready and warm it up."""
        self._case, self._load = case, None
        gc.collect()
        if self.on_card:
            self.lib.cuda.empty_cache()
        found = {**CASES, **CEILINGS}[case]
        with self.lib.device(self.device):  # around the making alone: PyTorch's mode costs every call time
            self._load = found.build(Peer(self.lib, found.channels_last, small=self.small))
        step, (steps, least) = self._load.work.step, (1, 0.0) if self.small else WARM_UP
        began, taken = time.perf_counter(), [0.0]
        while len(taken) <= steps or taken[-1] < least:
            step()
            self._wait()
            taken.append(time.perf_counter() - began)
        self._seconds = taken[-1] - taken[-2]  # the first steps compile
        return {}

    def _turn(self, seconds: float) -> dict[str, Any]:
        """Milliseconds of each of the steps that fit into a turn."""
        step, (least, most) = self._step, (2, 2) if self.small else STEPS
        steps = min(max(least, round(seconds / self._seconds)), most)
        taken = self._between_events(step, steps) if self.on_card else _by_clock(step, steps)
        self._seconds = min(self._seconds, sum(taken) / len(taken) / 1e3)
        return {"ms": taken}

    def _between_events(self, step: Step, steps: int) -> list[float]:
        """The device's own times: all steps are queued, with an event between two, and only then waited for."""
        events = [self.lib.cuda.Event(enable_timing=True) for _ in range(steps + 1)]
        for _ in range(LEAD):
            step()
        events[0].record()
        for event in events[1:]:
            step()
            event.record()
        events[-1].synchronize()
        return [first.elapsed_time(second) for first, second in pairwise(events)]

    def _finish(self) -> dict[str, Any]:
        """What the case took beside time: memory at most, of ours what fell back, and the amount of work."""
        lib, ours = self.lib, self.name == "ours"
        self._wait()
        if self.on_card:
            lib.cuda.reset_peak_memory_stats()
        else:
            memory.settle()
        kernels = importlib.import_module("framework.kernels") if ours else None
        if kernels is not None:
            kernels.reset_fallbacks()
        for _ in range(KEPT):
            self._step()
        self._wait()
        peak = lib.cuda.max_memory_allocated() if self.on_card else memory.held("VmHWM")
        found: dict[str, Any] = {"peak_mb": peak / MEBI}
        if kernels is not None:
            fallbacks = kernels.fallbacks().items()
            found["fallbacks"] = {f"{family}: {why}": count for (family, why), count in fallbacks}
        if self._load is not None and (ours or self._case in CEILINGS):  # a net's products are counted by our summary
            found["amount"] = self._load.amount()
        self._load = None
        return found

    @property
    def _step(self) -> Step:
        if self._load is None:
            raise OSError("no case is ready; ask for one with build")
        return self._load.work.step

    def _wait(self) -> None:
        if self.on_card:
            self.lib.cuda.synchronize()


def _by_clock(step: Step, steps: int) -> list[float]:
    times = [time.perf_counter()]
    for _ in range(steps):
        step()
        times.append(time.perf_counter())
    return [1e3 * (second - first) for first, second in pairwise(times)]


def serve(name: str, device: str, small: bool) -> None:
    """Answer requests until there are no more. What libraries print goes where errors do."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    side: Side | None = None
    for line in sys.stdin:
        try:
            side = side or Side(name, device, small)
            answer = side.ask(**json.loads(line))
        except Exception as error:  # told to the other process, which goes on with the next case
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], "small" in sys.argv[3:])
