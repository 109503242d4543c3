"""The feature pyramid: feature maps of falling size brought to one number of channels, the deep ones added to the rest."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from framework import nn
from framework.errors import ArgumentError
from vision.ops.misc import Conv2dNormActivation


class ExtraFPNBlock(nn.Module):
    """What further levels of a pyramid are computed by; the base class of those blocks."""

    def forward(self, results: list[Any], x: list[Any], names: list[str]) -> tuple[list[Any], list[str]]:
        """The levels and their names, with those that the block adds.

        Args:
            results: the pyramid's levels.
            x: the feature maps they were computed from.
            names: the names of both.
        """
        raise NotImplementedError(f"{type(self).__name__}: forward is not written")


class FeaturePyramidNetwork(nn.Module):
    """A pyramid on top of a network's feature maps.

    Args:
        in_channels_list: channels of each feature map, from the first, largest one on.
        out_channels: channels of every level.
        extra_blocks: computes further levels.
        norm_layer: builds a normalisation from its channels; None for none, and convolutions with a bias.

    Shape:
        {name: (N, C_i, H_i, W_i)} -> an ordered dict {name: (N, out_channels, H_i, W_i)}, in the order given, then the
        further levels.

    Raises:
        ArgumentError: a feature map has no channels.
        TypeError: ``extra_blocks`` is no ``ExtraFPNBlock``.

    Example:
        >>> pyramid = FeaturePyramidNetwork([16, 32], 8)
        >>> levels = pyramid({"a": framework.rand(1, 16, 32, 32), "b": framework.rand(1, 32, 16, 16)})

    Reference: Lin et al., "Feature Pyramid Networks", https://arxiv.org/abs/1612.03144
    """

    _version = 2

    def __init__(
        self,
        in_channels_list: list[int],
        out_channels: int,
        extra_blocks: ExtraFPNBlock | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        if 0 in in_channels_list:
            raise ArgumentError(f"FeaturePyramidNetwork: in_channels_list should be positive, got {in_channels_list}")
        if extra_blocks is not None and not isinstance(extra_blocks, ExtraFPNBlock):
            raise TypeError(f"extra_blocks should be of type ExtraFPNBlock not {type(extra_blocks)}")
        options: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": None}
        self.inner_blocks = nn.ModuleList()
        self.layer_blocks = nn.ModuleList()
        for channels in in_channels_list:
            self.inner_blocks.append(Conv2dNormActivation(channels, out_channels, 1, padding=0, **options))
            self.layer_blocks.append(Conv2dNormActivation(out_channels, out_channels, 3, **options))
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                _start(m)
        self.extra_blocks = extra_blocks

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: dict[str, Any], *rest: Any) -> None:
        if local_metadata.get("version") in (None, 1):  # there a block was the convolution itself
            for block in ("inner_blocks", "layer_blocks"):
                for i in range(len(self.inner_blocks)):
                    for name in ("weight", "bias"):
                        old = f"{prefix}{block}.{i}.{name}"
                        if old in state_dict:
                            state_dict[f"{prefix}{block}.{i}.0.{name}"] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    def forward(self, x: dict[str, Any]) -> dict[str, Any]:
        """The levels, by the names of the feature maps."""
        names, maps = list(x), list(x.values())
        summed = self.inner_blocks[-1](maps[-1])
        results = [self.layer_blocks[-1](summed)]
        for i in range(len(maps) - 2, -1, -1):
            lateral = self.inner_blocks[i](maps[i])
            summed = lateral + nn.functional.interpolate(summed, size=tuple(lateral.shape[-2:]), mode="nearest")
            results.insert(0, self.layer_blocks[i](summed))
        if self.extra_blocks is not None:
            results, names = self.extra_blocks(results, maps, names)
        return OrderedDict(zip(names, results, strict=True))


class LastLevelMaxPool(ExtraFPNBlock):
    """A level "pool": every second pixel of the last one."""

    def forward(self, results: list[Any], x: list[Any], names: list[str]) -> tuple[list[Any], list[str]]:
        """The levels and their names, with the new one."""
        return [*results, nn.functional.max_pool2d(results[-1], 1, stride=2)], [*names, "pool"]


class LastLevelP6P7(ExtraFPNBlock):
    """Levels "p6" and "p7", by two convolutions of stride 2 with a ReLU between them, as RetinaNet has them.

    They start from the last level if it has ``in_channels``, and from the last feature map otherwise.

    Args:
        in_channels: of what they start from.
        out_channels: of the levels.

    Reference: Lin et al., "Focal Loss for Dense Object Detection", https://arxiv.org/abs/1708.02002
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.p6 = nn.Conv2d(in_channels, out_channels, 3, 2, 1)
        self.p7 = nn.Conv2d(out_channels, out_channels, 3, 2, 1)
        _start(self.p6)
        _start(self.p7)
        self.use_P5 = in_channels == out_channels

    def forward(self, results: list[Any], x: list[Any], names: list[str]) -> tuple[list[Any], list[str]]:
        """The levels and their names, with the new ones."""
        p6 = self.p6(results[-1] if self.use_P5 else x[-1])
        p7 = self.p7(nn.functional.relu(p6))
        return [*results, p6, p7], [*names, "p6", "p7"]


def _start(conv: nn.Conv2d) -> None:
    """A convolution's initial values."""
    nn.init.kaiming_uniform_(conv.weight, a=1)
    if conv.bias is not None:
        nn.init.constant_(conv.bias, 0)
