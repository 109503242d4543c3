"""Adapters in folders of their own, in PEFT's layout: ``adapter_config.json`` and ``adapter_model.safetensors``."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any, TypeVar

from framework import nn
from framework.errors import StateError
from framework.io import save_file
from framework.tensor import Tensor
from hub import load_state_dict
from text.adapters.config import LoraConfig
from text.adapters.lora import add_lora, config_of, lora_layers, unload
from text.adapters.targets import modules_kept
from text.models.gpt2 import Conv1D

WEIGHTS_NAMES = ("adapter_model.safetensors", "adapter_model.bin")
PREFIX = "base_model.model."  # PEFT's wrappers around the model

Model = TypeVar("Model", bound=nn.Module)


def adapter_state_dict(model: nn.Module) -> dict[str, Tensor]:
    """The adapters, the biases that are trained and the modules trained whole, by PEFT's keys."""
    config = config_of(model)
    layers, kept = lora_layers(model), modules_kept(model, config.modules_to_save)
    begins = tuple(f"{name}." for name in kept)
    found = {}
    for key, value in model.state_dict().items():
        owner, _, last = key.rpartition(".")
        adapter = any(key.startswith(f"{name}.lora_") for name in layers)
        biased = last == "bias" and (
            config.bias == "all" or (config.bias == "lora_only" and owner.removesuffix(".base_layer") in layers)
        )
        if adapter or biased or key.startswith(begins):
            found[PREFIX + key] = value
    return found


def save_adapter(model: nn.Module, folder: str | os.PathLike[str]) -> None:
    """Write a model's adapters into a folder that PEFT reads, too.

    Raises:
        ArgumentError: the model has no adapters.
    """
    config = config_of(model)
    layers = lora_layers(model)
    save_file(adapter_state_dict(model), _made(folder) / WEIGHTS_NAMES[0], {"format": "pt"})
    dataclasses.replace(
        config,
        target_modules=sorted(layers) if not isinstance(config.target_modules, list | tuple) else config.target_modules,
        fan_in_fan_out=any(isinstance(layer.base_layer, Conv1D) for layer in layers.values()),
        inference_mode=True,
    ).save_pretrained(folder)


def load_adapter(model: Model, folder: str | os.PathLike[str], *, trainable: bool = False, **changes: Any) -> Model:
    """Put adapters from a folder, ours or PEFT's, on a model.

    Args:
        model: is changed, and returned.
        folder: with ``adapter_config.json`` and ``adapter_model.safetensors`` or ``adapter_model.bin``.
        trainable: train on; else all is frozen.
        changes: fields of the config to replace, such as ``lora_dropout=0.1``.

    Raises:
        FileNotFoundError, FileFormatError: the folder has no adapter, or a broken one.
        ArgumentError: the model has adapters already, or no layers of their names.
        StateError: keys or shapes do not fit the model, which is then as it was.
    """
    config = LoraConfig.from_pretrained(folder, **changes)
    path = next((p for p in (Path(folder) / name for name in WEIGHTS_NAMES) if p.is_file()), None)
    if path is None:
        raise FileNotFoundError(f"{os.fspath(folder)} holds no {' or '.join(WEIGHTS_NAMES)}")
    given = {key.removeprefix(PREFIX): value for key, value in load_state_dict(path).items()}
    before = [(p, p.requires_grad) for p in model.parameters()]
    add_lora(model, config)
    expected = {key.removeprefix(PREFIX) for key in adapter_state_dict(model)}
    own = model.state_dict()
    wrong = [f"missing: {key}" for key in sorted(expected - set(given))]
    wrong += [f"unexpected: {key}" for key in sorted(set(given) - set(own))]
    wrong += [
        f"of another shape: {key}, {tuple(value.shape)} in the file, {tuple(own[key].shape)} in the model"
        for key, value in given.items()
        if key in own and value.shape != own[key].shape
    ]
    if wrong:
        unload(model)
        for parameter, trained in before:
            parameter.requires_grad_(trained)
        raise StateError(f"{path} does not fit the {type(model).__name__}:\n" + "\n".join(wrong))
    for key, value in given.items():
        own[key].copy_(value)
    if not trainable:
        model.requires_grad_(False)
    return model


def _made(folder: str | os.PathLike[str]) -> Path:
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder)
