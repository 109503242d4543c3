"""Boxes: formats, areas, overlaps, losses, against torchvision's; rotated overlaps against a clipped polygon."""

from __future__ import annotations

import math

import numpy as np
import pytest

import framework as F
from framework.errors import ArgumentError, DtypeError, ShapeError
from tests.vision.peer import torchvision
from vision import ops

FORMATS = ("xyxy", "xywh", "cxcywh")
ROTATED = ("xywhr", "cxcywhr", "xyxyxyxy")


def boxes_of(rng, *lead):
    """Boxes in "xyxy" format, some of which overlap."""
    corners = rng.random((*lead, 4)) * 10
    corners[..., 2:] += corners[..., :2]
    return corners


def both(*arrays, grad=True):
    """The arrays as tensors of both kinds."""
    torch = pytest.importorskip("torch")
    ours = [F.from_numpy(a.copy()).requires_grad_(grad) for a in arrays]
    return ours, [torch.from_numpy(a.copy()).requires_grad_(grad) for a in arrays]


def compare(ours, theirs, inputs, rtol=1e-9):
    """Values, dtypes and gradients."""
    assert str(ours.dtype).split(".")[-1] == str(theirs.dtype).split(".")[-1]
    np.testing.assert_allclose(ours.numpy(force=True), theirs.detach().numpy(), rtol=rtol, atol=1e-12)
    if theirs.requires_grad:
        (ours * ours).sum().backward(), (theirs * theirs).sum().backward()
        for mine, other in zip(*inputs, strict=True):
            np.testing.assert_allclose(mine.grad.numpy(), other.grad.numpy(), rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("start", FORMATS)
@pytest.mark.parametrize("end", FORMATS)
@pytest.mark.parametrize("lead", [(7,), (2, 3), (0,), ()])
def test_formats_are_torchvisions(start, end, lead, rng):
    inputs = both(boxes_of(rng, *lead))
    compare(ops.box_convert(inputs[0][0], start, end), torchvision().ops.box_convert(inputs[1][0], start, end), inputs)


@pytest.mark.parametrize("start", ROTATED)
@pytest.mark.parametrize("end", ROTATED)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
def test_rotated_formats_are_torchvisions(start, end, dtype, rng):
    tv = torchvision().ops
    boxes = rng.random((2, 9, 5)) * [50, 50, 40, 30, 360] - [0, 0, 0, 0, 180]
    inputs = both(boxes, grad=False)
    if start != "xywhr":
        inputs = [[ops.box_convert(inputs[0][0], "xywhr", start)], [tv.box_convert(inputs[1][0], "xywhr", start)]]
    values = inputs[0][0].numpy().astype(dtype)
    inputs = both(values, grad=dtype == "float64")
    compare(
        ops.box_convert(inputs[0][0], start, end),
        tv.box_convert(inputs[1][0], start, end),
        inputs,
        1e-9 if dtype == "float64" else 1e-4,
    )


def test_a_copy_is_given_where_the_format_stays():
    boxes = F.ones(2, 4)
    assert ops.box_convert(boxes, "xyxy", "xyxy") is not boxes


@pytest.mark.parametrize("start, end", [("xyxy", "yxyx"), ("corners", "xyxy"), ("xyxy", "xywhr"), ("cxcywhr", "xywh")])
def test_unknown_conversions_are_refused(start, end):
    with pytest.raises(ArgumentError, match="no conversion"):
        ops.box_convert(F.ones(2, 5 if "r" in start else 4), start, end)


@pytest.mark.parametrize("name", ["box_iou", "generalized_box_iou", "distance_box_iou", "complete_box_iou"])
@pytest.mark.parametrize("lead", [(), (2,)])
@pytest.mark.parametrize("dtype", ["float64", "float16", "int64"])
def test_overlaps_are_torchvisions(name, lead, dtype, rng):
    first, second = boxes_of(rng, *lead, 5), boxes_of(rng, *lead, 3)
    second[..., 0, :] = first[..., 0, :]
    if dtype != "float64":
        first, second = (np.rint(v).astype(dtype) + np.array([0, 0, 1, 1], dtype) for v in (first, second))
    inputs = both(first, second, grad=dtype == "float64")
    compare(getattr(ops, name)(*inputs[0]), getattr(torchvision().ops, name)(*inputs[1]), inputs, 1e-6)


@pytest.mark.parametrize("fmt", FORMATS)
def test_areas_and_overlaps_in_other_formats_are_torchvisions(fmt, rng):
    first, second = boxes_of(rng, 5), boxes_of(rng, 3)
    inputs = both(first, second)
    compare(ops.box_iou(*inputs[0], fmt=fmt), torchvision().ops.box_iou(*inputs[1], fmt=fmt), inputs)
    inputs = both(first)
    compare(ops.box_area(*inputs[0], fmt=fmt), torchvision().ops.box_area(*inputs[1], fmt=fmt), inputs)
    half = F.from_numpy(first.astype("float16"))
    assert ops.box_area(half).dtype == F.float32


def test_differences_of_unsigned_boxes_do_not_wrap_around():
    boxes = F.tensor([[0, 0, 10, 10], [20, 20, 240, 250]])
    narrow = boxes.to(F.uint8)
    assert ops.box_area(narrow).tolist() == [100, 50600]
    assert ops.box_iou(narrow, narrow).tolist() == [[1, 0], [0, 1]]
    assert (ops.generalized_box_iou(narrow, narrow) == ops.generalized_box_iou(boxes, boxes)).all()


def test_boxes_that_touch_or_are_empty():
    boxes = F.tensor([[0.0, 0, 2, 2], [2.0, 0, 4, 2], [1.0, 1, 1, 1], [5.0, 5, 6, 6]])
    expected = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, math.nan, 0], [0, 0, 0, 1]]
    np.testing.assert_array_equal(ops.box_iou(boxes, boxes).numpy(), expected)
    assert ops.box_iou(boxes[:0], boxes).shape == (0, 4)
    assert ops.generalized_box_iou(boxes[:1], boxes[3:]).item() == pytest.approx(-31 / 36)


