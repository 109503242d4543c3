"""What programs written for torchvision's first transforms rely on: crops stacked by a function, parameters drawn apart."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import framework as F
from vision import transforms


@pytest.mark.parametrize("kind, count", [(transforms.FiveCrop, 5), (transforms.TenCrop, 10)])
def test_the_crops_of_an_image_are_one_thing_to_a_function(kind, count):
    image = Image.fromarray(np.arange(60, dtype=np.uint8).reshape(6, 10))
    stacked = transforms.Lambda(lambda crops: F.stack([transforms.ToTensor()(crop) for crop in crops]))
    assert transforms.Compose([kind(4), stacked])(image).shape == (count, 1, 4, 4)
    sizes = transforms.Compose([kind(4), transforms.Lambda(lambda crop: crop.size, Image.Image)])(image)
    assert sizes == ((4, 4),) * count
    tensors = transforms.Compose([kind((4, 2)), transforms.ToTensor()])(image)
    assert isinstance(tensors, tuple) and {tuple(t.shape) for t in tensors} == {(1, 4, 2)}


def test_parameters_can_be_drawn_apart():
    image = Image.fromarray(np.zeros((17, 11, 3), np.uint8))
    top, left, height, width = transforms.RandomCrop.get_params(image, (5, 7))
    assert (height, width) == (5, 7) and 0 <= top <= 12 and 0 <= left <= 4
    with pytest.raises(ValueError, match="larger than input image size"):
        transforms.RandomCrop.get_params(image, (18, 7))
    top, left, height, width = transforms.RandomResizedCrop.get_params(image, [0.2, 0.5], [1.0, 1.0])
    assert height == width and 6 <= height <= 10 and top + height <= 17 and left + width <= 11
    i, j, h, w, values = transforms.RandomErasing.get_params(F.zeros(3, 17, 11), [0.1, 0.2], [1.0, 1.0])
    assert tuple(values.shape) == (3, h, w) and h == w and i + h <= 17 and j + w <= 11
    assert transforms.RandomErasing.get_params(F.zeros(3, 17, 11), [0.1, 0.2], [1, 1], [0.5])[4].item() == 0.5
    whole = F.ones(3, 4, 4)
    assert transforms.RandomErasing.get_params(whole, [1.0, 1.0], [1, 1], [0.5])[4] is whole  # nothing fits
    assert 3 <= transforms.RandomRotation.get_params([3, 4]) <= 4
    angle, shift, scale, shear = transforms.RandomAffine.get_params([1, 2], [0.5, 0.1], [2, 3], [4, 5], [11, 17])
    assert 1 <= angle <= 2 and abs(shift[0]) <= 6 and abs(shift[1]) <= 2 and 2 <= scale <= 3 and 4 <= shear[0] <= 5
    assert transforms.RandomAffine.get_params([1, 1], None, None, None, [11, 17])[1:] == ((0, 0), 1.0, (0.0, 0.0))
    start, end = transforms.RandomPerspective.get_params(11, 17, 0.5)
    assert start == [[0, 0], [10, 0], [10, 16], [0, 16]] and len(end) == 4
    assert 0.1 <= transforms.GaussianBlur.get_params(0.1, 2.0) <= 2.0
    assert transforms.ElasticTransform.get_params([5.0, 5.0], [1.0, 1.0], [17, 11]).shape == (1, 17, 11, 2)
    order, brightness, contrast, saturation, hue = transforms.ColorJitter.get_params((0.5, 0.6), None, (1, 1), None)
    assert sorted(order.tolist()) == [0, 1, 2, 3] and 0.5 <= brightness <= 0.6 and contrast is hue is None
    assert saturation == 1
