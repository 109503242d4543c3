"""Image models, registered by name with ``hub``."""

from hub import create as get_model
from hub import list_models
from vision.models.resnet import (
    BasicBlock,
    Bottleneck,
    ResNet,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnext50_32x4d,
    resnext101_32x8d,
    resnext101_64x4d,
    wide_resnet50_2,
    wide_resnet101_2,
)
from vision.models.small import SmallCNN, small_cnn
