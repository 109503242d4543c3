"""Transforms that change brightness, contrast, saturation and hue at random, or take colour away."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

from framework.errors import ArgumentError
from framework.ops.values import tensor
from framework.tensor import Tensor
from vision.transforms.base import RandomTransform, Transform, check_probability, random_numbers, uniform
from vision.transforms.color import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    grayscale_to_rgb,
    permute_channels,
    rgb_to_grayscale,
)
from vision.transforms.images import query_chw


class ColorJitter(Transform):
    """Random changes of brightness, contrast, saturation and hue, in random order.

    Args:
        brightness, contrast, saturation: factors are drawn from [max(0, 1 - value), 1 + value], or from (low, high).
        hue: the turn is drawn from [-value, value], or from (low, high), within -0.5 and 0.5.
    """

    _functions = (adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue)

    def __init__(
        self,
        brightness: float | Sequence[float] | None = None,
        contrast: float | Sequence[float] | None = None,
        saturation: float | Sequence[float] | None = None,
        hue: float | Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.brightness = self._range("brightness", brightness)
        self.contrast = self._range("contrast", contrast)
        self.saturation = self._range("saturation", saturation)
        self.hue = self._range("hue", hue, 0.0, (-0.5, 0.5))

    @staticmethod
    def _range(
        name: str, value: Any, centre: float = 1.0, bounds: tuple[float, float] = (0.0, float("inf"))
    ) -> tuple[float, float] | None:
        if value is None:
            return None
        if isinstance(value, numbers.Real):
            if value < 0:
                raise ArgumentError(f"ColorJitter: a single number for {name} must be non negative, got {value}")
            low, high = centre - float(value), centre + float(value)
            low = max(low, 0.0) if centre else low
        elif isinstance(value, Sequence) and len(value) == 2:
            low, high = (float(v) for v in value)
        else:
            raise TypeError(f"ColorJitter: {name} should be a number or two, got {value!r}")
        if not bounds[0] <= low <= high <= bounds[1]:
            raise ArgumentError(f"ColorJitter: {name} values should be between {bounds}, increasing, got {(low, high)}")
        return None if low == high == centre else (low, high)

    @staticmethod
    def get_params(
        brightness: Sequence[float] | None,
        contrast: Sequence[float] | None,
        saturation: Sequence[float] | None,
        hue: Sequence[float] | None,
    ) -> tuple[Tensor, float | None, float | None, float | None, float | None]:
        """A random order (4,) of the four changes, and their factors out of these ranges; None for what stays."""
        order = tensor(random_numbers().permutation(4))
        first, second, third, fourth = (
            None if r is None else uniform(r) for r in (brightness, contrast, saturation, hue)
        )
        return order, first, second, third, fourth

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The order, and the four factors; None for what stays."""
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        return {"order": order.tolist(), "factors": factors}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The changed image."""
        for number in params["order"]:
            factor = params["factors"][number]
            if factor is not None:
                inpt = self._call_kernel(self._functions[number], inpt, factor)
        return inpt


class Grayscale(Transform):
    """An image in grey, in one channel or three equal ones."""

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The grey image."""
        return self._call_kernel(rgb_to_grayscale, inpt, self.num_output_channels)


class RandomGrayscale(RandomTransform):
    """An image in grey with probability ``p``, in as many channels as it has."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """How many channels it has."""
        return {"num_input_channels": query_chw(flat_inputs, "RandomGrayscale")[0]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The grey image."""
        return self._call_kernel(rgb_to_grayscale, inpt, params["num_input_channels"])


class RGB(Transform):
    """An image in three channels."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The image in colour."""
        return self._call_kernel(grayscale_to_rgb, inpt)


class RandomChannelPermutation(Transform):
    """An image with its channels in random order."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The order."""
        channels = query_chw(flat_inputs, "RandomChannelPermutation")[0]
        return {"permutation": [int(n) for n in random_numbers().permutation(channels)]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The image with its channels in that order."""
        return self._call_kernel(permute_channels, inpt, params["permutation"])


class RandomPhotometricDistort(Transform):
    """Random changes of brightness, contrast, saturation, hue and the channels' order, each with probability ``p``.

    Args:
        brightness, contrast, saturation: (lowest, highest) factor.
        hue: (lowest, highest) turn, within -0.5 and 0.5.
        p: of each change.

    Reference: Liu et al., "SSD: Single Shot MultiBox Detector", https://arxiv.org/abs/1512.02325
    """

    def __init__(
        self,
        brightness: tuple[float, float] = (0.875, 1.125),
        contrast: tuple[float, float] = (0.5, 1.5),
        saturation: tuple[float, float] = (0.5, 1.5),
        hue: tuple[float, float] = (-0.05, 0.05),
        p: float = 0.5,
    ) -> None:
        super().__init__()
        self.brightness = brightness
        self.contrast = contrast
        self.hue = hue
        self.saturation = saturation
        self.p = check_probability("RandomPhotometricDistort", p)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The factors, and the channels' order; None for what stays. Contrast comes first or last."""
        channels = query_chw(flat_inputs, "RandomPhotometricDistort")[0]
        stream = random_numbers()
        params: dict[str, Any] = {
            f"{name}_factor": uniform(getattr(self, name)) if stream.random() < self.p else None
            for name in ("brightness", "contrast", "saturation", "hue")
        }
        params["contrast_before"] = bool(stream.random() < 0.5)
        order = [int(n) for n in stream.permutation(channels)]
        params["channel_permutation"] = order if stream.random() < self.p else None
        return params

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The changed image."""
        middle = (adjust_saturation, "saturation_factor"), (adjust_hue, "hue_factor")
        contrast = (adjust_contrast, "contrast_factor")
        steps = (contrast, *middle) if params["contrast_before"] else (*middle, contrast)
        for function, name in (
            (adjust_brightness, "brightness_factor"),
            *steps,
            (permute_channels, "channel_permutation"),
        ):
            if params[name] is not None:
                inpt = self._call_kernel(function, inpt, params[name])
        return inpt
