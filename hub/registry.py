"""The registry: models and their weights by name. Each model's module registers its builders when it is imported."""

from __future__ import annotations

import fnmatch
import functools
import inspect
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from framework import nn
from framework.errors import ArgumentError, nearest
from framework.nn.init import skipped
from hub.fitting import Source, classes_in, load_pretrained, read, swap_stem
from hub.weights import Weights, WeightsEnum


@dataclass(frozen=True)
class Architecture:
    """A registered model: what builds it, and the enum of its weights, if it has any."""

    name: str
    builder: Callable[..., Any]
    weights: type[WeightsEnum] | None


_architectures: dict[str, Architecture] = {}
_weights: dict[str, Weights] = {}  # by "arch.tag"
_SUFFIXES = (".pth", ".pt", ".ckpt", ".th", ".tar", ".bin", ".safetensors", ".npz", ".json")  # of files, never of tags


def register_model(
    builder: Callable[..., Any] | None = None, *, weights: type[WeightsEnum] | None = None
) -> Callable[..., Any]:
    """Decorate a builder ``name(**config) -> Module`` to make it known by its name.

    What is known by the name takes ``weights``, ``progress`` and ``in_channels`` beside the builder's own arguments, and
    fits the weights to the model; see ``create``.

    Args:
        builder: makes the model with its weights as initialised.
        weights: the enum of the architecture's weights.

    Raises:
        ArgumentError: another builder has the name.

    Example:
        >>> @register_model(weights=ResNet18_Weights)
        ... def resnet18(**config):
        ...     return ResNet(BasicBlock, [2, 2, 2, 2], **config)
    """
    if builder is None:
        return functools.partial(register_model, weights=weights)
    name = builder.__name__
    if name in _architectures:
        raise ArgumentError(f"register_model: an entry is already registered under the name {name!r}")
    architecture = _architectures[name] = Architecture(name, builder, weights)
    for member in weights or ():
        register_weights(name, member.name, member.value)

    @functools.wraps(builder)
    def build(
        *, weights: Any = None, progress: bool = True, in_channels: int | None = None, **config: Any
    ) -> nn.Module:
        return _build(architecture, weights, progress, in_channels, config)

    return build


def register_weights(arch: str, tag: str, weights: Weights) -> None:
    """Make weights known as ``arch.tag``: the user's own beside the published ones.

    Raises:
        ArgumentError: there are others of the name, or no model of the architecture's.
    """
    _architecture(arch)
    name = f"{arch}.{tag}"
    if name in _weights:
        raise ArgumentError(f"register_weights: an entry is already registered under the name {name!r}")
    _weights[name] = weights


def list_models(
    module: Any = None,
    include: Iterable[str] | str | None = None,
    exclude: Iterable[str] | str | None = None,
    *,
    pretrained: bool = False,
) -> list[str]:
    """The names of registered models, sorted.

    Args:
        module: only those that a package or a module of it defines.
        include, exclude: patterns with ``*`` and ``?``, of which a name has to match one, or none.
        pretrained: only those that have weights.

    Example:
        >>> hub.list_models(include="resnet*", pretrained=True)
    """
    wanted, unwanted = ([p] if isinstance(p, str) else list(p or ()) for p in (include, exclude))
    home = None if module is None else module.__name__
    names = []
    for name, architecture in _architectures.items():
        place = architecture.builder.__module__
        if home is not None and place != home and not place.startswith(f"{home}."):
            continue
        if wanted and not any(fnmatch.fnmatchcase(name, p) for p in wanted):
            continue
        if any(fnmatch.fnmatchcase(name, p) for p in unwanted):
            continue
        if not pretrained or any(key.startswith(f"{name}.") for key in _weights):
            names.append(name)
    return sorted(names)


def list_weights(include: Iterable[str] | str | None = None) -> list[str]:
    """The names ``arch.tag`` of registered weights, sorted; only those that match one of the patterns, if any are given.

    Example:
        >>> hub.list_weights("resnet50.*")
        ['resnet50.IMAGENET1K_V1', 'resnet50.IMAGENET1K_V2']
    """
    wanted = [include] if isinstance(include, str) else list(include or ("*",))
    return sorted(name for name in _weights if any(fnmatch.fnmatchcase(name, p) for p in wanted))


