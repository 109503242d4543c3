"""A whole comparison: processes in turn, and what their figures come to."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from support.benchmarks.cases import CASES
from support.benchmarks.measuring import MODULES

# in a process that has imported nothing else: the standard library's modules are a part of what an import costs
_IMPORT = """
import sys, time
began = time.perf_counter()
__import__(sys.argv[1])
print('{"ms": [%r]}' % ((time.perf_counter() - began) * 1e3))
"""
SCRIPTS = Path(__file__).parents[2]


class CaseError(OSError):
    """A process that measures a case came to a bad end."""


@dataclass
class Side:
    """The figures of one side of a case: a median of processes' medians, and the samples themselves."""

    ms: float
    step_mb: float | None
    process_mb: float | None
    samples: list[list[float]] = field(repr=False)


@dataclass
class Row:
    """A case and its sides; ``ratio`` is PyTorch's time over ours."""

    case: str
    what: str
    asked: float | None
    aim: float | None
    training: bool
    sides: dict[str, Side]
    flops: int | None

    @property
    def ratio(self) -> float | None:
        """PyTorch's time over ours: above 1, ours is faster."""
        return self.against("torch")

    def against(self, side: str) -> float | None:
        """Another side's time over ours."""
        return self.sides[side].ms / self.sides["ours"].ms if {"ours", side} <= set(self.sides) else None

    @property
    def gflops(self) -> float | None:
        """What ours computes in a second, in 10^9 operations."""
        return self.flops / self.sides["ours"].ms / 1e6 if self.flops and "ours" in self.sides else None


def in_own_process(request: dict[str, Any]) -> dict[str, Any]:
    """The figures of a request, measured in a fresh process."""
    path = os.pathsep.join([str(SCRIPTS), str(SCRIPTS.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path}
    if request["case"] == "import":
        command = [sys.executable, "-c", _IMPORT, MODULES[request["side"]]]
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        subprocess.run(command, capture_output=True, env=environment)  # compiles what an installation has compiled
    else:
        command = [sys.executable, "-m", "support.benchmarks.measuring", json.dumps(request)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit code {done.returncode}"
        raise CaseError(f"case {request['case']} of {request['side']} failed: {last}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(name: str, sides: list[str], rounds: int, settings: dict[str, Any]) -> Row:
    """A case's row: every side in a process of its own, in turn, ``rounds`` times."""
    case = CASES[name]
    taken: dict[str, list[dict[str, Any]]] = {side: [] for side in sides if side != "compiled" or case.compiles}
    for _ in range(rounds):
        for side, runs in taken.items():
            runs.append(in_own_process({**settings, "case": name, "side": side}))
    figures = {side: _summary(runs) for side, runs in taken.items()}
    flops = taken["ours"][0].get("flops") if "ours" in taken else None
    return Row(name, case.what, case.asked, case.aim, case.training, figures, flops)


def _summary(runs: list[dict[str, Any]]) -> Side:
    def middle(name: str) -> float | None:
        return statistics.median(run[name] for run in runs) if name in runs[0] else None

    ms = statistics.median(statistics.median(run["ms"]) for run in runs)
    return Side(ms, middle("step_mb"), middle("process_mb"), [run["ms"] for run in runs])


def ceilings(sides: list[str], rounds: int, settings: dict[str, Any]) -> dict[str, float]:
    """GFLOP/s that each side reaches at best; the machine's ceiling is the higher."""
    best = {side: 0.0 for side in sides if side != "compiled"}
    for _ in range(rounds):
        for side, rate in best.items():
            best[side] = max(rate, in_own_process({**settings, "case": "ceiling", "side": side})["gflops"])
    return best


def machine(threads: int) -> dict[str, Any]:
    """What the figures were taken on, with what, and when."""
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), model)
    found = {"python": platform.python_version()}
    for package in ("eagerkit", "numpy", "onednn-cpu-gomp", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "processor": model,
        "threads": threads,
        "system": f"{platform.system()} {platform.machine()}",
        "date": datetime.now(UTC).date().isoformat(),
        "versions": found,
    }


def as_json(row: Row) -> dict[str, Any]:
    """A row as the JSON file has it."""
    return {**asdict(row), "ratio": row.ratio, "gflops": row.gflops}
