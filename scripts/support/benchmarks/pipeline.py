"""The input pipeline: decoding, random crop, flip, normalisation, and batches from a loader with two workers."""

from __future__ import annotations

import atexit
import importlib
import io
import shutil
import sys
import tempfile
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from support.benchmarks.peer import Peer, Work

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
WORKERS = 2


def photographs(folder: Path, count: int, width: int, height: int) -> None:
    """JPEG files of ImageNet's usual size, as smooth and as noisy as photographs."""
    rng = np.random.default_rng(0)
    (folder / "class").mkdir()
    for number in range(count):
        rough = rng.integers(0, 256, (height // 25, width // 25, 3), dtype=np.uint8)
        smooth = np.asarray(Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC), np.int16)
        pixels = np.clip(smooth + rng.normal(0, 12, smooth.shape), 0, 255).astype(np.uint8)
        data = io.BytesIO()
        Image.fromarray(pixels).save(data, "JPEG", quality=90)
        (folder / "class" / f"{number:04}.jpg").write_bytes(data.getvalue())


def vision_of(lib: Any) -> Any:
    """The library of pictures beside a library of tensors."""
    if lib.__name__ != "torch":
        return importlib.import_module("vision")
    # torchvision's wheel is built for CUDA, and can't register operators that this does without
    sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("torchvision._meta_registrations"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("torchvision")


def epoch(peer: Peer) -> Work:
    """A pass over a folder of photographs, in batches of 32."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    photographs(Path(folder), peer.size(256, 4), peer.size(500, 40), peer.size(375, 30))
    vision = vision_of(peer.lib)
    T = importlib.import_module(f"{vision.__name__}.transforms")
    size = peer.size(224, 16)
    transform = T.Compose([T.RandomResizedCrop(size), T.RandomHorizontalFlip(), T.ToTensor(), T.Normalize(MEAN, STD)])
    images = importlib.import_module(f"{vision.__name__}.datasets").ImageFolder(folder, transform=transform)
    data = importlib.import_module(f"{peer.lib.__name__}.utils.data")
    loader = data.DataLoader(
        images, peer.size(32, 2), shuffle=True, num_workers=peer.size(WORKERS, 0), persistent_workers=not peer.small
    )

    def step() -> Any:
        for x, _ in loader:
            last = x
        return last.mean()

    return Work(step)
