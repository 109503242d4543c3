"""Which layers of a model a config names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from framework import nn
from framework.errors import ArgumentError
from hub.fitting import rules_of
from text.adapters.config import ALL_LINEAR, LoraConfig
from text.models.gpt2 import Conv1D

# what is usual for a family, where nothing is named
USUAL: dict[str, tuple[str, ...]] = {
    "albert": ("query", "value"),
    "bart": ("q_proj", "v_proj"),
    "bert": ("query", "value"),
    "deberta": ("in_proj",),
    "deberta-v2": ("query_proj", "value_proj"),
    "distilbert": ("q_lin", "v_lin"),
    "electra": ("query", "value"),
    "gpt2": ("c_attn",),
    "llama": ("q_proj", "v_proj"),
    "marian": ("q_proj", "v_proj"),
    "mistral": ("q_proj", "v_proj"),
    "modernbert": ("Wqkv",),
    "mpnet": ("q", "v"),
    "mt5": ("q", "v"),
    "qwen2": ("q_proj", "v_proj"),
    "qwen3": ("q_proj", "v_proj"),
    "roberta": ("query", "value"),
    "t5": ("q", "v"),
    "xlm-roberta": ("query", "value"),
}


def layers_named(model: nn.Module, config: LoraConfig) -> dict[str, nn.Module]:
    """The layers that get adapters, by name.

    Raises:
        ArgumentError: nothing has such a name, or what has is no linear layer.
    """
    wanted = config.target_modules
    if wanted is None:
        wanted = _usual(model)
    if wanted == ALL_LINEAR:
        found = _all_linear(model)
    else:
        found = {name: m for name, m in model.named_modules() if name and _is_named(name, wanted, config)}
    found = {name: m for name, m in found.items() if not _is_left_out(name, config)}
    if not found:
        linear = ", ".join(dict.fromkeys(name.rpartition(".")[2] for name in _all_linear(model)))
        raise ArgumentError(f"add_lora: no layer is named by target_modules={wanted!r}; linear layers end in {linear}")
    for name, module in found.items():
        if not isinstance(module, nn.Linear | Conv1D):
            raise ArgumentError(
                f"add_lora: {name} is a {type(module).__name__}; adapters go with linear layers, so name these"
            )
    return found


def modules_kept(model: nn.Module, names: Sequence[str] | None) -> dict[str, nn.Module]:
    """The modules that are trained whole, by name.

    Raises:
        ArgumentError: nothing has one of the names.
    """
    found: dict[str, nn.Module] = {}
    for wanted in names or ():
        several = {name: m for name, m in model.named_modules() if name == wanted or name.endswith(f".{wanted}")}
        found |= several
    if names and not found:
        raise ArgumentError(f"add_lora: no module is named by modules_to_save={list(names)!r}")
    return found


def _usual(model: Any) -> tuple[str, ...]:
    family = getattr(getattr(model, "config", None), "model_type", None)
    if family not in USUAL:
        raise ArgumentError(f"add_lora: give target_modules; nothing is usual for a {type(model).__name__}")
    return USUAL[family]


def _all_linear(model: Any) -> dict[str, nn.Module]:
    """All linear layers but those that give the classes or the scores of tokens."""
    heads = rules_of(model).head
    output = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    return {
        name: m
        for name, m in model.named_modules()
        if isinstance(m, nn.Linear | Conv1D)
        and m is not output
        and not any(name == head or name.startswith(f"{head}.") for head in heads)
    }


def _is_named(name: str, wanted: Sequence[str] | str, config: LoraConfig) -> bool:
    if isinstance(wanted, str):
        return re.fullmatch(wanted, name) is not None
    if name in wanted:
        return True
    return any(name.endswith(f".{end}") for end in wanted) and _in_layers(name, config)


def _in_layers(name: str, config: LoraConfig) -> bool:
    """Whether the layer's number is among those of ``layers_to_transform``."""
    numbers = config.layers_to_transform
    if numbers is None or numbers == []:
        return True
    lists = config.layers_pattern or [r"[^.]*"]
    for pattern in [lists] if isinstance(lists, str) else lists:
        match = re.match(rf"(?:^|.*?\.){pattern}\.(\d+)\.", name)
        if match:
            return int(match[1]) in ([numbers] if isinstance(numbers, int) else numbers)
    return False


def _is_left_out(name: str, config: LoraConfig) -> bool:
    excluded = config.exclude_modules or ()
    if isinstance(excluded, str):
        left_out = re.fullmatch(excluded, name) is not None
    else:
        left_out = any(name == end or name.endswith(f".{end}") for end in excluded)
    return left_out or any(re.match(rf"(^|.*\.){kept}($|\..*)", name) for kept in config.modules_to_save or ())
