"""What of a model is trained, and how fast: freezing, unfreezing, and learning rates that fall off towards the input."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from framework import nn
from framework.errors import ArgumentError
from hub.fitting import head_of, rules_of


def freeze(model: nn.Module, parts: str | Iterable[str] | None = None, *, until: str | None = None) -> list[str]:
    """Stop training parts of a model: their parameters, and the statistics of their batch norms.

    Frozen modules stay in evaluation mode whatever ``model.train()`` says, until ``unfreeze``.

    Args:
        parts: dotted names of modules; ``"backbone"``, which also holds where nothing is given, is all but the head.
        until: instead of ``parts``: this module and all that the model defines before it.

    Returns:
        The names of the parameters that were frozen.

    Raises:
        ArgumentError: a name is no part of the model.

    Example:
        >>> hub.freeze(model)                   # the head alone is trained
        >>> hub.freeze(model, until="layer3")   # layer4 and the head of a residual network are trained
    """
    modules = dict(model.named_modules())
    if until is not None:
        if parts is not None:
            raise ArgumentError("freeze: give the parts or until, not both")
        _check("freeze", model, [until])
        names = list(modules)
        last = max(place for place, name in enumerate(names) if _within(name, [until]))
        chosen = set(names[: last + 1])
    elif parts is None or (_listed(parts) == ["backbone"] and "backbone" not in modules):
        head = head_of(model)
        chosen = {name for name in modules if not _within(name, head)}
    else:
        wanted = _listed(parts)
        _check("freeze", model, wanted)
        chosen = {name for name in modules if _within(name, wanted)}
    parted = {outer for name in modules if name not in chosen for outer in _around(name)}
    for name in chosen - parted:
        modules[name].__dict__["train"] = _Stay(modules[name])
        modules[name].eval()
    frozen = [(n, p) for n, p in model.named_parameters() if n.rpartition(".")[0] in chosen and p.requires_grad]
    for _, parameter in frozen:
        parameter.requires_grad_(False)
    return [name for name, _ in frozen]


def unfreeze(model: nn.Module, parts: str | Iterable[str] | None = None) -> list[str]:
    """Train parts of a model again, all of it where nothing is given: the next stage of a gradual thaw.

    Returns:
        The names of the parameters that are trained again.

    Raises:
        ArgumentError: a name is no part of the model.

    Example:
        >>> hub.freeze(model)
        >>> hub.unfreeze(model, "layer4")  # after some epochs; then layer3, and so on
    """
    wanted = [""] if parts is None else _listed(parts)
    _check("unfreeze", model, [name for name in wanted if name])
    outer = {name for part in wanted for name in _around(part)}  # they would take the part back to evaluation
    for name, module in model.named_modules():
        if name in outer or _within(name, wanted):
            module.__dict__.pop("train", None)
    thawed = [(n, p) for n, p in model.named_parameters() if _within(n, wanted) and not p.requires_grad]
    for _, parameter in thawed:
        parameter.requires_grad_(True)
    model.train(model.training)
    return [name for name, _ in thawed]


def layers_of(model: nn.Module) -> list[list[str]]:
    """The names of a model's parameters, layer by layer from the input to the output.

    The layers are what the model and its trunk hold directly, in plain sequences of modules, in what holds a plain list of
    them, or in the containers that the model's class names in ``fit_rules``. A norm belongs to the layer before it; what a
    container holds itself, to the first one after it.
    """
    rules = rules_of(model)
    containers = (*rules.containers, rules.base)
    layers: list[list[str]] = []
    loose: list[str] = []

    def opened(name: str, child: nn.Module, listed: bool) -> bool:
        if type(child) in (nn.Sequential, nn.ModuleList) or name in containers:
            return True
        return not listed and any(type(inner) is nn.ModuleList for inner in child.children())

    def walk(name: str, module: nn.Module, listed: bool) -> None:
        loose.extend(f"{name}{own}" for own, _ in module.named_parameters(recurse=False))
        for own, child in module.named_children():
            if opened(f"{name}{own}", child, listed):
                walk(f"{name}{own}.", child, type(child) in (nn.Sequential, nn.ModuleList))
                continue
            parameters = dict(child.named_parameters())
            found = [f"{name}{own}.{key}" for key in parameters]
            if layers and found and all(p.ndim < 2 for p in parameters.values()):
                layers[-1].extend(found)
            elif found:
                layers.append([*loose, *found])
                loose.clear()

    walk("", model, False)
    return [*layers, loose] if loose else layers


def param_groups(
    model: nn.Module,
    lr: float,
    *,
    layer_decay: float = 1.0,
    weight_decay: float = 0.0,
    no_decay_on_1d: bool = True,
) -> list[dict[str, Any]]:
    """Groups of parameters for an optimizer: slower towards the input, and without weight decay on biases and norms.

    Args:
        lr: the learning rate of the last layer, the head.
        layer_decay: the factor from each layer to the one before it.
        weight_decay: of all parameters but those of one dimension.
        no_decay_on_1d: whether those of one dimension get none.

    Returns:
        Dicts with ``params``, ``lr`` and ``weight_decay``. Frozen parameters are left out.

    Reference: Clark et al., "ELECTRA" (layer-wise decay), https://arxiv.org/abs/2003.10555

    Example:
        >>> optimizer = AdamW(hub.param_groups(model, 1e-3, layer_decay=0.75, weight_decay=0.05))
    """
    if not 0.0 < layer_decay <= 1.0:
        raise ArgumentError(f"param_groups: layer_decay should be above 0 and at most 1, got {layer_decay}")
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    groups: dict[tuple[float, float], list[Any]] = {}
    layers = layers_of(model)
    for depth, names in enumerate(layers):
        rate = lr * layer_decay ** (len(layers) - 1 - depth)
        for parameter in (parameters[name] for name in names if name in parameters):
            decay = 0.0 if no_decay_on_1d and parameter.ndim < 2 else weight_decay
            groups.setdefault((rate, decay), []).append(parameter)
    return [{"params": chosen, "lr": rate, "weight_decay": decay} for (rate, decay), chosen in groups.items()]


class _Stay:
    """What stands for ``train`` on a frozen module. A bound function would do, if it could be pickled."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __call__(self, mode: bool = True) -> nn.Module:
        return type(self.module).train(self.module, False)


def _listed(parts: str | Iterable[str]) -> list[str]:
    return [parts] if isinstance(parts, str) else list(parts)


def _within(name: str, parts: Iterable[str]) -> bool:
    """Whether a module or parameter is one of the parts, or inside one; the part "" is the whole model."""
    return any(name == part or not part or name.startswith(f"{part}.") for part in parts)


def _around(name: str) -> list[str]:
    """The modules that a module is inside of, the root among them."""
    steps = name.split(".")
    return [".".join(steps[:length]) for length in range(len(steps))] if name else []


def _check(who: str, model: nn.Module, names: list[str]) -> None:
    modules = dict(model.named_modules())
    unknown = [name for name in names if not name or name not in modules]
    if unknown or (not names and who == "freeze"):
        parts = ", ".join(name for name, _ in model.named_children())
        wrong = ", ".join(map(repr, unknown)) or "nothing"
        raise ArgumentError(f"{who}: {wrong} is no part of the model; its parts: {parts}")
