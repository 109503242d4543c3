"""The files that data sets are made of: pictures of noise, lists, MATLAB's and idx arrays."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".ppm": "PPM"}
_drawn = iter(range(10**9))


def picture(path: Path, mode: str = "RGB", size: tuple[int, int] = (17, 11), levels: int = 256) -> None:
    """Noise as an image file; every one is different."""
    rng = np.random.default_rng(next(_drawn))
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = {"RGB": (3,), "L": (), "P": ()}[mode]
    image = Image.fromarray(rng.integers(0, levels, (size[1], size[0], *channels), dtype=np.uint8))
    if mode == "P":
        image.putpalette(list(range(256)) * 3)
    image.save(path, FORMATS[path.suffix.lower()])


def text(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def mat(path: Path, **arrays: Any) -> None:
    from scipy.io import savemat

    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, arrays)


def records(rows: list[tuple[Any, ...]], *names: str) -> np.ndarray:
    """Rows as a MATLAB array of structs."""
    out = np.zeros(len(rows), dtype=[(name, object) for name in names])
    for number, row in enumerate(rows):
        out[number] = row
    return out


def idx(array: np.ndarray, code: int = 8) -> bytes:
    """An array as an idx file."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape) + array.tobytes()
