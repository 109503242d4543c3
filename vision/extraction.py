"""The outputs of a model's inner layers, by the layers' names."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from framework import nn
from framework.errors import ArgumentError, nearest


class _Reached(Exception):
    """Ends a forward pass when the last of the wanted layers has given its output."""


class FeatureExtractor(nn.Module):
    """A model that gives the outputs of inner layers instead of its own; see ``features``.

    It shares the model's modules. Its state dict has the model's keys behind ``model.``.
    """

    def __init__(self, model: nn.Module, layers: Sequence[str] | Mapping[str, str]) -> None:
        super().__init__()
        self.model = model
        names = dict(layers) if isinstance(layers, Mapping) else {layer: layer for layer in layers}
        if not names:
            raise ArgumentError("features: name at least one layer")
        modules = dict(model.named_modules())
        self._wanted = {_place(layer, modules): output for layer, output in names.items()}

    def forward(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The outputs by name, in the order that they were asked for. The pass ends at the last of them."""
        found: dict[tuple[str, int], Any] = {}
        calls: dict[str, int] = {}

        def keep(name: str) -> Any:
            def hook(module: nn.Module, inputs: Any, output: Any) -> None:
                place = name, calls.get(name, 0)
                calls[name] = place[1] + 1
                if place in self._wanted:
                    found[place] = output
                    if len(found) == len(self._wanted):
                        raise _Reached

            return hook

        modules = dict(self.model.named_modules())
        hooks = [modules[name].register_forward_hook(keep(name)) for name in dict.fromkeys(n for n, _ in self._wanted)]
        try:
            self.model(*args, **kwargs)
        except _Reached:
            pass
        finally:
            for handle in hooks:
                handle.remove()
        absent = [f"{name}_{call}" if call else name for name, call in self._wanted if (name, call) not in found]
        if absent:
            raise ArgumentError(f"features: the forward pass did not reach {', '.join(absent)}")
        return OrderedDict((output, found[place]) for place, output in self._wanted.items())


def features(model: nn.Module, layers: Sequence[str] | Mapping[str, str]) -> FeatureExtractor:
    """A model that gives the outputs of inner layers instead of its own.

    Args:
        model: shared, not copied.
        layers: dotted names, as in ``model.named_modules()``; or a dict from these to names for the outputs. Of a layer
            that is called several times in a pass the first output counts; ``name_1`` is the second, and so on.

    Returns:
        A module whose forward takes the model's arguments and gives a dict of outputs. What comes after the last wanted
        layer is not computed.

    Raises:
        ArgumentError: the model has no layer of the name.

    Example:
        >>> maps = vision.features(model, ["layer3", "layer4"])(pictures)
        >>> maps["layer4"].shape
        (8, 512, 7, 7)
    """
    return FeatureExtractor(model, layers)


def _place(layer: str, modules: Mapping[str, nn.Module]) -> tuple[str, int]:
    """(module, which of its calls) that a layer's name means."""
    if layer in modules and layer:
        return layer, 0
    numbered = re.fullmatch(r"(.+)_(\d+)", layer)
    if numbered and numbered[1] in modules:
        return numbered[1], int(numbered[2])
    hint = nearest(layer, modules) or "; layers are modules, named as in model.named_modules()"
    raise ArgumentError(f"features: the model has no layer {layer!r}{hint}")