def get_weights(name: str) -> Weights:
    """The entry of weights ``arch.tag``; the tag may be in small letters, or ``DEFAULT``.

    Raises:
        ArgumentError: there is none of the name.
    """
    arch, _, tag = name.partition(".")
    return _entry(_architecture(arch), tag)


def describe(name: str) -> str:
    """What is known of a model, or of weights ``arch.tag``, as lines of text.

    Raises:
        ArgumentError: there is none of the name.
    """
    if "." not in name:
        architecture = _architecture(name)
        summary = (inspect.getdoc(architecture.builder) or "").split("\n\n")[0].replace("\n", " ")
        rows = [f"  {key}: {_figures(_weights[key])}" for key in list_weights(f"{name}.*")]
        return "\n".join([f"{name}: {summary}", *(rows or ["  no published weights"])])
    entry = get_weights(name)
    names = entry.categories
    facts = {
        "file": f"{entry.url}, {entry.meta.get('_file_size', '?')} MB, sha256 {entry.sha256}",
        "scores": _figures(entry),
        "classes": f"{len(names)}, from {names[0]!r} to {names[-1]!r}" if names else "",
        "head": ", ".join(entry.head),
        "preprocessing": " ".join(str(entry.transforms()).split()),
        "smallest picture": " x ".join(map(str, entry.meta.get("min_size", ()))),
        "recipe": entry.meta.get("recipe", ""),
        "paper": entry.paper,
        "licence": entry.licence,
    }
    return "\n".join([name, *(f"  {key}: {value}" for key, value in facts.items() if value)])


def create(name: str, **config: Any) -> Any:
    """Build a registered model, with pretrained weights if any are named.

    Args:
        name: as in ``list_models()``; or ``arch.tag``, which names the weights too.
        weights: None; a tag such as ``"IMAGENET1K_V1"`` or ``"DEFAULT"``; an entry; or the path of a file of weights.
        num_classes: the number of outputs; that of the weights unless given. With another number the head starts afresh.
        in_channels: of the pictures. The first convolution's weights are fitted by the rule of ``fit_channels``.
        progress: show how far a download is.
        config: the builder's other arguments.

    Returns:
        The model, in training mode.

    Raises:
        ArgumentError: no model or weights have the name, or the builder does not take an argument.
        StateError: the weights do not fit; the message has the table of keys.

    Example:
        >>> hub.create("resnet18", num_classes=10)
        >>> hub.create("resnet18.IMAGENET1K_V1", num_classes=10)
        >>> hub.create("squeezenet1_1", weights="squeezenet1_1.pth")
    """
    arch, _, tag = name.partition(".")
    architecture = _architecture(arch)
    if tag:
        if config.get("weights") is not None:
            raise ArgumentError(f"create: {name!r} names weights already; leave out weights={config['weights']!r}")
        config["weights"] = tag
    chosen, progress, channels = (
        config.pop("weights", None),
        config.pop("progress", True),
        config.pop("in_channels", None),
    )
    return _build(architecture, chosen, progress, channels, config)


def get_model_builder(name: str) -> Callable[..., Any]:
    """The function that builds a registered model; it takes what ``create`` takes beside the name."""
    architecture = _architecture(name)
    return functools.wraps(architecture.builder)(functools.partial(create, name))


def get_model_weights(name: str | Callable[..., Any]) -> type[WeightsEnum]:
    """The enum of a model's weights, by the model's name or its builder.

    Raises:
        ArgumentError: the model has none.
    """
    architecture = _architecture(name if isinstance(name, str) else name.__name__)
    if architecture.weights is None:
        raise ArgumentError(f"{architecture.name} has no published weights")
    return architecture.weights


def get_weight(name: str) -> Any:
    """The member of an enum of weights by its full name, such as ``"ResNet50_Weights.IMAGENET1K_V2"``.

    Raises:
        ArgumentError: there is none of the name.
    """
    enum_name, _, tag = name.partition(".")
    enums = {a.weights.__name__: a.weights for a in _architectures.values() if a.weights is not None}
    if enum_name not in enums:
        raise ArgumentError(f"unknown weights {name!r}{nearest(enum_name, enums)}")
    return enums[enum_name].verify(tag)


