"""Transforms of boxes and points alone: their format, clamping to the image, removal with their labels and masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from framework.errors import ArgumentError, ShapeError
from framework.tensor import Tensor
from vision import tv_tensors
from vision.transforms.base import Transform, flatten, is_pure_tensor, unflatten
from vision.transforms.boxes import (
    clamp_bounding_boxes,
    clamp_keypoints,
    convert_bounding_box_format,
    valid_boxes,
    valid_points,
)
from vision.transforms.images import get_bounding_boxes, get_keypoints
from vision.tv_tensors import BoundingBoxes, BoundingBoxFormat, KeyPoints, Mask
from vision.tv_tensors.boxes import CLAMPING_MODES, box_format

LabelsGetter = Callable[[Any], Any] | str | None


def find_labels(inputs: Any) -> Any:
    """The labels of a sample: its second part if that is a tensor, else what stands under "labels" or the like.

    Where no key of the dict is "labels" in any case of letters, the first that holds "label" is taken.
    """
    if isinstance(inputs, tuple | list):
        inputs = inputs[1] if len(inputs) > 1 else None
    if is_pure_tensor(inputs):
        return inputs
    if not isinstance(inputs, Mapping):
        raise ArgumentError(
            "labels_getter: by default the input should be a dict, or two parts of which the second is a dict or a "
            f"tensor, got {type(inputs).__name__}; pass labels_getter"
        )
    names = {key: key.lower() for key in inputs if isinstance(key, str)}
    named = [key for key, name in names.items() if name == "labels"]
    named += [key for key, name in names.items() if "label" in name]
    if named:
        return inputs[named[0]]
    raise ArgumentError(
        "labels_getter: could not infer where the labels are in the sample; pass a function, or None if there are none"
    )


def labels_function(labels_getter: LabelsGetter) -> Callable[[Any], Any]:
    """The function that is meant by a function, "default" or None."""
    if labels_getter == "default":
        return find_labels
    if labels_getter is None:
        return lambda sample: None
    if callable(labels_getter):
        return labels_getter
    raise ArgumentError(f"labels_getter should be 'default', a callable, or None, got {labels_getter!r}")


def _labels(found: Any) -> tuple[Tensor, ...]:
    """The labels as a tuple of tensors."""
    labels: Any = found if isinstance(found, tuple | list) else () if found is None else (found,)
    for part in labels:
        if not isinstance(part, Tensor):
            raise ArgumentError(f"labels_getter: the labels must be a tensor or tensors, got {type(part).__name__}")
    return tuple(labels)


class _Sanitizer(Transform):
    """Removes entries of boxes or points that are no use, and of the labels that go with them."""

    labels_getter: LabelsGetter
    _labels_getter: Callable[[Any], Any]
    _removed: tuple[type, ...]

    def _valid(self, leaves: list[Any]) -> Tensor:
        raise NotImplementedError

    def forward(self, *inputs: Any) -> Any:
        """The sample without them."""
        sample = inputs if len(inputs) > 1 else inputs[0]
        labels = _labels(self._labels_getter(sample))
        leaves = flatten(sample)
        valid = self._valid(leaves)
        for part in labels:
            if part.shape[0] != valid.shape[0]:
                raise ShapeError(
                    f"{type(self).__name__}: the sample has {valid.shape[0]} entries, but labels of shape "
                    f"{tuple(part.shape)}"
                )
        params = {"valid": valid, "labels": labels}
        return unflatten(sample, iter([self.transform(leaf, params) for leaf in leaves]))

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The entries to keep, of boxes, points, their masks and labels."""
        valid = params["valid"]
        concerned = any(inpt is part for part in params["labels"]) or isinstance(inpt, self._removed)
        return tv_tensors.wrap(inpt[valid], like=inpt) if concerned and len(inpt) == len(valid) else inpt


class SanitizeBoundingBoxes(_Sanitizer):
    """A sample without the boxes that are too small or reach out of the image, nor their labels and masks.

    Masks (N, H, W) go with N boxes; a mask of other length stays, as one (H, W) for the whole image does.

    Args:
        min_size: smallest width and height in pixels, from 1 on.
        min_area: smallest area in square pixels, from 1 on.
        labels_getter: a function that finds the labels (a tensor, or several) in the sample; "default" takes the second
            part of the sample if it is a tensor, else what stands under "labels" or a key with "label"; None for none.
    """

    _removed = (BoundingBoxes, Mask)

    def __init__(self, min_size: float = 1.0, min_area: float = 1.0, labels_getter: LabelsGetter = "default") -> None:
        super().__init__()
        for name, value in (("min_size", min_size), ("min_area", min_area)):
            if value < 1:
                raise ArgumentError(f"SanitizeBoundingBoxes: {name} must be at least 1, got {value}")
        self.min_size = min_size
        self.min_area = min_area
        self.labels_getter = labels_getter
        self._labels_getter = labels_function(labels_getter)

    def _valid(self, leaves: list[Any]) -> Tensor:
        boxes = get_bounding_boxes(leaves)
        return valid_boxes(boxes, boxes.format, boxes.canvas_size, self.min_size, self.min_area)


class SanitizeKeyPoints(_Sanitizer):
    """A sample without the points (or groups of points) that lie out of the image, nor their labels.

    Args:
        labels_getter: as in ``SanitizeBoundingBoxes``, but None unless given.
    """

    _removed = (KeyPoints,)

    def __init__(self, labels_getter: LabelsGetter = None) -> None:
        super().__init__()
        self.labels_getter = labels_getter
        self._labels_getter = labels_function(labels_getter)

    def _valid(self, leaves: list[Any]) -> Tensor:
        points = get_keypoints(leaves)
        return valid_points(points, points.canvas_size)


class ConvertBoundingBoxFormat(Transform):
    """Boxes in another format."""

    _transformed_types = (BoundingBoxes,)

    def __init__(self, format: BoundingBoxFormat | str) -> None:
        super().__init__()
        self.format = box_format(format)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The boxes."""
        return convert_bounding_box_format(inpt, new_format=self.format)


class ClampBoundingBoxes(Transform):
    """Boxes cut at the image's border.

    Args:
        clamping_mode: "soft", "hard" or None, as ``BoundingBoxes`` has it; "auto" takes theirs.
    """

    _transformed_types = (BoundingBoxes,)

    def __init__(self, clamping_mode: str | None = "auto") -> None:
        super().__init__()
        self.clamping_mode = clamping_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The boxes."""
        return clamp_bounding_boxes(inpt, clamping_mode=self.clamping_mode)


class ClampKeyPoints(Transform):
    """Points moved onto the nearest pixel of the image."""

    _transformed_types = (KeyPoints,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The points."""
        return clamp_keypoints(inpt)


class SetClampingMode(Transform):
    """Boxes with another ``clamping_mode`` for the transforms that follow: "soft", "hard" or None."""

    _transformed_types = (BoundingBoxes,)

    def __init__(self, clamping_mode: str | None) -> None:
        super().__init__()
        if clamping_mode not in CLAMPING_MODES:
            raise ArgumentError(f"SetClampingMode: clamping_mode must be soft, hard or None, got {clamping_mode!r}")
        self.clamping_mode = clamping_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The boxes."""
        return tv_tensors.wrap(inpt, like=inpt, clamping_mode=self.clamping_mode)
