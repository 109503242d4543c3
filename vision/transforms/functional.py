"""The transforms as functions of an image (or mask, boxes, points) and numbers."""

# ruff: noqa: F401, I001
# fmt: off
from vision.transforms import box_kernels, mask_kernels, points
from vision.transforms.base import is_pure_tensor
from vision.transforms.blur import gaussian_blur
from vision.transforms.boxes import (
    clamp_bounding_boxes, clamp_keypoints, convert_bounding_box_format, sanitize_bounding_boxes, sanitize_keypoints,
)
from vision.transforms.color import (
    adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation, grayscale_to_rgb, permute_channels,
    rgb_to_grayscale, to_grayscale,
)
from vision.transforms.convert import (
    convert_image_dtype, normalize, pil_to_tensor, to_dtype, to_image, to_pil_image, to_tensor,
)
from vision.transforms.damage import gaussian_noise, jpeg
from vision.transforms.dispatch import register_kernel
from vision.transforms.distortion import elastic, elastic_transform, perspective
from vision.transforms.erasing import erase
from vision.transforms.geometry import (
    center_crop, crop, five_crop, horizontal_flip, pad, resize, resized_crop, ten_crop, vertical_flip,
)
from vision.transforms.images import (
    InterpolationMode, get_dimensions, get_image_size, get_num_channels, get_num_frames, get_size,
)
from vision.transforms.tones import (
    adjust_gamma, adjust_sharpness, autocontrast, equalize, invert, posterize, solarize,
)
from vision.transforms.video import uniform_temporal_subsample
from vision.transforms.warp import affine, rotate

hflip, vflip = horizontal_flip, vertical_flip
get_image_num_channels = get_num_channels