def test_what_is_done_to_single_boxes_is_torchvisions(rng):
    tv = torchvision().ops
    boxes = boxes_of(rng, 3, 5) - 3
    inputs = both(boxes)
    compare(ops.clip_boxes_to_image(*inputs[0], (7, 9)), tv.clip_boxes_to_image(*inputs[1], (7, 9)), inputs)
    for size in (0, 3, 20):
        ours, theirs = both(boxes[0], grad=False)
        kept = ops.remove_small_boxes(*ours, size)
        assert kept.dtype == F.int64
        np.testing.assert_array_equal(kept.numpy(), tv.remove_small_boxes(*theirs, size).numpy())


@pytest.mark.parametrize("dtype", ["bool", "uint8", "float32"])
@pytest.mark.parametrize("shape", [(6, 17, 11), (0, 4, 4), (3, 1, 1), (2, 0, 5)])
def test_boxes_around_masks_are_torchvisions(dtype, shape, rng):
    masks = (rng.random(shape) < 0.03).astype(dtype)
    ours, theirs = both(masks, grad=False)
    compare(ops.masks_to_boxes(*ours), torchvision().ops.masks_to_boxes(*theirs), None)


@pytest.mark.parametrize("name", ["generalized_box_iou_loss", "distance_box_iou_loss", "complete_box_iou_loss"])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("lead, eps", [((9,), 1e-7), ((), 1e-7), ((5,), 0.1), ((0,), 1e-7)])
def test_losses_of_boxes_are_torchvisions(name, reduction, lead, eps, rng):
    inputs = both(boxes_of(rng, *lead), boxes_of(rng, *lead))
    options = {"reduction": reduction, "eps": eps}
    compare(getattr(ops, name)(*inputs[0], **options), getattr(torchvision().ops, name)(*inputs[1], **options), inputs)


@pytest.mark.parametrize("name", ["generalized_box_iou_loss", "distance_box_iou_loss", "complete_box_iou_loss"])
def test_losses_of_boxes_at_their_ends(name):
    loss = getattr(ops, name)
    box = F.tensor([[0.0, 0, 4, 4], [1.0, 1, 3, 9]])
    np.testing.assert_allclose(loss(box, box).numpy(), [0, 0], atol=1e-6)
    assert loss(box.half(), box.half()).dtype == F.float32
    assert loss(box[:0], box[:0], reduction="mean").item() == 0
    far = F.tensor([[0.0, 0, 4, 4]], requires_grad=True)
    loss(far, F.tensor([[90.0, 90, 94, 94]]), reduction="sum").backward()
    assert (far.grad[0, 2:] < 0).all()  # grow, or move, towards the other
    with pytest.raises(ArgumentError, match="reduction"):
        loss(box, box, reduction="max")
    with pytest.raises(ShapeError, match="one shape"):
        loss(box, box[:1])


@pytest.mark.parametrize("alpha, gamma", [(0.25, 2), (-1, 2), (0, 0.5), (1, 0), (0.7, 3.0)])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_focal_loss_is_torchvisions(alpha, gamma, reduction, rng):
    inputs = both(rng.standard_normal((4, 7)) * 3)
    labels, their_labels = both((rng.random((4, 7)) < 0.3).astype("float64"), grad=False)
    options = (alpha, gamma, reduction)
    ours = ops.sigmoid_focal_loss(inputs[0][0], labels[0], *options)
    compare(ours, torchvision().ops.sigmoid_focal_loss(inputs[1][0], their_labels[0], *options), inputs)


