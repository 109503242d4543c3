"""Metrics of pixels: the intersection over union of each class."""

from __future__ import annotations

from typing import Any

from framework.errors import ArgumentError
from framework.tensor import Tensor
from framework.utils.metric import Metric, as_array
from vision.metrics.classification import ConfusionMatrix, mean_present


def mean_iou(output: Any, target: Any, num_classes: int, ignore_index: int | None = None) -> float:
    """The mean over classes of the intersection over union of predicted and true pixels; see ``MeanIoU``."""
    metric = MeanIoU(num_classes, ignore_index)
    metric.update(output, target)
    return metric.compute()


class MeanIoU(Metric):
    """The mean over classes of the intersection over union of predicted and true pixels.

    Pixels of all images are counted together. Classes that occur neither in the predictions nor in the targets have
    no share in the mean.

    Args:
        num_classes: the number of classes, the background included.
        ignore_index: the class number of target pixels to leave out, such as 255 for borders.
    """

    _settings = ("num_classes", "ignore_index")
    _state = ("counts",)

    def __init__(self, num_classes: int, ignore_index: int | None = None) -> None:
        self.confusion = ConfusionMatrix(num_classes, ignore_index=ignore_index)
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        super().__init__()

    @property
    def counts(self) -> Any:
        """Pixels by (true class, predicted class)."""
        return self.confusion.counts

    @counts.setter
    def counts(self, value: Any) -> None:
        self.confusion.counts = value

    def reset(self) -> None:
        """Forget all images."""
        self.confusion.reset()

    def update(self, output: Any, target: Any) -> None:
        """Add predicted classes (N, H, W), or scores (N, num_classes, H, W), and classes (N, H, W)."""
        self.confusion.update(output, target)

    def compute(self) -> float:
        """The mean, 0..1."""
        if not self.counts.any():
            raise ArgumentError("MeanIoU: no pixel was counted; call update before compute")
        return float(mean_present(as_array(self.per_class())))

    def per_class(self) -> Tensor:
        """The intersection over union of each class (num_classes), NaN for those that do not occur."""
        return self.confusion.iou()

    def pixel_accuracy(self) -> float:
        """The share of pixels that were predicted right."""
        return self.confusion.accuracy()
