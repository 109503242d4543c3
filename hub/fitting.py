"""Fitting weights to a model: strict everywhere but at the head, which another number of classes replaces."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from framework import nn
from framework.errors import ArgumentError
from framework.io import load
from framework.tensor import Tensor


@dataclass
class Fit:
    """What became of the weights given: the keys that were loaded, and those of a head that stays as initialised."""

    loaded: list[str] = field(default_factory=list)
    swapped: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        head = f"; the head starts afresh: {', '.join(self.swapped)}" if self.swapped else ""
        return f"{len(self.loaded)} tensors loaded{head}"


def head_of(model: nn.Module) -> str:
    """The dotted name of a classifier's last layer with weights.

    Raises:
        ArgumentError: the model has none.
    """
    names = [name for name, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d)]
    if not names:
        raise ArgumentError(f"head_of: {type(model).__name__} has no linear or convolutional layer")
    return names[-1]


def read_state_dict(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The weights in a file of ours: a safetensors file, a saved state dict, or a training checkpoint.

    Raises:
        FileFormatError: the file is none of these.
        ArgumentError: it holds something else than weights.
    """
    found = load(path)
    if isinstance(found, Mapping) and "parts" in found:
        found = found["parts"].get("model", {})
    if not isinstance(found, Mapping) or not found or not all(isinstance(t, Tensor) for t in found.values()):
        raise ArgumentError(f"{os.fspath(path)}: holds no weights; give a state dict of named tensors")
    return dict(found)


def load_pretrained(model: nn.Module, state_dict: Mapping[str, Tensor]) -> Fit:
    """Load weights into a model; a head of another shape is left as it was initialised. All else is strict.

    Raises:
        RuntimeError: keys outside the head are missing, unexpected or mis-shaped; the message lists them all.
    """
    head = head_of(model)
    own = model.state_dict()
    swapped = [
        key
        for key, value in state_dict.items()
        if key.startswith(f"{head}.") and key in own and own[key].shape != value.shape
    ]
    merged = {**state_dict, **{key: own[key] for key in swapped}}
    model.load_state_dict(merged)
    return Fit([key for key in state_dict if key not in swapped], swapped)


def freeze(model: nn.Module, prefixes: list[str]) -> list[nn.Module]:
    """Stop training the parts of a model, batch-norm statistics included.

    Args:
        prefixes: dotted names of the parts; ``["backbone"]`` stands for all but the head.

    Returns:
        The frozen modules, which have to be kept in evaluation mode while the rest trains.

    Raises:
        ArgumentError: a name is no part of the model.
    """
    modules = dict(model.named_modules())
    if prefixes == ["backbone"] and "backbone" not in modules:
        head = head_of(model)
        chosen = [m for name, m in modules.items() if name and not _overlaps(name, head)]
    else:
        unknown = [p for p in prefixes if p not in modules]
        if unknown:
            parts = ", ".join(name for name, _ in model.named_children())
            raise ArgumentError(f"freeze: {', '.join(unknown)} is no part of the model; its parts: {parts}")
        chosen = [modules[p] for p in prefixes]
    for module in chosen:
        module.requires_grad_(False)
        module.eval()
    return chosen


def _overlaps(name: str, head: str) -> bool:
    return name == head or head.startswith(f"{name}.") or name.startswith(f"{head}.")
