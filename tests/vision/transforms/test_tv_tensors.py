"""Tensors that say what they hold: how they are made, what ops make of them, copies and pickles."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from PIL import Image

import framework as F
from tests.vision.transforms.samples import peer
from vision import tv_tensors
from vision.tv_tensors import BoundingBoxes, BoundingBoxFormat, KeyPoints, Mask, TVTensor, Video

KINDS = {
    "Image": lambda **options: tv_tensors.Image(np.ones((3, 4, 5), np.float32), **options),
    "Video": lambda **options: Video(np.ones((2, 3, 4, 5), np.float32), **options),
    "Mask": lambda **options: Mask(np.ones((4, 5), np.float32), **options),
    "BoundingBoxes": lambda **options: BoundingBoxes([[1.0, 2, 3, 4]], format="xywh", canvas_size=(9, 8), **options),
    "KeyPoints": lambda **options: KeyPoints([[1.0, 2], [3, 4]], canvas_size=(9, 8), **options),
}


def metadata(tensor) -> list:
    return [getattr(tensor, name) for name in tensor._metadata]


@pytest.fixture(params=KINDS)
def tensor(request):
    return KINDS[request.param]()


def test_ops_give_plain_tensors_but_for_copies(tensor):
    kind = type(tensor)
    for plain in (
        tensor + 1,
        1 + tensor,
        tensor.sum(),
        tensor[0],
        tensor.double(),
        tensor.reshape(-1),
        F.add(tensor, 1),
    ):
        assert type(plain) is F.Tensor
    for same in (tensor.clone(), tensor.to(F.float64), tensor.to("cpu"), tensor.detach(), tensor.requires_grad_()):
        assert type(same) is kind and metadata(same) == metadata(tensor)
    assert tensor.to(F.float64).dtype is F.float64 and type(F.zeros(2).to(tensor)) is F.Tensor
    assert type(tv_tensors.plain(tensor)) is F.Tensor


def test_the_return_type_can_be_switched(tensor):
    kind = type(tensor)
    with tv_tensors.set_return_type("TVTensor"):
        for same in (tensor + 1, 1 + tensor, tensor[0], tensor.double(), *tensor.unbind(0), *tensor.split(1)):
            assert type(same) is kind and metadata(same) == metadata(tensor)
        assert isinstance(tensor.max(0).values, kind)
        with tv_tensors.set_return_type("tensor"):
            assert type(tensor + 1) is F.Tensor
        assert type(tensor + 1) is kind
    assert type(tensor + 1) is F.Tensor
    tv_tensors.set_return_type("TVTensor")
    assert type(tensor * 2) is kind
    tv_tensors.set_return_type("Tensor")
    assert type(tensor * 2) is F.Tensor
    with pytest.raises(ValueError, match="'TVTensor' or 'Tensor'"):
        tv_tensors.set_return_type("Image")


@pytest.mark.parametrize("wanted", [False, True])
def test_copies_and_pickles(tensor, wanted):
    tensor.requires_grad_(wanted)
    for other in (copy.deepcopy(tensor), pickle.loads(pickle.dumps(tensor)), copy.copy(tensor)):
        assert type(other) is type(tensor) and metadata(other) == metadata(tensor) and other.requires_grad is wanted
        np.testing.assert_array_equal(other.detach().numpy(), tensor.detach().numpy())
    other = copy.deepcopy({"a": tensor})["a"].detach()
    other += 1
    assert (other.numpy() != tensor.detach().numpy()).all()


@pytest.mark.parametrize("name", KINDS)
def test_gradients(name):
    leaf = KINDS[name](requires_grad=True)
    assert leaf.is_leaf and leaf.requires_grad
    (leaf * 3).sum().backward()
    assert (leaf.grad.numpy() == 3).all()
    source = F.ones(2, 3, 4, 5, requires_grad=True)
    wrapped = Video(source)
    assert wrapped.requires_grad and not wrapped.is_leaf
    (wrapped * 2).sum().backward()
    assert (source.grad.numpy() == 2).all()


def test_memory_is_shared():
    source = F.zeros(3, 4, 5)
    image = tv_tensors.Image(source)
    image[0, 0, 0] = 7
    assert source[0, 0, 0].item() == 7 and type(source) is F.Tensor
    again = tv_tensors.wrap(source, like=image)
    assert again.data_ptr() == source.data_ptr() and type(again) is tv_tensors.Image


def test_wrap():
    boxes = KINDS["BoundingBoxes"]()
    found = tv_tensors.wrap(F.zeros(3, 4), like=boxes, canvas_size=(1, 2), format="XYXY")
    assert found.format is BoundingBoxFormat.XYXY and found.canvas_size == (1, 2) and found.clamping_mode == "soft"
    plain = F.zeros(2)
    assert tv_tensors.wrap(plain, like=F.zeros(3)) is plain

    class Depth(TVTensor):
        """A kind of one's own."""

    depth = Depth(F.zeros(2, 3))
    assert type(tv_tensors.wrap(F.ones(2, 3), like=depth)) is Depth and type(depth.clone()) is Depth