def _architecture(name: str) -> Architecture:
    try:
        return _architectures[name]
    except KeyError:
        known = (
            ", ".join(list_models())
            or "none, since models are registered by the packages that define them; import vision"
        )
        hint = nearest(name, _architectures) or f"; known: {known}"
        raise ArgumentError(f"unknown model {name!r}{hint}") from None


def _entry(architecture: Architecture, tag: str) -> Weights:
    own = {key.split(".", 1)[1].lower(): key for key in list_weights(f"{architecture.name}.*")}
    if architecture.weights is not None:
        own["default"] = f"{architecture.name}.{architecture.weights.verify('DEFAULT').name}"
    if tag.lower() not in own:
        known = ", ".join(list_weights(f"{architecture.name}.*")) or "none"
        raise ArgumentError(
            f"{architecture.name} has no weights {tag!r}; known: {known}; a file of weights is given by its path"
        )
    return _weights[own[tag.lower()]]


def _chosen(architecture: Architecture, weights: Any) -> Weights | str | os.PathLike[str] | None:
    """What ``weights`` names: an entry, a file, or nothing."""
    if isinstance(weights, WeightsEnum):
        if architecture.weights is None or not isinstance(weights, architecture.weights):
            raise TypeError(f"{architecture.name}: {weights!r} are weights of another architecture")
        return weights.value
    if weights is None or isinstance(weights, Weights | os.PathLike):
        return weights
    if not isinstance(weights, str):
        raise TypeError(f"{architecture.name}: weights should be a name, an entry or a path, got {weights!r}")
    if os.path.exists(weights):
        return weights
    if os.sep in weights or os.path.splitext(weights)[1] in _SUFFIXES:
        raise FileNotFoundError(f"{architecture.name}: there is no file of weights {weights!r}")
    tag = weights.removeprefix(f"{architecture.name}.")
    return _entry(
        architecture, tag if architecture.weights is None else tag.removeprefix(f"{architecture.weights.__name__}.")
    )


def _build(
    architecture: Architecture, weights: Any, progress: bool, in_channels: int | None, config: dict[str, Any]
) -> Any:
    chosen = _chosen(architecture, weights)
    if in_channels is not None and "in_channels" in inspect.signature(architecture.builder).parameters:
        config, in_channels = {**config, "in_channels": in_channels}, None
    if chosen is None:
        model = _made(architecture, config)
        return model if in_channels is None else swap_stem(model, in_channels)
    if isinstance(chosen, Weights):
        classes_of = {"num_classes": len(chosen.categories)} if chosen.categories else {}
        config = {**chosen.config, **classes_of, **config}
    source = read(chosen, progress)
    # drawing values that are overwritten takes longer than reading them: only a head for other classes needs them
    with skipped():
        model = _made(architecture, config)
    classes = classes_in(model, source)
    if classes is not None and classes != classes_in(model, Source(model.state_dict(), (), "")):
        if "num_classes" in config:
            model = _made(architecture, config)
        else:  # a file tells its number of classes
            with skipped():
                model = _made(architecture, {**config, "num_classes": classes})
    if in_channels is not None:
        swap_stem(model, in_channels)
    load_pretrained(model, source)
    return model


def _made(architecture: Architecture, config: dict[str, Any]) -> Any:
    """What the builder makes of a configuration; arguments that it does not take are named."""
    if "pretrained" in config:
        tags = ", ".join(repr(key.split(".", 1)[1]) for key in list_weights(f"{architecture.name}.*")) or "a file"
        raise ArgumentError(f"model {architecture.name!r}: instead of pretrained, pass weights=None, or {tags}")
    try:
        inspect.signature(architecture.builder).bind(**config)
        return architecture.builder(**config)
    except TypeError as error:
        if "argument" not in str(error):
            raise
        raise ArgumentError(f"model {architecture.name!r}: {error}") from error


def _figures(entry: Weights) -> str:
    """A line of an entry's scores and sizes."""
    scores = [
        f"{data}: " + ", ".join(f"{metric} {value:g}" for metric, value in metrics.items())
        for data, metrics in entry.meta.get("_metrics", {}).items()
    ]
    sizes = [f"{entry.meta['num_params'] / 1e6:.1f} M parameters"] if "num_params" in entry.meta else []
    work = [f"{entry.meta['_ops']:g} G multiply-adds"] if "_ops" in entry.meta else []
    return "; ".join([*scores, *sizes, *work])
