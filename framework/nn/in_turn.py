"""Layers called one after another, batch norm and the ReLU behind it in one pass while they are trained.

Apart, ReLU reads and writes the whole map once more, and so does its gradient. The two are taken together where nobody
can tell: both are of the library's own classes, and no hook looks between them. In evaluation each is called by itself;
``nn.fuse`` folds batch norm into the convolution there.
"""

from __future__ import annotations

from typing import Any

from framework.nn.activation import ReLU
from framework.nn.batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from framework.nn.hooks import any_global
from framework.nn.module import Module, located

_NORMS = frozenset({BatchNorm1d, BatchNorm2d, BatchNorm3d})


def in_turn(input: Any, *layers: Module) -> Any:
    """What the layers make of an input, each taking what the one before it gave.

    Args:
        input: what the first layer takes, of any shape that it does.
        layers: modules, called in this order; without any, the input is the result.

    Example:
        >>> y = in_turn(x, self.conv1, self.bn1, self.relu)  # self.relu(self.bn1(self.conv1(x)))
    """
    norm: Any = None  # one that waits for its ReLU
    for layer, after in zip(layers, (*layers, None)[1:], strict=True):
        if norm is not None:
            with located(norm):
                input = norm.with_relu(input)
            norm = None
        elif after is not None and type(layer) in _NORMS and _together(layer, after):
            norm = layer
        else:
            input = layer(input)
    return input


def _together(norm: Module, activation: Module) -> bool:
    return norm.training and type(activation) is ReLU and not (norm._hooked or activation._hooked or any_global)
