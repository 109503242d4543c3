"""Tensors that say what they hold: an image, a mask, boxes, points. Transforms treat each by its kind.

They are ordinary tensors otherwise; what an op makes of one is a plain ``Tensor`` (see ``set_return_type``).
"""

from vision.tv_tensors.base import TVTensor, plain, set_return_type, wrap
from vision.tv_tensors.boxes import BoundingBoxes, BoundingBoxFormat, is_rotated_bounding_format
from vision.tv_tensors.images import Image, Mask, Video
from vision.tv_tensors.points import KeyPoints
