"""Transforms between images, arrays, kinds of tensors, dtypes and ranges of values."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from framework import dtypes
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.tensor import Tensor
from vision import tv_tensors
from vision.transforms.base import Transform, is_pure_tensor
from vision.transforms.convert import normalize, pil_to_tensor, to_dtype, to_image, to_pil_image, to_tensor


class ToTensor(Transform):
    """A Pillow image or an array (H, W, C) as a tensor (C, H, W); bytes become floats of 0..1."""

    _transformed_types = (Image.Image, np.ndarray)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Tensor:
        """The tensor."""
        return to_tensor(inpt)


class PILToTensor(Transform):
    """A Pillow image as a tensor (C, H, W) of its own values."""

    _transformed_types = (Image.Image,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Tensor:
        """The tensor."""
        return pil_to_tensor(inpt)


class ToImage(Transform):
    """A Pillow image, an array (H, W, C) or a plain tensor as an ``Image`` (C, H, W) of its own values."""

    _transformed_types = (is_pure_tensor, Image.Image, np.ndarray)

    def transform(self, inpt: Any, params: dict[str, Any]) -> tv_tensors.Image:
        """The image."""
        return to_image(inpt)


class ToPILImage(Transform):
    """A tensor (C, H, W) or an array (H, W, C) as a Pillow image."""

    _transformed_types = (is_pure_tensor, tv_tensors.Image, np.ndarray)

    def __init__(self, mode: str | None = None) -> None:
        super().__init__()
        self.mode = mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Image.Image:
        """The image."""
        return to_pil_image(inpt, self.mode)


class ToPureTensor(Transform):
    """Images, masks, boxes and points as plain tensors."""

    _transformed_types = (tv_tensors.TVTensor,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Tensor:
        """The plain tensor, of the same memory."""
        return tv_tensors.plain(inpt)


class ToDtype(Transform):
    """A tensor in another dtype, an image's range of values mapped too if ``scale``.

    Args:
        dtype: of images and videos; all else stays. Or a dict by type, in which None leaves tensors as they are and
            "others" stands for the types that are not named.
        scale: full brightness in the one dtype becomes full brightness in the other.

    Example:
        >>> ToDtype({tv_tensors.Image: framework.float32, tv_tensors.Mask: framework.int64, "others": None}, scale=True)
    """

    _transformed_types = (Tensor,)

    def __init__(self, dtype: dtypes.dtype | dict[Any, dtypes.dtype | None], scale: bool = False) -> None:
        super().__init__()
        if not isinstance(dtype, dict | dtypes.dtype):
            raise ArgumentError(f"ToDtype: dtype must be a dtype such as framework.float32, or a dict, got {dtype!r}")
        if isinstance(dtype, dict) and Tensor in dtype and (tv_tensors.Image in dtype or tv_tensors.Video in dtype):
            warnings.warn(
                "ToDtype: a plain tensor is not transformed where the sample holds an Image or Video, for which dtype "
                "has an entry too",
                stacklevel=2,
            )
        self.dtype = dtype
        self.scale = scale

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The tensor in that dtype."""
        is_image = is_pure_tensor(inpt) or isinstance(inpt, tv_tensors.Image | tv_tensors.Video)
        if not isinstance(self.dtype, dict):
            return self._call_kernel(to_dtype, inpt, self.dtype, self.scale) if is_image else inpt
        if type(inpt) not in self.dtype and "others" not in self.dtype:
            raise ArgumentError(
                f"ToDtype: no dtype was specified for {type(inpt).__name__}; add it, or 'others': None to leave it"
            )
        dtype = self.dtype.get(type(inpt), self.dtype.get("others"))
        if dtype is None:
            if self.scale and is_image:
                warnings.warn("ToDtype: scale was set, but no dtype for images: no scaling will be done", stacklevel=2)
            return inpt
        return self._call_kernel(to_dtype, inpt, dtype, self.scale)


class ConvertImageDtype(Transform):
    """An image tensor in another dtype and its range of values."""

    _transformed_types = (Tensor,)

    def __init__(self, dtype: dtypes.dtype = dtypes.float32) -> None:
        super().__init__()
        self.dtype = dtype

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The tensor in that dtype."""
        return self._call_kernel(to_dtype, inpt, self.dtype, scale=True)


class Normalize(Transform):
    """``(image - mean) / std`` by channel, of float tensors; masks, boxes and points stay.

    Args:
        mean, std: one value a channel, in the units of the image's values (0..1 after ``ToTensor``).
        inplace: write into the image.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean = list(mean)
        self.std = list(std)
        self.inplace = inplace

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Refuse Pillow images, which hold no floats."""
        if any(isinstance(leaf, Image.Image) for leaf in flat_inputs):
            raise TypeError("Normalize: does not support Pillow images; put ToTensor before it")

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The normalised tensor."""
        return self._call_kernel(normalize, inpt, self.mean, self.std, self.inplace)


class LinearTransformation(Transform):
    """An image's values as one row, less a mean, times a matrix: whitening.

    Args:
        transformation_matrix: (D, D), where D is C * H * W.
        mean_vector: (D,).
    """

    _transformed_types = (is_pure_tensor, tv_tensors.Image, tv_tensors.Video)

    def __init__(self, transformation_matrix: Tensor, mean_vector: Tensor) -> None:
        super().__init__()
        rows, columns = transformation_matrix.shape
        if rows != columns:
            raise ShapeError(f"LinearTransformation: transformation_matrix should be square, got {(rows, columns)}")
        if tuple(mean_vector.shape) != (rows,):
            raise ShapeError(
                f"LinearTransformation: mean_vector should have the matrix's length {rows}, got {tuple(mean_vector.shape)}"
            )
        if mean_vector.dtype is not transformation_matrix.dtype:
            raise DtypeError(
                f"LinearTransformation: the matrix is {transformation_matrix.dtype}, the mean {mean_vector.dtype}; use one"
            )
        self.transformation_matrix = transformation_matrix
        self.mean_vector = mean_vector

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Refuse Pillow images, which hold no floats."""
        if any(isinstance(leaf, Image.Image) for leaf in flat_inputs):
            raise TypeError("LinearTransformation: does not support Pillow images; put ToTensor before it")

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The whitened image."""
        size = math.prod(inpt.shape[-3:])
        if size != self.mean_vector.shape[0]:
            raise ShapeError(
                f"LinearTransformation: the image has {size} values, the matrix {self.mean_vector.shape[0]} rows"
            )
        centred = inpt.reshape(-1, size) - self.mean_vector
        return tv_tensors.wrap((centred @ self.transformation_matrix.to(centred.dtype)).reshape(inpt.shape), like=inpt)
