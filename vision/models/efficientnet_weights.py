"""The published weights of the EfficientNets."""

from __future__ import annotations

from functools import partial

from hub import WeightsEnum
from vision.models.entries import NEW_RECIPE, RECIPES, imagenet1k
from vision.transforms.images import InterpolationMode

HEAD = ("classifier.1",)

_weights = partial(imagenet1k, paper="https://arxiv.org/abs/1905.11946", head=HEAD)
_weights_v2 = partial(imagenet1k, paper="https://arxiv.org/abs/2104.00298", head=HEAD)


class EfficientNet_B0_Weights(WeightsEnum):
    """Weights of ``efficientnet_b0``."""

    IMAGENET1K_V1 = _weights(
        "efficientnet_b0_rwightman-7f5810bc.pth", acc1=77.692, acc5=93.532, num_params=5_288_548, ops=0.386,
        file_size=20.451, crop_size=224, resize_size=256, interpolation=InterpolationMode.BICUBIC,
        recipe=f"{RECIPES}#efficientnet-v1",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B1_Weights(WeightsEnum):
    """Weights of ``efficientnet_b1``."""

    IMAGENET1K_V1 = _weights(
        "efficientnet_b1_rwightman-bac287d4.pth", acc1=78.642, acc5=94.186, num_params=7_794_184, ops=0.687,
        file_size=30.134, crop_size=240, resize_size=256, interpolation=InterpolationMode.BICUBIC,
        recipe=f"{RECIPES}#efficientnet-v1",
    )  # fmt: skip
    IMAGENET1K_V2 = _weights(
        "efficientnet_b1-c27df63c.pth", acc1=79.838, acc5=94.934, num_params=7_794_184, ops=0.687, file_size=30.136,
        crop_size=240, resize_size=255, interpolation=InterpolationMode.BILINEAR,
        recipe=f"{NEW_RECIPE}#new-recipe-with-lr-wd-crop-tuning",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class EfficientNet_B2_Weights(WeightsEnum):
    """Weights of ``efficientnet_b2``."""

    IMAGENET1K_V1 = _weights(
        "efficientnet_b2_rwightman-c35c1473.pth", acc1=80.608, acc5=95.31, num_params=9_109_994, ops=1.088,
        file_size=35.174, crop_size=288, resize_size=288, interpolation=InterpolationMode.BICUBIC,
        recipe=f"{RECIPES}#efficientnet-v1",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B3_Weights(WeightsEnum):
    """Weights of ``efficientnet_b3``."""

    IMAGENET1K_V1 = _weights(
        "efficientnet_b3_rwightman-b3899882.pth", acc1=82.008, acc5=96.054, num_params=12_233_232, ops=1.827,
        file_size=47.184, crop_size=300, resize_size=320, interpolation=InterpolationMode.BICUBIC,
        recipe=f"{RECIPES}#efficientnet-v1",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B4_Weights(WeightsEnum):
    """Weights of ``efficientnet_b4``."""

    IMAGENET1K_V1 = _weights(
        "efficientnet_b4_rwightman-23ab8bcd.pth", acc1=83.384, acc5=96.594, num_params=19_341_616, ops=4.394,
        file_size=74.489, crop_size=380, resize_size=384, interpolation=InterpolationMode.BICUBIC,
        recipe=f"{RECIPES}#efficientnet-v1",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B5_Weights(WeightsEnum):
    """Weights of ``efficientnet_b5``."""

    IMAGENET1K_V1 = _weights(
        "efficientnet_b5_lukemelas-1a07897c.pth", acc1=83.444, acc5=96.628, num_params=30_389_784, ops=10.266,
        file_size=116.864, crop_size=456, resize_size=456, interpolation=InterpolationMode.BICUBIC,
        recipe=f"{RECIPES}#efficientnet-v1",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B6_Weights(WeightsEnum):
    """Weights of ``efficientnet_b6``."""

    IMAGENET1K_V1 = _weights(
        "efficientnet_b6_lukemelas-24a108a5.pth", acc1=84.008, acc5=96.916, num_params=43_040_704, ops=19.068,
        file_size=165.362, crop_size=528, resize_size=528, interpolation=InterpolationMode.BICUBIC,
        recipe=f"{RECIPES}#efficientnet-v1",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B7_Weights(WeightsEnum):
    """Weights of ``efficientnet_b7``."""

    IMAGENET1K_V1 = _weights(
        "efficientnet_b7_lukemelas-c5b4e57e.pth", acc1=84.122, acc5=96.908, num_params=66_347_960, ops=37.746,
        file_size=254.675, crop_size=600, resize_size=600, interpolation=InterpolationMode.BICUBIC,
        recipe=f"{RECIPES}#efficientnet-v1",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class EfficientNet_V2_S_Weights(WeightsEnum):
    """Weights of ``efficientnet_v2_s``."""

    IMAGENET1K_V1 = _weights_v2(
        "efficientnet_v2_s-dd5fe13b.pth", acc1=84.228, acc5=96.878, num_params=21_458_488, ops=8.366,
        file_size=82.704, min_size=(33, 33), crop_size=384, resize_size=384,
        interpolation=InterpolationMode.BILINEAR, recipe=f"{RECIPES}#efficientnet-v2",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class EfficientNet_V2_M_Weights(WeightsEnum):
    """Weights of ``efficientnet_v2_m``."""

    IMAGENET1K_V1 = _weights_v2(
        "efficientnet_v2_m-dc08266a.pth", acc1=85.112, acc5=97.156, num_params=54_139_356, ops=24.582,
        file_size=208.01, min_size=(33, 33), crop_size=480, resize_size=480,
        interpolation=InterpolationMode.BILINEAR, recipe=f"{RECIPES}#efficientnet-v2",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class EfficientNet_V2_L_Weights(WeightsEnum):
    """Weights of ``efficientnet_v2_l``."""

    IMAGENET1K_V1 = _weights_v2(
        "efficientnet_v2_l-59c71312.pth", acc1=85.808, acc5=97.788, num_params=118_515_272, ops=56.08,
        file_size=454.573, min_size=(33, 33), crop_size=480, resize_size=480,
        interpolation=InterpolationMode.BICUBIC, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5),
        recipe=f"{RECIPES}#efficientnet-v2",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1
