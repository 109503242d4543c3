"""The transforms as functions of an image and numbers."""

from vision.transforms.color import adjust_brightness as adjust_brightness
from vision.transforms.color import adjust_contrast as adjust_contrast
from vision.transforms.color import adjust_hue as adjust_hue
from vision.transforms.color import adjust_saturation as adjust_saturation
from vision.transforms.color import rgb_to_grayscale as rgb_to_grayscale
from vision.transforms.convert import normalize as normalize
from vision.transforms.convert import pil_to_tensor as pil_to_tensor
from vision.transforms.convert import to_dtype as to_dtype
from vision.transforms.convert import to_pil_image as to_pil_image
from vision.transforms.convert import to_tensor as to_tensor
from vision.transforms.geometry import InterpolationMode as InterpolationMode
from vision.transforms.geometry import affine as affine
from vision.transforms.geometry import center_crop as center_crop
from vision.transforms.geometry import crop as crop
from vision.transforms.geometry import horizontal_flip as hflip
from vision.transforms.geometry import horizontal_flip as horizontal_flip
from vision.transforms.geometry import image_size as image_size
from vision.transforms.geometry import pad as pad
from vision.transforms.geometry import resize as resize
from vision.transforms.geometry import vertical_flip as vertical_flip
from vision.transforms.geometry import vertical_flip as vflip
from vision.transforms.warp import rotate as rotate

__all__ = [
    "InterpolationMode", "adjust_brightness", "adjust_contrast", "adjust_hue", "adjust_saturation", "affine",
    "center_crop", "crop", "hflip", "horizontal_flip", "image_size", "normalize", "pad", "pil_to_tensor", "resize",
    "rgb_to_grayscale", "rotate", "to_dtype", "to_pil_image", "to_tensor", "vertical_flip", "vflip",
]  # fmt: skip
