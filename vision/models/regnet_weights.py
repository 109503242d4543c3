"""The published weights of the RegNets."""

from __future__ import annotations

from functools import partial

from hub import WeightsEnum
from vision.models.entries import NEW_RECIPE, RECIPES, SWAG_LICENCE, imagenet1k
from vision.transforms.images import InterpolationMode

HEAD = ("fc",)

_weights = partial(imagenet1k, paper="https://arxiv.org/abs/2003.13678", head=HEAD)


class RegNet_Y_400MF_Weights(WeightsEnum):
    """Weights of ``regnet_y_400mf``."""

    IMAGENET1K_V1 = _weights(
        "regnet_y_400mf-c65dace8.pth", acc1=74.046, acc5=91.716, num_params=4_344_144, ops=0.402, file_size=16.806,
        crop_size=224, recipe=f"{RECIPES}#small-models",
    )  # fmt: skip
    IMAGENET1K_V2 = _weights(
        "regnet_y_400mf-e6988f5f.pth", acc1=75.804, acc5=92.742, num_params=4_344_144, ops=0.402, file_size=16.806,
        crop_size=224, resize_size=232, recipe=f"{NEW_RECIPE}#new-recipe",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_800MF_Weights(WeightsEnum):
    """Weights of ``regnet_y_800mf``."""

    IMAGENET1K_V1 = _weights(
        "regnet_y_800mf-1b27b58c.pth", acc1=76.42, acc5=93.136, num_params=6_432_512, ops=0.834, file_size=24.774,
        crop_size=224, recipe=f"{RECIPES}#small-models",
    )  # fmt: skip
    IMAGENET1K_V2 = _weights(
        "regnet_y_800mf-58fc7688.pth", acc1=78.828, acc5=94.502, num_params=6_432_512, ops=0.834, file_size=24.774,
        crop_size=224, resize_size=232, recipe=f"{NEW_RECIPE}#new-recipe",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_1_6GF_Weights(WeightsEnum):
    """Weights of ``regnet_y_1_6gf``."""

    IMAGENET1K_V1 = _weights(
        "regnet_y_1_6gf-b11a554e.pth", acc1=77.95, acc5=93.966, num_params=11_202_430, ops=1.612, file_size=43.152,
        crop_size=224, recipe=f"{RECIPES}#small-models",
    )  # fmt: skip
    IMAGENET1K_V2 = _weights(
        "regnet_y_1_6gf-0d7bc02a.pth", acc1=80.876, acc5=95.444, num_params=11_202_430, ops=1.612, file_size=43.152,
        crop_size=224, resize_size=232, recipe=f"{NEW_RECIPE}#new-recipe",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_3_2GF_Weights(WeightsEnum):
    """Weights of ``regnet_y_3_2gf``."""

    IMAGENET1K_V1 = _weights(
        "regnet_y_3_2gf-b5a9779c.pth", acc1=78.948, acc5=94.576, num_params=19_436_338, ops=3.176, file_size=74.567,
        crop_size=224, recipe=f"{RECIPES}#medium-models",
    )  # fmt: skip
    IMAGENET1K_V2 = _weights(
        "regnet_y_3_2gf-9180c971.pth", acc1=81.982, acc5=95.972, num_params=19_436_338, ops=3.176, file_size=74.567,
        crop_size=224, resize_size=232, recipe=f"{NEW_RECIPE}#new-recipe",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_8GF_Weights(WeightsEnum):
    """Weights of ``regnet_y_8gf``."""

    IMAGENET1K_V1 = _weights(
        "regnet_y_8gf-d0d0e4a8.pth", acc1=80.032, acc5=95.048, num_params=39_381_472, ops=8.473, file_size=150.701,
        crop_size=224, recipe=f"{RECIPES}#medium-models",
    )  # fmt: skip
    IMAGENET1K_V2 = _weights(
        "regnet_y_8gf-dc2b1b54.pth", acc1=82.828, acc5=96.33, num_params=39_381_472, ops=8.473, file_size=150.701,
        crop_size=224, resize_size=232, recipe=f"{NEW_RECIPE}#new-recipe",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_16GF_Weights(WeightsEnum):
    """Weights of ``regnet_y_16gf``."""

    IMAGENET1K_V1 = _weights(
        "regnet_y_16gf-9e6ed7dd.pth", acc1=80.424, acc5=95.24, num_params=83_590_140, ops=15.912, file_size=319.49,
        crop_size=224, recipe=f"{RECIPES}#large-models",
    )  # fmt: skip
    IMAGENET1K_V2 = _weights(
        "regnet_y_16gf-3e4a00f9.pth", acc1=82.886, acc5=96.328, num_params=83_590_140, ops=15.912, file_size=319.49,
        crop_size=224, resize_size=232, recipe=f"{NEW_RECIPE}#new-recipe",
    )  # fmt: skip
    IMAGENET1K_SWAG_E2E_V1 = _weights(
        "regnet_y_16gf_swag-43afe44d.pth", acc1=86.012, acc5=98.054, num_params=83_590_140, ops=46.735,
        file_size=319.49, crop_size=384, resize_size=384, interpolation=InterpolationMode.BICUBIC,
        recipe="https://github.com/facebookresearch/SWAG", licence=SWAG_LICENCE,
    )  # fmt: skip
    IMAGENET1K_SWAG_LINEAR_V1 = _weights(
        "regnet_y_16gf_lc_swag-f3ec0043.pth", acc1=83.976, acc5=97.244, num_params=83_590_140, ops=15.912,
        file_size=319.49, crop_size=224, resize_size=224, interpolation=InterpolationMode.BICUBIC,
        recipe="https://github.com/pytorch/vision/pull/5793", licence=SWAG_LICENCE,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_32GF_Weights(WeightsEnum):
    """Weights of ``regnet_y_32gf``."""

    IMAGENET1K_V1 = _weights(
        "regnet_y_32gf-4dee3f7a.pth", acc1=80.878, acc5=95.34, num_params=145_046_770, ops=32.28, file_size=554.076,
        crop_size=224, recipe=f"{RECIPES}#large-models",
    )  # fmt: skip
    IMAGENET1K_V2 = _weights(
        "regnet_y_32gf-8db6d4b5.pth", acc1=83.368, acc5=96.498, num_params=145_046_770, ops=32.28, file_size=554.076,
        crop_size=224, resize_size=232, recipe=f"{NEW_RECIPE}#new-recipe",
    )  # fmt: skip
    IMAGENET1K_SWAG_E2E_V1 = _weights(
        "regnet_y_32gf_swag-04fdfa75.pth", acc1=86.838, acc5=98.362, num_params=145_046_770, ops=94.826,
        file_size=554.076, crop_size=384, resize_size=384, interpolation=InterpolationMode.BICUBIC,
        recipe="https://github.com/facebookresearch/SWAG", licence=SWAG_LICENCE,
    )  # fmt: skip
    IMAGENET1K_SWAG_LINEAR_V1 = _weights(
        "regnet_y_32gf_lc_swag-e1583746.pth", acc1=84.622, acc5=97.48, num_params=145_046_770, ops=32.28,
        file_size=554.076, crop_size=224, resize_size=224, interpolation=InterpolationMode.BICUBIC,
        recipe="https://github.com/pytorch/vision/pull/5793", licence=SWAG_LICENCE,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_128GF_Weights(WeightsEnum):
    """Weights of ``regnet_y_128gf``."""

    IMAGENET1K_SWAG_E2E_V1 = _weights(
        "regnet_y_128gf_swag-c8ce3e52.pth", acc1=88.228, acc5=98.682, num_params=644_812_894, ops=374.57,
        file_size=2461.564, crop_size=384, resize_size=384, interpolation=InterpolationMode.BICUBIC,
        recipe="https://github.com/facebookresearch/SWAG", licence=SWAG_LICENCE,
    )  # fmt: skip
    IMAGENET1K_SWAG_LINEAR_V1 = _weights(
        "regnet_y_128gf_lc_swag-cbe8ce12.pth", acc1=86.068, acc5=97.844, num_params=644_812_894, ops=127.518,
        file_size=2461.564, crop_size=224, resize_size=224, interpolation=InterpolationMode.BICUBIC,
        recipe="https://github.com/pytorch/vision/pull/5793", licence=SWAG_LICENCE,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_SWAG_E2E_V1


class RegNet_X_400MF_Weights(WeightsEnum):
    """Weights of ``regnet_x_400mf``."""

    IMAGENET1K_V1 = _weights(
        "regnet_x_400mf-adf1edd5.pth", acc1=72.834, acc5=90.95, num_params=5_495_976, ops=0.414, file_size=21.258,
        crop_size=224, recipe=f"{RECIPES}#small-models",
    )  # fmt: skip
    IMAGENET1K_V2 = _weights(
        "regnet_x_400mf-62229a5f.pth", acc1=74.864, acc5=92.322, num_params=5_495_976, ops=0.414, file_size=21.257,
        crop_size=224, resize_size=232, recipe=f"{NEW_RECIPE}#new-recipe-with-fixres",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_X_800MF_Weights(WeightsEnum):
    """Weights of ``regnet_x_800mf``."""

    IMAGENET1K_V1 = _weights(
        "regnet_x_800mf-ad17e45c.pth", acc1=75.212, acc5=92.348, num_params=7_259_656, ops=0.8, file_size=27.945,
        crop_size=224, recipe=f"{RECIPES}#small-models",
    )  # fmt: skip
    IMAGENET1K_V2 = _weights(
        "regnet_x_800mf-94a99ebd.pth", acc1=77.522, acc5=93.826, num_params=7_259_656, ops=0.8, file_size=27.945,
        crop_size=224, resize_size=232, recipe=f"{NEW_RECIPE}#new-recipe-with-fixres",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_X_1_6GF_Weights(WeightsEnum):
    """Weights of ``regnet_x_1_6gf``."""

    IMAGENET1K_V1 = _weights(
        "regnet_x_1_6gf-e3633e7f.pth", acc1=77.04, acc5=93.44, num_params=9_190_136, ops=1.603, file_size=35.339,
        crop_size=224, recipe=f"{RECIPES}#small-models",
    )  # fmt: skip
    IMAGENET1K_V2 = _weights(
        "regnet_x_1_6gf-a12f2b72.pth", acc1=79.668, acc5=94.922, num_params=9_190_136, ops=1.603, file_size=35.339,
        crop_size=224, resize_size=232, recipe=f"{NEW_RECIPE}#new-recipe-with-fixres",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_X_3_2GF_Weights(WeightsEnum):
    """Weights of ``regnet_x_3_2gf``."""

    IMAGENET1K_V1 = _weights(
        "regnet_x_3_2gf-f342aeae.pth", acc1=78.364, acc5=93.992, num_params=15_296_552, ops=3.177, file_size=58.756,
        crop_size=224, recipe=f"{RECIPES}#medium-models",
    )  # fmt: skip
    IMAGENET1K_V2 = _weights(
        "regnet_x_3_2gf-7071aa85.pth", acc1=81.196, acc5=95.43, num_params=15_296_552, ops=3.177, file_size=58.756,
        crop_size=224, resize_size=232, recipe=f"{NEW_RECIPE}#new-recipe",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_X_8GF_Weights(WeightsEnum):
    """Weights of ``regnet_x_8gf``."""

    IMAGENET1K_V1 = _weights(
        "regnet_x_8gf-03ceed89.pth", acc1=79.344, acc5=94.686, num_params=39_572_648, ops=7.995, file_size=151.456,
        crop_size=224, recipe=f"{RECIPES}#medium-models",
    )  # fmt: skip
    IMAGENET1K_V2 = _weights(
        "regnet_x_8gf-2b70d774.pth", acc1=81.682, acc5=95.678, num_params=39_572_648, ops=7.995, file_size=151.456,
        crop_size=224, resize_size=232, recipe=f"{NEW_RECIPE}#new-recipe",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_X_16GF_Weights(WeightsEnum):
    """Weights of ``regnet_x_16gf``."""

    IMAGENET1K_V1 = _weights(
        "regnet_x_16gf-2007eb11.pth", acc1=80.058, acc5=94.944, num_params=54_278_536, ops=15.941, file_size=207.627,
        crop_size=224, recipe=f"{RECIPES}#medium-models",
    )  # fmt: skip
    IMAGENET1K_V2 = _weights(
        "regnet_x_16gf-ba3796d7.pth", acc1=82.716, acc5=96.196, num_params=54_278_536, ops=15.941, file_size=207.627,
        crop_size=224, resize_size=232, recipe=f"{NEW_RECIPE}#new-recipe",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_X_32GF_Weights(WeightsEnum):
    """Weights of ``regnet_x_32gf``."""

    IMAGENET1K_V1 = _weights(
        "regnet_x_32gf-9d47f8d0.pth", acc1=80.622, acc5=95.248, num_params=107_811_560, ops=31.736,
        file_size=412.039, crop_size=224, recipe=f"{RECIPES}#large-models",
    )  # fmt: skip
    IMAGENET1K_V2 = _weights(
        "regnet_x_32gf-6eb8fdc6.pth", acc1=83.014, acc5=96.288, num_params=107_811_560, ops=31.736,
        file_size=412.039, crop_size=224, resize_size=232, recipe=f"{NEW_RECIPE}#new-recipe",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2
