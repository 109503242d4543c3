"""Our CUDA kernels of boxes against the generic ones, and through the ops of vision."""

from __future__ import annotations

import numpy as np
import pytest

import framework as F
from framework.kernels.generic import boxes as generic
from tests.gpu.forms import DOUBLE, SINGLE, agree, gaps, last, rows
from tests.gpu.host import run_cuda
from vision import ops

pytestmark = pytest.mark.skipif(run_cuda.why_not() is not None, reason=str(run_cuda.why_not()))


@pytest.fixture
def kernel(gpu):
    gpu.use("cuda")
    from framework.kernels.cuda import boxes

    return boxes


def some_boxes(count, dtype=SINGLE, seed=0):
    rng = np.random.default_rng(seed)
    corners = rng.random((count, 2)) * 20
    boxes = np.concatenate([corners, corners + rng.random((count, 2)) * 8], 1).astype(dtype)
    return boxes, np.round(rng.random(count), 2).astype(dtype)  # some scores are equal


@pytest.mark.parametrize("count", [1, 17, 64, 65, 300])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 1.0])
def test_suppression(gpu, kernel, count, threshold):
    for dtype in (SINGLE, DOUBLE):
        boxes, scores = some_boxes(count, dtype)
        if count > 20:
            boxes[5, 2], scores[7], boxes[9] = np.nan, np.nan, 0
            boxes[11] = boxes[12]
        kinds = np.random.default_rng(1).integers(0, 3, count)
        here, there = (boxes, scores), (gpu.xp.asarray(boxes), gpu.xp.asarray(scores))
        agree(kernel.nms(*there, threshold), generic.nms(*here, threshold), 0)
        agree(kernel.nms(*there, threshold, gpu.xp.asarray(kinds)), generic.nms(*here, threshold, kinds), 0)


def test_suppression_waits_once(gpu, kernel):
    boxes, scores = (gpu.xp.asarray(x) for x in some_boxes(100))
    if gpu.waits is not None:
        gpu.waits.clear()
        kernel.nms(boxes, scores, 0.5)
        assert len(gpu.waits) == 1


def test_the_threshold_itself_does_not_suppress(gpu, kernel):
    boxes = np.array([[0, 0, 2, 2], [0, 0, 2, 1]], SINGLE)  # overlap 0.5
    scores = gpu.xp.asarray(np.array([1, 0.5], SINGLE))
    assert len(kernel.nms(gpu.xp.asarray(boxes), scores, 0.5)) == 2
    assert len(kernel.nms(gpu.xp.asarray(boxes), scores, 0.4999)) == 1


def regions(dtype):
    boxes = some_boxes(9, dtype, 3)[0]
    boxes[7] = (-30, -30, -20, -20)  # outside of the map
    boxes[8] = (5, 5, 5, 5)
    boxes[6, 2] = np.nan
    return np.concatenate([np.arange(9)[:, None] % 2, boxes], 1).astype(dtype)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [2, -1])
@pytest.mark.parametrize("dtype", [SINGLE, DOUBLE], ids=str)
def test_regions(gpu, kernel, aligned, ratio, dtype):
    rng = np.random.default_rng(0)
    x, rois = rng.standard_normal((2, 3, 17, 11)).astype(dtype), regions(dtype)
    where = {"bins": (3, 2), "scale": 0.6, "ratio": ratio, "aligned": aligned}
    expected, state = generic.roi_align(x, rois, **where)
    g = rng.standard_normal(expected.shape).astype(dtype)
    gradient = generic.roi_align_gradient(g, rois, x.shape, state=state, **where)
    there = gpu.xp.asarray(rois)
    for form in (rows, last, gaps):
        y, state = kernel.roi_align(form(gpu.xp, x), there, **where)
        agree(y, expected, 2e-5 if dtype == SINGLE else 1e-12)
        found = kernel.roi_align_gradient(form(gpu.xp, g), there, x.shape, state=state, **where)
        agree(found, gradient, 2e-5 if dtype == SINGLE else 1e-12)


def test_a_region_of_no_map_is_nan(gpu, kernel):
    rois = gpu.xp.asarray(np.array([[1, 0, 0, 2, 2], [-1, 0, 0, 2, 2], [0, 0, 0, 2, 2]], SINGLE))
    x = gpu.xp.ones((1, 2, 4, 4), SINGLE)
    y, _ = kernel.roi_align(x, rois, (2, 2), 1.0, 2, True)
    assert np.isnan(y[:2].get()).all() and (y[2].get() == 1).all()


def test_what_is_declined(gpu, kernel):
    half = gpu.xp.zeros((3, 4), np.float16)
    assert "float16" in kernel.declines(half, half)
    assert kernel.declines(gpu.xp.zeros((0, 4), SINGLE), gpu.xp.zeros(0, SINGLE)) == "nothing to compute"


def test_ops_of_vision(gpu):
    gpu.use("cuda")
    boxes, scores = some_boxes(80)
    rng = np.random.default_rng(5)
    features, kinds = rng.standard_normal((2, 4, 12, 9)).astype(np.float32), rng.integers(0, 3, 80)
    results = []
    for device in ("cpu", "cuda"):
        corners, values = F.tensor(boxes, device=device), F.tensor(scores, device=device)
        kept = ops.nms(corners, values, 0.4)
        each = ops.batched_nms(corners, values, F.tensor(kinds, device=device), 0.4)
        x = F.tensor(features, device=device, requires_grad=True)
        y = ops.roi_align(x, [corners[:3], corners[3:5]], (3, 3), 0.5, 2, True)
        (y * y).sum().backward()
        results.append([t.detach().cpu().numpy() for t in (kept, each, y, x.grad)])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)
    assert "boxes" not in [family for family, _ in F.kernels.fallbacks()]


def test_pooling_waits_for_nothing(gpu, kernel):
    if gpu.waits is None:
        return
    x = F.randn(1, 2, 8, 8, device="cuda", requires_grad=True)
    boxes = F.tensor([[0.0, 1.0, 1.0, 6.0, 6.0]], device="cuda")
    gpu.waits.clear()
    ops.roi_align(x, boxes, 2, sampling_ratio=2).sum().backward()
    assert not gpu.waits
