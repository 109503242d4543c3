"""Programs written for PyTorch run here unchanged but for the import, and give the same numbers.

Each file in tests/port has a ``main(start)``. Its text is executed twice: as it is, and with framework in torch's
place. ``start(model)`` records the initial weights in the first run and loads them in the second.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import framework

torch = pytest.importorskip("torch")

PROGRAMS = sorted((Path(__file__).parent / "port").glob("*.py"))


def ported(text: str) -> str:
    """The program with framework in torch's place."""
    text = re.sub(r"^import torch$", "import framework as torch", text, flags=re.M)
    return re.sub(r"^(\s*)(from|import) torch\b", r"\1\2 framework", text, flags=re.M)


def run(path: Path, text: str, start):
    names = {"__name__": f"port_{path.stem}"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old spellings are meant
        exec(compile(text, str(path), "exec"), names)
        return names["main"](start)


def plain(value):
    """A result as NumPy arrays and Python values."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, torch.Tensor | framework.Tensor):
        return value.detach().cpu().numpy()
    return value


def compare(name, mine, theirs):
    assert type(mine) is type(theirs), name
    if isinstance(mine, dict):
        assert mine.keys() == theirs.keys(), name
        for key in mine:
            compare(f"{name}[{key!r}]", mine[key], theirs[key])
    elif isinstance(mine, list):
        assert len(mine) == len(theirs), name
        for i, (a, b) in enumerate(zip(mine, theirs, strict=True)):
            compare(f"{name}[{i}]", a, b)
    elif isinstance(mine, float | np.ndarray):
        assert np.shape(mine) == np.shape(theirs), name
        assert getattr(mine, "dtype", None) == getattr(theirs, "dtype", None), name
        np.testing.assert_allclose(mine, theirs, rtol=2e-4, atol=2e-5, err_msg=name)
    else:
        assert mine == theirs, name


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_a_program_for_pytorch_runs_here_with_the_same_numbers(path):
    text = path.read_text()
    weights = []

    def record(model):
        weights.append({k: v.clone().numpy() for k, v in model.state_dict().items()})
        return model

    def load(model):
        model.load_state_dict({k: framework.tensor(v) for k, v in weights.pop(0).items()})
        return model

    torch.manual_seed(0)
    theirs = plain(run(path, text, record))
    mine = plain(run(path, ported(text), load))
    compare(path.stem, mine, theirs)
