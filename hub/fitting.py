"""Fitting weights to a model: strict everywhere but at the head, which another number of classes replaces.

A model class says in ``fit_rules`` what may differ between a file and the model: its head, its first convolution, parts
that a file may hold for nothing, position embeddings of another size.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from framework import nn
from framework.errors import ArgumentError, StateError
from framework.io.weights import memory_key
from framework.ops.joining import cat
from framework.tensor import Tensor
from hub.state_files import load_state_dict, state_in
from hub.weights import Weights, WeightsEnum

PREFIXES = ("module.", "model.", "net.", "backbone.", "_orig_mod.")  # what wrappers put before a model's keys
_AVERAGED = "n_averaged"  # the count that an AveragedModel keeps beside the model it wraps
_COUNTER = "num_batches_tracked"  # files older than this buffer of batch norm lack it
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True)
class FitRules:
    """What may differ between a file of weights and a model of the class.

    Args:
        head: dotted names of the layers whose outputs are the classes.
        stem: dotted name of the first convolution.
        optional: beginnings of keys that a file may hold though the model has no such part.
        key_map: (pattern, replacement) pairs that turn old or foreign keys into the model's.
        adapt: ``adapt(model, state_dict)`` gives the state dict with what depends on the picture's size resized.
        containers: dotted names of modules that only hold others, for ``layers_of``, beside those that it knows itself.
        base: the name under which models with a head hold their trunk. The file of a trunk alone fits a model with a head,
            whose head then starts afresh; of a file with a head, the trunk alone takes its part, and a model with another
            head leaves that head out. ``optional`` and ``fresh`` are beginnings below it.
        fresh: beginnings of keys that a file may lack, which then start afresh.
    """

    head: tuple[str, ...] = ()
    stem: str | None = None
    optional: tuple[str, ...] = ()
    key_map: tuple[tuple[str, str], ...] = ()
    adapt: Callable[[Any, dict[str, Tensor]], dict[str, Tensor]] | None = None
    containers: tuple[str, ...] = ()
    base: str = ""
    fresh: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """Named tensors that were read, how to rename their keys, and what to call them in an error."""

    tensors: Mapping[str, Tensor]
    key_map: tuple[tuple[str, str], ...]
    name: str


@dataclass
class Fit:
    """What became of the weights given.

    Attributes:
        loaded: keys whose values are in the model now.
        swapped: keys of a head for another number of classes, which stays as initialised.
        adapted: keys whose values were resized on the way in.
        fresh: keys of parts that the file may lack and does, which stay as initialised.
        ignored: keys of parts that the model leaves out.
        missing: keys that the model has and the file has not.
        unexpected: keys that the file has and the model has not.
        misshaped: (shape in the file, shape in the model) by key.
    """

    loaded: list[str] = field(default_factory=list)
    swapped: list[str] = field(default_factory=list)
    adapted: list[str] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    misshaped: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [f"{len(self.loaded)} tensors loaded"]
        for words, keys in (
            ("the head starts afresh: ", self.swapped),
            ("resized: ", self.adapted),
            ("not in the file, so that they start afresh: ", self.fresh),
            ("left out: ", self.ignored),
            ("missing: ", self.missing),
            ("unexpected: ", self.unexpected),
            ("of another shape: ", self.misshaped),
        ):
            if keys:
                parts.append(words + ", ".join(keys))
        return "; ".join(parts)

    def table(self) -> str:
        """One line a key, with what became of it."""
        rows = [(key, "resized" if key in self.adapted else "loaded") for key in self.loaded]
        rows += [(key, "swapped: starts afresh") for key in self.swapped]
        rows += [(key, "not in the file: starts afresh") for key in self.fresh]
        rows += [(key, "ignored: the model has no such part") for key in self.ignored]
        rows += [(key, "missing in the file") for key in self.missing]
        rows += [(key, "unexpected: not in the model") for key in self.unexpected]
        rows += [
            (k, f"mis-shaped: {file} in the file, {model} in the model") for k, (file, model) in self.misshaped.items()
        ]
        width = max((len(key) for key, _ in rows), default=0)
        return "\n".join(f"{key:{width}}  {what}" for key, what in rows)


def rules_of(model: nn.Module) -> FitRules:
    """The rules that a model's class declares as ``fit_rules``; else those of a classifier that ends in its head."""
    declared = getattr(type(model), "fit_rules", None)
    if declared is not None:
        return declared
    layers = [
        (name, m) for name, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d)
    ]
    stem = next((name for name, m in layers if isinstance(m, _CONVOLUTIONS)), None)
    return FitRules(head=(layers[-1][0],) if layers else (), stem=stem)


def head_of(model: nn.Module) -> tuple[str, ...]:
    """The dotted names of the layers whose outputs are a classifier's classes: first the main one, then auxiliary ones.

    Raises:
        ArgumentError: the model has none.
    """
    modules = dict(model.named_modules())
    names = tuple(name for name in rules_of(model).head if name in modules)
    if not names:
        raise ArgumentError(f"head_of: {type(model).__name__} has no linear or convolutional layer")
    return names


