"""Pooling of regions against plain loops over every sample and pixel, and against torchvision's own Python path."""

from __future__ import annotations

import math

import numpy as np
import pytest

import framework as F
from framework.autograd import gradcheck, gradgradcheck
from framework.errors import ArgumentError, BoundsError, DtypeError, ShapeError
from framework.kernels.generic.boxes import PART
from tests.vision.peer import torchvision
from vision import ops

BOXES = [
    [0, 0.3, 0.2, 5.7, 4.0],
    [1, -2.0, -2.0, 3.0, 3.3],  # begins outside
    [1, 4.0, 4.0, 20.0, 21.0],  # ends outside
    [0, 3.0, 3.0, 3.0, 3.0],  # without an area
    [1, 5.0, 5.0, 2.0, 2.5],  # turned inside out
    [0, 0.0, 0.0, 11.0, 17.0],
    [0, 40.0, 40.0, 50.0, 50.0],  # all outside
    [1, 2.5, 1.5, 6.5, 3.5],  # halves
]


def bilinear(plane, y, x):
    height, width = plane.shape
    if y < -1 or y > height or x < -1 or x > width:
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    i, j = int(y), int(x)
    i2, j2, u, v = min(i + 1, height - 1), min(j + 1, width - 1), y - i, x - j
    return (
        plane[i, j] * (1 - u) * (1 - v)
        + plane[i, j2] * (1 - u) * v
        + plane[i2, j] * u * (1 - v)
        + plane[i2, j2] * u * v
    )


def align(x, rois, bins, scale, ratio, aligned, own_channels=False):
    count = bins[0] * bins[1]
    channels = x.shape[1] // count if own_channels else x.shape[1]
    out = np.zeros((len(rois), channels, *bins))
    for k, (owner, *box) in enumerate(rois):
        left, top, right, bottom = (v * scale - (0.5 if aligned else 0) for v in box)
        w, h = right - left, bottom - top
        if not aligned:
            w, h = max(w, 1.0), max(h, 1.0)
        step = h / bins[0], w / bins[1]
        grid = [ratio if ratio > 0 else max(math.ceil(s), 0) for s in step]
        for c, i, j in np.ndindex(channels, *bins):
            plane = x[int(owner), (c * bins[0] + i) * bins[1] + j if own_channels else c]
            values = [
                bilinear(plane, top + (i + (a + 0.5) / grid[0]) * step[0], left + (j + (b + 0.5) / grid[1]) * step[1])
                for a, b in np.ndindex(*grid)
            ]
            out[k, c, i, j] = sum(values) / max(len(values), 1)
    return out


def pool(x, rois, bins, scale, own_channels=False):
    height, width = x.shape[2:]
    extra, last = (0, 1) if own_channels else (1, 0)
    channels = x.shape[1] // (bins[0] * bins[1]) if own_channels else x.shape[1]
    out = np.zeros((len(rois), channels, *bins))
    for k, (owner, *box) in enumerate(rois):
        left, top, right, bottom = (int(math.copysign(math.floor(abs(v * scale) + 0.5), v)) for v in box)
        step = max(bottom - top + extra, 1) / bins[0], max(right - left + extra, 1) / bins[1]
        for c, i, j in np.ndindex(channels, *bins):
            rows = [min(max(f(v * step[0]) + top, 0), height - last) for f, v in ((math.floor, i), (math.ceil, i + 1))]
            cols = [min(max(f(v * step[1]) + left, 0), width - last) for f, v in ((math.floor, j), (math.ceil, j + 1))]
            plane = x[int(owner), (c * bins[0] + i) * bins[1] + j if own_channels else c]
            window = plane[slice(*rows), slice(*cols)]
            if window.size:
                out[k, c, i, j] = window.mean() if own_channels else window.max()
    return out


