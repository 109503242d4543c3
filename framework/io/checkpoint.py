"""Training checkpoints: all that a run needs to go on as if it had never stopped, in one file, written atomically."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from framework import cuda
from framework.io.serialization import load, save
from framework.io.weights import FileFormatError
from framework.random import get_rng_state, set_rng_state

VERSION = 1


def save_checkpoint(path: str | os.PathLike[str], **parts: Any) -> None:
    """Write a checkpoint of everything given, and of the random state, of GPUs too where they are in use.

    Args:
        path: the file. A kill while it is written leaves the one that was there.
        parts: what to keep, by name. What has a ``state_dict()`` (model, optimizer, schedule, average, loader, sampler)
            is kept by it; plain data is kept as it is.

    Example:
        >>> save_checkpoint("run/last.ckpt", model=model, optimizer=optimizer, loader=loader, epoch=3)
    """
    states = {name: part.state_dict() if hasattr(part, "state_dict") else part for name, part in parts.items()}
    kept = {"version": VERSION, "random": get_rng_state(), "parts": states}
    if cuda.is_initialized():
        kept["random_cuda"] = cuda.get_rng_state_all()
    save(kept, path)


def load_checkpoint(path: str | os.PathLike[str], **parts: Any) -> dict[str, Any]:
    """Restore the parts given from a checkpoint, and the random state. Returns all parts' states by name.

    Args:
        path: the file.
        parts: objects with ``load_state_dict``, under the names they were saved by.

    Raises:
        FileFormatError: the file is no checkpoint, or does not hold one of the parts.
    """
    found = load(path)
    if not isinstance(found, dict) or "parts" not in found:
        raise FileFormatError(f"{path}: not a training checkpoint; give one that a training run wrote")
    if found["version"] > VERSION:
        raise FileFormatError(f"{path}: written by a newer version of eagerkit; update to read it")
    states = found["parts"]
    absent = [name for name in parts if name not in states]
    if absent:
        raise FileFormatError(f"{path}: holds no {', '.join(absent)}; it has {', '.join(states)}")
    for name, part in parts.items():
        part.load_state_dict(states[name])
    set_rng_state(found["random"])
    if cuda.is_initialized():
        for index, state in zip(range(cuda.device_count()), found.get("random_cuda", ())):
            cuda.set_rng_state(state, index)
    return dict(states)


def newest(folder: str | os.PathLike[str], pattern: str = "*.ckpt") -> Path | None:
    """The checkpoint of a folder that was written last, or None."""
    files = sorted(Path(folder).glob(pattern), key=lambda p: (p.stat().st_mtime_ns, p.name))
    return files[-1] if files else None
