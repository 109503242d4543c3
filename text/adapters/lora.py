"""Low-rank adapters on a model of any kind: put on, merged, taken off.

Reference: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", https://arxiv.org/abs/2106.09685. Options and
results are PEFT's. A model has one set of adapters at a time; modules trained whole keep no copy of what they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from framework import nn
from framework.errors import ArgumentError
from framework.tensor import Tensor
from text.adapters.config import LoraConfig
from text.adapters.layer import LoraLayer
from text.adapters.targets import layers_named, modules_kept

Model = TypeVar("Model", bound=nn.Module)


def add_lora(model: Model, config: LoraConfig) -> Model:
    """Put adapters beside linear layers and freeze all but these, ``modules_to_save`` and the biases that ``bias`` names.

    At first they change nothing. Linear layers of any model take them, and GPT-2's layers whose weights lie the other way.

    Args:
        model: is changed, and returned.
        config: which layers, and how.

    Raises:
        ArgumentError: the model has adapters already, or the config names no linear layer.

    Example:
        >>> model = text.from_pretrained("bert-base-uncased", "sequence-classification", num_labels=3)
        >>> add_lora(model, LoraConfig(r=8, target_modules=["query", "value"], modules_to_save=["classifier"]))
        >>> optimizer = optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
        >>> ...
        >>> save_adapter(model, "my-adapter")
    """
    if lora_layers(model):
        raise ArgumentError(f"add_lora: the {type(model).__name__} has adapters; merge_and_unload or unload them first")
    targets = layers_named(model, config)
    kept = modules_kept(model, config.modules_to_save)
    model.requires_grad_(False)
    for name, base in targets.items():
        layer = LoraLayer(base, config.rank_of(name), config.scaling_of(name), config)
        _put(model, name, layer)
        if config.bias == "lora_only" and base.bias is not None:
            base.bias.requires_grad_(True)
    for module in kept.values():
        module.requires_grad_(True)
    if config.bias == "all":
        for name, parameter in model.named_parameters():
            if name.rpartition(".")[2] == "bias":
                parameter.requires_grad_(True)
    model.lora_config = config
    return model


def lora_layers(model: nn.Module) -> dict[str, LoraLayer]:
    """The layers with adapters, by name."""
    return {name: module for name, module in model.named_modules() if isinstance(module, LoraLayer)}


def merge(model: Model) -> Model:
    """Put the adapters into the weights, so that the model costs what it did without; ``unmerge`` takes them out.

    Raises:
        ArgumentError: the model has no adapters, or a layer's weight is also another layer's, which would change, too.
    """
    layers = _checked(model, "merge")
    for name, layer in layers.items():
        _check_alone(model, name, layer)
    for layer in layers.values():
        layer.merge()
    return model


def unmerge(model: Model) -> Model:
    """Take the adapters out of the weights, which are then what they were, to the bit.

    Raises:
        ArgumentError: the model has no adapters.
    """
    for layer in _checked(model, "unmerge").values():
        layer.unmerge()
    return model


def merge_and_unload(model: Model) -> Model:
    """Put the adapters into the weights for good, and the plain layers in their places.

    Raises:
        ArgumentError: as for ``merge``.
    """
    merge(model)
    return _bare(model)


def unload(model: Model) -> Model:
    """Take the adapters off: the layers are plain again, as if there had been none.

    Raises:
        ArgumentError: the model has no adapters.
    """
    unmerge(model)
    return _bare(model)


def merged_state_dict(model: nn.Module) -> dict[str, Tensor]:
    """The state dict that the model would have after ``merge_and_unload``; it stays as it is.

    Raises:
        ArgumentError: as for ``merge``.
    """
    layers = _checked(model, "merged_state_dict")
    for name, layer in layers.items():
        _check_alone(model, name, layer)
    state = {}
    for key, value in model.state_dict().items():
        owner, _, last = key.rpartition(".")
        layer_name = owner.removesuffix(".base_layer")
        if owner != layer_name and layer_name in layers:
            state[f"{layer_name}.{last}"] = layers[layer_name].weight.detach() if last == "weight" else value
        elif not any(key.startswith(f"{name}.lora_") for name in layers):
            state[key] = value
    return state


@contextmanager
def disabled(model: nn.Module) -> Iterator[None]:
    """Within it the model runs without its adapters; for training by preference, where both are compared.

    Raises:
        ArgumentError: the model has no adapters, or they are merged.
    """
    layers = _checked(model, "disabled").values()
    if any(layer.merged for layer in layers):
        raise ArgumentError("disabled: the adapters are in the weights; unmerge them first")
    try:
        for layer in layers:
            layer.disabled = True
        yield
    finally:
        for layer in layers:
            layer.disabled = False


def config_of(model: Any) -> LoraConfig:
    """What the model's adapters were made by.

    Raises:
        ArgumentError: it has none.
    """
    _checked(model, "adapters")
    return model.lora_config


def _checked(model: nn.Module, what: str) -> dict[str, LoraLayer]:
    layers = lora_layers(model)
    if not layers:
        raise ArgumentError(f"{what}: the {type(model).__name__} has no adapters; add_lora puts them on")
    return layers


def _check_alone(model: nn.Module, name: str, layer: LoraLayer) -> None:
    weight = layer.base_layer.weight
    for other, module in model.named_modules():
        if module is not layer.base_layer and any(p is weight for p in module._parameters.values()):
            raise ArgumentError(f"merge: the weight of {name} is also that of {other}, which would change with it")


def _bare(model: Model) -> Model:
    for name, layer in lora_layers(model).items():
        _put(model, name, layer.base_layer)
    del model.lora_config
    return model


def _put(model: nn.Module, name: str, module: nn.Module) -> None:
    """Replace a module in every place where it is."""
    old = model.get_submodule(name)
    for owner in list(model.modules()):
        for key, child in owner._modules.items():
            if child is old:
                owner._modules[key] = module