CASES = {
    "align": (
        3,
        lambda x, r, bins, scale: ops.roi_align(x, r, bins, scale, 2),
        lambda x, r, bins, scale: align(x, r, bins, scale, 2, False),
    ),
    "align-whole-pixels": (
        3,
        lambda x, r, bins, scale: ops.roi_align(x, r, bins, scale, 3, True),
        lambda x, r, bins, scale: align(x, r, bins, scale, 3, True),
    ),
    "align-adaptive": (
        3,
        lambda x, r, bins, scale: ops.roi_align(x, r, bins, scale),
        lambda x, r, bins, scale: align(x, r, bins, scale, -1, False),
    ),
    "align-adaptive-whole-pixels": (
        3,
        lambda x, r, bins, scale: ops.roi_align(x, r, bins, scale, 0, True),
        lambda x, r, bins, scale: align(x, r, bins, scale, 0, True),
    ),
    "pool": (3, ops.roi_pool, pool),
    "own-align": (
        24,
        lambda x, r, bins, scale: ops.ps_roi_align(x, r, bins, scale, 2),
        lambda x, r, bins, scale: align(x, r, bins, scale, 2, True, True),
    ),
    "own-align-adaptive": (
        24,
        lambda x, r, bins, scale: ops.ps_roi_align(x, r, bins, scale),
        lambda x, r, bins, scale: align(x, r, bins, scale, -1, True, True),
    ),
    "own-pool": (24, ops.ps_roi_pool, lambda x, r, bins, scale: pool(x, r, bins, scale, True)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("bins", [(2, 3), (1, 2), (4, 2)])
@pytest.mark.parametrize("scale", [1.0, 0.5, 0.7])
def test_values_are_those_of_plain_loops(name, bins, scale, rng):
    channels, ours, plain = CASES[name]
    x = rng.standard_normal((2, channels, 17, 11))
    rois = np.array(BOXES)
    found = ours(F.from_numpy(x), F.from_numpy(rois), bins, scale)
    np.testing.assert_allclose(found.numpy(), plain(x, rois, bins, scale), rtol=1e-9, atol=1e-12)
    single = ours(F.from_numpy(x.astype("float32")), F.from_numpy(rois.astype("float32")), bins, scale)
    assert single.dtype == F.float32
    np.testing.assert_allclose(single.numpy(), plain(x, rois.astype("float32"), bins, np.float32(scale)), atol=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_differences(name, rng):
    channels, ours, _ = CASES[name]
    x = F.from_numpy(rng.standard_normal((2, channels // 3 if channels == 3 else 12, 6, 5))).requires_grad_()
    rois = F.tensor(BOXES[:5] + BOXES[6:], dtype=F.float64)
    bins = (2, 3)

    def function(t):
        return ours(t, rois, bins, 0.7)

    assert gradcheck(function, x, fast_mode=True)
    assert gradgradcheck(function, x, fast_mode=True)


def test_a_tie_goes_to_the_first_pixel():
    x = F.ones(1, 1, 2, 2, requires_grad=True)
    ops.roi_pool(x, [F.tensor([[0.0, 0, 1, 1]])], 1).sum().backward()
    assert x.grad.tolist() == [[[[1, 0], [0, 0]]]]


@pytest.mark.parametrize("ratio", [2, -1])
@pytest.mark.parametrize("aligned", [True, False])
def test_values_and_gradients_are_those_of_torchvisions_python_path(ratio, aligned, rng):
    """Which takes no sample for zero, so that the boxes must lie inside."""
    torchvision()
    torch = pytest.importorskip("torch")
    import importlib

    theirs = importlib.import_module("torchvision.ops.roi_align")._roi_align.__wrapped__
    x = rng.standard_normal((2, 3, 17, 11))
    rois = np.array([BOXES[0], BOXES[5], BOXES[7], [1, 1.2, 2.2, 9.9, 9.1]])
    a, b = F.from_numpy(x).requires_grad_(), torch.from_numpy(x).requires_grad_()
    y = ops.roi_align(a, F.from_numpy(rois), (3, 2), 0.9, ratio, aligned)
    z = theirs(b, torch.from_numpy(rois), 0.9, 3, 2, ratio, aligned)
    np.testing.assert_allclose(y.numpy(force=True), z.detach().numpy(), rtol=1e-9, atol=1e-12)
    y.square().sum().backward(), z.square().sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("function", [ops.roi_align, ops.roi_pool, ops.ps_roi_align, ops.ps_roi_pool])
def test_boxes_in_a_list_and_layers_and_half_precision(function, rng):
    x = F.from_numpy(rng.standard_normal((3, 4, 9, 7)).astype("float32"))
    parts = [F.tensor([[0.0, 0, 5, 6], [1.0, 1, 6, 3]]), F.zeros(0, 4), F.tensor([[2.0, 2, 3, 8]])]
    rois = F.tensor([[0.0, 0, 0, 5, 6], [0.0, 1, 1, 6, 3], [2.0, 2, 2, 3, 8]])
    expected = function(x, rois, 2, 0.8)
    assert expected.shape == (3, 1 if "ps" in function.__name__ else 4, 2, 2)
    assert (function(x, parts, 2, 0.8) == expected).all()
    assert (function(x, tuple(parts), [2, 2], 0.8) == expected).all()
    last = x.to(memory_format=F.channels_last)
    assert (function(last, rois, 2, 0.8) == expected).all()
    half = function(x.half(), rois.half(), 2, 0.8)
    assert half.dtype == F.float16
    F.testing.assert_close(half.float(), function(x.half().float(), rois.half().float(), 2, 0.8), rtol=1e-3, atol=1e-3)
    assert function(x, rois[:0], 2).shape == (0, *expected.shape[1:])
    assert function(x, [F.zeros(0, 4)] * 3, 2).shape[0] == 0
    assert function(x, [], 2).shape[0] == 0
    layer = {
        "roi_align": lambda: ops.RoIAlign(2, 0.8, -1),
        "roi_pool": lambda: ops.RoIPool(2, 0.8),
        "ps_roi_align": lambda: ops.PSRoIAlign(2, 0.8, -1),
        "ps_roi_pool": lambda: ops.PSRoIPool(2, 0.8),
    }[function.__name__]()
    assert (layer(x, rois) == expected).all()
    assert "output_size=2, spatial_scale=0.8" in repr(layer)


@pytest.mark.parametrize("function", [ops.roi_align, ops.roi_pool, ops.ps_roi_align, ops.ps_roi_pool])
def test_boxes_that_are_not_finite_give_numbers(function, rng):
    x = F.from_numpy(rng.standard_normal((1, 4, 5, 5)))
    rois = F.tensor([[0, math.nan, 0, 3, 3], [0, 0, 0, math.inf, 3], [0, -1e30, 0, 3, 3]], dtype=F.float64)
    assert function(x, rois, 2, 1.0, *([2] if "align" in function.__name__ else [])).isfinite().all()


def test_many_boxes_are_shared_among_threads(rng):
    """Several threads give what one gives, values and gradients."""
    x = F.from_numpy(rng.standard_normal((2, 5, 60, 50)).astype("float32")).requires_grad_()
    corners = rng.random((300, 4)) * 30
    corners[:, 2:] += corners[:, :2]
    rois = F.from_numpy(np.insert(corners, 0, rng.integers(0, 2, 300), 1).astype("float32"))
    results = []
    before = F.get_num_threads()
    try:
        for count in (1, 2):
            F.set_num_threads(count)
            y, z = ops.roi_align(x, rois, 3, 1.0, 2), ops.roi_pool(x, rois, 3)
            assert y.numel() // 5 > PART
            results.append((y, z, *F.autograd.grad((y * y).sum() + z.sum(), x)))
    finally:
        F.set_num_threads(before)
    for one, two in zip(*results, strict=True):
        F.testing.assert_close(one, two, rtol=0, atol=0)


@pytest.mark.parametrize(
    "x, boxes, error",
    [
        (F.ones(3, 4, 4), F.ones(1, 5), ShapeError),
        (F.ones(1, 4, 0, 4), F.ones(1, 5), ShapeError),
        (F.ones(1, 4, 4, 4), F.ones(1, 4), ShapeError),
        (F.ones(1, 4, 4, 4), F.ones(5), ShapeError),
        (F.ones(1, 4, 4, 4), [F.ones(1, 5)], ShapeError),
        (F.ones(1, 4, 4, 4), F.ones(1, 5), BoundsError),
        (F.ones(1, 4, 4, 4), -F.ones(1, 5), BoundsError),
        (F.ones(1, 4, 4, 4), [F.ones(1, 4)] * 2, BoundsError),
        (F.ones(1, 4, 4, 4), F.tensor([[math.nan, 0, 0, 1, 1]]), BoundsError),
        (F.ones(1, 4, 4, 4).long(), F.ones(1, 5), DtypeError),
        (F.ones(1, 4, 4, 4), F.ones(1, 5).long(), DtypeError),
        (F.ones(1, 4, 4, 4), "boxes", ArgumentError),
    ],
)
@pytest.mark.parametrize("function", [ops.roi_align, ops.roi_pool, ops.ps_roi_align, ops.ps_roi_pool])
def test_what_does_not_fit_is_refused(function, x, boxes, error):
    with pytest.raises(error, match=function.__name__):
        function(x, boxes, 2)


@pytest.mark.parametrize("function", [ops.ps_roi_align, ops.ps_roi_pool])
def test_channels_must_divide_into_bins(function):
    with pytest.raises(ShapeError, match="multiple"):
        function(F.ones(1, 5, 4, 4), F.zeros(1, 5), 2)