def test_what_they_are_made_of():
    picture = Image.fromarray(np.arange(60, dtype=np.uint8).reshape(4, 5, 3))
    image = tv_tensors.Image(picture)
    assert tuple(image.shape) == (3, 4, 5) and image[1, 2, 3].item() == picture.getpixel((3, 2))[1]
    assert tuple(Mask(picture.convert("L")).shape) == (1, 4, 5)
    assert tuple(tv_tensors.Image(F.zeros(4, 5)).shape) == (1, 4, 5)
    assert tuple(BoundingBoxes([1, 2, 3, 4], format="XYXY", canvas_size=(9, 9)).shape) == (1, 4)
    assert tuple(KeyPoints([1, 2], canvas_size=(9, 9)).shape) == (1, 2)
    assert tv_tensors.Image(picture, dtype=F.float32).dtype is F.float32
    assert tv_tensors.is_rotated_bounding_format("xywhr") and not tv_tensors.is_rotated_bounding_format("XYXY")


def test_reprs():
    boxes = KINDS["BoundingBoxes"]()
    assert repr(boxes).startswith("BoundingBoxes([[1., 2., 3., 4.]], format=BoundingBoxFormat.XYWH, canvas_size=(9, 8)")
    assert repr(tv_tensors.Image(F.zeros(1, 1, 1))) == "Image([[[0.]]])"


def test_formats_are_the_peers():
    _, _, kinds = peer()
    assert [f.value for f in BoundingBoxFormat] == [f.value for f in kinds.BoundingBoxFormat]
    assert [f.length for f in BoundingBoxFormat] == [4, 4, 4, 5, 5, 8]
    for format in BoundingBoxFormat:
        assert format.rotated is kinds.is_rotated_bounding_format(format.value)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: tv_tensors.Image(F.zeros(3)), ValueError, "2D or higher"),
        (lambda: Video(F.zeros(3, 4, 5)), ValueError, "4D or higher"),
        (lambda: BoundingBoxes(F.zeros(1, 2, 4), format="XYXY", canvas_size=(1, 1)), ValueError, "1D or 2D"),
        (lambda: BoundingBoxes([1.0] * 4, format="XYYX", canvas_size=(1, 1)), ValueError, "should be one of XYXY"),
        (lambda: BoundingBoxes([1.0] * 4, format="XYXY", canvas_size=5), ValueError, r"\(height, width\)"),
        (
            lambda: BoundingBoxes([1.0] * 4, format="XYXY", canvas_size=(1, 1), clamping_mode="x"),
            ValueError,
            "clamping",
        ),
        (lambda: BoundingBoxes([1] * 5, format="XYWHR", canvas_size=(1, 1)), TypeError, "floating point"),
        (lambda: KeyPoints(F.zeros(3, 3), canvas_size=(1, 1)), ValueError, r"\(\.\.\., 2\)"),
        (lambda: KeyPoints([1, 2], canvas_size=(1,)), ValueError, "canvas_size"),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()
