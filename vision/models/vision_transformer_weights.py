"""The published weights of the vision transformers."""

from __future__ import annotations

from typing import Any

from hub import Weights, WeightsEnum
from vision.models.entries import RECIPES, SWAG_LICENCE, imagenet1k
from vision.transforms.images import InterpolationMode

HEAD = ("heads.head",)


def _weights(file_name: str, size: int, **facts: Any) -> Weights:
    """An entry of weights for pictures of one size only."""
    return imagenet1k(
        file_name,
        min_size=(size, size),
        crop_size=size,
        config={"image_size": size},
        paper="https://arxiv.org/abs/2010.11929",
        head=HEAD,
        **facts,
    )


class ViT_B_16_Weights(WeightsEnum):
    """Weights of ``vit_b_16``."""

    IMAGENET1K_V1 = _weights(
        "vit_b_16-c867db91.pth", acc1=81.072, acc5=95.318, num_params=86_567_656, ops=17.564, file_size=330.285,
        size=224, recipe=f"{RECIPES}#vit_b_16",
    )  # fmt: skip
    IMAGENET1K_SWAG_E2E_V1 = _weights(
        "vit_b_16_swag-9ac1b537.pth", acc1=85.304, acc5=97.65, num_params=86_859_496, ops=55.484, file_size=331.398,
        size=384, resize_size=384, interpolation=InterpolationMode.BICUBIC,
        recipe="https://github.com/facebookresearch/SWAG", licence=SWAG_LICENCE,
    )  # fmt: skip
    IMAGENET1K_SWAG_LINEAR_V1 = _weights(
        "vit_b_16_lc_swag-4e70ced5.pth", acc1=81.886, acc5=96.18, num_params=86_567_656, ops=17.564, file_size=330.285,
        size=224, resize_size=224, interpolation=InterpolationMode.BICUBIC,
        recipe="https://github.com/pytorch/vision/pull/5793", licence=SWAG_LICENCE,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ViT_B_32_Weights(WeightsEnum):
    """Weights of ``vit_b_32``."""

    IMAGENET1K_V1 = _weights(
        "vit_b_32-d86f8d99.pth", acc1=75.912, acc5=92.466, num_params=88_224_232, ops=4.409, file_size=336.604,
        size=224, recipe=f"{RECIPES}#vit_b_32",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ViT_L_16_Weights(WeightsEnum):
    """Weights of ``vit_l_16``."""

    IMAGENET1K_V1 = _weights(
        "vit_l_16-852ce7e3.pth", acc1=79.662, acc5=94.638, num_params=304_326_632, ops=61.555, file_size=1161.023,
        size=224, resize_size=242, recipe=f"{RECIPES}#vit_l_16",
    )  # fmt: skip
    IMAGENET1K_SWAG_E2E_V1 = _weights(
        "vit_l_16_swag-4f3808c9.pth", acc1=88.064, acc5=98.512, num_params=305_174_504, ops=361.986,
        file_size=1164.258, size=512, resize_size=512, interpolation=InterpolationMode.BICUBIC,
        recipe="https://github.com/facebookresearch/SWAG", licence=SWAG_LICENCE,
    )  # fmt: skip
    IMAGENET1K_SWAG_LINEAR_V1 = _weights(
        "vit_l_16_lc_swag-4d563306.pth", acc1=85.146, acc5=97.422, num_params=304_326_632, ops=61.555,
        file_size=1161.023, size=224, resize_size=224, interpolation=InterpolationMode.BICUBIC,
        recipe="https://github.com/pytorch/vision/pull/5793", licence=SWAG_LICENCE,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ViT_L_32_Weights(WeightsEnum):
    """Weights of ``vit_l_32``."""

    IMAGENET1K_V1 = _weights(
        "vit_l_32-c7638314.pth", acc1=76.972, acc5=93.07, num_params=306_535_400, ops=15.378, file_size=1169.449,
        size=224, recipe=f"{RECIPES}#vit_l_32",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ViT_H_14_Weights(WeightsEnum):
    """Weights of ``vit_h_14``."""

    IMAGENET1K_SWAG_E2E_V1 = _weights(
        "vit_h_14_swag-80465313.pth", acc1=88.552, acc5=98.694, num_params=633_470_440, ops=1016.717,
        file_size=2416.643, size=518, resize_size=518, interpolation=InterpolationMode.BICUBIC,
        recipe="https://github.com/facebookresearch/SWAG", licence=SWAG_LICENCE,
    )  # fmt: skip
    IMAGENET1K_SWAG_LINEAR_V1 = _weights(
        "vit_h_14_lc_swag-c1eb923e.pth", acc1=85.708, acc5=97.73, num_params=632_045_800, ops=167.295,
        file_size=2411.209, size=224, resize_size=224, interpolation=InterpolationMode.BICUBIC,
        recipe="https://github.com/pytorch/vision/pull/5793", licence=SWAG_LICENCE,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_SWAG_E2E_V1