def load_pretrained(
    model: nn.Module,
    weights: Mapping[str, Tensor] | Source | Weights | WeightsEnum | str | os.PathLike[str],
    *,
    strict: bool = True,
    progress: bool = True,
) -> Fit:
    """Load weights into a model. A head for another number of classes stays as initialised; all else is strict.

    Prefixes that wrappers leave (``module.``, ``model.``, ``net.``, ``backbone.``, ``_orig_mod.``) are taken off the keys
    where that makes more of them fit, and containers around the state dict (``state_dict``, ``model``, ``ema``, ``net``)
    are opened.

    Args:
        model: its class says in ``fit_rules`` what may differ; else its last linear or convolutional layer is the head.
        weights: named tensors, or a checkpoint that holds them; a file of any format that ``load_state_dict`` reads; an
            entry, or the name ``arch.tag`` of one.
        strict: whether what is missing, unexpected or mis-shaped is an error; else the model keeps its values there, and
            what is returned lists the keys.
        progress: show how far a download is.

    Raises:
        StateError: keys are missing, unexpected or, outside the head, mis-shaped; the message lists them all.

    Example:
        >>> model = hub.create("resnet18", num_classes=2)
        >>> print(hub.load_pretrained(model, "resnet18.safetensors"))
        120 tensors loaded; the head starts afresh: fc.weight, fc.bias
    """
    source = read(weights, progress)
    rules = rules_of(model)
    own = dict(model.state_dict())
    state = _aligned(_renamed(source.tensors, (*source.key_map, *rules.key_map)), _either_way(own, rules.base))
    fit = Fit()
    if rules.base:
        state, fit.ignored = _rebased(state, own, f"{rules.base}.")
    resized = rules.adapt(model, dict(state)) if rules.adapt else state
    resized = _with_channels(resized, rules, own)
    fit.adapted = [key for key in resized if key in state and resized[key] is not state[key]]
    heads = tuple(f"{name}." for name in rules.head)
    fit.swapped = _swapped(resized, own, heads)
    for key, value in resized.items():
        if key not in own:
            (fit.ignored if _begins(key, rules.optional, rules.base) else fit.unexpected).append(key)
        elif key not in fit.swapped:
            if value.shape == own[key].shape:
                fit.loaded.append(key)
            else:
                fit.misshaped[key] = tuple(value.shape), tuple(own[key].shape)
    _sort_absent(fit, [key for key in own if key not in resized and not key.endswith(_COUNTER)], own, rules)
    if strict and (fit.missing or fit.unexpected or fit.misshaped):
        wrong = Fit(missing=fit.missing, unexpected=fit.unexpected, misshaped=fit.misshaped)
        raise StateError(
            f"{source.name} does not fit {type(model).__name__}: {len(fit.loaded)} of the model's {len(own)} tensors fit, and\n"
            f"{wrong.table()}\ncreate the model that the weights are of, or keep its "
            "values there by load_pretrained(model, weights, strict=False)"
        )
    model.load_state_dict({**own, **{key: resized[key] for key in fit.loaded}})
    return fit


def classes_in(model: nn.Module, source: Source) -> int | None:
    """How many classes the head in weights has, by the model's rules; None where they hold no such head."""
    rules = rules_of(model)
    state = _aligned(_renamed(source.tensors, (*source.key_map, *rules.key_map)), model.state_dict())
    for name in rules.head:
        weight = state.get(f"{name}.weight")
        if weight is not None and weight.ndim:
            return int(weight.shape[0])
    return None


def read(weights: Any, progress: bool = True) -> Source:
    """What ``load_pretrained`` takes, read.

    Raises:
        FileNotFoundError: a path leads nowhere.
        ArgumentError: no weights have the name.
        FileFormatError, DownloadError: the file cannot be read, or had.
    """
    if isinstance(weights, Source):
        return weights
    if isinstance(weights, Mapping):
        found = state_in(weights)
        return Source(weights if found is None else found, (), "the state dict")
    if isinstance(weights, WeightsEnum):
        weights = weights.value
    if isinstance(weights, str) and not os.path.exists(weights):
        from hub.registry import get_weights

        if os.sep in weights or weights.count(".") != 1:
            raise FileNotFoundError(f"there is no file of weights {weights!r}")
        weights = get_weights(weights)
    if isinstance(weights, Weights):
        return Source(weights.get_state_dict(progress), weights.key_map, weights.file_name)
    return Source(load_state_dict(weights), (), os.fspath(weights))


