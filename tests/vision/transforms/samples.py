"""Inputs for both libraries, and the comparison of what they make of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

import framework as F
from tests.vision.peer import torchvision
from vision import tv_tensors

HEIGHT, WIDTH = 41, 60
UPRIGHT = ("XYXY", "XYWH", "CXCYWH")
TURNED = ("XYWHR", "CXCYWHR", "XYXYXYXY")


def peer() -> tuple[Any, Any, Any]:
    """torchvision's transforms, their functions and its kinds of tensors."""
    torchvision()
    from torchvision import tv_tensors as kinds
    from torchvision.transforms import v2

    return v2, v2.functional, kinds


def pixels(shape: tuple[int, ...], dtype: str = "uint8", seed: int = 0) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.random(shape).astype(dtype) if "float" in dtype else rng.integers(0, 256, shape).astype(dtype)


def photo(mode: str = "RGB", height: int = HEIGHT, width: int = WIDTH) -> Image.Image:
    """A smooth image with some noise: its sums do not average out, as pure noise's do."""
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / 7) + np.cos(y / 9), np.sin((x + y) / 11), np.cos(x / 5 - y / 13)], -1)
    noise = np.random.default_rng(1).normal(0, 12, waves.shape)
    image = Image.fromarray(np.clip(waves * 60 + 128 + noise, 0, 255).astype(np.uint8))
    return image if mode == "RGB" else image.convert(mode)


def box_values(format: str, dtype: str = "float32", count: int = 12, seed: int = 0) -> np.ndarray[Any, Any]:
    """Boxes inside a HEIGHT x WIDTH image, or about so where they are turned."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, WIDTH - 20, count), rng.uniform(0, HEIGHT - 16, count)
    w, h, r = rng.uniform(4, 18, count), rng.uniform(4, 14, count), rng.uniform(-50, 55, count)
    turn = np.radians(r)
    x2, y2 = x + w * np.cos(turn), y - w * np.sin(turn)
    dx, dy = h * np.sin(turn), h * np.cos(turn)
    columns = {
        "XYXY": (x, y, x + w, y + h),
        "XYWH": (x, y, w, h),
        "CXCYWH": (x + w / 2, y + h / 2, w, h),
        "XYWHR": (x, y, w, h, r),
        "CXCYWHR": (x + w / 2, y + h / 2, w, h, r),
        "XYXYXYXY": (x, y, x2, y2, x2 + dx, y2 + dy, x + dx, y + dy),
    }
    return np.stack(columns[format], 1).astype(dtype)


def both_boxes(kinds: Any, values: np.ndarray[Any, Any], format: str, mode: str | None = "soft") -> tuple[Any, Any]:
    import torch

    options = {"format": format, "canvas_size": (HEIGHT, WIDTH), "clamping_mode": mode}
    theirs = kinds.BoundingBoxes(torch.from_numpy(values.copy()), **options)
    return theirs, tv_tensors.BoundingBoxes(F.from_numpy(values.copy()), **options)


def corners(values: np.ndarray[Any, Any], format: str) -> np.ndarray[Any, Any]:
    """The four corners (N, 4, 2) of turned boxes, reckoned here once more."""
    if format == "XYXYXYXY":
        return values.reshape(-1, 4, 2)
    x, y, w, h, r = values.astype(np.float64).T
    turn = np.radians(r)
    across, down = np.stack([np.cos(turn), -np.sin(turn)], 1), np.stack([np.sin(turn), np.cos(turn)], 1)
    first = np.stack([x, y], 1)
    if format == "CXCYWHR":
        first = first - across * w[:, None] / 2 - down * h[:, None] / 2
    steps = [0 * across, across * w[:, None], across * w[:, None] + down * h[:, None], down * h[:, None]]
    return np.stack([first + step for step in steps], 1)


def distance(found: Any, expected: Any, format: str) -> float:
    """How far the corners of boxes are apart at most; a turned box may begin at any of its corners."""
    one, other = np.asarray(found.numpy(), np.float64), np.asarray(expected.numpy(), np.float64)
    assert one.shape == other.shape
    if format in UPRIGHT:
        return float(np.abs(one - other).max())
    first, second = corners(one, format), corners(other, format)
    gaps = np.stack([np.abs(np.roll(first, k, 1) - second).max((1, 2)) for k in range(4)]).min(0)
    return float(np.nan_to_num(gaps).max())


def same_image(found: Any, expected: Any, within: float = 0.0) -> None:
    """Both images agree in kind, dtype, shape and values."""
    if isinstance(expected, Image.Image):
        assert found.mode == expected.mode
    else:
        assert str(found.dtype).split(".")[-1] == str(expected.dtype).split(".")[-1]
        found, expected = found.detach().numpy(), expected.detach().numpy()
    one, other = np.asarray(found), np.asarray(expected)
    assert one.shape == other.shape
    np.testing.assert_allclose(one.astype(np.float64), other.astype(np.float64), rtol=0, atol=within)
