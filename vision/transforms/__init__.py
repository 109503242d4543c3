"""Transforms of images, masks, boxes and points, with torchvision's names and arguments."""

from vision.transforms import functional
from vision.transforms.auto_augment import AugMix, AutoAugment, RandAugment, TrivialAugmentWide
from vision.transforms.base import Identity, Lambda, Transform, check_type, has_all, has_any
from vision.transforms.blur import GaussianBlur
from vision.transforms.container import Compose, RandomApply, RandomChoice, RandomOrder
from vision.transforms.conversions import (
    ConvertImageDtype,
    LinearTransformation,
    Normalize,
    PILToTensor,
    ToDtype,
    ToImage,
    ToPILImage,
    ToPureTensor,
    ToTensor,
)
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
from vision.transforms.damage import JPEG, GaussianNoise
from vision.transforms.detection import RandomIoUCrop, RandomResize, RandomShortestSize, RandomZoomOut, ScaleJitter
from vision.transforms.distorting import ElasticTransform, RandomPerspective
from vision.transforms.erasing import RandomErasing
from vision.transforms.images import InterpolationMode, get_bounding_boxes, get_keypoints, query_chw, query_size
from vision.transforms.jitter import (
    RGB,
    ColorJitter,
    Grayscale,
    RandomChannelPermutation,
    RandomGrayscale,
    RandomPhotometricDistort,
)
from vision.transforms.mixing import CutMix, MixUp
from vision.transforms.policies import AutoAugmentPolicy
from vision.transforms.recipes import ClassificationPresetEval, ClassificationPresetTrain
from vision.transforms.sanitize import (
    ClampBoundingBoxes,
    ClampKeyPoints,
    ConvertBoundingBoxFormat,
    SanitizeBoundingBoxes,
    SanitizeKeyPoints,
    SetClampingMode,
)
from vision.transforms.tones import (
    RandomAdjustSharpness,
    RandomAutocontrast,
    RandomEqualize,
    RandomInvert,
    RandomPosterize,
    RandomSolarize,
)
from vision.transforms.turning import RandomAffine, RandomRotation
from vision.transforms.video import UniformTemporalSubsample
from vision.transforms import v2
