"""Starting a script as a user does, and what it left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from framework.io import load_file

ROOT = Path(__file__).parents[2]


def start(script, *arguments, cwd):
    """Start a script in a folder of its own; the caller waits for it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "scripts" / script), *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    )  # fmt: skip


def one_line(err):
    """Whether a script said one line, as it does of bad input."""
    return len([line for line in err.splitlines() if line.strip()]) == 1 and "Traceback" not in err


def weights(folder):
    """The bytes of each of a run's weights."""
    return {name: t.numpy().tobytes() for name, t in load_file(folder / "model.safetensors").items()}


def metrics(folder):
    """The rows of a run's metrics."""
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
