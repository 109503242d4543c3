"""A tiny data set on disk, and a way to run the scripts as a user does."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.scripts.running import start


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """Three classes of 20 small pictures, told apart by their colour."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for number, name in enumerate(("blue", "green", "red")):
        (folder / name).mkdir()
        for index in range(20):
            pixels = rng.integers(0, 120, (20, 24, 3), dtype=np.uint8)
            pixels[..., 2 - number] += 100
            Image.fromarray(pixels).save(folder / name / f"{index:02d}.png")
    return folder


@pytest.fixture
def script(tmp_path):
    """Run a script to its end in a fresh folder: (exit code, stdout, stderr)."""

    def run(name, *arguments, timeout=120):
        process = start(name, *arguments, cwd=tmp_path)
        out, err = process.communicate(timeout=timeout)
        return process.returncode, out, err

    return run
