"""How torchvision's published weights are written down beside each model."""

from __future__ import annotations

from functools import partial
from typing import Any

from hub import Weights
from vision.models.categories import IMAGENET1K
from vision.transforms.presets import ImageClassification

SITE = "https://download.pytorch.org/models/"
RECIPES = "https://github.com/pytorch/vision/tree/main/references/classification"
NEW_RECIPE = (
    "https://github.com/pytorch/vision/issues/3995"  # the training recipe of 2021, and the numbers of runs with it
)
SWAG_LICENCE = "https://github.com/facebookresearch/SWAG/blob/main/LICENSE"


def imagenet1k(
    file_name: str,
    *,
    acc1: float,
    acc5: float,
    num_params: int,
    ops: float,
    file_size: float,
    recipe: str,
    paper: str,
    head: tuple[str, ...],
    min_size: tuple[int, int] = (1, 1),
    licence: str | None = None,
    categories: tuple[str, ...] | None = IMAGENET1K,
    config: dict[str, Any] | None = None,
    **transforms: Any,
) -> Weights:
    """An entry of weights trained, or fine-tuned, on ImageNet-1K.

    Args:
        file_name: its end carries the first digits of the file's sha256.
        acc1, acc5: accuracy on the validation set, in percent, by the first and by the first five guesses.
        num_params: the number of parameters.
        ops: 10⁹ multiply-adds for a picture of the crop's size.
        file_size: in 2²⁰ bytes.
        recipe: a link to how they were trained.
        paper: a link to the architecture's paper.
        head: dotted names of the layers whose outputs are the classes.
        min_size: the smallest picture, (height, width) in pixels.
        licence: a link, where it is not torchvision's own (BSD-3-Clause).
        categories: the class names; None where the head's weights are of no use.
        config: the builder's arguments that go with the weights.
        transforms: arguments of ``ImageClassification``, such as ``crop_size``.
    """
    meta: dict[str, Any] = {
        "categories": None if categories is None else list(categories),
        "num_params": num_params,
        "min_size": min_size,
        "recipe": recipe,
        "_metrics": {"ImageNet-1K": {"acc@1": acc1, "acc@5": acc5}},
        "_ops": ops,
        "_file_size": file_size,
    }
    if licence is not None:
        meta["license"] = licence
    digits = file_name.removesuffix(".pth").rsplit("-", 1)[1]
    return Weights(
        SITE + file_name,
        partial(ImageClassification, **transforms),
        meta,
        sha256=digits,
        paper=paper,
        licence=licence or "BSD-3-Clause",
        head=head,
        config=config or {},
    )