def fit_channels(weight: Tensor, channels: int) -> Tensor:
    """A convolution's weight (O, I, ...) for pictures of another number of channels.

    For one channel the weights are summed, which gives a grey picture what it would give repeated over all channels. For
    more, they are repeated in turn and scaled by I / ``channels``, so that the output keeps its size.
    """
    before = weight.shape[1]
    if channels == 1:
        return weight.sum(1, keepdim=True)
    turns = -(-channels // before)
    return cat([weight] * turns, 1)[:, :channels] * (before / channels)


def swap_stem(model: nn.Module, channels: int) -> nn.Module:
    """Give a model's first convolution another number of input channels, with fitted weights. Returns the model.

    Raises:
        ArgumentError: the model has no such convolution, or it is grouped.
    """
    stem = rules_of(model).stem
    layer = dict(model.named_modules()).get(stem or "")
    if not isinstance(layer, _CONVOLUTIONS) or layer.groups != 1:
        raise ArgumentError(
            f"in_channels={channels}: {type(model).__name__} has no first convolution that could take it"
        )
    if getattr(model, "transform_input", False) and channels != 3:
        raise ArgumentError(f"in_channels={channels}: {type(model).__name__} with transform_input takes 3 channels")
    layer.weight = nn.Parameter(fit_channels(layer.weight.detach(), channels))
    layer.in_channels = channels
    return model


def _renamed(state: Mapping[str, Tensor], key_map: Iterable[tuple[str, str]]) -> dict[str, Tensor]:
    renamed = dict(state)
    for pattern, replacement in key_map:
        renamed = {re.sub(pattern, replacement, key): value for key, value in renamed.items()}
    return renamed


def _aligned(state: dict[str, Tensor], own: Iterable[str]) -> dict[str, Tensor]:
    """The state dict without the wrappers' prefixes, as far as taking them off makes more keys fit."""
    if _AVERAGED in state and _AVERAGED not in own:
        state = {key: value for key, value in state.items() if key != _AVERAGED}
    best, most = state, sum(key in own for key in state)
    for _ in PREFIXES:
        counts = {prefix: sum(key.startswith(prefix) for key in state) for prefix in PREFIXES}
        prefix = max(counts, key=lambda p: counts[p])
        stripped = {key.removeprefix(prefix): value for key, value in state.items()}
        if not counts[prefix] or len(stripped) < len(state):
            break
        state, found = stripped, sum(key in own for key in stripped)
        if found > most:
            best, most = state, found
    return best


def _either_way(own: Mapping[str, Any], base: str) -> Iterable[str]:
    """The model's keys, and what files with and without the base call them."""
    if not base:
        return own
    return {*own, *(f"{base}.{key}" for key in own), *(key.removeprefix(f"{base}.") for key in own)}


def _rebased(state: dict[str, Tensor], own: Mapping[str, Any], base: str) -> tuple[dict[str, Tensor], list[str]]:
    """The state dict with its trunk where the model has it, and the keys of heads that the model has not."""
    whole, held = (any(key.startswith(base) for key in keys) for keys in (own, state))
    if not held:
        return ({base + key: value for key, value in state.items()} if whole else state), []
    strangers = [key for key in state if not key.startswith(base) and (key not in own or not whole)]
    kept = {key: value for key, value in state.items() if key not in strangers}
    return (kept if whole else {key.removeprefix(base): value for key, value in kept.items()}), strangers


def _begins(key: str, beginnings: tuple[str, ...], base: str) -> bool:
    return bool(beginnings) and key.removeprefix(f"{base}.").startswith(beginnings)


def _sort_absent(fit: Fit, absent: list[str], own: Mapping[str, Tensor], rules: FitRules) -> None:
    """Tell keys that the file lacks apart: tied to one that was loaded, of a part that may be absent, or missing."""
    loaded = {memory_key(own[key].array) for key in fit.loaded} if absent else set()
    whole = bool(rules.base) and any(key.startswith(f"{rules.base}.") for key in own)
    for key in absent:
        if memory_key(own[key].array) in loaded:
            continue
        head = whole and not key.startswith(f"{rules.base}.")
        (fit.fresh if head or _begins(key, rules.fresh, rules.base) else fit.missing).append(key)


def _swapped(state: Mapping[str, Tensor], own: Mapping[str, Any], heads: tuple[str, ...]) -> list[str]:
    """Keys of heads for another number of classes: another first length, and nothing more."""
    changed = []
    for head in heads:
        keys = [key for key in state if key.startswith(head) and key in own and state[key].ndim]
        lengths = {(state[key].shape[0], own[key].shape[0]) for key in keys}
        if all(state[key].shape[1:] == own[key].shape[1:] for key in keys) and len(lengths) == 1:
            changed += [key for key in keys if state[key].shape != own[key].shape]
    return changed


def _with_channels(state: dict[str, Tensor], rules: FitRules, own: Mapping[str, Any]) -> dict[str, Tensor]:
    key = f"{rules.stem}.weight"
    if rules.stem is None or key not in state or key not in own:
        return state
    file, model = state[key].shape, own[key].shape
    if len(file) != len(model) or file[1] == model[1] or (file[0], *file[2:]) != (model[0], *model[2:]):
        return state
    return {**state, key: fit_channels(state[key], model[1])}