@pytest.mark.parametrize("alpha", [1.5, -0.5, math.nan])
def test_focal_loss_refuses(alpha):
    with pytest.raises(ArgumentError, match="alpha"):
        ops.sigmoid_focal_loss(F.zeros(2), F.zeros(2), alpha=alpha)


@pytest.mark.parametrize(
    "call",
    [
        lambda: ops.box_area(F.ones(2, 5)),
        lambda: ops.box_iou(F.ones(2, 4), F.ones(2, 3)),
        lambda: ops.box_iou(F.ones(2, 4), F.ones(2, 5), "cxcywhr"),
        lambda: ops.clip_boxes_to_image(F.ones(3), (2, 2)),
        lambda: ops.masks_to_boxes(F.ones(3, 3)),
        lambda: ops.box_iou(F.ones(1, 2, 5), F.ones(2, 5), "cxcywhr"),
    ],
)
def test_wrong_shapes_are_refused(call):
    with pytest.raises(ShapeError):
        call()


def test_wrong_formats_are_refused():
    with pytest.raises(ArgumentError, match="unknown format"):
        ops.box_area(F.ones(2, 4), "xywhr")
    with pytest.raises(ArgumentError, match="unknown format"):
        ops.box_iou(F.ones(2, 4), F.ones(2, 4), "ltrb")
    with pytest.raises(DtypeError):
        ops.box_iou(F.ones(2, 5).long(), F.ones(2, 5).long(), "cxcywhr")


def corners_of(x, y, w, h, degrees):
    """A rotated box's corners, counter-clockwise on a picture."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return [
        (x + a * c + b * s, y - a * s + b * c)
        for a, b in ((-w / 2, -h / 2), (-w / 2, h / 2), (w / 2, h / 2), (w / 2, -h / 2))
    ]


def clipped_area(p, q):
    """The area of the intersection of two convex polygons, p cut by one side of q after another."""

    def side(a, b, v):
        return (b[0] - a[0]) * (v[1] - a[1]) - (b[1] - a[1]) * (v[0] - a[0])

    for a, b in zip(q, q[1:] + q[:1], strict=True):
        cut = []
        for v, w in zip(p, p[1:] + p[:1], strict=True):
            dv, dw = -side(a, b, v), -side(a, b, w)
            if dv >= 0:
                cut.append(v)
            if dv * dw < 0:
                cut.append((v[0] + (w[0] - v[0]) * dv / (dv - dw), v[1] + (w[1] - v[1]) * dv / (dv - dw)))
        p = cut
    return sum(v[0] * w[1] - v[1] * w[0] for v, w in zip(p, p[1:] + p[:1], strict=True)) / -2 if p else 0


def test_overlaps_of_rotated_boxes_are_those_of_clipped_polygons(rng):
    first, second = (rng.random((n, 5)) * [10, 10, 8, 8, 360] + [0, 0, 0.5, 0.5, -90] for n in (40, 30))
    second[:5] = first[:5]  # equal, turned by a right angle, a corner within, shifted along a side, far off
    second[1, 4] += 90
    second[2, :2] += 0.5
    angle = math.radians(second[3, 4])
    second[3, :2] += [math.cos(angle), -math.sin(angle)]
    second[4, :2] += 1000
    found = ops.box_iou(F.from_numpy(first), F.from_numpy(second), "cxcywhr").numpy()
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            shared = clipped_area(corners_of(*a), corners_of(*b))
            expected = shared / (a[2] * a[3] + b[2] * b[3] - shared)
            assert found[i, j] == pytest.approx(expected, abs=2e-6), (i, j)


def test_rotated_overlaps_of_upright_boxes_are_the_plain_ones(rng):
    boxes = np.rint(boxes_of(rng, 60)).astype("float32") + np.array([0, 0, 1, 1], "float32")
    plain = ops.box_iou(F.from_numpy(boxes), F.from_numpy(boxes)).numpy()
    upright = ops.box_convert(F.from_numpy(boxes), "xyxy", "cxcywh").numpy()
    for degrees in (0, 180, -360):
        turned = F.from_numpy(np.insert(upright, 4, degrees, axis=1))
        for fmt in ROTATED:
            same = ops.box_convert(turned, "cxcywhr", fmt)
            found = ops.box_iou(same, same, fmt)
            assert found.dtype == F.float32
            np.testing.assert_allclose(found.numpy(), plain, atol=2e-5)


def test_rotated_boxes_without_an_area_overlap_nothing():
    boxes = F.tensor([[1.0, 1, 0, 2, 30], [1.0, 1, 2, 2, 30]])
    np.testing.assert_allclose(ops.box_iou(boxes, boxes, "cxcywhr").numpy(), [[0, 0], [0, 1]], atol=1e-6)
    assert ops.box_iou(boxes[:0], boxes, "cxcywhr").shape == (0, 2)
    assert ops.box_iou(boxes, boxes[:0], "cxcywhr").shape == (2, 0)
