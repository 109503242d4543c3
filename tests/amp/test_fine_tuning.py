"""Fine-tuning in bfloat16 beside float32, on real data where it is there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def accuracy(folder: Path, *arguments: object) -> float:
    """The accuracy that the training script ends with."""
    command = [
        sys.executable,
        str(ROOT / "scripts" / "train_classifier.py"),
        *map(str, arguments),
        "--out",
        str(folder),
    ]
    done = subprocess.run(command, cwd=folder.parent, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "summary.json").read_text())["metrics"]["accuracy"]


@pytest.mark.slow
def test_a_head_learns_as_much_in_bfloat16(realdata, tmp_path):
    """Ants and bees by a frozen net: within half a point on 153 pictures is the same number of them, or one more."""
    weights = next((realdata / "squeezenet1_1").glob("*.safetensors"))
    arguments = ("--data", realdata / "hymenoptera-256", "--model", "squeezenet1_1", "--weights", weights, "--freeze", "backbone",
                 "--cache-features", 1, "--epochs", 20)  # fmt: skip
    found = [accuracy(tmp_path / amp, *arguments, "--amp", amp) for amp in ("off", "bf16")]
    assert found[0] > 0.85 and abs(found[0] - found[1]) <= 0.007
