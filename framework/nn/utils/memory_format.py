"""Memory formats of convolution weights."""

from __future__ import annotations

from typing import Any

from framework.nn.module import Module


def _convert(module: Module, memory_format: Any, ndim: int) -> Module:
    for part in module.modules():
        if any(c.__name__ in ("_ConvNd", "Conv2d", "Conv3d") for c in type(part).__mro__):
            weight = part._parameters["weight"]
            if weight.ndim == ndim:
                weight.data = weight.detach().contiguous(memory_format=memory_format)
    return module


def convert_conv2d_weight_memory_format(module: Module, memory_format: Any) -> Module:
    """Lay the 4-d weights of the convolutions in a module out in a memory format, such as ``channels_last``."""
    return _convert(module, memory_format, 4)


def convert_conv3d_weight_memory_format(module: Module, memory_format: Any) -> Module:
    """Lay the 5-d weights of the convolutions in a module out in a memory format, such as ``channels_last_3d``."""
    return _convert(module, memory_format, 5)
