"""Image transforms, on Pillow images and tensors, with torchvision's names and arguments."""

from vision.transforms import functional
from vision.transforms.base import Identity, Lambda, Transform
from vision.transforms.blur import GaussianBlur
from vision.transforms.color import RGB, ColorJitter, Grayscale, RandomGrayscale
from vision.transforms.container import Compose, RandomApply, RandomChoice, RandomOrder
from vision.transforms.convert import ConvertImageDtype, Normalize, PILToTensor, ToDtype, ToImage, ToPILImage, ToTensor
from vision.transforms.crops import (
    CenterCrop,
    FiveCrop,
    Pad,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomVerticalFlip,
    Resize,
    TenCrop,
)
from vision.transforms.erasing import RandomErasing
from vision.transforms.images import InterpolationMode
from vision.transforms.warp import RandomAffine, RandomRotation
from vision.transforms import v2
