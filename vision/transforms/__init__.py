"""Image transforms: on Pillow images, and on tensors where they say so."""

from vision.transforms import functional
from vision.transforms.base import Compose, Identity, Lambda, RandomApply, RandomChoice, RandomOrder, Transform
from vision.transforms.color import RGB, ColorJitter, GaussianBlur, Grayscale, RandomGrayscale
from vision.transforms.convert import Normalize, PILToTensor, ToDtype, ToImage, ToPILImage, ToTensor
from vision.transforms.erasing import RandomErasing
from vision.transforms.geometry import (
    CenterCrop,
    InterpolationMode,
    Pad,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomVerticalFlip,
    Resize,
)
from vision.transforms.warp import RandomAffine, RandomRotation
