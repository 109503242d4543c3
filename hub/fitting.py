"""Fitting weights to a model: strict everywhere but at the head, which another number of classes replaces."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

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
    if isinstance(found, Mapping) and isinstance(found.get("parts"), Mapping):
        found = found["parts"].get("model")
    if not isinstance(found, Mapping) or not found or not all(isinstance(t, Tensor) for t in found.values()):
        raise ArgumentError(f"{os.fspath(path)}: holds no weights; give a state dict of named tensors")
    return dict(found)


def load_pretrained(model: nn.Module, state_dict: Mapping[str, Tensor]) -> Fit:
    """Load weights into a model; a head for another number of classes stays as it was initialised. All else is strict.

    Args:
        model: its last linear or convolutional layer is the head.
        state_dict: named tensors, as ``read_state_dict`` gives them.

    Raises:
        RuntimeError: keys are missing, unexpected or, outside the head, mis-shaped; the message lists them all.

    Example:
        >>> model = hub.create("resnet18", num_classes=2)
        >>> print(hub.load_pretrained(model, hub.read_state_dict("resnet18.safetensors")))
        120 tensors loaded; the head starts afresh: fc.weight, fc.bias
    """
    prefix = f"{head_of(model)}."
    own = model.state_dict()
    # another number of classes is another first length, and nothing more
    swapped = [
        key
        for key, value in state_dict.items()
        if key.startswith(prefix) and key in own and value.ndim and own[key].shape != value.shape
        and own[key].shape[1:] == value.shape[1:]
    ]  # fmt: skip
    model.load_state_dict({**state_dict, **{key: own[key] for key in swapped}})
    return Fit([key for key in state_dict if key not in swapped], swapped)


def freeze(model: nn.Module, prefixes: list[str]) -> list[nn.Module]:
    """Stop training the parts of a model, batch-norm statistics included.

    Args:
        prefixes: dotted names of the parts; ``["backbone"]`` stands for all but the head.

    Returns:
        The frozen modules. They were put in evaluation mode, which ``model.train()`` undoes: put them back after it.

    Raises:
        ArgumentError: a name is no part of the model.
    """
    modules = {name: module for name, module in model.named_modules() if name}
    if prefixes == ["backbone"] and "backbone" not in modules:
        head = head_of(model)
        frozen = [parameter for name, parameter in model.named_parameters() if not name.startswith(f"{head}.")]
        chosen = [m for name, m in modules.items() if not f"{head}.".startswith(f"{name}.")]
    else:
        unknown = [p for p in prefixes if p not in modules]
        if unknown or not prefixes:
            parts = ", ".join(name for name, _ in model.named_children())
            names = ", ".join(map(repr, unknown)) or "nothing"
            raise ArgumentError(f"freeze: {names} is no part of the model; its parts: {parts}")
        chosen = [modules[p] for p in prefixes]
        frozen = [parameter for module in chosen for parameter in module.parameters()]
    for parameter in frozen:
        parameter.requires_grad_(False)
    for module in chosen:
        module.eval()
    return chosen
