"""Mixing the images of a batch, and their labels: MixUp and CutMix."""

from __future__ import annotations

import math
from typing import Any

from PIL import Image

from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.nn.functional import one_hot
from framework.tensor import Tensor
from vision import tv_tensors
from vision.transforms.base import Transform, flatten, has_any, is_pure_tensor, random_numbers, unflatten
from vision.transforms.images import query_size
from vision.transforms.sanitize import LabelsGetter, labels_function

_REFUSED = (Image.Image, tv_tensors.BoundingBoxes, tv_tensors.Mask, tv_tensors.KeyPoints)


class _Mixing(Transform):
    """Mixes each image and label of a batch with the one before it.

    Args:
        alpha: both parameters of the Beta distribution that the share of the image itself is drawn from.
        num_classes: needed where labels are class numbers (N,); they come out as shares (N, num_classes).
        labels_getter: a function that finds the labels in the sample; "default" takes the sample's second part if it is
            a tensor, else what stands under "labels" or a key with "label".
    """

    def __init__(
        self, *, alpha: float = 1.0, num_classes: int | None = None, labels_getter: LabelsGetter = "default"
    ) -> None:
        super().__init__()
        if not alpha > 0:
            raise ArgumentError(f"{type(self).__name__}: alpha should be above 0, got {alpha}")
        self.alpha = float(alpha)
        self.num_classes: Any = num_classes
        self._labels_getter = labels_function(labels_getter)

    def forward(self, *inputs: Any) -> Any:
        """The mixed batch; all share one random number."""
        sample = inputs if len(inputs) > 1 else inputs[0]
        leaves = flatten(sample)
        if has_any(leaves, *_REFUSED):
            raise ArgumentError(
                f"{type(self).__name__}: Pillow images, bounding boxes, masks and keypoints are not supported; it takes "
                "batches of tensors"
            )
        labels = self._checked_labels(self._labels_getter(sample))
        chosen = [wanted or leaf is labels for leaf, wanted in zip(leaves, self._chosen(leaves), strict=True)]
        images = [leaf for leaf, wanted in zip(leaves, chosen, strict=True) if wanted and leaf is not labels]
        params = {"labels": labels, "batch_size": labels.shape[0], **self.make_params(images)}
        results = [
            self.transform(leaf, params) if wanted else leaf for leaf, wanted in zip(leaves, chosen, strict=True)
        ]
        return unflatten(sample, iter(results))

    def _checked_labels(self, labels: Any) -> Tensor:
        who = type(self).__name__
        if not isinstance(labels, Tensor):
            raise ArgumentError(f"{who}: the labels must be a tensor, got {type(labels).__name__}; pass labels_getter")
        if labels.ndim not in (1, 2):
            raise ShapeError(
                f"{who}: labels should be class numbers (N,) or shares (N, classes), got shape {tuple(labels.shape)}"
            )
        if labels.ndim == 2 and self.num_classes not in (None, labels.shape[1]):
            raise ShapeError(
                f"{who}: labels have {labels.shape[1]} classes, but num_classes is {self.num_classes}; leave it None"
            )
        if labels.ndim == 1 and self.num_classes is None:
            raise ArgumentError(f"{who}: num_classes must be passed if the labels are class numbers")
        return labels

    def _share(self) -> float:
        """How much of each image stays."""
        return float(random_numbers().beta(self.alpha, self.alpha))

    def _mixed(self, values: Any, share: float) -> Any:
        out = values * share  # then the one before it, so that each image passes through the cache twice at most
        out[1:].add_(values[:-1], alpha=1.0 - share)
        out[:1].add_(values[-1:], alpha=1.0 - share)
        return out

    def _mixed_labels(self, labels: Any, share: float) -> Any:
        shares: Any = one_hot(labels, self.num_classes) if labels.ndim == 1 else labels
        return self._mixed(shares if shares.is_floating_point() else shares.float(), share)

    def _is_batch(self, inpt: Any, params: dict[str, Any]) -> bool:
        """Whether something is the images; if so, there must be as many as labels."""
        if not (is_pure_tensor(inpt) or isinstance(inpt, tv_tensors.Image | tv_tensors.Video)):
            return False
        dims = 5 if isinstance(inpt, tv_tensors.Video) else 4
        if inpt.ndim != dims:
            raise ShapeError(
                f"{type(self).__name__}: expected a batched input with {dims} dims, got shape {tuple(inpt.shape)}"
            )
        if inpt.shape[0] != params["batch_size"]:
            raise ShapeError(
                f"{type(self).__name__}: the batch has {inpt.shape[0]} images, but {params['batch_size']} labels"
            )
        return True


class MixUp(_Mixing):
    """Images and labels of a batch, each averaged with those before it by a random share.

    The pairs are neighbours in the batch, so shuffle it.

    Args:
        alpha, num_classes, labels_getter: the Beta distribution's parameter; the number of classes, where labels are
            class numbers; and a function that finds the labels in the sample, by default its second part.

    Example:
        >>> images, shares = MixUp(alpha=0.2, num_classes=1000)(images, labels)

    Reference: Zhang et al., "mixup: Beyond Empirical Risk Minimization", https://arxiv.org/abs/1710.09412
    """

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The share of each image itself."""
        return {"lam": self._share()}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The mixed images or labels."""
        if inpt is params["labels"]:
            return self._mixed_labels(inpt, params["lam"])
        if not self._is_batch(inpt, params):
            return inpt
        if not inpt.is_floating_point():
            raise DtypeError(f"MixUp: expected images of floats, got {inpt.dtype}; put ToDtype before it")
        return tv_tensors.wrap(self._mixed(inpt, params["lam"]), like=inpt)


class CutMix(_Mixing):
    """Images of a batch, each with a rectangle of the one before it, and labels mixed by the rectangle's area.

    The pairs are neighbours in the batch, so shuffle it.

    Args:
        alpha, num_classes, labels_getter: as in ``MixUp``.

    Reference: Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features",
        https://arxiv.org/abs/1905.04899
    """

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The rectangle (x1, y1, x2, y2), and what remains of each image itself."""
        share = self._share()
        height, width = query_size(flat_inputs, "CutMix")
        stream = random_numbers()
        x, y = int(stream.integers(width)), int(stream.integers(height))
        half = 0.5 * math.sqrt(1.0 - share)
        across, down = int(half * width), int(half * height)
        x1, y1, x2, y2 = max(x - across, 0), max(y - down, 0), min(x + across, width), min(y + down, height)
        return {"box": (x1, y1, x2, y2), "lam_adjusted": 1.0 - (x2 - x1) * (y2 - y1) / (width * height)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The mixed images or labels."""
        if inpt is params["labels"]:
            return self._mixed_labels(inpt, params["lam_adjusted"])
        if not self._is_batch(inpt, params):
            return inpt
        x1, y1, x2, y2 = params["box"]
        out = inpt.clone()
        out[..., y1:y2, x1:x2] = inpt[..., y1:y2, x1:x2].roll(1, 0)
        return out
